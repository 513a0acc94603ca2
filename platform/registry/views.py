"""Pages to launch and watch: runs and the queue."""

import uuid
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Max, Min
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts.models import Project
from accounts.permissions import can_research, project_view
from accounts.requests import MemberRequest
from registry import forms, jobs
from registry.curves import curves
from registry.models import Dataset, Job, ModelVersion
from registry.references import check_references, dataset_named
from registry.specs import SPECS, JobKind, Spec, SpecError, TrainingSpec, from_yaml, parse, to_yaml

LOG_LINES = 200


@dataclass(frozen=True)
class Cost:
    """What a training reads, at most: pairs that are too long are left out when it starts."""

    dataset: Dataset
    pairs: int
    steps: int
    held_out: int
    measurements: int
    spec: TrainingSpec

    @property
    def tokens_a_step(self) -> int:
        """Both sides of a pair are read, each with the prompt."""
        return min(self.spec.batch_size, self.pairs) * 2 * self.spec.max_tokens


@require_GET
@project_view(can_research)
def runs(request: MemberRequest, project: Project) -> HttpResponse:
    found = Job.objects.filter(project=project).select_related("created_by", "project").order_by("-pk")
    page = Paginator(found, 50).get_page(request.GET.get("page"))
    return render(request, "registry/runs.html", {"project": project, "page": page, "kinds": launchable()})


def launchable() -> dict[str, JobKind]:
    return {kind: info for kind, info in SPECS.items() if info.launchable}


@require_http_methods(["GET", "POST"])
@project_view(can_research)
def launch(request: MemberRequest, project: Project, kind: str) -> HttpResponseBase:
    info = SPECS.get(kind)
    if info is None or not info.launchable:
        raise Http404(f"There is no kind of run {kind}. There are {', '.join(launchable())}.")
    if request.method == "GET":
        return launch_form(request, project, kind, values=cloned_values(request, project, kind))
    values = forms.typed(info.spec, request.POST)
    try:
        if yaml := posted_yaml(request):
            values = from_yaml(yaml)
        spec = parse(info.spec, values if yaml else forms.posted(info.spec, request.POST))
        check_references(project, spec)
    except SpecError as error:
        if request.htmx:
            return render(request, "registry/launch.html#cost", {"mend": True})
        return launch_form(request, project, kind, values=values, problems=error.problems, status=422)
    if request.htmx:  # htmx asks what it would cost, and may send along the button that was pressed last
        return render(request, "registry/launch.html#cost", {"cost": cost_of(project, spec)})
    if "preview" in request.POST:
        return launch_form(request, project, kind, values=spec.model_dump(mode="json"), yaml=to_yaml(spec))
    job = jobs.request_job(
        project=project, kind=kind, params=spec.model_dump(mode="json"), user=request.user,
        cloned_from=cloned_job(request, project), request_key=forms.posted_key(request.POST),
    )  # fmt: skip
    return redirect(job)


def posted_yaml(request: MemberRequest) -> str:
    """The YAML where it shall be used, else nothing: then the form's fields are."""
    return request.POST.get("yaml", "").strip() if "use_yaml" in request.POST else ""


def cost_of(project: Project, spec: Spec) -> Cost | None:
    """What a training will read; None for other kinds of run, and where its dataset is not there."""
    if not isinstance(spec, TrainingSpec):
        return None
    try:
        dataset = dataset_named(project, spec.dataset)
    except SpecError:
        return None
    pairs = dataset.rows["train"]
    return Cost(dataset, pairs, spec.steps(pairs), dataset.rows["held_out"], spec.measurements(pairs), spec)


def first_cost(project: Project, info: JobKind, controls: list[forms.Control]) -> Cost | None:
    """Of the form as it is shown: a choice that nobody made yet is the first that is offered."""
    shown = {one.name: one.value or (one.choices[0][0] if one.choices else one.value) for one in controls}
    try:
        return cost_of(project, parse(info.spec, shown))
    except SpecError:
        return None


def cloned_job(request: MemberRequest, project: Project) -> Job | None:
    name = request.GET.get("clone") or request.POST.get("clone")
    if name and "\x00" in name:
        raise Http404("There is no run of that name.")
    return get_object_or_404(Job, project=project, name=name) if name else None


def cloned_values(request: MemberRequest, project: Project, kind: str) -> dict[str, Any]:
    job = cloned_job(request, project)
    if job and job.kind == kind:
        return dict(job.params)
    # Links such as "train on this dataset" fill single fields.
    return {name: value for name, value in request.GET.items() if name in SPECS[kind].spec.model_fields}


