"""format: how often the response with more lists, headings and bold type wins, by voters and by each judge.

Also what judges did on cases whose worse answer is the more dressed one.
"""

from typing import Any

from django.db.models import F, FloatField, Func, Value

from accounts.models import Project
from annotate.comparisons import comparisons
from evaluate.battles import Battles, newest_verdicts, sets, with_responses
from evaluate.benchmarks.base import Result
from evaluate.benchmarks.on_cases import right_on
from evaluate.models import Judgement
from evaluate.stats import longer_wins
from evaluate.stats.length_bias import FAIR_RATE

TOWARDS = ("the more formatted", "the plainer")
MARKS = r"^[ \t]*([-*+]|[0-9]{1,3}[.)])[ \t]+|^#{1,6}[ \t]|\*\*[^*\n]+\*\*"
"""An item of a list, a heading, or a stretch in bold type, in Markdown."""


def run(project: Project) -> list[Result]:
    return [*(of(battles) for battles in counted(project)), *right_on(project, ("format",), "format")]


def of(battles: Battles) -> Result:
    rate = longer_wins(battles.first_length, battles.second_length, battles.outcome, clusters=battles.prompt)
    return Result("format", "chooses the more formatted", battles.voice, rate, FAIR_RATE, TOWARDS,
                  left_out=len(battles) - rate.n)  # fmt: skip


def counted(project: Project) -> list[Battles]:
    """All votes and judgements, with marks where other benchmarks have characters."""
    votes: Any = with_responses(comparisons(project)).values_list(
        "origin", Value(""), Value(""), Value(""), "preference", "task__prompt_id", marks("zero__response__text"),
        marks("one__response__text"),
    )  # fmt: skip
    said: Any = newest_verdicts(Judgement.objects.filter(project=project)).values_list(
        "judge_kind", "judge_name", Value(""), Value(""), "outcome", "first__prompt_id", marks("first__text"),
        marks("second__text"),
    )  # fmt: skip
    rows = ((*row[:4], (sign(row[4]) + 1) / 2, *row[5:]) for row in votes.iterator(chunk_size=10_000))
    return [*sets(rows), *sets(said.iterator(chunk_size=10_000))]


def marks(field: str) -> Func:
    """Counted by the database, so that no text leaves it; "n" lets ^ begin each line."""
    return Func(F(field), Value(MARKS), Value(1), Value("n"), function="regexp_count", output_field=FloatField())


def sign(preference: int | None) -> int:
    value = preference or 0
    return (value > 0) - (value < 0)
