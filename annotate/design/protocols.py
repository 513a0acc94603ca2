"""What is asked of an item: one step or several, each of a kind, about all responses, the best or the worst."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from annotate.kinds import KINDS, Answer, Kind, Shown
from annotate.models import Feedback, Protocol, Task

Of = Literal["all", "winner", "loser", "first"]
MAX_STEPS = 6


class ProtocolError(ValueError):
    """Steps that cannot be asked; the message says which and why."""


class StepSpec(BaseModel):
    """One step as it is stored in Protocol.steps."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    of: Of = "all"
    question: str = Field("", max_length=200)
    options: dict[str, Any] = {}


@dataclass(frozen=True)
class Step:
    """One step, checked and ready to be asked."""

    number: int
    kind: Kind
    of: Of
    question: str
    options: Any

    @property
    def is_first(self) -> bool:
        return self.number == 0


def parse_steps(raw: Any, *, responses: int | None = None) -> tuple[Step, ...]:
    """Check the steps of a protocol, or of one for items with so many `responses`. Raises ProtocolError."""
    if not isinstance(raw, list) or not 1 <= len(raw) <= MAX_STEPS:
        raise ProtocolError(f"A protocol is a list of 1 to {MAX_STEPS} steps.")
    steps: list[Step] = []
    for number, one in enumerate(raw):
        steps.append(parse_step(one, number, steps))
    if responses is not None:
        for step in steps:
            check_count(step, responses)
    return tuple(steps)


def parse_step(raw: Any, number: int, before: Sequence[Step]) -> Step:
    where = f"Step {number + 1}"
    try:
        spec = StepSpec.model_validate(raw)
    except ValidationError as error:
        raise ProtocolError(f"{where}: {first_problem(error)}") from error
    kind = KINDS.get(spec.kind)
    if kind is None:
        raise ProtocolError(f"{where}: {spec.kind[:40]!r} is not a kind of feedback. There are {', '.join(KINDS)}.")
    if spec.of in {"winner", "loser"} and not any(one.kind.extremes and one.of == "all" for one in before):
        raise ProtocolError(f"{where} asks about the {spec.of}, but no earlier step compares the responses.")
    if spec.of != "all" and kind.least > 1:
        raise ProtocolError(f"{where}: {kind.slug} compares several responses, it cannot be asked of one of them.")
    if kind.most == 0 and (number or before):
        raise ProtocolError(f"{where}: {kind.slug} has to be the only step.")
    try:
        options = kind.options.model_validate(spec.options)
    except ValidationError as error:
        raise ProtocolError(f"{where} ({kind.slug}): {first_problem(error)}") from error
    return Step(number, kind, spec.of, spec.question or kind.question, options)


def first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    place = ".".join(str(part) for part in problem["loc"])
    return f"{place}: {problem['msg']}." if place else f"{problem['msg']}."


def check_count(step: Step, responses: int) -> None:
    shown = responses if step.of == "all" else min(responses, 1)
    if not step.kind.least <= shown <= step.kind.most:
        span = str(step.kind.least) if step.kind.least == step.kind.most else f"{step.kind.least} to {step.kind.most}"
        raise ProtocolError(f"Step {step.number + 1}, {step.kind.slug}, shows {span} responses; the item has {shown}.")


_single: dict[str, tuple[Step, ...]] = {}
_parsed: dict[int, tuple[Step, ...]] = {}


def steps_of(task: Task) -> tuple[Step, ...]:
    """The steps of a task. Protocols never change once written, so each is read and parsed once a process."""
    if task.protocol_id is None:
        if task.kind not in _single:
            _single[task.kind] = parse_steps([{"kind": task.kind}])
        return _single[task.kind]
    if task.protocol_id not in _parsed:
        if len(_parsed) > 1_000:
            _parsed.clear()
        _parsed[task.protocol_id] = parse_steps(
            Protocol.objects.values_list("steps", flat=True).get(pk=task.protocol_id)
        )
    return _parsed[task.protocol_id]


def step_of(feedback: Feedback) -> Step:
    return steps_of(feedback.task)[feedback.step]


def order_of(step: Step, order: Sequence[int], earlier: Mapping[int, Feedback], steps: Sequence[Step]) -> list[int]:
    """Positions that `step` shows: all in their order, or the one it is about.

    `earlier`: the current answers to the steps before. Where they name no best response (a tie), the step is asked
    about the one that was shown first.
    """
    if step.of == "all":
        return list(order)
    found = None
    for number in sorted(earlier, reverse=True):
        kind = steps[number].kind
        if kind.extremes and number < step.number and steps[number].of == "all":
            found = kind.extremes(as_answer(earlier[number]), earlier[number].order)
            break
    if step.of == "first" or found is None:
        return [order[0]]
    return [found[0] if step.of == "winner" else found[1]]


def as_answer(feedback: Feedback) -> Answer:
    return Answer(value=feedback.value, preference=feedback.preference, comment=feedback.comment)


def said(feedback: Feedback) -> str:
    """The answer in a few words."""
    return KINDS[feedback.kind].say(feedback.value)


def shown_in(step: Step, order: Sequence[int], texts: Mapping[int, str]) -> Shown:
    """`texts`: by position; may be empty for kinds that do not read them."""
    return Shown(order=order, texts=[texts[place] for place in order] if texts else (), options=step.options)
