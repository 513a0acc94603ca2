"""Position and length, people and judges, beside what a fair judge would score."""

from collections.abc import Sequence

from accounts.models import Project
from evaluate.battles import PEOPLE
from evaluate.benchmarks import BENCHMARKS, Result
from evaluate.charts.winners import span
from pages.charts import Chart, Rated, dots


def chart(project: Project, judge: str = "") -> Chart:
    return draw([result for run in BENCHMARKS.values() for result in run(project)])


def draw(results: Sequence[Result]) -> Chart:
    shares = [result for result in results if result.is_share and result.estimate.defined]
    return dots(
        title(shares),
        "How often each is chosen, %, with 95% interval; ties left out of position, half a win in length",
        [row(result) for result in shares],
        fair=(50.0, "fair judge"),
        width=630,
    )


def row(result: Result) -> Rated:
    mark, is_people = span(result.estimate, 100), result.voice.kind == PEOPLE
    what = "First shown" if result.benchmark == "position" else "Longer"
    return Rated(
        f"{what}, {result.voice.label}",
        people=mark if is_people else None,
        judge=None if is_people else mark,
        note=f"n {result.estimate.n:,}",
    )


def title(shares: Sequence[Result]) -> str:
    if not shares:
        return "No bias is measured yet"
    leaning = [result for result in shares if result.biased]
    if not leaning:
        return "Nobody shows a bias of position or length"
    worst = max(leaning, key=lambda result: abs((result.estimate.value or 0) - result.fair))
    return f"{worst.voice.title} leaned furthest: {worst.verdict}"
