"""Every number of the leaderboard, and every chart, as files."""

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_GET

from accounts.models import Project
from accounts.permissions import can_research, can_review, project_view
from evaluate.boards.slices import slice_of
from evaluate.charts import CHARTS, SLICED
from evaluate.leaderboard import boards
from evaluate.reports.export import numbers_csv
from evaluate.reports.numbers import rows
from evaluate.reports.picture import png
from pages.charts import standalone_svg, to_csv


@require_GET
@project_view(can_research)
def leaderboard_csv(request: HttpRequest, project: Project) -> HttpResponse:
    return attachment(
        numbers_csv(boards(project, slice_of(request.GET))),
        "text/csv; charset=utf-8",
        f"{project.slug}-leaderboard.csv",
    )


@require_GET
@project_view(can_research)
def leaderboard_json(request: HttpRequest, project: Project) -> HttpResponse:
    response = JsonResponse({"project": project.slug, "rows": list(rows(boards(project, slice_of(request.GET))))})
    response["Content-Disposition"] = f'attachment; filename="{project.slug}-leaderboard.json"'
    return response


def chart(request: HttpRequest, slug: str, name: str, judge: str = "") -> HttpResponse:
    """?format=svg or png (with ?theme=dark), or csv. Charts without model names are open to reviewers, as are their
    pages."""
    view = open_chart if name in {"answers", "bias", "bias_cases"} else closed_chart
    return view(request, slug=slug, name=name, judge=judge)  # type: ignore[return-value]


def serve(request: HttpRequest, project: Project, name: str, judge: str) -> HttpResponse:
    if name not in CHARTS:
        raise Http404(f"There is no chart {name}. There are {', '.join(CHARTS)}.")
    drawn = SLICED[name](project, judge, slice_of(request.GET)) if name in SLICED else CHARTS[name](project, judge)
    if request.GET.get("format", "svg") == "csv":
        return attachment(to_csv(drawn), "text/csv; charset=utf-8", f"{project.slug}-{name}.csv")
    theme = "dark" if request.GET.get("theme") == "dark" else "light"
    if request.GET.get("format") == "png":
        return attachment(png(drawn, theme), "image/png", f"{project.slug}-{name}.png")
    return attachment(standalone_svg(drawn, theme), "image/svg+xml", f"{project.slug}-{name}.svg")


open_chart = require_GET(project_view(can_review)(serve))
closed_chart = require_GET(project_view(can_research)(serve))


def attachment(content: str | bytes, kind: str, filename: str) -> HttpResponse:
    return HttpResponse(
        content, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{filename}"'}
    )
