"""The annotator's desk. Each act answers with the next task, so that nobody waits for a second request."""

import json
import uuid
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import transaction
from django.http import Http404, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.templatetags.static import static
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.models import Project, User
from accounts.permissions import can_annotate, project_view
from accounts.requests import MemberRequest
from annotate import services
from annotate.design.protocols import said, steps_of
from annotate.desk import before, queue, statements
from annotate.kinds import AnswerError
from annotate.kinds.base import LETTERS
from annotate.models import Assignment, Collection, Feedback, SentBack, Task
from annotate.quality import progress as quality
from annotate.services import Asked

FLAGGED = "Flagged. Nobody else gets this task until a moderator has looked at it."
NOT_ANSWERS = {"csrfmiddlewaretoken", "idempotency_key", "active_ms", "step", "asked"}
"""Fields of the form that are not part of what is answered."""


@never_cache
@require_GET
@project_view(can_annotate)
def desk(request: MemberRequest, project: Project) -> HttpResponse:
    return show_next(request, project)


@require_POST
@project_view(can_annotate)
def answer(request: MemberRequest, project: Project, assignment: int) -> HttpResponseBase:
    following: Following = None
    doubts: Mapping[str, str] = {}
    try:
        # One transaction for both, so that an annotator waits for the disk once. If no next task can be leased because
        # something fails, the answer is not stored either, and the desk sends it again with the same key.
        with transaction.atomic():
            held = locked_assignment(request, project, assignment)
            try:
                record(request, held)
            except services.Contradicts as error:  # inside, so that it is kept that this was asked
                doubts = error.found
            else:
                following = find_next(request, project, locked=True) if request.htmx else None
    except AnswerError as error:
        return show(request, project, held, form_error=str(error), status=422)
    except services.Refused as error:
        return go_on(request, project, flash=str(error), status=409)
    if doubts:
        return show(request, project, held, doubts=doubts, status=422)
    flash = ""
    if held.task.gold and held.status == Assignment.Status.SUBMITTED:
        flash = told_of_gold(held, queue.rules_of(project))
    return go_on(request, project, flash=flash, following=following)


def record(request: MemberRequest, held: Assignment) -> Feedback:
    return services.record_feedback(
        assignment=held,
        annotator=request.user,
        data=request.POST,
        idempotency_key=posted_key(request),
        active_ms=posted_int(request, "active_ms"),
        step=posted_int(request, "step") if "step" in request.POST else None,
        asked=posted_rules(request),
        is_locked=True,
    )


def told_of_gold(assignment: Assignment, rules: Collection) -> str:
    """Whether a known answer was met: always in the qualification test, among other tasks if the project says so."""
    if assignment.task.purpose != Task.Purpose.TEST and not rules.gold_feedback:
        return ""
    judged = Feedback.current.filter(assignment=assignment, right__isnull=False).values_list("right", flat=True)
    if not judged:
        return ""
    why = str((assignment.task.gold or {}).get("explanation", "")).strip()
    return f"{'That was right.' if all(judged) else 'Another answer was expected.'} {why}".strip()


@never_cache
@project_view(can_annotate)
def change(request: MemberRequest, project: Project, assignment: int, step: int) -> HttpResponseBase:
    """Open one of the own last answers again, or one that was sent back, and send it changed."""
    if request.method not in {"GET", "POST"}:
        return HttpResponse(status=405)
    done = own_assignment(request, project, assignment)
    if step >= len(steps_of(done.task)):
        raise Http404("This item has no such step.")
    if request.method == "GET":
        if done.status != Assignment.Status.SUBMITTED or not services.changeable(done, request.user):
            request.session["desk_flash"] = "That answer cannot be changed any more, or is open again already."
            return redirect("annotate", slug=project.slug)
        return show(request, project, done, changing=step)
    try:
        services.revise(
            assignment=done,
            annotator=request.user,
            step=step,
            data=request.POST,
            idempotency_key=posted_key(request),
            active_ms=posted_int(request, "active_ms"),
            asked=posted_rules(request),
        )
    except AnswerError as error:
        return show(request, project, done, changing=step, form_error=str(error), status=422)
    except services.Contradicts as error:
        return show(request, project, done, changing=step, doubts=error.found, status=422)
    except services.Refused as error:
        return go_on(request, project, flash=str(error), status=409)
    return go_on(request, project, flash="The change is stored. The answer before it stays in the history.")


