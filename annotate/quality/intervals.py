"""Shares with intervals, and how surprising a count is. Pure functions; knows neither Django nor the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc, exp, log, sqrt

import numpy as np
from numpy.typing import NDArray

Z = 1.959963984540054
"""The normal quantile of a two-sided 95% interval."""


@dataclass(frozen=True)
class Share:
    """A share of `n` with its 95% interval; all None where n is 0."""

    value: float | None
    low: float | None
    high: float | None
    n: int

    @property
    def defined(self) -> bool:
        return self.value is not None


def share(part: float, n: int) -> Share:
    """`part` of `n` with Wilson's score interval (1927), which never collapses to a point: 10 of 10 is 0.72 to 1.

    `part` may be a sum of shares between 0 and 1, whose spread is at most that of right or wrong: the interval is then
    too wide rather than too narrow. The same formula as evaluate.stats.wilson, which may not be imported from here.
    """
    if n <= 0:
        return Share(None, None, None, 0)
    value = min(max(part / n, 0.0), 1.0)
    middle = (value + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * sqrt(value * (1 - value) / n + Z**2 / (4 * n**2))
    return Share(value, max(min(middle - half, value), 0.0), min(max(middle + half, value), 1.0), n)


def binomial_p(part: int, n: int, chance: float) -> float:
    """Two-sided exact p of `part` of `n` where each has probability `chance`: all counts that are no likelier."""
    if n <= 0:
        return 1.0
    if chance in {0.0, 1.0}:
        return 1.0 if part == n * chance else 0.0
    probability = binomial(n, chance)
    return min(float(probability[probability <= probability[part] * (1 + 1e-7)].sum()), 1.0)


def at_most_p(part: int, n: int, chance: float) -> float:
    """Probability of `part` or fewer of `n` where each has probability `chance`."""
    return min(float(binomial(n, chance)[: part + 1].sum()), 1.0) if n > 0 and 0 < chance < 1 else 1.0


def binomial(n: int, chance: float) -> NDArray[np.float64]:
    """(n + 1,), the probability of each count."""
    factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    count = np.arange(n + 1)
    exponent = factorial[n] - factorial - factorial[::-1] + count * log(chance) + (n - count) * log(1 - chance)
    return np.asarray(np.exp(exponent), dtype=float)


def two_shares_p(part: float, n: int, other: float, m: int) -> float:
    """Two-sided p of a difference between `part` of `n` and `other` of `m`, by the pooled normal approximation."""
    if not n or not m:
        return 1.0
    pooled = (part + other) / (n + m)
    spread = sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return erfc(abs(part / n - other / m) / spread / sqrt(2)) if spread else 1.0


def holm(ps: Sequence[float]) -> list[float]:
    """p-values corrected for being many (Holm 1979), in the order given: below 0.05 means so for the whole list."""
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    found, least = [1.0] * len(ps), 0.0
    for rank, i in enumerate(order):
        least = max(least, min(1.0, ps[i] * (len(ps) - rank)))
        found[i] = least
    return found


def longest_run(choices: NDArray[np.int64]) -> int:
    """Length of the longest run of the same choice, in order. (answers,)."""
    if not choices.size:
        return 0
    begin = np.flatnonzero(np.diff(choices, prepend=choices[0] - 1))
    return int(np.diff(np.append(begin, choices.size)).max())


def longest_run_p(length: int, n: int, shares: Sequence[float]) -> float:
    """Probability that n independent choices with these shares hold a run of `length` or more of one choice.

    Runs of at least `length` are rare and start anew after another choice, so their number is about Poisson with mean
    sum_c p_c^length (1 + (n - length)(1 - p_c)); Schilling (1990) has the case of a coin.
    """
    if length > n or n <= 0:
        return 0.0 if n > 0 else 1.0
    if length <= 1:
        return 1.0
    runs = sum(p**length * (1 + (n - length) * (1 - p)) for p in shares if p > 0)
    return 1 - exp(-runs)
