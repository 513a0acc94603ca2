"""Flagged tasks: what somebody called unfit for anyone, until a reviewer releases or retires it.

A task waits for a decision while it is `flagged` and a rater's flag on it is open (`Assignment.flagged`), or somebody
held it in the site's admin. Released: it is open again. Retired: it stays `flagged`, so that nobody gets it, and wants
no more answers than it has, so that the project's progress does not wait for it. Either way the raters' flags are
closed, their reasons stay, and an audit event keeps who decided what, why, and whose flags they were.
"""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import CharField, Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Cast, Concat
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.models import AuditEvent, Project, User, record_audit
from accounts.permissions import can_research, can_review, project_view
from accounts.pseudonyms import rater_name
from accounts.requests import MemberRequest
from annotate.desk.queue import lock_tasks
from annotate.models import Assignment, Task
from annotate.moderation.disagreement import forget
from annotate.quality.kept import counted
from annotate.services import Refused

PAGE = 20
MAX_REASON = 200
RELEASED, RETIRED = "task.released", "task.retired"
SKIPS = {"unfamiliar": "does not know the subject", "broken": "the text is broken", "language": "another language",
         "upsetting": "upsetting", "other": "another reason"}  # fmt: skip


def waiting(project: Project) -> QuerySet[Task]:
    """Flagged tasks that nobody has decided on."""
    return Task.objects.filter(UNDECIDED, project=project, flagged=True)


def number_waiting(project: Project) -> int:
    """How many wait for a decision; up to a minute old where there are many tasks."""
    return counted(project, "flagged-waiting", lambda: waiting(project).count())


def retired(project: Project) -> QuerySet[Task]:
    """Tasks that were taken out of the queue for good, and can be put back."""
    return Task.objects.filter(~UNDECIDED, Exists(decisions(RETIRED)), project=project, flagged=True)


def decisions(action: str) -> QuerySet[AuditEvent]:
    name = Concat(Value("task "), Cast(OuterRef("pk"), CharField()), output_field=CharField())
    return AuditEvent.objects.filter(project=OuterRef("project"), action=action, target=name)


OPEN_FLAG = Exists(Assignment.objects.filter(task=OuterRef("pk"), flagged=True))
HELD = Q(purpose=Task.Purpose.WORK, claimed__lt=F("wanted")) & ~Exists(decisions(RETIRED))
UNDECIDED = Q(OPEN_FLAG) | HELD


def target_of(task: Task) -> str:
    return f"task {task.pk}"


@transaction.atomic
def release(*, task: Task, actor: User, reason: str = "") -> Task:
    """Give it back to the queue; also one that was retired, with as many answers wanted as before."""
    locked = locked_flagged(task, "released")
    before = AuditEvent.objects.filter(project=locked.project_id, action=RETIRED, target=target_of(locked)).first()
    record_audit(
        actor=actor, action=RELEASED, project=locked.project, target=target_of(locked), reason=reason[:MAX_REASON],
        flags=close_flags(locked),
    )  # fmt: skip
    if before:
        locked.wanted = max(locked.wanted, int(before.data.get("wanted", 0)))
    locked.flagged = False
    locked.save(update_fields=["flagged", "wanted"])
    forget(locked.project_id)
    return locked


@transaction.atomic
def retire(*, task: Task, actor: User, reason: str) -> Task:
    """Take it out of the queue for good. Answers that it has stay; who has it on the screen may still send theirs."""
    locked = Task.objects.select_related("project").get(pk=task.pk)
    lock_tasks([locked.pk])
    locked.refresh_from_db()
    reason = reason.replace("\x00", "").strip()
    if not reason:
        raise Refused("Nothing was changed: say in a few words why the task is unfit.")
    last = AuditEvent.objects.filter(project=locked.project_id, target=target_of(locked)).first()
    if locked.flagged and last and last.action == RETIRED and not locked.assignments.filter(flagged=True).exists():
        raise Refused("This task is retired already, perhaps by somebody else.")
    record_audit(
        actor=actor, action=RETIRED, project=locked.project, target=target_of(locked), reason=reason[:MAX_REASON],
        wanted=locked.wanted, purpose=locked.purpose, flags=close_flags(locked),
    )  # fmt: skip
    locked.flagged = True
    if locked.purpose == Task.Purpose.WORK:
        locked.wanted = locked.claimed
    locked.save(update_fields=["flagged", "wanted"])
    forget(locked.project_id)
    return locked


