"""train_sft: fine-tune a policy on completions."""

from typing import ClassVar, Literal

from pydantic import Field

from registry.specs.training import TrainingSpec


class TrainSftSpec(TrainingSpec):
    usual: ClassVar[tuple[str, ...]] = (*TrainingSpec.usual, "tasks")

    tasks: list[Literal["answer", "critique", "revision", "verdict", "rationale"]] = Field(
        ["answer", "critique", "revision"], description="only rows that teach one of these; none ticked takes all"
    )
