"""Pages of several runs: a sweep, and any selection beside each other."""

from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts.models import Project
from accounts.permissions import can_research, project_view
from accounts.requests import MemberRequest
from registry import compare as comparing
from registry.launching import words
from registry.models import Job, Sweep
from registry.sweeps import MOST_RUNS


@never_cache
@require_GET
@project_view(can_research)
def compare(request: MemberRequest, project: Project) -> HttpResponseBase:
    """The runs that ?run=a&run=b name, in that order."""
    names = list(dict.fromkeys(name for name in request.GET.getlist("run") if "\x00" not in name))
    found = {job.name: job for job in runs_of(project).filter(name__in=names[:MOST_RUNS])}
    jobs = [found[name] for name in names if name in found]
    told = []
    if missing := [name for name in names[:MOST_RUNS] if name not in found]:
        told.append(f"There is no run {', '.join(missing)} in {project}.")
    if len(names) > MOST_RUNS:
        told.append(f"{len(names)} runs were chosen. The first {MOST_RUNS} are shown.")
    if len(jobs) < 2:
        told.append("Choose two runs or more on the page of runs, by their boxes.")
    return page(request, project, jobs, told=told)


@never_cache
@require_GET
@project_view(can_research)
def sweep(request: MemberRequest, project: Project, name: str) -> HttpResponseBase:
    found = get_object_or_404(Sweep.objects.select_related("project", "created_by"), project=project, name=name)
    return page(request, project, list(runs_of(project).filter(sweep=found).order_by("pk")), sweep=found)


def runs_of(project: Project) -> QuerySet[Job]:
    return Job.objects.filter(project=project).select_related("project", "created_by", "sweep")


def page(
    request: MemberRequest, project: Project, jobs: list[Job], *, sweep: Sweep | None = None,
    told: list[str] | None = None,
) -> HttpResponseBase:  # fmt: skip
    found = comparing.compare(jobs) if jobs else None
    name = sweep.name if sweep else "runs"
    if found and request.GET.get("format") == "csv":
        return download(HttpResponse(comparing.table_csv(found), content_type="text/csv; charset=utf-8"), name)
    if found and request.GET.get("format") == "curves":
        curves = StreamingHttpResponse(comparing.curves_csv(jobs), content_type="text/csv; charset=utf-8")
        return download(curves, f"{name}-curves")
    return render(
        request,
        "registry/compare.html",
        {
            "project": project, "found": found, "sweep": sweep, "told": told or [],
            "varied": [(key.replace("_", " "), words(tried)) for key, tried in sweep.varied.items()] if sweep else [],
            "query": request.GET.urlencode(), "live": any(not job.is_finished for job in jobs),
        },
    )  # fmt: skip


def download(response: HttpResponseBase, name: str) -> HttpResponseBase:
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response
