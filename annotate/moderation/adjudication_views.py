"""The adjudicator's page: one item, all that was said of it, a verdict. Each act answers with the next item."""

import uuid
from typing import Any

from django.core.cache import cache
from django.core.paginator import Paginator
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.models import Project
from accounts.permissions import can_research, can_review, project_view
from accounts.pseudonyms import rater_name
from accounts.requests import MemberRequest
from annotate.desk.queue import rules_of
from annotate.kinds import KINDS, AnswerError, Shown
from annotate.kinds.base import LETTERS
from annotate.models import Assignment, SentBack, Task, Verdict
from annotate.moderation import adjudication, disagreement, flagged
from annotate.moderation.adjudication import Case
from annotate.moderation.verdict_words import TEXTS, as_seen, in_own_letters
from annotate.services import Refused

HOLD = 300
"""Seconds that an item stays with the adjudicator who has it on the screen; the database settles what is left."""
FIELDS = ("strength", "reason", "dimension-")
"""How the fields of a verdict begin."""
SKIPPED = "adjudication_skipped"
PAGE = 30


@never_cache
@require_GET
@project_view(can_review)
def adjudicate(request: MemberRequest, project: Project) -> HttpResponse:
    if request.GET.get("again"):
        request.session[SKIPPED] = []
    return show_next(request, project)


@never_cache
@project_view(can_review)
def item(request: MemberRequest, project: Project, task: int) -> HttpResponseBase:
    """GET: this item, also one that is settled. POST: a verdict on it; the next item comes in the same response."""
    found = task_of(project, task)
    if request.method == "GET":
        return show(request, project, found)
    if request.method != "POST":
        return HttpResponse(status=405)
    try:
        seen = request.POST.get("seen", "")
        adjudication.settle(
            task=found, adjudicator=request.user, data=request.POST, idempotency_key=posted_key(request),
            seen=int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 19 else 0,
        )  # fmt: skip
    except AnswerError as error:
        return show(request, project, found, form_error=str(error), status=422)
    except Refused as error:
        return go_on(request, project, flash=str(error), status=409)
    return go_on(request, project, flash="Settled. The raters can read why.")


@require_POST
@project_view(can_review)
def skip(request: MemberRequest, project: Project, task: int) -> HttpResponseBase:
    """Leave it for somebody else, or for later: it stays in the queue and does not come again in this session."""
    found = task_of(project, task)
    request.session[SKIPPED] = [*request.session.get(SKIPPED, []), found.pk][-disagreement.HEAD :]
    cache.delete(hold_key(found.pk))
    return go_on(request, project, flash="Skipped. It stays in the queue.")


@require_POST
@project_view(can_review)
def send_back(request: MemberRequest, project: Project, task: int) -> HttpResponseBase:
    found = task_of(project, task)
    chosen = [int(pk) for pk in request.POST.getlist("assignment") if pk.isascii() and pk.isdigit() and len(pk) < 19]
    answers = list(Assignment.objects.filter(pk__in=chosen, task=found).select_related("task"))
    try:
        if len(answers) != len(set(chosen)):
            raise Refused("Nothing was sent back: an answer that you chose does not belong to this item.")
        sent = adjudication.send_back(assignments=answers, reviewer=request.user, note=request.POST.get("note", ""))
    except AnswerError as error:
        return show(request, project, found, back_error=str(error), status=422)
    except Refused as error:
        return show(request, project, found, back_error=str(error), status=409)
    names = ", ".join(rater_name(project.pk, one.annotator) for one in sent)
    return go_on(request, project, flash=f"Sent back to {names}. It comes again if they still disagree.")


@require_POST
@project_view(can_review)
def drop(request: MemberRequest, project: Project, task: int) -> HttpResponseBase:
    """Take the item out of the queue for good."""
    found = task_of(project, task)
    try:
        flagged.retire(task=found, actor=request.user, reason=request.POST.get("reason", ""))
    except Refused as error:
        return show(request, project, found, form_error=str(error), status=409)
    return go_on(request, project, flash="Dropped. It is listed under Flagged, retired.")


@require_POST
@project_view(can_review)
def undo(request: MemberRequest, project: Project) -> HttpResponseBase:
    try:
        verdict = adjudication.undo_verdict(project=project, adjudicator=request.user)
    except Refused as error:
        return go_on(request, project, flash=str(error), status=409)
    told = "Your last verdict is taken back. Settle it anew, or leave it."
    if not request.htmx:
        request.session["desk_flash"] = told
        return redirect("adjudicate-item", slug=project.slug, task=verdict.task_id)
    return show(request, project, verdict.task, draft_of=verdict, flash=told)


@never_cache
@require_GET
@project_view(can_review)
def settled(request: MemberRequest, project: Project) -> HttpResponse:
    """Verdicts, newest first, and what was sent back and what became of it."""
    verdicts = Verdict.objects.filter(project=project, withdrawn_at=None)
    verdicts = verdicts.select_related("task__prompt", "adjudicator").prefetch_related(TEXTS)
    page = Paginator(verdicts.order_by("-pk"), PAGE).get_page(request.GET.get("page"))
    back = SentBack.objects.filter(project=project).select_related("annotator", "reviewer", "assignment__task__prompt")
    return render(
        request,
        "annotate/adjudicate_settled.html",
        {
            "project": project, "page": page, "tab": "settled", "may_research": can_research(request.user, project),
            "rows": [(one, in_own_letters(one)) for one in page],
            "sent_back": [(one, rater_name(project.pk, one.annotator)) for one in back.order_by("-pk")[:PAGE]],
        },
    )  # fmt: skip


# --- What is shown ------------------------------------------------------------------------------------------


