"""train_dpo: fine-tune a policy directly on preference pairs."""

from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from registry.specs.base import read_yaml
from registry.specs.training import TrainingSpec

Objective = Literal[
    "dpo", "ipo", "hinge", "robust", "apo_zero", "apo_down", "nca_pair", "exo_pair", "sppo_hard", "bco_pair",
    "discopop", "sigmoid_norm", "cpo", "simpo", "orpo",
]  # fmt: skip


class TrainDpoSpec(TrainingSpec):
    usual: ClassVar[tuple[str, ...]] = (*TrainingSpec.usual, "objective", "beta")

    objective: Objective = Field("dpo", description="the loss on a pair")
    mixture: dict[Objective, float] = Field(
        default_factory=dict,
        description="several losses at once, each with its weight, as {dpo: 0.8, orpo: 0.2}; empty takes the objective",
    )
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

    @field_validator("mixture", mode="before")
    @classmethod
    def as_typed(cls, value: Any) -> Any:
        """A form sends text: dpo: 0.8, orpo: 0.2"""
        if not isinstance(value, str):
            return value
        text = value.strip()
        return read_yaml(text if text.startswith("{") else f"{{{text}}}", name="mixture")

    @field_validator("mixture")
    @classmethod
    def each_counts(cls, mixture: dict[Objective, float]) -> dict[Objective, float]:
        if wrong := [name for name, weight in mixture.items() if not 0 < weight <= 1000]:
            raise ValueError(f"the weight of {', '.join(wrong)} is not above 0 and at most 1000")
        return mixture
