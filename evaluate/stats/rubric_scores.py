"""Rubric scores of a judge against those of people, as MENLO (2509.26601) reports them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluate.stats.estimate import UNDEFINED, Estimate
from evaluate.stats.win_rate import DRAWS, clustered_win_rate, codes


def macro_f1(
    said: ArrayLike, given: ArrayLike, *, clusters: Sequence[object] | NDArray | None = None, draws: int = DRAWS,
    seed: int = 0,
) -> Estimate:  # fmt: skip
    """Mean over the levels that people gave or the judge said of F1 = 2 TP / (2 TP + FP + FN).

    said, given: (ratings,), levels of the judge and of people, any labels. A level that only one side used has F1 0.
    The interval resamples clusters; a resample averages over the levels that are in it.
    """
    labels, index = np.unique(np.concatenate([np.asarray(said), np.asarray(given)]), return_inverse=True)
    count = index.size // 2
    if not count:
        return UNDEFINED
    unit = np.arange(count) if clusters is None else codes(clusters)
    rows = np.zeros((int(unit.max()) + 1, labels.size**2))
    np.add.at(rows, (unit, index[:count] * labels.size + index[count:]), 1)
    kinds, times = np.unique(rows, axis=0, return_counts=True)
    value = float(macro((times @ kinds)[None, :], labels.size)[0])
    drawn = np.random.default_rng(seed).multinomial(len(rows), times / len(rows), size=draws) @ kinds
    if not draws:
        return Estimate(value, None, None, count, len(rows))
    low, high = np.percentile(macro(drawn, labels.size), [2.5, 97.5])
    return Estimate(value, min(float(low), value), max(float(high), value), count, len(rows))


def macro(tables: NDArray, labels: int) -> NDArray[np.float64]:
    """(draws, labels * labels) counts, row the judge, column people -> (draws,)."""
    square = tables.reshape(-1, labels, labels).astype(float)
    right = np.diagonal(square, axis1=1, axis2=2)
    used = square.sum(1) + square.sum(2)
    scores = np.divide(2 * right, used, out=np.zeros_like(used), where=used > 0)
    found: NDArray[np.float64] = scores.sum(1) / (used > 0).sum(1)
    return found


def preference_accuracy(
    said_first: ArrayLike, said_second: ArrayLike, given_first: ArrayLike, given_second: ArrayLike, *,
    clusters: Sequence[object] | NDArray | None = None, draws: int = DRAWS, seed: int = 0,
) -> Estimate:  # fmt: skip
    """Share of pairs in which the scores of the judge prefer what those of people do: first, second, or neither.

    (pairs,) each: the two responses' scores by the judge and by people. Equal scores are a tie, which the judge has to
    have too. Interval: bootstrap of clusters.
    """
    parts = [np.asarray(part, dtype=float) for part in (said_first, said_second, given_first, given_second)]
    if len({part.shape for part in parts}) != 1:
        raise ValueError("Give two scores of the judge and two of people a pair.")
    same = np.sign(parts[0] - parts[1]) == np.sign(parts[2] - parts[3])
    unit = np.arange(same.size) if clusters is None else clusters
    return clustered_win_rate(same.astype(float), unit, draws=draws, seed=seed)
