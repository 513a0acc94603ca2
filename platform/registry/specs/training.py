"""The settings that every kind of training shares, and those of the kinds that TRL has a trainer for."""

import math
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from registry.specs.base import LARGEST_SEED, Precision, Spec, ref


class TrainingSpec(Spec):
    usual: ClassVar[tuple[str, ...]] = ("dataset", "base", "learning_rate", "epochs", "batch_size", "lora_rank")

    dataset: str = ref("dataset", "the rows to learn from")
    base: str = ref("policy", "the model to start from; an adapter is merged into its base first")
    learning_rate: float = Field(1e-4, gt=0, le=1e-2, description="peak, after the warm-up")
    epochs: float = Field(1.0, gt=0, le=50, description="passes over the training rows")
    batch_size: int = Field(8, ge=1, le=1024, description="rows a step, over all micro-batches")
    micro_batch: int = Field(4, ge=1, le=256, description="rows at once; less memory, the same result")
    warmup_share: float = Field(0.1, ge=0, le=0.5, description="share of the steps to reach the peak")
    weight_decay: float = Field(0.0, ge=0, le=1, description="AdamW's")
    max_grad_norm: float = Field(1.0, gt=0, description="longer gradients are scaled down")
    method: Literal["lora", "full"] = Field(
        "lora", description="lora trains a small adapter; full trains all weights, in float32, and saves a whole model"
    )
    lora_rank: int = Field(8, ge=1, le=256, description="size of the adapter; full has none")
    last_layers: int = Field(
        0, ge=0, le=1000, description="train the last so many layers only, which is faster; 0 takes all"
    )
    max_tokens: int = Field(512, ge=16, le=32768, description="rows with a longer side are left out and counted")
    allow_left_out: bool = Field(
        False, description="train although more than 5% of the rows are too long, empty or the same on both sides"
    )
    eval_every: int = Field(20, ge=1, le=1_000_000, description="steps between measurements on the held-out rows")
    checkpoint_every: int = Field(20, ge=1, le=1_000_000, description="steps between checkpoints")
    patience: int | None = Field(
        None, ge=1, le=1000,
        description="stop after so many measurements without a better one, and keep the best; empty never stops early",
    )  # fmt: skip
    sample_prompts: int = Field(
        2, ge=0, le=8, description="held-out prompts that a policy answers at each checkpoint, for people to read"
    )
    precision: Precision = Field("auto", description="of the frozen weights; what is trained is float32 always")
    seed: int = Field(0, ge=0, le=LARGEST_SEED, description="order of the rows and first weights of the adapter")
    report_to: Literal["none", "tensorboard", "wandb", "trackio"] = Field(
        "none", description="where the curves go beside the run's page; the worker needs the package of that name"
    )

    def steps(self, pairs: int) -> int:
        """Optimiser steps over so many pairs; the last batch of an epoch may be small."""
        return math.ceil(math.ceil(pairs / self.batch_size) * self.epochs)

    def measurements(self, pairs: int) -> int:
        """How often the held-out pairs are read: before the first step, every `eval_every` and after the last."""
        return 1 + math.ceil(self.steps(pairs) / self.eval_every)


SHARDED = ("fsdp", "deepspeed_zero3")
"""Strategies under which no device holds all weights."""


class TrlSpec(TrainingSpec):
    """A kind of training that TRL has a trainer for."""

    engine: Literal["own", "trl"] = Field(
        "own", description="own is this program's loop; trl is the trainer of Hugging Face TRL, for what only it can do"
    )
    devices: int = Field(
        1, ge=1, le=64, description="GPUs to train on at once; several need engine trl and a worker that sees them all"
    )
    strategy: Literal["ddp", "fsdp", "deepspeed_zero2", "deepspeed_zero3"] = Field(
        "ddp", description="with several devices: ddp copies the model to each; fsdp and deepspeed_zero3 deal its "
        "weights out, for models that one GPU cannot hold; deepspeed_zero2 deals out gradients and optimiser only",
    )  # fmt: skip

    @model_validator(mode="after")
    def devices_can_share(self) -> Self:
        if self.devices == 1:
            return self
        if self.engine != "trl":
            raise ValueError(
                f"devices is {self.devices}, and only engine trl trains on several. Choose it, or 1 device"
            )
        if self.batch_size % self.devices:
            raise ValueError(
                f"a batch of {self.batch_size} rows cannot be dealt to {self.devices} devices evenly. Choose a "
                f"batch_size that is a multiple of {self.devices}"
            )
        if self.strategy in SHARDED and self.method == "lora":
            raise ValueError(
                f"strategy {self.strategy} deals out the weights of full training. Choose method full for it, or ddp "
                "or deepspeed_zero2 for lora"
            )
        if self.strategy in SHARDED and self.patience is not None:
            raise ValueError(
                f"patience keeps the best weights aside, and under {self.strategy} no device has them all. Leave it "
                "empty, or choose strategy ddp or deepspeed_zero2"
            )
        return self
