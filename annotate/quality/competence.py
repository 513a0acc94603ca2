"""How much each rater's values are worth, learnt from where raters agree: no true values are needed.

Pure functions of a reliability table of nominal values. Knows neither Django nor the database.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from annotate.quality.reliability import Table

STEPS = 200
CLOSE = 1e-6
"""Stop when no unit's probabilities move by more."""
SMOOTHING = 0.01
"""Added to each cell of a confusion matrix: a value that a rater never met is taken to be guessed, not impossible."""
MACE_STEPS = 100
MACE_STARTS = 10
MACE_SMOOTHING = 0.01
MOST_CELLS = 50_000_000


def competence(ratings: Table) -> dict[str, float | None]:
    """Accuracy of each rater by the model of Dawid and Skene (1979), in 0..1.

    Each unit has one true value, drawn from a class prior; each rater turns it into what they say by a confusion
    matrix of their own. Fitted by EM from the majority's shares. The competence is sum_t prior_t confusion_tt: how
    often the rater would be right on a unit drawn from the prior. None for raters who share no unit with anyone.

    It can be no better than the model: where most raters make the same mistake, it is taken to be the truth.
    Raises ValueError where raters and values are too many for a confusion matrix each.
    """
    prior, confusion = dawid_skene(ratings)
    right = (prior * np.diagonal(confusion, axis1=1, axis2=2)).sum(axis=1)
    return named(ratings, right)


def mace(ratings: Table, *, seed: int = 0) -> dict[str, float | None]:
    """Probability that each rater looked instead of guessed, by MACE (Hovy et al. 2013), in 0..1.

    For each value a rater either gives the true one (competence) or draws from a habit of their own that does not
    depend on the unit. Fewer parameters than Dawid and Skene's, so it needs fewer values of each rater, and it lays
    open those who always press the same key. Fitted by EM, the likeliest of MACE_STARTS starts. None for raters who
    share no unit with anyone.
    """
    best, likelihood = np.full(len(ratings.raters), np.nan), -np.inf
    for start in starts(ratings, seed=seed):
        knows, found = mace_once(ratings, start)
        if found > likelihood + 1e-6:
            best, likelihood = knows, found
    return named(ratings, best)


def named(ratings: Table, of_rater: NDArray[np.float64]) -> dict[str, float | None]:
    company = np.zeros(len(ratings.raters), dtype=bool)
    company[ratings.rater[(np.bincount(ratings.unit) >= 2)[ratings.unit]]] = True
    return {
        name: min(max(float(of_rater[i]), 0.0), 1.0) if company[i] else None for i, name in enumerate(ratings.raters)
    }


def dawid_skene(ratings: Table) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Class prior (values,), and confusion matrices (raters, true values, given values) whose rows sum to 1."""
    people, width = len(ratings.raters), len(ratings.values)
    units = int(ratings.unit.max(initial=-1)) + 1
    if max(people * width**2, units * width) > MOST_CELLS:
        raise ValueError(
            f"{width:,} different values by {people:,} raters are too many to learn who confuses which. "
            "Group the values into fewer."
        )
    truth = tally(ratings.unit * width + ratings.value, np.ones(ratings.unit.size), (units, width))
    truth /= np.maximum(truth.sum(axis=1, keepdims=True), 1)
    prior, confusion = np.ones(width) / max(width, 1), np.zeros((people, width, width))
    said = ratings.rater * width + ratings.value
    for _ in range(STEPS if units else 0):
        prior = truth.mean(axis=0)
        for true in range(width):
            confusion[:, true] = tally(said, truth[ratings.unit, true], (people, width)) + SMOOTHING
        confusion /= confusion.sum(axis=2, keepdims=True)
        log = np.log(confusion)
        evidence = [tally(ratings.unit, log[ratings.rater, true, ratings.value], (units,)) for true in range(width)]
        before, truth = truth, normalised(np.log(np.maximum(prior, 1e-300)) + np.stack(evidence, axis=1))[0]
        if np.abs(truth - before).max() < CLOSE:
            break
    return prior, confusion


def mace_once(ratings: Table, knows: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Competences (raters,) and the log-likelihood that EM reaches from the competences it starts with."""
    people, width = len(ratings.raters), max(len(ratings.values), 1)
    units = int(ratings.unit.max(initial=-1)) + 1
    said, cell = ratings.rater * width + ratings.value, ratings.unit * width + ratings.value
    habit, given = np.full((people, width), 1 / width), np.bincount(ratings.rater, minlength=people)
    smooth, likelihood = MACE_SMOOTHING / width, -np.inf
    for _ in range(MACE_STEPS):
        guessed = (1 - knows)[ratings.rater] * habit[ratings.rater, ratings.value]
        known = knows[ratings.rater]
        # A value speaks for itself by log((known + guessed) / guessed), and for no other.
        log = tally(ratings.unit, np.log(guessed), (units,))[:, None] - np.log(width)
        truth, total = normalised(log + tally(cell, np.log1p(known / guessed), (units, width)))
        looked = truth[ratings.unit, ratings.value] * known / (known + guessed)
        knows = (tally(ratings.rater, looked, (people,)) + smooth) / (given + 2 * smooth)
        habit = tally(said, 1 - looked, (people, width)) + smooth
        habit /= habit.sum(axis=1, keepdims=True)
        if abs(total - likelihood) < CLOSE * abs(total):
            break
        likelihood = total
    return knows, total


def starts(ratings: Table, *, seed: int) -> Iterator[NDArray[np.float64]]:
    """Competences to start from: all alike, which is the majority's vote, and others by chance."""
    people, rng = len(ratings.raters), np.random.default_rng(seed)
    yield np.full(people, 0.5)
    for _ in range(MACE_STARTS - 1):
        yield rng.uniform(0.2, 0.8, size=people)


def tally(key: NDArray[np.int64], weight: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """The sum of the weights of each key, whole numbers below the size of `shape`."""
    return np.bincount(key, weights=weight, minlength=int(np.prod(shape))).astype(float).reshape(shape)


def normalised(log: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Rows of logarithms as probabilities, and the logarithm of the product of their sums. (units, values)."""
    top = log.max(axis=1, keepdims=True)
    shares = np.exp(log - top)
    sums = shares.sum(axis=1, keepdims=True)
    return shares / sums, float((np.log(sums) + top).sum())
