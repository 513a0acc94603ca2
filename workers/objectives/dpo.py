"""Direct preference optimisation (Rafailov et al. 2023, 2305.18290), sigmoid loss.

Label smoothing is conservative DPO (Mitchell 2023, "A note on DPO with noisy preferences").
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from workers.objectives.checks import above_zero, same_shape, smoothing

NEEDS_REFERENCE = True


def dpo_loss(
    chosen_log_probs: Tensor,
    rejected_log_probs: Tensor,
    *,
    chosen_reference: Tensor,
    rejected_reference: Tensor,
    chosen_lengths: Tensor | None = None,
    rejected_lengths: Tensor | None = None,
    beta: float = 0.1,
    label_smoothing: Tensor | float = 0.0,
) -> Tensor:
    """Loss of each pair, shape (batch,), in nats.

        h = (log pi(chosen) - log ref(chosen)) - (log pi(rejected) - log ref(rejected))
        loss = -(1 - e) log sigmoid(beta h) - e log sigmoid(-beta h)

    Args:
        chosen_log_probs, rejected_log_probs: log-probability of each whole response under the policy, summed
            over its tokens, shape (batch,).
        chosen_reference, rejected_reference: the same under the frozen reference, shape (batch,).
        chosen_lengths, rejected_lengths: not used; every policy objective receives them.
        beta: strength of the pull towards the reference, above 0.
        label_smoothing: e, the probability that a vote is the wrong way round: one number in [0, 0.5), or one a pair,
            shape (batch,), in [0, 0.5] (a soft label).
    """
    above_zero(beta=beta)
    same_shape(
        chosen_log_probs=chosen_log_probs, rejected_log_probs=rejected_log_probs,
        chosen_reference=chosen_reference, rejected_reference=rejected_reference,
        chosen_lengths=chosen_lengths, rejected_lengths=rejected_lengths,
        label_smoothing=label_smoothing if isinstance(label_smoothing, Tensor) else None,
    )  # fmt: skip
    if not isinstance(label_smoothing, Tensor):
        smoothing(label_smoothing)
    elif not ((label_smoothing >= 0) & (label_smoothing <= 0.5)).all():
        raise ValueError("label_smoothing of a pair must be in [0, 0.5].")
    h = (chosen_log_probs - chosen_reference) - (rejected_log_probs - rejected_reference)
    return -(1 - label_smoothing) * F.logsigmoid(beta * h) - label_smoothing * F.logsigmoid(-beta * h)