@never_cache
@require_GET
@project_view(can_annotate)
def history(request: MemberRequest, project: Project) -> HttpResponse:
    """The own last answers, each with a way to change it."""
    done = list(services.last_answered(request.user, project.pk).select_related("task__prompt"))
    answers: dict[int, list[Feedback]] = {one.pk: [] for one in done}
    for feedback in Feedback.current.filter(assignment__in=answers).order_by("step"):
        answers[feedback.assignment_id].append(feedback)
    rows = [
        {"assignment": one, "prompt": one.task.prompt, "answers": [(part, said(part)) for part in answers[one.pk]]}
        for one in done
    ]
    return render(request, "annotate/history.html", {"project": project, "rows": rows})


@require_POST
@project_view(can_annotate)
def draft(request: MemberRequest, project: Project, assignment: int) -> HttpResponse:
    """Keep what is typed: {step, version, fields}. Answers with the new version, or with the newer draft (409)."""
    held = own_assignment(request, project, assignment)
    try:
        sent = json.loads(request.body)
        step, version, fields = int(sent["step"]), int(sent["version"]), dict(sent["fields"])
        at = int(sent.get("at", 0))
        if not all(isinstance(text, str) for text in fields.values()):
            raise TypeError
    except (ValueError, KeyError, TypeError, OverflowError, AttributeError):
        return JsonResponse({"error": "A draft is {step, version, fields}, and fields are texts by name."}, status=400)
    try:
        stored = services.save_draft(
            assignment=held, annotator=request.user, step=step, version=version, fields=fields, at=at
        )
    except services.DraftConflict as error:
        newer = {"version": error.newer.version, "fields": error.newer.fields, "step": error.newer.step}
        return JsonResponse({"error": str(error), **newer}, status=409)
    except services.Refused as error:
        return JsonResponse({"error": str(error)}, status=410)
    return JsonResponse({"version": stored})


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
        opened = services.undo(project=project, annotator=request.user)
    except services.Refused as error:
        return go_on(request, project, flash=str(error), status=409)
    told = "Your last answer is open again. Send it anew, changed or not."
    return go_on(request, project, flash="The task that you skipped is back." if opened.back_from_skip else told)


def own_assignment(request: MemberRequest, project: Project, pk: int) -> Assignment:
    """404 for other people's assignments too: whose they are is nobody's business."""
    found = statements.own_assignment(person=request.user.pk, project=project.pk, assignment=pk)
    if found is None:
        raise Http404("There is no such task of yours.")
    found.task.project = project
    return found


def locked_assignment(request: MemberRequest, project: Project, pk: int) -> Assignment:
    """The same, locked until the end of the transaction, after the rows of the person and of the task."""
    found = statements.locked_assignment(person=request.user.pk, project=project.pk, assignment=pk)
    if found is None:
        raise Http404("There is no such task of yours.")
    assignment, rules = found
    assignment.task.project = project
    queue.keep_rules(project, rules)
    return assignment


def posted_key(request: MemberRequest) -> uuid.UUID:
    try:
        return uuid.UUID(request.POST.get("idempotency_key", ""))
    except ValueError as error:
        raise AnswerError("The form's key is missing or damaged. Reload the page; your draft is kept.") from error


