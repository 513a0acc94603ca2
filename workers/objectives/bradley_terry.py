"""Bradley-Terry loss for a reward model (Bradley and Terry 1952; as used by Ouyang et al. 2022, 2203.02155).

The margin is that of Llama 2 (Touvron et al. 2023, 2307.09288); a tie as half a win to each side follows
Chatbot Arena (Chiang et al. 2024, 2403.04132).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

NEEDS_REFERENCE = False


def bradley_terry_loss(
    chosen_scores: Tensor, rejected_scores: Tensor, *, margin: Tensor | float = 0.0, tie: Tensor | None = None
) -> Tensor:
    """Loss of each pair, shape (batch,), in nats.

        d = r(chosen) - r(rejected)
        loss = -log sigmoid(d - margin)                          for a win
        loss = -(log sigmoid(d) + log sigmoid(-d)) / 2           for a tie

    Args:
        chosen_scores, rejected_scores: rewards, shape (batch,).
        margin: how far apart the two should be, in units of the reward, shape (batch,) or one number. A tie
            has none.
        tie: boolean, shape (batch,): the pair was judged equally good. None: no ties.
    """
    difference = chosen_scores - rejected_scores
    win = -F.logsigmoid(difference - margin)
    if tie is None:
        return win
    half = -(F.logsigmoid(difference) + F.logsigmoid(-difference)) / 2
    return half.where(tie, win)
