"""Settings to begin with, for each kind of training. A new preset is a line in PRESETS.

A preset fills the fields that it names and leaves the others, above all the dataset and the model, as they are. It is
offered where the kind has every setting that it names.
"""

from dataclasses import dataclass, field
from typing import Any

from registry.models import Dataset
from registry.specs import SPECS


@dataclass(frozen=True)
class Preset:
    title: str
    words: str
    """What it is for, in a sentence."""
    values: dict[str, Any]
    of_kind: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What differs for single kinds."""
    kinds: tuple[str, ...] = ()
    """Only these kinds; empty is every kind of training."""
    steps: int = 0
    """So many steps, whatever the dataset's size: the epochs follow from it. 0 leaves them as `values` say."""


PRESETS: dict[str, Preset] = {
    "first_look": Preset(
        "First look",
        "About 20 steps with a tiny adapter on the shorter rows: does it run at all, and do the curves move?",
        {"learning_rate": 1e-4, "batch_size": 8, "micro_batch": 4, "lora_rank": 4, "last_layers": 4,
         "max_tokens": 256, "allow_left_out": True, "eval_every": 5, "checkpoint_every": 10},
        steps=20,
    ),
    "lora_one_gpu": Preset(
        "LoRA on one GPU",
        "One pass over all pairs with an adapter of rank 16 on every layer: the usual choice up to some 8 billion "
        "weights.",
        {"learning_rate": 2e-5, "epochs": 1.0, "batch_size": 32, "micro_batch": 8, "lora_rank": 16, "last_layers": 0,
         "max_tokens": 1024, "eval_every": 25, "checkpoint_every": 100, "precision": "bfloat16"},
        of_kind={"train_reward": {"learning_rate": 1e-4}},
    ),
    "full_several_gpus": Preset(
        "Full on several GPUs",
        "All weights, dealt out to four GPUs (FSDP) by TRL. Needs a worker that sees four: PALATE_DEVICE=0,1,2,3. For "
        "another number change devices, and batch_size to a multiple of it.",
        {"engine": "trl", "devices": 4, "strategy": "fsdp", "method": "full", "learning_rate": 1e-6, "epochs": 1.0,
         "batch_size": 64, "micro_batch": 4, "last_layers": 0, "patience": None, "max_tokens": 1024, "eval_every": 50,
         "checkpoint_every": 200, "precision": "bfloat16"},
        of_kind={"train_sft": {"learning_rate": 1e-5}, "train_reward": {"learning_rate": 1e-5}},
    ),
    "careful": Preset(
        "Careful",
        "Half the usual learning rate and a longer warm-up: for few pairs, and for raters who often disagree.",
        {"learning_rate": 5e-5, "epochs": 1.0, "batch_size": 16, "warmup_share": 0.2, "lora_rank": 8,
         "eval_every": 10},
        of_kind={"train_dpo": {"beta": 0.3}},
    ),
}  # fmt: skip


def presets_of(kind: str) -> dict[str, Preset]:
    """Those that can be offered for this kind."""
    spec = SPECS[kind].spec
    return {
        slug: preset
        for slug, preset in PRESETS.items()
        if (kind in preset.kinds if preset.kinds else kind.startswith("train_"))
        and set(values_of(preset, kind)) <= set(spec.model_fields)
    }


def values_of(preset: Preset, kind: str, dataset: Dataset | None = None) -> dict[str, Any]:
    """What it fills in. Where it counts steps, `dataset` says how many epochs they are; without one, one is taken."""
    values = {**preset.values, **preset.of_kind.get(kind, {})}
    if preset.steps:
        pairs = dataset.rows.get("train", 0) if dataset else 0
        batches = -(-pairs // values.get("batch_size", 1))
        values["epochs"] = round(min(1.0, preset.steps / batches), 4) if batches else 1.0
    return values
