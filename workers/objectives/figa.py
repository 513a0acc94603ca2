"""Token-weighted likelihood from edits: FIGA (Guo et al. 2023, 2311.04072).

What a person changed in an answer is what to learn from: tokens of the revision that are new are made likelier,
tokens of the original that were taken out less likely, and only where the model was sure of them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from workers.objectives.checks import same_shape

REMOVED_WEIGHT = -0.5
SURE = 0.6
"""Nats: tokens that the model finds less likely than exp(-0.6) need not be pushed further down."""


def removed_weights(
    log_probs: Tensor, removed: Tensor, *, weight: float = REMOVED_WEIGHT, sure: float = SURE
) -> Tensor:
    """Weights of the tokens of an original answer, shape as given: `weight` where a token was removed and its negative
    log-likelihood is at most `sure` nats, else 0. `removed`: boolean; never the end-of-turn token. No gradient.
    """
    same_shape(log_probs=log_probs, removed=removed)
    return torch.where(removed & (-log_probs.detach() <= sure), weight, 0.0).to(log_probs.dtype)


def token_weighted_loss(log_probs: Tensor, weights: Tensor, *, count: int | Tensor | None = None) -> Tensor:
    """sum w NLL / number of tokens with a weight: one number, in nats a token.

    With weights of 1 on all tokens of the answers it is SFT.

    Args:
        log_probs: of each token, any shape, in nats; weights: the same shape, 0 for tokens that do not count.
        count: tokens with a weight in the *whole* batch, where this is one of its micro-batches: the parts then add
            up to the loss of the whole. None: those given.
    """
    same_shape(log_probs=log_probs, weights=weights)
    total = (weights != 0).sum() if count is None else torch.as_tensor(count, device=log_probs.device)
    return -(weights * log_probs).sum() / total.clamp(min=1)
