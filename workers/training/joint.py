"""Policies learn from joint pairs: two responses, each to a prompt of its own.

DOVE (Bansal et al. 2024, 2404.00530).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from workers.objectives.dove import joint_dpo_loss
from workers.training.divergence import Written
from workers.training.learner import Losses, Split
from workers.training.pairs import BETA
from workers.training.reference import Referenced


@dataclass(frozen=True)
class JointPair:
    """Where instructions count too, a prompt holds its first token only and the rest is part of the response."""

    prompt_chosen: tuple[int, ...]
    chosen: tuple[int, ...]
    prompt_rejected: tuple[int, ...]
    rejected: tuple[int, ...]
    weight: float = 1.0

    @property
    def tokens(self) -> int:
        return len(self.prompt_chosen) + len(self.chosen) + len(self.prompt_rejected) + len(self.rejected)


class JointPairs(Referenced[JointPair]):
    """With the same prompt on both sides it is DPO. options: `beta`."""

    def written(self, row: JointPair) -> Sequence[Written]:
        return [(row.prompt_chosen, row.chosen), (row.prompt_rejected, row.rejected)]

    def weight(self, row: JointPair) -> float:
        return row.weight

    def losses(self, split: Split, indices: Sequence[int], constants: Any) -> Losses:
        rows = [self.rows[split][index] for index in indices]
        found = self.log_probs(rows).view(-1, 2)
        reference = self.reference_of(split, indices).view(-1, 2)
        beta = self.settings.options.get("beta", BETA)
        losses = joint_dpo_loss(
            found[:, 0], found[:, 1], chosen_reference=reference[:, 0], rejected_reference=reference[:, 1], beta=beta
        )
        good, bad = (beta * (found - reference)).detach().unbind(1)
        measured = {
            "accuracy": ((good - bad).sign() + 1) / 2, "margin": good - bad,
            "chosen_reward": good, "rejected_reward": bad,
        }  # fmt: skip
        weights = torch.tensor([row.weight for row in rows], device=losses.device)
        return Losses(losses * weights, measured)
