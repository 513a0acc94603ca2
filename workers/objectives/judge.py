"""Yes/no cross-entropy for judges: only the two tokens that can be the verdict compete."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from workers.objectives.checks import same_shape

NEEDS_REFERENCE = False


def verdict_loss(yes_log_probs: Tensor, no_log_probs: Tensor, *, label: Tensor) -> Tensor:
    """Cross-entropy of each verdict, shape (batch,), in nats (JSFT, Lee et al. 2024, 2402.11253, has A and B).

        d = log p(yes) - log p(no)
        loss = -y log sigmoid(d) - (1 - y) log sigmoid(-d)

    The two probabilities are taken among themselves, as the judge is read later: Bradley-Terry with the verdict
    tokens' logits as scores, where y is 1. A pair judged in both orders is two rows.

    Args:
        yes_log_probs, no_log_probs: log-probabilities (or logits) of the two verdict tokens at the position of the
            verdict, shape (batch,).
        label: y, the probability that "yes" is right, shape (batch,), in [0, 1]; 0.5 for a tie.
    """
    same_shape(yes_log_probs=yes_log_probs, no_log_probs=no_log_probs, label=label)
    if ((label < 0) | (label > 1)).any():
        raise ValueError("A label is the probability that yes is right, between 0 and 1.")
    d = yes_log_probs - no_log_probs
    y = label.to(d.dtype)
    return -y * F.logsigmoid(d) - (1 - y) * F.logsigmoid(-d)
