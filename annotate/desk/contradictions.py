"""Signals on one item that do not fit together. The annotator is asked about each once; what they say is kept.

A rule looks at the current answers of one person to one item and says what does not fit, or nothing. A new rule is a
function and a line in RULES.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from annotate.kinds.base import LETTERS
from annotate.kinds.rubric import say_mean

Parts = Sequence[Mapping[str, Any]]
"""Current answers to an item in the order of the steps: {kind, value, preference, order}, values as shown."""
Rule = Callable[[Parts], str | None]
"""A sentence that tells the annotator what does not fit; the letters are those of the first step."""


def letter_of(position: int, parts: Parts) -> str:
    """The letter under which the annotator saw a response: from a step that showed them all."""
    order = max((list(part["order"]) for part in parts), key=len)
    return LETTERS[order.index(position)]


def of_kind(parts: Parts, *kinds: str) -> list[Mapping[str, Any]]:
    return [part for part in parts if part["kind"] in kinds]


def favoured(part: Mapping[str, Any], parts: Parts) -> str:
    return letter_of(0 if part["preference"] > 0 else 1, parts)


def vote_against_ratings(parts: Parts) -> str | None:
    """The rubric favours one response, the comparison the other."""
    for vote in of_kind(parts, "pairwise"):
        for rating in of_kind(parts, "rubric"):
            if (vote["preference"] or 0) * (rating["preference"] or 0) < 0:
                return f"Your ratings favour {favoured(rating, parts)}, your comparison says {favoured(vote, parts)}."
    return None


def vote_against_dimensions(parts: Parts) -> str | None:
    """Every dimension that has a side favours the other response."""
    for vote in of_kind(parts, "pairwise"):
        strength = vote["value"].get("strength") or 0
        sides = [one for one in vote["value"].get("dimensions", {}).values() if one]
        if sides and all(one * strength < 0 for one in sides):
            return f"You chose {LETTERS[strength < 0]}, and every dimension favours {LETTERS[strength > 0]}."
    return None


def both_bad_with_high_ratings(parts: Parts) -> str | None:
    """Both bad, and yet an answer is rated 4 or more on average."""
    if not any(vote["value"].get("both_bad") for vote in of_kind(parts, "pairwise")):
        return None
    for rating in of_kind(parts, "rubric"):
        for place, levels in enumerate(rating["value"].get("ratings", [])):
            if levels and sum(levels.values()) >= 4 * len(levels):
                letter = letter_of(rating["order"][place], parts)
                return f"You called both bad, and rated {letter} {say_mean(levels)} of 5 on average."
    return None


def winner_with_critical_mark(parts: Parts) -> str | None:
    """The preferred response has a critical error marked, and it was called better or much better."""
    for vote in of_kind(parts, "pairwise"):
        preference = vote["preference"] or 0
        if abs(preference) < 2:
            continue
        winner = 0 if preference > 0 else 1
        for critique in of_kind(parts, "critique"):
            if critique["order"][0] == winner and any(
                mark.get("severity") == "critical" for mark in critique["value"].get("marks", [])
            ):
                return f"You called {favoured(vote, parts)} clearly better, and marked a critical error in it."
    return None


RULES: dict[str, Rule] = {
    "vote_against_ratings": vote_against_ratings,
    "vote_against_dimensions": vote_against_dimensions,
    "both_bad_with_high_ratings": both_bad_with_high_ratings,
    "winner_with_critical_mark": winner_with_critical_mark,
}


def found_in(parts: Parts) -> dict[str, str]:
    """{rule: sentence} of what does not fit."""
    return {name: sentence for name, rule in RULES.items() if (sentence := rule(parts))}
