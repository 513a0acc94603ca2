"""Pages to watch: the list of runs, and one of them."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.models import Project
from accounts.permissions import can_research, project_view
from accounts.requests import MemberRequest
from registry import chains, jobs, watching
from registry.compare import differs, settings_in_order, value_of
from registry.curves import curves, points_of
from registry.launch_views import launchable
from registry.launching import words
from registry.models import Job, ModelVersion
from registry.specs import SPECS, SpecError, parse, to_yaml


@require_GET
@project_view(can_research)
def runs(request: MemberRequest, project: Project) -> HttpResponse:
    found = Job.objects.filter(project=project).select_related("created_by", "project", "sweep").order_by("-pk")
    page = Paginator(found, 50).get_page(request.GET.get("page"))
    waiting = {str(pk): found for pk, found in chains.waiting_of(page).items()}
    context = {"project": project, "page": page, "kinds": launchable(), "waiting": waiting}
    return render(request, "registry/runs.html", context)


@never_cache
@require_GET
@project_view(can_research)
def run(request: MemberRequest, project: Project, name: str) -> HttpResponse:
    """The whole page, or for htmx only what changes while the job runs."""
    job = get_object_or_404(
        Job.objects.select_related("project", "created_by", "cloned_from", "sweep"), project=project, name=name
    )
    template = "registry/run.html#live" if request.htmx else "registry/run.html"
    level, text = request.GET.get("level", ""), request.GET.get("text", "")
    log = watching.log_of(job, level=level, text=text)
    lines = list(log.order_by("-pk")[: watching.LOG_LINES])
    points = points_of(job)
    remaining = watching.remaining_seconds(job)
    context = {
        "project": project,
        "job": job,
        "info": SPECS.get(job.kind),
        "charts": curves(job, points),
        "log": lines[::-1],
        "log_total": log.count() if len(lines) == watching.LOG_LINES else len(lines),
        "level": level,
        "text": text,
        "levels": watching.LEVELS,
        "settings": settings_of(job.kind, job.params),
        "yaml": yaml_of(job),
        "model": ModelVersion.objects.filter(job=job).first(),
        "remaining": remaining,
        "done_near": timezone.now() + timedelta(seconds=remaining) if remaining is not None else None,
        "now_words": watching.now_words(points),
        "notices": watching.notices(job),
        "samples": watching.samples_of(job),
        "checkpoints": watching.checkpoints_of(job),
        "then": job.then.select_related("project").order_by("pk"),
        "changes": changes(job),
    }
    return render(request, template, context)


def changes(job: Job) -> list[tuple[str, str, str]]:
    """(setting, before, now) of what differs from the run that this one was cloned from."""
    if job.cloned_from is None or job.cloned_from.kind != job.kind:
        return []
    first = job.cloned_from
    return [
        (name.replace("_", " "), words(value_of(first, name)), words(value_of(job, name)))
        for name in settings_in_order([first, job])
        if differs(first, job, name)
    ]


def settings_of(kind: str, values: dict[str, Any]) -> list[tuple[str, str]]:
    """Name and words of each setting, in the order of the form (the database keeps none)."""
    known = SPECS[kind].spec.model_fields if kind in SPECS else {}
    order = [name for name in known if name in values] + [name for name in values if name not in known]
    return [(name.replace("_", " "), setting_words(values[name])) for name in order]


def setting_words(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(setting_words(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{name.replace('_', ' ')} {item}" for name, item in value.items() if item not in ("", None))
    return str(value)


def yaml_of(job: Job) -> str:
    """The settings as YAML; rows written by another version of the spec are shown as they are."""
    try:
        return to_yaml(parse(SPECS[job.kind].spec, job.params))
    except (KeyError, SpecError):
        return "\n".join(f"{name}: {value}" for name, value in job.params.items())


@require_GET
@project_view(can_research)
def run_log(request: MemberRequest, project: Project, name: str) -> HttpResponse:
    job = get_object_or_404(Job, project=project, name=name)
    log = watching.log_of(job, level=request.GET.get("level", ""), text=request.GET.get("text", ""))
    rows = log.values_list("at", "attempt", "level", "text")
    text = "".join(f"{at:%Y-%m-%dT%H:%M:%SZ} attempt {attempt} {level} {line}\n" for at, attempt, level, line in rows)
    response = HttpResponse(text, content_type="text/plain; charset=utf-8")
    if "download" in request.GET:
        response.headers["Content-Disposition"] = f'attachment; filename="{job.name}.log"'
    return response


@require_POST
@project_view(can_research)
def cancel(request: MemberRequest, project: Project, name: str) -> HttpResponseBase:
    job = jobs.request_cancel(get_object_or_404(Job, project=project, name=name), request.user)
    told = {
        Job.Status.CANCELLED: f"{job} will not run.",
        Job.Status.RUNNING: f"{job} is asked to save and stop.",
    }
    messages.info(request, told.get(Job.Status(job.status), f"{job} has already ended."))
    return redirect(job)


@require_POST
@project_view(can_research)
def kill(request: MemberRequest, project: Project, name: str) -> HttpResponseBase:
    job = jobs.request_kill(get_object_or_404(Job, project=project, name=name), request.user)
    if job.status == Job.Status.RUNNING:
        messages.info(request, f"{job} is ended at once. What came after its newest checkpoint is lost.")
    else:
        messages.info(request, f"{job} does not run.")
    return redirect(job)


@require_POST
@project_view(can_research)
def resume(request: MemberRequest, project: Project, name: str) -> HttpResponseBase:
    job = get_object_or_404(Job, project=project, name=name)
    try:
        jobs.resume_job(job, request.user)
    except jobs.CannotResume as error:
        messages.error(request, str(error))
    else:
        messages.info(request, f"{job} is queued again and goes on from its newest checkpoint, if it has one.")
    return redirect(job)
