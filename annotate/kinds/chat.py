"""chat: talk to a model, pick one of two answers each turn, and go on from the one that was picked.

HH-RLHF (Bai et al. 2022, 2204.05862, section 2). The turns are answered through annotate.chat.views and stored by
annotate.chat.turns, each as a comparison of its own; the answer to the chat itself is the list of its turns.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from pydantic import Field, model_validator

from annotate.kinds import pairwise
from annotate.kinds.base import Answer, AnswerError, Kind, Options, Shown, parse_text

MAX_MESSAGE = 20_000
"""Characters of one message."""


class ChatOptions(Options):
    """One name answers twice, with two seeds; two names answer once each. No name: the project's oldest policy."""

    models: list[str] = Field([], max_length=2, description="policies of the project that answer")
    endpoints: list[str] = Field([], max_length=2, description="endpoints of the project that answer")
    system: str = Field("", max_length=4_000, description="a system prompt for the conversation")
    temperatures: list[float] = Field([0.8], min_length=1, max_length=2, description="one for both answers, or two")
    top_p: float = Field(0.95, gt=0, le=1, description="share of the probability that may be drawn from")
    max_new_tokens: int = Field(256, ge=1, le=4096, description="an answer that is longer is cut off")
    max_turns: int = Field(30, ge=1, le=200, description="a chat ends after so many turns")

    @model_validator(mode="after")
    def two_answers_can_differ(self) -> Self:
        names = len(self.models) + len(self.endpoints)
        if names > 2:
            raise ValueError(f"{names} models are named, and a turn has two answers. Name one or two")
        if any(not 0 <= temperature <= 2 for temperature in self.temperatures):
            raise ValueError("a temperature lies between 0 and 2")
        if names < 2 and set(self.temperatures) == {0.0}:
            raise ValueError("one model at temperature 0 writes the same answer twice. Raise it, or name two models")
        return self


class Ended(dict[str, str]):
    """What ends a chat. Only annotate.chat.turns makes one, so no form can name turns that were not picked."""


def parse(data: Mapping[str, str], shown: Shown) -> Answer:
    if not isinstance(data, Ended):
        raise AnswerError("A chat is ended with its own button. Reload the page; everything that you picked is stored.")
    turns = [int(pk) for pk in data["turns"].split(",")]
    return Answer(value={"turns": turns}, preference=None, comment=data.get("comment", ""))


def parse_pick(data: Mapping[str, str], order: Sequence[int]) -> Answer:
    """`strength` as in pairwise. `continues`: "a" or "b", needed for a tie; else the better one continues."""
    answer = pairwise.parse(data, Shown(order=order))
    strength = answer.value.get("strength")
    given = data.get("continues", "")
    if strength is None:
        return Answer(value={"both_bad": True, "continues": ""}, preference=None, comment=answer.comment)
    if strength == 0 and given not in {"a", "b"}:
        raise AnswerError("A tie: choose which of the two the conversation goes on from, with 1 or 2.")
    continues = given if strength == 0 else "a" if strength > 0 else "b"
    value = {"strength": strength, "continues": continues}
    return Answer(value=value, preference=answer.preference, comment=answer.comment)


def parse_message(data: Mapping[str, str]) -> str:
    """The next message; empty is allowed here, since a chat may end without one."""
    return parse_text(data, "message", "The message", most=MAX_MESSAGE)


def fields(value: Mapping[str, Any], shown: Shown) -> dict[str, str]:
    if "turns" in value:
        return {}
    return {**pairwise.fields(value, Shown(order=shown.order)), "continues": str(value.get("continues", ""))}


def say(value: Mapping[str, Any]) -> str:
    if "turns" not in value:
        return pairwise.say(value)
    count = len(value["turns"])
    return f"a chat of {count} {'turn' if count == 1 else 'turns'}"


def context(shown: Shown) -> dict[str, Any]:
    return pairwise.context(Shown(order=[0, 1]))


KIND = Kind(
    slug="chat",
    title="Chat",
    question="Talk to the model, and pick the better answer",
    least=0,
    most=0,
    parse=parse,
    fields=fields,
    say=say,
    options=ChatOptions,
    context=context,
    keys=(
        (("f", "j"), "Pick the answer on the left or the right, again for stronger, the other key for weaker"),
        (("space",), "Tie; then 1 or 2 says which one the conversation goes on from"),
        (("x",), "Both bad: ask for two new answers"),
        (("i",), "Write your message; Enter sends, Shift and Enter begins a line"),
        (("Esc",), "Stop both answers"),
        (("e",), "End the chat"),
        (("y",), "Scroll together, on or off"),
    ),
)
