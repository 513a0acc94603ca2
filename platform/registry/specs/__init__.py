"""The kinds of job and their settings. A new kind is a file here, a line in SPECS, and one in workers.jobs.JOBS."""

from registry.specs.base import JobKind, Spec, SpecError, from_yaml, parse, read_yaml, ref_of, to_yaml
from registry.specs.build_dataset import BuildDatasetSpec
from registry.specs.judge import JudgeSpec
from registry.specs.sample import Decoding, SampleSpec
from registry.specs.train_dpo import TrainDpoSpec
from registry.specs.train_reward import TrainRewardSpec
from registry.specs.training import TrainingSpec

SPECS: dict[str, JobKind] = {
    "build_dataset": JobKind(
        BuildDatasetSpec,
        "Dataset",
        "Freeze feedback into preference pairs",
        "default",
        "data",
        launchable=False,
    ),
    "train_reward": JobKind(
        TrainRewardSpec, "Reward model", "Learn to score responses as your raters would", "cpu", "rm"
    ),
    "train_dpo": JobKind(
        TrainDpoSpec, "DPO policy", "Fine-tune a model to write what your raters prefer", "cpu", "dpo"
    ),
    "sample": JobKind(SampleSpec, "Sample", "Let a model answer prompts", "cpu", "sample"),
    "judge": JobKind(JudgeSpec, "Judge", "Compare the answers of two models", "cpu", "judge"),
}

__all__ = [
    "SPECS", "BuildDatasetSpec", "Decoding", "JobKind", "JudgeSpec", "SampleSpec", "Spec", "SpecError",
    "TrainDpoSpec", "TrainRewardSpec", "TrainingSpec", "from_yaml", "parse", "read_yaml", "ref_of", "to_yaml",
]  # fmt: skip
