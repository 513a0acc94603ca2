"""selection: which of k candidates fit. Any subset, and none is an answer too.

ILLUME (Brack et al. 2022, arXiv 2208.08241): people tick the rationales that fit, and the model learns from those.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from annotate.kinds.base import LETTERS, Answer, AnswerError, Kind, Shown, parse_comment

KEYS = "123456789jkl"
"""The key of each candidate. Behind 9 it is the candidate's letter, since 0 is none."""


def parse(data: Mapping[str, str], shown: Shown) -> Answer:
    """`fit-<n>` is there when the candidate shown in place n fits; `none` when none does."""
    comment = parse_comment(data)
    known = {f"fit-{place}" for place in range(len(shown.order))}
    forged = sorted(name for name in data if name.startswith("fit-") and data[name] and name not in known)
    if forged:
        raise AnswerError(f"{forged[0][:40]!r} is not one of the {len(known)} candidates. Reload the page.")
    fits = [place for place in range(len(shown.order)) if data.get(f"fit-{place}")]
    if fits and data.get("none"):
        raise AnswerError("“None” and a candidate are both chosen. Keep one of the two, then send.")
    if not fits and not data.get("none"):
        raise AnswerError("Nothing is chosen yet. Choose what fits, or that none does, then send.")
    return Answer(value={"fits": fits} if fits else {"none": True}, preference=None, comment=comment)


def fields(value: Mapping[str, Any], shown: Shown) -> dict[str, str]:
    return {"none": "on"} if value.get("none") else {f"fit-{place}": "on" for place in value.get("fits", [])}


def say(value: Mapping[str, Any]) -> str:
    letters = [LETTERS[place] for place in value.get("fits", [])]
    if not letters:
        return "none fits"
    return f"{', '.join(letters)} {'fits' if len(letters) == 1 else 'fit'}"


def right(answer: Answer, order: Sequence[int], accept: Mapping[str, Any]) -> bool:
    """`accept["fits"]`: the positions of all candidates that fit, and of no other; an empty list when none does."""
    return {order[place] for place in answer.value.get("fits", [])} == set(accept["fits"])


def context(shown: Shown) -> dict[str, Any]:
    return {
        "candidates": {str(place): {"field": f"fit-{place}", "key": KEYS[place]} for place in range(len(shown.order))}
    }


KIND = Kind(
    slug="selection",
    title="Selection",
    question="Which of these fit?",
    least=1,
    most=12,
    parse=parse,
    fields=fields,
    say=say,
    context=context,
    right=right,
    keys=(
        (("1", "…", "9"), "Choose a candidate, or take it back; j, k and l are the tenth to the twelfth"),
        (("0",), "None fits"),
        (("a",), "All fit; again: nothing is chosen"),
        (("z",), "The picture larger, and small again"),
    ),
)
