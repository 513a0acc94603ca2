"""What a kind of feedback has to provide.

A kind is a file here, a line in KINDS, templates/annotate/kinds/<slug>.html for what is shown and asked, and, if it
needs one, static/js/kinds/<slug>.js.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

MAX_COMMENT = 10_000
"""Characters. A comment is a note, not an upload."""
LETTERS = "ABCDEFGHIJKL"


class AnswerError(ValueError):
    """The answer does not fit the task; the message is shown to the annotator, and the draft is kept."""


class Options(BaseModel):
    """Settings of a step of this kind, written by researchers and kept with the protocol."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Shown:
    """What one step shows to one annotator: all that an answer is checked against."""

    order: Sequence[int]
    """Positions of the responses in the order shown. Position 0 is the first response of the task."""
    texts: Sequence[str] = ()
    """The responses' texts in the order shown; empty for kinds that do not read them (`Kind.reads_texts`)."""
    options: Any = None
    """An instance of the kind's `Options`."""


@dataclass(frozen=True)
class Answer:
    """A checked answer, ready to be stored."""

    value: dict[str, Any]
    """As given, in the terms of what was shown."""
    preference: int | None
    """-3 to 3 in canonical order: positive prefers the response at position 0. None when no side is preferred."""
    comment: str = ""


Extremes = tuple[int, int]
"""Positions of the best and the worst response."""


def extremes_of_pair(answer: Answer, order: Sequence[int]) -> Extremes | None:
    """From the preference; None for a tie or both bad."""
    if not answer.preference:
        return None
    return (0, 1) if answer.preference > 0 else (1, 0)


@dataclass(frozen=True)
class Kind:
    slug: str
    title: str
    """Name of the kind, for researchers."""
    question: str
    """What the annotator is asked, when the protocol does not word it."""
    least: int
    most: int
    """How many responses a step of this kind shows."""
    parse: Callable[[Mapping[str, str], Shown], Answer]
    """(posted fields, what was shown) -> Answer, or AnswerError."""
    fields: Callable[[Mapping[str, Any], Shown], dict[str, str]]
    """The form fields that give this value again: for undo, for a change, for a page without script."""
    say: Callable[[Mapping[str, Any]], str]
    """A value in a few words, in the letters of what was shown: "B better", "A, then C and B"."""
    options: type[Options] = Options
    context: Callable[[Shown], dict[str, Any]] = field(default=lambda shown: {})
    """What the kind's template needs beside prompt and responses."""
    right: Callable[[Answer, Sequence[int], Mapping[str, Any]], bool] | None = None
    """(answer, order, what is accepted) -> whether it is right; None for kinds without gold answers."""
    extremes: Callable[[Answer, Sequence[int]], Extremes | None] | None = None
    """Which response is the best and which the worst, so that a later step can ask about one of them."""
    reads_texts: bool = False
    script: bool = True
    """Whether there is a static/js/kinds/<slug>.js."""
    keys: Sequence[tuple[Sequence[str], str]] = ()
    """Rows of the list of keys: (keys, what they do)."""


def parse_comment(data: Mapping[str, str]) -> str:
    return parse_text(data, "comment", "The comment")


def parse_text(data: Mapping[str, str], name: str, called: str, *, most: int = MAX_COMMENT) -> str:
    """A free text of a form, stripped; AnswerError when it is too long or cannot be stored."""
    text = data.get(name, "").replace("\r\n", "\n").strip()
    if len(text) > most:
        raise AnswerError(f"{called} has {len(text):,} characters, {most:,} are allowed. Shorten it and send again.")
    if "\x00" in text:
        raise AnswerError(f"{called} holds a NUL character, which cannot be stored. Remove it and send again.")
    return text
