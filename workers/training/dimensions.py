"""Reward models learn from ratings: a head for each dimension of a rubric, whose levels have an order."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from workers import modeling
from workers.objectives.ordinal import ORDINAL, level_log_probs
from workers.training.learner import Learner, Losses, Split

UNRATED = -1
WEIGHT = "ordinal_thresholds"


@dataclass(frozen=True)
class RatedRow:
    """A response as tokens and its level on each dimension, from 0; UNRATED where nobody rated it."""

    prompt: tuple[int, ...]
    completion: tuple[int, ...]
    levels: tuple[int, ...]

    @property
    def tokens(self) -> int:
        return len(self.prompt) + len(self.completion)


class Ratings(Learner[RatedRow]):
    """Loss of a row: the mean over its rated dimensions of the objective, "coral" or "cumulative".

    The model has an output a dimension; the thresholds between the levels become a weight of it. Measured are, of each
    dimension by its number, the likeliest side of every threshold (`level_0`, from 0) and the error (`error_0`).
    """

    def __init__(
        self, model: Any, rows: Sequence[RatedRow], held_out: Sequence[RatedRow], *, levels: int, **how: Any
    ) -> None:
        """Raises ValueError for an unknown objective, and for a row without any rating."""
        super().__init__(model, rows, held_out, **how)
        if self.settings.objective not in ORDINAL:
            raise ValueError(f"Unknown objective {self.settings.objective!r}; there are {', '.join(ORDINAL)}.")
        if any(set(row.levels) == {UNRATED} for row in (*rows, *held_out)):
            raise ValueError("A row has no rating on any dimension.")
        start = starting_thresholds(rows, levels=levels)
        model.register_parameter(WEIGHT, nn.Parameter(start.to(self.device)))

    def losses(self, split: Split, indices: Sequence[int], constants: Any) -> Losses:
        rows = [self.rows[split][index] for index in indices]
        scores = modeling.head_outputs(self.model, [row.prompt + row.completion for row in rows], pad_id=self.pad_id)
        thresholds = thresholds_of(self.model)
        levels = torch.tensor([row.levels for row in rows], device=scores.device)
        rated = levels != UNRATED
        each = ORDINAL[self.settings.objective](scores, thresholds, levels.clamp(min=0))
        loss = (each * rated).sum(1) / rated.sum(1)
        said = predicted_levels(scores.detach(), thresholds.detach())
        error = (said - levels).abs().float().masked_fill(~rated, torch.nan)
        measured = {"accuracy": ((error == 0) & rated).sum(1) / rated.sum(1), "error": error.nanmean(1)}
        for number in range(levels.shape[1]):
            measured[f"error_{number}"] = error[:, number]
            measured[f"level_{number}"] = said[:, number].float()
        return Losses(loss, measured)


def thresholds_of(model: Any) -> Tensor:
    """(dimensions, levels - 1), ascending whatever the weight is."""
    raw = getattr(model, WEIGHT)
    return torch.cat([raw[:, :1], raw[:, :1] + F.softplus(raw[:, 1:]).cumsum(1)], dim=1)


def starting_thresholds(rows: Sequence[RatedRow], *, levels: int) -> Tensor:
    """The weight at which a model that says 0 gives each level as often as the ratings do, a rating more on each."""
    weight = []
    for dimension in zip(*(row.levels for row in rows), strict=True):
        counts = [1 + sum(one == level for one in dimension) for level in range(levels)]
        below = [sum(counts[: level + 1]) / sum(counts) for level in range(levels - 1)]
        at = [math.log(share / (1 - share)) for share in below]
        gaps = [later - earlier for earlier, later in itertools.pairwise(at)]
        weight.append([at[0], *(math.log(math.expm1(gap)) for gap in gaps)])
    return torch.tensor(weight)


def predicted_levels(scores: Tensor, thresholds: Tensor) -> Tensor:
    """(rows, dimensions): how many thresholds a score is above, which is the median of its levels."""
    return (scores.unsqueeze(-1) > thresholds).sum(-1)


def expected_levels(scores: Tensor, thresholds: Tensor) -> Tensor:
    """(rows, dimensions): the mean of the levels by their probabilities, from 0."""
    places = torch.arange(thresholds.shape[1] + 1, device=scores.device, dtype=scores.dtype)
    return (level_log_probs(scores, thresholds).exp() * places).sum(-1)
