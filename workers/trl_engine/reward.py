"""Reward models through trl.RewardTrainer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from registry.specs import TrainRewardSpec
from workers.errors import JobError
from workers.pairs import TokenPair
from workers.trl_engine.recipe import Columns, Recipe, refuse_weights


def recipe(spec: TrainRewardSpec) -> Recipe:
    return Recipe(
        "RewardTrainer", "RewardConfig", columns,
        options={
            "center_rewards_coefficient": spec.centering or None, "disable_dropout": False, "max_length": None,
        },
        headline="eval_accuracy", float32=True,
    )  # fmt: skip


def columns(rows: Sequence[TokenPair], most: int) -> list[Columns]:
    refuse_weights(rows, what="pairs")
    if ties := sum(row.tie for row in rows):
        raise JobError(
            f"{ties:,} pairs are ties, and TRL's reward trainer knows none. Build the dataset without ties, or choose "
            "engine own."
        )
    return [
        {
            "chosen_ids": [*row.prompt, *row.chosen], "rejected_ids": [*row.prompt, *row.rejected],
            "margin": float(row.margin),
        }
        for row in rows
    ]  # fmt: skip


def loadable(spec: TrainRewardSpec) -> TrainRewardSpec:
    """How the start model is loaded: TRL calls the model as a whole, whose float32 head reads float32 states."""
    return spec.model_copy(update={"precision": "float32"}) if spec.engine == "trl" else spec


def refuse_blind_padding(tokenizer: Any) -> None:
    """A model of transformers finds a text's last token by its padding. Raises JobError where both look the same."""
    if tokenizer.pad_token_id == tokenizer.eos_token_id:
        raise JobError(
            f"The tokenizer pads with {tokenizer.pad_token!r}, the token that ends a turn, so TRL's reward trainer "
            "would read each response one token before its end. Choose engine own."
        )
