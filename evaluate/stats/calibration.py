"""Is a judge as sure as it is right: reliability bins, expected calibration error, Brier score; and what it costs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluate.stats.estimate import UNDEFINED, Estimate
from evaluate.stats.win_rate import DRAWS, codes, wilson

BINS = 10
CELLS = 4_000_000


@dataclass(frozen=True)
class Bin:
    """Judgements with a confidence above `begin` up to `end`; `accuracy` has Wilson's interval."""

    begin: float
    end: float
    confidence: float | None
    accuracy: Estimate


@dataclass(frozen=True)
class Calibration:
    """`error`: expected calibration error, the mean gap of confidence and accuracy over bins, weighted by their n.
    It is biased upwards where judgements are few. `brier`: mean squared gap of each judgement."""

    bins: tuple[Bin, ...]
    error: Estimate
    brier: Estimate
    mean_confidence: float | None
    accuracy: float | None


def calibration(
    confidence: ArrayLike, right: ArrayLike, *, bins: int = BINS,
    clusters: Sequence[object] | NDArray | None = None, draws: int = DRAWS, seed: int = 0,
) -> Calibration:  # fmt: skip
    """confidence: (judgements,), the chance 0 to 1 that the judge gave its verdict; right: (judgements,), 1 or 0, or
    0.5 where people tied. Bins are equally wide (Guo et al. 2017). Intervals of the two figures resample clusters.
    """
    sure, hit = np.asarray(confidence, dtype=float), np.asarray(right, dtype=float)
    if sure.shape != hit.shape or sure.ndim != 1:
        raise ValueError(f"{sure.size} confidences and {hit.size} outcomes: give one of each a judgement.")
    if not (((sure >= 0) & (sure <= 1)).all() and ((hit >= 0) & (hit <= 1)).all()):
        raise ValueError("Confidences and outcomes lie between 0 and 1.")
    # 0 belongs to the first bin, and each edge to the bin below it.
    place = np.clip(np.ceil(sure * bins).astype(int) - 1, 0, bins - 1)
    rows = tuple(bin_of(i, bins, sure[place == i], hit[place == i]) for i in range(bins))
    if not sure.size:
        return Calibration(rows, UNDEFINED, UNDEFINED, None, None)
    unit = np.arange(sure.size) if clusters is None else codes(clusters)
    units = int(unit.max()) + 1
    gaps, squares, sizes = np.zeros((units, bins)), np.zeros(units), np.bincount(unit)
    np.add.at(gaps, (unit, place), sure - hit)
    np.add.at(squares, unit, (sure - hit) ** 2)
    rng, size = np.random.default_rng(seed), max(1, CELLS // units)
    error, brier = [np.abs(gaps.sum(axis=0)).sum(keepdims=True) / sure.size], [squares.sum(keepdims=True) / sure.size]
    for begin in range(0, draws, size):
        times = rng.multinomial(units, np.full(units, 1 / units), size=min(size, draws - begin))
        n = times @ sizes
        error.append(np.abs(times @ gaps).sum(axis=1) / n)
        brier.append(times @ squares / n)
    return Calibration(
        rows,
        bounded(np.concatenate(error), sure.size, units),
        bounded(np.concatenate(brier), sure.size, units),
        float(sure.mean()),
        float(hit.mean()),
    )


def bin_of(place: int, bins: int, sure: NDArray, hit: NDArray) -> Bin:
    edges = place / bins, (place + 1) / bins
    if not sure.size:
        return Bin(*edges, None, UNDEFINED)
    return Bin(*edges, float(sure.mean()), Estimate(float(hit.mean()), *wilson(float(hit.sum()), hit.size), hit.size))


def bounded(figures: NDArray, n: int, units: int) -> Estimate:
    """The first is the figure, the others its resamples."""
    value = float(figures[0])
    if len(figures) == 1:
        return Estimate(value, None, None, n, units)
    low, high = np.percentile(figures[1:], [2.5, 97.5])
    return Estimate(value, min(float(low), value), max(float(high), value), n, units)


@dataclass(frozen=True)
class Cost:
    """What `n` judgements took, unreadable ones too: they cost as much."""

    n: int
    tokens: int
    seconds: float
    money: float
    per_judgement: float | None
    per_right: float | None
    """Money for one judgement that people agree with; None where none is."""


def cost(tokens: ArrayLike, seconds: ArrayLike, prices: ArrayLike, right: ArrayLike) -> Cost:
    """(judgements,) each: tokens read and written, seconds, price, and whether it was right (unreadable ones are 0)."""
    spent, took, paid, hit = (np.asarray(part, dtype=float) for part in (tokens, seconds, prices, right))
    if not spent.shape == took.shape == paid.shape == hit.shape:
        raise ValueError("Tokens, seconds, prices and outcomes: give one of each a judgement.")
    money, good = float(paid.sum()), float(hit.sum())
    return Cost(spent.size, int(spent.sum()), float(took.sum()), money,
                money / spent.size if spent.size else None, money / good if good else None)  # fmt: skip
