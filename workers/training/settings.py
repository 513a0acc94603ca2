"""What a run is asked to do, and what it gives back."""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(frozen=True)
class TrainingSettings:
    """Settings of a run. `options` go to the objective (beta, label_smoothing).

    With a `mixture`, {objective: weight}, the loss of a row is the weighted sum of these, and `objective` names them.
    Each has the same options, label_smoothing where it takes one.
    """

    objective: str = "dpo"
    learning_rate: float = 1e-4
    epochs: float = 1.0
    batch_size: int = 8  # rows a step
    micro_batch: int = 4  # rows at once; changes memory, not the result
    warmup_share: float = 0.1
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    eval_every: int | None = None  # steps; None: before the first step and after the last
    checkpoint_every: int | None = None
    patience: int | None = None  # measurements without a better one before the run stops; None: it runs to its end
    seed: int = 0
    options: dict[str, float] = field(default_factory=dict)
    mixture: dict[str, float] = field(default_factory=dict)
    shared_prefix: bool = True  # of a policy: read the common beginning of a pair once, where the model can


@dataclass(frozen=True)
class Evaluation:
    """Held-out quality. `values` has one number a held-out row under each name, in their order, NaN where a row does
    not count; `metrics` their means. Names depend on the learner; see its `headline` for the one that decides.
    """

    loss: float
    metrics: dict[str, float]
    values: dict[str, tuple[float, ...]]

    @property
    def accuracy(self) -> float:
        """Share of the rows that come out right; NaN where the learner knows no right."""
        return self.metrics.get("accuracy", math.nan)

    @property
    def margin(self) -> float:
        """Mean gap of the rewards of a pair: the scores' of a reward model, beta times the log-ratios' of a policy."""
        return self.metrics.get("margin", math.nan)

    @property
    def margins(self) -> tuple[float, ...]:
        """The gap of each pair, for intervals by prompt."""
        return self.values.get("margin", ())


@dataclass(frozen=True)
class TrainingResult:
    steps: int  # optimiser steps done in all, those before a resume included
    total: int
    stopped: bool  # should_stop() ended it early
    evaluation: Evaluation | None  # of the weights that are left in the model
    best_step: int | None = None  # where those weights are from, when `patience` chose them
