"""Skip, undo and change: what is done about a task beside answering it. Nothing is overwritten."""

import uuid
from collections.abc import Collection as Several
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import Project, User
from annotate.design.protocols import Step, order_of
from annotate.desk.answers import (
    Contradicts,
    Refused,
    Status,
    answer_row,
    answers_before,
    asked_of,
    collision,
    current_parts,
    doubts_about,
    lock,
    remember,
    replayed,
    settle,
)
from annotate.desk.queue import (
    end_leases,
    free_places,
    lease_end,
    lock_person,
    lock_tasks,
    withdraw_parts,
)
from annotate.models import (
    Assignment,
    Feedback,
    SentBack,
    Task,
)
from annotate.sampling import overlap

SENT_BACK_STAYS_OPEN = timedelta(hours=1)
CHANGEABLE = 10
"""How many of the own last answers can be opened again."""


@transaction.atomic
def skip(*, assignment: Assignment, annotator: User, reason: str, flag: bool = False) -> None:
    """Give a task back for somebody else, or hold it until a moderator releases it."""
    locked = lock(assignment, annotator)
    if locked.status == Status.SUBMITTED:
        raise Refused("This task is already answered. Undo the answer first, then skip it.")
    if locked.status == Status.LEASED:
        free_places([locked.task_id])
    withdraw_parts([locked.pk])
    if flag:
        Task.objects.filter(pk=locked.task_id).update(flagged=True)
    locked.status, locked.step, locked.flagged = Status.SKIPPED, 0, flag
    locked.skip_reason = reason.replace("\x00", "")[:200]  # PostgreSQL stores no NUL
    locked.finished_at = timezone.now()
    locked.save(update_fields=["status", "step", "flagged", "skip_reason", "finished_at"])


@transaction.atomic
def undo(*, project: Project, annotator: User) -> Assignment:
    """Take back what was done last: an answer to a step, or a skip. Answers stay in the history, marked withdrawn."""
    # Which one is the last is settled before the wait for the person's row: two clicks at once take back one answer.
    last = Feedback.current.filter(project=project, annotator=annotator).exclude(task__purpose=Task.Purpose.TURN)
    last_answer = last.select_related("assignment").order_by("-created_at", "-pk").first()
    skips = Assignment.objects.filter(annotator=annotator, task__project=project, status=Status.SKIPPED)
    last_skip = skips.select_related("task").order_by("-finished_at").first()
    if last_skip and last_answer and last_skip.task.claimed >= last_skip.task.wanted:
        last_skip = None  # it went to somebody else since; the answer before it can still be taken back
    if last_answer is None and last_skip is None:
        raise Refused("There is no answer of yours to take back.")
    if last_answer is None or (last_skip and last_skip.finished_at and last_skip.finished_at > last_answer.created_at):
        assert last_skip is not None
        return undo_skip(last_skip, annotator)
    return undo_answer(last_answer, annotator)


def undo_answer(last: Feedback, annotator: User) -> Assignment:
    lock_person(annotator)
    on_screen = make_room(annotator, last.project_id, besides=last.task_id)
    lock_tasks([last.task_id, *on_screen])
    changed = Feedback.objects.filter(pk=last.pk, withdrawn_at=None).update(withdrawn_at=timezone.now())
    if not changed:
        raise Refused("That answer was taken back already, perhaps in another tab.")
    # After a change of an earlier step the steps behind it may be older, and yet they build on it.
    behind = Feedback.objects.filter(assignment_id=last.assignment_id, step__gt=last.step, withdrawn_at=None)
    behind.update(withdrawn_at=timezone.now())
    end_leases(Assignment.objects.filter(annotator=annotator, task_id__in=on_screen))
    assignment = Assignment.objects.select_for_update(of=("self",)).get(pk=last.assignment_id)
    if assignment.status == Status.SUBMITTED:
        Task.objects.filter(pk=last.task_id).update(answered=F("answered") - 1)
    elif assignment.status != Status.LEASED:
        claimed = Task.objects.filter(pk=last.task_id, claimed__lt=F("wanted")).update(claimed=F("claimed") + 1)
        if not claimed:
            raise Refused("The task went back to the queue and to somebody else since, so it cannot be opened again.")
    assignment.status, assignment.lease_until, assignment.finished_at = Status.LEASED, lease_end(), None
    assignment.step = last.step
    assignment.save(update_fields=["status", "lease_until", "finished_at", "step"])
    return assignment


def undo_skip(last: Assignment, annotator: User) -> Assignment:
    lock_person(annotator)
    on_screen = make_room(annotator, last.task.project_id, besides=last.task_id)
    lock_tasks([last.task_id, *on_screen])
    assignment = Assignment.objects.select_for_update(of=("self",)).select_related("task").get(pk=last.pk)
    if assignment.status != Status.SKIPPED:
        raise Refused("That skip was taken back already, perhaps in another tab.")
    task = assignment.task
    if task.claimed >= task.wanted:
        raise Refused("The task that you skipped has gone to somebody else since, so it cannot be taken back.")
    end_leases(Assignment.objects.filter(annotator=annotator, task_id__in=on_screen))
    others = Assignment.objects.filter(task=task, flagged=True).exclude(pk=assignment.pk)
    task.flagged = task.flagged and (not assignment.flagged or others.exists())
    task.claimed += 1
    task.save(update_fields=["flagged", "claimed"])
    assignment.status, assignment.lease_until, assignment.finished_at = Status.LEASED, lease_end(), None
    assignment.flagged, assignment.skip_reason, assignment.back_from_skip = False, "", True
    assignment.save(update_fields=["status", "lease_until", "finished_at", "flagged", "skip_reason"])
    return assignment


