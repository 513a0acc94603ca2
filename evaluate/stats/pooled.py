"""Ratings by language or tag with partial pooling: a group with few battles borrows from all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluate.stats.arena import CENTRE, SCALE, rateable
from evaluate.stats.battles import battles
from evaluate.stats.estimate import CONFIDENCE_Z
from evaluate.stats.newton import LONGEST, NEWTON_STEPS, chances

ROUNDS = 60
LEAST = 1e-4
"""Of the variance between groups: below it all groups are one."""


@dataclass(frozen=True)
class Pooled:
    """Points with 95% intervals: `overall`, `overall_low`, `overall_high`: (models,); `values`, `low`, `high`:
    (groups, models); `battles`: (groups, models). `spread`: how far a model's ratings differ between groups, as a
    standard deviation in points, estimated; near 0 the groups tell nothing apart."""

    names: tuple[str, ...]
    groups: tuple[str, ...]
    overall: NDArray[np.float64]
    overall_low: NDArray[np.float64]
    overall_high: NDArray[np.float64]
    values: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    battles: NDArray[np.int64]
    spread: float


def pooled_ratings(
    firsts: Sequence[str], seconds: Sequence[str], outcomes: ArrayLike, groups: Sequence[str], *, prior: float = 0.5
) -> Pooled:
    """Bradley-Terry with a deviation of each model in each group: strength = common + deviation, deviations normal
    with mean 0 and one variance, which is estimated from the data (empirical Bayes by EM with Laplace's approximation).

    firsts, seconds, groups: (battles,); outcomes: (battles,), 1 where the first won, 0.5 a tie. prior: wins a side that
    each pair has on top, shared among the groups that it met in, so that a model that wins everything stays bounded.

    A group that never saw a model has the common rating for it, with an interval that says so. Groups need not be
    connected by themselves; all battles together have to be, else NoRatings is raised. Intervals are normal, from the
    curvature at the maximum with the estimated variance taken as known, and so a little narrow for few groups.
    """
    fought = battles(firsts, seconds, outcomes)
    rateable(fought, prior=prior)
    if len(groups) != fought.scores.size:
        raise ValueError(f"{fought.scores.size} outcomes and {len(groups)} groups: give one group an outcome.")
    names = tuple(sorted(set(groups)))
    place = {name: i for i, name in enumerate(names)}
    of = np.fromiter(map(place.__getitem__, groups), np.int64, len(groups))
    models = len(fought.names)
    cells, index = np.unique(fought.pair[fought.kind] * len(names) + of, return_inverse=True)
    pair, group = cells // len(names), cells % len(names)
    lower = np.where(fought.first < fought.second, fought.scores, 1 - fought.scores)
    shared = prior / np.bincount(pair)[pair]
    wins = np.bincount(index, weights=lower) + shared
    games = np.bincount(index) + 2 * shared
    design = design_of(fought.pairs[pair], group, models, len(names))
    found, cov, variance = fitted(design, wins, games, models)
    shape = (len(names), models)
    total = np.hstack([np.tile(np.eye(models), (len(names), 1)), np.eye(models * len(names))])
    values = (total @ found).reshape(shape)
    error = np.sqrt(np.maximum(((total @ cov) * total).sum(axis=1), 0)).reshape(shape)
    common, common_error = found[:models], np.sqrt(np.maximum(np.diag(cov)[:models], 0))
    counted = np.zeros(shape, dtype=np.int64)
    for side in (fought.first, fought.second):
        np.add.at(counted, (of, side), 1)
    return Pooled(
        fought.names, names, *bounded(common, common_error), *bounded(values, error), counted,
        float(SCALE * np.sqrt(variance)),
    )  # fmt: skip


def bounded(middle: NDArray, error: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Points, and the bounds of their normal intervals."""
    half = CONFIDENCE_Z * error
    return CENTRE + SCALE * middle, CENTRE + SCALE * (middle - half), CENTRE + SCALE * (middle + half)


def design_of(pairs: NDArray, group: NDArray, models: int, groups: int) -> Any:
    """Sparse (cells, models + groups * models): the common strengths, then those of each group."""
    from scipy.sparse import csr_array  # only here: it takes a tenth of a second to import

    cells = len(pairs)
    own = models * (1 + group)
    columns = np.stack([pairs[:, 0], pairs[:, 1], own + pairs[:, 0], own + pairs[:, 1]], axis=1)
    places = np.repeat(np.arange(cells), 4), columns.reshape(-1)
    return csr_array((np.tile([1.0, -1.0, 1.0, -1.0], cells), places), shape=(cells, models * (1 + groups)))


def fitted(
    design: Any, wins: NDArray, games: NDArray, models: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """(parameters, their covariance, variance between groups). The mean of the common strengths is 0."""
    found, variance = np.zeros(design.shape[1]), 0.25
    seen = np.asarray(abs(design).sum(axis=0))[models:] > 0  # a deviation without battles says nothing of the variance
    cov = np.eye(design.shape[1])
    for _ in range(ROUNDS):
        found, cov = maximum(design, wins, games, models, variance, found)
        deviations = found[models:][seen] ** 2 + np.diag(cov)[models:][seen]
        before, variance = variance, max(float(deviations.mean()), LEAST)
        if abs(before - variance) < 1e-4 * variance:
            break
    return found, cov, variance


def maximum(
    design: Any, wins: NDArray, games: NDArray, models: int, variance: float, found: NDArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    penalty = np.concatenate([np.zeros(models), np.full(design.shape[1] - models, 1 / variance)])
    level = np.zeros_like(penalty)
    level[:models] = 1.0  # all common strengths may be moved alike: their sum is held at 0
    for _ in range(NEWTON_STEPS):
        chance = chances(design @ found)
        gradient = design.T @ (wins - games * chance) - penalty * found
        weight = games * chance * (1 - chance)
        curvature = (design.T @ design.multiply(weight[:, None]).tocsr()).toarray() + np.diag(penalty)
        step = np.linalg.solve(curvature + np.outer(level, level), gradient - level * (level @ found))
        largest = float(np.abs(step).max())
        found = found + step * min(1, LONGEST / max(largest, 1e-300))
        if largest < 1e-9:
            break
    cov = np.linalg.inv(curvature + np.outer(level, level))
    # What was added to make it solvable is no knowledge: take the direction out.
    middle = np.eye(len(found))
    middle[:models, :models] -= 1 / models
    return found, middle @ cov @ middle.T
