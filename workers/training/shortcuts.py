"""The commonest runs in one call."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from workers.objectives import OBJECTIVES
from workers.pairs import TokenPair
from workers.training.learner import Learner
from workers.training.loop import train
from workers.training.pairs import PolicyPairs
from workers.training.scores import RewardPairs
from workers.training.settings import TrainingResult, TrainingSettings


def pair_learner(
    model: Any,
    pairs: Sequence[TokenPair],
    held_out: Sequence[TokenPair] = (),
    *,
    settings: TrainingSettings,
    pad_id: int,
    reference_cache: Path | None = None,
) -> Learner[TokenPair]:
    """The learner of the settings' objective. Raises ValueError for an unknown one, or for no pairs."""
    if not settings.mixture and settings.objective not in OBJECTIVES:
        raise ValueError(f"Unknown objective {settings.objective!r}; there are {', '.join(OBJECTIVES)}.")
    if not settings.mixture and OBJECTIVES[settings.objective].trains == "reward":
        return RewardPairs(model, pairs, held_out, settings=settings, pad_id=pad_id)
    return PolicyPairs(model, pairs, held_out, settings=settings, pad_id=pad_id, reference_cache=reference_cache)


def train_pairs(
    model: Any,
    pairs: Sequence[TokenPair],
    *,
    held_out: Sequence[TokenPair] = (),
    settings: TrainingSettings,
    pad_id: int,
    reference_cache: Path | None = None,
    **how: Any,
) -> TrainingResult:
    """Train a reward model or a policy on pairs; `how` goes to `train`."""
    learner = pair_learner(model, pairs, held_out, settings=settings, pad_id=pad_id, reference_cache=reference_cache)
    return train(learner, **how)