def make_room(annotator: User, project_id: int, *, besides: int) -> list[int]:
    """The tasks on the screen, which make room. They keep their ids, and so their drafts, for when they come back."""
    held = Assignment.objects.filter(annotator=annotator, status=Status.LEASED, task__project_id=project_id)
    return list(held.exclude(task_id=besides).values_list("task_id", flat=True))


def revise(
    *,
    assignment: Assignment,
    annotator: User,
    step: int,
    data: Mapping[str, str],
    idempotency_key: uuid.UUID,
    active_ms: int = 0,
    asked: Several[str] = (),
) -> Feedback:
    """Change an answer that was sent: a new row supersedes the old one, which stays in the history.

    Where a later step asked about a response that the change makes another one (the loser is now the winner), the
    answers from there on are withdrawn and the item opens again at that step. What is sent unchanged stays as it is.
    """
    question = asked_of(assignment, step=step)
    answer = question.step.kind.parse(data, question.shown)
    try:
        with transaction.atomic():
            lock_person(annotator)
            on_screen = make_room(annotator, assignment.task.project_id, besides=assignment.task_id)
            lock_tasks([assignment.task_id, *on_screen])
            locked = lock(assignment, annotator)
            before = answers_before(locked, idempotency_key)
            if seen := next((one for one in before if one.idempotency_key == idempotency_key), None):
                return replayed(seen, locked, answer)
            old = answer_to_change(locked, annotator, step)
            doubts = doubts_about(locked, question, answer, asked)
            if doubts.unasked:
                remember(locked, doubts.unasked)
            else:
                same = (old.value, old.comment) == (answer.value, answer.comment)
                settle_sent_back(locked, changed=not same)
                if same:
                    return old
                if doubts.possible:
                    settle(locked, doubts)
                Feedback.objects.filter(pk=old.pk).update(withdrawn_at=timezone.now())
                feedback = answer_row(locked, question, answer, annotator, idempotency_key, active_ms, before)
                feedback.save(force_insert=True)
                follow_up(locked, first_step_that_moved(locked, question.steps, after=step), on_screen)
    except IntegrityError as error:
        raise Refused(collision(error)) from error
    if doubts.unasked:
        raise Contradicts(doubts.unasked)
    assignment.status, assignment.step = locked.status, locked.step
    return feedback


def answer_to_change(assignment: Assignment, annotator: User, step: int) -> Feedback:
    """The current answer to a step, which this person may change now; else Refused."""
    old = Feedback.current.filter(assignment=assignment, step=step).first()
    if assignment.status != Status.SUBMITTED or old is None:
        raise Refused("This answer is open again already, perhaps in another tab.")
    if not changeable(assignment, annotator):
        raise Refused(f"Only your last {CHANGEABLE} answers can be changed, and those sent back to you.")
    return old


def follow_up(assignment: Assignment, moved: int | None, on_screen: Sequence[int]) -> None:
    """What a change brings about: the item opens at the step that `moved`, or another rater is asked."""
    if moved is not None:
        end_leases(Assignment.objects.filter(annotator=assignment.annotator_id, task_id__in=on_screen))
        reopen_from(assignment, moved)
    elif assignment.task.ceiling is not None:
        overlap.widen(assignment.task)


def changeable(assignment: Assignment, annotator: User) -> bool:
    # The first step that is sent settles an item that was sent back; its other steps may still be mended after that.
    lately = Q(answered_at=None) | Q(answered_at__gt=timezone.now() - SENT_BACK_STAYS_OPEN)
    if SentBack.objects.filter(lately, assignment=assignment).exists():
        return True
    return assignment.pk in last_answered(annotator, assignment.task.project_id).values_list("pk", flat=True)


def last_answered(annotator: User, project_id: int) -> Any:
    """The assignments that this person answered last, newest first. A turn of a chat belongs to its chat."""
    done = Assignment.objects.filter(annotator=annotator, task__project_id=project_id, status=Status.SUBMITTED)
    return done.exclude(task__purpose=Task.Purpose.TURN).order_by("-finished_at")[:CHANGEABLE]


def first_step_that_moved(assignment: Assignment, steps: tuple[Step, ...], *, after: int) -> int | None:
    """The first step after `after` that would now be asked about other responses than it was."""
    parts = current_parts(assignment)
    for step in steps[after + 1 :]:
        part = parts.get(step.number)
        if part and list(part.order) != order_of(step, assignment.order, parts, steps):
            return step.number
    return None


def reopen_from(assignment: Assignment, step: int) -> None:
    """Open an item again at a step. The caller holds the rows of the person, the task and the assignment."""
    parts = Feedback.objects.filter(assignment=assignment, step__gte=step, withdrawn_at=None)
    parts.update(withdrawn_at=timezone.now())
    Task.objects.filter(pk=assignment.task_id).update(answered=F("answered") - 1)
    assignment.status, assignment.lease_until, assignment.finished_at = Status.LEASED, lease_end(), None
    assignment.step = step
    assignment.save(update_fields=["status", "lease_until", "finished_at", "step"])


def sent_back_to(project: Project, annotator: User) -> SentBack | None:
    """The oldest answer that a reviewer asks this person to look at again."""
    waiting = SentBack.objects.filter(
        project=project, annotator=annotator, answered_at=None, assignment__status=Status.SUBMITTED
    )
    return waiting.select_related("assignment__task__prompt", "reviewer").order_by("created_at").first()


def settle_sent_back(assignment: Assignment, *, changed: bool) -> None:
    waiting = SentBack.objects.filter(assignment=assignment, answered_at=None)
    waiting.update(answered_at=timezone.now(), changed=changed)
