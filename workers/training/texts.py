"""Policies learn from texts: supervised fine-tuning on completions, each token by its weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from workers.modeling import token_log_probs
from workers.training.learner import Learner, Losses, Split


@dataclass(frozen=True)
class TokenText:
    """A prompt and what is to be written for it. `weights`: of each token of the completion; None: 1 each.

    `weight` of the row multiplies those of its tokens.
    """

    prompt: tuple[int, ...]
    completion: tuple[int, ...]
    weights: tuple[float, ...] | None = None
    weight: float = 1.0

    @property
    def tokens(self) -> int:
        return len(self.prompt) + len(self.completion)

    @property
    def token_weights(self) -> tuple[float, ...]:
        return tuple(self.weight * one for one in self.weights or (1.0,) * len(self.completion))


class Texts(Learner[TokenText]):
    """loss = sum w NLL / sum w over the tokens of the completions of the *whole* batch, in nats a token.

    A mean over tokens, not over rows, so a long answer counts for its length however the batch is cut; prompts are
    read and not learned. Measured: `nll`, the mean of each row in nats a token.
    """

    headline = "loss"

    def weight(self, row: TokenText) -> float:
        return sum(row.token_weights)

    def losses(self, split: Split, indices: Sequence[int], constants: Any) -> Losses:
        rows = [self.rows[split][index] for index in indices]
        log_probs, row_of = token_log_probs(
            self.model, [row.prompt for row in rows], [row.completion for row in rows], pad_id=self.pad_id
        )
        weights = torch.tensor([one for row in rows for one in row.token_weights], device=log_probs.device)
        empty = torch.zeros(len(rows), device=log_probs.device)
        weighted = empty.index_add(0, row_of, -weights * log_probs)
        total = empty.index_add(0, row_of, weights)
        # A row that does not count has a mean of 0 / 0, which is how the loop knows.
        return Losses(weighted, {"nll": weighted.detach() / total})
