"""Ratings from battles (Bradley and Terry 1952), on the Elo scale."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import erfc, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from evaluate.stats.arena import CENTRE, SCALE
from evaluate.stats.battles import Battles, battles, groups, unbeaten
from evaluate.stats.estimate import CONFIDENCE_Z
from evaluate.stats.newton import solve
from evaluate.stats.win_rate import FEW_CLUSTERS, checked, codes

PRIOR = 0.5
DRAWS = 500
PART = 50


@dataclass(frozen=True)
class Rating:
    """`value` in points with its 95% interval; the anchor's interval is a point, because it is where zero was put."""

    model: str
    value: float
    low: float
    high: float
    battles: int


@dataclass(frozen=True)
class Ratings:
    """`rows`, best first, or none and in `problem` the sentence that says why there are no ratings."""

    rows: tuple[Rating, ...]
    anchor: str
    battles: int
    problem: str = ""
    groups: tuple[tuple[str, ...], ...] = ()
    """Models that met each other, directly or through others. More than one group has no common scale."""


def bradley_terry(
    firsts: Sequence[str],
    seconds: Sequence[str],
    outcomes: ArrayLike,
    *,
    clusters: Sequence[object] | NDArray | None = None,
    anchor: str = "",
    prior: float = PRIOR,
    draws: int = DRAWS,
    seed: int = 0,
) -> Ratings:
    """Ratings r with P(a beats b) = 1 / (1 + 10^((r_b - r_a) / 400)); a tie is half a win to each.

    firsts, seconds: (battles,), names; outcomes: (battles,), 1 where the first won, 0.5 a tie. The anchor has 1,000
    points, the others are read against it; without an anchor the mean is 1,000.

    Each pair that met is given `prior` wins a side on top (Haldane's and Anscombe's half), which keeps a model that
    won every battle finite while hardly moving the others. With prior=0 such a model is a `problem`.

    Intervals: 95%, from `draws` resamples of whole clusters; clusters: (battles,), the prompt of each battle, so that
    four samples of one prompt are not four facts. None takes battles as independent, as Chatbot Arena does (Chiang et
    al. 2024). Where a resample says nothing, they are Wald's at least. draws=0 gives none (low = high).
    """
    if prior == 0 and draws:
        raise ValueError("Resamples can lack a win on either side: give a prior above 0, or draws=0.")
    scores = checked(outcomes)
    if clusters is not None and len(clusters) != scores.size:
        raise ValueError(f"{scores.size} outcomes and {len(clusters)} clusters: give one cluster an outcome.")
    if not len(firsts):
        return Ratings((), anchor, 0, problem="There are no battles yet.")
    fought = battles(firsts, seconds, scores)
    names = fought.names
    parts = tuple(tuple(names[i] for i in group) for group in groups(len(names), fought.pairs))
    if problem := unratable(parts, fought, anchor=anchor, prior=prior):
        return Ratings((), anchor, scores.size, problem, parts)
    origin = names.index(anchor) if anchor else None
    strength = with_prior(fought, fought.counts[None, :], prior)
    values = low = high = CENTRE + SCALE * centred(strength, origin)[0]
    if draws:
        cluster = None if clusters is None else codes(clusters)
        drawn = resamples(fought.kind, cluster, draws=draws, seed=seed)
        points = CENTRE + SCALE * centred(with_prior(fought, drawn, prior, start=strength[0]), origin)
        met = np.stack([fought.first, fought.second], axis=1)
        found = evidence(met, scores, np.arange(scores.size) if cluster is None else cluster, len(names))
        low, high = np.percentile(points, tails(found.units), axis=0)
        wide = widths(strength[0], found, prior=prior, origin=origin)
        low, high = np.minimum(low, values - wide), np.maximum(high, values + wide)
    rows = rated(names, np.stack([values, low, high], axis=1), fought.fought)
    return Ratings(rows, anchor, scores.size, groups=parts)


def with_prior(fought: Battles, counts: NDArray, prior: float, *, start: NDArray | None = None) -> NDArray[np.float64]:
    """(draws, kinds of battle) counts -> (draws, models) log-strengths, each pair with `prior` wins a side on top."""
    wins, games = fought.by_pair(counts)
    with threadpool_limits(1, "blas"):  # many small matrices: threads cost more than they give
        return solve(fought.pairs, wins + prior, games + 2 * prior, len(fought.names), start=start)


def rated(names: Sequence[str], points: NDArray, fought: NDArray) -> tuple[Rating, ...]:
    """Rows, best first, from (models, 3) values and bounds; an interval holds its value."""
    rows = [
        Rating(name, value, min(low, value), max(high, value), count)
        for name, (value, low, high), count in zip(names, points.tolist(), fought.tolist(), strict=True)
    ]
    return tuple(sorted(rows, key=lambda row: (-row.value, row.model)))


