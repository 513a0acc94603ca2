"""What one voice says of the models it compared: from battles to ratings, win rates and pairs."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from accounts.models import Project
from evaluate.battles import Battles, Voice
from evaluate.stats import Estimate, Rating, Ratings, bradley_terry, clustered_win_rate
from registry.models import ModelVersion


@dataclass(frozen=True)
class Board:
    """What one voice says of all models that it compared."""

    voice: Voice
    ratings: Ratings
    rates: dict[str, Estimate]
    """Win rate of each model over all its battles; a model that beats weak ones only has a high one too."""
    pairs: dict[tuple[str, str], Estimate]
    """Win rate of the first against the second, both ways round."""
    trained: int
    """Battles left out because a model in them, or the judge, was trained on the prompt."""

    @property
    def battles(self) -> int:
        return self.ratings.battles

    @property
    def order(self) -> list[str]:
        """Models, best first: by rating, or by win rate where there is no common scale."""
        if self.ratings.rows:
            return [row.model for row in self.ratings.rows]
        return sorted(self.rates, key=lambda name: (-(self.rates[name].value or 0), name))

    def rating(self, model: str) -> Rating | None:
        return next((row for row in self.ratings.rows if row.model == model), None)


def boards_of(project: Project, found: Sequence[Battles]) -> list[Board]:
    """A board a voice, from battles on prompts that no model in them was trained on, nor the judge."""
    anchor = anchor_of(project, found)
    return [board(battles, anchor=anchor) for battles in found]


def anchor_of(project: Project, found: Sequence[Battles]) -> str:
    """The model the others are read against: of those without a parent the one with most battles."""
    fought: Counter[str] = Counter()
    for battles in found:
        fought.update(battles.first.tolist())
        fought.update(battles.second.tolist())
    roots = set(ModelVersion.objects.filter(project=project, parent=None).values_list("name", flat=True))
    ranked = sorted(fought, key=lambda name: (name not in roots, -fought[name], name))
    return ranked[0] if ranked else ""


def board(battles: Battles, *, anchor: str) -> Board:
    names = sorted({*battles.first, *battles.second})
    ratings = bradley_terry(
        battles.first.tolist(), battles.second.tolist(), battles.outcome, clusters=battles.prompt,
        anchor=anchor if anchor in names else "",
    )  # fmt: skip
    rates = {name: clustered_win_rate(*battles.of(name)) for name in names}
    return Board(battles.voice, ratings, rates, pairs_of(battles, names), battles.trained)


def pairs_of(battles: Battles, names: Sequence[str]) -> dict[tuple[str, str], Estimate]:
    """Win rates of all pairs that met. Battles are put in the order of their pair once, not looked for pair by pair."""
    place = {name: i for i, name in enumerate(names)}
    first = np.fromiter(map(place.__getitem__, battles.first), np.int64, len(battles))
    second = np.fromiter(map(place.__getitem__, battles.second), np.int64, len(battles))
    key = np.minimum(first, second) * len(names) + np.maximum(first, second)
    outcome = np.where(first < second, battles.outcome, 1 - battles.outcome)
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.diff(key[order], prepend=-1))
    pairs: dict[tuple[str, str], Estimate] = {}
    for some in np.split(order, starts[1:]) if len(order) else []:
        low, high = divmod(int(key[some[0]]), len(names))
        rate = clustered_win_rate(outcome[some], battles.prompt[some])
        pairs[names[low], names[high]], pairs[names[high], names[low]] = rate, turned(rate)
    return pairs


def turned(rate: Estimate) -> Estimate:
    """The same battles seen from the other side."""
    if rate.value is None or rate.low is None or rate.high is None:
        return rate
    return Estimate(1 - rate.value, 1 - rate.high, 1 - rate.low, rate.n, rate.clusters)
