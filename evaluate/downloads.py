"""Every number of the leaderboard, and every chart, as files."""

import csv
import io
from collections.abc import Iterator, Sequence

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_GET

from accounts.models import Project
from accounts.permissions import can_research, can_review, project_view
from evaluate.boards.slices import slice_of
from evaluate.charts import CHARTS, SLICED
from evaluate.leaderboard import Board, boards
from pages.charts import standalone_svg, to_csv
from pages.charts.download import harmless

COLUMNS = (
    "judge", "judge_kind", "model", "opponent", "rating", "rating_low", "rating_high", "win_rate", "win_rate_low",
    "win_rate_high", "battles", "prompts",
)  # fmt: skip
Cell = str | float | int | None


def rows(found: Sequence[Board]) -> Iterator[dict[str, Cell]]:
    """A row a model and voice (opponent empty), and a row a pair that met, from both sides."""
    for board in found:
        who: dict[str, Cell] = {"judge": board.voice.key, "judge_kind": board.voice.kind_words}
        for model in board.order:
            rating, rate = board.rating(model), board.rates[model]
            yield who | {
                "model": model, "opponent": "", "rating": rating.value if rating else None,
                "rating_low": rating.low if rating else None, "rating_high": rating.high if rating else None,
                "win_rate": rate.value, "win_rate_low": rate.low, "win_rate_high": rate.high, "battles": rate.n,
                "prompts": rate.clusters,
            }  # fmt: skip
        for (model, opponent), rate in board.pairs.items():
            yield who | {
                "model": model, "opponent": opponent, "rating": None, "rating_low": None, "rating_high": None,
                "win_rate": rate.value, "win_rate_low": rate.low, "win_rate_high": rate.high, "battles": rate.n,
                "prompts": rate.clusters,
            }  # fmt: skip


@require_GET
@project_view(can_research)
def leaderboard_csv(request: HttpRequest, project: Project) -> HttpResponse:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows(boards(project, slice_of(request.GET))):
        writer.writerow(["" if (cell := row[name]) is None else harmless(cell) for name in COLUMNS])
    return attachment(out.getvalue(), "text/csv; charset=utf-8", f"{project.slug}-leaderboard.csv")


@require_GET
@project_view(can_research)
def leaderboard_json(request: HttpRequest, project: Project) -> HttpResponse:
    response = JsonResponse({"project": project.slug, "rows": list(rows(boards(project, slice_of(request.GET))))})
    response["Content-Disposition"] = f'attachment; filename="{project.slug}-leaderboard.json"'
    return response


def chart(request: HttpRequest, slug: str, name: str, judge: str = "") -> HttpResponse:
    """?format=svg (with ?theme=dark) or csv. Charts without model names are open to reviewers, as their pages are."""
    view = open_chart if name in {"answers", "bias", "bias_cases"} else closed_chart
    return view(request, slug=slug, name=name, judge=judge)  # type: ignore[return-value]


def serve(request: HttpRequest, project: Project, name: str, judge: str) -> HttpResponse:
    if name not in CHARTS:
        raise Http404(f"There is no chart {name}. There are {', '.join(CHARTS)}.")
    drawn = SLICED[name](project, judge, slice_of(request.GET)) if name in SLICED else CHARTS[name](project, judge)
    if request.GET.get("format", "svg") == "csv":
        return attachment(to_csv(drawn), "text/csv; charset=utf-8", f"{project.slug}-{name}.csv")
    theme = "dark" if request.GET.get("theme") == "dark" else "light"
    return attachment(standalone_svg(drawn, theme), "image/svg+xml", f"{project.slug}-{name}.svg")


open_chart = require_GET(project_view(can_review)(serve))
closed_chart = require_GET(project_view(can_research)(serve))


def attachment(content: str, kind: str, filename: str) -> HttpResponse:
    return HttpResponse(
        content, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{filename}"'}
    )
