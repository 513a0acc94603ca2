"""Conversations in the ways that files write them: lists of turns, or one text with Human: and Assistant: in it."""

import re
from collections.abc import Sequence
from typing import Any

from exchange.imports.base import Message

ROLES = {
    "user": "user", "human": "user", "prompter": "user", "question": "user",
    "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant", "bot": "assistant", "model": "assistant",
    "system": "system", "developer": "system",
}  # fmt: skip
TURN = re.compile(r"(?:^|\n\n)(Human|Assistant|H|A):[ ]?")
"""HH-RLHF: "\n\nHuman: …\n\nAssistant: …". """
MOST_TURNS = 1_000
MOST_TEXT = 2_000_000
"""Characters of one text."""
SURROGATE = re.compile("[\ud800-\udfff]")


class LineError(ValueError):
    """One row that cannot be imported; the message is a sentence, `column` the one that it is about."""

    def __init__(self, what: str, column: str = "") -> None:
        super().__init__(what)
        self.column = column


def as_text(value: Any) -> str:
    """A value as the text that it is; of a turn its content. Raises LineError for what is no text."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return str(value)
    if isinstance(value, dict):
        for name in ("content", "value", "text"):
            if name in value:
                return as_text(value[name])
    if isinstance(value, list) and value:
        if all(isinstance(one, dict) and "text" in one for one in value):  # parts of a message
            return "\n".join(as_text(one["text"]) for one in value)
        return as_text(value[-1])
    if value == []:
        return ""
    raise LineError("is an object where a text was expected")


def is_transcript(value: Any) -> bool:
    return isinstance(value, str) and value.lstrip().startswith(("Human:", "H:")) and bool(TURN.search(value))


def is_conversation(value: Any) -> bool:
    """Whether it holds more than the last answer."""
    return is_transcript(value) or (isinstance(value, list) and len(value) > 1 and isinstance(value[0], dict))


def as_messages(value: Any) -> list[Message]:
    """Turns as {role, content}. Raises LineError."""
    if isinstance(value, str):
        return transcript(value) if is_transcript(value) else [{"role": "user", "content": value}]
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list):
        raise LineError("is not a list of turns")
    if len(value) > MOST_TURNS:
        raise LineError(f"has {len(value):,} turns, {MOST_TURNS:,} are allowed")
    return [message(turn) for turn in value]


def message(turn: Any) -> Message:
    if not isinstance(turn, dict):
        raise LineError("is not a list of turns: a turn has a role and a content")
    if "role" in turn:
        said, content = turn["role"], turn.get("content")
    else:
        said, content = turn.get("from"), turn.get("value")
    role = ROLES.get(said.lower() if isinstance(said, str) else "")
    if role is None:
        raise LineError(f"has a turn of {str(said)[:40]!r}. Known are system, user (human) and assistant (gpt)")
    return {"role": role, "content": as_text(content)}


def transcript(text: str) -> list[Message]:
    """The turns of an HH-RLHF text, without the space around them."""
    found = list(TURN.finditer(text))
    ends = [one.start() for one in found[1:]] + [len(text)]
    return [
        {"role": "user" if one[1].startswith("H") else "assistant", "content": text[one.end() : end].strip()}
        for one, end in zip(found, ends, strict=True)
    ]


def pairs(value: Any) -> list[Message]:
    """LLaMA-Factory's history: [[question, answer], …], or a list of turns."""
    if isinstance(value, list) and value and isinstance(value[0], list):
        roles = ("user", "assistant")
        return [
            {"role": role, "content": as_text(text)} for two in value for role, text in zip(roles, two, strict=False)
        ]
    return as_messages(value) if value else []


def split(conversations: Sequence[list[Message]]) -> tuple[list[Message], list[str]]:
    """(the turns that all share, what comes after in each), the shared ones ending with the person's turn.

    Where what comes after is more than an answer, it is written as a transcript, so that nothing is lost.
    """
    shared = 0
    shortest = min(len(one) for one in conversations)
    while shared < shortest and all(one[shared] == conversations[0][shared] for one in conversations):
        shared += 1
    while shared and conversations[0][shared - 1]["role"] != "user":
        shared -= 1
    return conversations[0][:shared], [rest(one[shared:]) for one in conversations]


def rest(turns: Sequence[Message]) -> str:
    if len(turns) == 1:
        return turns[0]["content"]
    names = {"user": "Human", "assistant": "Assistant", "system": "System"}
    first = turns[0]["content"] if turns and turns[0]["role"] == "assistant" else ""
    more = turns[1:] if first else turns
    return "\n\n".join([*([first] if first else []), *(f"{names[one['role']]}: {one['content']}" for one in more)])


def check_text(text: str, what: str) -> None:
    """PostgreSQL stores no NUL and no half of a surrogate pair."""
    if "\x00" in text:
        raise LineError(f"{what} holds a NUL character, which cannot be stored.")
    if len(text) > MOST_TEXT:
        raise LineError(f"{what} has {len(text):,} characters, {MOST_TEXT:,} are allowed.")
    if not text.isascii() and SURROGATE.search(text):
        raise LineError(f"{what} holds half of a character (a lone surrogate), which cannot be stored.")
