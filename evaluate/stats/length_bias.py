"""Does length decide? How often the longer response wins, and how steeply."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluate.stats.estimate import CONFIDENCE_Z, UNDEFINED, Estimate
from evaluate.stats.win_rate import checked, clustered_win_rate, codes

FAIR_RATE = 0.5
FAIR_COEFFICIENT = 0.0
STEPS = 60


def longer_wins(first_lengths: ArrayLike, second_lengths: ArrayLike, outcomes: ArrayLike, *,
                clusters: Sequence[object] | NDArray) -> Estimate:  # fmt: skip
    """Share of battles that the longer response wins, ties half, battles of equal length left out.

    All arrays are (battles,); lengths in any one unit; outcomes 1 where the first won. Interval: cluster bootstrap.
    """
    difference = np.asarray(first_lengths, dtype=float) - np.asarray(second_lengths, dtype=float)
    scores = checked(outcomes)
    uneven = difference != 0
    won = np.where(difference > 0, scores, 1 - scores)[uneven]
    return clustered_win_rate(won, codes(clusters)[uneven])


def length_coefficient(first_lengths: ArrayLike, second_lengths: ArrayLike, outcomes: ArrayLike, *,
                       clusters: Sequence[object] | NDArray) -> Estimate:  # fmt: skip
    """The pull of length in log-odds: the b of P(first wins) = sigma(b tanh(d / s)), d the length difference.

    As in length-controlled AlpacaEval 2 (Dubois et al. 2024): s is the standard deviation of d, there is no
    intercept because neither side is special, and tanh lets a very long text pull no harder than a long one. The
    fair value is 0; b = 1 lifts the much longer text from 50 to 73 of 100 wins.

    One tie between a much longer and a much shorter text is added, so that b stays finite where length decides every
    battle. The interval is normal, with the larger of the model's and the cluster-robust standard error: the robust
    one vanishes where the fit is perfect. Undefined where all lengths are equal.
    """
    difference = np.asarray(first_lengths, dtype=float) - np.asarray(second_lengths, dtype=float)
    scores = checked(outcomes)
    spread = float(np.sqrt((difference**2).mean())) if difference.size else 0.0
    if spread == 0:
        return UNDEFINED
    # The mean of d is 0 by symmetry (either text could have been first), so s is the root mean square.
    pull = np.tanh(difference / spread)
    slope, information = fitted(np.append(pull, 1.0), np.append(scores, 0.5))
    residual = pull * (scores - 1 / (1 + np.exp(-slope * pull)))
    by_cluster = np.bincount(codes(clusters), weights=residual)
    error = max(information**-0.5, float(np.sqrt((by_cluster**2).sum())) / information)
    half = CONFIDENCE_Z * error
    return Estimate(slope, slope - half, slope + half, scores.size, by_cluster.size)


def fitted(pull: NDArray, scores: NDArray) -> tuple[float, float]:
    """Newton's method on one coefficient; returns it and the information there. pull, scores: (battles,)."""
    slope, information = 0.0, 1.0
    for _ in range(STEPS):
        expected = 1 / (1 + np.exp(-slope * pull))
        information = float((pull**2 * expected * (1 - expected)).sum())
        step = float((pull * (scores - expected)).sum()) / information
        # A full step can overshoot where length decides nearly everything.
        slope += float(np.clip(step, -1, 1))
        if abs(step) < 1e-10:
            break
    return slope, information
