"""How likely each answer is the true one, by raters who are weighed by how reliable they are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Learnt:
    """What raters are worth."""

    people: NDArray[np.int64]
    """Raters by id. (raters,)"""
    place: NDArray[np.int64]
    """Of each of them in what was learnt. (raters,)"""
    judge: Callable[[Table], NDArray[np.float64]]

    def posterior(self, votes: Answers, group: NDArray[np.int64]) -> NDArray[np.float64]:
        """Probabilities of (first better, second better, tie, both bad), one row an item. (items, 4)

        `group` (votes,) is the item of each vote, from 0 in order.
        """
        rater = self.place[np.searchsorted(self.people, votes.rater)]
        return self.judge(Table(group, rater, values_of(votes), names(self.people), tuple(range(VALUES))))


class Learner:
    """Keeps of votes that come in parts what their raters' reliability is learnt from: MOST votes of whole items.

    Those with the smallest order, of items with two raters or more: a vote that stands alone says nothing of anyone.
    Only where there is none with two, those that stand alone are learnt from.
    """

    def __init__(self) -> None:
        self.raters: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self.shared, self.alone = nothing(), nothing()

    def add(self, votes: Answers, order: NDArray[np.int64] | None = None) -> None:
        """`votes` of whole items, sorted by task. `order` (votes,) ranks items without ids of this database."""
        self.raters = np.union1d(self.raters, votes.rater)
        _, item, size = np.unique(votes.task, return_inverse=True, return_counts=True)
        come = {"task": votes.task, "order": votes.task if order is None else order, "rater": votes.rater,
                "value": values_of(votes), "size": size[item]}  # fmt: skip
        several = come["size"] > 1
        self.shared = least(self.shared, come, several)
        self.alone = nothing() if self.shared["task"].size else least(self.alone, come, ~several)

    def learnt(self, method: str, usernames: dict[int, str]) -> Learnt:
        """By Dawid and Skene (1979) or MACE (Hovy et al. 2013), those of annotate.quality.competence."""
        kept = self.shared if self.shared["task"].size else self.alone
        kept = {name: values[within(kept, spare=False)] for name, values in kept.items()}
        kept = {name: values[np.argsort(kept["task"], kind="stable")] for name, values in kept.items()}
        people = sorted(self.raters.tolist(), key=lambda one: (usernames.get(one, ""), one))
        place = np.empty(len(people), dtype=np.int64)
        place[np.searchsorted(self.raters, np.array(people, dtype=np.int64))] = np.arange(len(people))
        _, unit = np.unique(kept["task"], return_inverse=True)
        rater = place[np.searchsorted(self.raters, kept["rater"])]
        seen = Table(unit.astype(np.int64), rater, kept["value"], names(people), tuple(range(VALUES)))
        return Learnt(self.raters, place, by_confusion(seen) if method == "dawid_skene" else by_habit(seen))


def nothing() -> dict[str, NDArray[np.int64]]:
    return {name: np.zeros(0, dtype=np.int64) for name in ("task", "order", "rater", "value", "size")}


def least(
    known: dict[str, NDArray[np.int64]], come: dict[str, NDArray[np.int64]], which: NDArray[np.bool_]
) -> dict[str, NDArray[np.int64]]:
    """What may be learnt from of both."""
    both = {name: np.concatenate([known[name], values[which]]) for name, values in come.items()}
    return {name: values[within(both, spare=True)] for name, values in both.items()}


def within(votes: dict[str, NDArray[np.int64]], *, spare: bool) -> NDArray[np.bool_]:
    """The votes of the first items, by order, that are MOST votes together. (votes,)

    With `spare` the item that is too much stays too: without it, one that comes after it would seem to have room.
    """
    tasks, first, item = np.unique(votes["task"], return_index=True, return_inverse=True)
    order, size = votes["order"][first], votes["size"][first]
    ranked = np.lexsort((tasks, order))
    ends = np.cumsum(size[ranked])
    inside = np.zeros(tasks.size, dtype=bool)
    inside[ranked[ends - size[ranked] <= MOST if spare else ends <= MOST]] = True
    found: NDArray[np.bool_] = inside[item]
    return found


def values_of(votes: Answers) -> NDArray[np.int64]:
    preference = np.where(votes.preference == NO_SIDE, 0, votes.preference)
    return np.select([votes.both_bad, preference > 0, preference < 0], [BAD, FIRST, SECOND], TIE).astype(np.int64)


def names(people: Sequence[int] | NDArray[np.int64]) -> tuple[str, ...]:
    return tuple(str(one) for one in people)


def by_confusion(seen: Table) -> Callable[[Table], NDArray[np.float64]]:
    """Dawid and Skene's: prior times the confusion of each rater who spoke."""
    prior, confusion = dawid_skene(seen)
    log = np.log(confusion)

    def judge(votes: Table) -> NDArray[np.float64]:
        items = int(votes.unit.max(initial=-1)) + 1
        evidence = [tally(votes.unit, log[votes.rater, true, votes.value], (items,)) for true in range(VALUES)]
        return normalised(np.log(np.maximum(prior, 1e-300)) + np.stack(evidence, axis=1))[0]

    return judge


def by_habit(seen: Table) -> Callable[[Table], NDArray[np.float64]]:
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
    return lambda votes: truths(votes, best, habit)[0]


def truths(
    ratings: Table, knows: NDArray[np.float64], habit: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Probabilities of the values (units, values), and of each vote being a guess that fell on its value (votes,)."""
    items = int(ratings.unit.max(initial=-1)) + 1
    guessed = (1 - knows)[ratings.rater] * habit[ratings.rater, ratings.value]
    gain = np.log1p(knows[ratings.rater] / guessed)
    return normalised(tally(ratings.unit * VALUES + ratings.value, gain, (items, VALUES)))[0], guessed
