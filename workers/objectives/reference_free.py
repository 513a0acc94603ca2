"""Policy objectives that need no reference: CPO, SimPO and ORPO. Log-probabilities in nats, lengths in tokens."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from workers.objectives.checks import above_zero, same_shape, smoothing

NEEDS_REFERENCE = False


def cpo_loss(
    chosen_log_probs: Tensor,
    rejected_log_probs: Tensor,
    *,
    chosen_reference: Tensor | None = None,
    rejected_reference: Tensor | None = None,
    chosen_lengths: Tensor | None = None,
    rejected_lengths: Tensor | None = None,
    beta: float = 0.1,
    label_smoothing: float = 0.0,
    nll_weight: float = 1.0,
) -> Tensor:
    """Contrastive preference optimisation (Xu et al. 2024, 2401.08417). Loss of each pair, shape (batch,), in nats.

        d = log pi(chosen) - log pi(rejected)
        loss = -(1 - e) log sigmoid(beta d) - e log sigmoid(-beta d) - w log pi(chosen) / |chosen|

    With w = 0 it is DPO under a reference that finds both responses equally likely. The likelihood term is a mean
    over the tokens of each pair; TRL averages it over all tokens of a batch, which is the same for equal lengths.

    Args:
        chosen_log_probs, rejected_log_probs: of each whole response, summed over its tokens, shape (batch,).
        chosen_reference, rejected_reference, rejected_lengths: not used.
        chosen_lengths: tokens of each chosen response, shape (batch,); needed unless nll_weight is 0.
        nll_weight: w, at least 0.
    """
    above_zero(beta=beta)
    smoothing(label_smoothing)
    same_shape(chosen_log_probs=chosen_log_probs, rejected_log_probs=rejected_log_probs, chosen_lengths=chosen_lengths)
    d = beta * (chosen_log_probs - rejected_log_probs)
    loss = -(1 - label_smoothing) * F.logsigmoid(d) - label_smoothing * F.logsigmoid(-d)
    return loss + _nll(chosen_log_probs, chosen_lengths, nll_weight)


def simpo_loss(
    chosen_log_probs: Tensor,
    rejected_log_probs: Tensor,
    *,
    chosen_reference: Tensor | None = None,
    rejected_reference: Tensor | None = None,
    chosen_lengths: Tensor,
    rejected_lengths: Tensor,
    beta: float = 2.0,
    gamma: float = 1.0,
    label_smoothing: float = 0.0,
) -> Tensor:
    """SimPO (Meng et al. 2024, 2405.14734). Loss of each pair, shape (batch,), in nats.

        loss = -log sigmoid(beta (log pi(chosen) / |chosen| - log pi(rejected) / |rejected|) - gamma)

    `gamma` is the margin asked for, in units of the scaled mean log-probability; lengths in tokens, shape (batch,).
    """
    above_zero(beta=beta)
    smoothing(label_smoothing)
    same_shape(
        chosen_log_probs=chosen_log_probs, rejected_log_probs=rejected_log_probs,
        chosen_lengths=chosen_lengths, rejected_lengths=rejected_lengths,
    )  # fmt: skip
    d = beta * (chosen_log_probs / chosen_lengths - rejected_log_probs / rejected_lengths) - gamma
    return -(1 - label_smoothing) * F.logsigmoid(d) - label_smoothing * F.logsigmoid(-d)


def orpo_loss(
    chosen_log_probs: Tensor,
    rejected_log_probs: Tensor,
    *,
    chosen_reference: Tensor | None = None,
    rejected_reference: Tensor | None = None,
    chosen_lengths: Tensor,
    rejected_lengths: Tensor,
    beta: float = 0.1,
    nll_weight: float = 1.0,
) -> Tensor:
    """Odds ratio preference optimisation (Hong et al. 2024, 2403.07691). Loss of each pair, shape (batch,), in nats.

        m = log pi(y) / |y|,  odds = exp(m) / (1 - exp(m))
        loss = -w m(chosen) - beta log sigmoid(log odds(chosen) - log odds(rejected))

    SFT on the chosen responses at beta near 0. Lengths in tokens, shape (batch,).
    """
    above_zero(beta=beta)
    same_shape(
        chosen_log_probs=chosen_log_probs, rejected_log_probs=rejected_log_probs,
        chosen_lengths=chosen_lengths, rejected_lengths=rejected_lengths,
    )  # fmt: skip
    chosen, rejected = chosen_log_probs / chosen_lengths, rejected_log_probs / rejected_lengths
    log_odds = (chosen - rejected) - (_log1mexp(chosen) - _log1mexp(rejected))
    return _nll(chosen_log_probs, chosen_lengths, nll_weight) - beta * F.logsigmoid(log_odds)


def _nll(log_probs: Tensor, lengths: Tensor | None, weight: float) -> Tensor:
    if not weight:
        return torch.zeros_like(log_probs)
    if lengths is None:
        raise ValueError("The likelihood term is a mean over tokens: it needs chosen_lengths.")
    return -weight * log_probs / lengths


def _log1mexp(x: Tensor) -> Tensor:
    """log(1 - exp(x)) of x <= 0, exact at both ends (Maechler 2012); x of 0 is taken just below, so it is finite."""
    x = x.clamp(max=-torch.finfo(x.dtype).tiny)
    near = x > -0.6931471805599453
    # Both branches get an argument that is harmless to them: the gradient of the branch not taken must not be NaN.
    return torch.where(
        near,
        torch.log(-torch.expm1(torch.where(near, x, -1.0))),
        torch.log1p(-torch.exp(torch.where(near, -1.0, x))),
    )
