"""Policies learn from groups: the best responses to a prompt against a few others.

AMPO (Gupta et al. 2025, 2502.18293).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from workers.objectives.ampo import group_loss, group_scores
from workers.training.divergence import Written
from workers.training.learner import Losses, Split
from workers.training.pairs import BETA
from workers.training.reference import Referenced


@dataclass(frozen=True)
class TokenGroup:
    """One prompt and the members of its group; `positive` says of each whether it is to be made likelier."""

    prompt: tuple[int, ...]
    responses: tuple[tuple[int, ...], ...]
    scores: tuple[float, ...]
    positive: tuple[bool, ...]
    weight: float = 1.0

    @property
    def tokens(self) -> int:
        return sum(len(self.prompt) + len(one) for one in self.responses)


class Groups(Referenced[TokenGroup]):
    """options: `beta`; `alpha`, of the reward in a response's score; `reference`: 1 takes log-ratios (one positive, one
    negative and alpha 0 are then DPO), 0 takes log-probabilities alone.
    """

    @property
    def needs_reference(self) -> bool:
        return bool(self.settings.options.get("reference", 1.0))

    def written(self, row: TokenGroup) -> Sequence[Written]:
        return [(row.prompt, one) for one in row.responses]

    def weight(self, row: TokenGroup) -> float:
        return row.weight

    def losses(self, split: Split, indices: Sequence[int], constants: Any) -> Losses:
        rows = [self.rows[split][index] for index in indices]
        sizes = [len(row.responses) for row in rows]
        ratios = padded(self.log_probs(rows) - self.reference_of(split, indices), sizes)
        rewards = padded(torch.tensor([s for row in rows for s in row.scores], device=ratios.device), sizes)
        positive = padded(torch.tensor([p for row in rows for p in row.positive], device=ratios.device), sizes)
        member = padded(torch.ones(sum(sizes), dtype=torch.bool, device=ratios.device), sizes)
        options = self.settings.options
        beta = options.get("beta", BETA)
        scores = group_scores(ratios, rewards, member=member, beta=beta, alpha=options.get("alpha", 1.0))
        losses = group_loss(scores, positive=positive, member=member)
        weights = torch.tensor([row.weight for row in rows], device=losses.device)
        return Losses(losses * weights, _measured(beta * ratios.detach(), positive, member & ~positive))


def padded(flat: Tensor, sizes: Sequence[int]) -> Tensor:
    """(sum of sizes,) -> (groups, largest), zeros (or False) behind the end of a group."""
    return torch.nn.utils.rnn.pad_sequence(list(flat.split(list(sizes))), batch_first=True)


def _measured(reward: Tensor, positive: Tensor, negative: Tensor) -> dict[str, Tensor]:
    """Accuracy: of the pairs of a positive and a negative, the share with the higher reward on the right; half for
    equal ones. Means over a group's members, NaN where it has none of the kind."""
    pairs = positive.unsqueeze(2) & negative.unsqueeze(1)
    gap = reward.unsqueeze(2) - reward.unsqueeze(1)
    right = ((gap.sign() + 1) / 2).masked_fill(~pairs, 0).sum((1, 2)) / pairs.sum((1, 2))
    chosen = reward.masked_fill(~positive, 0).sum(1) / positive.sum(1)
    rejected = reward.masked_fill(~negative, 0).sum(1) / negative.sum(1)
    return {"accuracy": right, "margin": chosen - rejected, "chosen_reward": chosen, "rejected_reward": rejected}
