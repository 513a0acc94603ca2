"""Everything that is written when work is given out and answered. Each function is one transaction.

Rows are locked in one order, so that nobody waits in a circle: the person's own row, then the rows of tasks in order
of id, then assignments. A person's acts come one after the other, whatever their tabs do; the sweep of lapsed leases
acts for nobody, and passes over tasks that are locked.
"""

import hashlib
import random
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from accounts.models import Project, User
from annotate.kinds import KINDS, Answer
from annotate.models import Assignment, Feedback, Prompt, Response, Task, TaskResponse

MAX_ACTIVE_MS = 6 * 60 * 60 * 1000
Status = Assignment.Status


class Refused(Exception):
    """The act cannot be done now; the message tells the annotator why and that nothing is lost."""


def create_task(
    *,
    prompt: Prompt,
    responses: Sequence[Response],
    kind: str = "pairwise",
    wanted: int = 1,
    priority: int = 0,
    draw: float | None = None,
) -> Task:
    """A task over `responses`, whose order becomes the canonical one."""
    expected = KINDS[kind].responses
    if len(responses) != expected:
        raise ValueError(f"A {kind} task has {expected} responses, {len(responses)} were given.")
    if any(response.prompt_id != prompt.pk for response in responses):
        raise ValueError(f"A response does not belong to prompt {prompt.key}.")
    with transaction.atomic():
        task = Task.objects.create(
            project_id=prompt.project_id, prompt=prompt, kind=kind, wanted=wanted, priority=priority,
            place=(random.random() if draw is None else draw) - priority,
        )  # fmt: skip
        TaskResponse.objects.bulk_create(
            TaskResponse(task=task, response=response, position=position) for position, response in enumerate(responses)
        )
    return task


def shown_order(*, annotator_id: int, task_id: int, responses: int) -> list[int]:
    """The positions in the order this annotator sees them: random over people, the same on every reload."""
    digest = hashlib.sha256(f"{annotator_id}:{task_id}".encode()).digest()
    order = list(range(responses))
    random.Random(int.from_bytes(digest[:8])).shuffle(order)
    return order


def lease_end() -> datetime:
    return timezone.now() + timedelta(minutes=settings.TASK_LEASE_MINUTES)


def next_assignment(*, project: Project, annotator: User) -> Assignment | None:
    """The task this annotator holds, or a new lease; None when there is nothing for them to do."""
    held = held_assignment(project=project, annotator=annotator)
    if held:
        return held
    return lease(project=project, annotator=annotator) or (
        # Only when nothing is open is it worth taking back what others let lapse.
        lease(project=project, annotator=annotator) if expire_leases(project) else None
    )


def held_assignment(*, project: Project, annotator: User) -> Assignment | None:
    """The live lease, prolonged, so that a reload or a second tab shows the same task."""
    with transaction.atomic():
        held = (
            Assignment.objects.select_for_update(of=("self",))
            .filter(
                annotator=annotator,
                status=Status.LEASED,
                task__project=project,
                lease_until__gt=timezone.now(),
            )
            .select_related("task__prompt")
            .order_by("pk")
            .first()
        )
        if held:
            held.lease_until = lease_end()
            held.save(update_fields=["lease_until"])
        return held


def open_tasks(project: Project, annotator: User) -> QuerySet[Task]:
    return Task.objects.filter(
        project=project, flagged=False, purpose=Task.Purpose.WORK, claimed__lt=F("wanted")
    ).exclude(Q(pk__in=Assignment.objects.filter(annotator=annotator).exclude(status=Status.EXPIRED).values("task_id")))


