"""Position, length, format and self-preference, people and judges, beside what a fair judge would score."""

from collections.abc import Sequence

from accounts.models import Project
from evaluate.battles import PEOPLE
from evaluate.benchmarks import BENCHMARKS, Result
from evaluate.charts.winners import span
from pages.charts import Chart, Rated, dots

EVEN = 0.5
"""The fair value of what is drawn here; benchmarks with a right answer have a chart of their own."""
SHORT = {
    "chooses the first shown": "First shown", "chooses the longer": "Longer",
    "chooses the more formatted": "More formatted", "chooses its own family": "Own family",
}  # fmt: skip


def chart(project: Project, judge: str = "") -> Chart:
    return draw([result for run in BENCHMARKS.values() for result in run(project)])


def draw(results: Sequence[Result]) -> Chart:
    shares = [result for result in results if result.is_share and result.fair == EVEN and result.estimate.defined]
    return dots(
        title(shares),
        "How often each is chosen, %, with 95% interval; ties left out of position, half a win elsewhere",
        [row(result) for result in shares],
        fair=(50.0, "fair judge"),
        width=630,
    )


def row(result: Result) -> Rated:
    mark, is_people = span(result.estimate, 100), result.voice.kind == PEOPLE
    return Rated(
        f"{SHORT.get(result.measure, result.measure)}, {result.voice.label}",
        people=mark if is_people else None,
        judge=None if is_people else mark,
        note=f"n {result.estimate.n:,}",
    )


def title(shares: Sequence[Result]) -> str:
    if not shares:
        return "No bias is measured yet"
    leaning = [result for result in shares if result.biased]
    if not leaning:
        measured = list(dict.fromkeys(SHORT.get(one.measure, one.measure).lower() for one in shares))
        return f"Nobody shows a leaning to what is {', '.join(measured)}"
    worst = max(leaning, key=lambda result: abs((result.estimate.value or 0) - result.fair))
    return f"{worst.voice.title} leaned furthest: {worst.verdict}"
