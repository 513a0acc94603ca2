"""train_dpo: fine-tune a policy directly on preference pairs."""

from typing import ClassVar, Literal

from pydantic import Field

from registry.specs.training import TrainingSpec


class TrainDpoSpec(TrainingSpec):
    usual: ClassVar[tuple[str, ...]] = (*TrainingSpec.usual, "objective", "beta")

    objective: Literal[
        "dpo", "ipo", "hinge", "robust", "apo_zero", "apo_down", "nca_pair", "exo_pair", "sppo_hard", "bco_pair",
        "discopop", "sigmoid_norm", "cpo", "simpo", "orpo",
    ] = Field("dpo", description="the loss on a pair")  # fmt: skip
    beta: float = Field(0.1, gt=0, le=10, description="how strongly the policy is held to its base")
    label_smoothing: float = Field(
        0.0,
        ge=0,
        lt=0.5,
        description="share of the labels assumed to be wrong: dpo, robust, exo_pair, cpo and simpo ask for it",
    )
    engine: Literal["shared_prefix", "plain"] = Field(
        "shared_prefix",
        description="shared_prefix reads a prompt once for both responses, where the model can; plain reads it twice",
    )
