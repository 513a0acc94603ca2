"""Levels in an order, as ratings 1 to 5, from one score and the thresholds between the levels.

CORAL (Cao, Mirjalili and Raschka 2019, 1901.07884): a binary question for each threshold, with one score for all of
them. Cumulative logits (McCullagh 1980, Regression Models for Ordinal Data): the likelihood of the level itself. With
two levels both are logistic regression, -log sigmoid(+-(score - threshold)).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

NEEDS_REFERENCE = False


def coral_loss(scores: Tensor, thresholds: Tensor, levels: Tensor) -> Tensor:
    """Loss of each rating, shape (rows, dimensions), in nats.

        loss = sum over k of BCE(sigmoid(score - threshold_k), level > k)

    Args:
        scores: (rows, dimensions).
        thresholds: (dimensions, levels - 1).
        levels: (rows, dimensions), whole numbers from 0 to levels - 1.
    """
    check(scores, thresholds, levels)
    above = levels.unsqueeze(-1) > torch.arange(thresholds.shape[1], device=levels.device)
    logits = scores.unsqueeze(-1) - thresholds
    return F.binary_cross_entropy_with_logits(logits, above.to(logits.dtype), reduction="none").sum(-1)


def cumulative_logit_loss(scores: Tensor, thresholds: Tensor, levels: Tensor) -> Tensor:
    """Loss of each rating, shapes as in coral_loss, in nats; thresholds ascend.

    loss = -log(sigmoid(threshold_level - score) - sigmoid(threshold_(level - 1) - score))
    """
    check(scores, thresholds, levels)
    logs = level_log_probs(scores, thresholds)
    return -logs.gather(-1, levels.unsqueeze(-1)).squeeze(-1)


def level_log_probs(scores: Tensor, thresholds: Tensor) -> Tensor:
    """Log-probability of each level, (rows, dimensions, levels), in nats; thresholds ascend."""
    infinite = torch.full_like(thresholds[:, :1], torch.inf)
    above = torch.cat([thresholds, infinite], dim=1) - scores.unsqueeze(-1)
    below = torch.cat([-infinite, thresholds], dim=1) - scores.unsqueeze(-1)
    # sigmoid(b) - sigmoid(a) = sigmoid(b) sigmoid(-a) (1 - exp(a - b)): the difference itself would be lost to
    # rounding where both are about 0 or about 1.
    return F.logsigmoid(above) + F.logsigmoid(-below) + torch.log1p(-torch.exp(below - above))


def check(scores: Tensor, thresholds: Tensor, levels: Tensor) -> None:
    """Raise ValueError for shapes that would broadcast, and for levels that there are not."""
    if scores.dim() != 2 or levels.shape != scores.shape:
        raise ValueError(
            f"scores and levels are (rows, dimensions), not {tuple(scores.shape)} and {tuple(levels.shape)}."
        )
    if thresholds.dim() != 2 or len(thresholds) != scores.shape[1] or not thresholds.shape[1]:
        raise ValueError(f"thresholds are (dimensions, levels - 1), not {tuple(thresholds.shape)}.")
    if levels.numel() and not 0 <= int(levels.min()) <= int(levels.max()) <= thresholds.shape[1]:
        raise ValueError(f"levels are from 0 to {thresholds.shape[1]}; these are {levels.min()} to {levels.max()}.")


ORDINAL = {"coral": coral_loss, "cumulative": cumulative_logit_loss}
