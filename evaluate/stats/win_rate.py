"""Win rates: the share of battles won, a tie being half a win."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluate.stats.estimate import CONFIDENCE_Z, UNDEFINED, Estimate

DRAWS = 2000
FEW_CLUSTERS = 10
"""Below this many clusters the percentiles of a bootstrap are far too narrow, so Wilson over clusters is used."""


def wilson(wins: float, n: float, *, z: float = CONFIDENCE_Z) -> tuple[float, float]:
    """The score interval of a share (Wilson 1927). It never collapses to a point: 10 of 10 is 0.72 to 1."""
    if n <= 0:
        raise ValueError(f"An interval needs at least one item, n is {n}.")
    if not 0 <= wins <= n:
        raise ValueError(f"wins must lie between 0 and n={n}, it is {wins}.")
    share = wins / n
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    # At the ends the formula is exactly 0 or 1 up to rounding; an interval must hold its value.
    return float(min(max(middle - half, 0.0), share)), float(max(min(middle + half, 1.0), share))


def win_rate(outcomes: ArrayLike) -> Estimate:
    """Win rate of *independent* battles with Wilson's interval.

    outcomes: (battles,), each 1 won, 0 lost, 0.5 tied. Undefined for none.
    """
    scores = checked(outcomes)
    if not scores.size:
        return UNDEFINED
    low, high = wilson(float(scores.sum()), scores.size)
    return Estimate(float(scores.mean()), low, high, scores.size)


def clustered_win_rate(
    outcomes: ArrayLike, clusters: Sequence[object] | NDArray, *, draws: int = DRAWS, seed: int = 0
) -> Estimate:
    """Win rate of battles that come in clusters (several a prompt), with a cluster bootstrap interval.

    Whole prompts are drawn with replacement, so that ten samples of one prompt do not count as ten independent
    facts. The interval is the 2.5 and 97.5 percentiles over `draws` resamples. Where a bootstrap says nothing,
    with fewer than FEW_CLUSTERS clusters or when every cluster has the same mean, it is Wilson's with the clusters
    as its n: wider, never a point.

    outcomes: (battles,), each 1, 0.5 or 0; clusters: (battles,), any keys that can be compared for equality.
    """
    scores = checked(outcomes)
    if len(clusters) != scores.size:
        raise ValueError(f"{scores.size} outcomes and {len(clusters)} clusters: give one cluster an outcome.")
    if not scores.size:
        return UNDEFINED
    index = codes(clusters)
    sums, sizes = np.bincount(index, weights=scores), np.bincount(index)
    value, count = float(scores.mean()), sums.size
    if count < FEW_CLUSTERS or np.ptp(sums / sizes) == 0:
        low, high = wilson(min(value * count, count), count)
    else:
        low, high = np.percentile(resampled_means(sums, sizes, draws=draws, seed=seed), [2.5, 97.5])
    return Estimate(value, min(float(low), value), max(float(high), value), scores.size, count)


def resampled_means(sums: NDArray, sizes: NDArray, *, draws: int, seed: int) -> NDArray:
    """Means of `draws` resamples of clusters. sums, sizes: (clusters,). Returns (draws,).

    Clusters with the same sum and size are interchangeable, so a resample is one multinomial draw over the distinct
    ones: its cost does not grow with the number of prompts.
    """
    kinds, counts = np.unique(np.stack([sums, sizes], axis=1), axis=0, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(sums.size, counts / counts.sum(), size=draws)
    totals = drawn @ kinds
    return totals[:, 0] / totals[:, 1]


def codes(keys: Sequence[object] | NDArray) -> NDArray[np.int64]:
    """Keys as whole numbers from 0, equal keys equal. (n,) -> (n,)."""
    if isinstance(keys, np.ndarray) and keys.dtype != object:
        return np.unique(keys, return_inverse=True)[1].reshape(-1)
    seen: dict[object, int] = {}
    return np.fromiter((seen.setdefault(key, len(seen)) for key in keys), dtype=np.int64, count=len(keys))


def checked(outcomes: ArrayLike) -> NDArray[np.float64]:
    scores = np.asarray(outcomes, dtype=float)
    if scores.ndim != 1:
        raise ValueError(f"Outcomes are one number a battle, they have the shape {scores.shape}.")
    # NaN fails this comparison too.
    if not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError("Every outcome must lie between 0 (lost) and 1 (won).")
    return scores
