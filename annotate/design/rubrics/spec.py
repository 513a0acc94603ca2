"""What a rubric is: dimensions, each with a question and five described levels."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

LEVELS = 5
MAX_DIMENSIONS = 8
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]


class Dimension(BaseModel):
    """One thing to rate. `levels[0]` describes level 1, the worst, and `levels[4]` level 5, the best."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    name: Name
    question: Annotated[str, StringConstraints(strip_whitespace=True, max_length=300)] = ""
    levels: list[Line] = Field(min_length=LEVELS, max_length=LEVELS)


class RubricSpec(BaseModel):
    """A rubric as it is written into a step of a protocol, so that an answer tells what its levels meant."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
    dimensions: list[Dimension] = Field(min_length=1, max_length=MAX_DIMENSIONS)

    @model_validator(mode="after")
    def keys_are_different(self) -> Self:
        keys = [one.key for one in self.dimensions]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise ValueError(f"two dimensions have the key {twice[0]!r}. Give each a key of its own")
        return self
