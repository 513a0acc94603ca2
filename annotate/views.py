"""The annotator's desk. Each act answers with the next task, so that nobody waits for a second request."""

import uuid
from typing import Any

from django.conf import settings
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.models import Project
from accounts.permissions import can_annotate, project_view
from accounts.requests import MemberRequest
from annotate import quality, services
from annotate.kinds import KINDS, AnswerError
from annotate.models import Assignment, Feedback

LETTERS = "ABCDEFGHIJKL"
FLAGGED = "Flagged. Nobody else gets this task until an administrator releases it in /admin/."


@never_cache
@require_GET
@project_view(can_annotate)
def desk(request: MemberRequest, project: Project) -> HttpResponse:
    assignment = services.next_assignment(project=project, annotator=request.user)
    return show(request, project, assignment)


@require_POST
@project_view(can_annotate)
def answer(request: MemberRequest, project: Project, assignment: int) -> HttpResponseBase:
    held = own_assignment(request, project, assignment)
    try:
        services.record_feedback(
            assignment=held,
            annotator=request.user,
            data=request.POST,
            idempotency_key=posted_key(request),
            active_ms=posted_int(request, "active_ms"),
        )
    except AnswerError as error:
        return show(request, project, held, form_error=str(error), status=422)
    except services.Refused as error:
        return go_on(request, project, flash=str(error), status=409)
    return go_on(request, project)


@require_POST
@project_view(can_annotate)
def skip(request: MemberRequest, project: Project, assignment: int) -> HttpResponseBase:
    held = own_assignment(request, project, assignment)
    flag = "flag" in request.POST
    reason = request.POST.get("reason", "").strip() or ("Flagged without a reason" if flag else "No reason given")
    try:
        services.skip(assignment=held, annotator=request.user, reason=reason, flag=flag)
    except services.Refused as error:
        return go_on(request, project, flash=str(error), status=409)
    told = FLAGGED if flag else "Skipped. It goes to someone else."
    return go_on(request, project, flash=told)


@require_POST
@project_view(can_annotate)
def undo(request: MemberRequest, project: Project) -> HttpResponseBase:
    try:
        services.undo(project=project, annotator=request.user)
    except services.Refused as error:
        return go_on(request, project, flash=str(error), status=409)
    return go_on(request, project, flash="Your last answer is open again. Send it anew, changed or not.")


def own_assignment(request: MemberRequest, project: Project, pk: int) -> Assignment:
    """404 for other people's assignments too: whose they are is nobody's business."""
    return get_object_or_404(
        Assignment.objects.select_related("task__prompt"), pk=pk, annotator=request.user, task__project=project
    )


def posted_key(request: MemberRequest) -> uuid.UUID:
    try:
        return uuid.UUID(request.POST.get("idempotency_key", ""))
    except ValueError as error:
        raise AnswerError("The form's key is missing or damaged. Reload the page; your draft is kept.") from error


def posted_int(request: MemberRequest, name: str) -> int:
    value = request.POST.get(name, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 12 else 0


def go_on(request: MemberRequest, project: Project, *, flash: str = "", status: int = 200) -> HttpResponseBase:
    """The next task: in this response for htmx, by redirect for a plain form (so that reload posts nothing)."""
    if not request.htmx:
        if flash:
            request.session["desk_flash"] = flash
        return redirect("annotate", slug=project.slug)
    assignment = services.next_assignment(project=project, annotator=request.user)
    return show(request, project, assignment, flash=flash, status=status)


def show(
    request: MemberRequest,
    project: Project,
    assignment: Assignment | None,
    *,
    form_error: str = "",
    flash: str = "",
    status: int = 200,
) -> HttpResponse:
    template = "annotate/_desk.html" if request.htmx else "annotate/desk.html"
    context: dict[str, Any] = {
        "project": project,
        "assignment": assignment,
        "progress": quality.desk_progress(project=project, annotator=request.user),
        "can_undo": Feedback.current.filter(project=project, annotator=request.user).exists(),
        "flash": flash or request.session.pop("desk_flash", ""),
        "form_error": form_error,
        "lease_minutes": settings.TASK_LEASE_MINUTES,
        "urls": {"undo": reverse("undo", args=[project.slug]), "home": project.get_absolute_url()},
    }
    if assignment:
        context |= task_context(project, assignment)
        # Only a form that comes back is filled in: what was sent for one task must not be chosen on the next.
        context["draft"] = posted_draft(request) if form_error else withdrawn_draft(assignment)
    return render(request, template, context, status=status)


def task_context(project: Project, assignment: Assignment) -> dict[str, Any]:
    task = assignment.task
    by_position = {row.position: row.response for row in task.task_responses.select_related("response")}
    return {
        "task": task,
        "prompt": task.prompt,
        "responses": [
            {"side": LETTERS[place].lower(), "letter": LETTERS[place], "text": by_position[position].text,
             "lang": task.prompt.lang}
            for place, position in enumerate(assignment.order)
        ],
        # A new key each time the form is shown: a resend of the same form is the same answer, a new form is not.
        "idempotency_key": uuid.uuid4(),
        "kind_template": f"annotate/kinds/{task.kind}.html",
        **KINDS[task.kind].context(assignment.order),
        "urls": {
            "answer": reverse("answer", args=[project.slug, assignment.pk]),
            "skip": reverse("skip", args=[project.slug, assignment.pk]),
            "flag": reverse("skip", args=[project.slug, assignment.pk]),
            "undo": reverse("undo", args=[project.slug]),
            "home": project.get_absolute_url(),
        },
    }  # fmt: skip


def posted_draft(request: MemberRequest) -> dict[str, str]:
    return {name: request.POST.get(name, "") for name in ("strength", "comment")}


def withdrawn_draft(assignment: Assignment) -> dict[str, str]:
    """The answer that was taken back, in the terms of what is shown, so that it can be sent again as it was."""
    last = Feedback.objects.filter(assignment=assignment).order_by("-pk").first()
    if last is None:
        return {}
    strength = "both_bad" if last.both_bad else str(last.value.get("strength", ""))
    return {"strength": strength, "comment": last.comment}
