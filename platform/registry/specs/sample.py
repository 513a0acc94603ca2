"""sample: write responses to prompts with a policy, at one or several decoding settings."""

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from registry.specs.base import LARGEST_SEED, Precision, Spec, ref


class Decoding(Spec):
    """How the next token is chosen."""

    name: str = Field("plain", max_length=40, description="kept with every response")
    temperature: float = Field(0.7, ge=0, le=2, description="0 takes the likeliest token every time")
    top_p: float = Field(0.95, gt=0, le=1, description="share of the probability that may be drawn from")
    max_new_tokens: int = Field(96, ge=1, le=4096, description="a response that is longer is cut off")
    system: str = Field("", max_length=2000, description="a system prompt put before the prompt's own")
    samples: int = Field(1, ge=1, le=64, description="responses a prompt")


class SampleSpec(Spec):
    usual: ClassVar[tuple[str, ...]] = ("model", "dataset", "split", "decoding")

    model: str = ref("policy", "the policy that writes")
    dataset: str = ref("dataset", "take the prompts of this dataset; empty takes all of the project", default="")
    split: Literal["all", "train", "held_out"] = Field("held_out", description="which prompts of the dataset")
    tag: str = Field("", max_length=40, description="only prompts that carry this tag")
    decoding: list[Decoding] = Field(
        default_factory=lambda: [Decoding()], min_length=1, max_length=16, description="the decoding settings"
    )
    batch_size: int = Field(16, ge=1, le=512, description="sequences at once")
    max_prompt_tokens: int = Field(512, ge=16, le=32768, description="longer prompts are refused, not cut")
    precision: Precision = Field("auto", description="auto is bfloat16 where the machine is made for it")
    seed: int = Field(
        0, ge=0, le=LARGEST_SEED, description="the same seed writes the same responses on the same machine"
    )

    @field_validator("decoding")
    @classmethod
    def names_differ(cls, decoding: list[Decoding]) -> list[Decoding]:
        """A response is known by its prompt, its decoding's name and its number: of two with one name, one is lost."""
        names = [one.name for one in decoding]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"more than one is named {', '.join(twice)}. Give each a name of its own")
        return decoding
