"""How far a judge agrees with people: raw, Cohen's kappa, and by how strongly people preferred."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluate.stats.estimate import UNDEFINED, Estimate
from evaluate.stats.win_rate import DRAWS, clustered_win_rate, codes


@dataclass(frozen=True)
class Level:
    """Agreement where people preferred this strongly."""

    strength: float
    raw: Estimate
    kappa: Estimate


@dataclass(frozen=True)
class Agreement:
    """`decided` is the share of agreement where neither said tie, so that a judge without ties can be compared."""

    raw: Estimate
    kappa: Estimate
    decided: Estimate
    by_strength: tuple[Level, ...]


def agreement(
    judge: ArrayLike, people: ArrayLike, *, strength: ArrayLike | None = None,
    clusters: Sequence[object] | NDArray | None = None, draws: int = DRAWS, seed: int = 0,
) -> Agreement:  # fmt: skip
    """judge, people: (verdicts,), sides of each verdict: positive for the first, negative for the second, 0 for a tie.
    strength: (verdicts,), how strongly people preferred, by default the size of `people`; levels come weakest first.
    clusters: (verdicts,), the prompts, without which each verdict is its own.

    An output of the judge that cannot be read has no side and must be counted beside this, not be left out silently.
    """
    one, other = np.sign(np.asarray(judge, dtype=float)), np.sign(np.asarray(people, dtype=float))
    if one.shape != other.shape or one.ndim != 1:
        raise ValueError(f"{one.size} verdicts of the judge and {other.size} of people: give one of each a pair.")
    if np.isnan(one).any() or np.isnan(other).any():
        raise ValueError("A verdict is not a number. Leave out and count what could not be read.")
    unit = np.arange(one.size) if clusters is None else codes(clusters)
    force = np.abs(np.asarray(people if strength is None else strength, dtype=float))

    def of(rows: NDArray) -> tuple[Estimate, Estimate]:
        same = (one[rows] == other[rows]).astype(float)
        drawn = {"draws": draws, "seed": seed}
        return clustered_win_rate(same, unit[rows], **drawn), cohen_kappa(one[rows], other[rows], unit[rows], **drawn)

    everything = np.arange(one.size)
    decided = np.flatnonzero((one != 0) & (other != 0))
    levels = tuple(Level(float(level), *of(np.flatnonzero(force == level))) for level in np.unique(force))
    return Agreement(*of(everything), of(decided)[0], levels)


def cohen_kappa(
    one: ArrayLike, other: ArrayLike, clusters: Sequence[object] | NDArray | None = None, *, draws: int = DRAWS,
    seed: int = 0,
) -> Estimate:  # fmt: skip
    """Cohen's kappa of two raters' labels (Cohen 1960), with an interval by resampling clusters.

    one, other: (items,), labels that can be compared. Undefined where both always say one and the same label.
    """
    labels, index = np.unique(np.concatenate([np.asarray(one), np.asarray(other)]), return_inverse=True)
    count = index.size // 2
    if not count:
        return UNDEFINED
    unit = np.arange(count) if clusters is None else codes(clusters)
    cell = index[:count] * labels.size + index[count:]
    rows = np.zeros((int(unit.max()) + 1, labels.size**2))
    np.add.at(rows, (unit, cell), 1)
    # Clusters with the same table are interchangeable: one multinomial over the distinct ones is a resample.
    kinds, times = np.unique(rows, axis=0, return_counts=True)
    value = float(kappas((times @ kinds)[None, :], labels.size)[0])
    if np.isnan(value):
        return Estimate(None, None, None, count, len(rows))
    drawn = np.random.default_rng(seed).multinomial(len(rows), times / len(rows), size=draws) @ kinds
    found = kappas(drawn, labels.size)
    low, high = np.nanpercentile(found, [2.5, 97.5]) if not np.isnan(found).all() else (value, value)
    return Estimate(value, min(float(low), value), max(float(high), value), count, len(rows))


def kappas(tables: NDArray, labels: int) -> NDArray[np.float64]:
    """(draws, labels * labels) counts -> (draws,), NaN where chance alone would agree always."""
    square = tables.reshape(-1, labels, labels).astype(float)
    total = square.sum((1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        observed = np.trace(square, axis1=1, axis2=2) / total
        chance = (square.sum(1) * square.sum(2)).sum(1) / total**2
        found: NDArray[np.float64] = np.where(chance < 1, (observed - chance) / (1 - chance), np.nan)
    return found
