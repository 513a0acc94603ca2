"""The page Datasets: every version that was frozen, the newest name first."""

from itertools import groupby

from django.db.models import Prefetch
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.models import Project
from accounts.permissions import can_research, project_view
from accounts.requests import MemberRequest
from curate.builders import BUILDERS
from curate.pages.recipe_words import rows_title
from registry.models import Dataset, Job, ModelVersion


@require_GET
@project_view(can_research)
def index(request: MemberRequest, project: Project) -> HttpResponse:
    found = list(
        Dataset.objects.filter(project=project).select_related("job__created_by", "project")
        .prefetch_related(Prefetch("models", ModelVersion.objects.select_related("project")))
    )  # fmt: skip
    newest = {one.name: place for place, one in reversed(list(enumerate(found)))}
    found.sort(key=lambda one: (newest[one.name], -one.version))
    groups = [
        (name, [(one, rows_title(one.recipe)) for one in versions])
        for name, versions in groupby(found, key=lambda one: one.name)
    ]
    building = Job.objects.filter(
        project=project, kind="build_dataset", status__in=[Job.Status.QUEUED, Job.Status.RUNNING]
    ).select_related("project")
    context = {"project": project, "groups": groups, "building": building, "kinds": len(BUILDERS)}
    return render(request, "curate/datasets.html", context)
