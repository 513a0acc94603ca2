"""What each rater's answers say of them: accuracy, agreement, time, and leanings. Pure functions of columns.

Every figure comes with its interval and n. A figure never tells why: fast people may be practised, and whoever
disagrees may be right. Nothing here acts on anybody.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import erfc, sqrt

import numpy as np
from numpy.typing import NDArray

from annotate.models import Task
from annotate.quality.columns import Answers
from annotate.quality.competence import competence, mace
from annotate.quality.intervals import (
    Share,
    at_most_p,
    binomial_p,
    holm,
    longest_run,
    longest_run_p,
    share,
    two_shares_p,
)
from annotate.quality.reliability import Table

ENOUGH = 20
"""Under so many answers nothing is estimated of a person."""
SURE = 0.05
"""Who stands out does so after Holm's correction for everyone who was looked at."""
GOLD_BAR = 0.8
"""Gold accuracy that is asked for where the project's test names none."""
MATTERS = 0.05
"""A leaning or a lag of less is not worth a look, however sure it is: with thousands of answers everything is."""
MOST_FOR_COMPETENCE = 10_000
"""Competence is learnt from the newest so many ratings: a hundred thousand take ten seconds and say the same."""


@dataclass(frozen=True)
class Streak:
    """The longest run of one choice on the screen, among comparisons in the order they were answered."""

    length: int
    choice: str
    n: int
    p: float
    """Probability of such a run or a longer one, if each choice were drawn by itself as often as all raters make it."""


@dataclass(frozen=True)
class Peers:
    """How far the others agree among themselves, on the items that a rater shares with two of them or more."""

    value: float | None
    n: int
    p: float
    """One-sided, that the rater agrees with them no less than they with each other."""


NO_PEERS = Peers(None, 0, 1.0)


@dataclass(frozen=True)
class Rater:
    """One person's, or simulated rater's, figures."""

    user: int
    answers: int
    """Finished items."""
    gold: Share
    agreement: Share
    """Mean share of the others who said the same on a shared item; n items."""
    peers: Peers
    first: Share
    """How often the response shown first was picked, of decided comparisons."""
    longer: Share
    """How often the longer response was picked, of decided comparisons of different lengths."""
    median_s: float | None
    """Active seconds an item, idle time left out."""
    streak: Streak | None
    last_at: float | None
    competence: float | None = None
    """Dawid and Skene (1979), 0 to 1."""
    mace: float | None = None
    """Hovy et al. (2013), 0 to 1."""


CHOICES = ("the first side", "the second side", "a tie", "both bad")


def rater_stats(
    answers: Answers, longer: NDArray[np.int64], ratings: Table | None, *, learn: bool = True
) -> list[Rater]:
    """Of each rater, those with most answers first. `longer`: (answers,), see longer_first. `ratings`: of the measure
    that agreement is about, raters named by their id; None where nothing is shared."""
    users = np.unique(answers.rater)
    agreed = agreement_with_others(ratings) if ratings is not None else {}
    peers = agreement_of_peers(ratings) if ratings is not None else {}
    clever, looked = competences(ratings) if ratings is not None and learn else ({}, {})
    usual = usual_shares(answers)
    found = [
        one_rater(
            user, answers.where(mine), longer[mine], usual=usual, agreement=agreed.get(str(user), share(0, 0)),
            peers=peers.get(str(user), NO_PEERS), learnt=(clever.get(str(user)), looked.get(str(user))),
        )
        for user in users.tolist() if (mine := answers.rater == user).any()
    ]  # fmt: skip
    return sorted(found, key=lambda one: (-one.answers, one.user))


