"""Ratings from battles (Bradley and Terry 1952), on the Elo scale."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluate.stats.win_rate import checked

SCALE = 400 / np.log(10)
"""Rating points a unit of log-odds: 400 points are odds of 10 to 1."""
CENTRE = 1000.0
PRIOR = 0.5
DRAWS = 500
STEPS = 200


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
    anchor: str = "",
    prior: float = PRIOR,
    draws: int = DRAWS,
    seed: int = 0,
) -> Ratings:
    """Ratings r with P(a beats b) = 1 / (1 + 10^((r_b - r_a) / 400)); a tie is half a win to each.

    firsts, seconds: (battles,), names; outcomes: (battles,), 1 where the first won, 0.5 a tie. The anchor has 1,000
    points, the others are read against it; without an anchor the mean is 1,000.

    Each pair that met is given `prior` wins a side on top (Haldane's and Anscombe's half): a model that won every
    battle has no maximum-likelihood rating, and this keeps it finite while hardly moving the others. With prior=0
    such a model is a `problem`.

    Intervals: 2.5 and 97.5 percentiles over `draws` multinomial resamples of the unique (pair, outcome) counts, as
    Chatbot Arena does (Chiang et al. 2024). That takes battles as independent. draws=0 gives none (low = high).
    """
    if prior == 0 and draws:
        raise ValueError("Resamples can lack a win on either side: give a prior above 0, or draws=0.")
    scores = checked(outcomes)
    names = sorted({*firsts, *seconds})
    if not names:
        return Ratings((), anchor, 0, problem="There are no battles yet.")
    place = {name: i for i, name in enumerate(names)}
    pairs = np.array([[place[a], place[b]] for a, b in zip(firsts, seconds, strict=True)])
    if (pairs[:, 0] == pairs[:, 1]).any():
        raise ValueError("A model cannot be rated by battles with itself. Leave those out.")
    counted, counts = tally(pairs, scores)
    groups = tuple(tuple(names[i] for i in group) for group in components(len(names), counted[:, :2].astype(int)))
    if problem := unratable(groups, names, counted, anchor=anchor, prior=prior):
        return Ratings((), anchor, scores.size, problem, groups)
    origin = place.get(anchor)
    values = CENTRE + SCALE * centred(solve(wins_of(counted, counts[None, :], len(names), prior)), origin)[0]
    low = high = values
    if draws:
        resampled = np.random.default_rng(seed).multinomial(counts.sum(), counts / counts.sum(), size=draws)
        sampled = CENTRE + SCALE * centred(solve(wins_of(counted, resampled, len(names), prior)), origin)
        low, high = np.percentile(sampled, [2.5, 97.5], axis=0)
    fought = np.bincount(pairs.reshape(-1), minlength=len(names))
    rows = [
        Rating(name, float(values[i]), min(float(low[i]), float(values[i])), max(float(high[i]), float(values[i])),
               int(fought[i]))
        for i, name in enumerate(names)
    ]  # fmt: skip
    return Ratings(tuple(sorted(rows, key=lambda row: (-row.value, row.model))), anchor, scores.size, groups=groups)


def tally(pairs: NDArray, scores: NDArray) -> tuple[NDArray, NDArray]:
    """Distinct (lower model, higher model, outcome for the lower) and how often each occurred."""
    swapped = pairs[:, 0] > pairs[:, 1]
    low, high = pairs.min(axis=1), pairs.max(axis=1)
    rows = np.stack([low, high, np.where(swapped, 1 - scores, scores)], axis=1)
    return np.unique(rows, axis=0, return_counts=True)


def wins_of(counted: NDArray, counts: NDArray, models: int, prior: float) -> NDArray:
    """(draws, kinds of battle) counts -> (draws, models, models) wins of the row over the column, prior included."""
    low, high, outcome = counted[:, 0].astype(int), counted[:, 1].astype(int), counted[:, 2]
    wins = np.zeros((counts.shape[0], models, models))
    for kind in range(len(counted)):
        wins[:, low[kind], high[kind]] += counts[:, kind] * outcome[kind]
        wins[:, high[kind], low[kind]] += counts[:, kind] * (1 - outcome[kind])
    for a, b in {(int(a), int(b)) for a, b in zip(low, high, strict=True)}:
        wins[:, a, b] += prior
        wins[:, b, a] += prior
    return wins


def solve(wins: NDArray) -> NDArray:
    """Log-strengths of each draw by Newton's method, all draws at once; the first model is at 0.

    wins: (draws, models, models). Returns (draws, models). The likelihood is concave and, on a connected graph
    with a prior, has one maximum.
    """
    draws, models, _ = wins.shape
    games = wins + wins.transpose(0, 2, 1)
    strength = np.zeros((draws, models))
    if models == 1:
        return strength
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(strength[:, None, :] - strength[:, :, None]))
        gradient = (wins - games * chance).sum(axis=2)
        weight = games * chance * (1 - chance)
        curvature = -weight
        curvature[:, np.arange(models), np.arange(models)] = weight.sum(axis=2)
        # The scale has no zero of its own: the first model is held still, which leaves a matrix that can be solved.
        step = np.linalg.solve(curvature[:, 1:, 1:], gradient[:, 1:, None])[:, :, 0]
        largest = np.abs(step).max(axis=1, keepdims=True)
        strength[:, 1:] += step * np.minimum(1, 1.5 / np.maximum(largest, 1e-300))
        if largest.max() < 1e-9:
            break
    return strength


def centred(strength: NDArray, origin: int | None) -> NDArray:
    zero = strength.mean(axis=1, keepdims=True) if origin is None else strength[:, [origin]]
    return strength - zero


def components(models: int, pairs: NDArray) -> list[list[int]]:
    """Models grouped by who met whom, largest group first."""
    parent = list(range(models))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for a, b in pairs:
        parent[root(int(a))] = root(int(b))
    groups: dict[int, list[int]] = {}
    for i in range(models):
        groups.setdefault(root(i), []).append(i)
    return sorted(groups.values(), key=lambda group: (-len(group), group))


def unratable(
    groups: Sequence[Sequence[str]], names: Sequence[str], counted: NDArray, *, anchor: str, prior: float
) -> str:
    """Why there is no common scale, in a sentence, or nothing."""
    if anchor and anchor not in names:
        return f"{anchor}, which the ratings are read against, has no battles."
    if len(groups) > 1:
        parted = "; ".join(", ".join(group) for group in groups)
        return f"These models never met, so they have no common scale: {parted}. Judge a pair across the groups."
    if prior == 0 and not strongly_connected(len(names), counted):
        return "Some models won every battle against the others, so their ratings have no bound. Use a prior above 0."
    return ""


def strongly_connected(models: int, counted: NDArray) -> bool:
    """Whether the ratings are finite without a prior: each split of the models has a win both ways (Ford 1957)."""
    beats = np.eye(models, dtype=bool)
    low, high = counted[:, 0].astype(int), counted[:, 1].astype(int)
    beats[low[counted[:, 2] > 0], high[counted[:, 2] > 0]] = True
    beats[high[counted[:, 2] < 1], low[counted[:, 2] < 1]] = True
    for middle in range(models):
        beats |= beats[:, [middle]] & beats[[middle], :]
    return bool(beats.all())
