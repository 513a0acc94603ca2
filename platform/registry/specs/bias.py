"""bias: ask a judge about cases that a biased one gets wrong, in both orders."""

from typing import ClassVar, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from registry.specs.base import Precision, Spec, ref

CaseType = Literal[
    "length", "concreteness", "empty_reference", "content_continuation", "nested_instruction", "familiar_knowledge",
    "format", "sycophancy", "language", "helpful", "honest", "harmless",
]  # fmt: skip
"""The types in evaluate.benchmarks.cases; a test holds them equal."""


class BiasSpec(Spec):
    usual: ClassVar[tuple[str, ...]] = ("judge_model", "reward_model", "sets", "voted_tags")

    judge_model: str = ref("judge", "the language model to test, which reads both responses in both orders", default="")
    reward_model: str = ref("reward", "or the reward model to test, which scores one response at a time", default="")
    hidden_preference: Literal["", "concise", "bulleted", "polite"] = Field(
        "", description="or what simulated annotators were made to prefer, to see a bias that is known"
    )
    sets: list[CaseType] = Field(
        default_factory=lambda: list(get_args(CaseType)), description="the case sets to ask about"
    )
    voted_tags: list[str] = Field(
        default_factory=list,
        description="also the project's own pairs on prompts with these tags, with the majority of the votes as what "
        "is better; EvalBiasBench brings the tags length bias, concreteness bias and so on",
    )
    reading: Literal["tokens", "reply"] = Field(
        "tokens",
        description="how a verdict is read: tokens takes the likeliest of A, B and C and always finds one, reply lets "
        "the model write and counts what is no verdict",
    )
    batch_size: int = Field(8, ge=1, le=256, description="questions at once")
    precision: Precision = Field("auto", description="auto is bfloat16 where the machine is made for it")

    @field_validator("voted_tags")
    @classmethod
    def tags_are_words(cls, tags: list[str]) -> list[str]:
        if long := [tag for tag in tags if not tag or len(tag) > 70]:
            raise ValueError(f"{long[0][:40]!r} is no tag, which has 1 to 70 characters")
        return list(dict.fromkeys(tags))

    @model_validator(mode="after")
    def one_judge_and_something_to_ask(self) -> Self:
        named = [one for one in (self.judge_model, self.reward_model, self.hidden_preference) if one]
        if len(named) != 1:
            raise ValueError(
                f"{len(named) or 'no'} judges are named. Choose one: a judge model, a reward model or a hidden "
                "preference"
            )
        if not self.sets and not self.voted_tags:
            raise ValueError("there is nothing to ask about. Choose a case set, or name a tag of voted pairs")
        return self
