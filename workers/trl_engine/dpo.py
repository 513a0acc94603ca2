"""DPO and its relatives through trl.DPOTrainer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from registry.specs import TrainDpoSpec
from workers.pairs import TokenPair
from workers.training import Learner
from workers.trl_engine.recipe import Columns, Recipe, columns_of, refuse_weights

NAMES = {"dpo": "sigmoid"}
"""Objectives that TRL calls otherwise."""


def recipe(spec: TrainDpoSpec) -> Recipe:
    losses: dict[str, float] = dict(spec.mixture.items()) or {spec.objective: 1.0}
    return Recipe(
        "DPOTrainer", "DPOConfig", columns,
        options={
            "loss_type": [NAMES.get(name, name) for name in losses], "loss_weights": list(losses.values()),
            "beta": spec.beta, "label_smoothing": spec.label_smoothing, "precompute_ref_log_probs": True,
            "disable_dropout": False, "max_length": None,
        },
        headline="eval_rewards/accuracies", reference=take_reference,
    )  # fmt: skip


def columns(rows: Sequence[TokenPair], most: int) -> list[Columns]:
    refuse_weights(rows, what="pairs")
    return [
        {"prompt_ids": list(row.prompt), "chosen_ids": list(row.chosen), "rejected_ids": list(row.rejected)}
        for row in rows
    ]


def take_reference(learner: Learner[Any], table: Any) -> None:
    learner.references = {"held_out": columns_of(table, ["ref_chosen_logps", "ref_rejected_logps"])}  # type: ignore[attr-defined]
