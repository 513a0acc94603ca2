"""train_edits: fine-tune a policy on what people changed in its responses."""

from typing import ClassVar

from pydantic import Field

from registry.specs.training import TrainingSpec


class TrainEditsSpec(TrainingSpec):
    usual: ClassVar[tuple[str, ...]] = (*TrainingSpec.usual, "sure")

    learning_rate: float = Field(5e-5, gt=0, le=1e-2, description="peak, after the warm-up")
    sure: float = Field(
        0.6, ge=0, le=100,
        description="a token that was taken out is made less likely only where its negative log-likelihood is at most "
        "this, in nats: 0.6 is a probability of 0.55",
    )  # fmt: skip
