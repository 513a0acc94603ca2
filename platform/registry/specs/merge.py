"""merge: write an adapter and its base as one full model, to train on from or to take away."""

from typing import Literal

from pydantic import Field

from registry.specs.base import Spec


class MergeSpec(Spec):
    model: str = Field(min_length=1, max_length=80, description="the adapter that is merged into its base")
    dtype: Literal["float32", "bfloat16"] = Field(
        "float32", description="of the written weights; bfloat16 takes half the space and rounds"
    )
