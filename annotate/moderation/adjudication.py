"""Settling what raters disagree on: verdicts, answers that are sent back, and one item with all that was said of it.

Each write is one transaction; rows are locked in the order of annotate.desk.queue. A verdict changes no answer.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import Membership, Project, User
from accounts.pseudonyms import rater_name
from annotate.design.protocols import Step, as_answer, steps_of
from annotate.desk.queue import lock_person, lock_tasks, shown_order
from annotate.kinds import Answer, AnswerError, Shown
from annotate.kinds.base import parse_text
from annotate.kinds.pairwise import PairwiseOptions
from annotate.models import Assignment, Contradiction, Feedback, SentBack, Task, Verdict
from annotate.moderation.disagreement import agreement_of, compared_in, forget, gold_accuracy, side
from annotate.moderation.verdict_words import TEXTS, as_seen, in_letters, relettered, seen_as, with_text, words_of
from annotate.services import Refused

MAX_REASON = 2_000
"""Characters of a verdict's reason, and of a note that is sent back."""
TAKE = "take-"
"""A verdict that takes a rater's answer is sent as "take-<id of that answer>"."""


# --- Verdicts -----------------------------------------------------------------------------------------------


def settle(
    *, task: Task, adjudicator: User, data: Mapping[str, str], idempotency_key: uuid.UUID, seen: int = 0
) -> Verdict:
    """Store a verdict once, however often it arrives; the one before it (`seen`, its id) is superseded and kept.

    Raises AnswerError for what is missing or does not fit, Refused when somebody else settled the item meanwhile.
    """
    reason = parse_text(data, "reason", "The reason", most=MAX_REASON)
    try:
        with transaction.atomic():
            lock_person(adjudicator)
            lock_tasks([task.pk])
            if stored := Verdict.objects.filter(idempotency_key=idempotency_key).first():
                return replayed(stored, task)
            current = Verdict.objects.filter(task=task, withdrawn_at=None).select_related("adjudicator").first()
            if (current.pk if current else 0) != seen:
                raise Refused(overtaken(current))
            answer, order = decided(task, adjudicator, data)
            if not reason:
                raise AnswerError("The raters are not told why yet. Write a sentence for them, then settle.")
            before = Verdict.objects.filter(task=task, superseded_by=None).order_by("-pk").first()
            if current:
                Verdict.objects.filter(pk=current.pk).update(withdrawn_at=timezone.now())
            verdict = Verdict.objects.create(
                project_id=task.project_id, task=task, adjudicator=adjudicator, value=answer.value, order=list(order),
                preference=answer.preference, reason=reason, idempotency_key=idempotency_key, supersedes=before,
            )  # fmt: skip
    except IntegrityError as error:
        raise Refused("This verdict arrived twice at the same moment. The first one is stored.") from error
    forget(task.project_id)
    return verdict


def replayed(stored: Verdict, task: Task) -> Verdict:
    if stored.task_id != task.pk:
        raise Refused("This form was already used for another item. Reload the page and settle again.")
    if stored.withdrawn_at:
        raise Refused("This verdict was stored, and then undone or changed. Look at the item again and settle anew.")
    return stored


def overtaken(current: Verdict | None) -> str:
    if current is None:
        return "The verdict that you saw was undone meanwhile, and yours is not stored. Look at the item again."
    said = words_of(compared_in(current.task), current.value)
    return (
        f"{current.adjudicator.display_name} settled this item meanwhile ({said}), and your verdict is not stored. "
        "Open it under Settled to change it."
    )


