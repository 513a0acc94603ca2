"""Who wins against whom: a win rate for each pair of models, with two kinds of interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluate.stats.battles import battles
from evaluate.stats.estimate import UNDEFINED, Estimate
from evaluate.stats.win_rate import DRAWS, clustered_win_rate, codes, win_rate


@dataclass(frozen=True)
class Cell:
    """The win rate of `model` against `other`, ties half. `wilson` takes battles as independent, `bootstrap` takes
    clusters (prompts) so; both are undefined where the two never met."""

    model: str
    other: str
    wilson: Estimate
    bootstrap: Estimate


@dataclass(frozen=True)
class Matrix:
    """`cells[i][j]` is of `names[i]` against `names[j]`; the diagonal is undefined."""

    names: tuple[str, ...]
    cells: tuple[tuple[Cell, ...], ...]

    def cell(self, model: str, other: str) -> Cell:
        return self.cells[self.names.index(model)][self.names.index(other)]


def win_rate_matrix(
    firsts: Sequence[str], seconds: Sequence[str], outcomes: ArrayLike, *,
    clusters: Sequence[object] | NDArray | None = None, draws: int = DRAWS, seed: int = 0,
) -> Matrix:  # fmt: skip
    """firsts, seconds: (battles,), names; outcomes: (battles,), 1 where the first won, 0.5 a tie; clusters: (battles,),
    the prompt of each battle, without which each battle is its own.

    The two halves mirror each other: rates add up to 1, and intervals are turned around.
    """
    fought = battles(firsts, seconds, outcomes)
    unit = np.arange(fought.scores.size) if clusters is None else codes(clusters)
    if unit.size != fought.scores.size:
        raise ValueError(f"{fought.scores.size} outcomes and {unit.size} clusters: give one cluster an outcome.")
    lower = np.where(fought.first < fought.second, fought.scores, 1 - fought.scores)
    pair = fought.pair[fought.kind]
    order = np.argsort(pair, kind="stable")
    found: dict[tuple[int, int], tuple[Estimate, Estimate]] = {}
    runs = np.split(order, np.flatnonzero(np.diff(pair[order])) + 1) if order.size else []
    for (low, high), run in zip(fought.pairs.tolist(), runs, strict=True):
        plain = win_rate(lower[run])
        drawn = clustered_win_rate(lower[run], unit[run], draws=draws, seed=seed)
        found[low, high] = plain, drawn
        found[high, low] = turned(plain), turned(drawn)
    names = fought.names
    return Matrix(
        names,
        tuple(
            tuple(Cell(one, other, *found.get((i, j), (UNDEFINED, UNDEFINED))) for j, other in enumerate(names))
            for i, one in enumerate(names)
        ),
    )


def turned(estimate: Estimate) -> Estimate:
    """The same battles from the other side."""
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return estimate
    return Estimate(1 - estimate.value, 1 - estimate.high, 1 - estimate.low, estimate.n, estimate.clusters)
