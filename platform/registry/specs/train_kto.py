"""train_kto: fine-tune a policy on single answers, each marked good or bad."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from registry.specs.training import TrlSpec


class TrainKtoSpec(TrlSpec):
    usual: ClassVar[tuple[str, ...]] = (*TrlSpec.usual, "beta")

    batch_size: int = Field(8, ge=2, le=1024, description="answers a step, over all micro-batches; the estimate of "
                            "how far the policy has gone needs at least two")  # fmt: skip
    objective: Literal["kto", "apo_zero_unpaired"] = Field(
        "kto", description="the loss on an answer; apo_zero_unpaired (2408.06266) leaves the estimate out, and needs "
        "engine trl",
    )  # fmt: skip
    beta: float = Field(0.1, gt=0, le=10, description="how strongly the policy is held to its base")
    good_weight: float | None = Field(
        None, gt=0, le=1000, description="of a good answer in the loss; both weights empty sets them from the counts"
    )
    bad_weight: float | None = Field(
        None, gt=0, le=1000,
        description="of a bad answer; good answers shall weigh 1 to 4/3 times as much as bad ones, all together",
    )  # fmt: skip

    @model_validator(mode="after")
    def one_is_the_measure(self) -> Self:
        given = (self.good_weight, self.bad_weight)
        if None not in given and 1.0 not in given:
            raise ValueError(
                f"good_weight is {self.good_weight} and bad_weight is {self.bad_weight}, and only their ratio says how "
                "much one counts against the other: leave one of them at 1 or empty"
            )
        return self

    @model_validator(mode="after")
    def engine_has_it(self) -> Self:
        if self.objective != "kto" and self.engine != "trl":
            raise ValueError(f"only engine trl has the loss {self.objective}. Choose it, or the objective kto")
        return self