def decided(task: Task, adjudicator: User, data: Mapping[str, str]) -> tuple[Answer, Sequence[int]]:
    """The verdict in a posted form, with the order of the responses that it is in terms of."""
    step, given = compared_in(task), data.get("strength", "")
    if given.startswith(TAKE):
        number = given.removeprefix(TAKE)
        pk = int(number) if number.isascii() and number.isdigit() and len(number) < 19 else 0
        taken = Feedback.current.filter(pk=pk, task=task, step=step.number).first()
        if taken is None:
            raise AnswerError("The answer that you took was changed or taken back meanwhile. Look at it, then settle.")
        if step.kind.slug != "pairwise":
            return as_answer(taken), taken.order
        order = order_for(task, adjudicator)
        value = as_seen(taken.value, taken.order, order)
        # A bar that was moved is what the adjudicator means, whatever the rater said.
        fields = {name: data[name] for name in data} | {"strength": "0"}
        given_bars = step.kind.parse(*with_given_bars(step, fields, order)).value
        if dimensions := value.get("dimensions", {}) | given_bars.get("dimensions", {}):
            value["dimensions"] = dimensions
        return Answer(value=value, preference=taken.preference, comment=taken.comment), order
    if step.kind.slug != "pairwise":
        raise AnswerError("Nothing is chosen yet. Take one of the answers, then settle.")
    order = order_for(task, adjudicator)
    return step.kind.parse(*with_given_bars(step, data, order)), order


def bar_options(step: Step) -> PairwiseOptions:
    """A verdict has the bars of the step's dimensions, all optional, and no reasons to tick."""
    both_bad, dimensions = getattr(step.options, "both_bad", True), getattr(step.options, "dimensions", [])
    return PairwiseOptions.model_validate({"both_bad": both_bad, "dimensions": dimensions})


def with_given_bars(step: Step, data: Mapping[str, str], order: Sequence[int]) -> tuple[dict[str, str], Shown]:
    """The form and what it is checked against, with those bars alone that were moved."""
    options = bar_options(step)
    given = [(name, data[f"dimension-{n}"]) for n, name in enumerate(options.dimensions) if data.get(f"dimension-{n}")]
    fields = {name: data[name] for name in ("strength", "comment") if name in data}
    fields |= {f"dimension-{n}": strength for n, (_, strength) in enumerate(given)}
    moved = options.model_copy(update={"dimensions": [name for name, _ in given]})
    return fields, Shown(order=order, options=moved)


def order_for(task: Task, adjudicator: User) -> list[int]:
    return shown_order(annotator_id=adjudicator.pk, task_id=task.pk, responses=task.task_responses.count())


@transaction.atomic
def undo_verdict(*, project: Project, adjudicator: User) -> Verdict:
    """Withdraw the own last verdict, which stays in the history; its item is open again."""
    lock_person(adjudicator)
    mine = Verdict.objects.filter(project=project, adjudicator=adjudicator, withdrawn_at=None)
    last = mine.select_related("task").order_by("-pk").first()
    if last is None:
        raise Refused("There is no verdict of yours to take back.")
    lock_tasks([last.task_id])
    if not Verdict.objects.filter(pk=last.pk, withdrawn_at=None).update(withdrawn_at=timezone.now()):
        raise Refused("That verdict was changed by somebody else meanwhile.")
    forget(project.pk)
    return last


def told_to(project: Project, annotator: User, *, most: int = 20) -> list[tuple[Verdict, str, str]]:
    """(verdict, it in words, what this person had said) on items that they answered, newest first.

    The words are in the letters that this person saw.
    """
    verdicts = Verdict.objects.filter(
        project=project, withdrawn_at=None, task__assignments__annotator=annotator,
        task__assignments__status=Assignment.Status.SUBMITTED,
    ).select_related("task__prompt").prefetch_related(TEXTS).order_by("-pk")[:most]  # fmt: skip
    told = []
    for verdict in verdicts:
        step = compared_in(verdict.task)
        own = Feedback.current.filter(task=verdict.task, annotator=annotator, step=step.number).first()
        if own:
            told.append((verdict, with_text(verdict, own.order), words_of(step, own.value)))
    return told


# --- Sent back ----------------------------------------------------------------------------------------------


