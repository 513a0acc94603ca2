"""KTO through trl.KTOTrainer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from registry.specs import TrainKtoSpec
from workers.training import Learner
from workers.training.unpaired import TokenAnswer
from workers.trl_engine.recipe import Columns, Recipe, columns_of, refuse_weights


def recipe(spec: TrainKtoSpec, *, good_weight: float, bad_weight: float) -> Recipe:
    return Recipe(
        "KTOTrainer", "KTOConfig", columns,
        options={
            "loss_type": spec.objective, "beta": spec.beta, "desirable_weight": good_weight,
            "undesirable_weight": bad_weight, "precompute_ref_log_probs": True, "disable_dropout": False,
            "max_length": None, "train_sampling_strategy": "sequential",
        },
        fixed_order=True, reference=take_reference,
    )  # fmt: skip


def columns(rows: Sequence[TokenAnswer], most: int) -> list[Columns]:
    """The completion of the row before stands beside each, for the estimate of the KL; the last one's beside the first.

    Within the rows of one forward pass, as TRL itself does it.
    """
    refuse_weights(rows, what="answers")
    found = []
    for index, row in enumerate(rows):
        first = index - index % most
        before = index - 1 if index > first else min(first + most, len(rows)) - 1
        found.append({
            "prompt_ids": list(row.prompt), "completion_ids": list(row.completion), "label": row.good,
            "KL_completion_ids": list(rows[before].completion),
        })  # fmt: skip
    return found


def take_reference(learner: Learner[Any], table: Any) -> None:
    learner.references = {"held_out": columns_of(table, ["ref_logps"])[0]}  # type: ignore[attr-defined]
