"""Scores of public judge benchmarks, as their papers define them."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from evaluate.stats.decisions import share
from evaluate.stats.estimate import UNDEFINED, Estimate
from evaluate.stats.win_rate import DRAWS, clustered_win_rate


def judgebench(first: ArrayLike, second: ArrayLike) -> Estimate:
    """JudgeBench (Tan et al. 2024): each of the two games gives 1 for the right response, -1 for the wrong, 0 for a
    tie or no verdict; an item is right if the sum is positive. (items,) each."""
    one, two = np.sign(np.asarray(first, dtype=float)), np.sign(np.asarray(second, dtype=float))
    if one.shape != two.shape:
        raise ValueError(f"{one.size} first games and {two.size} second: give two an item.")
    return share(one + two > 0)


def rewardbench(
    right: ArrayLike, subsets: Sequence[str], sections: Mapping[str, Sequence[str]], *, draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, Estimate]:  # fmt: skip
    """RewardBench (Lambert et al. 2024): the score of a section is the mean of its subsets weighted by their examples.

    right: (items,), 1, 0 or 0.5 for a tie; subsets: (items,); sections: section -> its subsets. The weighted mean is
    that of all examples of the section. A section without examples is undefined.
    """
    hits, of = np.asarray(right, dtype=float), np.asarray(subsets, dtype=object)
    if unknown := set(of.tolist()) - {subset for names in sections.values() for subset in names}:
        raise ValueError(f"These subsets are in no section: {', '.join(sorted(unknown))}.")
    found = {}
    for section, names in sections.items():
        rows = np.flatnonzero([subset in set(names) for subset in of])
        found[section] = clustered_win_rate(hits[rows], rows, draws=draws, seed=seed)
    return found


def rewardbench2(scores: ArrayLike, *, draws: int = DRAWS, seed: int = 0) -> Estimate:
    """RewardBench 2 (Malik et al. 2025): 1 / (number tied at the top) if the right response is at the top, else 0.

    scores: (items, responses), the right one first, NaN where an item has fewer responses. Chance is 1 / responses.
    """
    given = np.asarray(scores, dtype=float)
    if not given.size:
        return UNDEFINED
    if given.ndim != 2 or np.isnan(given[:, 0]).any():
        raise ValueError("Scores are (items, responses), and the right response, the first, has one in each item.")
    top = given == np.nanmax(given, axis=1, keepdims=True)
    return clustered_win_rate(top[:, 0] / top.sum(axis=1), np.arange(len(given)), draws=draws, seed=seed)
