"""How often a scorer prefers what the raters preferred."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from evaluate.stats.estimate import Estimate
from evaluate.stats.win_rate import DRAWS, clustered_win_rate


def accuracy_of(margins: ArrayLike, prompt_keys: Sequence[str], *, draws: int = DRAWS, seed: int = 0) -> Estimate:
    """Pairwise accuracy of a reward model, with an interval that takes prompts as the independent units.

    margins: (pairs,), score of the chosen minus score of the rejected response; above 0 is right, exactly 0 is half
    right. prompt_keys: (pairs,). Raises ValueError for a margin that is not a number: a model that scores NaN has no
    accuracy.
    """
    scores = np.asarray(margins, dtype=float)
    if np.isnan(scores).any():
        raise ValueError(f"{int(np.isnan(scores).sum())} of {scores.size} margins are not a number.")
    return clustered_win_rate((np.sign(scores) + 1) / 2, prompt_keys, draws=draws, seed=seed)
