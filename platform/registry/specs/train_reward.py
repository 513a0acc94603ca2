"""train_reward: a Bradley-Terry reward model from preference pairs."""

from pydantic import Field

from registry.specs.training import TrainingSpec


class TrainRewardSpec(TrainingSpec):
    learning_rate: float = Field(2e-4, gt=0, le=1e-2, description="peak, after the warm-up")
    use_margin: bool = Field(False, description="ask for a larger gap where raters felt strongly (Llama 2)")
