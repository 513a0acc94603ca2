"""Kahneman-Tversky optimisation (Ethayarajh et al. 2024, 2402.01306): single answers, each marked good or bad."""

from __future__ import annotations

import torch
from torch import Tensor

from workers.objectives.checks import above_zero, same_shape

NEEDS_REFERENCE = True


def kto_loss(
    log_probs: Tensor,
    reference: Tensor,
    *,
    good: Tensor,
    kl: Tensor | float = 0.0,
    beta: float = 0.1,
    good_weight: float = 1.0,
    bad_weight: float = 1.0,
) -> Tensor:
    """Loss of each answer, shape (batch,), in [0, weight].

        u = log pi(y) - log ref(y)
        loss = good_weight (1 - sigmoid(beta (u - kl)))   for a good answer
        loss = bad_weight  (1 - sigmoid(beta (kl - u)))   for a bad one

    With kl = 0 and a good and a bad answer side by side it is APO-zero.

    Args:
        log_probs, reference: log-probability of each whole answer, summed over its tokens, shape (batch,), in nats.
        good: boolean, shape (batch,).
        kl: how far the policy is from the reference, one number in nats, estimated on mismatched answers; taken
            as at least 0, and no gradient goes through it.
        good_weight, bad_weight: above 0; with unequal counts, 1 to 4/3 for (good_weight x good) / (bad_weight x bad).
    """
    above_zero(beta=beta, good_weight=good_weight, bad_weight=bad_weight)
    same_shape(log_probs=log_probs, reference=reference, good=good)
    zero = torch.as_tensor(kl, dtype=log_probs.dtype, device=log_probs.device).detach().clamp(min=0)
    if zero.dim():
        raise ValueError(f"kl is one number for the batch, not of shape {tuple(zero.shape)}.")
    away = beta * (log_probs - reference - zero)
    return torch.where(good, good_weight * torch.sigmoid(-away), bad_weight * torch.sigmoid(away))
