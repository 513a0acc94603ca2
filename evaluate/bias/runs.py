"""What runs of the job `bias` found, as figures by type of case. Reads only."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from accounts.models import Project
from evaluate.battles import Voice
from evaluate.benchmarks.cases import TYPES, VOTED, title_of
from evaluate.benchmarks.measures import CaseFigures, Trivial, across_languages, case_figures, trivial_judges
from evaluate.benchmarks.on_cases import reads_both
from evaluate.models import CaseVerdict
from evaluate.stats import Estimate
from registry.models import Job

ALL = "all"
"""The row over every case."""


@dataclass(frozen=True)
class OfType:
    """A run's figures on one type of case, or on all."""

    type: str
    title: str
    figures: CaseFigures
    trivial: tuple[Trivial, ...]
    """What judges that do not read, and the fair one, get on the same cases."""
    languages: Estimate | None = None
    """Of pairs in several languages: the share that is right in each."""

    @property
    def longer_wins(self) -> float:
        return next(one.single for one in self.trivial if one.name == "longer wins")


@dataclass(frozen=True)
class Run:
    """One run, of one judge."""

    job: Job
    voice: Voice
    types: tuple[OfType, ...]
    total: OfType

    @property
    def name(self) -> str:
        return self.job.name

    @property
    def label(self) -> str:
        return f"{self.voice.label} ({self.job.name})"

    def of(self, kind: str) -> OfType | None:
        return next((one for one in (*self.types, self.total) if one.type == kind), None)


def jobs_of(project: Project) -> list[Job]:
    """Finished runs, the newest first."""
    return list(Job.objects.filter(project=project, kind="bias", status=Job.Status.SUCCEEDED).order_by("-pk"))


def run_of(job: Job) -> Run | None:
    """None where a run has kept nothing."""
    fields = ("judge_kind", "judge_name", "case_type", "group", "better_first", "given", "swapped", "case__better",
              "case__worse")  # fmt: skip
    rows = list(CaseVerdict.objects.filter(job=job).order_by("pk").values(*fields))
    if not rows:
        return None
    voice = Voice(rows[0]["judge_kind"], rows[0]["judge_name"])
    ordered = reads_both(voice)
    by_type: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_type.setdefault(row["case_type"], []).append(row)
    types = tuple(of_type(kind, title_of(kind), by_type[kind], ordered) for kind in in_order(by_type))
    return Run(job, voice, types, of_type(ALL, "All cases", rows, ordered))


def in_order(kinds: Iterable[str]) -> list[str]:
    """Our own sets in the order of TYPES, then voted pairs by tag."""
    return sorted(kinds, key=lambda kind: (kind.startswith(VOTED), TYPES.index(kind) if kind in TYPES else 0, kind))


def of_type(kind: str, title: str, rows: Sequence[dict[str, Any]], ordered: bool) -> OfType:
    given, swapped = [row["given"] for row in rows], [row["swapped"] for row in rows]
    figures = case_figures(given, swapped if ordered else None, [row["better_first"] for row in rows])
    trivial = trivial_judges([row["case__better"] for row in rows], [row["case__worse"] for row in rows])
    languages = None
    if kind != ALL and all(row["group"] for row in rows):
        right = [row["given"] == 1 and (row["swapped"] == 1 or not ordered) for row in rows]
        languages = across_languages(right, [row["group"] for row in rows])
    return OfType(kind, title, figures, tuple(trivial), languages)
