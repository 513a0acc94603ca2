"""Identity preference optimisation (Azar et al. 2023, 2310.12036), with log-ratios averaged over tokens.

The paper's loss does not divide by length; its authors confirmed the average for whole responses (see the
IPO update in huggingface/trl), since a sum of log-ratios grows with the length and the target does not.
"""

from __future__ import annotations

from torch import Tensor

from workers.objectives.checks import above_zero, same_shape

NEEDS_REFERENCE = True


def ipo_loss(
    chosen_log_probs: Tensor,
    rejected_log_probs: Tensor,
    *,
    chosen_reference: Tensor,
    rejected_reference: Tensor,
    chosen_lengths: Tensor | None = None,
    rejected_lengths: Tensor | None = None,
    beta: float = 0.1,
) -> Tensor:
    """Loss of each pair, shape (batch,), in squared nats.

        u = (log pi(y) - log ref(y)) / |y|     (the sum, where no lengths are given)
        loss = (u(chosen) - u(rejected) - 1 / (2 beta))^2

    Args:
        chosen_log_probs, rejected_log_probs: log-probability of each whole response under the policy, summed
            over its tokens, shape (batch,).
        chosen_reference, rejected_reference: the same under the frozen reference, shape (batch,).
        chosen_lengths, rejected_lengths: tokens of each response, shape (batch,), at least 1.
        beta: above 0; 1 / (2 beta) is the gap that the policy should reach.
    """
    above_zero(beta=beta)
    same_shape(
        chosen_log_probs=chosen_log_probs, rejected_log_probs=rejected_log_probs,
        chosen_reference=chosen_reference, rejected_reference=rejected_reference,
        chosen_lengths=chosen_lengths, rejected_lengths=rejected_lengths,
    )  # fmt: skip
    chosen = chosen_log_probs - chosen_reference
    rejected = rejected_log_probs - rejected_reference
    if chosen_lengths is not None and rejected_lengths is not None:
        chosen, rejected = chosen / chosen_lengths, rejected / rejected_lengths
    return (chosen - rejected - 1 / (2 * beta)) ** 2
