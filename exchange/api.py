"""Exports over HTTP, for programs: ask and fetch, or all in one call. docs/exports.md has the calls.

Every answer that is no file is JSON, errors too: {"error": a sentence}.
"""

import json
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST, require_safe

from accounts.models import Project, User
from accounts.permissions import can_research, require
from accounts.tokens import bearer
from exchange.exports import kept, ranged
from exchange.exports.errors import ExportError
from exchange.exports.stream import Export, prepare
from registry.models import Job
from registry.specs import ExportSpec, SpecError, parse

BODY_LIMIT = 20_000
LISTS = {"splits"}
SWITCHES = {"extras", "comments", "timing", "bom"}


def project_api(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """A token, a project that its owner researches in, and errors as JSON."""

    @wraps(view)
    def wrapped(request: HttpRequest, slug: str, **kwargs: Any) -> HttpResponseBase:
        assert isinstance(request.user, User)
        try:
            project = get_object_or_404(Project, slug=slug)
            require(request.user, project, can_research)
            return view(request, project, **kwargs)
        except Http404:
            return error("There is nothing here that this token may see.", 404)
        except PermissionDenied as refused:
            return error(str(refused), 403)
        except (ExportError, SpecError) as wrong:
            return error(str(wrong), 422)

    return bearer(wrapped)


def error(sentence: str, status: int) -> JsonResponse:
    return JsonResponse({"error": sentence}, status=status)


def allowed(user: Any, project: Project, spec: ExportSpec) -> None:
    if reason := kept.refusal(user, project, spec):
        raise PermissionDenied(reason)


@require_POST
@project_api
def start(request: HttpRequest, project: Project) -> HttpResponseBase:
    """Queue an export. The body is JSON with the settings of ExportSpec; answers 202 with where to look."""
    spec = parse(ExportSpec, posted(request))
    assert isinstance(spec, ExportSpec)
    allowed(request.user, project, spec)
    job = kept.request(project, spec, request.user)  # type: ignore[arg-type]
    return JsonResponse(state_of(request, job), status=202)


def posted(request: HttpRequest) -> dict[str, Any]:
    if len(request.body) > BODY_LIMIT:
        raise ExportError(f"The body has {len(request.body):,} bytes, {BODY_LIMIT:,} are read. Send settings only.")
    try:
        values = json.loads(request.body or b"{}")
    except (ValueError, RecursionError) as wrong:
        raise ExportError("The body is not JSON. Send the settings as one object.") from wrong
    if not isinstance(values, dict):
        raise ExportError('The body is not an object of settings, as {"what": "events"}.')
    return values


@require_GET
@project_api
def state(request: HttpRequest, project: Project, name: str) -> HttpResponseBase:
    return JsonResponse(state_of(request, get_object_or_404(Job, project=project, kind="export", name=name)))


def state_of(request: HttpRequest, job: Job) -> dict[str, Any]:
    """What a program needs to wait for a file and to check it."""
    address = [job.project.slug, job.name]
    ready = kept.file_of(job) is not None
    found = {name: job.result[name] for name in ("file", "rows", "size", "sha256", "warnings") if name in job.result}
    return {
        "name": job.name, "state": job.status, "done": job.progress_done, "total": job.progress_total,
        "error": job.error, "url": request.build_absolute_uri(reverse("api-export", args=address)),
        "download": request.build_absolute_uri(reverse("api-export-file", args=address)) if ready else None, **found,
    }  # fmt: skip


@require_safe
@project_api
def download(request: HttpRequest, project: Project, name: str) -> HttpResponseBase:
    """The file; with Range a part of it, so that what broke off goes on."""
    job = get_object_or_404(Job.objects.select_related("project"), project=project, kind="export", name=name)
    return serve(request, job)


def serve(request: HttpRequest, job: Job) -> HttpResponseBase:
    """The file of a finished export, for whoever may have it. Raises Http404 and PermissionDenied."""
    spec = parse(ExportSpec, job.params)
    assert isinstance(spec, ExportSpec)
    allowed(request.user, job.project, spec)
    path = kept.file_of(job)
    if path is None:
        raise Http404(f"{job} has no file: it is not finished, it failed, or its {kept.KEPT.days} days are over.")
    filename = job.result["file"]
    return ranged.serve(
        request, path, filename=filename, sha256=job.result["sha256"], content_type=ranged.content_type(filename)
    )


@require_GET
@project_api
def at_once(request: HttpRequest, project: Project) -> HttpResponseBase:
    """The whole export in the answer, settings as ?what=events&format=plain. Sent as it is read, never continued."""
    values: dict[str, Any] = {}
    for name in request.GET:
        if name in LISTS:
            values[name] = request.GET.getlist(name)
        elif name in SWITCHES:
            values[name] = request.GET[name] not in {"", "0", "false"}
        else:
            values[name] = request.GET[name]
    spec = parse(ExportSpec, values)
    assert isinstance(spec, ExportSpec)
    allowed(request.user, project, spec)
    return streamed(prepare(project, spec), request.user, way=f"API, {request.token.name}")  # type: ignore


def streamed(made: Export, user: Any, *, way: str) -> HttpResponseBase:
    """The audit log has its line when the last byte is out; what broke off is told as such."""

    def blocks() -> Iterator[bytes]:
        whole = False
        try:
            yield from made.blocks()
            whole = True
        finally:
            kept.audit(made, actor=user, way=way if whole else f"{way}, broken off")

    headers = {
        "Content-Disposition": f'attachment; filename="{made.filename}"', "Content-Encoding": "identity",
        "Cache-Control": "private, no-store",
    }  # fmt: skip
    return StreamingHttpResponse(blocks(), content_type=ranged.content_type(made.filename), headers=headers)
