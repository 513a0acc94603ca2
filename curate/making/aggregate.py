"""Several raters become one: majority, mean strength, Dawid-Skene, MACE, each on its own; verdicts first.

Arithmetic on arrays over all items at once. One code path decides for a preview and for a freeze.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.builders.base import Decision
from curate.making.posteriors import BAD, FIRST, SECOND, TIE, Learner, Learnt
from curate.making.source import NO_SIDE, ORIGINS, Answers
from registry.specs import BuildDatasetSpec

UNDECIDED = {
    "both_bad": "not both bad to most raters",
    "tie": "with a preferred side",
    "agreement": "with enough raters on it",
}
"""Why an item gets no decision, and what those that do have in common; in the order of the checks."""
REASONS = ("", *UNDECIDED)
WEIGHED = frozenset({"dawid_skene", "mace"})
"""Aggregations that weigh raters by what they are worth."""
SOMEONE = 0.75
"""Accuracy that a rater is taken to have before any task with a known answer was given to them."""
KNOWN = 4.0
"""How many known answers that belief is worth."""
SIMULATED = ORIGINS.index("simulated")


@dataclass(frozen=True)
class Verdicts:
    """Current verdicts that say which of two responses is better, sorted by task. All (verdicts,)."""

    task: NDArray[np.int64]
    preference: NDArray[np.int64]
    both_bad: NDArray[np.bool_]


@dataclass(frozen=True)
class Decided:
    """One row a decision: an item, or with `each` a vote. Sorted by task. All (decisions,)."""

    task: NDArray[np.int64]
    reason: NDArray[np.int64]
    """Place in REASONS: 0 for a decision that stands."""
    winner: NDArray[np.int64]
    tie: NDArray[np.bool_]
    strength: NDArray[np.float64]
    agreement: NDArray[np.float64]
    raters: NDArray[np.int64]
    winner_first: NDArray[np.float64]
    """NaN where nobody knows what was shown first."""
    simulated: NDArray[np.int64]
    adjudicated: NDArray[np.bool_]
    flip: NDArray[np.float64]
    """How likely the decision is wrong, see `flips`."""
    start: NDArray[np.int64]
    """Its answers are those from `start` up to `start` + `raters` of the votes that were decided on."""

    def __len__(self) -> int:
        return int(self.task.size)

    def where(self, chosen: NDArray[Any]) -> "Decided":
        return Decided(**{name: getattr(self, name)[chosen] for name in self.__dataclass_fields__})

    def decisions(self, at: NDArray[np.int64], votes: Answers) -> list[Decision]:
        """Those at these places; `votes` are the ones that were decided on."""
        start, raters = self.start[at], self.raters[at]
        inside = np.arange(int(raters.sum())) - np.repeat(np.cumsum(raters) - raters, raters)
        pks = votes.pk[np.repeat(start, raters) + inside].tolist()
        ends = np.cumsum(raters).tolist()
        columns = (self.winner, self.tie, self.strength, self.agreement, self.raters, self.winner_first, self.simulated)
        rows = zip(*(column[at].tolist() for column in columns), ends, self.adjudicated[at].tolist(), strict=True)
        return [
            Decision(winner, tie, strength, agreement, n, first, simulated, tuple(pks[end - n : end]), adjudicated)
            for winner, tie, strength, agreement, n, first, simulated, end, adjudicated in rows
        ]


def decide(
    votes: Answers, recipe: BuildDatasetSpec, *, verdicts: Verdicts, gold: dict[int, tuple[int, int]],
    learnt: Learnt | None = None,
) -> Decided:  # fmt: skip
    """What the votes (sorted by task, one a rater and task) say together, by the recipe's aggregation.

    `learnt` is what raters are worth, for Dawid-Skene and MACE; without it, that is learnt from these votes.
    """
    _, begin = np.unique(votes.task, return_index=True)
    if recipe.aggregate == "each":
        judged = np.isin(votes.task, verdicts.task) if recipe.adjudicated_first else np.zeros(len(votes), dtype=bool)
        # A verdict is one decision on the whole item, the votes elsewhere are one each.
        first = np.zeros(len(votes), dtype=bool)
        first[begin] = True
        begin = np.flatnonzero(~judged | first)
    found = counted(votes, begin)
    if recipe.aggregate == "mean":
        found = by_mean(votes, found)
    if recipe.aggregate in WEIGHED and len(votes):
        if learnt is None:
            learner = Learner()
            learner.add(votes)
            learnt = learner.learnt(recipe.aggregate, {})
        group = np.repeat(np.arange(begin.size), found.raters)
        found = by_posterior(found, learnt.posterior(votes, group))
        found = replace(found, flip=np.round(1 - found.agreement, 6))
    else:
        found = replace(found, flip=flips(votes, found, gold))
    found = replace(found, reason=reasons(votes, found, recipe))
    return adjudicated(votes, found, verdicts, recipe) if recipe.adjudicated_first else found


def counted(votes: Answers, begin: NDArray[np.int64]) -> Decided:
    """By majority. `begin` (decisions,) is the first vote of each."""
    raters = np.diff(np.append(begin, len(votes)))
    preference = np.where(votes.preference == NO_SIDE, 0, votes.preference)
    wins, losses = total(preference > 0, begin), total(preference < 0, begin)
    return finished(
        votes, begin, raters=raters, winner=np.where(wins >= losses, 0, 1), tie=wins == losses,
        agreement=np.maximum(wins, losses) / np.maximum(raters, 1),
    )  # fmt: skip


def finished(
    votes: Answers, begin: NDArray[np.int64], *, raters: NDArray[np.int64], winner: NDArray[np.int64],
    tie: NDArray[np.bool_], agreement: NDArray[np.float64],
) -> Decided:  # fmt: skip
    """The rest of a decision, from who won."""
    preference = np.where(votes.preference == NO_SIDE, 0, votes.preference)
    towards = total(preference, begin) / np.maximum(raters, 1) * np.where(winner == 0, 1, -1)
    won = np.repeat(winner, raters)
    known = total(votes.first >= 0, begin)
    with np.errstate(invalid="ignore", divide="ignore"):
        shown = total((votes.first == won) & (votes.first >= 0), begin) / known
    return Decided(
        task=votes.task[begin], reason=np.zeros(begin.size, dtype=np.int64), winner=winner, tie=tie,
        strength=np.where(tie, 0.0, np.maximum(towards, 0.0)), agreement=agreement, raters=raters, winner_first=shown,
        simulated=total(votes.origin == SIMULATED, begin), adjudicated=np.zeros(begin.size, dtype=bool),
        flip=np.zeros(begin.size), start=begin,
    )  # fmt: skip


def by_mean(votes: Answers, found: Decided) -> Decided:
    """The side that the strengths add up to: one who is sure outweighs two who are not."""
    preference = np.where(votes.preference == NO_SIDE, 0, votes.preference)
    whole = total(preference, found.start)
    winner = np.where(whole >= 0, 0, 1)
    on_side = total(np.sign(preference) == np.repeat(np.where(winner == 0, 1, -1), found.raters), found.start)
    return finished(
        votes, found.start, raters=found.raters, winner=winner, tie=whole == 0,
        agreement=np.where(whole == 0, found.agreement, on_side / np.maximum(found.raters, 1)),
    )  # fmt: skip


def by_posterior(found: Decided, by: NDArray[np.float64]) -> Decided:
    """From probabilities of first, second, tie and both bad, (decisions, 4). Agreement is the winner's probability."""
    by = np.round(by, 6)
    winner = np.where(by[:, FIRST] >= by[:, SECOND], 0, 1)
    best = np.maximum(by[:, FIRST], by[:, SECOND])
    tie = (by[:, TIE] >= best) | (by[:, FIRST] == by[:, SECOND])
    bad = by[:, BAD] > np.maximum(best, by[:, TIE])
    sign = np.where(winner == found.winner, 1, -1)
    turned = np.where(sign > 0, found.winner_first, 1 - found.winner_first)
    return replace(
        found, winner=winner, tie=tie, agreement=best, winner_first=turned, reason=bad.astype(np.int64),
        # Where the weighted raters are not the most, those who said more lean to the other side: no strength is left.
        strength=np.where(tie | (sign < 0), 0.0, found.strength),
    )  # fmt: skip


