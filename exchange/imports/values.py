"""What a winner, a label or a rating says, in the words that files use."""

import math
from collections.abc import Mapping
from typing import Any

from exchange.imports.base import PLAIN_WIN
from exchange.imports.turns import LineError

BOTH_BAD = "both_bad"
MEANINGS: dict[str, int | str] = {
    "a": PLAIN_WIN, "a1": 1, "a2": 2, "a3": 3, "b": -PLAIN_WIN, "b1": -1, "b2": -2, "b3": -3,
    "tie": 0, "both_bad": BOTH_BAD,
}  # fmt: skip
"""What a value of a winner can be mapped to -> strength, positive for answer A."""
WINNERS: dict[str, str] = {
    "a": "a", "b": "b", "left": "a", "right": "b", "model_a": "a", "model_b": "b", "1": "a", "2": "b", "first": "a",
    "second": "b", "response_a": "a", "response_b": "b", "response_1": "a", "response_2": "b", "answer_a": "a",
    "answer_b": "b", "output_1": "a", "output_2": "b", "assistant_a": "a", "assistant_b": "b", "[[a]]": "a",
    "[[b]]": "b", "[[c]]": "tie", "chosen": "a", "rejected": "b",
    "tie": "tie", "ties": "tie", "0": "tie", "c": "tie", "same": "tie", "equal": "tie", "draw": "tie", "none": "tie",
    "tie (bothbad)": "both_bad", "bothbad": "both_bad", "both_bad": "both_bad", "both bad": "both_bad",
    "a-is-better": "a2", "a-is-slightly-better": "a1", "b-is-better": "b2", "b-is-slightly-better": "b1",
    "a-is-much-better": "a3", "b-is-much-better": "b3", "a>b": "a", "b>a": "b", "a>>b": "a3", "b>>a": "b3",
    "a=b": "tie", "a much better": "a3", "a better": "a2", "a slightly better": "a1", "b slightly better": "b1",
    "b better": "b2", "b much better": "b3", "much better a": "a3", "much better b": "b3",
}  # fmt: skip
"""Words that are known without being mapped. 1 and 2 are the sides, 0 is a tie, as in PandaLM."""
GOOD = {"true", "1", "good", "yes", "desirable", "thumbs_up", "up", "chosen", "positive"}
BAD = {"false", "0", "bad", "no", "undesirable", "thumbs_down", "down", "rejected", "negative", "-1"}


def plain(value: Any) -> str:
    """A value as it is looked up: in lower case, whole numbers without a point. "" for none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list) and len(value) == 1:
        return plain(value[0])
    text = str(value).strip().lower()
    if text.endswith(".0") and text[:-2].lstrip("-").isdigit():
        return text[:-2]
    return "" if text in ("nan", "null") else text


def strength_of(value: Any, values: Mapping[str, str], column: str) -> int | str | None:
    """3 to -3, positive for answer A, or "both_bad"; None where nothing was said. Raises LineError."""
    there = plain(value)
    if not there:
        return None
    means = (values or WINNERS).get(there)
    if means is None:
        known = ", ".join(values or ("a", "b", "left", "right", "1", "2", "tie"))
        raise LineError(f"{column} is {short(value)}. Known values are {known}. Map it, or skip the line.", column)
    return MEANINGS[means]


def good_of(value: Any, values: Mapping[str, str], column: str) -> bool | None:
    """Whether one answer is good; None where nothing was said. Raises LineError."""
    there = plain(value)
    if not there:
        return None
    there = values.get(there, there)
    if there in GOOD or there in BAD:
        return there in GOOD
    raise LineError(f"{column} is {short(value)}. Known values are true and false. Map it, or skip the line.", column)


def rating_of(value: Any, values: Mapping[str, str], column: str) -> int | None:
    """1 to 5; None where nothing was said. Raises LineError."""
    there = plain(value)
    if not there:
        return None
    there = values.get(there, there)
    if there not in ("1", "2", "3", "4", "5"):
        raise LineError(
            f"{column} is {short(value)}, not a whole number from 1 to 5. Map it, or skip the line.", column
        )
    return int(there)


def rank_of(value: Any, column: str, places: int) -> int | None:
    there = plain(value)
    if not there:
        return None
    if not there.isascii() or not there.isdigit() or not 1 <= int(there[:4]) <= places:
        raise LineError(f"{column} is {short(value)}, not a place from 1 to {places}.", column)
    return int(there)


def seconds_of(value: Any) -> float:
    try:
        found = float(value or 0)
    except (TypeError, ValueError):
        return 0.0
    return min(max(found, 0.0), 2_000_000.0) if math.isfinite(found) else 0.0


def short(value: Any) -> str:
    return f"“{str(value)[:40]}”" if isinstance(value, str) else str(value)[:40]


def plain_name(value: Any) -> str:
    """A rater's name: as written, numbers without a point."""
    text = value.strip() if isinstance(value, str) else plain(value)
    if "\x00" in text:
        raise LineError("The rater's name holds a NUL character, which cannot be stored.")
    return text[:100]
