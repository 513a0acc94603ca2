"""Supervised fine-tuning through trl.SFTTrainer."""

from __future__ import annotations

from collections.abc import Sequence

from registry.specs import TrainSftSpec
from workers.errors import JobError
from workers.training.texts import TokenText
from workers.trl_engine.recipe import Columns, Recipe, refuse_weights

IGNORED = -100
"""The label of a token that is read and not learned."""


def recipe(spec: TrainSftSpec) -> Recipe:
    return Recipe("SFTTrainer", "SFTConfig", columns, options={"loss_type": spec.objective, "max_length": None})


def columns(rows: Sequence[TokenText], most: int) -> list[Columns]:
    refuse_weights(rows, what="rows")
    if any(row.weights is not None for row in rows):
        raise JobError("Tokens of these rows have weights of their own, which engine trl does not know. Choose own.")
    return [
        {
            "input_ids": [*row.prompt, *row.completion],
            "labels": [*[IGNORED] * len(row.prompt), *row.completion],
        }
        for row in rows
    ]  # fmt: skip