@transaction.atomic
def send_back(*, assignments: Sequence[Assignment], reviewer: User, note: str) -> list[SentBack]:
    """Ask the authors of these answers to one item to look at them again. All of them are asked, or nobody.

    Raises AnswerError without a note, Refused where somebody cannot be asked now.
    """
    note = parse_text({"note": note}, "note", "The note", most=MAX_REASON)
    if not note:
        raise AnswerError("Nothing was sent back: write a note that says what to look at again.")
    if not assignments:
        raise AnswerError("Nothing was sent back: choose whose answer goes back.")
    lock_tasks({one.task_id for one in assignments})
    rows = Assignment.objects.filter(pk__in=[one.pk for one in assignments]).select_related("task", "annotator")
    locked = list(rows.order_by("pk").select_for_update(of=("self",)))
    for one in locked:
        if problem := cannot_go_back(one):
            raise Refused(f"Nothing was sent back. {problem}")
    sent = [
        SentBack.objects.create(
            assignment=one, project_id=one.task.project_id, annotator=one.annotator, reviewer=reviewer, note=note
        )
        for one in locked
    ]
    forget(locked[0].task.project_id)
    return sent


def cannot_go_back(assignment: Assignment) -> str:
    """Why this answer cannot be sent back to its author now, in a sentence; empty when it can."""
    name, task = rater_name(assignment.task.project_id, assignment.annotator), assignment.task
    if assignment.annotator.is_simulated:
        return f"{name} is a simulated rater, who reads no notes."
    if task.purpose != Task.Purpose.WORK or task.kind == "chat":
        return "Only answers to items of the ordinary queue can be changed, and chats cannot."
    if assignment.status != Assignment.Status.SUBMITTED:
        return f"{name} has opened this answer again already; wait until it is sent."
    if SentBack.objects.filter(assignment=assignment, answered_at=None).exists():
        return f"{name} has this answer back already, and has not looked at it yet."
    if not Membership.objects.filter(project=task.project_id, user=assignment.annotator, user__is_active=True).exists():
        return f"{name} is not in this project any more."
    return ""


# --- One item with all that was said of it ------------------------------------------------------------------


@dataclass(frozen=True)
class Given:
    """One rater's answer as the page shows it."""

    number: int
    assignment: Assignment
    rater: str
    own: bool
    """Whether the adjudicator gave it."""
    feedback: Feedback | None
    """The answer in the step that the verdict is about."""
    words: str
    strength: int | None
    """Of a comparison: -3 to 3, positive for the response that the adjudicator sees as A."""
    others: list[tuple[str, str]]
    """(question, answer in words) of the other steps."""
    comments: list[str]
    gold: tuple[int, int] | None
    seconds: float
    saw: str
    letters: str
    """What the letters in the rater's own words mean, where they are others than on this page."""
    contradictions: list[str]
    sent_back: list[SentBack] = field(default_factory=list)
    stays: str = ""
    """Why it cannot be sent back now; empty when it can."""

    @property
    def taken(self) -> str:
        """The value of the form that takes this answer as the verdict."""
        return f"{TAKE}{self.feedback.pk}" if self.feedback else ""


@dataclass(frozen=True)
class Case:
    task: Task
    step: Step
    order: Sequence[int]
    given: list[Given]
    agreement: float | None
    reasons: list[str]
    verdict: Verdict | None
    verdict_words: str