def locked_flagged(task: Task, done: str) -> Task:
    lock_tasks([task.pk])
    locked = Task.objects.select_related("project").get(pk=task.pk)
    if not locked.flagged:
        raise Refused(f"This task is not flagged any more, perhaps somebody else {done} it.")
    return locked


def close_flags(task: Task) -> list[dict[str, Any]]:
    """What the raters said stays with their assignments and in the audit event; it asks for nothing any more."""
    flags = list(Assignment.objects.filter(task=task, flagged=True).select_for_update().order_by("pk"))
    Assignment.objects.filter(pk__in=[one.pk for one in flags]).update(flagged=False)
    return [{"annotator": one.annotator_id, "reason": one.skip_reason} for one in flags]


# --- Pages --------------------------------------------------------------------------------------------------


@never_cache
@require_GET
@project_view(can_review)
def index(request: MemberRequest, project: Project) -> HttpResponse:
    show_retired = request.GET.get("show") == "retired"
    # One look through the tasks, of which there may be a million; all else asks about the flagged ones alone.
    flagged = Task.objects.filter(
        pk__in=list(Task.objects.filter(project=project, flagged=True).values_list("pk", flat=True))
    )
    lists = {
        "waiting": list(flagged.filter(UNDECIDED).order_by("pk").values_list("pk", flat=True)),
        "retired": list(
            flagged.filter(~UNDECIDED, Exists(decisions(RETIRED))).order_by("pk").values_list("pk", flat=True)
        ),
    }
    page = Paginator(lists["retired" if show_retired else "waiting"], PAGE).get_page(request.GET.get("page"))
    tasks = Task.objects.filter(pk__in=list(page)).select_related("prompt").order_by("pk")
    return render(
        request,
        "annotate/flagged.html",
        {
            "project": project, "page": page, "show_retired": show_retired, "rows": rows_of(project, list(tasks)),
            "waiting": len(lists["waiting"]), "retired": len(lists["retired"]), "tab": "flagged",
            "may_research": can_research(request.user, project),
        },
    )  # fmt: skip


def rows_of(project: Project, tasks: list[Task]) -> list[dict[str, Any]]:
    """The tasks of a page with who flagged them, who else has skipped them, and the decision, if there is one."""
    skips = Assignment.objects.filter(task__in=tasks, status=Assignment.Status.SKIPPED).select_related("annotator")
    events: dict[str, AuditEvent] = {}
    names = [target_of(task) for task in tasks]
    for event in AuditEvent.objects.filter(project=project, target__in=names).select_related("actor").order_by("at"):
        if event.action in {RELEASED, RETIRED}:
            events[event.target] = event
    by_task: dict[int, list[dict[str, Any]]] = {task.pk: [] for task in tasks}
    for one in skips.order_by("-flagged", "-finished_at"):
        by_task[one.task_id].append({
            "rater": rater_name(project.pk, one.annotator), "flagged": one.flagged, "at": one.finished_at,
            "reason": SKIPS.get(one.skip_reason, one.skip_reason),
        })  # fmt: skip
    return [
        {
            "task": task, "prompt": task.prompt, "skips": by_task[task.pk], "decision": events.get(target_of(task)),
            "responses": [row.response for row in task.task_responses.select_related("response")],
        }
        for task in tasks
    ]  # fmt: skip


@require_POST
@project_view(can_review)
def decide(request: MemberRequest, project: Project, task: int) -> HttpResponseBase:
    """POST `act`: release or retire, with a `reason`."""
    found = get_object_or_404(Task, pk=task, project=project)
    reason = request.POST.get("reason", "").strip()
    try:
        if request.POST.get("act") == "release":
            release(task=found, actor=request.user, reason=reason)
            messages.success(request, f"Task {found.pk} is back in the queue.")
        elif request.POST.get("act") == "retire":
            retire(task=found, actor=request.user, reason=reason)
            messages.success(request, f"Task {found.pk} is out of the queue for good. Its answers are kept.")
        else:
            messages.error(request, "Nothing was changed: release or retire it.")
    except Refused as error:
        messages.error(request, str(error))
    return redirect("flagged", slug=project.slug)
