"""The reliability table that agreement is computed from: who gave which value to which unit.

Knows neither Django nor the database.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isinf
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Kinds:
    """Units without their raters. Units with the same values are interchangeable, so only distinct ones are kept.

    A cell is one value in one kind of unit, and how many raters gave it.
    """

    cell_kind: NDArray[np.int64]
    """(cells,), ascending from 0 without a gap."""
    cell_value: NDArray[np.int64]
    """(cells,), the place of the value in the domain."""
    cell_count: NDArray[np.int64]
    """(cells,), at least 1."""
    times: NDArray[np.int64]
    """(kinds,), how many units are of this kind."""
    values: int
    """Size of the domain."""
    numbers: NDArray[np.float64] | None
    """(values,), the domain, ascending; None where values are texts."""

    @property
    def units(self) -> int:
        return int(self.times.sum())

    @cached_property
    def sizes(self) -> NDArray[np.float64]:
        """(kinds,), raters of one unit, at least two."""
        return self.summed(np.ones(self.cell_kind.size))

    @cached_property
    def agreeing(self) -> NDArray[np.float64]:
        """(kinds,), ordered pairs of two raters of one unit who gave the same value."""
        return self.summed(self.cell_count - 1.0)

    def summed(self, of_cell: NDArray) -> NDArray[np.float64]:
        """The sum over the raters of each kind of something that depends on the cell. (cells,) -> (kinds,)."""
        given = self.cell_count * of_cell
        return np.bincount(self.cell_kind, weights=given, minlength=self.times.size).astype(float)

    def totals(self, weights: NDArray) -> NDArray[np.float64]:
        """How often each value was given, under each row of unit weights. (draws, kinds) -> (draws, values)."""
        rows = [
            np.bincount(self.cell_value, weights=row[self.cell_kind] * self.cell_count, minlength=self.values)
            for row in weights
        ]
        return np.array(rows)


@dataclass(frozen=True)
class Table:
    """Units x raters in long form: only the ratings that exist are kept, so a large crowd costs nothing."""

    unit: NDArray[np.int64]
    """(ratings,), whole numbers from 0."""
    rater: NDArray[np.int64]
    """(ratings,), the place in `raters`."""
    value: NDArray[np.int64]
    """(ratings,), the place in `values`."""
    raters: tuple[str, ...]
    values: tuple[Any, ...]
    """The distinct values, ascending where they are numbers."""

    @cached_property
    def kinds(self) -> Kinds:
        """Of the units that two raters or more gave a value; a single value says nothing of agreement."""
        width = max(len(self.values), 1)
        shared = (np.bincount(self.unit) >= 2)[self.unit]
        key, count = np.unique(self.unit[shared] * width + self.value[shared], return_counts=True)
        numeric = all(isinstance(value, (int, float)) for value in self.values)
        numbers = np.array(self.values, dtype=float) if numeric else None
        return distinct(key // width, key % width, count, values=len(self.values), numbers=numbers)


def table(units: Sequence[object], raters: Sequence[object], values: Sequence[object]) -> Table:
    """The table of ratings, each given by its unit, rater and value (None or NaN where missing). All (ratings,).

    Raises ValueError where a rater rated a unit twice, and for an infinite number.
    """
    # NaN is the only value that differs from itself.
    missing = [value is None or value != value for value in values]
    unit, _ = coded([u for u, gone in zip(units, missing, strict=True) if not gone])
    rater, names = coded([str(r) for r, gone in zip(raters, missing, strict=True) if not gone])
    value, domain = coded([v for v, gone in zip(values, missing, strict=True) if not gone])
    if any(isinstance(value, float) and isinf(value) for value in domain):
        raise ValueError("A value is infinite. Give a number, or None where there is none.")
    cells, times = np.unique(unit * max(len(names), 1) + rater, return_counts=True)
    if (times > 1).any():
        name = names[int(cells[times > 1][0]) % len(names)]
        raise ValueError(f"{name} rated {int((times > 1).sum())} unit(s) twice. Keep one value of each rater and unit.")
    return Table(unit, rater, value, names, domain)


def matrix(rows: Sequence[Sequence[object]], raters: Sequence[str] = ()) -> Table:
    """The table of units x raters, None or NaN where missing. Raters without names are 1, 2, 3 and so on."""
    names = list(raters) or [str(i + 1) for i in range(len(rows[0]) if rows else 0)]
    flat = [(i, name, value) for i, row in enumerate(rows) for name, value in zip(names, row, strict=True)]
    return table([unit for unit, _, _ in flat], [name for _, name, _ in flat], [value for _, _, value in flat])


def from_counts(counts: Sequence[Sequence[int]]) -> Kinds:
    """Kinds from units x values, how many raters gave each value; the values are 0, 1, 2 and so on."""
    given = np.array(counts, dtype=np.int64).reshape(len(counts), len(counts[0]) if counts else 0)
    given = given[given.sum(axis=1) >= 2]
    unit, value = np.nonzero(given)
    width = given.shape[1]
    return distinct(unit, value, given[unit, value], values=width, numbers=np.arange(width, dtype=float))


def coded(keys: Sequence[Any]) -> tuple[NDArray[np.int64], tuple[Any, ...]]:
    """Each key's place among the distinct ones in order, and those."""
    order = in_order(set(keys))
    place = {key: i for i, key in enumerate(order)}
    return np.fromiter((place[key] for key in keys), dtype=np.int64, count=len(keys)), order


def in_order(names: Iterable[Any]) -> tuple[Any, ...]:
    """Numbers by size, texts by the alphabet; texts that are all whole numbers by size too, so that 2 precedes 10."""
    names = list(names)
    if all(isinstance(name, (int, float)) for name in names):
        return tuple(sorted(names))
    if all(isinstance(name, str) and name.isdecimal() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names, key=str))


def distinct(
    unit: NDArray[Any], value: NDArray[Any], count: NDArray[Any], *, values: int, numbers: NDArray[np.float64] | None
) -> Kinds:
    """Kinds from the cells of single units, sorted by unit and value. unit, value, count: (cells,).

    Kinds come in an order that depends on their cells alone, so a seed gives one result however units are ordered.
    """
    begin = np.flatnonzero(np.diff(unit, prepend=-1))
    length = np.diff(np.append(begin, unit.size))
    cell = value * (count.max(initial=0) + 1) + count
    starts, lengths, times = [np.zeros((0,), np.int64)], [np.zeros((0,), np.int64)], [np.zeros((0,), np.int64)]
    for cells in np.unique(length):
        # Among units with equally many cells: one number stands for the first j cells, and grows cell by cell.
        start = begin[length == cells]
        alike = np.zeros(start.size, dtype=np.int64)
        for j in range(cells):
            place = np.unique(cell[start + j], return_inverse=True)[1]
            _, first, alike, found = np.unique(
                alike * (place.max() + 1) + place, return_index=True, return_inverse=True, return_counts=True
            )
        starts.append(start[first])
        lengths.append(np.full(first.size, cells))
        times.append(found)
    start, length = np.concatenate(starts), np.concatenate(lengths)
    kind = np.repeat(np.arange(start.size), length)
    chosen = np.arange(kind.size) - np.repeat(np.cumsum(length) - length, length) + np.repeat(start, length)
    return Kinds(kind, value[chosen], count[chosen], np.concatenate(times), values, numbers)
