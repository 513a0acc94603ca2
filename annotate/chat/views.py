"""A chat over HTTP: what is written is polled, and each turn answers with the desk as it then is."""

from django.http import HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from accounts.models import Project
from accounts.permissions import can_annotate, project_view
from accounts.requests import MemberRequest
from annotate import services
from annotate.chat import turns as chat_turns
from annotate.desk import views
from annotate.kinds import AnswerError
from annotate.models import Assignment
from pages.templatetags.palate import prose


def own_chat(request: MemberRequest, project: Project, pk: int) -> Assignment:
    """404 for other people's chats and for tasks of other kinds."""
    return get_object_or_404(
        Assignment.objects.select_related("task__prompt", "task__project"),
        pk=pk, annotator=request.user, task__project=project, task__kind="chat", task__parent=None,
    )  # fmt: skip


@never_cache
@project_view(can_annotate)
def turn(request: MemberRequest, project: Project, assignment: int) -> HttpResponseBase:
    """GET: the answers as far as they are shown, as JSON. POST: a message, a pick, both, or the end."""
    held = own_chat(request, project, assignment)
    if request.method == "GET":
        return JsonResponse(looked_at(request, held))
    if request.method != "POST":
        return HttpResponse(status=405)
    try:
        chat_turns.go_on(
            assignment=held,
            annotator=request.user,
            data=request.POST,
            idempotency_key=views.posted_key(request),
            active_ms=views.posted_int(request, "active_ms"),
        )
    except AnswerError as error:
        return views.show(request, project, held, form_error=str(error), status=422)
    except services.Refused as error:
        chat_turns.keep_typed(assignment=held, annotator=request.user, message=request.POST.get("message", ""))
        return views.go_on(request, project, flash=str(error), status=409)
    return views.go_on(request, project)


def looked_at(request: MemberRequest, held: Assignment) -> dict[str, object]:
    """`shown` and `turn` say what the page has; another turn than the newest is told to load the page anew."""
    shown = request.GET.get("shown", "")
    state = chat_turns.chat_of(held)
    moved = request.GET.get("turn", "") != str(state.turn) or held.status != Assignment.Status.LEASED
    page = chat_turns.page(state, int(shown) if shown.isascii() and shown.isdigit() and len(shown) < 8 else None)
    replies = [{**reply, "html": prose(reply.pop("text"))} for reply in page["replies"]]
    return {**page, "replies": replies, "moved": moved}


@require_POST
@project_view(can_annotate)
def stop(request: MemberRequest, project: Project, assignment: int) -> HttpResponseBase:
    chat_turns.stop(assignment=own_chat(request, project, assignment))
    return HttpResponse(status=204) if request.htmx else redirect("annotate", slug=project.slug)


@require_POST
@project_view(can_annotate)
def again(request: MemberRequest, project: Project, assignment: int) -> HttpResponseBase:
    try:
        chat_turns.try_again(assignment=own_chat(request, project, assignment), annotator=request.user)
    except services.Refused as error:
        return views.go_on(request, project, flash=str(error), status=409)
    return views.go_on(request, project)


@require_POST
@project_view(can_annotate)
def undo(request: MemberRequest, project: Project, assignment: int) -> HttpResponseBase:
    """Take back the last pick of this chat; before the first pick, what was answered before the chat."""
    try:
        if chat_turns.undo_pick(assignment=own_chat(request, project, assignment), annotator=request.user):
            return views.go_on(request, project, flash="Your last pick is open again. Send it anew, changed or not.")
    except services.Refused as error:
        return views.go_on(request, project, flash=str(error), status=409)
    return views.undo(request, slug=project.slug)
