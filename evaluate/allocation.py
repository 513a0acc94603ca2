"""Which pair to judge next, so that the intervals of the ratings shrink fastest, and when to stop. Pure functions.

A battle of models i and j adds p (1 - p) (e_i - e_j)(e_i - e_j)' to the Fisher information of the Bradley-Terry
log-strengths, p being the chance that i wins. The next battle is the one that takes most off the summed variance of
all ratings (A-optimal design, one step ahead; Sherman and Morrison 1950 give the variance after it). Ratings are read
against their mean here; a tie is half a win to each and counts as one battle.

It depends on who won only through p, and the stopping rule only through the widths, so that judging until the
intervals are narrow does not favour a model that was lucky early.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

SCALE = 400 / np.log(10)
Z = 1.959963984540054
PRIOR = 0.5
"""Wins and losses that each model is given on top, spread over all others: a model that nobody judged has a wide
interval and not an infinite one, however many models there are."""
STEPS = 100


@dataclass(frozen=True)
class State:
    """What is known of the ratings. `strength`: (models,), log-odds, mean 0; `covariance`: (models, models)."""

    strength: NDArray[np.float64]
    covariance: NDArray[np.float64]

    @property
    def half_widths(self) -> NDArray[np.float64]:
        """(models,), half of each 95% interval, in rating points."""
        widths: NDArray[np.float64] = SCALE * Z * np.sqrt(np.diag(self.covariance))
        return widths


@dataclass(frozen=True)
class Plan:
    """How many battles of each pair to judge next, and what that makes of the intervals."""

    battles: dict[tuple[int, int], int]
    """(lower place, higher place) -> number, most first."""
    before: float
    after: float
    """The widest half-width of a 95% interval in points, as it is and as expected after these battles."""
    stop: str = ""
    """Why nothing more needs to be judged, as a sentence."""


def state(wins: ArrayLike, *, prior: float = PRIOR) -> State:
    """From wins[i, j], how often i beat j with ties half to each. (models, models), zero on the diagonal.

    Raises ValueError for another shape, or for numbers that are negative or none.
    """
    won = checked(wins)
    models = len(won)
    won = won + prior / (models - 1) * (1 - np.eye(models))
    games = won + won.T
    strength = np.zeros(models)
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(strength[None, :] - strength[:, None]))
        gradient = (won - games * chance).sum(axis=1)
        step = variance_of(information(games, strength)) @ gradient
        strength = strength + step * min(1.0, 2 / max(float(np.abs(step).max()), 1e-300))
        if np.abs(step).max() < 1e-10:
            break
    strength -= strength.mean()
    return State(strength, variance_of(information(games, strength)))


def information(games: NDArray, strength: NDArray) -> NDArray[np.float64]:
    chance = 1 / (1 + np.exp(strength[None, :] - strength[:, None]))
    weight = games * chance * (1 - chance)
    found: NDArray[np.float64] = np.diag(weight.sum(axis=1)) - weight
    return found


def variance_of(found: NDArray) -> NDArray[np.float64]:
    """Inverse on strengths that sum to nothing: all may be moved alike without a change."""
    models = len(found)
    all_alike = np.full((models, models), 1 / models)
    inverse: NDArray[np.float64] = np.linalg.inv(found + all_alike) - all_alike
    return inverse


def next_battles(
    wins: ArrayLike, number: int, *, allowed: ArrayLike | None = None, target: float = 0.0, prior: float = PRIOR
) -> Plan:
    """The best `number` of battles to judge next, one after the other, each given those before it.

    wins: as `state` takes them. allowed: (models, models), how many battles each pair has left to judge; None is any
    number. target: stop where the widest 95% interval is at most so many points to each side; 0 asks for no width.
    """
    known = state(wins, prior=prior)
    models = len(known.strength)
    widest = float(known.half_widths.max())
    left = np.full((models, models), np.inf) if allowed is None else np.array(allowed, dtype=float)
    if left.shape != (models, models):
        raise ValueError(f"There are {models} models, and what is left to judge has the shape {left.shape}.")
    left = np.triu(np.minimum(left, left.T), 1)
    if target and widest <= target:
        return Plan({}, widest, widest, f"Every interval is within {target:g} points to each side.")
    if not (left > 0).any():
        return Plan({}, widest, widest, "Every battle that there can be was judged.")
    chance = 1 / (1 + np.exp(known.strength[None, :] - known.strength[:, None]))
    weight, covariance = chance * (1 - chance), known.covariance.copy()
    chosen: dict[tuple[int, int], int] = {}
    for _ in range(number):
        if not (left > 0).any() or (target and widest_of(covariance) <= target):
            break
        i, j = best(covariance, weight, left)
        chosen[i, j] = chosen.get((i, j), 0) + 1
        left[i, j] -= 1
        column = covariance[:, i] - covariance[:, j]
        covariance -= np.outer(column, column) * weight[i, j] / (1 + weight[i, j] * (column[i] - column[j]))
    ordered = dict(sorted(chosen.items(), key=lambda item: (-item[1], item[0])))
    return Plan(ordered, widest, widest_of(covariance))


def best(covariance: NDArray, weight: NDArray, left: NDArray) -> tuple[int, int]:
    """The pair whose battle takes most off the summed variance; of equals the first."""
    squared = covariance @ covariance
    own, twice = np.diag(squared), np.diag(covariance)
    removed = own[:, None] + own[None, :] - 2 * squared
    spread = twice[:, None] + twice[None, :] - 2 * covariance
    gain = np.where(left > 0, weight * removed / (1 + weight * spread), -np.inf)
    i, j = np.unravel_index(int(np.argmax(gain)), gain.shape)
    return int(i), int(j)


def widest_of(covariance: NDArray) -> float:
    return float(SCALE * Z * np.sqrt(np.diag(covariance).max()))


def checked(wins: ArrayLike) -> NDArray[np.float64]:
    won = np.array(wins, dtype=float)
    if won.ndim != 2 or won.shape[0] != won.shape[1] or len(won) < 2:
        raise ValueError(f"Wins are a square of at least two models, not of the shape {won.shape}.")
    if not (won >= 0).all() or np.diag(won).any():
        raise ValueError("Wins are not negative, and no model beats itself.")
    return won
