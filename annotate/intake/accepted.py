"""Tasks whose answer is known (gold and test): whether what is accepted can be compared with any answer at all."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from annotate.design.protocols import Step

SIDES = (0, 1, "tie", "both_bad")
Check = Callable[[Mapping[str, Any], int], str]
"""(what is accepted, number of responses) -> a sentence about what is wrong, or nothing."""


def is_position(value: Any, responses: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < responses


def check_side(accept: Mapping[str, Any], responses: int) -> str:
    side = accept.get("side")
    sides = side if isinstance(side, list) else [side]
    if sides and all(one in SIDES and not isinstance(one, bool) for one in sides):
        return ""
    return 'side has to be 0 or 1 (which response is better, the first is 0), "tie" or "both_bad", or a list of these'


def check_best(accept: Mapping[str, Any], responses: int) -> str:
    best = accept.get("best")
    positions = best if isinstance(best, list) else [best]
    if positions and all(is_position(one, responses) for one in positions):
        return ""
    return f"best has to be the position of a response, 0 to {responses - 1}, or a list of positions"


def check_fits(accept: Mapping[str, Any], responses: int) -> str:
    fits = accept.get("fits")
    if isinstance(fits, list) and all(is_position(one, responses) for one in fits) and len(set(fits)) == len(fits):
        return ""
    return f"fits has to be a list of positions of responses, each 0 to {responses - 1}; an empty one if none fits"


def check_ratings(accept: Mapping[str, Any], responses: int) -> str:
    if "side" in accept and (wrong := check_side(accept, responses)):
        return wrong
    ratings = accept.get("ratings", {})
    if not isinstance(ratings, dict) or not ("side" in accept or ratings):
        return 'a rubric needs side, or ratings such as {"0": {"fluency": 4}}'
    for position, expected in ratings.items():
        if not (str(position).isascii() and str(position).isdigit() and int(position) < responses):
            return f"ratings names position {str(position)[:20]!r}; positions are 0 to {responses - 1}"
        if not isinstance(expected, dict) or not all(is_level(levels) for levels in expected.values()):
            return "ratings has to give each dimension a level, 1 to 5, or a list of levels"
    return ""


def is_level(levels: Any) -> bool:
    found = levels if isinstance(levels, list) else [levels]
    return bool(found) and all(is_position(one, 6) and one > 0 for one in found)


CHECKS: dict[str, tuple[set[str], Check]] = {
    "pairwise": ({"side"}, check_side),
    "ranking": ({"best"}, check_best),
    "selection": ({"fits"}, check_fits),
    "rubric": ({"side", "ratings"}, check_ratings),
}
"""By kind: the keys that its `right` reads, and what they have to be."""


def problem_with(accept: Any, steps: Sequence[Step], *, responses: int) -> str:
    """What is wrong with the accepted answer of a task with these steps; "" when it can be used."""
    judged = [step for step in steps if step.kind.right and step.kind.slug in CHECKS]
    if not judged:
        kinds = ", ".join(dict.fromkeys(step.kind.slug for step in steps))
        return f"no step of the protocol ({kinds}) can be compared with a known answer"
    if not isinstance(accept, dict):
        return "accept has to be an object that says which answer is right"
    known = {key for step in judged for key in CHECKS[step.kind.slug][0]}
    if strange := sorted(set(accept) - known):
        return f"accept names {strange[0][:40]!r}; known here: {', '.join(sorted(known))}"
    for step in judged:
        if wrong := CHECKS[step.kind.slug][1](accept, responses):
            return wrong
    return ""