def case_of(task: Task, adjudicator: User, *, threshold: float) -> Case:
    """Everything that the page shows, in a handful of queries. Letters are those of the adjudicator."""
    step, order = compared_in(task), order_for(task, adjudicator)
    rows = Feedback.current.filter(task=task, assignment__status=Assignment.Status.SUBMITTED)
    parts: dict[int, list[Feedback]] = {}
    for one in rows.select_related("annotator", "assignment__annotator", "assignment__task").order_by("pk"):
        parts.setdefault(one.assignment_id, []).append(one)
    gold = gold_accuracy(task.project, {mine[0].annotator_id for mine in parts.values()})
    kept = Contradiction.objects.filter(assignment__in=parts, resolution=Contradiction.Resolution.KEPT)
    sent = SentBack.objects.filter(assignment__in=parts).select_related("reviewer").order_by("pk")
    doubts: dict[int, list[str]] = {}
    for doubt in kept:
        doubts.setdefault(doubt.assignment_id, []).append(str(doubt.detail.get("told", doubt.rule)))
    back: dict[int, list[SentBack]] = {}
    for note in sent:
        back.setdefault(note.assignment_id, []).append(note)
    given = [
        given_by(number, mine, step, order, adjudicator, gold, doubts.get(pk, []), back.get(pk, []))
        for number, (pk, mine) in enumerate(parts.items(), 1)
    ]
    compared = [one.feedback for one in given if one.feedback]
    agreement = agreement_of(step.kind.slug, compared)
    verdict = Verdict.objects.filter(task=task, withdrawn_at=None).select_related("adjudicator").first()
    return Case(
        task, step, order, given, agreement, reasons_for(step, given, agreement, threshold), verdict,
        relettered(step, verdict.value, verdict.order, order) if verdict else "",
    )  # fmt: skip


def given_by(
    number: int,
    parts: Sequence[Feedback],
    step: Step,
    order: Sequence[int],
    adjudicator: User,
    gold: Mapping[int, tuple[int, int]],
    contradictions: list[str],
    sent_back: list[SentBack],
) -> Given:
    assignment, author = parts[0].assignment, parts[0].annotator
    main = next((one for one in parts if one.step == step.number), None)
    steps = steps_of(assignment.task)
    saw, letters = seen_as(assignment.order, order)
    strength = None
    if main and main.preference is not None and step.kind.slug in {"pairwise", "rubric"}:
        strength = main.preference if order[0] == 0 else -main.preference
    return Given(
        number=number, assignment=assignment, rater=rater_name(assignment.task.project_id, author),
        own=author == adjudicator, feedback=main,
        words=relettered(step, main.value, main.order, order) if main else "", strength=strength,
        others=[
            (steps[one.step].question, relettered(steps[one.step], one.value, one.order, order))
            for one in parts if one.step != step.number
        ],
        comments=[one.comment for one in parts if one.comment], gold=gold.get(author.pk),
        seconds=sum(one.active_ms for one in parts) / 1000,
        saw=saw, letters=letters,
        contradictions=[in_letters(told, assignment.order, order) for told in contradictions],
        sent_back=sent_back, stays=cannot_go_back(assignment),
    )  # fmt: skip


def reasons_for(step: Step, given: Sequence[Given], agreement: float | None, threshold: float) -> list[str]:
    """ "Why here", in sentences."""
    found = []
    if agreement is not None and agreement < threshold:
        found.append(apart(step, [one for one in given if one.feedback], agreement))
    for one in given:
        if one.contradictions:
            found.append(f"{one.rater} was asked about a contradiction, and stands by it.")
    return found


def apart(step: Step, given: Sequence[Given], agreement: float) -> str:
    count = f"{len(given)} raters"
    if step.kind.slug not in {"pairwise", "rubric"}:
        what = "orders" if step.kind.slug == "ranking" else "choices"
        return f"{count}, whose {what} are {agreement:.0%} alike."
    sides = [side(one.strength) for one in given]
    tally = {one: sides.count(one) for one in dict.fromkeys(sides)}
    if max(tally.values()) == 1:
        return f"{count}, and no two of them say the same."
    names = {"first": "A", "second": "B"}
    parts = [f"{names.get(one, one)} {n}" for one, n in sorted(tally.items(), key=lambda pair: -pair[1])]
    return f"{count}: {', '.join(parts)}. {agreement:.0%} of the pairs of raters agree."
