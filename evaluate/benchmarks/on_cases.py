"""What judges did on case sets when they were last tested on them, as results of a benchmark."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Max

from accounts.models import Project
from evaluate.battles import KIND_WORDS, Voice
from evaluate.benchmarks.base import Result
from evaluate.benchmarks.cases import title_of
from evaluate.benchmarks.measures import case_figures
from evaluate.models import CaseVerdict, Judgement
from registry.models import Job

FAIR = 1.0
"""Every case has an answer that a careful person finds better."""
TOWARDS = ("the better", "the trap")
Rows = list[dict[str, Any]]


def newest(project: Project, kinds: Sequence[str]) -> dict[tuple[Voice, str], Rows]:
    """(judge, type) -> the verdicts of the newest finished run that asked that judge about that type."""
    verdicts = CaseVerdict.objects.filter(
        project=project, case_type__in=kinds, job__status=Job.Status.SUCCEEDED
    )  # fmt: skip
    runs = verdicts.values_list("judge_kind", "judge_name", "case_type").annotate(job=Max("job_id"))
    last = {(kind, name, case_type): job for kind, name, case_type, job in runs}
    found: dict[tuple[Voice, str], Rows] = {}
    fields = ("job_id", "judge_kind", "judge_name", "case_type", "group", "lang", "better_first", "given", "swapped")
    for row in verdicts.filter(job_id__in=set(last.values())).order_by("pk").values(*fields):
        who = row["judge_kind"], row["judge_name"], row["case_type"]
        if last[who] == row["job_id"]:
            found.setdefault((Voice(*who[:2]), row["case_type"]), []).append(row)
    order = list(KIND_WORDS)
    return dict(sorted(found.items(), key=lambda one: (order.index(one[0][0].kind), one[0][0].name,
                                                       list(kinds).index(one[0][1]))))  # fmt: skip


def reads_both(voice: Voice) -> bool:
    """Whether such a judge sees both responses at once, so that their order can sway it."""
    return voice.kind == Judgement.Judge.JUDGE_MODEL


def right_on(project: Project, kinds: Sequence[str], benchmark: str) -> list[Result]:
    """A result a judge and type: how often the better response was chosen, over both orders."""
    found = []
    for (voice, kind), rows in newest(project, kinds).items():
        swapped = [row["swapped"] for row in rows] if reads_both(voice) else None
        figures = case_figures([row["given"] for row in rows], swapped, [row["better_first"] for row in rows])
        measure = f"{title_of(kind)}: chooses the better"
        found.append(Result(benchmark, measure, voice, figures.single, FAIR, TOWARDS, left_out=figures.unparseable))
    return found
