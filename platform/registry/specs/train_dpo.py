"""train_dpo: fine-tune a policy directly on preference pairs."""

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from registry.specs.base import read_yaml, ref
from registry.specs.training import TrlSpec

Objective = Literal[
    "dpo", "ipo", "hinge", "robust", "apo_zero", "apo_down", "nca_pair", "exo_pair", "sppo_hard", "bco_pair",
    "discopop", "sigmoid_norm", "cpo", "simpo", "orpo", "aot", "aot_unpaired", "sft",
]  # fmt: skip
NOT_IN_TRL = ("cpo", "simpo", "orpo")
"""Of these TRL has trainers under trl.experimental only, which make tokens of their own."""


class TrainDpoSpec(TrlSpec):
    usual: ClassVar[tuple[str, ...]] = (*TrlSpec.usual, "objective", "beta")

    objective: Objective = Field(
        "dpo",
        description="the loss on a pair, or of aot, aot_unpaired and sft on a batch; engine trl lacks cpo, "
        "simpo and orpo",
    )
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
    engine: Literal["shared_prefix", "plain", "trl"] = Field(  # type: ignore[assignment]
        "shared_prefix",
        description="shared_prefix reads a prompt once for both responses, where the model can; plain reads it twice; "
        "trl is the trainer of Hugging Face TRL, for several devices and losses that only it has",
    )

    strength_model: str = ref(
        "reward", "an ensemble whose opinion of the pairs decides which labels to flip or soften; empty trusts all",
        default="",
    )  # fmt: skip
    flip_share: float = Field(
        0.2, ge=0, le=1, description="share of the training pairs, the weakest, that are flipped where strength_model "
        "disagrees with their label",
    )  # fmt: skip
    soft_share: float = Field(
        0.2, ge=0, le=1, description="share of the training pairs, those above the weakest, whose label is softened"
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

    @model_validator(mode="after")
    def strengths_fit(self) -> Self:
        if not self.strength_model:
            return self
        if self.engine == "trl":
            raise ValueError("engine trl takes no strength_model. Leave it empty, or choose shared_prefix or plain")
        if self.flip_share + self.soft_share > 1:
            raise ValueError("flip_share and soft_share are more than all pairs together. Lower one of them")
        if self.soft_share and (wrong := [name for name in self.mixture or [self.objective] if name != "dpo"]):
            raise ValueError(
                f"only the objective dpo softens labels pair by pair, and {', '.join(wrong)} does not. Set soft_share "
                "to 0, or choose dpo"
            )
        return self

    @model_validator(mode="after")
    def engine_has_it(self) -> Self:
        names = list(self.mixture) or [self.objective]
        if self.engine != "trl":
            return self
        if wrong := [name for name in names if name in NOT_IN_TRL]:
            raise ValueError(f"engine trl does not have the loss {', '.join(wrong)}. Choose shared_prefix or plain")
        if "dpo" in names and self.label_smoothing:
            raise ValueError(
                "the dpo of TRL knows no label_smoothing. Set it to 0, choose the objective robust, or another engine"
            )
        if "exo_pair" in names and not self.label_smoothing:
            raise ValueError("the exo_pair of TRL asks for a label_smoothing above 0: 0.001 is its paper's")
        return self
