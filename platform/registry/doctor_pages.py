"""The data doctor's page: what a training would read, before it runs."""

import json
import uuid
from typing import Any

from django.db.models import Q
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.models import Project
from accounts.permissions import can_research, project_view
from accounts.requests import MemberRequest
from pages.charts import Chart, histogram
from registry import jobs, launching
from registry.models import Job
from registry.references import check_references
from registry.specs import SPECS, SpecError, TrainingSpec

LEVELS = {"bad": "warn", "warn": "warn", "good": "check"}


@require_POST
@project_view(can_research)
def examine(request: MemberRequest, project: Project, kind: str) -> HttpResponseBase:
    """Ask for an examination of what the launch form says; one that was made of the same settings is shown again."""
    info = SPECS.get(kind)
    if info is None or not issubclass(info.spec, TrainingSpec):
        raise Http404(f"{kind} is no kind of training.")
    try:
        spec = launching.read(info.spec, request.POST).first
        check_references(project, spec)
    except SpecError as error:
        return render(
            request, "registry/examination.html",
            {"project": project, "kind": kind, "info": info, "problems": list(error.problems.values())}, status=422,
        )  # fmt: skip
    params = {"kind": kind, "params": spec.model_dump(mode="json")}
    known = (
        Job.objects.filter(~Q(status__in=[Job.Status.FAILED, Job.Status.CANCELLED]))
        .filter(project=project, kind="doctor", params=params)
        .order_by("-pk")
        .first()
    )
    made = known or jobs.request_job(
        project=project, kind="doctor", params=params, user=request.user, request_key=uuid.uuid4()
    )
    return redirect("examination", project.slug, made.name)


@never_cache
@require_GET
@project_view(can_research)
def examination(request: MemberRequest, project: Project, name: str) -> HttpResponse:
    job = get_object_or_404(Job.objects.select_related("project"), project=project, kind="doctor", name=name)
    kind, params = job.params["kind"], job.params["params"]
    found = report_of(job)
    context: dict[str, Any] = {
        "project": project, "job": job, "kind": kind, "info": SPECS.get(kind), "found": found,
        "back": f"?{urlencode({key: value for key, value in params.items() if isinstance(value, (str, int, float))})}",
    }  # fmt: skip
    if found:
        context["chart"] = chart_of(found)
        context["findings"] = [(level, LEVELS[level], words) for level, words in found["findings"]]
        context["refused"] = any(level == "bad" for level, _ in found["findings"])
    return render(request, "registry/examination.html#live" if request.htmx else "registry/examination.html", context)


def report_of(job: Job) -> dict[str, Any] | None:
    """What the doctor wrote; None before it has, and where its file is gone."""
    if job.status != Job.Status.SUCCEEDED:
        return None
    try:
        found: dict[str, Any] = json.loads((job.folder / f"attempt-{job.attempt}" / "examination.json").read_text())
    except (OSError, ValueError):
        return None
    return found


def chart_of(found: dict[str, Any]) -> Chart:
    lengths = found["lengths"]
    limit = found["max_tokens"]
    return histogram(
        f"The longest row has {found['cost']['longest']:,} tokens" if found["cost"]["longest"] else "No row is used",
        f"training rows, prompt and text together, {lengths['bin']} tokens a bin, tokenizer of {found['base']}",
        lengths["first"], lengths["last"], bin_width=lengths["bin"], names=tuple(lengths["names"]),
        limit=(float(limit), "max_tokens"), size=(520, 200),
    )  # fmt: skip
