"""Everything that is written when work is answered. Each function is one transaction; for locks see annotate.queue.

An item has one step or several (annotate.protocols). Each step is answered by a form of its own and stored as a
Feedback row of its own; the rows of one assignment are the linked record of the item.
"""

import uuid
from collections.abc import Collection as Several
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import Project, User
from annotate import contradictions, qualification, statements
from annotate.kinds import Answer, AnswerError, Shown
from annotate.models import (
    Assignment,
    Contradiction,
    Feedback,
    SentBack,
    Task,
)
from annotate.protocols import Step, order_of, shown_in, steps_of
from annotate.queue import (
    create_task,
    end_leases,
    expire_leases,
    free_places,
    held_assignment,
    lease,
    lease_end,
    lock_person,
    lock_tasks,
    next_assignment,
    responses_of,
    rules_of,
    shown_order,
    withdraw_parts,
)
from annotate.sampling import overlap

__all__ = [
    "AnswerError", "Contradicts", "Refused", "create_task", "expire_leases", "held_assignment", "lease",
    "next_assignment", "record_feedback", "revise", "save_draft", "sent_back_to", "shown_order", "skip", "undo",
]  # fmt: skip

MAX_ACTIVE_MS = 6 * 60 * 60 * 1000
MAX_DRAFT = 400_000
"""Characters of a draft. An edit of a long response fits, an upload does not."""
SENT_BACK_STAYS_OPEN = timedelta(hours=1)
CHANGEABLE = 10
"""How many of the own last answers can be opened again."""
Status = Assignment.Status


class Refused(Exception):
    """The act cannot be done now; the message tells the annotator why and that nothing is lost."""


class Contradicts(Exception):
    """The answer does not fit what the same person said of the item. Asked about once: sent again, it is stored."""

    def __init__(self, found: Mapping[str, str]) -> None:
        super().__init__(" ".join(found.values()))
        self.found = found
        """{rule: what does not fit}; the form that is shown again names these rules as asked."""


@dataclass(frozen=True)
class Asked:
    """A step of an assignment, with what it shows."""

    step: Step
    steps: tuple[Step, ...]
    shown: Shown

    @property
    def is_last(self) -> bool:
        return self.step.number == len(self.steps) - 1


def asked_of(assignment: Assignment, *, step: int | None = None, texts: Mapping[int, str] | None = None) -> Asked:
    """What `step` (the one that is due unless given) shows. `texts`: of the responses by position, read when needed."""
    steps = steps_of(assignment.task)
    number = min(assignment.step if step is None else step, len(steps) - 1)
    found = steps[number]
    earlier = current_parts(assignment, before=number) if number and found.of in {"winner", "loser"} else {}
    order = order_of(found, assignment.order, earlier, steps)
    if texts is None:
        texts = texts_of(assignment) if found.kind.reads_texts else {}
    return Asked(found, steps, shown_in(found, order, texts))


def texts_of(assignment: Assignment) -> dict[int, str]:
    return {row.position: row.response.text for row in responses_of(assignment.task)}


def current_parts(assignment: Assignment, *, before: int | None = None) -> dict[int, Feedback]:
    """The current answers to the steps of an item, by step."""
    parts = Feedback.current.filter(assignment=assignment)
    if before is not None:
        parts = parts.filter(step__lt=before)
    return {part.step: part for part in parts}


def record_feedback(
    *,
    assignment: Assignment,
    annotator: User,
    data: Mapping[str, str],
    idempotency_key: uuid.UUID,
    active_ms: int = 0,
    step: int | None = None,
    asked: Several[str] = (),
) -> Feedback:
    """Store the answer to one step once, however often it arrives.

    `step`: the step that the form showed; the one that is due unless given. `asked`: the contradictions that the form
    asked about. Raises AnswerError when the answer does not fit the task, Contradicts when it does not fit the person's
    other answers to it, Refused when the place was given away meanwhile.
    """
    question = asked_of(assignment, step=step)
    answer = question.step.kind.parse(data, question.shown)
    try:
        with transaction.atomic():
            locked = lock(assignment, annotator)
            before = answers_before(locked, idempotency_key)
            if seen := next((one for one in before if one.idempotency_key == idempotency_key), None):
                return replayed(seen, locked, answer)
            if step is not None and locked.step != step and locked.status != Status.SUBMITTED:
                raise Refused(
                    "This step was already answered, perhaps in another tab. What is shown now is what is left."
                )
            doubts = doubts_about(locked, question, answer, asked)
            if doubts.unasked:
                remember(locked, doubts.unasked)
            else:
                take_place(locked, finished=question.is_last)
                if doubts.possible:
                    settle(locked, doubts)
                feedback = store(locked, question, answer, annotator, idempotency_key, active_ms, before)
                if question.is_last:
                    finish(locked, annotator)
    except IntegrityError as error:
        raise Refused(collision(error)) from error
    if doubts.unasked:  # outside of the transaction, which keeps that it was asked
        raise Contradicts(doubts.unasked)
    assignment.status, assignment.step = locked.status, locked.step
    return feedback


