"""Policies learn from edits: what a person wrote in made likelier, what they took out less likely.

FIGA (Guo et al. 2023, 2311.04072).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from workers.modeling import token_log_probs
from workers.objectives.figa import SURE, removed_weights
from workers.training.learner import Learner, Losses, Split


@dataclass(frozen=True)
class TokenEdit:
    """Weights of the revised tokens are at least 0, of the original ones at most 0."""

    prompt: tuple[int, ...]
    original: tuple[int, ...]
    original_weights: tuple[float, ...]
    revised: tuple[int, ...]
    revised_weights: tuple[float, ...]
    weight: float = 1.0

    @property
    def tokens(self) -> int:
        return 2 * len(self.prompt) + len(self.original) + len(self.revised)


@dataclass(frozen=True)
class Sure:
    """What a batch as a whole decides: which removed tokens count, by row, and how many tokens have a weight."""

    removed: dict[int, Tensor]
    share: float  # rows of the batch / tokens with a weight


class Edits(Learner[TokenEdit]):
    """loss = sum w NLL / tokens with a weight, over the whole batch, in nats a token.

    A removed token counts only where the model, as it is before the step, finds it likelier than exp(-`sure`): that is
    asked of the whole batch first, with dropout off, so the count is exact however the batch is cut. options: `sure`,
    in nats. Without removed tokens and with weights of 1 it is supervised fine-tuning on the revised text.

    Measured: `written_nll` and `removed_nll`, means of each row in nats a token, and `margin`, their difference;
    right is a row whose new tokens are likelier on average than those that were taken out.
    """

    @torch.no_grad()
    def constants(self, split: Split, batch: Sequence[int]) -> Sure:
        training = self.model.training
        self.model.eval()
        rows, removed, count = self.rows[split], {}, 0
        asked = [index for index in batch if any(rows[index].original_weights)]
        for indices in self.passes(split, asked, 2 * self.settings.micro_batch) if asked else []:
            log_probs = self._log_probs([(rows[i].prompt, rows[i].original) for i in indices])
            for index, found in zip(indices, log_probs, strict=True):
                weights = torch.tensor(rows[index].original_weights, device=found.device)
                sure = removed_weights(found, weights != 0, weight=1.0, sure=self.settings.options.get("sure", SURE))
                removed[index] = weights * sure
                count += int(sure.sum())
        self.model.train(training)
        count += sum(one != 0 for index in batch for one in rows[index].revised_weights)
        return Sure(removed, len(batch) / max(1, count))

    def losses(self, split: Split, indices: Sequence[int], constants: Sure) -> Losses:
        rows = [self.rows[split][index] for index in indices]
        weights = [torch.tensor(row.revised_weights, device=self.device) for row in rows]
        with_original = [place for place, index in enumerate(indices) if index in constants.removed]
        found = self._log_probs(
            [(row.prompt, row.revised) for row in rows]
            + [(rows[place].prompt, rows[place].original) for place in with_original]
        )
        losses = [-(one * log_probs).sum() for one, log_probs in zip(weights, found, strict=False)]
        written = [mean(log_probs, one) for one, log_probs in zip(weights, found, strict=False)]
        removed = [torch.tensor(torch.nan, device=self.device)] * len(rows)
        for place, log_probs in zip(with_original, found[len(rows) :], strict=True):
            losses[place] = losses[place] - (constants.removed[indices[place]] * log_probs).sum()
            removed[place] = mean(log_probs, torch.tensor(rows[place].original_weights, device=self.device))
        return Losses(constants.share * torch.stack(losses), _measured(torch.stack(written), torch.stack(removed)))

    def _log_probs(self, written: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[Tensor]:
        """Of the tokens of each completion."""
        prompts, completions = [one[0] for one in written], [one[1] for one in written]
        flat, _ = token_log_probs(self.model, prompts, completions, pad_id=self.pad_id)
        return list(flat.split([len(one) for one in completions]))


def mean(log_probs: Tensor, weights: Tensor) -> Tensor:
    """NLL of the tokens with a weight; NaN where none has one."""
    return -log_probs.detach()[weights != 0].mean()


def _measured(written: Tensor, removed: Tensor) -> dict[str, Tensor]:
    margin = removed - written
    return {
        "accuracy": (margin.sign() + 1) / 2, "margin": margin, "written_nll": written, "removed_nll": removed,
    }  # fmt: skip
