"""What a kind of feedback has to provide."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

MAX_COMMENT = 10_000
"""Characters. A comment is a note, not an upload."""


class AnswerError(ValueError):
    """The answer does not fit the task; the message is shown to the annotator, and the draft is kept."""


@dataclass(frozen=True)
class Answer:
    """A checked answer, ready to be stored."""

    value: dict[str, Any]
    """As given, in the terms of what was shown."""
    preference: int | None
    """-3 to 3 in canonical order: positive prefers the response at position 0. None when no side is preferred."""
    comment: str = ""


@dataclass(frozen=True)
class Kind:
    slug: str
    title: str
    responses: int
    """How many responses a task of this kind shows."""
    parse: Callable[[Mapping[str, str], Sequence[int]], Answer]
    """(posted fields, order shown) -> Answer, or AnswerError."""
    context: Callable[[Sequence[int]], dict[str, Any]] = field(default=lambda order: {})
    """What the kind's template needs beside prompt and responses."""


def parse_comment(data: Mapping[str, str]) -> str:
    comment = data.get("comment", "").strip()
    if len(comment) > MAX_COMMENT:
        raise AnswerError(
            f"The comment has {len(comment):,} characters, {MAX_COMMENT:,} are allowed. Shorten it and send again."
        )
    if "\x00" in comment:
        raise AnswerError("The comment holds a NUL character, which cannot be stored. Remove it and send again.")
    return comment
