"""Exports over HTTP, for programs: ask and fetch, or all in one call. docs/exports.md has the calls.

Every answer that is no file is JSON, errors too: {"error": a sentence}.
"""

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST, require_safe

from accounts.models import Project, User
from accounts.permissions import can_research, require
from accounts.tokens import bearer
from curate.consent import Gone
from exchange.exports import consent, kept, ranged
from exchange.exports.consent import WithdrawnError
from exchange.exports.errors import ExportError
from exchange.exports.spool import spooled
from exchange.exports.stream import Export, prepare
from registry.models import Job
from registry.specs import ExportSpec, SpecError, parse

BODY_LIMIT = 20_000
ONE_CALL = 200_000
"""Rows that one call may ask for: they are written aside before the first byte is sent, while the caller waits."""
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
        except WithdrawnError as held:
            return error(str(held), 409, withdrawn=asdict(held.gone))
        except (ExportError, SpecError) as wrong:
            return error(str(wrong), 422)

    return bearer(wrapped)


def error(sentence: str, status: int, **more: Any) -> JsonResponse:
    return JsonResponse({"error": sentence, **more}, status=status)


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
    address, spec = [job.project.slug, job.name], parse(ExportSpec, job.params)
    assert isinstance(spec, ExportSpec)
    ready = kept.file_of(job) is not None
    found = {name: job.result[name] for name in ("file", "rows", "size", "sha256", "warnings") if name in job.result}
    return {
        "name": job.name, "state": job.status, "done": job.progress_done, "total": job.progress_total,
        "error": job.error, "url": request.build_absolute_uri(reverse("api-export", args=address)),
        "download": request.build_absolute_uri(reverse("api-export-file", args=address)) if ready else None,
        "withdrawn": asdict(consent.held_in_file(job, spec) if ready else consent.held(job.project, spec)), **found,
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
    gone = consent.check_file(job, spec, include=request.GET.get("withdrawn") == consent.INCLUDE)
    path = kept.file_of(job)
    if path is None:
        raise Http404(f"{job} has no file: it is not finished, it failed, or its {kept.KEPT.days} days are over.")
    filename = job.result["file"]
    return ranged.serve(
        request, path.open("rb"), filename=filename, sha256=job.result["sha256"],
        content_type=ranged.content_type(filename), **told(gone),
    )  # fmt: skip


def told(gone: Gone) -> dict[str, str]:
    return {consent.HEADER: f"{gone.answers}; people={gone.people}"} if gone.answers else {}


@require_GET
@project_api
def at_once(request: HttpRequest, project: Project) -> HttpResponseBase:
    """The whole export in the answer, settings as ?what=events&format=plain. Raises ExportError above ONE_CALL rows."""
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
    made = prepare(project, spec)
    if made.source.more_than(ONE_CALL):
        there = request.build_absolute_uri(reverse("api-exports", args=[project.slug]))
        raise ExportError(
            f"This export has more than {ONE_CALL:,} rows. Have a job write it: POST the settings to {there}."
        )
    return whole(request, made, way=f"API, {request.token.name}")  # type: ignore[attr-defined]


def whole(request: HttpRequest, made: Export, *, way: str) -> HttpResponseBase:
    """An export that is made now, from a file aside.

    The same data gives the same bytes, so with If-Range and the ETag of an answer that broke off it goes on where it
    was; where the data is another by now, it is sent anew.
    """
    gone = consent.check(made.project, made.spec)
    file = spooled(made)
    kept.audit(made, actor=request.user, way=way)  # type: ignore[arg-type]
    return ranged.serve(
        request, file, filename=made.filename, sha256=made.sha256, content_type=ranged.content_type(made.filename),
        **told(gone),
    )  # fmt: skip
