"""The page that takes an import back: what would go and what stays, the act as a job, and what went."""

import uuid

from django.db import transaction
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from django_htmx.http import HttpResponseClientRefresh

from accounts.models import Project
from accounts.permissions import can_admin, project_view
from accounts.requests import MemberRequest
from exchange.imports import take_back
from exchange.models import Import
from registry import jobs
from registry.forms import posted_key
from registry.models import Job

LARGE = 100_000
"""Rows of an import from which on nobody waits for the page to count: about two seconds' work."""
COUNTED = ("prompts", "responses", "items", "votes")


@never_cache
@require_http_methods(["GET", "POST"])
@project_view(can_admin)
def confirm(request: MemberRequest, project: Project, pk: int) -> HttpResponseBase:
    """GET counts and changes nothing. POST asks for the job, or says why it cannot be; asked twice it is one job."""
    made = get_object_or_404(Import.objects.select_related("project", "user", "upload"), pk=pk, project=project)
    job = job_of(made)
    if job is None or job.is_finished:
        if request.method == "POST":
            return asked(request, made)
        if request.htmx:  # the part that waited: what it waited for is over
            return HttpResponseClientRefresh()
    elif request.method == "POST":
        return redirect("import-take-back", project.slug, made.pk)
    elif request.htmx:
        return render(request, "exchange/import_take_back_live.html", {"project": project, "job": job})
    return page(request, made, job)


def asked(request: MemberRequest, made: Import) -> HttpResponseBase:
    try:
        with transaction.atomic():
            locked = Import.objects.select_for_update(of=["self"]).get(pk=made.pk)
            again = job_of(locked)
            if again is None or again.is_finished:
                if is_large(made):
                    take_back.check_free(made)
                else:
                    take_back.look(made)
                jobs.request_job(
                    project=made.project, kind="take_back", params={"made": made.pk}, user=request.user,
                    request_key=posted_key(request.POST),
                )  # fmt: skip
    except take_back.Holds as error:
        return page(request, made, None, problem=str(error))
    return redirect("import-take-back", made.project.slug, made.pk)


def page(request: MemberRequest, made: Import, job: Job | None, problem: str = "") -> HttpResponseBase:
    """What would go, or what is happening, or what went; `problem` says why it cannot be."""
    found = None
    runs = job is not None and not job.is_finished
    if not runs and not problem and not (is_large(made) and not made.taken_back_at):
        try:
            found = take_back.look(made)
        except take_back.Holds as error:
            problem = str(error)
    failed = job.error if job is not None and job.status == Job.Status.FAILED and not problem else ""
    context = {
        "project": made.project, "tab": "past", "made": made, "found": found, "problem": problem, "failed": failed,
        "quiet": made.taken_back_at and request.method == "GET", "job": job if runs else None,
        "gone": made.taken_back if made.taken_back_at else None,
        "most": {name: made.counts.get(name, 0) for name in COUNTED}, "request_key": uuid.uuid4(),
    }  # fmt: skip
    return render(request, "exchange/import_take_back.html", context, status=409 if request.method == "POST" else 200)


def is_large(made: Import) -> bool:
    return sum(int(made.counts.get(name, 0)) for name in COUNTED) > LARGE


def job_of(made: Import) -> Job | None:
    """The newest that took it back, or will."""
    return Job.objects.filter(project=made.project_id, kind="take_back", params__made=made.pk).order_by("-pk").first()
