"""The kinds of job and their settings. A new kind is a file here, a line in SPECS, and one in workers.jobs.JOBS."""

from registry.specs.base import JobKind, Spec, SpecError, from_yaml, parse, read_yaml, ref_of, to_yaml
from registry.specs.bias import BiasSpec
from registry.specs.build_dataset import BuildDatasetSpec
from registry.specs.contrast import ContrastSpec
from registry.specs.doctor import DoctorSpec
from registry.specs.embed import EmbedSpec
from registry.specs.export import ExportSpec
from registry.specs.import_ import ImportSpec
from registry.specs.judge import JudgeSpec
from registry.specs.merge import MergeSpec
from registry.specs.place import PlaceSpec
from registry.specs.sample import Decoding, SampleSpec
from registry.specs.score import ScoreSpec
from registry.specs.serve import ServeSpec
from registry.specs.take_back import TakeBackSpec
from registry.specs.train_dpo import TrainDpoSpec
from registry.specs.train_edits import TrainEditsSpec
from registry.specs.train_group import TrainGroupSpec
from registry.specs.train_joint import TrainJointSpec
from registry.specs.train_judge import TrainJudgeSpec
from registry.specs.train_kto import TrainKtoSpec
from registry.specs.train_reward import TrainRewardSpec
from registry.specs.train_sft import TrainSftSpec
from registry.specs.training import TrainingSpec

SPECS: dict[str, JobKind] = {
    "build_dataset": JobKind(
        BuildDatasetSpec,
        "Dataset",
        "Freeze feedback into preference pairs",
        "default",
        "data",
        launchable=False,
        makes=("dataset",),
    ),
    "train_reward": JobKind(
        TrainRewardSpec, "Reward model", "Learn to score responses as your raters would", "cpu", "rm", makes=("reward",)
    ),
    "train_dpo": JobKind(
        TrainDpoSpec,
        "DPO policy",
        "Fine-tune a model to write what your raters prefer",
        "cpu",
        "dpo",
        makes=("policy",),
    ),
    "train_sft": JobKind(
        TrainSftSpec,
        "Fine-tuned policy",
        "Teach a model to write the completions of a dataset",
        "cpu",
        "sft",
        makes=("policy",),
    ),
    "train_kto": JobKind(
        TrainKtoSpec,
        "KTO policy",
        "Learn from single answers that are marked good or bad",
        "cpu",
        "kto",
        makes=("policy",),
    ),
    "train_joint": JobKind(
        TrainJointSpec,
        "Joint-pairs policy",
        "Learn from pairs whose answers have prompts of their own",
        "cpu",
        "joint",
        makes=("policy",),
    ),
    "train_group": JobKind(
        TrainGroupSpec,
        "Group policy",
        "Learn the best of many scored answers against several others",
        "cpu",
        "group",
        makes=("policy",),
    ),
    "train_edits": JobKind(
        TrainEditsSpec,
        "Edits policy",
        "Learn from what people changed in answers, word by word",
        "cpu",
        "edits",
        makes=("policy",),
    ),
    "train_judge": JobKind(
        TrainJudgeSpec,
        "Judge model",
        "Learn to say which response is better, or how good one is",
        "cpu",
        "judge-model",
        makes=("judge",),
    ),
    "sample": JobKind(SampleSpec, "Sample", "Let a model answer prompts", "cpu", "sample", makes=("sample",)),
    "judge": JobKind(JudgeSpec, "Judge", "Compare the answers of two models", "cpu", "judge"),
    "bias": JobKind(BiasSpec, "Bias", "Test a judge on cases that a biased one gets wrong", "cpu", "bias"),
    "contrast": JobKind(
        ContrastSpec, "Contrast", "See what a policy writes when a prompt differs in one word", "cpu", "contrast"
    ),
    "embed": JobKind(EmbedSpec, "Embed", "Find out how alike the responses of open tasks are", "cpu", "embed"),
    "score": JobKind(ScoreSpec, "Score", "Let a reward model score the responses of open tasks", "cpu", "score"),
    "place": JobKind(
        PlaceSpec, "Order of the queue", "Put the tasks in the project's order", "default", "order", launchable=False
    ),
    "export": JobKind(
        ExportSpec, "Export", "Write a dataset or answers to a file", "default", "export", launchable=False
    ),
    "import": JobKind(
        ImportSpec, "Import", "Bring an uploaded file into the project", "default", "import", launchable=False
    ),
    "take_back": JobKind(
        TakeBackSpec, "Take back", "Take an import back out of the project", "default", "take-back", launchable=False
    ),
    "merge": JobKind(
        MergeSpec,
        "Merge",
        "Write an adapter and its base as one model",
        "cpu",
        "merged",
        launchable=False,
        makes=("policy", "base"),
    ),
    "doctor": JobKind(
        DoctorSpec, "Data doctor", "Look at a training's data before it runs", "cpu", "doctor", launchable=False
    ),
    "serve": JobKind(ServeSpec, "Serve", "Answer in chats while people write", "cpu", "serve", launchable=False),
}

__all__ = [
    "SPECS", "BiasSpec", "BuildDatasetSpec", "ContrastSpec", "Decoding", "EmbedSpec", "ExportSpec", "ImportSpec",
    "JobKind", "JudgeSpec", "MergeSpec", "PlaceSpec", "SampleSpec", "ScoreSpec", "ServeSpec", "Spec", "SpecError",
    "TakeBackSpec", "TrainDpoSpec", "TrainEditsSpec", "TrainGroupSpec", "TrainJointSpec", "TrainJudgeSpec",
    "TrainKtoSpec", "TrainRewardSpec", "TrainSftSpec", "TrainingSpec", "from_yaml", "parse", "read_yaml", "ref_of",
    "to_yaml",
]  # fmt: skip
