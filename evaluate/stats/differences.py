"""Which ratings differ: a test a pair of models, corrected for how many pairs were looked at."""

from collections.abc import Callable
from dataclasses import dataclass
from math import erfc, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluate.stats.arena import PERCENTILES, SCALE, Strengths

LEVEL = 0.05


@dataclass(frozen=True)
class Difference:
    """`model` minus `other` in points, with its 95% interval (of this pair alone), p and corrected p."""

    model: str
    other: str
    value: float
    low: float
    high: float
    p: float
    adjusted: float

    @property
    def significant(self) -> bool:
        return self.adjusted < LEVEL


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjusted p: below 0.05 means significant with a chance of 5% or less of any false finding (Holm 1979)."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p)
    steps = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    return unsorted(np.minimum(steps, 1.0), order)


def benjamini_hochberg(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjusted p: of those below 0.05, 5% or less are expected to be false (Benjamini and Hochberg 1995)."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p)
    steps = p[order] * p.size / np.arange(1, p.size + 1)
    return unsorted(np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1.0), order)


def unsorted(values: NDArray, order: NDArray) -> NDArray[np.float64]:
    found = np.empty_like(values)
    found[order] = values
    return found


CORRECTIONS: dict[str, Callable[[ArrayLike], NDArray[np.float64]]] = {
    "holm": holm,
    "benjamini-hochberg": benjamini_hochberg,
}


def rating_differences(strengths: Strengths, *, correction: str = "holm") -> tuple[Difference, ...]:
    """All pairs, the better model first, most certain first.

    p is two-sided and normal, with the standard deviation of the difference over the resamples: models of one
    leaderboard are not independent, and a difference is often surer than the two whiskers suggest. Raises ValueError
    with fewer than 2 resamples or an unknown correction.
    """
    if correction not in CORRECTIONS:
        raise ValueError(f"There is no correction {correction!r}. There are: {', '.join(CORRECTIONS)}.")
    if len(strengths.drawn) < 2:
        raise ValueError("A test needs resamples: rate with rounds of 2 or more, 1,000 as a rule.")
    models = len(strengths.names)
    one, other = np.triu_indices(models, k=1)
    swap = strengths.values[one] < strengths.values[other]
    one, other = np.where(swap, other, one), np.where(swap, one, other)
    value = SCALE * (strengths.values[one] - strengths.values[other])
    p, low, high = np.empty(value.size), np.empty(value.size), np.empty(value.size)
    for i in range(value.size):  # a pair at a time: all at once would be resamples by thousands of pairs
        gaps = SCALE * (strengths.drawn[:, one[i]] - strengths.drawn[:, other[i]])
        low[i], high[i] = np.percentile(gaps, PERCENTILES)
        p[i] = two_sided(float(value[i]), float(gaps.std(ddof=1)))
    adjusted = CORRECTIONS[correction](p)
    rows = [
        Difference(strengths.names[one[i]], strengths.names[other[i]], float(value[i]), float(low[i]), float(high[i]),
                   float(p[i]), float(adjusted[i]))
        for i in range(value.size)
    ]  # fmt: skip
    return tuple(sorted(rows, key=lambda row: (row.p, -row.value, row.model, row.other)))


def two_sided(value: float, error: float) -> float:
    if error == 0:
        return 1.0 if value == 0 else 0.0
    return erfc(abs(value) / error / sqrt(2))