@transaction.atomic
def lease(*, project: Project, annotator: User) -> Assignment | None:
    """Claim one open task. SKIP LOCKED: people who ask at once get different tasks and never wait for each other."""
    # Two tabs of one person must not lease two tasks: the second waits here and then finds the first one's lease.
    lock_person(annotator)
    if held := held_assignment(project=project, annotator=annotator):
        return held
    task = (
        open_tasks(project, annotator)
        .order_by("place", "pk")
        .select_for_update(skip_locked=True, of=("self",))
        .select_related("prompt")
        .first()
    )
    if task is None:
        return None
    task.claimed = task.claimed + 1
    task.save(update_fields=["claimed"])
    # An own lease that lapsed, or was reopened and left, is taken up again: it was never answered.
    assignment, _ = Assignment.objects.update_or_create(
        task=task,
        annotator=annotator,
        defaults={"status": Status.LEASED, "lease_until": lease_end()},
        create_defaults={
            "lease_until": lease_end(),
            "order": shown_order(annotator_id=annotator.pk, task_id=task.pk, responses=KINDS[task.kind].responses),
        },
    )
    return assignment


@transaction.atomic
def expire_leases(project: Project, *, limit: int = 500) -> int:
    """Give lapsed tasks back to the queue; returns how many leases ended. Tasks that somebody works on come later."""
    lapsed = Assignment.objects.filter(status=Status.LEASED, lease_until__lt=timezone.now())
    tasks = Task.objects.filter(project=project, pk__in=lapsed.values("task_id")).order_by("pk")
    locked = list(tasks.select_for_update(skip_locked=True).values_list("pk", flat=True)[:limit])
    return end_leases(lapsed.filter(task_id__in=locked))


def end_leases(leases: QuerySet[Assignment]) -> int:
    """End them and free their places. The caller holds the rows of the tasks, so none is being answered meanwhile."""
    held = list(leases.filter(status=Status.LEASED).order_by("pk").select_for_update().values_list("pk", "task_id"))
    Assignment.objects.filter(pk__in=[pk for pk, _ in held]).update(status=Status.EXPIRED)
    free_places(task for _, task in held)
    return len(held)


def free_places(task_ids: Iterable[int]) -> None:
    """One place of a task each time it is named. The caller holds the rows of the tasks."""
    for task_id in task_ids:
        Task.objects.filter(pk=task_id).update(claimed=F("claimed") - 1)


def record_feedback(
    *,
    assignment: Assignment,
    annotator: User,
    data: Mapping[str, str],
    idempotency_key: uuid.UUID,
    active_ms: int = 0,
) -> Feedback:
    """Store an answer once, however often it arrives.

    Raises AnswerError when the answer does not fit the task, Refused when the place was given away meanwhile.
    """
    answer = KINDS[assignment.task.kind].parse(data, assignment.order)
    try:
        with transaction.atomic():
            locked = lock(assignment, annotator)
            if seen := Feedback.objects.filter(idempotency_key=idempotency_key).first():
                return replayed(seen, locked, answer)
            take_place(locked)
            feedback = Feedback.objects.create(
                assignment=locked, project_id=locked.task.project_id, task=locked.task, annotator=annotator,
                kind=locked.task.kind, order=locked.order, value=answer.value, preference=answer.preference,
                comment=answer.comment, active_ms=min(max(active_ms, 0), MAX_ACTIVE_MS),
                origin=Feedback.Origin.SIMULATED if annotator.is_simulated else Feedback.Origin.HUMAN,
                idempotency_key=idempotency_key,
                supersedes=Feedback.objects.filter(assignment=locked, superseded_by=None).order_by("-pk").first(),
            )  # fmt: skip
            Task.objects.filter(pk=locked.task_id).update(answered=F("answered") + 1)
    except IntegrityError as error:
        raise Refused(collision(error)) from error
    assignment.status = Status.SUBMITTED
    return feedback


def collision(error: IntegrityError) -> str:
    """What a person is told when the database refuses the answer; any other constraint is a fault of ours."""
    constraint = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None) or ""
    if "idempotency_key" in constraint:
        # The key was used by a request that committed between our look and our insert.
        return "This answer arrived twice at the same moment. The first one is stored."
    if constraint == "one_current_answer":
        return "An answer of yours to this task is stored already, this one is not. To change it, undo it first."
    raise error


def lock_person(annotator: User) -> None:
    User.objects.select_for_update(no_key=True).get(pk=annotator.pk)


def lock_tasks(task_ids: Iterable[int]) -> None:
    list(Task.objects.filter(pk__in=list(task_ids)).order_by("pk").select_for_update().values_list("pk"))


