"""Relatives of DPO that differ only in what they do with the two log-ratios; see dpo.py and ipo.py for those two.

All take what `dpo_loss` takes and return the loss of each pair, shape (batch,). With

    u = log pi(chosen) - log ref(chosen),  v = log pi(rejected) - log ref(rejected),  h = u - v,  s = logistic

in nats, summed over the tokens of each whole response. Lengths, in tokens, are used by `sigmoid_norm` only.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from workers.objectives.checks import above_zero, same_shape, smoothing

NEEDS_REFERENCE = True


def _ratios(chosen: Tensor, rejected: Tensor, chosen_ref: Tensor, rejected_ref: Tensor) -> tuple[Tensor, Tensor]:
    """u and v, both of shape (batch,)."""
    same_shape(
        chosen_log_probs=chosen,
        rejected_log_probs=rejected,
        chosen_reference=chosen_ref,
        rejected_reference=rejected_ref,
    )
    return chosen - chosen_ref, rejected - rejected_ref


def _of_ratios(formula: Callable[..., Tensor], name: str) -> Callable[..., Tensor]:
    """A policy objective from a formula of u, v and its settings."""

    def loss(
        chosen_log_probs: Tensor,
        rejected_log_probs: Tensor,
        *,
        chosen_reference: Tensor,
        rejected_reference: Tensor,
        chosen_lengths: Tensor | None = None,
        rejected_lengths: Tensor | None = None,
        beta: float = 0.1,
        **settings: float,
    ) -> Tensor:
        above_zero(beta=beta)
        u, v = _ratios(chosen_log_probs, rejected_log_probs, chosen_reference, rejected_reference)
        return formula(u, v, beta, **settings)

    loss.__name__, loss.__doc__ = name, formula.__doc__
    return loss


def _hinge(u: Tensor, v: Tensor, beta: float) -> Tensor:
    """Hinge (SLiC-HF, Zhao et al. 2023, 2305.10425; RSO, 2309.06657): max(0, 1 - beta h)."""
    return F.relu(1 - beta * (u - v))


def _robust(u: Tensor, v: Tensor, beta: float, label_smoothing: float = 0.0) -> Tensor:
    """Robust DPO (Chowdhury et al. 2024, 2403.00409), unbiased where a share e of the labels is flipped:

    (-(1 - e) log s(beta h) + e log s(-beta h)) / (1 - 2 e).  Plain DPO at e = 0.
    """
    smoothing(label_smoothing)
    e, h = label_smoothing, beta * (u - v)
    return (-(1 - e) * F.logsigmoid(h) + e * F.logsigmoid(-h)) / (1 - 2 * e)


def _apo_zero(u: Tensor, v: Tensor, beta: float) -> Tensor:
    """APO-zero (D'Oosterlinck et al. 2024, 2408.06266, eq. 7), for chosen answers better than the model's own:

    1 - s(beta u) + s(beta v).
    """
    return torch.sigmoid(-beta * u) + torch.sigmoid(beta * v)


def _apo_down(u: Tensor, v: Tensor, beta: float) -> Tensor:
    """APO-down (2408.06266, eq. 8), for chosen answers worse than the model's own: s(beta u) + 1 - s(beta h)."""
    return torch.sigmoid(beta * u) + torch.sigmoid(-beta * (u - v))


def _nca_pair(u: Tensor, v: Tensor, beta: float) -> Tensor:
    """Noise contrastive alignment of a pair (Chen et al. 2024, 2402.05369):

    -log s(beta u) - log s(-beta u) / 2 - log s(-beta v) / 2.
    """
    return -F.logsigmoid(beta * u) - (F.logsigmoid(-beta * u) + F.logsigmoid(-beta * v)) / 2


def _exo_pair(u: Tensor, v: Tensor, beta: float, label_smoothing: float = 1e-3) -> Tensor:
    """EXO of a pair (Ji et al. 2024, 2402.00856, eq. 16): KL from (s(beta h), s(-beta h)) to (1 - e, e).

    e must be above 0: against a label without doubt the divergence is infinite.
    """
    smoothing(label_smoothing)
    above_zero(label_smoothing=label_smoothing)
    h = beta * (u - v)
    won, lost = F.logsigmoid(h), F.logsigmoid(-h)
    return won.exp() * (won - math.log1p(-label_smoothing)) + lost.exp() * (lost - math.log(label_smoothing))


def _sppo_hard(u: Tensor, v: Tensor, beta: float) -> Tensor:
    """Self-play preference optimisation with certain labels (Wu et al. 2024, 2405.00675, eq. 4.7):

    (u - 1 / (2 beta))^2 + (v + 1 / (2 beta))^2, in squared nats.
    """
    return (u - 0.5 / beta) ** 2 + (v + 0.5 / beta) ** 2


def _bco_pair(u: Tensor, v: Tensor, beta: float) -> Tensor:
    """Binary classifier optimisation of a pair (Jung et al. 2024, 2404.04656), its shift of the reward left at 0:

    -log s(beta u) - log s(-beta v).
    """
    return -F.logsigmoid(beta * u) - F.logsigmoid(-beta * v)


def _discopop(u: Tensor, v: Tensor, beta: float, discopop_tau: float = 0.05) -> Tensor:
    """DiscoPOP's log-ratio modulated loss (Lu et al. 2024, 2406.08414, eq. 5), with m = s(beta h / tau):

    -(1 - m) log s(beta h) + m exp(-beta h).  Plain DPO where m is 0, far on the wrong side.
    """
    above_zero(discopop_tau=discopop_tau)
    h = beta * (u - v)
    m = torch.sigmoid(h / discopop_tau)
    # log m first: far on the wrong side m is 0 and exp(-h) infinite, and their product is 0.
    return -F.logsigmoid(h) * (1 - m) + (F.logsigmoid(h / discopop_tau) - h).exp()


hinge_loss = _of_ratios(_hinge, "hinge_loss")
robust_loss = _of_ratios(_robust, "robust_loss")
apo_zero_loss = _of_ratios(_apo_zero, "apo_zero_loss")
apo_down_loss = _of_ratios(_apo_down, "apo_down_loss")
nca_pair_loss = _of_ratios(_nca_pair, "nca_pair_loss")
exo_pair_loss = _of_ratios(_exo_pair, "exo_pair_loss")
sppo_hard_loss = _of_ratios(_sppo_hard, "sppo_hard_loss")
bco_pair_loss = _of_ratios(_bco_pair, "bco_pair_loss")
discopop_loss = _of_ratios(_discopop, "discopop_loss")


def sigmoid_norm_loss(
    chosen_log_probs: Tensor,
    rejected_log_probs: Tensor,
    *,
    chosen_reference: Tensor,
    rejected_reference: Tensor,
    chosen_lengths: Tensor | None = None,
    rejected_lengths: Tensor | None = None,
    beta: float = 0.1,
) -> Tensor:
    """Length-normalised DPO (Tulu 3, Lambert et al. 2024, 2411.15124): -log s(beta (u / |chosen| - v / |rejected|)).

    Lengths in tokens, shape (batch,), at least 1; without them it is DPO.
    """
    above_zero(beta=beta)
    u, v = _ratios(chosen_log_probs, rejected_log_probs, chosen_reference, rejected_reference)
    if chosen_lengths is not None and rejected_lengths is not None:
        same_shape(chosen_log_probs=u, chosen_lengths=chosen_lengths, rejected_lengths=rejected_lengths)
        u, v = u / chosen_lengths, v / rejected_lengths
    return -F.logsigmoid(beta * (u - v))
