"""Relatives of DPO whose loss compares a whole batch, so that no pair has a loss of its own: AOT, and SFT by tokens.

All take what `dpo_loss` takes and return shape (batch,), in nats, whose mean is the loss of the batch. With
u = log pi(chosen) - log ref(chosen) and v the same of the rejected response, summed over tokens.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from workers.objectives.checks import above_zero, same_shape, smoothing


def aot_loss(
    chosen_log_probs: Tensor,
    rejected_log_probs: Tensor,
    *,
    chosen_reference: Tensor,
    rejected_reference: Tensor,
    chosen_lengths: Tensor | None = None,
    rejected_lengths: Tensor | None = None,
    beta: float = 0.1,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Alignment by optimal transport, paired (Melnyk et al. 2024, 2406.05882, eq. 9).

    The policy's log-ratios of chosen to rejected, in ascending order, against the reference's in ascending order: the
    one distribution shall lie above the other (stochastic dominance of first order), not each pair above itself.

        d_k = sorted(log pi(chosen) - log pi(rejected))_k - sorted(log ref(chosen) - log ref(rejected))_k
        loss_k = -(1 - e) log sigmoid(beta d_k) - e log sigmoid(-beta d_k)

    Each loss stands at the place of the pair whose policy log-ratio it holds. DPO for a batch of one pair.
    """
    _check(beta, label_smoothing, chosen_log_probs, rejected_log_probs, chosen_reference, rejected_reference)
    policy = chosen_log_probs - rejected_log_probs
    partner = (chosen_reference - rejected_reference).sort().values[_ranks(policy)]
    return _logistic(policy - partner, beta, label_smoothing)


def aot_unpaired_loss(
    chosen_log_probs: Tensor,
    rejected_log_probs: Tensor,
    *,
    chosen_reference: Tensor,
    rejected_reference: Tensor,
    chosen_lengths: Tensor | None = None,
    rejected_lengths: Tensor | None = None,
    beta: float = 0.1,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Alignment by optimal transport, unpaired (2406.05882, eq. 8): d_k = sorted(u)_k - sorted(v)_k, else as aot_loss.

    Each loss stands at the place of the pair whose u it holds. DPO for a batch of one pair.
    """
    _check(beta, label_smoothing, chosen_log_probs, rejected_log_probs, chosen_reference, rejected_reference)
    u, v = chosen_log_probs - chosen_reference, rejected_log_probs - rejected_reference
    return _logistic(u - v.sort().values[_ranks(u)], beta, label_smoothing)


def sft_loss(
    chosen_log_probs: Tensor,
    rejected_log_probs: Tensor,
    *,
    chosen_reference: Tensor | None = None,
    rejected_reference: Tensor | None = None,
    chosen_lengths: Tensor,
    rejected_lengths: Tensor | None = None,
    beta: float = 0.1,
) -> Tensor:
    """Negative log-likelihood of the chosen responses, a mean over all their tokens of the batch; for mixtures.

    loss_i = -log pi(chosen_i) n / sum of |chosen|. Lengths in tokens, shape (batch,); the rest is not used.
    """
    same_shape(
        chosen_log_probs=chosen_log_probs, rejected_log_probs=rejected_log_probs, chosen_lengths=chosen_lengths
    )  # fmt: skip
    return -chosen_log_probs * len(chosen_lengths) / chosen_lengths.sum()


def _check(beta: float, label_smoothing: float, chosen: Tensor, rejected: Tensor, *reference: Tensor) -> None:
    above_zero(beta=beta)
    smoothing(label_smoothing)
    same_shape(
        chosen_log_probs=chosen, rejected_log_probs=rejected, chosen_reference=reference[0],
        rejected_reference=reference[1],
    )  # fmt: skip


def _ranks(values: Tensor) -> Tensor:
    """Place of each value in ascending order, shape (batch,)."""
    return values.argsort(stable=True).argsort(stable=True)


def _logistic(d: Tensor, beta: float, e: float) -> Tensor:
    return -(1 - e) * F.logsigmoid(beta * d) - e * F.logsigmoid(-beta * d)