def task_of(project: Project, pk: int) -> Task:
    return get_object_or_404(
        Task.objects.select_related("prompt__image", "protocol", "project"), pk=pk, project=project,
        purpose=Task.Purpose.WORK,
    )  # fmt: skip


def posted_key(request: MemberRequest) -> uuid.UUID:
    try:
        return uuid.UUID(request.POST.get("idempotency_key", ""))
    except ValueError as error:
        raise AnswerError("The form's key is missing or damaged. Reload the page and settle again.") from error


def go_on(request: MemberRequest, project: Project, *, flash: str, status: int = 200) -> HttpResponseBase:
    if not request.htmx:
        request.session["desk_flash"] = flash
        return redirect("adjudicate", slug=project.slug)
    return show_next(request, project, flash=flash, status=status)


def hold_key(task: int) -> str:
    return f"adjudicating:{task}"


def show_next(request: MemberRequest, project: Project, *, flash: str = "", status: int = 200) -> HttpResponse:
    found = pick(request, project) or pick(request, project, fresh=True)
    if found:
        return show(request, project, found, flash=flash, status=status)
    context = frame(request, project, flash) | {"skipped": bool(request.session.get(SKIPPED))}
    template = "annotate/_adjudicate.html" if request.htmx else "annotate/adjudicate.html"
    return render(request, template, context, status=status)


def pick(request: MemberRequest, project: Project, *, fresh: bool = False) -> Task | None:
    """The first item that waits and that nobody else has on the screen; else the first that somebody has."""
    skipped, threshold = set(request.session.get(SKIPPED, [])), rules_of(project).settle_below
    head = [pk for pk in disagreement.waiting(project, fresh=fresh).head if pk not in skipped]
    holders = cache.get_many([hold_key(pk) for pk in head])
    elsewhere = [pk for pk in head if holders.get(hold_key(pk), request.user.pk) != request.user.pk]
    for pk in [*(pk for pk in head if pk not in set(elsewhere)), *elsewhere]:
        task = Task.objects.select_related("prompt__image", "protocol", "project").filter(pk=pk).first()
        if task and disagreement.still_waiting(task, threshold):
            cache.set(hold_key(pk), request.user.pk, HOLD)
            return task
    return None


def frame(request: MemberRequest, project: Project, flash: str) -> dict[str, Any]:
    """What the page has around the item."""
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    mine = Verdict.objects.filter(project=project, adjudicator=request.user, withdrawn_at=None)
    return {
        "project": project,
        "flash": flash or request.session.pop("desk_flash", ""),
        "total": disagreement.waiting(project).total,
        "today": mine.filter(created_at__gte=midnight).count(),
        "can_undo": mine.exists(),
        "flagged": flagged.number_waiting(project),
        "researcher": can_research(request.user, project),
        "urls": {
            name: reverse(name, args=[project.slug])
            for name in ("adjudicate", "adjudicate-settled", "adjudicate-undo", "flagged", "known-answers")
        },
    }


def show(
    request: MemberRequest,
    project: Project,
    task: Task,
    *,
    form_error: str = "",
    back_error: str = "",
    draft_of: Verdict | None = None,
    flash: str = "",
    status: int = 200,
) -> HttpResponse:
    template = "annotate/_adjudicate.html" if request.htmx else "annotate/adjudicate.html"
    case = adjudication.case_of(task, request.user, threshold=rules_of(project).settle_below)
    context = frame(request, project, flash) | case_context(case) | {
        "form_error": form_error or back_error,
        "note": request.POST.get("note", "") if back_error else "",
        "chosen": request.POST.getlist("assignment") if back_error else [],
        "draft": {name: str(text) for name, text in request.POST.items() if name.startswith(FIELDS)}
        if form_error
        else draft_from(case, draft_of),
    }  # fmt: skip
    return render(request, template, context, status=status)


def draft_from(case: Case, withdrawn: Verdict | None) -> dict[str, str]:
    """The form of a verdict that is changed, or that was taken back."""
    verdict = case.verdict or withdrawn
    if verdict is None:
        return {}
    if case.step.kind.slug != "pairwise":
        same = (verdict.value, list(verdict.order))
        taken = (one for one in case.given if one.feedback and (one.feedback.value, list(one.feedback.order)) == same)
        return {"strength": next((one.taken for one in taken), ""), "reason": verdict.reason}
    value = as_seen(verdict.value, verdict.order, case.order)
    shown = Shown(order=case.order, options=adjudication.bar_options(case.step))
    return {**case.step.kind.fields(value, shown), "reason": verdict.reason}


def case_context(case: Case) -> dict[str, Any]:
    task = case.task
    by_position = {row.position: row.response for row in task.task_responses.select_related("response__prompt")}
    bar = case.step.kind.slug == "pairwise"
    return {
        "case": case, "task": task, "prompt": task.prompt, "step": case.step, "bar": bar,
        "responses": [
            {
                "side": LETTERS[place].lower(), "letter": LETTERS[place], "text": by_position[position].text,
                "lang": by_position[position].prompt.lang if task.two_prompts else task.prompt.lang,
                "prompt": by_position[position].prompt if task.two_prompts else None,
            }
            for place, position in enumerate(case.order)
        ],
        "idempotency_key": uuid.uuid4(),
        "dots": DOTS,
        **(KINDS["pairwise"].context(Shown(order=[0, 1], options=adjudication.bar_options(case.step))) if bar else {}),
    }  # fmt: skip


DOTS = [(strength, round(8 + (3 - strength) * 116 / 6, 1)) for strength in range(3, -4, -1)]
"""(strength, x) of the seven steps of the small bar that shows a rater's answer, 132 wide."""
