"""The settings that every kind of training shares."""

from pydantic import Field

from registry.specs.base import Precision, Spec, ref


class TrainingSpec(Spec):
    dataset: str = ref("dataset", "the pairs to learn from")
    base: str = ref("policy", "the model to start from")
    learning_rate: float = Field(1e-4, gt=0, le=1e-2, description="peak, after the warm-up")
    epochs: float = Field(1.0, gt=0, le=50, description="passes over the training pairs")
    batch_size: int = Field(8, ge=1, le=1024, description="pairs a step, over all micro-batches")
    micro_batch: int = Field(4, ge=1, le=256, description="pairs at once; less memory, the same result")
    warmup_share: float = Field(0.1, ge=0, le=0.5, description="share of the steps to reach the peak")
    weight_decay: float = Field(0.0, ge=0, le=1, description="AdamW's")
    max_grad_norm: float = Field(1.0, gt=0, description="longer gradients are scaled down")
    lora_rank: int = Field(8, ge=1, le=256, description="size of the adapter")
    last_layers: int = Field(
        0, ge=0, le=1000, description="adapter on the last so many layers only, which is faster; 0 takes all"
    )
    max_tokens: int = Field(512, ge=16, le=32768, description="pairs with a longer side are left out and counted")
    eval_every: int = Field(20, ge=1, description="steps between measurements on the held-out pairs")
    checkpoint_every: int = Field(20, ge=1, description="steps between checkpoints")
    precision: Precision = Field("auto", description="of the frozen weights; what is trained is float32 always")
    seed: int = Field(0, ge=0, description="order of the pairs and first weights of the adapter")
