"""Reward models learn from pairs: the better response shall score higher (Bradley-Terry)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from workers.modeling import last_token_scores
from workers.objectives import OBJECTIVES
from workers.pairs import TokenPair
from workers.training.learner import Learner, Losses, Split
from workers.training.pairs import right, weights_of


class RewardPairs(Learner[TokenPair]):
    """Scores of both responses; a tie teaches that they are equal. options: label_smoothing, centering."""

    def tokens(self, row: TokenPair) -> int:
        return 2 * (len(row.prompt) + max(len(row.chosen), len(row.rejected)))

    def weight(self, row: TokenPair) -> float:
        return row.weight

    def losses(self, split: Split, indices: Sequence[int], constants: Any) -> Losses:
        pairs = [self.rows[split][index] for index in indices]
        rows = [pair.prompt + pair.chosen for pair in pairs] + [pair.prompt + pair.rejected for pair in pairs]
        chosen, rejected = last_token_scores(self.model, rows, pad_id=self.pad_id).chunk(2)
        losses = self._loss(pairs, chosen, rejected, as_labelled=split == "held_out")
        gap = (chosen - rejected).detach()
        measured = {
            "accuracy": right(gap, pairs), "margin": gap,
            "chosen_reward": chosen.detach(), "rejected_reward": rejected.detach(),
        }  # fmt: skip
        return Losses(losses * weights_of(pairs, chosen.device), measured)

    def _loss(self, pairs: Sequence[TokenPair], chosen: Tensor, rejected: Tensor, *, as_labelled: bool) -> Tensor:
        """Of each pair, (pairs,). Measured `as_labelled`, no label is flipped or softened."""
        options: dict[str, Any] = dict(self.settings.options)
        device = chosen.device
        margin = torch.tensor([0.0 if pair.flip else pair.margin for pair in pairs], device=device)
        tie = torch.tensor([pair.tie for pair in pairs], device=device)
        if not as_labelled:
            flip = torch.tensor([pair.flip for pair in pairs], device=device)
            chosen, rejected = rejected.where(flip, chosen), chosen.where(flip, rejected)
            if any(pair.soft for pair in pairs):
                soft = torch.tensor([pair.soft for pair in pairs], device=device)
                options["label_smoothing"] = soft.clamp(min=options.get("label_smoothing", 0.0))
        loss: Tensor = OBJECTIVES[self.settings.objective].loss(chosen, rejected, margin=margin, tie=tie, **options)
        return loss