def one_rater(
    user: int,
    mine: Answers,
    longer: NDArray[np.int64],
    *,
    usual: Sequence[float],
    agreement: Share,
    peers: Peers = NO_PEERS,
    learnt: tuple[float | None, float | None] = (None, None),
) -> Rater:
    gold = (mine.purpose == Task.Purpose.GOLD) & (mine.right >= 0)
    placed, unequal = mine.decided & mine.placed, longer != 0
    took_longer = (mine.preference > 0) == (longer > 0)
    return Rater(
        user=user,
        answers=int(np.unique(mine.item).size),
        gold=share(int(mine.right[gold].sum()), int(gold.sum())),
        agreement=agreement,
        peers=peers,
        first=share(int((mine.picked_first & placed).sum()), int(placed.sum())),
        longer=share(int((took_longer & unequal).sum()), int(unequal.sum())),
        median_s=median_seconds(mine),
        streak=streak_of(mine.on_screen[mine.placed], usual),
        last_at=float(mine.at.max()) if len(mine) else None,
        competence=learnt[0],
        mace=learnt[1],
    )


def median_seconds(mine: Answers) -> float | None:
    """Of items, whose steps are added up. Answers without a time (imported ones) say nothing."""
    _, item = np.unique(mine.item, return_inverse=True)
    total = np.bincount(item, weights=mine.active_ms) if len(mine) else np.zeros(0)
    total = total[total > 0]
    return float(np.median(total)) / 1000 if total.size else None


def streak_of(choices: NDArray[np.int64], usual: Sequence[float]) -> Streak | None:
    if not choices.size:
        return None
    length = longest_run(choices)
    begin = np.flatnonzero(np.diff(choices, prepend=choices[0] - 1))
    longest = begin[int(np.diff(np.append(begin, choices.size)).argmax())]
    p = longest_run_p(length, int(choices.size), usual)
    return Streak(length, CHOICES[int(choices[longest])], int(choices.size), p)


def usual_shares(answers: Answers) -> list[float]:
    """How often raters choose each of CHOICES; both sides the same, since chance decides which comes first."""
    counts = np.bincount(answers.on_screen[answers.placed], minlength=len(CHOICES)).astype(float)
    counts[:2] = counts[:2].mean()
    return [float(one) for one in counts / max(counts.sum(), 1.0)]


def agreement_with_others(ratings: Table) -> dict[str, Share]:
    """Of each rater, the mean over shared items of the share of the others who gave the same value."""
    if not ratings.unit.size:
        return {}
    width = max(len(ratings.values), 1)
    sizes, cell = np.bincount(ratings.unit), ratings.unit * width + ratings.value
    same = np.bincount(cell)[cell] - 1
    others = sizes[ratings.unit] - 1
    shared = others > 0
    people = len(ratings.raters)
    part = np.bincount(ratings.rater[shared], weights=same[shared] / others[shared], minlength=people)
    n = np.bincount(ratings.rater[shared], minlength=people)
    return {name: share(float(part[i]), int(n[i])) for i, name in enumerate(ratings.raters)}


def agreement_of_peers(ratings: Table) -> dict[str, Peers]:
    """Of each rater, what the others say of the same items among themselves.

    Whoever shares items with careless raters agrees with few, without being careless: on the same items those agree
    with each other as little. So the difference is tested item by item, by Student's statistic as a normal one.
    """
    if not ratings.unit.size:
        return {}
    width, people = max(len(ratings.values), 1), len(ratings.raters)
    cell = ratings.unit * width + ratings.value
    counts, sizes = np.bincount(cell), np.bincount(ratings.unit)
    same = counts[cell] - 1
    agreeing = np.bincount(ratings.unit, weights=same)[ratings.unit]
    others = sizes[ratings.unit] - 1
    use = others >= 2
    rater, others, same = ratings.rater[use], others[use], same[use]
    among = (agreeing[use] - 2 * same) / (others * (others - 1))
    gap = same / others - among
    n = np.bincount(rater, minlength=people)
    some = np.maximum(n, 1)
    mean, peers = (np.bincount(rater, weights=one, minlength=people) / some for one in (gap, among))
    spread = np.sqrt(np.bincount(rater, weights=gap**2, minlength=people) / some - mean**2)
    # Where every gap is the same there is no spread to measure by; a small one is taken.
    z = mean * np.sqrt(n) / np.maximum(spread, 0.1)
    return {
        name: Peers(float(peers[i]), int(n[i]), 0.5 * erfc(-float(z[i]) / sqrt(2)))
        for i, name in enumerate(ratings.raters)
        if n[i]
    }