def posted_int(request: MemberRequest, name: str) -> int:
    value = request.POST.get(name, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 12 else 0


def posted_rules(request: MemberRequest) -> list[str]:
    return [rule for rule in request.POST.get("asked", "").split(",") if rule]


Following = tuple[Assignment | SentBack | None] | None
"""What comes next, in a tuple of one since it may be nothing; None when nobody has looked yet."""


def go_on(
    request: MemberRequest, project: Project, *, flash: str = "", status: int = 200, following: Following = None
) -> HttpResponseBase:
    """The next task: in this response for htmx, by redirect for a plain form (so that reload posts nothing)."""
    if not request.htmx:
        if flash:
            request.session["desk_flash"] = flash
        return redirect("annotate", slug=project.slug)
    return show_next(request, project, flash=flash, status=status, following=following)


def show_next(
    request: MemberRequest, project: Project, *, flash: str = "", status: int = 200, following: Following = None
) -> HttpResponse:
    (found,) = following or find_next(request, project)
    if isinstance(found, SentBack):
        return show(request, project, found.assignment, changing=0, sent_back=found, flash=flash, status=status)
    return show(request, project, found, flash=flash, status=status)


def find_next(request: MemberRequest, project: Project, *, locked: bool = False) -> tuple[Assignment | SentBack | None]:
    """What a reviewer sent back comes first, then the task in hand, then a new one.

    `locked`: whether this transaction has locked the person's row already.
    """
    request.progress = quality.desk_progress(project=project, annotator=request.user)
    if request.progress["sent_back"]:
        back = services.sent_back_to(project, request.user)
        if back and back.assignment.status == Assignment.Status.SUBMITTED:
            return (back,)
    holds_none = locked and not request.progress["holds"]
    return (services.next_assignment(project=project, annotator=request.user, holds_none=holds_none),)


def show(
    request: MemberRequest,
    project: Project,
    assignment: Assignment | None,
    *,
    form_error: str = "",
    doubts: Mapping[str, str] | None = None,
    changing: int | None = None,
    sent_back: SentBack | None = None,
    flash: str = "",
    status: int = 200,
) -> HttpResponse:
    template = "annotate/_desk.html" if request.htmx else "annotate/desk.html"
    rules = queue.rules_of(project)
    progress = getattr(request, "progress", None) or quality.desk_progress(project=project, annotator=request.user)
    context: dict[str, Any] = {
        "project": project,
        "assignment": assignment,
        "progress": {**progress, "goal_today": rules.daily_goal},
        "flash": flash or request.session.pop("desk_flash", ""),
        "form_error": form_error,
        "doubts": doubts or {},
        "changing": changing is not None,
        "sent_back": sent_back,
        "urls": {"undo": reverse("undo", args=[project.slug]), "home": project.get_absolute_url()},
    }
    if assignment:
        context |= task_context(project, assignment, changing)
        # Only a form that comes back is filled in: what was sent for one task must not be chosen on the next.
        context["draft"] = posted_draft(request) if form_error or doubts else kept_draft(assignment, context["asked"])
    else:
        context["empty_reason"] = queue.why_nothing(project, request.user)
    context["can_undo"] = bool(context["progress"]["done"]) or bool(flash) or has_skipped(project, request.user)
    return render(request, template, context, status=status)


def has_skipped(project: Project, annotator: User) -> bool:
    return Assignment.objects.filter(
        annotator=annotator, task__project=project, status=Assignment.Status.SKIPPED
    ).exists()


def task_context(project: Project, assignment: Assignment, changing: int | None = None) -> dict[str, Any]:
    task = assignment.task
    by_position = {row.position: row.response for row in queue.responses_of(task)}
    asked = services.asked_of(
        assignment, step=changing, texts={position: response.text for position, response in by_position.items()}
    )
    kind = asked.step.kind
    letters = {position: LETTERS[place] for place, position in enumerate(assignment.order)}
    return {
        "task": task,
        "prompt": task.prompt,
        "asked": asked,
        "step": asked.step,
        "responses": [
            {
                "side": letters[position].lower(),
                "letter": letters[position],
                "place": place,
                "text": by_position[position].text,
                "lang": by_position[position].prompt.lang if task.two_prompts else task.prompt.lang,
                "prompt": by_position[position].prompt if task.two_prompts else None,
            }
            for place, position in enumerate(asked.shown.order)
        ],
        **before.of_step(assignment, asked, by_position, letters),
        # A new key each time the form is shown: a resend of the same form is the same answer, a new form is not.
        "idempotency_key": uuid.uuid4(),
        "kind_template": f"annotate/kinds/{kind.slug}.html",
        "kind_script": static(f"js/kinds/{kind.slug}.js") if kind.script else "",
        **kind.context(asked.shown),
        "urls": {
            "answer": reverse("change", args=[project.slug, assignment.pk, asked.step.number])
            if changing is not None
            else reverse("answer", args=[project.slug, assignment.pk]),
            "draft": reverse("draft", args=[project.slug, assignment.pk]),
            "skip": reverse("skip", args=[project.slug, assignment.pk]),
            "flag": reverse("skip", args=[project.slug, assignment.pk]),
            "undo": reverse("undo", args=[project.slug]),
            "history": reverse("history", args=[project.slug]),
            "desk": reverse("annotate", args=[project.slug]),
            "home": project.get_absolute_url(),
        },
        "lease_minutes": settings.TASK_LEASE_MINUTES,
    }


def posted_draft(request: MemberRequest) -> dict[str, str]:
    return {name: str(text) for name, text in request.POST.items() if name not in NOT_ANSWERS}


def kept_draft(assignment: Assignment, asked: Asked) -> dict[str, str]:
    """What was typed and not sent; else the answer that was taken back or is being changed, as it was given."""
    kept = assignment.draft
    if kept and kept.get("step") == asked.step.number and assignment.status != Assignment.Status.SUBMITTED:
        return dict(kept["fields"])
    if assignment.fresh:
        return {}
    last = Feedback.objects.filter(assignment=assignment, step=asked.step.number).order_by("-pk").first()
    if last is None or list(last.order) != list(asked.shown.order):
        return {}
    return {**asked.step.kind.fields(last.value, asked.shown), "comment": last.comment}
