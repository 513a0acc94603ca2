"""Every figure of the bias page as files: of votes, of judges on the project's own texts, and of each run on cases."""

import csv
import io
from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_GET

from accounts.models import Project
from accounts.permissions import can_review, project_view
from evaluate.bias.pages import on_votes
from evaluate.bias.runs import OfType, Run, jobs_of, run_of
from evaluate.stats import Estimate
from pages.charts.download import harmless

Cell = str | float | int | None
COLUMNS = (
    "judge", "judge_kind", "run", "benchmark", "measure", "value", "low", "high", "n", "left_out", "unparseable",
    "fair_judge", "always_a", "longer_wins", "random", "unit",
)  # fmt: skip


def rows(project: Project) -> Iterator[dict[str, Cell]]:
    """A row a measure. What trivial judges would get stands beside it where the cases say."""
    for one in on_votes(project):
        yield row(one.estimate, judge=one.voice.key, judge_kind=one.voice.kind_words, benchmark=one.benchmark,
                  measure=one.measure, left_out=one.left_out, fair_judge=one.fair, unit=one.unit)  # fmt: skip
    for job in jobs_of(project):
        if run := run_of(job):
            for of_type in (*run.types, run.total):
                yield from rows_of(run, of_type)


def rows_of(run: Run, one: OfType) -> Iterator[dict[str, Cell]]:
    trivial = {judge.name: judge for judge in one.trivial}
    figures = one.figures
    measures: list[tuple[str, Estimate, str]] = [
        ("single_accuracy", figures.single, "single"), ("pair_accuracy", figures.pair, "pair"),
        ("agreement", figures.agreement, "agreement"), ("first_slot_rate", figures.first_slot, ""),
    ]  # fmt: skip
    if one.languages:
        measures.append(("right_in_every_language", one.languages, ""))
    for name, estimate, field in measures:
        would = {who: getattr(judge, field) for who, judge in trivial.items()} if field else {}
        yield row(
            estimate, judge=run.voice.key, judge_kind=run.voice.kind_words, run=run.name, benchmark=one.type,
            measure=name, unparseable=figures.unparseable, unit="share",
            fair_judge=would.get("fair judge", 0.5 if name == "first_slot_rate" else 1.0),
            always_a=would.get("always A"), longer_wins=would.get("longer wins"), random=would.get("random"),
        )  # fmt: skip


def row(estimate: Estimate, **cells: Cell) -> dict[str, Cell]:
    found: dict[str, Cell] = dict.fromkeys(COLUMNS)
    return found | cells | {"value": estimate.value, "low": estimate.low, "high": estimate.high, "n": estimate.n}


@require_GET
@project_view(can_review)
def bias_csv(request: HttpRequest, project: Project) -> HttpResponse:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in rows(project):
        writer.writerow(["" if (cell := one[name]) is None else harmless(cell) for name in COLUMNS])
    headers = {"Content-Disposition": f'attachment; filename="{project.slug}-bias.csv"'}
    return HttpResponse(out.getvalue(), content_type="text/csv; charset=utf-8", headers=headers)


@require_GET
@project_view(can_review)
def bias_json(request: HttpRequest, project: Project) -> HttpResponse:
    response = JsonResponse({"project": project.slug, "rows": list(rows(project))})
    response["Content-Disposition"] = f'attachment; filename="{project.slug}-bias.json"'
    return response