def store(
    assignment: Assignment,
    question: Asked,
    answer: Answer,
    annotator: User,
    idempotency_key: uuid.UUID,
    active_ms: int,
    before: Sequence[Feedback],
) -> Feedback:
    """The row of an answer. It supersedes the last of the answers `before` it to the same step, if there is one."""
    step, task = question.step, assignment.task
    order = list(question.shown.order)
    return Feedback.objects.create(
        assignment=assignment, project_id=task.project_id, task=task, annotator=annotator, kind=step.kind.slug,
        step=step.number, order=order, value=answer.value, preference=answer.preference, comment=answer.comment,
        right=step.kind.right(answer, order, task.gold["accept"]) if task.gold and step.kind.right else None,
        active_ms=min(max(active_ms, 0), MAX_ACTIVE_MS),
        origin=Feedback.Origin.SIMULATED if annotator.is_simulated else Feedback.Origin.HUMAN,
        idempotency_key=idempotency_key,
        supersedes=next((one for one in reversed(before) if one.step == step.number), None),
    )  # fmt: skip


def answers_before(assignment: Assignment, idempotency_key: uuid.UUID) -> list[Feedback]:
    """All answers of the assignment, also withdrawn ones, oldest first; and whatever has the key already."""
    return statements.answers_before(assignment=assignment.pk, key=idempotency_key)


def finish(assignment: Assignment, annotator: User) -> None:
    """The last step of an item was answered. The caller holds the rows of the person, the task and the assignment."""
    task = assignment.task
    task.answered += 1
    task.save(update_fields=["answered"])
    if task.ceiling is not None:
        overlap.widen(task)
    if task.purpose == Task.Purpose.TEST:
        qualification.judge(task.project, annotator, rules_of(task.project))


# --- Contradictions -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Doubts:
    unasked: dict[str, str]
    """Contradictions of the answer that its author was not asked about yet."""
    kept: set[str]
    """Rules that are still broken although they were asked about."""
    possible: bool = True
    """Whether such an answer can contradict anything at all."""


def doubts_about(assignment: Assignment, question: Asked, answer: Answer, asked: Several[str]) -> Doubts:
    """What in the answer does not fit the other answers of the same person to the same item."""
    number = question.step.number
    alone = len(question.steps) == 1
    if alone and not answer.value.get("dimensions"):  # the hot path: a lone answer contradicts nothing
        return Doubts({}, set(), possible=False)
    others = {} if alone else current_parts(assignment)
    parts = [part_of(one) for key, one in sorted(others.items()) if key != number]
    mine = {"kind": question.step.kind.slug, "value": answer.value, "preference": answer.preference,
            "order": question.shown.order}  # fmt: skip
    parts.insert(sum(key < number for key in others if key != number), mine)
    found = contradictions.found_in(parts)
    # What did not fit before this answer was asked about with the answer that brought it.
    older = set(contradictions.found_in([part for part in parts if part is not mine]))
    known = set(Contradiction.objects.filter(assignment=assignment).values_list("rule", flat=True)) & set(asked)
    unasked = {rule: words for rule, words in found.items() if rule not in known and rule not in older}
    return Doubts(unasked, set(found))


def part_of(feedback: Feedback) -> dict[str, Any]:
    return {
        "kind": feedback.kind, "value": feedback.value, "preference": feedback.preference, "order": feedback.order
    }  # fmt: skip


def remember(assignment: Assignment, found: Mapping[str, str]) -> None:
    for rule, words in found.items():
        Contradiction.objects.update_or_create(
            assignment=assignment, rule=rule,
            defaults={"detail": {"told": words}, "project_id": assignment.task.project_id},
        )  # fmt: skip