def competences(ratings: Table) -> tuple[dict[str, float | None], dict[str, float | None]]:
    """Of Dawid and Skene, and of MACE, from the newest items that several raters answered."""
    keep = (np.bincount(ratings.unit) >= 2)[ratings.unit] if ratings.unit.size else np.zeros(0, dtype=bool)
    if int(keep.sum()) > MOST_FOR_COMPETENCE:
        # Units are in the order of their tasks; what is kept are whole units.
        oldest = np.sort(ratings.unit[keep])[-MOST_FOR_COMPETENCE]
        keep &= ratings.unit > oldest
    if not keep.any():
        return {}, {}
    _, unit = np.unique(ratings.unit[keep], return_inverse=True)
    newest = Table(unit.astype(np.int64), ratings.rater[keep], ratings.value[keep], ratings.raters, ratings.values)
    return competence(newest), mace(newest)


# --- Who stands out -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Notice:
    """Someone whose figure is not what chance leaves of a fair one."""

    user: int
    signal: str
    """gold, first, longer, agreement or streak."""
    p: float
    """After Holm's correction."""
    rater: Rater
    usual: float
    """What the figure is held against."""


Tested = Callable[[Rater], tuple[float, float] | None]
"""(p, what it is held against) of a rater; None where there is too little to say."""


def notices(raters: Sequence[Rater], *, gold_bar: float = GOLD_BAR) -> list[Notice]:
    """Who stands out, most surprising first. Corrected for all raters and signals together: among fair people the
    list stays empty 95 times in 100."""
    tests: Mapping[str, Tested] = {
        "gold": lambda one: below_bar(one.gold, gold_bar),
        "first": lambda one: side_leaning(one.first),
        "longer": lambda one: apart(one.longer, [other.longer for other in raters if other is not one]),
        "agreement": lambda one: apart_from_peers(one, raters),
        "streak": lambda one: (one.streak.p, 0.0) if one.streak and one.streak.n >= ENOUGH else None,
    }
    looked_at = [(signal, one, said) for signal, test in tests.items() for one in raters if (said := test(one))]
    corrected = holm([p for _, _, (p, _) in looked_at])
    found = [
        Notice(one.user, signal, p, one, against)
        for (signal, one, (_, against)), p in zip(looked_at, corrected, strict=True)
        if p < SURE
    ]
    return sorted(found, key=lambda one: (one.p, one.user))


def below_bar(gold: Share, bar: float) -> tuple[float, float] | None:
    if gold.n < ENOUGH or gold.value is None:
        return None
    return at_most_p(round(gold.value * gold.n), gold.n, bar), bar


def side_leaning(first: Share) -> tuple[float, float] | None:
    """Held against a half: chance decides which response comes first."""
    if first.n < ENOUGH or first.value is None:
        return None
    small = abs(first.value - 0.5) < MATTERS
    return 1.0 if small else binomial_p(round(first.value * first.n), first.n, 0.5), 0.5


def apart(own: Share, others: Sequence[Share]) -> tuple[float, float] | None:
    """Held against the others and not against a half: the longer answer may well be the better one.

    Against the middle one of them, which one who always takes the longer answer does not move.
    """
    known = [one.value for one in others if one.n >= ENOUGH and one.value is not None]
    n = sum(one.n for one in others)
    if own.n < ENOUGH or own.value is None or not known:
        return None
    usual = float(np.median(known))
    small = abs(own.value - usual) < MATTERS
    return 1.0 if small else two_shares_p(own.value * own.n, own.n, usual * n, n), usual


def apart_from_peers(one: Rater, raters: Sequence[Rater]) -> tuple[float, float] | None:
    """Held against the others on the same items; where only two people answer an item, against all others."""
    own, peers = one.agreement, one.peers
    if peers.n >= ENOUGH and peers.value is not None and own.value is not None:
        return 1.0 if own.value > peers.value - MATTERS else peers.p, peers.value
    if peers.n:
        return None
    found = apart(own, [other.agreement for other in raters if other is not one])
    if found is None or own.value is None:
        return None
    return 1.0 if own.value > found[1] else found[0], found[1]
