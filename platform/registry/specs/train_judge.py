"""train_judge: teach a language model to give the verdicts that people gave."""

from typing import ClassVar, Literal

from pydantic import Field

from registry.specs.base import ref
from registry.specs.training import TrainingSpec


class TrainJudgeSpec(TrainingSpec):
    usual: ClassVar[tuple[str, ...]] = (*TrainingSpec.usual, "objective")

    dataset: str = ref("dataset", "verdicts to learn from: recipes “Judge, two responses”, “Judge, one response”")
    max_tokens: int = Field(1024, ge=16, le=32768, description="longer questions are left out and counted")
    objective: Literal["likelihood", "verdict"] = Field(
        "likelihood",
        description="likelihood teaches the verdict among all words, so that the model also learns to reply with one; "
        "verdict lets only the possible verdicts compete",
    )
    prose: float = Field(
        1.0, ge=0, le=10, description="how much a written critique and the end of the reply count beside the verdict"
    )
