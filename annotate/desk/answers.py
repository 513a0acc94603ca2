"""An answer is stored: checked, once, with its place in the task's overlap. For locks see annotate.desk.queue.

An item has one step or several (annotate.design.protocols). Each step is answered by a form of its own and stored as a
Feedback row of its own; the rows of one assignment are the linked record of the item.
"""

import uuid
from collections.abc import Collection as Several
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from annotate.design.protocols import Step, order_of, shown_in, steps_of
from annotate.desk import contradictions, qualification, statements
from annotate.desk.queue import lease_end, responses_of, rules_of
from annotate.kinds import Answer, Shown
from annotate.models import (
    Assignment,
    Contradiction,
    Feedback,
    Task,
)
from annotate.sampling import overlap

MAX_ACTIVE_MS = 6 * 60 * 60 * 1000
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
    is_locked: bool = False,
) -> Feedback:
    """Store the answer to one step once, however often it arrives.

    `step`: the step that the form showed; the one that is due unless given. `asked`: the contradictions that the form
    asked about. `is_locked`: the caller's transaction is one for this answer, and `assignment` was locked in it with
    its task and person (`statements.locked_assignment`). Raises AnswerError when the answer does not fit the task,
    Contradicts when it does not fit the person's other answers to it, Refused when the place was given away meanwhile.
    """
    question = asked_of(assignment, step=step)
    answer = question.step.kind.parse(data, question.shown)
    try:
        with nullcontext() if is_locked else transaction.atomic():
            locked = assignment if is_locked else lock(assignment, annotator)
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
                feedback = answer_row(locked, question, answer, annotator, idempotency_key, active_ms, before)
                statements.store(feedback, locked)
                if question.is_last:
                    finish(locked, annotator)
    except IntegrityError as error:
        raise Refused(collision(error)) from error
    if doubts.unasked:  # outside of the transaction, which keeps that it was asked
        raise Contradicts(doubts.unasked)
    assignment.status, assignment.step = locked.status, locked.step
    return feedback


def answer_row(
    assignment: Assignment,
    question: Asked,
    answer: Answer,
    annotator: User,
    idempotency_key: uuid.UUID,
    active_ms: int,
    before: Sequence[Feedback],
) -> Feedback:
    """The row of an answer, not stored yet. It supersedes the last of the answers `before` it to the same step."""
    step, task = question.step, assignment.task
    order = list(question.shown.order)
    return Feedback(
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
    found = statements.locked_assignment(
        person=annotator.pk, project=assignment.task.project_id, assignment=assignment.pk
    )
    if found is None:
        raise Refused("This task was given to somebody else. Your own task is shown below.")
    return found[0]


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
    """Turn a lease into an answer, or go on to the next step. A lapsed lease counts while the task has a place left.

    Stored by `statements.store`, together with the answer.
    """
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
    assignment.draft = None
    if finished:
        task.answered += 1
        assignment.status, assignment.finished_at = Status.SUBMITTED, timezone.now()
    else:
        assignment.status, assignment.lease_until = Status.LEASED, lease_end()
        assignment.step += 1
