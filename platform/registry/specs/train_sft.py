"""train_sft: fine-tune a policy on completions."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from registry.specs.training import TrlSpec


class TrainSftSpec(TrlSpec):
    usual: ClassVar[tuple[str, ...]] = (*TrlSpec.usual, "tasks")

    tasks: list[Literal["answer", "critique", "revision", "verdict", "rationale"]] = Field(
        ["answer", "critique", "revision"], description="only rows that teach one of these; none ticked takes all"
    )
    objective: Literal["nll", "dft"] = Field(
        "nll", description="nll is the negative log-likelihood; dft (2508.05629) weighs each token's by its "
        "probability, and needs engine trl",
    )  # fmt: skip

    @model_validator(mode="after")
    def engine_has_it(self) -> Self:
        if self.objective != "nll" and self.engine != "trl":
            raise ValueError(f"only engine trl has the loss {self.objective}. Choose it, or the objective nll")
        return self
