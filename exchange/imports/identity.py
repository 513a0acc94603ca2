"""When two prompts, or two items, are the same; and what a time in a file is."""

from collections.abc import Sequence
from datetime import UTC, datetime

from exchange.imports.base import Answer, Message
from exchange.imports.turns import LineError


def hash_of(messages: Sequence[Message]) -> int:
    if len(messages) == 1:
        return hash((messages[0]["role"], messages[0]["content"]))
    return hash(tuple(part for one in messages for part in (one["role"], one["content"])))


def item_hash(prompt: int, what: tuple[int | None, str, str, bool], places: Sequence[int]) -> int:
    """Pairs are the same in either order; more answers than two have their order."""
    return hash((prompt, what, tuple(sorted(places)) if len(places) == 2 else tuple(places)))


def check_different(answers: Sequence[Answer]) -> None:
    if len(answers) > 1 and len({one.text.strip() for one in answers}) < len(answers):
        raise LineError("Two of its answers are the same, so there is nothing to choose. Leave the line out.")


def moment(text: str) -> str:
    """A time of the file as ISO 8601 in UTC; "" where it is none."""
    if not text:
        return ""
    try:
        if text.replace(".", "", 1).isdigit():
            number = float(text)
            found = datetime.fromtimestamp(number / 1000 if number > 1e11 else number, UTC)
        else:
            found = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        return ""
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return found.isoformat() if 1990 <= found.year <= 2100 else ""
