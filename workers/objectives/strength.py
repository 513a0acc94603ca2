"""Preference strength: how sure an ensemble or several annotators are of a pair, and what follows for its label.

Secrets of RLHF in large language models, part II (Wang et al. 2024, 2401.06080): the mean difference u of the rewards
that several reward models give, and its deviation. Pairs far below zero are likely wrong labels: flip them. Pairs
about zero are about chance: soften them. The others ask for a margin of u.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from workers.objectives.checks import same_shape

NEEDS_REFERENCE = False


def preference_strength(chosen_rewards: Tensor, rejected_rewards: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and sample standard deviation over the models of r(chosen) - r(rejected), both of shape (pairs,).

    Rewards of shape (models, pairs), in units of the reward; the deviation of a single model is 0.
    """
    same_shape(chosen_rewards=chosen_rewards, rejected_rewards=rejected_rewards)
    difference = chosen_rewards - rejected_rewards
    deviation = difference.std(dim=0) if len(difference) > 1 else torch.zeros_like(difference[0])
    return difference.mean(dim=0), deviation


def label_plan(strength: Tensor, *, flip_share: float = 0.2, soft_share: float = 0.2) -> tuple[Tensor, Tensor]:
    """(flip, soft): boolean, shape (pairs,): the weakest `flip_share` of the pairs, and the `soft_share` above them.

    A pair is only flipped where the models disagree with its label (strength below 0).
    """
    if flip_share < 0 or soft_share < 0 or flip_share + soft_share > 1:
        raise ValueError(f"flip_share and soft_share are shares of the pairs: {flip_share} and {soft_share} are not.")
    rank = strength.argsort(stable=True).argsort(stable=True)
    flip_end = round(flip_share * len(strength))
    soft_end = flip_end + round(soft_share * len(strength))
    return (rank < flip_end) & (strength < 0), (rank >= flip_end) & (rank < soft_end)


def disagreement_margin(share: Tensor, *, scale: float = 1.0, least: float = 0.01) -> Tensor:
    """A margin from the votes: scale x log-odds of `share`, the share of annotators who preferred the chosen side.

    Shape as given, in units of the reward. A house rule: under Bradley-Terry the log-odds are the difference of rewards
    that the votes imply, so all of one mind ask for much, half and half for nothing. `least` keeps it finite.
    """
    if not 0 < least < 0.5:
        raise ValueError(f"least must be in (0, 0.5), it is {least}.")
    if ((share < 0) | (share > 1)).any():
        raise ValueError("share is the share of votes for the chosen side, between 0 and 1.")
    return scale * torch.logit(share.clamp(least, 1 - least)).clamp(min=0)


def strength_loss(
    chosen_scores: Tensor,
    rejected_scores: Tensor,
    *,
    margin: Tensor | None = None,
    flip: Tensor | None = None,
    soft_label: Tensor | None = None,
) -> Tensor:
    """Loss of each pair, shape (batch,), in nats; Bradley-Terry where nothing but the scores is given.

        d = r(chosen) - r(rejected), its sign turned where `flip`
        loss = -(1 - a) log sigmoid(d - margin) - a log sigmoid(-(d - margin))

    Args:
        chosen_scores, rejected_scores: rewards, shape (batch,).
        margin: adaptive margin, the pair's strength, shape (batch,), in units of the reward; 0 where flipped.
        flip: boolean, shape (batch,): the label is taken the other way round.
        soft_label: a, the probability that the label is wrong, shape (batch,), in [0, 0.5].
    """
    same_shape(
        chosen_scores=chosen_scores, rejected_scores=rejected_scores, margin=margin, flip=flip, soft_label=soft_label
    )
    d = chosen_scores - rejected_scores
    if margin is not None:
        d = d - (margin if flip is None else margin.masked_fill(flip, 0.0))
    if flip is not None:
        d = torch.where(flip, -d, d)
    if soft_label is None:
        return -F.logsigmoid(d)
    return -(1 - soft_label) * F.logsigmoid(d) - soft_label * F.logsigmoid(-d)
