"""Other ways to rank models by battles, through evalica (Ustalov 2025), with bootstrap intervals."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluate.stats.arena import PERCENTILES, ROUNDS
from evaluate.stats.battles import Battles, NoRatings

EXACT = {"tolerance": 1e-9, "limit": 10_000}
METHODS: dict[str, tuple[str, dict[str, float]]] = {
    "elo": ("elo", {}),
    "newman": ("newman", EXACT),
    "pagerank": ("pagerank", EXACT),
    "average-win-rate": ("average_win_rate", {}),
    "counting": ("counting", {}),
}
"""How evalica calls each, and its settings where they are not evalica's own: iterations end where others would.

Its `eigen` is left out: in 0.4.2 it multiplies by the transposed matrix of wins, so whoever loses most comes first.
"""
IN_ORDER = {"elo"}
"""Methods in which the order of the battles counts."""


@dataclass(frozen=True)
class Ranking:
    """(models,) each, in order of `names`: scores on the method's own scale, and 95% bounds, NaN without rounds."""

    names: tuple[str, ...]
    values: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def ranking(fought: Battles, method: str, *, rounds: int = ROUNDS, seed: int = 0) -> Ranking:
    """Scores of `method`, one of METHODS, on its own scale.

    A resample is a multinomial draw over the distinct battles, as for Bradley-Terry; for Elo, in which order counts,
    it is as many battles drawn with replacement, in the order drawn. Outcomes are 1, 0.5 and 0 only.
    """
    if method not in METHODS:
        raise ValueError(f"There is no method {method!r}. There are: {', '.join(METHODS)}.")
    if not set(np.unique(fought.outcome)) <= {0.0, 0.5, 1.0}:
        raise ValueError("This method knows wins and ties only: outcomes are 1, 0.5 or 0.")
    if not fought.names:
        raise NoRatings("There are no battles.")
    score = scorer(fought, method)
    rng = np.random.default_rng(seed)
    if method in IN_ORDER:
        total = fought.scores.size
        values = score(np.arange(total), None)
        drawn = [score(rng.integers(0, total, size=total), None) for _ in range(rounds)]
    else:
        kinds, total = np.arange(len(fought.counts)), int(fought.counts.sum())
        values = score(kinds, fought.counts)
        share = fought.counts / total
        drawn = [score(kinds, rng.multinomial(total, share)) for _ in range(rounds)]
    low, high = np.percentile(drawn, PERCENTILES, axis=0) if drawn else np.full((2, len(fought.names)), np.nan)
    return Ranking(fought.names, values, low, high)


def scorer(fought: Battles, method: str) -> Callable[[NDArray, NDArray | None], NDArray[np.float64]]:
    """A function of which battles (or kinds of them) count, and how often each, to (models,) scores."""
    import evalica  # brings pandas and scipy, which nothing else here needs

    name, settings = METHODS[method]
    run: Callable[..., Any] = getattr(evalica, name)
    if method in IN_ORDER:
        first, second, outcome = fought.first, fought.second, fought.scores
    else:
        (first, second), outcome = fought.pairs[fought.pair].T, fought.outcome
    winner = np.array([evalica.Winner.Y, evalica.Winner.Draw, evalica.Winner.X], dtype=object)[
        np.rint(outcome * 2).astype(int)
    ]
    everyone = evalica.indexing(list(range(len(fought.names))), [])[2]

    def score(chosen: NDArray, weights: NDArray | None) -> NDArray[np.float64]:
        if weights is not None:
            chosen, weights = chosen[weights > 0], weights[weights > 0].astype(float)
        result = run(
            first[chosen].tolist(), second[chosen].tolist(), winner[chosen].tolist(), index=everyone,
            weights=None if weights is None else weights.tolist(), **settings,
        )  # fmt: skip
        found: NDArray[np.float64] = result.scores.reindex(range(len(fought.names))).to_numpy(dtype=float)
        return found

    return score
