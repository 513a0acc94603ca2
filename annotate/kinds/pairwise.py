"""pairwise: which of two responses is better, and how much. Seven steps with a tie, or both bad.

Optional: the same question for each of the project's dimensions, and reasons to tick.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from annotate.kinds.base import LETTERS, Answer, AnswerError, Kind, Options, Shown, extremes_of_pair, parse_comment

BOTH_BAD = "both_bad"
STRENGTHS = (
    (3, "a", "much better"),
    (2, "a", "better"),
    (1, "a", "slightly"),
    (0, "tie", "Tie"),
    (-1, "b", "slightly"),
    (-2, "b", "better"),
    (-3, "b", "much better"),
)
VALUES = {str(value) for value, _, _ in STRENGTHS}
WORDS = {3: "much better", 2: "better", 1: "slightly better"}


class PairwiseOptions(Options):
    both_bad: bool = Field(True, description="offer “both bad”")
    dimensions: list[str] = Field([], max_length=6, description="ask the same for each of these, such as helpful")
    reasons: list[str] = Field([], max_length=12, description="reasons to tick, such as “more exact”")


def parse(data: Mapping[str, str], shown: Shown) -> Answer:
    """`strength` is 3 to -3, positive for the response shown first (A), or "both_bad".

    `dimension-<n>` is 3 to -3 for each dimension of the step, all of them needed; `reason-<n>` is there when ticked.
    """
    options: PairwiseOptions = shown.options or PairwiseOptions()
    given = data.get("strength", "")
    comment = parse_comment(data)
    extra = parse_extra(data, options)
    if given == BOTH_BAD and options.both_bad:
        return Answer(value={"both_bad": True, **extra}, preference=None, comment=comment)
    if not given:
        raise AnswerError("Nothing is chosen yet. Choose a side, a tie or both bad, then send.")
    strength = parse_strength(given)
    preference = strength if shown.order[0] == 0 else -strength
    return Answer(value={"strength": strength, **extra}, preference=preference, comment=comment)


def parse_strength(given: str) -> int:
    if given not in VALUES:
        raise AnswerError(f"{given[:40]!r} is not one of the choices. Choose one of the seven steps or both bad.")
    return int(given)


def parse_extra(data: Mapping[str, str], options: PairwiseOptions) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    if options.dimensions:
        missing = [name for n, name in enumerate(options.dimensions) if not data.get(f"dimension-{n}")]
        if missing:
            raise AnswerError(f"Not answered yet: {', '.join(missing)}. Choose a side or a tie for each, then send.")
        extra["dimensions"] = {
            name: parse_strength(data[f"dimension-{n}"]) for n, name in enumerate(options.dimensions)
        }
    reasons = [name for n, name in enumerate(options.reasons) if data.get(f"reason-{n}")]
    return extra | ({"reasons": reasons} if reasons else {})


def fields(value: Mapping[str, Any], shown: Shown) -> dict[str, str]:
    options: PairwiseOptions = shown.options or PairwiseOptions()
    found = {"strength": BOTH_BAD if value.get("both_bad") else str(value.get("strength", ""))}
    for n, name in enumerate(options.dimensions):
        found[f"dimension-{n}"] = str(value.get("dimensions", {}).get(name, ""))
    for n, name in enumerate(options.reasons):
        if name in value.get("reasons", []):
            found[f"reason-{n}"] = "on"
    return found


def say(value: Mapping[str, Any]) -> str:
    if value.get("both_bad"):
        return "both bad"
    words = say_strength(value.get("strength", 0))
    sides = [f"{name}: {say_strength(strength)}" for name, strength in value.get("dimensions", {}).items()]
    return "; ".join([words, *sides])


def say_strength(strength: int) -> str:
    return f"{LETTERS[strength < 0]} {WORDS[abs(strength)]}" if strength else "tie"


def right(answer: Answer, order: Sequence[int], accept: Mapping[str, Any]) -> bool:
    """`accept["side"]`: 0 or 1 (the position of the better response), "tie" or "both_bad"; a list accepts several."""
    sides = accept["side"] if isinstance(accept["side"], list) else [accept["side"]]
    if answer.preference is None:
        return "both_bad" in sides
    return ("tie" if answer.preference == 0 else 0 if answer.preference > 0 else 1) in sides


def context(shown: Shown) -> dict[str, Any]:
    options: PairwiseOptions = shown.options or PairwiseOptions()
    return {
        "strengths": [
            {"value": value, "side": side, "label": label, "n": abs(value)} for value, side, label in STRENGTHS
        ],
        "options": options,
        "dimensions": [
            {"name": name, "field": f"dimension-{n}", "choices": [choice(*one) for one in STRENGTHS]}
            for n, name in enumerate(options.dimensions)
        ],
        "reasons": [{"name": name, "field": f"reason-{n}"} for n, name in enumerate(options.reasons)],
    }


def choice(value: int, side: str, label: str) -> dict[str, Any]:
    """A step of the bar of a dimension, named in words: "A slightly better", "tie"."""
    return {"value": value, "side": side, "n": abs(value), "words": say_strength(value)}


KIND = Kind(
    slug="pairwise",
    title="Pairwise comparison",
    question="Which answer is better?",
    least=2,
    most=2,
    parse=parse,
    fields=fields,
    say=say,
    options=PairwiseOptions,
    context=context,
    right=right,
    extremes=extremes_of_pair,
    keys=(
        (("f", "j"), "Pick the answer on the left or the right, again for stronger, the other key for weaker"),
        (("space",), "Tie"),
        (("x",), "Both bad"),
        (("d",), "The next dimension, where there are some; f, j, space and the arrows then move its bar"),
        (("1", "…", "9"), "Tick a reason, where there are some"),
        (("y",), "Scroll together, on or off"),
        (("↑", "↓"), "Scroll the answers"),
    ),
)