def lock(assignment: Assignment, annotator: User) -> Assignment:
    """The assignment's row, after the rows of the person and of the task."""
    lock_person(annotator)
    task = Task.objects.select_for_update(of=("self",)).get(pk=assignment.task_id)
    locked = Assignment.objects.select_for_update(of=("self",)).get(pk=assignment.pk)
    if locked.annotator_id != annotator.pk:
        raise Refused("This task was given to somebody else. Your own task is shown below.")
    locked.task = task
    return locked


def replayed(seen: Feedback, assignment: Assignment, answer: Answer) -> Feedback:
    """The stored answer, when this is the same form again; a changed one is refused, so that no change gets lost."""
    if seen.assignment_id != assignment.pk:
        raise Refused("This form was already used for another task. Reload the page and answer again.")
    if seen.withdrawn_at:
        raise Refused("This answer was stored and then taken back by an undo. Check what is chosen and send it anew.")
    if (seen.value, seen.comment) != (answer.value, answer.comment):
        raise Refused(
            "Your first answer to this task had arrived and is stored; the change you made since is not. "
            "To change it, press Undo and send it anew."
        )
    return seen


def take_place(assignment: Assignment) -> None:
    """Turn a lease into an answer. A lapsed lease still counts while the task has a place left."""
    task = assignment.task
    if assignment.status == Status.SUBMITTED:
        raise Refused("This task is already answered, perhaps in another tab. To change it, undo it first.")
    if assignment.status in {Status.EXPIRED, Status.SKIPPED}:
        if task.claimed >= task.wanted:
            raise Refused(
                f"This task went back to the queue after {settings.TASK_LEASE_MINUTES} minutes and has been answered "
                "by others since. Nothing is wrong with your answer, it is just not needed any more."
            )
        task.claimed += 1
        task.save(update_fields=["claimed"])
    assignment.status = Status.SUBMITTED
    assignment.finished_at = timezone.now()
    assignment.save(update_fields=["status", "finished_at"])


@transaction.atomic
def skip(*, assignment: Assignment, annotator: User, reason: str, flag: bool = False) -> None:
    """Give a task back for somebody else, or hold it until an administrator releases it."""
    locked = lock(assignment, annotator)
    if locked.status == Status.SUBMITTED:
        raise Refused("This task is already answered. Undo the answer first, then skip it.")
    if locked.status == Status.LEASED:
        free_places([locked.task_id])
    if flag:
        Task.objects.filter(pk=locked.task_id).update(flagged=True)
    locked.status = Status.SKIPPED
    locked.skip_reason = reason.replace("\x00", "")[:200]  # PostgreSQL stores no NUL
    locked.finished_at = timezone.now()
    locked.save(update_fields=["status", "skip_reason", "finished_at"])


@transaction.atomic
def undo(*, project: Project, annotator: User) -> Assignment:
    """Take back the last answer and open its task again. The answer stays in the history, marked withdrawn."""
    # Which one is the last is settled before the wait for the person's row: two clicks at once take back one answer.
    last = Feedback.current.filter(project=project, annotator=annotator).order_by("-created_at", "-pk").first()
    if last is None:
        raise Refused("There is no answer of yours to take back.")
    lock_person(annotator)
    held = Assignment.objects.filter(annotator=annotator, status=Status.LEASED, task__project=project)
    on_screen = list(held.values_list("task_id", flat=True))
    lock_tasks([last.task_id, *on_screen])
    changed = Feedback.objects.filter(pk=last.pk, withdrawn_at=None).update(withdrawn_at=timezone.now())
    if not changed:
        raise Refused("That answer was taken back already, perhaps in another tab.")
    # The task on the screen makes room. It keeps its id, and so its draft, for when it is taken up again.
    end_leases(Assignment.objects.filter(annotator=annotator, task_id__in=on_screen))
    Task.objects.filter(pk=last.task_id).update(answered=F("answered") - 1)
    assignment = Assignment.objects.select_for_update(of=("self",)).get(pk=last.assignment_id)
    assignment.status, assignment.lease_until, assignment.finished_at = Status.LEASED, lease_end(), None
    assignment.save(update_fields=["status", "lease_until", "finished_at"])
    return assignment
