"""Mappings under a name: save the one of this page, use one that fits, take one home as YAML, throw one away."""

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.utils.text import slugify
from django.views.decorators.http import require_GET, require_POST

from accounts.models import Project
from accounts.permissions import can_research, project_view
from accounts.requests import MemberRequest
from exchange.imports import saved
from exchange.imports.base import Mapping, UnreadableFile
from exchange.imports.formats import FORMATS
from exchange.models import SavedMapping, Upload
from exchange.pages import import_runs
from exchange.pages.import_look import columns_of


@require_POST
@project_view(can_research)
def on_page(request: MemberRequest, project: Project, pk: int) -> HttpResponseBase:
    """Of an upload that is being looked at: `name` saves its mapping, `use` takes one that was saved."""
    upload = import_runs.upload_of(project, pk)
    if upload is None or import_runs.is_settled(upload):
        return redirect("import", project.slug)
    try:
        if number := request.POST.get("use"):
            use(upload, project, number)
        else:
            kept = Mapping.from_json(upload.mapping)
            made = saved.keep(project, request.user, request.POST.get("name", ""), upload.format, kept)
            messages.success(request, f"The mapping is saved as {made.name}. It is offered for files that fit.")
    except (UnreadableFile, ValueError) as error:
        messages.error(request, str(error))
    return redirect("import-check", project.slug, upload.pk)


def use(upload: Upload, project: Project, number: str) -> None:
    """Raises ValueError where it is gone or does not fit any more."""
    fits = {str(one.pk): one for one in offered(upload, project)}
    if number not in fits:
        raise ValueError("That mapping does not fit this file, or somebody threw it away.")
    one, old = fits[number], Mapping.from_json(upload.mapping)
    names = [column.name for column in columns_of(upload, FORMATS[upload.format])]
    mapping = saved.applied(Mapping.from_json(one.mapping), old, names).as_json()
    Upload.objects.filter(pk=upload.pk).update(mapping={**mapping, "models": old.as_json()["models"]})


def offered(upload: Upload, project: Project) -> list[SavedMapping]:
    if upload.format not in FORMATS:
        return []
    try:
        columns = columns_of(upload, FORMATS[upload.format])
    except UnreadableFile:  # the page says so above
        return []
    return saved.fitting(project, upload.format, [column.name for column in columns])


@require_GET
@project_view(can_research)
def as_yaml(request: MemberRequest, project: Project, pk: int) -> HttpResponse:
    one = get_object_or_404(SavedMapping, project=project, pk=pk)
    headers = {"Content-Disposition": f'attachment; filename="{slugify(one.name) or "mapping"}.yaml"'}
    return HttpResponse(saved.as_yaml(one), content_type="application/yaml; charset=utf-8", headers=headers)


@require_POST
@project_view(can_research)
def discard(request: MemberRequest, project: Project, pk: int) -> HttpResponseBase:
    SavedMapping.objects.filter(project=project, pk=pk).delete()
    upload = request.POST.get("upload", "")
    return redirect("import-check", project.slug, int(upload)) if upload.isdigit() else redirect("import", project.slug)
