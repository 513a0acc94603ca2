"""judge: compare the responses of two sample jobs, prompt by prompt."""

from typing import Literal, Self

from pydantic import Field, model_validator

from registry.specs.base import Spec, ref


class JudgeSpec(Spec):
    first: str = ref("sample", "the sample job whose model is asked about, usually the tuned one")
    second: str = ref("sample", "the sample job to compare with, usually the base")
    reward_model: str = ref("reward", "judge by this reward model", default="")
    judge_model: str = ref(
        "judge", "judge by this language model, which reads both responses in both orders", default=""
    )
    criterion: str = Field("", max_length=500, description="what the language model shall judge by; empty: in general")
    hidden_preference: Literal["", "concise", "bulleted", "polite"] = Field(
        "", description="judge by what simulated annotators were made to prefer"
    )

    @model_validator(mode="after")
    def some_judge(self) -> Self:
        if not self.reward_model and not self.judge_model and not self.hidden_preference:
            raise ValueError("nobody judges. Choose a reward model, a judge model, a hidden preference, or several")
        if self.first == self.second:
            raise ValueError("both sides are the same sample job. Choose two")
        return self
