"""Maximum likelihood of many Bradley-Terry models on the same pairs at once."""

import numpy as np
from numpy.typing import NDArray

CHORD_STEPS = 12
NEWTON_STEPS = 200
PART = 50
"""Draws whose curvatures are in memory at once."""
LONGEST = 1.5
"""Log-odds that a step may move a model at most; far from the maximum Newton's full step overshoots."""


def solve(
    pairs: NDArray, wins: NDArray, games: NDArray, models: int, *, start: NDArray | None = None, ridge: float = 0.0,
    exact: float = 1e-10,
) -> NDArray[np.float64]:  # fmt: skip
    """Log-strengths whose mean is 0, of each draw. Returns (draws, models).

    pairs: (pairs, 2), places of the two; wins, games: (draws, pairs), wins of the first of the two, ties half, and
    games. start: (models,), where all draws begin. ridge: subtracts ridge / 2 times the sum of squares from the
    log-likelihood, which bounds a draw in which one model wins everything. exact: the step at which a draw is done.

    With a start near the maxima, which the fit of the data is for its resamples, all draws share the curvature there,
    one matrix for all (the chord method). It converges linearly, by a few hundredths a step where battles are many.
    What is not done by then takes Newton's steps, each draw with its own curvature.
    """
    draws = wins.shape[0]
    strength = np.zeros((draws, models)) if start is None else np.repeat(start[None, :], draws, axis=0)
    if models < 2:
        return strength
    side = incidence(pairs, models)
    left = np.arange(draws)
    if start is not None:
        left = chord(side, wins, games, strength, ridge=ridge, exact=exact)
    for part in np.array_split(left, max(1, -(-left.size // PART))):
        newton(pairs, side, wins[part], games[part], strength, part, ridge=ridge, exact=exact)
    return strength - strength.mean(axis=1, keepdims=True)


def incidence(pairs: NDArray, models: int) -> NDArray[np.float64]:
    """(pairs, models): 1 at the first of each pair, -1 at the second."""
    side = np.zeros((len(pairs), models))
    rows = np.arange(len(pairs))
    side[rows, pairs[:, 0]] = 1
    side[rows, pairs[:, 1]] = -1
    return side


def chances(gaps: NDArray) -> NDArray[np.float64]:
    """sigma of each gap, written over it. tanh cannot overflow."""
    gaps *= 0.5
    np.tanh(gaps, out=gaps)
    gaps += 1
    gaps *= 0.5
    return gaps


def chord(
    side: NDArray, wins: NDArray, games: NDArray, strength: NDArray, *, ridge: float, exact: float
) -> NDArray[np.int64]:
    """Move `strength` in place; return the draws that are not done."""
    models = side.shape[1]
    chance = chances(side @ strength[0])
    weight = games.mean(axis=0) * chance * (1 - chance)
    curvature = (side * weight[:, None]).T @ side + ridge * np.eye(models)
    # All strengths may be moved alike without a change, so that direction is given a curvature of its own.
    level = max(float(np.trace(curvature)) / models, 1e-12) / models
    inverse = np.linalg.pinv(curvature + level, hermitian=True)
    left = np.arange(len(strength))
    for _ in range(CHORD_STEPS):
        surprise = chances(strength[left] @ side.T)
        surprise *= games[left] if left.size < len(games) else games
        np.subtract(wins[left] if left.size < len(wins) else wins, surprise, out=surprise)
        step = (surprise @ side - ridge * strength[left]) @ inverse
        largest = np.abs(step).max(axis=1)
        strength[left] += step * np.minimum(1, LONGEST / np.maximum(largest, 1e-300))[:, None]
        left = left[largest >= exact]
        if not left.size:
            break
    return left


def newton(
    pairs: NDArray, side: NDArray, wins: NDArray, games: NDArray, strength: NDArray, part: NDArray, *, ridge: float,
    exact: float,
) -> None:  # fmt: skip
    """Move the draws `part` of `strength` in place. wins, games: (part, pairs)."""
    models = side.shape[1]
    low, high = pairs.T
    diagonal = np.arange(models)
    now = strength[part]
    for _ in range(NEWTON_STEPS if part.size else 0):
        chance = chances(now @ side.T)
        gradient = (wins - games * chance) @ side - ridge * now
        weight = games * chance * (1 - chance)
        curvature = np.zeros((len(part), models, models))
        curvature[:, low, high] = curvature[:, high, low] = -weight
        curvature[:, diagonal, diagonal] = weight @ np.abs(side) + ridge
        level = np.maximum(curvature[:, diagonal, diagonal].mean(axis=1), 1e-12) / models
        step = np.linalg.solve(curvature + level[:, None, None], gradient[:, :, None])[:, :, 0]
        largest = np.abs(step).max(axis=1, keepdims=True)
        now += step * np.minimum(1, LONGEST / np.maximum(largest, 1e-300))
        if largest.max() < exact:
            break
    strength[part] = now
