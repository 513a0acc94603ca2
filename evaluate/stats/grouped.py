"""Figures over groups of items that belong together: contrast sets, negated pairs, paraphrases, both orders.

The groups are the independent units, so intervals resample groups.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluate.stats.decisions import share
from evaluate.stats.estimate import UNDEFINED, Estimate
from evaluate.stats.win_rate import DRAWS, clustered_win_rate, codes, resampled_means


@dataclass(frozen=True)
class ContrastSets:
    """Accuracy on the originals and on their minimally different edits, and the share of sets with all right."""

    originals: Estimate
    edits: Estimate
    consistency: Estimate


def all_right(right: ArrayLike, groups: Sequence[object] | NDArray) -> Estimate:
    """Share of groups all of whose members are right. right: (items,), 1 or 0; groups: (items,), keys. Wilson's."""
    hits = np.asarray(right, dtype=bool)
    if hits.size != len(groups):
        raise ValueError(f"{hits.size} items and {len(groups)} groups: give one group an item.")
    if not hits.size:
        return UNDEFINED
    index = codes(groups)
    return share(np.bincount(index, weights=~hits) == 0)


def contrast_sets(
    right: ArrayLike, groups: Sequence[object] | NDArray, edited: ArrayLike, *, draws: int = DRAWS, seed: int = 0
) -> ContrastSets:
    """right: (items,), 1 or 0; groups: (items,), the set of each; edited: (items,), whether it is an edit."""
    hits, changed, index = np.asarray(right, dtype=float), np.asarray(edited, dtype=bool), codes(groups)
    parts = [clustered_win_rate(hits[rows], index[rows], draws=draws, seed=seed) for rows in (~changed, changed)]
    return ContrastSets(parts[0], parts[1], all_right(hits, index))


def pairwise_consistency(
    answers: Sequence[object], groups: Sequence[object] | NDArray, *, draws: int = DRAWS, seed: int = 0
) -> Estimate:
    """Share of the pairs of answers inside a group that are equal (consistency under paraphrase).

    answers: (items,), comparable for equality; groups: (items,), the question that the items put in other words. A
    group of one has no pair. `n` is pairs, `clusters` groups with a pair.
    """
    if len(answers) != len(groups):
        raise ValueError(f"{len(answers)} answers and {len(groups)} groups: give one group an answer.")
    of_answer, of_group = codes(list(answers)), codes(groups)
    if not of_group.size:
        return UNDEFINED
    cells = np.zeros((int(of_group.max()) + 1, int(of_answer.max()) + 1))
    np.add.at(cells, (of_group, of_answer), 1)
    size = cells.sum(axis=1)
    equal, pairs = (cells * (cells - 1) / 2).sum(axis=1), size * (size - 1) / 2
    there = pairs > 0
    if not there.any():
        return UNDEFINED
    value, count = float(equal.sum() / pairs.sum()), int(there.sum())
    low, high = np.percentile(resampled_means(equal[there], pairs[there], draws=draws, seed=seed), [2.5, 97.5])
    return Estimate(value, min(float(low), value), max(float(high), value), int(pairs.sum()), count)


def nevir(first: ArrayLike, second: ArrayLike) -> Estimate:
    """Share of items both of whose queries rank their own document strictly first (Weller et al. 2024). Chance: 25%.

    first, second: (items, 2), the scores of documents (d1, d2) under q1 and under q2, which differ by a negation;
    d1 belongs to q1 and d2 to q2. The same for a judge: two rubrics and two responses. A tie is not right.
    """
    one, two = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if one.shape != two.shape or (one.size and one.shape[1:] != (2,)):
        raise ValueError(f"Give the scores of two documents a query, not {one.shape} and {two.shape}.")
    if not one.size:
        return UNDEFINED
    return share((one[:, 0] > one[:, 1]) & (two[:, 1] > two[:, 0]))


def both_orders(first: ArrayLike, second: ArrayLike) -> Estimate:
    """Share of items for which the same response is chosen in both orders; 0 is a tie and chooses none."""
    one, two = np.asarray(first), np.asarray(second)
    return share((one == two) & (one != 0))
