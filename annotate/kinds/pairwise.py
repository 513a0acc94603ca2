"""pairwise: which of two responses is better, and how much. Seven steps with a tie, or both bad."""

from collections.abc import Mapping, Sequence
from typing import Any

from annotate.kinds.base import Answer, AnswerError, Kind, parse_comment

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


def parse(data: Mapping[str, str], order: Sequence[int]) -> Answer:
    """`strength` is 3 to -3, positive for the response shown first (A), or "both_bad"."""
    given = data.get("strength", "")
    comment = parse_comment(data)
    if given == BOTH_BAD:
        return Answer(value={"both_bad": True}, preference=None, comment=comment)
    if not given:
        raise AnswerError("Nothing is chosen yet. Choose a side, a tie or both bad, then send.")
    if given not in {str(value) for value, _, _ in STRENGTHS}:
        raise AnswerError(f"{given[:40]!r} is not one of the choices. Choose one of the seven steps or both bad.")
    strength = int(given)
    return Answer(
        value={"strength": strength},
        preference=strength if order[0] == 0 else -strength,
        comment=comment,
    )


def context(order: Sequence[int]) -> dict[str, Any]:
    return {
        "strengths": [
            {"value": value, "side": side, "label": label, "n": abs(value)} for value, side, label in STRENGTHS
        ]
    }


KIND = Kind(slug="pairwise", title="Pairwise", responses=2, parse=parse, context=context)
