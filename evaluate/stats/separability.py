"""How well a benchmark tells models apart, and whether it does so as people would (Arena-Hard, Li et al. 2024)."""

from collections.abc import Mapping
from itertools import combinations

from evaluate.stats.estimate import UNDEFINED, Estimate
from evaluate.stats.win_rate import wilson

Interval = tuple[float, float]


def separability(intervals: Mapping[str, Interval]) -> Estimate:
    """Share of the pairs of models whose intervals do not overlap. intervals: model -> (low, high).

    The bounds are Wilson's, which take pairs as independent; pairs share models, so they are a rough guide.
    """
    pairs = list(combinations(intervals, 2))
    if not pairs:
        return UNDEFINED
    apart = sum(side(intervals[a], intervals[b]) != 0 for a, b in pairs)
    return Estimate(apart / len(pairs), *wilson(apart, len(pairs)), len(pairs))


def agreement_with_confidence(benchmark: Mapping[str, Interval], reference: Mapping[str, Interval]) -> Estimate:
    """Mean over the pairs that the reference (people) separates: 1 where the benchmark separates them the same way,
    -1 where the other way, 0 where it does not. 1 is best, -1 worst; models that only one of the two has are left out.

    The bounds are those of the share of pairs, Wilson's, moved to the scale from -1 to 1.
    """
    both = [model for model in benchmark if model in reference]
    wanted = [(a, b) for a, b in combinations(both, 2) if side(reference[a], reference[b])]
    if not wanted:
        return UNDEFINED
    scores = [side(benchmark[a], benchmark[b]) * side(reference[a], reference[b]) for a, b in wanted]
    mean = sum(scores) / len(scores)
    low, high = wilson((mean + 1) / 2 * len(scores), len(scores))
    return Estimate(mean, 2 * low - 1, 2 * high - 1, len(scores))


def side(one: Interval, other: Interval) -> int:
    """1 if the first is above, -1 if below, 0 if they overlap."""
    return (one[0] > other[1]) - (one[1] < other[0])
