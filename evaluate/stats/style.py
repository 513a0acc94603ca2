"""Style control (Chatbot Arena 2024): ratings fitted jointly with what the style of an answer adds to its chances."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluate.stats.arena import PERCENTILES, RIDGE, ROUNDS, Strengths, rateable
from evaluate.stats.battles import Battles
from evaluate.stats.newton import CHORD_STEPS, LONGEST, NEWTON_STEPS, chances

CELLS = 4_000_000
NEAR = 1e-6


@dataclass(frozen=True)
class Coefficient:
    """What one standard deviation of a feature adds to the log-odds of the first, with its 95% interval."""

    feature: str
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Styled:
    strengths: Strengths
    coefficients: tuple[Coefficient, ...]


def relative(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """(a - b) / (a + b + 1) of counts such as lengths, headers, lists, bold. (battles,) each -> (battles,)."""
    one, other = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    return (one - other) / (one + other + 1)


def standardised(values: ArrayLike, name: str) -> NDArray[np.float64]:
    """z-scores over the battles, by the standard deviation of the battles themselves (n, not n - 1)."""
    column = np.asarray(values, dtype=float)
    spread = column.std()
    if not spread > 1e-12 * max(1.0, float(np.abs(column).max(initial=0.0))):
        raise ValueError(f"The feature {name!r} is the same in every battle, so nothing can be told of it.")
    scored: NDArray[np.float64] = (column - column.mean()) / spread
    return scored


def style_controlled(
    fought: Battles, features: NDArray, names: Sequence[str], *, rounds: int = ROUNDS, seed: int = 0,
    penalty: float = 0.0,
) -> Styled:  # fmt: skip
    """Ratings at equal style: P(first wins) = sigma(strength gap + features @ coefficients), ties half, no intercept.

    features: (battles, features), z-scores of first against second; names: (features,). Resamples draw battles, and
    each is fitted anew. penalty: of penalty / 2 times the sum of squares of the coefficients and of the ratings in
    units of 400 points; the Arena's own program has 0.5, plain maximum likelihood 0.
    """
    rateable(fought, prior=penalty)
    models, count = len(fought.names), fought.scores.size
    given = np.asarray(features, dtype=float)
    if given.shape != (count, len(names)):
        raise ValueError(f"{count} battles and {len(names)} features, but an array of the shape {given.shape}.")
    design = Design(fought, given, penalty)
    ones = np.ones(count)
    found = design.newton(ones, np.zeros(models + len(names)), ridge=0.0)
    rng, size = np.random.default_rng(seed), max(1, CELLS // count)
    drawn = [np.empty((0, found.size))]
    for begin in range(0, rounds, size):
        times = [
            np.bincount(rng.integers(0, count, size=count), minlength=count)
            for _ in range(begin, min(begin + size, rounds))
        ]
        drawn.append(design.resampled(np.stack(times, axis=1).astype(float), found))
    every = np.concatenate(drawn)
    bounds = np.percentile(every, PERCENTILES, axis=0).T.tolist() if rounds else [(None, None)] * found.size
    rows = tuple(Coefficient(name, float(found[i]), *bounds[i]) for i, name in enumerate(names, start=models))
    return Styled(Strengths(fought.names, found[:models], every[:, :models]), rows)


class Design:
    """The likelihood of the battles in all parameters: the models' strengths, then the features' coefficients."""

    def __init__(self, fought: Battles, features: NDArray, penalty: float) -> None:
        from scipy.sparse import csr_array, hstack  # only here: it takes a tenth of a second to import

        count, self.models = fought.scores.size, len(fought.names)
        rows = np.repeat(np.arange(count), 2)
        columns = np.stack([fought.first, fought.second], axis=1).reshape(-1)
        sides = csr_array((np.tile([1.0, -1.0], count), (rows, columns)), shape=(count, self.models))
        self.rows = hstack([sides, csr_array(features)], format="csr")
        self.columns = self.rows.T.tocsr()
        self.scores = fought.scores
        of_models = np.full(self.models, penalty / np.log(10) ** 2)
        self.penalty = np.concatenate([of_models, np.full(features.shape[1], penalty)])

    def inverse(self, times: NDArray, found: NDArray, ridge: float) -> NDArray[np.float64]:
        """(parameters, parameters), of the curvature with battles counted (battles,) times."""
        chance = chances(self.rows @ found)
        weighted = self.rows.multiply((times * chance * (1 - chance))[:, None]).tocsr()
        curvature = (self.columns @ weighted).toarray() + np.diag(self.penalty + ridge)
        # All strengths may be moved alike without a change, so that direction is given a curvature of its own.
        curvature[: self.models, : self.models] += np.trace(curvature) / self.models**2
        return np.linalg.pinv(curvature, hermitian=True)

    def newton(self, times: NDArray, found: NDArray, *, ridge: float, exact: float = 1e-11) -> NDArray[np.float64]:
        """Maximum of one draw. times: (battles,); found: (parameters,), where to begin."""
        for _ in range(NEWTON_STEPS):
            surprise = times * (self.scores - chances(self.rows @ found))
            step = self.inverse(times, found, ridge) @ (self.columns @ surprise - (self.penalty + ridge) * found)
            largest = float(np.abs(step).max())
            found = found + step * min(1, LONGEST / max(largest, 1e-300))
            if largest < exact:
                break
        return self.centred(found)

    def resampled(self, times: NDArray, start: NDArray) -> NDArray[np.float64]:
        """Maxima of many draws, by the curvature at `start`. times: (battles, draws) -> (draws, parameters)."""
        inverse = self.inverse(times.mean(axis=1), start, RIDGE)
        found = np.repeat(start[:, None], times.shape[1], axis=1)
        left = np.arange(times.shape[1])
        ridge = (self.penalty + RIDGE)[:, None]
        for _ in range(2 * CHORD_STEPS):
            surprise = times[:, left] * (self.scores[:, None] - chances(self.rows @ found[:, left]))
            step = inverse @ (self.columns @ surprise - ridge * found[:, left])
            largest = np.abs(step).max(axis=0)
            found[:, left] += step * np.minimum(1, LONGEST / np.maximum(largest, 1e-300))
            left = left[largest >= NEAR]
            if not left.size:
                break
        for draw in left:
            found[:, draw] = self.newton(times[:, draw], found[:, draw], ridge=RIDGE, exact=NEAR)
        return np.stack([self.centred(found[:, draw]) for draw in range(found.shape[1])])

    def centred(self, found: NDArray) -> NDArray[np.float64]:
        moved = found.copy()
        moved[: self.models] -= moved[: self.models].mean()
        return moved
