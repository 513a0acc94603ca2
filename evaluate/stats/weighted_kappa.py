"""How far levels that a model gives agree with those that people gave, where the levels have an order."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluate.stats.estimate import UNDEFINED, Estimate
from evaluate.stats.win_rate import DRAWS

Figure = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def weighted_kappa(
    given: ArrayLike, said: ArrayLike, prompt_keys: Sequence[str], *, levels: int, draws: int = DRAWS, seed: int = 0
) -> Estimate:
    """Cohen's kappa with quadratic weights (Cohen 1968): 1 is the same levels, 0 what chance gives.

    given, said: (ratings,), whole numbers from 0 to levels - 1. The interval resamples prompts, which are the
    independent units. Undefined where both always say one and the same level.
    """
    return _of_prompts(given, said, prompt_keys, levels=levels, figure=_kappa, draws=draws, seed=seed)


def mean_error(
    given: ArrayLike, said: ArrayLike, prompt_keys: Sequence[str], *, levels: int, draws: int = DRAWS, seed: int = 0
) -> Estimate:
    """Mean absolute difference in levels, with an interval by prompt; arguments as in weighted_kappa."""
    return _of_prompts(given, said, prompt_keys, levels=levels, figure=_error, draws=draws, seed=seed)


def _of_prompts(
    given: ArrayLike, said: ArrayLike, keys: Sequence[str], *, levels: int, figure: Figure, draws: int, seed: int
) -> Estimate:
    one, other = np.asarray(given, dtype=int), np.asarray(said, dtype=int)
    if not one.size:
        return UNDEFINED
    if one.shape != other.shape or len(keys) != one.size:
        raise ValueError(f"{one.size} levels given, {other.size} said and {len(keys)} prompts: they belong together.")
    if min(one.min(), other.min()) < 0 or max(one.max(), other.max()) >= levels:
        raise ValueError(f"Levels are from 0 to {levels - 1}.")
    prompts, of_prompt = np.unique(np.asarray(keys), return_inverse=True)
    tables = np.zeros((len(prompts), levels, levels))
    np.add.at(tables, (of_prompt, one, other), 1)
    value = float(figure(tables.sum(0)[None])[0])
    if np.isnan(value):
        return Estimate(None, None, None, one.size, len(prompts))
    random = np.random.default_rng(seed)
    weights = random.multinomial(len(prompts), np.full(len(prompts), 1 / len(prompts)), size=draws)
    drawn = figure(np.tensordot(weights, tables, axes=1))
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return Estimate(value, float(low), float(high), one.size, len(prompts))


def _cost(levels: int) -> NDArray[np.float64]:
    place = np.arange(levels)
    return ((place[:, None] - place[None, :]) ** 2).astype(float)


def _kappa(tables: NDArray[np.float64]) -> NDArray[np.float64]:
    """(draws, levels, levels) -> (draws,), NaN where it is undefined."""
    cost, total = _cost(tables.shape[1]), tables.sum((1, 2))
    chance = tables.sum(2)[:, :, None] * tables.sum(1)[:, None, :] / total[:, None, None]
    expected = (cost * chance).sum((1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        kappa: NDArray[np.float64] = np.where(expected > 0, 1 - (cost * tables).sum((1, 2)) / expected, np.nan)
    return kappa


def _error(tables: NDArray[np.float64]) -> NDArray[np.float64]:
    error: NDArray[np.float64] = (np.sqrt(_cost(tables.shape[1])) * tables).sum((1, 2)) / tables.sum((1, 2))
    return error
