"""train_joint: fine-tune a policy on pairs whose responses answer prompts of their own."""

from typing import ClassVar

from pydantic import Field

from registry.specs.training import TrainingSpec


class TrainJointSpec(TrainingSpec):
    usual: ClassVar[tuple[str, ...]] = (*TrainingSpec.usual, "beta", "instructions")

    learning_rate: float = Field(5e-5, gt=0, le=1e-2, description="peak, after the warm-up")
    beta: float = Field(0.1, gt=0, le=10, description="how strongly the policy is held to its base")
    instructions: bool = Field(
        True, description="prompts count together with their responses (DOVE); off, pairs on one prompt are plain DPO"
    )
