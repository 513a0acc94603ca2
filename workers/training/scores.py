"""Reward models learn from pairs: the better response shall score higher (Bradley-Terry)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from workers.modeling import last_token_scores
from workers.objectives import OBJECTIVES
from workers.pairs import TokenPair
from workers.training.learner import Learner, Losses, Split
from workers.training.pairs import right, weights_of


class RewardPairs(Learner[TokenPair]):
    """Scores of both responses, read at their last token; a tie teaches that they are equal."""

    def tokens(self, row: TokenPair) -> int:
        return 2 * (len(row.prompt) + max(len(row.chosen), len(row.rejected)))

    def weight(self, row: TokenPair) -> float:
        return row.weight

    def losses(self, split: Split, indices: Sequence[int], constants: Any) -> Losses:
        pairs = [self.rows[split][index] for index in indices]
        rows = [pair.prompt + pair.chosen for pair in pairs] + [pair.prompt + pair.rejected for pair in pairs]
        chosen, rejected = last_token_scores(self.model, rows, pad_id=self.pad_id).chunk(2)
        margin = torch.tensor([pair.margin for pair in pairs], device=chosen.device)
        tie = torch.tensor([pair.tie for pair in pairs], device=chosen.device)
        loss = OBJECTIVES[self.settings.objective].loss
        losses = loss(chosen, rejected, margin=margin, tie=tie, **self.settings.options)
        gap = (chosen - rejected).detach()
        measured = {
            "accuracy": right(gap, pairs), "margin": gap,
            "chosen_reward": chosen.detach(), "rejected_reward": rejected.detach(),
        }  # fmt: skip
        return Losses(losses * weights_of(pairs, chosen.device), measured)
