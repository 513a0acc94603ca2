"""How far raters agree: pure functions of a reliability table. Knows neither Django nor the database.

docs/quality.md says which figure to quote when.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from annotate.quality.reliability import Kinds, Table, from_counts, matrix, table

__all__ = [
    "DRAWS", "LEVELS", "Estimate", "Kinds", "Level", "Table", "alpha", "cohen_kappas", "fleiss_kappa", "from_counts",
    "matrix", "raw", "table",
]  # fmt: skip

Level = Literal["nominal", "ordinal", "interval"]
LEVELS: tuple[Level, ...] = ("nominal", "ordinal", "interval")
DRAWS = 1000
PART = 4_000_000
"""How many numbers one step may hold at once: 32 MB an array."""
MOST_COMPARISONS = 500_000_000
"""Pairs of ratings of one unit; beyond, kappa for each pair of raters would take minutes and no one could read it."""
FEWEST_UNITS = 2
NOTHING_SHARED = "No unit has values by two raters."
ONE_VALUE = "Only one value was ever used, so raters who do not look at all would agree as well."
ONE_UNIT = "An interval needs at least two units that two raters rated."

Figure = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Unit weights (draws, kinds) -> the figure of each draw (draws,), NaN where it is undefined."""


@dataclass(frozen=True)
class Estimate:
    """`value` with its 95% bootstrap interval `low`..`high`; `n` units are behind it.

    `reason` is the sentence that says why the value is None, or the interval that was asked for.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    reason: str = ""


def raw(ratings: Table | Kinds, *, draws: int = DRAWS, seed: int = 0) -> Estimate:
    """Observed agreement: the share of pairs of raters of a unit who gave the same value, averaged over units.

    Only units with two values or more count, each the same, however many raters it had: the mean over units of
    sum_c n_c (n_c - 1) / (m (m - 1)), with n_c of its m raters on value c. This is the P-bar of Fleiss (1971). It
    knows nothing of chance: two raters who always say the same of two values that are equally likely reach 1/2 blind.
    """
    kinds = kinds_of(ratings)
    shares = agreeing_shares(kinds)
    return estimated(kinds, lambda weights: weights @ shares / weights.sum(axis=1), draws=draws, seed=seed)


def fleiss_kappa(ratings: Table | Kinds, *, draws: int = DRAWS, seed: int = 0) -> Estimate:
    """Fleiss' kappa (1971), (P - P_e) / (1 - P_e), for any number of raters a unit.

    P is the raw agreement, each unit counting the same. P_e = sum_c p_c^2, with p_c the share of value c among all
    values of the units with two or more. With the same number of raters on each unit this is Fleiss' own formula.
    Undefined where only one value was used: then P_e is 1.
    """
    kinds = kinds_of(ratings)
    shares = agreeing_shares(kinds)

    def figure(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        totals = kinds.totals(weights)
        chance = ((totals / totals.sum(axis=1, keepdims=True)) ** 2).sum(axis=1)
        return ratio(weights @ shares / weights.sum(axis=1) - chance, np.where(several(totals), 1 - chance, 0))

    return estimated(kinds, figure, draws=draws, seed=seed)


def alpha(ratings: Table | Kinds, *, level: Level = "nominal", draws: int = DRAWS, seed: int = 0) -> Estimate:
    """Krippendorff's alpha (2011), 1 - D_o / D_e: 0 is what chance would give, 1 is perfect.

    D_o is the mean difference between two values of one unit, D_e between any two values of all units. How far
    values differ depends on the level. nominal: 1 if they are not the same. interval: (a - b)^2. ordinal: the square of
    the number of values ranked between them, half of those at either end included, which is (a - b)^2 with each value
    replaced by its mean rank. Undefined where only one value was used: then D_e is 0.

    Raises ValueError for values that are not numbers unless the level is nominal.
    """
    kinds = kinds_of(ratings)
    if level != "nominal" and kinds.numbers is None:
        raise ValueError(f"For the level {level}, values must be numbers. Number them in their order, or use nominal.")
    disagreement = {"nominal": nominal, "ordinal": ordinal, "interval": interval}[level]
    return estimated(kinds, disagreement(kinds), draws=draws, seed=seed)


def nominal(kinds: Kinds) -> Figure:
    within = kinds.sizes - kinds.agreeing / (kinds.sizes - 1)

    def figure(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        totals = kinds.totals(weights)
        n = totals.sum(axis=1)
        return 1 - ratio((n - 1) * (weights @ within), n**2 - (totals**2).sum(axis=1))

    return figure


def interval(kinds: Kinds) -> Figure:
    if kinds.numbers is None or not kinds.units:
        return undefined
    # Centred and scaled, which alpha does not see, so that large numbers lose no digits.
    number = (kinds.numbers - kinds.numbers.mean()) / (np.ptp(kinds.numbers) or 1.0)
    given = number[kinds.cell_value]
    total, square = kinds.summed(given), kinds.summed(given**2)
    apart = kinds.summed((given - (total / kinds.sizes)[kinds.cell_kind]) ** 2)
    within = 2 * kinds.sizes * apart / (kinds.sizes - 1)

    def figure(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        n, squares = weights @ kinds.sizes, weights @ square
        expected = 2 * (n * squares - (weights @ total) ** 2)
        # Where a resample has one value only, what is left of the difference is rounding.
        return 1 - ratio((n - 1) * (weights @ within), np.where(expected > 1e-12 * n * squares, expected, 0))

    return figure


def ordinal(kinds: Kinds) -> Figure:
    begin = np.flatnonzero(np.diff(kinds.cell_kind, prepend=-1))

    def figure(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        totals = kinds.totals(weights)
        n = totals.sum(axis=1)
        # Mean ranks depend on how often each value was drawn, so they are another in each resample.
        ranks = np.cumsum(totals, axis=1) - totals / 2 - n[:, None] / 2
        given = ranks[:, kinds.cell_value]
        total = np.add.reduceat(given * kinds.cell_count, begin, axis=1)
        square = np.add.reduceat(given**2 * kinds.cell_count, begin, axis=1)
        within = 2 * np.maximum(kinds.sizes * square - total**2, 0) / (kinds.sizes - 1)
        # Ranks are centred, so their sum over all values is 0.
        return 1 - ratio((n - 1) * (weights * within).sum(axis=1), 2 * n * (ranks**2 * totals).sum(axis=1))

    return figure


def undefined(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.full(len(weights), np.nan)


def kinds_of(ratings: Table | Kinds) -> Kinds:
    return ratings.kinds if isinstance(ratings, Table) else ratings


def agreeing_shares(kinds: Kinds) -> NDArray[np.float64]:
    """(kinds,), the share of pairs of raters of a unit who gave the same value."""
    return kinds.agreeing / (kinds.sizes * (kinds.sizes - 1))


def several(totals: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether more than one value was used. (draws, values) -> (draws,)."""
    return np.count_nonzero(totals, axis=1) > 1


def ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    """above / below, NaN where below is not positive."""
    return np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0)


def estimated(kinds: Kinds, figure: Figure, *, draws: int, seed: int) -> Estimate:
    """The figure over all units, with a percentile interval from `draws` resamples of whole units.

    Resamples in which the figure is undefined (one value only was drawn) are left out. draws=0 makes no interval.
    """
    if not kinds.units:
        return Estimate(None, None, None, 0, NOTHING_SHARED)
    value = float(figure(kinds.times[None, :].astype(float))[0])
    if np.isnan(value):
        return Estimate(None, None, None, kinds.units, ONE_VALUE)
    if not draws:
        return Estimate(value, None, None, kinds.units)
    if kinds.units < FEWEST_UNITS:
        return Estimate(value, None, None, kinds.units, ONE_UNIT)
    held = max(kinds.times.size, kinds.cell_kind.size, kinds.values)
    samples = np.concatenate([figure(part) for part in resamples(kinds.times, draws=draws, seed=seed, held=held)])
    low, high = np.nanpercentile(samples, [2.5, 97.5])
    return Estimate(value, float(low), float(high), kinds.units)


def resamples(times: NDArray[np.int64], *, draws: int, seed: int, held: int) -> Iterator[NDArray[np.float64]]:
    """How often each kind is drawn, a part of the draws at a time: (part, kinds), `part * held` at most PART.

    Units of one kind are interchangeable, so a resample is one multinomial draw over the kinds: its cost does not grow
    with the number of units. Where nearly every unit is of a kind of its own, drawing units is faster.
    """
    rng, units = np.random.default_rng(seed), int(times.sum())
    size = max(1, PART // held)
    kind = np.repeat(np.arange(times.size), times) if times.size * 8 > units else None
    for begin in range(0, draws, size):
        part = min(size, draws - begin)
        if kind is None:
            yield rng.multinomial(units, times / units, size=part).astype(float)
        else:
            drawn = [np.bincount(kind[rng.integers(units, size=units)], minlength=times.size) for _ in range(part)]
            yield np.array(drawn, dtype=float)


# --- Pairs of raters ----------------------------------------------------------------------------------------


def cohen_kappas(ratings: Table, *, draws: int = DRAWS, seed: int = 0) -> dict[tuple[str, str], Estimate]:
    """Cohen's kappa (1960), (p_o - p_e) / (1 - p_e), of each pair of raters who share a unit, in the raters' order.

    p_o is the share of the shared units on which both gave the same value; p_e = sum_c a_c b_c, with a_c and b_c how
    much of either's values on those units is c. Unweighted, whatever the level. Undefined where both gave one and the
    same value to all. The interval of a pair resamples its shared units; draws=0 makes none, for large crowds.

    Raises ValueError where the raters share more than MOST_COMPARISONS pairs of ratings.
    """
    pair, first, second, count = cross_tables(ratings)
    begin = np.append(np.flatnonzero(np.diff(pair, prepend=-1)), pair.size)
    people, found = len(ratings.raters), {}
    for start, end in zip(begin[:-1].tolist(), begin[1:].tolist(), strict=True):
        a, b = divmod(int(pair[start]), people)
        part = slice(start, end)
        found[ratings.raters[a], ratings.raters[b]] = kappa(
            first[part], second[part], count[part], draws=draws, seed=seed
        )
    return found


def kappa(
    first: NDArray[np.int64], second: NDArray[np.int64], count: NDArray[np.int64], *, draws: int, seed: int
) -> Estimate:
    """Cohen's kappa of one cross table: `count` units got `first` by one, `second` by the other. (cells,), sorted."""
    n, same = int(count.sum()), first == second
    order = np.argsort(second, kind="stable")
    one, begin = np.unique(first, return_index=True)
    other, other_begin = np.unique(second[order], return_index=True)
    _, here, there = np.intersect1d(one, other, assume_unique=True, return_indices=True)

    def figure(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        totals = np.add.reduceat(weights, begin, axis=1)[:, here]
        by_chance = (totals * np.add.reduceat(weights[:, order], other_begin, axis=1)[:, there]).sum(axis=1)
        # Multiplied by n^2, so that whole numbers stay whole and "undefined" is no matter of rounding.
        return ratio(n * weights[:, same].sum(axis=1) - by_chance, n**2 - by_chance)

    value = float(figure(count[None, :].astype(float))[0])
    if np.isnan(value):
        return Estimate(None, None, None, n, "Both gave one and the same value to every unit that they share.")
    if not draws:
        return Estimate(value, None, None, n)
    if n < FEWEST_UNITS:
        return Estimate(value, None, None, n, ONE_UNIT)
    samples = np.concatenate([figure(part) for part in resamples(count, draws=draws, seed=seed, held=count.size)])
    low, high = np.nanpercentile(samples, [2.5, 97.5])
    return Estimate(value, float(low), float(high), n)


def cross_tables(ratings: Table) -> tuple[NDArray[np.int64], ...]:
    """The cells of the cross tables of all pairs of raters who share a unit, sorted: pair, values of both, count.

    All (cells,). A pair is the place of the first rater times the number of raters, plus the place of the second.
    """
    people, width = len(ratings.raters), max(len(ratings.values), 1)
    if (people * width) ** 2 > np.iinfo(np.int64).max:
        raise ValueError(f"{people:,} raters and {width:,} different values are too many for Cohen's kappa.")
    keys, counts = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    for rater, value in shared(ratings):
        a, b = np.triu_indices(rater.shape[1], 1)
        key = ((rater[:, a] * people + rater[:, b]) * width + value[:, a]) * width + value[:, b]
        found, times = np.unique(key, return_counts=True)
        keys, place = np.unique(np.concatenate([keys, found]), return_inverse=True)
        counts = np.bincount(place, weights=np.concatenate([counts, times])).astype(np.int64)
    return keys // width**2, keys // width % width, keys % width, counts


def shared(ratings: Table) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Raters, ascending, and their values of units with equally many of them, part by part: (units, m) each."""
    order = np.lexsort((ratings.rater, ratings.unit))
    sizes = np.bincount(ratings.unit) if ratings.unit.size else np.zeros(0, dtype=np.int64)
    if (comparisons := int((sizes * (sizes - 1) // 2).sum())) > MOST_COMPARISONS:
        raise ValueError(
            f"Raters share {comparisons:,} pairs of ratings, too many to compare each two of them "
            f"(at most {MOST_COMPARISONS:,}). Take fewer units or fewer raters for Cohen's kappa."
        )
    begin = np.cumsum(sizes) - sizes
    for size in np.unique(sizes[sizes >= 2]).tolist():
        start = begin[sizes == size]
        step = max(1, PART // (size * (size - 1) // 2))
        for i in range(0, start.size, step):
            rows = order[start[i : i + step, None] + np.arange(size)]
            yield ratings.rater[rows], ratings.value[rows]
