"""Policies learn from single answers marked good or bad: KTO (Ethayarajh et al. 2024, 2402.01306)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from workers.objectives.kto import kto_loss
from workers.pairs import epoch_batches, total_steps
from workers.training.divergence import Written
from workers.training.learner import Losses, Split
from workers.training.pairs import BETA
from workers.training.reference import Referenced

Match = tuple[int, int]
"""(row whose prompt, row whose completion)."""


@dataclass(frozen=True)
class TokenAnswer:
    prompt: tuple[int, ...]
    completion: tuple[int, ...]
    good: bool
    weight: float = 1.0

    @property
    def tokens(self) -> int:
        return len(self.prompt) + len(self.completion)


class Unpaired(Referenced[TokenAnswer]):
    """The loss of a row needs the batch's KL, estimated on its prompts with the completions of other rows.

    The estimate is over the whole batch, before it is cut, so micro-batches change nothing; over the held-out rows it
    is one number for all of them. A batch of one row has no other completion: its KL is taken as 0. TRL 1.16 takes it
    of each micro-batch, and its partners by their place in the dataset; with one micro-batch a batch and rows in the
    dataset's order, both are the same.

    options: `beta`, `good_weight`, `bad_weight`.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.mismatched: dict[Split, dict[Match, float]] = {}

    def written(self, row: TokenAnswer) -> Sequence[Written]:
        return [(row.prompt, row.completion)]

    def weight(self, row: TokenAnswer) -> float:
        return row.weight

    def begin(self, note: Callable[[str], None]) -> None:
        """The reference of mismatched completions too: which they are is known from the order of the batches."""
        super().begin(note)
        splits: dict[Split, list[Sequence[int]]] = {"train": self._batches(), "held_out": [range(self._held_out)]}
        for split, batches in splits.items():
            matches = list(dict.fromkeys(one for batch in batches for one in self._matches(split, batch)))
            values = self.measure_reference([self._mismatch(split, one) for one in matches], None)
            self.mismatched[split] = dict(zip(matches, values.tolist(), strict=True))

    def state(self) -> dict[str, Any]:
        return {**super().state(), "mismatched": self.mismatched}

    def load(self, state: dict[str, Any], note: Callable[[str], None]) -> None:
        super().load(state, note)
        self.mismatched = state["mismatched"]

    @torch.no_grad()
    def constants(self, split: Split, batch: Sequence[int]) -> float:
        """The batch's KL in nats, at least 0."""
        matches = self._matches(split, batch)
        if not matches:
            return 0.0
        written = [self._mismatch(split, one) for one in matches]
        lengths = [len(prompt) + len(text) for prompt, text in written]
        total, most = 0.0, 2 * self.settings.micro_batch
        order = sorted(range(len(written)), key=lambda index: lengths[index])
        for start in range(0, len(order), most):
            total += float(self.log_probs_of([written[index] for index in order[start : start + most]]).sum())
        reference = sum(self.mismatched[split][one] for one in matches)
        return max(0.0, (total - reference) / len(matches))

    def losses(self, split: Split, indices: Sequence[int], constants: Any) -> Losses:
        rows = [self.rows[split][index] for index in indices]
        found, reference = self.log_probs(rows), self.reference_of(split, indices)
        good = torch.tensor([row.good for row in rows], device=found.device)
        losses = kto_loss(found, reference, good=good, kl=constants, **self.settings.options)
        reward = (self.settings.options.get("beta", BETA) * (found - reference)).detach()
        weights = torch.tensor([row.weight for row in rows], device=found.device)
        return Losses(losses * weights, _measured(reward, good))

    @property
    def _held_out(self) -> int:
        return len(self.rows["held_out"])

    def _batches(self) -> list[Sequence[int]]:
        rows, settings = self.rows["train"], self.settings
        steps = total_steps(rows, batch_size=settings.batch_size, epochs=settings.epochs)
        found: list[Sequence[int]] = []
        epoch = 0
        while len(found) < steps:
            found += epoch_batches(rows, batch_size=settings.batch_size, seed=settings.seed, epoch=epoch)
            epoch += 1
        return found[:steps]

    def _matches(self, split: Split, batch: Sequence[int]) -> list[Match]:
        """Each prompt with the completion of another row: turned by one place, or by more where one place would
        bring together rows of one prompt."""
        rows = self.rows[split]
        if len(batch) < 2:
            return []

        def turned(by: int) -> list[Match]:
            return [(index, batch[(place - by) % len(batch)]) for place, index in enumerate(batch)]

        def alike(by: int) -> int:
            return sum(rows[one].prompt == rows[other].prompt for one, other in turned(by))

        best = min(range(1, min(len(batch), 9)), key=lambda by: (alike(by), by))
        return turned(best)

    def _mismatch(self, split: Split, match: Match) -> Written:
        return self.rows[split][match[0]].prompt, self.rows[split][match[1]].completion


def _measured(reward: Tensor, good: Tensor) -> dict[str, Tensor]:
    """Right is a reward above 0 for a good answer, below 0 for a bad one; `margin` is how far on the right side."""
    side = torch.where(good, reward, -reward)
    return {
        "accuracy": (side.sign() + 1) / 2,
        "margin": side,
        "chosen_reward": reward.masked_fill(~good, torch.nan),
        "rejected_reward": reward.masked_fill(good, torch.nan),
    }
