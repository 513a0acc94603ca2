"""Bradley-Terry loss for a reward model (Bradley and Terry 1952; as used by Ouyang et al. 2022, 2203.02155).

The margin is that of Llama 2 (Touvron et al. 2023, 2307.09288); a tie as half a win to each side follows
Chatbot Arena (Chiang et al. 2024, 2403.04132); centering keeps rewards about zero (Eisenstein et al. 2023, 2312.09244).
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from workers.objectives.checks import same_shape, smoothing

NEEDS_REFERENCE = False


def bradley_terry_loss(
    chosen_scores: Tensor,
    rejected_scores: Tensor,
    *,
    margin: Tensor | float = 0.0,
    tie: Tensor | None = None,
    label_smoothing: Tensor | float = 0.0,
    centering: float = 0.0,
) -> Tensor:
    """Loss of each pair, shape (batch,), in nats.

        d = r(chosen) - r(rejected)
        loss = -(1 - e) log sigmoid(d - margin) - e log sigmoid(-(d - margin))   for a win
        loss = -(log sigmoid(d) + log sigmoid(-d)) / 2                           for a tie
        either + c (r(chosen) + r(rejected))^2

    Args:
        chosen_scores, rejected_scores: rewards, shape (batch,).
        margin: how far apart the two should be, in units of the reward, shape (batch,) or one number. A tie
            has none.
        tie: boolean, shape (batch,): the pair was judged equally good. None: no ties.
        label_smoothing: e, the probability that a vote is the wrong way round: one number in [0, 0.5), or one a pair,
            shape (batch,), in [0, 0.5] (a soft label).
        centering: c, at least 0, in nats a squared reward: pulls the rewards of a pair towards a sum of zero.
    """
    soft = label_smoothing if isinstance(label_smoothing, Tensor) else None
    if not isinstance(label_smoothing, Tensor):
        smoothing(label_smoothing)
    elif not ((label_smoothing >= 0) & (label_smoothing <= 0.5)).all():
        raise ValueError("label_smoothing of a pair must be in [0, 0.5].")
    if centering < 0:
        raise ValueError(f"centering must be at least 0, it is {centering}.")
    same_shape(
        chosen_scores=chosen_scores, rejected_scores=rejected_scores, tie=tie,
        margin=margin if isinstance(margin, Tensor) else None, label_smoothing=soft,
    )  # fmt: skip
    difference = chosen_scores - rejected_scores
    asked = difference - margin
    loss = -F.logsigmoid(asked)
    if soft is not None or label_smoothing:
        loss = (1 - label_smoothing) * loss - label_smoothing * F.logsigmoid(-asked)
    if tie is not None:
        half = -(F.logsigmoid(difference) + F.logsigmoid(-difference)) / 2
        loss = half.where(tie, loss)
    return loss + centering * (chosen_scores + rejected_scores) ** 2 if centering else loss
