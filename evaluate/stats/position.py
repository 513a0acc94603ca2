"""Does the place on the screen decide? The share of votes for whatever was shown first."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from evaluate.stats.estimate import Estimate
from evaluate.stats.win_rate import codes, win_rate

FAIR = 0.5


@dataclass(frozen=True)
class PositionRow:
    """The first-slot rate of one rater."""

    rater: str
    rate: Estimate
    ties: int


def first_slot_rate(sides: ArrayLike) -> Estimate:
    """Share of the votes for a side that chose the response shown first, with Wilson's interval.

    sides: (votes,), positive for the first shown, negative for the second, 0 for a tie. Ties chose no place and are
    left out. The order shown is drawn anew for each rater and task, so a fair rater scores 0.5 whatever the
    responses are, and votes are independent under that hypothesis even where raters share tasks.
    """
    chosen = np.sign(np.asarray(sides, dtype=float))
    return win_rate((chosen[chosen != 0] + 1) / 2)


def first_slot_rates(sides: ArrayLike, raters: Sequence[str]) -> list[PositionRow]:
    """The rate of each rater, most votes first. sides, raters: (votes,)."""
    values = np.asarray(sides, dtype=float)
    index = codes(raters)
    names = list(dict.fromkeys(raters))
    rows = [
        PositionRow(name, first_slot_rate(values[index == i]), int((values[index == i] == 0).sum()))
        for i, name in enumerate(names)
    ]
    return sorted(rows, key=lambda row: (-row.rate.n, row.rater))
