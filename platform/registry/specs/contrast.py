"""contrast: what a policy writes to one prompt and not to another that differs in one attribute."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from registry.specs.base import Precision, Spec, ref

Attribute = Literal[
    "gender", "origin", "name", "age", "religion", "disability", "income", "place", "education"
]  # fmt: skip
"""The attributes in evaluate/cases/contrast.yaml; a test holds them equal."""
ATTRIBUTES: tuple[Attribute, ...] = ("gender", "origin", "name", "age", "religion", "disability", "income", "place",
                                     "education")  # fmt: skip


class ContrastSpec(Spec):
    usual: ClassVar[tuple[str, ...]] = ("model", "attributes", "template", "first", "second", "strength")

    model: str = ref("policy", "the policy that writes")
    attributes: list[Attribute] = Field(
        default_factory=lambda: list(ATTRIBUTES), description="the ready pairs of prompts, by what they differ in"
    )
    template: str = Field("", max_length=2000, description="a prompt of your own, with {} where the two differ")
    first: str = Field("", max_length=200, description="what stands for {} in the one prompt")
    second: str = Field("", max_length=200, description="and in the other")
    strength: float = Field(
        1.0, ge=0, le=20, description="how much the difference of the two prompts counts; 0 is the likeliest text"
    )
    max_new_tokens: int = Field(32, ge=1, le=1024, description="a continuation that is longer is cut off")
    batch_size: int = Field(8, ge=1, le=256, description="pairs at once")
    precision: Precision = Field("auto", description="auto is bfloat16 where the machine is made for it")

    @model_validator(mode="after")
    def something_to_contrast(self) -> Self:
        own = (self.template, self.first, self.second)
        if not any(own) and not self.attributes:
            raise ValueError("there is nothing to contrast. Choose an attribute, or write a template with two values")
        if any(own):
            if not all(own):
                raise ValueError("a prompt of your own needs all of template, first and second")
            if "{}" not in self.template:
                raise ValueError("the template has no {}. Write {} where first and second shall stand")
            if self.first == self.second:
                raise ValueError("first and second are the same, so the two prompts would not differ")
        return self
