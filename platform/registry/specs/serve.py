"""serve: write the answers of chats as they are asked for, and end when nobody has asked for a while."""

from typing import Self

from pydantic import Field, model_validator

from registry.specs.base import Precision, Spec


class ServeSpec(Spec):
    models: list[str] = Field(default_factory=list, max_length=8, description="the policies that answer")
    endpoints: list[str] = Field(default_factory=list, max_length=8, description="the endpoints that answer")
    idle_minutes: float = Field(5, gt=0, le=720, description="it ends after so long without a message")
    precision: Precision = Field("auto", description="auto is bfloat16 where the machine is made for it")

    @model_validator(mode="after")
    def somebody_answers(self) -> Self:
        if not self.models and not self.endpoints:
            raise ValueError("nobody answers. Name a model or an endpoint")
        return self
