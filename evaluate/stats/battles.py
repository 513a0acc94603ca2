"""Battles as counts of distinct (pair, outcome), which is all that ratings without features depend on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluate.stats.win_rate import checked


class NoRatings(ValueError):
    """A sentence for people: why these battles give no ratings on a common scale."""


@dataclass(frozen=True)
class Battles:
    """`names`: models in order of name. `first`, `second`: (battles,), places in it; `scores`: (battles,), 1 if the
    first won, 0.5 tied. `pairs`: (pairs, 2), who met, the lower place first. `pair`, `outcome`, `counts`: (kinds,),
    of each distinct battle its place in `pairs`, what the lower place got of the win, and how many there were;
    `kind`: (battles,), which of those each is."""

    names: tuple[str, ...]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    scores: NDArray[np.float64]
    pairs: NDArray[np.int64]
    pair: NDArray[np.int64]
    outcome: NDArray[np.float64]
    counts: NDArray[np.int64]
    kind: NDArray[np.int64]

    @property
    def fought(self) -> NDArray[np.int64]:
        """(models,), battles of each."""
        models = len(self.names)
        return np.bincount(self.first, minlength=models) + np.bincount(self.second, minlength=models)

    @property
    def won(self) -> NDArray[np.float64]:
        """(models,), wins of each, ties half."""
        models = len(self.names)
        found = np.zeros(models)
        found += np.bincount(self.first, weights=self.scores, minlength=models)
        found += np.bincount(self.second, weights=1 - self.scores, minlength=models)
        return found

    def by_pair(self, counts: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(draws, kinds) counts -> (draws, pairs) wins of the lower place, ties half, and (draws, pairs) games."""
        # Kinds come in order of their pair, so each pair is one run of them.
        begin = np.flatnonzero(np.diff(self.pair, prepend=-1))
        games = np.add.reduceat(counts, begin, axis=1).astype(float)
        return np.add.reduceat(counts * self.outcome, begin, axis=1), games


def battles(firsts: Sequence[str], seconds: Sequence[str], outcomes: ArrayLike) -> Battles:
    """firsts, seconds: (battles,), names of the models; outcomes: (battles,), 1 where the first won, 0.5 a tie, 0.

    Raises ValueError where lengths differ, an outcome is not between 0 and 1, or a model meets itself.
    """
    scores = checked(outcomes)
    if not len(firsts) == len(seconds) == scores.size:
        raise ValueError(f"{len(firsts)} firsts, {len(seconds)} seconds and {scores.size} outcomes: they go together.")
    names = tuple(sorted({*firsts, *seconds}))
    place = {name: i for i, name in enumerate(names)}
    first = np.fromiter(map(place.__getitem__, firsts), np.int64, len(firsts))
    second = np.fromiter(map(place.__getitem__, seconds), np.int64, len(seconds))
    if (same := np.flatnonzero(first == second)).size:
        raise ValueError(f"{names[first[same[0]]]} cannot be rated by battles with itself. Leave those out.")
    lower, higher = np.minimum(first, second), np.maximum(first, second)
    levels, level = distinct(np.where(first < second, scores, 1 - scores))
    keys = (lower * len(names) + higher) * len(levels) + level
    kinds, kind = ranks(keys)
    of_pair, pair = np.unique(kinds // len(levels), return_inverse=True)
    pairs = np.stack([of_pair // len(names), of_pair % len(names)], axis=1)
    counts = np.bincount(kind, minlength=len(kinds))
    return Battles(names, first, second, scores, pairs, pair, levels[kinds % len(levels)], counts, kind)


def distinct(values: NDArray) -> tuple[NDArray, NDArray]:
    """Sorted distinct values, and the place of each value among them. Wins and ties alone need no sorting."""
    doubled = values * 2
    if values.size and (doubled == np.rint(doubled)).all():
        return np.array([0.0, 0.5, 1.0]), doubled.astype(np.int64)
    levels, level = np.unique(values, return_inverse=True)
    return levels, level.reshape(-1)


def ranks(keys: NDArray) -> tuple[NDArray, NDArray]:
    """Sorted distinct keys, and the place of each among them; by counting where keys are few, which sorting is not."""
    if not keys.size or keys.max() > 4 * keys.size + 1_000_000:
        kinds, kind = np.unique(keys, return_inverse=True)
        return kinds, kind.reshape(-1)
    there = np.bincount(keys) > 0
    place = np.cumsum(there) - 1
    return np.flatnonzero(there), place[keys]


def groups(models: int, pairs: NDArray) -> list[list[int]]:
    """Models by who met whom, directly or through others, the largest group first."""
    parent = list(range(models))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for a, b in pairs.tolist():
        parent[root(a)] = root(b)
    found: dict[int, list[int]] = {}
    for i in range(models):
        found.setdefault(root(i), []).append(i)
    return sorted(found.values(), key=lambda group: (-len(group), group))


def unbeaten(fought: Battles) -> list[int]:
    """A set of models that the others took nothing from, or none: ratings are finite only then (Ford 1957)."""
    models = len(fought.names)
    takes = np.eye(models, dtype=bool)  # row took something from column
    low, high = fought.pairs[fought.pair].T
    takes[low[fought.outcome > 0], high[fought.outcome > 0]] = True
    takes[high[fought.outcome < 1], low[fought.outcome < 1]] = True
    for middle in range(models):
        takes |= takes[:, [middle]] & takes[[middle], :]
    if takes.all():
        return []
    # The models that the fewest take anything from, along any chain, are at the top and cannot be bounded.
    top = int(np.argmin(takes.sum(axis=0)))
    return [i for i in range(models) if takes[top, i] and takes[i, top]]