def resamples(kind: NDArray, cluster: NDArray | None, *, draws: int, seed: int) -> NDArray:
    """Counts of each kind of battle in `draws` resamples of whole clusters. (battles,) each -> (draws, kinds).

    Clusters with the same counts are interchangeable, so a resample is one multinomial draw over the distinct ones.
    """
    kinds = int(kind.max()) + 1
    if cluster is None:
        patterns, times = np.eye(kinds, dtype=np.int64), np.bincount(kind)
    else:
        cells = np.bincount(cluster * kinds + kind, minlength=(int(cluster.max()) + 1) * kinds)
        patterns, times = np.unique(cells.reshape(-1, kinds), axis=0, return_counts=True)
    rng, share = np.random.default_rng(seed), times / times.sum()
    # A part at a time: a draw has a number for each pattern, and there can be as many of those as prompts.
    parts = [min(PART, draws - begin) for begin in range(0, draws, PART)]
    return np.concatenate([rng.multinomial(times.sum(), share, size=part) @ patterns for part in parts])


def tails(units: int) -> tuple[float, float]:
    """The percentiles that make a 95% interval of `units` resampled units: 2.5 and 97.5, and further out for few.

    A resample of n units spreads by (n - 1) / n too little and knows nothing of Student's t; the percentiles are
    moved by both (Hesterberg 2015, expanded percentiles).
    """
    free, z = max(units - 1, 1), CONFIDENCE_Z
    student = z + (z**3 + z) / (4 * free) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2)
    tail = 50 * erfc(student * sqrt((free + 1) / free / 2))
    return tail, 100 - tail


@dataclass(frozen=True)
class Evidence:
    """How much is behind the ratings, in units that are independent: prompts, or battles."""

    units: int
    met: NDArray
    """(models, models), the units that each pair met on."""
    silent: NDArray
    """(models,), whether a resample of units says nothing of the model."""


def evidence(pairs: NDArray, scores: NDArray, unit: NDArray, models: int) -> Evidence:
    """A resample says nothing of models with fewer than FEW_CLUSTERS units, or with the same mean in each: one that
    won all its battles wins them in every resample too."""
    units = int(unit.max()) + 1
    met = np.unique((pairs.min(axis=1) * models + pairs.max(axis=1)) * units + unit) // units
    above = np.bincount(met, minlength=models**2).reshape(models, models)
    cell, index = np.unique(np.concatenate([pairs[:, 0], pairs[:, 1]]) * units + np.tile(unit, 2), return_inverse=True)
    mean = np.bincount(index, weights=np.concatenate([scores, 1 - scores])) / np.bincount(index)
    owner = cell // units
    spread = [np.ptp(mean[owner == model]) for model in range(models)]
    few = np.bincount(owner, minlength=models) < FEW_CLUSTERS
    return Evidence(units, above + above.T, few | (np.array(spread) == 0))


def widths(strength: NDArray, found: Evidence, *, prior: float, origin: int | None) -> NDArray:
    """What each interval extends to either side at least, in points: Wald's where resamples are silent, else 0.

    Wald's is by the Fisher information of the battles with each unit counted once, however many samples it has.
    """
    silent = found.silent
    chance = 1 / (1 + np.exp(strength[None, :] - strength[:, None]))
    weight = (found.met + 2 * prior * (found.met > 0)) * chance * (1 - chance)
    variance = np.linalg.pinv(np.diag(weight.sum(axis=1)) - weight, hermitian=True)
    own = np.diag(variance)
    if origin is not None:  # every gap to a silent anchor is as uncertain as the anchor
        own, silent = own + own[origin] - 2 * variance[origin], silent | silent[origin]
    return np.where(silent, SCALE * CONFIDENCE_Z * np.sqrt(np.maximum(own, 0)), 0.0)


def centred(strength: NDArray, origin: int | None) -> NDArray:
    zero = strength.mean(axis=1, keepdims=True) if origin is None else strength[:, [origin]]
    return strength - zero


def unratable(parts: Sequence[Sequence[str]], fought: Battles, *, anchor: str, prior: float) -> str:
    """Why there is no common scale, in a sentence, or nothing."""
    if anchor and anchor not in fought.names:
        return f"{anchor}, which the ratings are read against, has no battles."
    if len(parts) > 1:
        parted = "; ".join(", ".join(part) for part in parts)
        return f"These models never met, so they have no common scale: {parted}. Judge a pair across the groups."
    if prior == 0 and unbeaten(fought):
        return "Some models won every battle against the others, so their ratings have no bound. Use a prior above 0."
    return ""
