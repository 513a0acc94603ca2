"""train_group: fine-tune a policy on one prompt's best responses against several others."""

from typing import ClassVar

from pydantic import Field

from registry.specs.training import TrainingSpec


class TrainGroupSpec(TrainingSpec):
    usual: ClassVar[tuple[str, ...]] = (*TrainingSpec.usual, "beta", "alpha")

    micro_batch: int = Field(2, ge=1, le=256, description="groups at once; less memory, the same result")
    beta: float = Field(0.1, gt=0, le=10, description="of the log-probability in a response's score")
    alpha: float = Field(1.0, ge=0, le=100, description="of the reward in a response's score; 0 leaves it out")
    reference: bool = Field(True, description="log-probabilities against the base's; off takes them alone")
