"""score: the reward of each response of the open tasks, so that tasks can be ordered by it."""

from typing import ClassVar

from pydantic import Field

from registry.specs.base import Spec, ref


class ScoreSpec(Spec):
    usual: ClassVar[tuple[str, ...]] = ("model",)

    model: str = ref("reward", "the reward model that scores")
    batch_size: int = Field(16, ge=1, le=4096, description="responses at once")
    max_tokens: int = Field(
        2048, ge=16, le=32768, description="longer ones, counted with their prompt, get no score and are counted"
    )
