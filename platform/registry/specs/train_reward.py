"""train_reward: a Bradley-Terry reward model, or several that are one ensemble, from preference pairs."""

from typing import Literal, Self

from pydantic import Field, model_validator

from registry.specs.base import ref
from registry.specs.training import TrlSpec


class TrainRewardSpec(TrlSpec):
    base: str = ref("base", "the model to start from")
    learning_rate: float = Field(2e-4, gt=0, le=1e-2, description="peak, after the warm-up")
    use_margin: bool = Field(False, description="ask for a larger gap where raters felt strongly (Llama 2)")
    margin_from: Literal["recipe", "disagreement", "ensemble"] = Field(
        "recipe",
        description="where use_margin takes the gap from: recipe is the rows' margin, disagreement the log-odds of the "
        "votes for the chosen response, ensemble the strength that strength_model found",
    )
    label_smoothing: float = Field(0.0, ge=0, lt=0.5, description="share of the labels assumed to be wrong")
    centering: float = Field(
        0.0, ge=0, le=1, description="pulls the two rewards of a pair towards a sum of 0; 0.01 is usual"
    )
    ensemble: int = Field(
        1, ge=1, le=8,
        description="so many models with seeds of their own, one after another; their mean is the reward, their "
        "deviation says how sure it is, and both are kept for every pair",
    )  # fmt: skip
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

    @model_validator(mode="after")
    def goes_together(self) -> Self:
        if self.ensemble > 1 and self.method == "full":
            raise ValueError("an ensemble is made of adapters, and method full trains none. Choose lora, or ensemble 1")
        if self.margin_from == "ensemble" and not self.strength_model:
            raise ValueError("margin_from ensemble needs strength_model: name an ensemble, or choose another margin")
        if self.flip_share + self.soft_share > 1:
            raise ValueError("flip_share and soft_share are more than all pairs together. Lower one of them")
        return self

    @model_validator(mode="after")
    def engine_has_it(self) -> Self:
        if self.engine != "trl":
            return self
        asked = {"label_smoothing": self.label_smoothing, "ensemble": self.ensemble > 1,
                 "strength_model": self.strength_model}  # fmt: skip
        if wrong := [name for name, value in asked.items() if value]:
            raise ValueError(
                f"the reward trainer of TRL has no {', '.join(wrong)}. Leave it at its default, or choose engine own"
            )
        return self