def reasons(votes: Answers, found: Decided, recipe: BuildDatasetSpec) -> NDArray[np.int64]:
    bad = found.reason == 1 if recipe.aggregate in WEIGHED else total(votes.both_bad, found.start) * 2 > found.raters
    few = ~found.tie & (found.agreement < recipe.minimum_agreement - 1e-9)
    drawn = found.tie & (recipe.ties == "drop")
    return np.select([bad, drawn, few], [REASONS.index(one) for one in UNDECIDED], 0).astype(np.int64)


def adjudicated(votes: Answers, found: Decided, verdicts: Verdicts, recipe: BuildDatasetSpec) -> Decided:
    """Where there is a verdict it decides; raters, agreement and who saw what stay the raters'."""
    if not verdicts.task.size:
        return found
    at = np.minimum(np.searchsorted(verdicts.task, found.task), verdicts.task.size - 1)
    has = verdicts.task[at] == found.task
    said, bad = verdicts.preference[at], verdicts.both_bad[at]
    winner = np.where(has & (said != 0), np.where(said > 0, 0, 1), found.winner)
    preference = np.where(votes.preference == NO_SIDE, 0, votes.preference)
    on_side = total(np.sign(preference) == np.repeat(np.where(winner == 0, 1, -1), found.raters), found.start)
    turned = np.where(winner == found.winner, found.winner_first, 1 - found.winner_first)
    reason = np.where(
        bad, REASONS.index("both_bad"), np.where((said == 0) & (recipe.ties == "drop"), REASONS.index("tie"), 0)
    )
    return replace(
        found, winner=winner, tie=np.where(has, (said == 0) & ~bad, found.tie), winner_first=turned,
        strength=np.where(has, np.abs(np.where(bad, 0, said)).astype(float), found.strength),
        agreement=np.where(has, on_side / np.maximum(found.raters, 1), found.agreement),
        adjudicated=found.adjudicated | has, reason=np.where(has, reason, found.reason),
        flip=np.where(has, 0.0, found.flip),
    )  # fmt: skip