def settle(assignment: Assignment, doubts: Doubts) -> None:
    """An answer is stored: of what was asked, what still contradicts was meant, the rest was mended."""
    Resolution = Contradiction.Resolution
    for one in Contradiction.objects.filter(assignment=assignment).exclude(resolution=Resolution.CHANGED):
        resolution = Resolution.KEPT if one.rule in doubts.kept else Resolution.CHANGED
        if one.resolution != resolution:
            one.resolution, one.answered_at = resolution, timezone.now()
            one.save(update_fields=["resolution", "answered_at"])


# --- Places and keys ----------------------------------------------------------------------------------------


def collision(error: IntegrityError) -> str:
    """What a person is told when the database refuses the answer; any other constraint is a fault of ours."""
    constraint = getattr(getattr(error.__cause__, "diag", None), "constraint_name", None) or ""
    if "idempotency_key" in constraint:
        # The key was used by a request that committed between our look and our insert.
        return "This answer arrived twice at the same moment. The first one is stored."
    if constraint == "one_current_answer":
        return "An answer of yours to this task is stored already, this one is not. To change it, undo it first."
    raise error


def lock(assignment: Assignment, annotator: User) -> Assignment:
    """The assignment's row, after the rows of the person and of the task."""
    lock_person(annotator)
    task = statements.lock_task(assignment.task_id)
    locked = statements.lock_assignment(assignment.pk)
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


def take_place(assignment: Assignment, *, finished: bool) -> None:
    """Turn a lease into an answer, or go on to the next step. A lapsed lease counts while the task has a place left."""
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
    assignment.draft = None
    if finished:
        assignment.status, assignment.finished_at = Status.SUBMITTED, timezone.now()
    else:
        assignment.status, assignment.lease_until = Status.LEASED, lease_end()
        assignment.step += 1
    statements.move(assignment)


# --- Skip, undo, change -------------------------------------------------------------------------------------


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
            old = Feedback.current.filter(assignment=locked, step=step).first()
            if locked.status != Status.SUBMITTED or old is None:
                raise Refused("This answer is open again already, perhaps in another tab.")
            if not changeable(locked, annotator):
                raise Refused(f"Only your last {CHANGEABLE} answers can be changed, and those sent back to you.")
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
                feedback = store(locked, question, answer, annotator, idempotency_key, active_ms, before)
                moved = first_step_that_moved(locked, question.steps, after=step)
                if moved is not None:
                    end_leases(Assignment.objects.filter(annotator=annotator, task_id__in=on_screen))
                    reopen_from(locked, moved)
                elif locked.task.ceiling is not None:
                    overlap.widen(locked.task)
    except IntegrityError as error:
        raise Refused(collision(error)) from error
    if doubts.unasked:
        raise Contradicts(doubts.unasked)
    assignment.status, assignment.step = locked.status, locked.step
    return feedback


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


# --- Drafts -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Draft:
    version: int
    fields: dict[str, str]
    step: int


class DraftConflict(Exception):
    """Another tab or computer has saved a newer draft; nothing was overwritten."""

    def __init__(self, newer: Draft) -> None:
        super().__init__("A newer draft of this task was saved in another tab or on another computer.")
        self.newer = newer


@transaction.atomic
def save_draft(
    *, assignment: Assignment, annotator: User, step: int, version: int, fields: Mapping[str, str], at: int = 0
) -> int:
    """Keep what is chosen and typed; returns the draft's new version. Raises DraftConflict, Refused.

    `at`: when it was typed by the clock of the computer, in milliseconds since 1970; the page that comes back to it
    shows the later of this one and of what that computer has kept itself.
    """
    if sum(len(name) + len(text) for name, text in fields.items()) > MAX_DRAFT:
        raise Refused(f"The draft is longer than {MAX_DRAFT:,} characters and is kept on this computer only.")
    locked = Assignment.objects.select_for_update(of=("self",)).get(pk=assignment.pk, annotator=annotator)
    if locked.status == Status.SUBMITTED or locked.step != step:
        raise Refused("This step is answered already; its draft is not needed any more.")
    if version != locked.draft_version:
        draft = locked.draft or {}
        raise DraftConflict(Draft(locked.draft_version, draft.get("fields", {}), draft.get("step", 0)))
    locked.draft = {"step": step, "at": at, "fields": {storable(name): storable(one) for name, one in fields.items()}}
    locked.draft_version += 1
    if locked.status == Status.LEASED:
        locked.lease_until = lease_end()  # whoever writes is at work
    locked.save(update_fields=["draft", "draft_version", "lease_until"])
    return locked.draft_version


def storable(text: str) -> str:
    """Without what PostgreSQL cannot keep: NUL, and halves of characters."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()
