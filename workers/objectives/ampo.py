"""Group loss of active multi-preference optimisation: AMPO (Gupta et al. 2025, 2502.18293).

Which answers are in the group is chosen when the dataset is built; here are only their scores and the loss.
"""

from __future__ import annotations

import torch
from torch import Tensor

from workers.objectives.checks import above_zero, same_shape


def group_scores(log_ratios: Tensor, rewards: Tensor, *, member: Tensor, beta: float, alpha: float = 1.0) -> Tensor:
    """s = beta x log term + alpha (r - mean r of the group), shape (groups, answers).

    `log_ratios`: log-probabilities of each answer or their ratios to the reference, in nats; `rewards` in units of
    the reward; `member`: boolean, False for padding. All of shape (groups, answers).
    """
    above_zero(beta=beta)
    same_shape(log_ratios=log_ratios, rewards=rewards, member=member)
    known = torch.where(member, rewards, 0.0)
    mean = known.sum(dim=1, keepdim=True) / member.sum(dim=1, keepdim=True).clamp(min=1)
    return beta * log_ratios + alpha * (rewards - mean)


def group_loss(scores: Tensor, *, positive: Tensor, member: Tensor) -> Tensor:
    """-log(sum of e^s over the positive answers / sum of e^s over all), shape (groups,), in nats.

    One positive and one negative answer: -log sigmoid(s+ - s-), which with log-ratios as scores is DPO.

    Args:
        scores: shape (groups, answers). positive, member: boolean, the same shape; a positive answer is a member,
            and each group has at least one.
    """
    same_shape(scores=scores, positive=positive, member=member)
    if (positive & ~member).any() or not positive.any(dim=1).all():
        raise ValueError("Each group needs a positive answer, and positive answers are members of their group.")
    # A number, not -inf: the gradient of logsumexp over -inf alone would be NaN.
    nothing = torch.finfo(scores.dtype).min
    wanted = torch.logsumexp(scores.masked_fill(~positive, nothing), dim=1)
    return torch.logsumexp(scores.masked_fill(~member, nothing), dim=1) - wanted
