"""ranking: an order of k responses, with ties. Optional: only the best few get a place, the others are below.

Ranks are standard competition ranks (1, 2, 2, 4): a response's rank is one more than how many are better than it.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from pydantic import Field

from annotate.kinds.base import LETTERS, Answer, AnswerError, Extremes, Kind, Options, Shown, parse_comment

ALIKE_FROM = 3
"""Responses from which on an order that equals the order shown is asked about. Of two, every second honest one does."""

Rank = int | None
"""1 is the best; None is below the places that are given."""


class RankingOptions(Options):
    places: int | None = Field(None, ge=1, le=9, description="rank only so many of the best, the others are below")


def places_of(shown: Shown) -> int:
    """How many places there are to give."""
    options: RankingOptions = shown.options or RankingOptions()
    return min(options.places or len(shown.order), len(shown.order))


def parse(data: Mapping[str, str], shown: Shown) -> Answer:
    """`rank-<n>`: 1 to the number of places for the response shown in place n, absent or empty for none.

    Equal numbers are a tie. Gaps are closed and places behind a tie are left free. `as_shown` is of no meaning here:
    with it the page remembers that it asked about an order that equals the order shown.
    """
    given, places, comment = parse_ranks(data, shown), places_of(shown), parse_comment(data)
    placed = sum(rank is not None for rank in given)
    if not placed:
        raise AnswerError("No response has a place yet. Give the best one place 1, then the others, and send.")
    if placed < places:
        raise AnswerError(unplaced(given, places))
    ranks = competition(given, places)
    return Answer(value={"ranks": ranks}, preference=preference_of(ranks, shown.order), comment=comment)


def unplaced(given: Sequence[Rank], places: int) -> str:
    """What is missing, in a sentence."""
    if places < len(given):
        placed = sum(rank is not None for rank in given)
        return (
            f"The best {places} need a place, and only {placed} {'has' if placed == 1 else 'have'} one. A tie is fine."
        )
    free = [LETTERS[place] for place, rank in enumerate(given) if rank is None]
    return f"{join(free)} {'has' if len(free) == 1 else 'have'} no place yet. Give each a place; a tie is fine."


def parse_ranks(data: Mapping[str, str], shown: Shown) -> list[Rank]:
    """The places as they were given, in the order shown."""
    places, found = places_of(shown), list[Rank]()
    for place in range(len(shown.order)):
        text = data.get(f"rank-{place}", "")
        if text and not (text.isascii() and text.isdigit() and len(text) < 3 and 1 <= int(text) <= places):
            raise AnswerError(f"{text[:40]!r} is not a place for {LETTERS[place]}. There are places 1 to {places}.")
        found.append(int(text) if text else None)
    return found


def competition(given: Sequence[Rank], places: int) -> list[Rank]:
    """Standard competition ranks; who comes behind so many that the places are used up is below."""
    ranks: list[Rank] = []
    for own in given:
        better = sum(other is not None and own is not None and other < own for other in given)
        ranks.append(better + 1 if own is not None and better < places else None)
    return ranks


def level(rank: Rank) -> int:
    """For comparing: those below come after all ranks."""
    return rank if rank is not None else 1_000


def preference_of(ranks: Sequence[Rank], order: Sequence[int]) -> int | None:
    """-1, 0 or 1 for two responses, as in pairwise; an order of more has no side."""
    if len(ranks) != 2:
        return None
    first, second = level(ranks[0]), level(ranks[1])
    side = (first < second) - (first > second)
    return side if order[0] == 0 else -side


def equals_order_shown(ranks: Sequence[Rank]) -> bool:
    """Whether it is the order shown, with or without ties; a tie of all is an opinion of its own."""
    levels = [level(rank) for rank in ranks]
    return len(levels) >= ALIKE_FROM and levels == sorted(levels) and levels[0] < levels[-1]


def ranks_by_position(value: Mapping[str, Any], order: Sequence[int]) -> list[Rank]:
    """Ranks of the responses at positions 0, 1, ... of the task."""
    found: dict[int, Rank] = dict(zip(order, value["ranks"], strict=True))
    return [found[position] for position in sorted(found)]


def pairs_of(value: Mapping[str, Any], order: Sequence[int]) -> list[tuple[int, int, int]]:
    """All comparisons that an order of k responses says something about: (position, position, margin).

    The first position is at least as good as the second. margin: how many levels lie between them, at least 1, and 0
    for a tie. Two responses below the places given were not compared, so they make no pair.
    """
    ranks = ranks_by_position(value, order)
    levels = sorted({level(rank) for rank in ranks})
    found = []
    for one, other in combinations(range(len(ranks)), 2):
        if ranks[one] is None and ranks[other] is None:
            continue
        better, worse = sorted((one, other), key=lambda position: (level(ranks[position]), position))
        found.append((better, worse, levels.index(level(ranks[worse])) - levels.index(level(ranks[better]))))
    return found


def fields(value: Mapping[str, Any], shown: Shown) -> dict[str, str]:
    ranks = value.get("ranks", [])
    found = {f"rank-{place}": str(rank or "") for place, rank in enumerate(ranks)}
    if equals_order_shown(ranks):
        found["as_shown"] = ",".join(str(rank or "") for rank in ranks)  # it was sent, so it was asked about
    return found


def say(value: Mapping[str, Any]) -> str:
    """ "A, then B and C, then the rest" """
    ranks: list[Rank] = value.get("ranks", [])
    groups: dict[int, list[str]] = {}
    for place, rank in enumerate(ranks):
        groups.setdefault(level(rank), []).append(LETTERS[place])
    named = [join(groups[key]) for key in sorted(groups) if key != level(None)]
    if len(named) == 1 and len(ranks) == len(groups[min(groups)]):
        return f"{named[0]} tie"
    return ", then ".join(named + (["the rest"] if level(None) in groups else []))


def join(letters: Sequence[str]) -> str:
    return letters[0] if len(letters) == 1 else f"{', '.join(letters[:-1])} and {letters[-1]}"


def right(answer: Answer, order: Sequence[int], accept: Mapping[str, Any]) -> bool:
    """`accept["best"]`: the position of the best response, or a list of those that may be first.

    Who shares the first place counts as first, so all of them have to be accepted.
    """
    accepted = accept["best"] if isinstance(accept["best"], list) else [accept["best"]]
    ranks = ranks_by_position(answer.value, order)
    return all(position in accepted for position, rank in enumerate(ranks) if rank == 1)


def extremes(answer: Answer, order: Sequence[int]) -> Extremes | None:
    """The best and the worst, of several that share the place the one shown first; None when all are tied."""
    levels = [level(rank) for rank in answer.value["ranks"]]
    if min(levels) == max(levels):
        return None
    return order[levels.index(min(levels))], order[levels.index(max(levels))]


def context(shown: Shown) -> dict[str, Any]:
    count, places = len(shown.order), places_of(shown)
    return {
        "places": range(1, places + 1),
        "partial": places < count,
        "rank_fields": {str(place): f"rank-{place}" for place in range(count)},
    }


KIND = Kind(
    slug="ranking",
    title="Ranking",
    question="Put the answers in order, the best first",
    least=2,
    most=9,
    parse=parse,
    fields=fields,
    say=say,
    options=RankingOptions,
    context=context,
    right=right,
    extremes=extremes,
    keys=(
        (
            ("1", "…", "9"),
            "Put the card in the frame on that place; the same digit takes it out, a shared one is a tie",
        ),
        (("←", "→"), "The frame goes to the next card, like Tab"),
        (("↑", "↓"), "Scroll the card in the frame; in the list “Your order”: move the letter"),
        (("0",), "Take the card in the frame out of its place"),
    ),
)
