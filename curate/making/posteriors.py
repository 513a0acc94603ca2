"""How likely each answer is the true one, by raters who are weighed by how reliable they are."""

import numpy as np
from numpy.typing import NDArray

from annotate.quality.competence import dawid_skene, mace_once, normalised, starts, tally
from annotate.quality.reliability import Table
from curate.making.source import NO_SIDE, Answers

FIRST, SECOND, TIE, BAD = range(4)
VALUES = 4
MOST = 20_000
"""Votes that raters' reliability is learnt from, of whole items; all items are then judged by it."""
HABIT_STEPS = 20


def posterior(
    votes: Answers, group: NDArray[np.int64], *, method: str, order: NDArray[np.int64] | None, names: dict[int, str]
) -> NDArray[np.float64]:
    """Probabilities of (first better, second better, tie, both bad), one row an item. (items, 4)

    `group` (votes,) is the item of each vote, from 0 in order. Dawid and Skene (1979) and MACE (Hovy et al. 2013) are
    those of annotate.quality.competence, learnt from at most MOST votes: the items with the smallest `order` (votes,).
    """
    preference = np.where(votes.preference == NO_SIDE, 0, votes.preference)
    value = np.select([votes.both_bad, preference > 0, preference < 0], [BAD, FIRST, SECOND], TIE).astype(np.int64)
    people = sorted(np.unique(votes.rater).tolist(), key=lambda one: (names.get(one, ""), one))
    place = {one: i for i, one in enumerate(people)}
    rater = np.fromiter((place[one] for one in votes.rater.tolist()), dtype=np.int64, count=len(votes))
    learn = chosen(group, order)
    _, unit = np.unique(group[learn], return_inverse=True)
    seen = Table(
        unit.astype(np.int64), rater[learn], value[learn], tuple(str(one) for one in people), tuple(range(VALUES))
    )
    everything = Table(group, rater, value, seen.raters, seen.values)
    return by_confusion(seen, everything) if method == "dawid_skene" else by_habit(seen, everything)


def chosen(group: NDArray[np.int64], order: NDArray[np.int64] | None) -> NDArray[np.bool_]:
    """The votes of whole items to learn from; those of one rater alone say nothing of anyone."""
    size = np.bincount(group)
    shared = size[group] >= 2
    if shared.sum() <= MOST:
        return shared if shared.any() else np.ones(group.size, dtype=bool)
    of_item = np.zeros(size.size, dtype=np.int64)
    of_item[group] = group if order is None else order
    ranked = np.lexsort((np.arange(size.size), of_item))
    ranked = ranked[size[ranked] >= 2]
    kept = ranked[: int(np.searchsorted(np.cumsum(size[ranked]), MOST, side="right"))]
    inside = np.zeros(size.size, dtype=bool)
    inside[kept] = True
    found: NDArray[np.bool_] = inside[group]
    return found


def by_confusion(seen: Table, everything: Table) -> NDArray[np.float64]:
    """Dawid and Skene's: prior times the confusion of each rater who spoke."""
    prior, confusion = dawid_skene(seen)
    log = np.log(confusion)
    items = int(everything.unit.max(initial=-1)) + 1
    evidence = [
        tally(everything.unit, log[everything.rater, true, everything.value], (items,)) for true in range(VALUES)
    ]
    return normalised(np.log(np.maximum(prior, 1e-300)) + np.stack(evidence, axis=1))[0]


def by_habit(seen: Table, everything: Table) -> NDArray[np.float64]:
    """MACE's: who looked says the truth, who guessed says what they are used to say."""
    best, likelihood = np.full(len(seen.raters), 0.5), -np.inf
    for start in starts(seen, seed=0):
        knows, found = mace_once(seen, start)
        if found > likelihood + 1e-6:
            best, likelihood = knows, found
    best = np.clip(best, 1e-6, 1 - 1e-6)
    habit = np.full((len(seen.raters), VALUES), 1 / VALUES)
    for _ in range(HABIT_STEPS):
        truth, guessed = truths(seen, best, habit)
        known = best[seen.rater]
        looked = truth[seen.unit, seen.value] * known / (known + guessed)
        habit = tally(seen.rater * VALUES + seen.value, 1 - looked, habit.shape) + 0.01 / VALUES
        habit /= habit.sum(axis=1, keepdims=True)
    return truths(everything, best, habit)[0]


def truths(
    ratings: Table, knows: NDArray[np.float64], habit: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Probabilities of the values (units, values), and of each vote being a guess that fell on its value (votes,)."""
    items = int(ratings.unit.max(initial=-1)) + 1
    guessed = (1 - knows)[ratings.rater] * habit[ratings.rater, ratings.value]
    gain = np.log1p(knows[ratings.rater] / guessed)
    return normalised(tally(ratings.unit * VALUES + ratings.value, gain, (items, VALUES)))[0], guessed
