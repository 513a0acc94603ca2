"""A critique in words, as a model shall write it."""

from collections.abc import Mapping
from typing import Any

from curate.builders.base import Item, Said
from curate.builders.said import answers_of, options_of

QUOTE_MOST = 400
"""Characters of a quoted span; a longer one keeps its beginning and end."""


def critique_text(value: Mapping[str, Any]) -> str:
    """What a critique says is right and wrong, a dimension a paragraph, then each mark with its words quoted.

    What should change is not in it: a critique and a refinement train different things (DRESS, 2311.10081).
    """
    parts = []
    if value.get("strengths"):
        parts.append(f"What is right: {value['strengths']}")
    if value.get("weaknesses"):
        parts.append(f"What is wrong: {value['weaknesses']}")
    parts += [f"{name}: {text}" for name, text in value.get("dimensions", {}).items()]
    if marks := value.get("marks"):
        parts.append("\n".join(mark_line(mark) for mark in marks))
    return "\n\n".join(parts)


def mark_line(mark: Mapping[str, Any]) -> str:
    """ "- “boil them for a minute” (factual error, critical): Beans need an hour." """
    kind = f"{mark['label']}, {mark['severity']}" if mark.get("severity") else mark["label"]
    line = f"- “{short(mark['quote'])}” ({kind})"
    return f"{line}: {mark['comment']}" if mark.get("comment") else line


def short(quote: str) -> str:
    one_line = " ".join(quote.split())
    half = QUOTE_MOST // 2
    return one_line if len(one_line) <= QUOTE_MOST else f"{one_line[:half]} … {one_line[-half:]}"


def critiques_of(item: Item, position: int) -> list[Said]:
    """The critiques of a response that say something beside what to change."""
    return [one for one in answers_of(item, "critique") if one.order[0] == position and critique_text(one.value)]


def verdict_of(item: Item, said: Said) -> bool | None:
    """Whether the response that is criticised is right, by what the same rater said of it; None where nobody can tell.

    In this order: the rater selected it or not; rated it (mean 4 or more is right, 2 or less is wrong); marked a fault
    in it that is more than minor (wrong); praised it and found nothing wrong (right). Order and limits are ours.
    """
    position = said.order[0]
    for one in item.answers:
        if one.annotator_id != said.annotator_id or position not in one.order:
            continue
        place = list(one.order).index(position)
        if one.kind == "selection":
            return place in one.value.get("fits", [])
        if one.kind == "rubric" and one.value.get("ratings"):
            levels = list(one.value["ratings"][place].values())
            if sum(levels) >= 4 * len(levels):
                return True
            if sum(levels) <= 2 * len(levels):
                return False
    return verdict_of_marks(said.value, praise=options_of(item, said).praise)


def verdict_of_marks(value: Mapping[str, Any], *, praise: list[str]) -> bool | None:
    marks = value.get("marks", [])
    if any(mark["severity"] in {"major", "critical"} for mark in marks):
        return False
    praised = bool(value.get("strengths")) or any(mark["label"] in praise for mark in marks)
    faulted = bool(value.get("weaknesses")) or any(mark["label"] not in praise for mark in marks)
    return True if praised and not faulted else None
