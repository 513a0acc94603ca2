"""Pages of models: the list, and one of them."""

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from accounts.models import Project
from accounts.permissions import can_research, project_view
from accounts.requests import MemberRequest
from registry.models import ModelVersion
from registry.views import settings_of


@require_GET
@project_view(can_research)
def models(request: MemberRequest, project: Project) -> HttpResponse:
    found = ModelVersion.objects.filter(project=project).select_related(
        "parent", "dataset__project", "job__project", "project"
    )
    return render(request, "registry/models.html", {"project": project, "models": found})


@require_GET
@project_view(can_research)
def model(request: MemberRequest, project: Project, name: str) -> HttpResponse:
    found = get_object_or_404(
        ModelVersion.objects.select_related("parent__project", "dataset__project", "job__project"),
        project=project,
        name=name,
    )
    return render(
        request,
        "registry/model.html",
        {
            "project": project,
            "model": found,
            "settings": settings_of(found.job.kind if found.job else "", found.config),
            "lineage": lineage(found),
            "children": found.children.select_related("project"),
            "figures": [(name, value) for name, value in found.metrics.items() if isinstance(value, dict)],
            "files": [(name, entry) for name, entry in found.manifest.items()],
        },
    )


def lineage(model: ModelVersion) -> list[ModelVersion]:
    """The model's ancestors, oldest first, then itself."""
    chain = [model]
    while chain[-1].parent is not None:
        chain.append(chain[-1].parent)
    return chain[::-1]
