"""What a judge decided in both orders: single accuracy, pair accuracy, agreement, and what it did not decide."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluate.stats.estimate import UNDEFINED, Estimate
from evaluate.stats.win_rate import DRAWS, clustered_win_rate, wilson

TIE = 0
UNPARSEABLE = -1


@dataclass(frozen=True)
class Report:
    """`n` items, judged twice each. `unparseable`, `ties`: outputs of the 2 n.

    `first_slot` is how often the response shown first was chosen, of the outputs that chose one; fair is 0.5.
    """

    single_accuracy: Estimate
    pair_accuracy: Estimate
    agreement: Estimate
    first_slot: Estimate
    unparseable: int
    ties: int
    n: int


def judge_report(
    labels: ArrayLike, first: ArrayLike, second: ArrayLike, *, draws: int = DRAWS, seed: int = 0
) -> Report:
    """Figures of a judge who saw each pair in both orders.

    labels: (items,), 1 or 2, the better response; first: (items,), the choice in the given order; second: (items,),
    the choice after swapping, mapped back, so that 1 is the same response in all three. Choices are 1, 2, TIE or
    UNPARSEABLE. Raises ValueError for others.

    Single accuracy is the share of all 2 n outputs that are right, pair accuracy the share of the n items with both
    right, agreement the share of items with the same response chosen both times. A tie and an output that cannot be
    read are wrong in the first two, and neither chooses a response, so two ties are no agreement. Nothing is left out.

    Intervals: single accuracy and first_slot by bootstrap of items, since the two outputs of an item are no
    independent facts; the others Wilson's.
    """
    better, one, two = (np.asarray(part, dtype=int) for part in (labels, first, second))
    if not better.shape == one.shape == two.shape or better.ndim != 1:
        raise ValueError(f"{better.size} labels, {one.size} first and {two.size} second choices: one of each an item.")
    if not np.isin(better, (1, 2)).all() or not np.isin([one, two], (1, 2, TIE, UNPARSEABLE)).all():
        raise ValueError("Labels are 1 or 2; choices are 1, 2, 0 for a tie or -1 for what cannot be read.")
    n = better.size
    both = np.stack([one, two])
    right = both == better
    same = (one == two) & (one > 0)
    # Shown first is response 1 in the given order, and response 2 after swapping.
    chosen, in_front = both > 0, both == [[1], [2]]
    items = np.stack([np.arange(n), np.arange(n)])
    return Report(
        clustered_win_rate(right.mean(axis=0), np.arange(n), draws=draws, seed=seed) if n else UNDEFINED,
        share(right.all(axis=0)), share(same),
        clustered_win_rate(in_front[chosen].astype(float), items[chosen], draws=draws, seed=seed),
        int((both == UNPARSEABLE).sum()), int((both == TIE).sum()), n,
    )  # fmt: skip


def share(there: NDArray[np.bool_]) -> Estimate:
    """A share of independent items with Wilson's interval."""
    if not there.size:
        return UNDEFINED
    count = int(there.sum())
    return Estimate(count / there.size, *wilson(count, there.size), there.size)
