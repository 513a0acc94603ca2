"""Joint preference optimisation over (instruction, response) pairs: DOVE (Bansal et al. 2024, 2404.00530).

People also compare two answers to *different* instructions. Chosen is (i, r), rejected (j, s), and the instruction
is part of what is likely or not.
"""

from __future__ import annotations

from torch import Tensor

from workers.objectives.checks import same_shape
from workers.objectives.dpo import dpo_loss

NEEDS_REFERENCE = True


def joint_dpo_loss(
    chosen_log_probs: Tensor,
    rejected_log_probs: Tensor,
    *,
    chosen_reference: Tensor,
    rejected_reference: Tensor,
    chosen_prompt_ratio: Tensor | None = None,
    rejected_prompt_ratio: Tensor | None = None,
    beta: float = 0.1,
) -> Tensor:
    """Loss of each pair of pairs, shape (batch,), in nats.

        loss = -log sigmoid(beta [log pi(i, r) / ref(i, r) - log pi(j, s) / ref(j, s)])
        log pi(i, r) / ref(i, r) = log-ratio of r given i + log-ratio of i

    Args:
        chosen_log_probs, rejected_log_probs: log-probability of each response given its own instruction, summed over
            its tokens, shape (batch,); chosen_reference and rejected_reference the same under the reference.
        chosen_prompt_ratio, rejected_prompt_ratio: log pi - log ref of the instructions, summed over their tokens,
            shape (batch,). None: instructions are masked, and with one instruction on both sides it is DPO; with the
            same ratio on both sides too, since it cancels.
    """
    same_shape(
        chosen_log_probs=chosen_log_probs, rejected_log_probs=rejected_log_probs,
        chosen_reference=chosen_reference, rejected_reference=rejected_reference,
        chosen_prompt_ratio=chosen_prompt_ratio, rejected_prompt_ratio=rejected_prompt_ratio,
    )  # fmt: skip
    if (chosen_prompt_ratio is None) != (rejected_prompt_ratio is None):
        raise ValueError("Both instructions are counted or neither: one prompt ratio is missing.")
    if chosen_prompt_ratio is not None and rejected_prompt_ratio is not None:
        chosen_log_probs = chosen_log_probs + chosen_prompt_ratio
        rejected_log_probs = rejected_log_probs + rejected_prompt_ratio
    return dpo_loss(
        chosen_log_probs,
        rejected_log_probs,
        chosen_reference=chosen_reference,
        rejected_reference=rejected_reference,
        beta=beta,
    )
