"""rankings: an order of k responses, ties and all, as preference pairs.

Several raters of an item are counted for each pair of responses: the share of those that compared the two who put one
over the other. With a partial ranking the responses without a place are below all others and not compared among
themselves. One rater's pairs never contradict the ranking; of several the majority may go in a circle, and does so in
the pairs too.

Counting pairs is how InstructGPT reads rankings (Ouyang et al. 2022, 2203.02155: k responses give k(k-1)/2 pairs).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from typing import Literal

from pydantic import Field

from annotate.kinds.ranking import pairs_of
from curate.builders.base import COUNTED, Builder, Item, Options, Said, Tools
from curate.builders.preference import margin_of, preference_columns
from curate.builders.said import answers_of, prompt_of, row_of, same_text
from curate.rows import PREFERENCE, Row

LARGEST_MARGIN = 3
"""A margin is 0 to 3 as strengths are: one place apart is 1, two are 2, three or more are 3 (ours)."""

Which = Literal["all", "best_vs_rest", "adjacent"]


class RankingsOptions(Options):
    pairs: Which = Field(
        "all",
        description="all writes every two responses that were put in order, best_vs_rest the best over each other one, "
        "adjacent each place over the next",
    )


@dataclass
class Compared:
    """What several raters said on two positions."""

    over: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    """position -> how many raters put it over the other one"""
    gap: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    """position -> sum of the places between, capped, of those raters"""
    first: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    """position -> how many raters saw it before the other one"""
    raters: int = 0
    answers: list[Said] = field(default_factory=list)


def compare(answers: Sequence[Said]) -> dict[tuple[int, int], Compared]:
    """(lower position, higher position) -> what was said; pairs that nobody compared are not there."""
    found: dict[tuple[int, int], Compared] = {}
    for one in answers:
        for better, worse, margin in pairs_of(one.value, one.order):
            both = found.setdefault((min(better, worse), max(better, worse)), Compared())
            both.raters += 1
            both.answers.append(one)
            both.first[min(better, worse, key=list(one.order).index)] += 1
            if margin:
                both.over[better] += 1
                both.gap[better] += min(margin, LARGEST_MARGIN)
    return found


def levels(compared: Mapping[tuple[int, int], Compared]) -> list[list[int]]:
    """Positions from the best level to the worst, by how many comparisons each won (Borda); a tie is half a win.

    For one rater these are the levels of the ranking. Two responses below the places given share a level.
    """
    won: dict[int, float] = defaultdict(float)
    for (one, other), both in compared.items():
        ties = both.raters - both.over[one] - both.over[other]
        # A share, not a count: where some raters did not compare the two, the pair weighs no less.
        won[one] += (both.over[one] + ties / 2) / both.raters
        won[other] += (both.over[other] + ties / 2) / both.raters
    found: dict[float, list[int]] = defaultdict(list)
    for position in sorted(won):
        found[round(won[position], 9)].append(position)
    return [found[score] for score in sorted(found, reverse=True)]


def wanted(compared: Mapping[tuple[int, int], Compared], which: Which) -> Iterator[tuple[int, int]]:
    """The pairs of positions to look at, the one on the better level first."""
    ladder = levels(compared)
    if which == "all":
        place = {position: depth for depth, level in enumerate(ladder) for position in level}
        for one, other in combinations(sorted(place), 2):
            if (one, other) in compared:
                yield (one, other) if place[one] <= place[other] else (other, one)
        return
    spans = pairwise(ladder) if which == "adjacent" else ((ladder[0], level) for level in ladder[1:])
    for upper, lower in spans:
        for one in upper:
            for other in lower:
                if (min(one, other), max(one, other)) in compared:
                    yield one, other


def rows(item: Item, tools: Tools) -> Iterator[Row]:
    answers = answers_of(item, "ranking")
    if not answers:
        tools.drop("no_ranking")
        return
    groups = [[one] for one in answers] if tools.recipe.aggregate == "each" else [answers]
    for group in groups:
        why = "all_tied"
        for one in rows_of_group(item, group, tools):
            if isinstance(one, Row):
                why = ""
                yield one
            elif why:
                why = one
        if why:
            tools.drop(why)


def rows_of_group(item: Item, answers: Sequence[Said], tools: Tools) -> Iterator[Row | str]:
    """Rows, and for each pair that gives none the reason."""
    compared = compare(answers)
    for one, other in wanted(compared, tools.options.pairs):
        both = compared[(min(one, other), max(one, other))]
        if same_text(item.candidates[one].text, item.candidates[other].text):
            yield "same_text"
            continue
        tie = both.over[one] == both.over[other]
        if tie and tools.recipe.ties == "drop":
            yield "all_tied"
            continue
        chosen = one if both.over[one] >= both.over[other] else other
        if not tie and both.over[chosen] / both.raters < tools.recipe.minimum_agreement:
            yield "agreement"
            continue
        yield row_of_pair(item, both, chosen, one + other - chosen, tools)
        if tie and tools.recipe.ties == "half":
            yield row_of_pair(item, both, one + other - chosen, chosen, tools)


def row_of_pair(item: Item, both: Compared, chosen: int, rejected: int, tools: Tools) -> Row:
    tie = both.over[chosen] == both.over[rejected]
    share = 0.5 if tie else both.over[chosen] / both.raters
    towards = max(both.gap[chosen] - both.gap[rejected], 0) / both.raters
    better, worse = item.candidates[chosen], item.candidates[rejected]
    columns = preference_columns(
        prompt_of(item), better, worse,
        margin=0.0 if tie else margin_of(tools.recipe, strength=towards, share=share),
        share=share, tie=tie, weight=0.5 if tie and tools.recipe.ties == "half" else 1.0,
        chosen_first=both.first[chosen] / both.raters,
    )  # fmt: skip
    return row_of(item, columns, answers=both.answers, candidates=(better, worse), agreement=share)


BUILDER = Builder(
    slug="rankings",
    title="Pairs of rankings",
    summary="Preference pairs out of an order of several responses: every two of them, the best over the rest, or "
    "each place over the next.",
    kinds=("ranking",),
    row=PREFERENCE,
    rows=rows,
    aggregates=COUNTED,
    options=RankingsOptions,
    reasons={
        "no_ranking": "with a ranking",
        "same_text": "with different texts",
        "all_tied": "with a response put over another",
        "agreement": "with enough raters on one side",
    },
    paper="Ouyang et al. 2022, 2203.02155",
)
