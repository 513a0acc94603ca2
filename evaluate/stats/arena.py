"""Chatbot Arena's ratings (Chiang et al. 2024): maximum likelihood, intervals by bootstrap of distinct battles."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from evaluate.stats.battles import Battles, NoRatings, groups, unbeaten
from evaluate.stats.newton import solve

SCALE = 400 / np.log(10)
"""Rating points a unit of log-odds: 400 points are odds of 10 to 1."""
CENTRE = 1000.0
ROUNDS = 1000
PERCENTILES = (2.5, 97.5)
RIDGE = 1e-4
"""Holds resamples in which a model wins everything at a dozen log-odds; others it moves by less than 0.01 points."""
BLOCK = 64
NEAR = 1e-6
"""Log-odds at which a resample is done: 0.0002 points."""


@dataclass(frozen=True)
class Strengths:
    """`values`: (models,), log-strengths with mean 0, in order of `names`; `drawn`: (rounds, models), of resamples."""

    names: tuple[str, ...]
    values: NDArray[np.float64]
    drawn: NDArray[np.float64]

    def points(self, anchor: tuple[str, float] | None = None) -> tuple[NDArray, NDArray, NDArray]:
        """(models,) each: ratings with mean 1,000 and their bounds. An anchor is moved to its points, in each
        resample too, so its interval is a point."""
        return self._bounded(lambda strength: moved(CENTRE + SCALE * strength, self.names, anchor))

    def logs(self) -> tuple[NDArray, NDArray, NDArray]:
        """Log-strengths as they are, natural and with mean 0."""
        return self._bounded(lambda strength: strength)

    def shares(self) -> tuple[NDArray, NDArray, NDArray]:
        """Strengths normalised to sum 1: P(a beats b) = a / (a + b)."""
        return self._bounded(normalised)

    def _bounded(self, form: Callable[[NDArray], NDArray]) -> tuple[NDArray, NDArray, NDArray]:
        values = form(self.values[None, :])[0]
        if not len(self.drawn):
            return values, np.full_like(values, np.nan), np.full_like(values, np.nan)
        low, high = np.percentile(form(self.drawn), PERCENTILES, axis=0)
        return values, low, high


def moved(points: NDArray, names: tuple[str, ...], anchor: tuple[str, float] | None) -> NDArray[np.float64]:
    if anchor is None:
        return points
    name, at = anchor
    if name not in names:
        raise NoRatings(f"{name}, the anchor, has no battles. Models with battles: {listed(names)}.")
    return points + (at - points[:, [names.index(name)]])


def normalised(strength: NDArray) -> NDArray[np.float64]:
    raised = np.exp(strength - strength.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return shares


def arena(fought: Battles, *, rounds: int = ROUNDS, seed: int = 0, prior: float = 0.0) -> Strengths:
    """P(a beats b) = 1 / (1 + 10^((r_b - r_a) / 400)); a tie is half a win to each; all battles are independent.

    A resample is one multinomial draw of as many battles over the distinct (pair, outcome), with their shares as
    chances, and is fitted anew. prior: wins a side that each pair that met has on top, in resamples too; 0 is plain
    maximum likelihood. Raises NoRatings where there is no common scale, or a rating has no bound.

    The same seed gives the same resamples on any number of processors.
    """
    rateable(fought, prior=prior)
    models = len(fought.names)
    wins, games = fought.by_pair(fought.counts[None, :])
    values = solve(fought.pairs, wins + prior, games + 2 * prior, models, exact=1e-12)[0]
    share, total = fought.counts / fought.counts.sum(), int(fought.counts.sum())

    def block(task: tuple[np.random.SeedSequence, int]) -> NDArray[np.float64]:
        source, size = task
        drawn = np.random.default_rng(source).multinomial(total, share, size=size)
        wins, games = fought.by_pair(drawn)
        ridge = 0.0 if prior else RIDGE
        return solve(fought.pairs, wins + prior, games + 2 * prior, models, start=values, ridge=ridge, exact=NEAR)

    sizes = [min(BLOCK, rounds - begin) for begin in range(0, rounds, BLOCK)]
    tasks = list(zip(np.random.SeedSequence(seed).spawn(len(sizes)), sizes, strict=True))
    # numpy works outside the interpreter's lock; threads of the linear algebra beside these make it slower.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(min(4, cpu_count() or 1)) as threads:
        drawn = list(threads.map(block, tasks))
    return Strengths(fought.names, values, np.concatenate([np.empty((0, models)), *drawn]))


def rateable(fought: Battles, *, prior: float) -> None:
    names = fought.names
    if not names:
        raise NoRatings("There are no battles.")
    parts = groups(len(names), fought.pairs)
    if len(parts) > 1:
        parted = "; ".join(listed([names[i] for i in part]) for part in parts)
        raise NoRatings(
            f"The models fall into {len(parts)} groups that never met, so they have no common scale: {parted}. "
            "Judge a pair across the groups, or rate each group alone."
        )
    if prior == 0 and (top := [names[i] for i in unbeaten(fought)]):
        who = listed(top)
        raise NoRatings(
            f"Nobody else took a win or a tie from {who}, so {'its rating has' if len(top) == 1 else 'ratings have'} "
            "no bound. A prior of 0.5, half a win to each side of every pair that met, gives one (--prior 0.5)."
        )


def listed(names: tuple[str, ...] | list[str], most: int = 10) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