def launch_form(
    request: MemberRequest, project: Project, kind: str, *, values: dict[str, Any],
    problems: dict[str, str] | None = None, yaml: str = "", status: int = 200,
) -> HttpResponse:  # fmt: skip
    problems = problems or {}
    info = SPECS[kind]
    controls = forms.controls(info.spec, project=project, values=values, problems=problems)
    folded = [control for control in controls if control.folded]
    missing = [control for control in controls if control.kind == "select" and not control.choices]
    known = {control.name for control in controls}
    cost = first_cost(project, info, controls)
    return render(
        request,
        "registry/launch.html",
        {
            "project": project, "kind": kind, "info": info, "kinds": launchable(), "controls": controls,
            "usual": [control for control in controls if not control.folded], "folded": folded,
            "folded_wrong": any(control.error for control in folded),
            "cost": cost, "mend": bool(problems) and not cost and issubclass(info.spec, TrainingSpec),
            "queue": jobs.queue_of(kind),
            "missing": missing, "problems": problems, "clone": cloned_job(request, project),
            "other_problems": [text for name, text in problems.items() if name not in known],
            "yaml": yaml or request.POST.get("yaml", ""), "use_yaml": "use_yaml" in request.POST,
            "request_key": uuid.uuid4(),
        },
        status=status,
    )  # fmt: skip


@never_cache
@require_GET
@project_view(can_research)
def run(request: MemberRequest, project: Project, name: str) -> HttpResponse:
    """The whole page, or for htmx only what changes while the job runs."""
    job = get_object_or_404(
        Job.objects.select_related("project", "created_by", "cloned_from"), project=project, name=name
    )
    template = "registry/run.html#live" if request.htmx else "registry/run.html"
    lines = list(job.log_lines.order_by("-pk")[:LOG_LINES])
    context = {
        "project": project,
        "job": job,
        "info": SPECS.get(job.kind),
        "charts": curves(job),
        "log": lines[::-1],
        "log_total": job.log_lines.count() if len(lines) == LOG_LINES else len(lines),
        "settings": settings_of(job.kind, job.params),
        "yaml": yaml_of(job),
        "model": ModelVersion.objects.filter(job=job).first(),
        "remaining": remaining_seconds(job),
    }
    return render(request, template, context)


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


def remaining_seconds(job: Job) -> float | None:
    """From the pace of this attempt; None before there is one. A resumed attempt starts from its checkpoint's step."""
    if job.status != Job.Status.RUNNING or job.started_at is None or not job.progress_total:
        return None
    steps = job.metrics.filter(attempt=job.attempt).aggregate(
        first=Min("step"), last=Max("step"), begin=Min("at"), end=Max("at")
    )
    if steps["last"] is not None and steps["last"] > steps["first"]:
        pace = (steps["end"] - steps["begin"]).total_seconds() / (steps["last"] - steps["first"])
    elif job.progress_done and job.attempt == 1:
        pace = (timezone.now() - job.started_at).total_seconds() / job.progress_done
    else:
        return None
    return pace * (job.progress_total - job.progress_done)


@require_GET
@project_view(can_research)
def run_log(request: MemberRequest, project: Project, name: str) -> HttpResponse:
    job = get_object_or_404(Job, project=project, name=name)
    rows = job.log_lines.values_list("at", "attempt", "level", "text")
    text = "".join(f"{at:%Y-%m-%dT%H:%M:%SZ} attempt {attempt} {level} {line}\n" for at, attempt, level, line in rows)
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


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
def resume(request: MemberRequest, project: Project, name: str) -> HttpResponseBase:
    job = get_object_or_404(Job, project=project, name=name)
    try:
        jobs.resume_job(job, request.user)
    except jobs.CannotResume as error:
        messages.error(request, str(error))
    else:
        messages.info(request, f"{job} is queued again and goes on from its newest checkpoint, if it has one.")
    return redirect(job)


@never_cache
@require_GET
@project_view(can_research)
def queue(request: MemberRequest, project: Project) -> HttpResponse:
    """What runs and what waits, over all projects' places in line; other projects' jobs are shown without a name."""
    waiting = Job.objects.filter(status__in=[Job.Status.QUEUED, Job.Status.RUNNING]).select_related(
        "project", "created_by"
    )
    return render(
        request,
        "registry/queue.html",
        {"project": project, "jobs": waiting.order_by("-status", "queue", "-priority", "pk")},
    )