def flips(votes: Answers, found: Decided, gold: dict[int, tuple[int, int]]) -> NDArray[np.float64]:
    """How likely each decision is wrong, if raters err independently: (decisions,) 0 to 1.

    A vote for a side speaks for it by log(a / (1 - a)), a being the share of known answers that the rater got right,
    with SOMEONE counted in as KNOWN further ones; the side that won is right with the logistic of what speaks for it.
    So rows are high where raters disagree, where few were asked, and where those with weak gold accuracy decide.
    """
    people, place = np.unique(votes.rater, return_inverse=True)
    right = np.array([gold.get(int(one), (0, 0)) for one in people], dtype=float).reshape(-1, 2)
    accuracy = (right[:, 0] + SOMEONE * KNOWN) / (right[:, 1] + KNOWN)
    accuracy = np.clip(accuracy, 0.05, 0.95)
    side = np.sign(np.where(votes.preference == NO_SIDE, 0, votes.preference))
    for_first = total(side * np.log(accuracy / (1 - accuracy))[place], found.start)
    wrong = 1 / (1 + np.exp(np.where(found.winner == 0, for_first, -for_first)))
    return np.asarray(np.round(np.where(found.tie, 0.5, wrong), 6), dtype=np.float64)


def total(of_vote: NDArray[Any], begin: NDArray[np.int64]) -> NDArray[Any]:
    """The sum over each decision's votes. (votes,) -> (decisions,)"""
    if not begin.size:
        return np.zeros(0, dtype=np.int64)
    values = of_vote.astype(np.int64) if of_vote.dtype == np.bool_ else of_vote
    return np.add.reduceat(values, begin)
