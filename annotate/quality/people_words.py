"""What stands out of a person's figures, in sentences. Says what was seen, never why."""

from collections.abc import Sequence
from dataclasses import dataclass

from annotate.quality.intervals import Share
from annotate.quality.raters import ENOUGH, Notice, Rater


@dataclass(frozen=True)
class Look:
    """One person worth a look: what is most surprising first, what else is, and what it is held against."""

    user: int
    title: str
    more: tuple[str, ...]


def looks(notices: Sequence[Notice], names: dict[int, str]) -> list[Look]:
    found: dict[int, list[Notice]] = {}
    for one in notices:
        found.setdefault(one.user, []).append(one)
    return [
        Look(user, f"{names[user]} {said(mine[0])}.", tuple(about(names[user], one, mine[0]) for one in mine))
        for user, mine in found.items()
    ]


def about(name: str, one: Notice, first: Notice) -> str:
    """What the first is held against; the others with what they are held against."""
    return f"{held_against(one)}." if one is first else f"Also {said(one)}. {held_against(one)}."


def said(one: Notice) -> str:
    rater = one.rater
    if one.signal == "gold":
        return f"is right in {span(rater.gold)} of gold tasks"
    if one.signal == "first":
        side = "first" if (rater.first.value or 0) > 0.5 else "second"
        return f"picks the {side} side in {span(turned(rater.first) if side == 'second' else rater.first)}"
    if one.signal == "longer":
        return f"picks the longer answer in {span(rater.longer)}"
    if one.signal == "agreement":
        return f"says the same as others in {span(rater.agreement)} of shared items"
    assert rater.streak is not None
    return f"chose {rater.streak.choice} {rater.streak.length:,} times in a row"


def held_against(one: Notice) -> str:
    rater = one.rater
    if one.signal == "gold":
        return f"{one.usual:.0%} is asked for; {rater.gold.n:,} gold answers"
    if one.signal == "first":
        return f"Chance decides which answer comes first, so 50% is fair; {rater.first.n:,} decided comparisons"
    if one.signal == "longer":
        return f"The others do in {one.usual:.0%}; {rater.longer.n:,} decided comparisons of different lengths"
    if one.signal == "agreement" and rater.peers.n >= ENOUGH:
        return (
            f"On the same items the others agree with each other in {one.usual:.0%}; {rater.agreement.n:,} shared items"
        )
    if one.signal == "agreement":
        return f"The others do in {one.usual:.0%}; {rater.agreement.n:,} shared items"
    assert rater.streak is not None
    return f"In {rater.streak.n:,} comparisons that is {odds(rater.streak.p)} for somebody who decides each by itself"


def odds(p: float) -> str:
    if p < 1e-6:
        return "all but impossible"
    return f"a chance of 1 in {round(1 / p):,}"


def span(one: Share) -> str:
    if one.value is None or one.low is None or one.high is None:
        return "n/a"
    return f"{one.value:.0%} ({one.low:.0%} to {one.high:.0%})"


def turned(one: Share) -> Share:
    if one.value is None or one.low is None or one.high is None:
        return one
    return Share(1 - one.value, 1 - one.high, 1 - one.low, one.n)


def sentence(raters: Sequence[Rater], found: Sequence[Look], *, simulated: bool) -> str:
    """The finding of the page People."""
    who = "simulated raters" if simulated else "people"
    judged = sum(one.answers >= ENOUGH for one in raters)
    if not raters:
        return f"No {who} have answered yet."
    if not judged:
        return f"Nobody has {ENOUGH} answers yet, so nothing is estimated of anybody."
    if not found:
        return f"Nobody stands out among the {judged:,} {who} with {ENOUGH} answers or more."
    one = "One" if len(found) == 1 else f"{len(found):,}"
    return f"{one} of {judged:,} {who} with {ENOUGH} answers or more {'is' if len(found) == 1 else 'are'} worth a look."
