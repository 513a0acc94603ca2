"""From the names in a job's settings to models that can be used, and rows that can be trained on."""

import functools
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import torch
from django.conf import settings

from accounts.models import Project
from registry.models import Dataset, ModelVersion
from registry.references import NotThere, dataset_named, model_named
from registry.specs.base import Precision
from registry.specs.training import TrainingSpec
from workers import heads, modeling
from workers.errors import JobError

Format = ModelVersion.Format


def named_model(project: Project, name: str, *, role: str) -> ModelVersion:
    try:
        return model_named(project, name, role=role)
    except NotThere as error:
        raise JobError(f"{error} It may have been deleted since the job was asked for.") from error


def named_dataset(project: Project, name: str) -> Dataset:
    try:
        return dataset_named(project, name)
    except NotThere as error:
        raise JobError(f"{error} It may have been deleted since the job was asked for.") from error


def weights_of(model: ModelVersion) -> tuple[Path, Path | None]:
    """(folder of full weights, folder of the adapter on top or None).

    Raises JobError where files are missing, and for an adapter on an adapter, which must be merged first.
    """
    if model.format == Format.PACKAGED:
        return modeling.convert_packaged_model(Path(settings.HOME) / "models" / model.name), None
    if not model.folder.is_dir():
        raise JobError(f"The files of {model} are not at {model.folder}. Restore them from a backup.")
    if model.format == Format.FULL:
        return model.folder, None
    assert model.parent is not None, "an adapter has a parent"
    base, below = weights_of(model.parent)
    if below is not None:
        raise JobError(f"{model} is an adapter on {model.parent}, itself an adapter. Merge {model.parent} first.")
    return base, model.folder


def dtype_of(precision: Precision) -> torch.dtype:
    known = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    return known.get(precision) or modeling.preferred_dtype()


def policy_and_tokenizer(model: ModelVersion, *, device: str, precision: Precision) -> tuple[Any, Any]:
    base, adapter = weights_of(model)
    return modeling.load_policy(base, adapter, dtype=dtype_of(precision)).to(device), modeling.load_tokenizer(base)


def reward_and_tokenizer(model: ModelVersion, *, device: str, precision: Precision) -> tuple[Any, Any]:
    base, adapter = weights_of(model)
    return modeling.load_reward_model(base, adapter, dtype=dtype_of(precision)).to(device), modeling.load_tokenizer(
        base
    )


def rows_of(dataset: Dataset, split: str) -> Iterator[dict[str, Any]]:
    """Rows of one split in their frozen order."""
    path = dataset.folder / f"{split}.parquet"
    if not path.exists():
        raise JobError(f"{path} is missing: the files of {dataset} were moved or deleted. Restore them from a backup.")
    for batch in pq.ParquetFile(path).iter_batches(batch_size=1_000):
        yield from batch.to_pylist()


@functools.cache
def code_version() -> str:
    """The commit that runs, with a + when files differ from it; empty where nobody can tell."""
    if settings.CODE_VERSION:
        return str(settings.CODE_VERSION)
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--abbrev=12"],
            cwd=settings.BASE_DIR, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return found.stdout.strip()


def full_weights_of(model: ModelVersion) -> Path:
    """The folder to train from; an adapter must be merged first, or the new one would have two parents."""
    folder, adapter = weights_of(model)
    if adapter is not None:
        raise JobError(f"{model} is an adapter. Train from {model.parent}, or merge it into a full model first.")
    return folder


def last_layers(model: Any, spec: TrainingSpec) -> int | None:
    """How many of the last layers get an adapter; None where the setting covers them all."""
    if not spec.last_layers:
        return None
    return min(spec.last_layers, int(model.config.num_hidden_layers))


def training_dtype(spec: TrainingSpec) -> torch.dtype:
    """Of the weights as they are loaded: what is trained is float32, and with an adapter the rest is frozen."""
    return torch.float32 if spec.method == "full" else dtype_of(spec.precision)


def policy_to_train(base: ModelVersion, spec: TrainingSpec) -> Any:
    """The start model with what is to be trained on it. An adapter is merged first, so the start model, which is the
    reference, holds it too.
    """
    folder, adapter = weights_of(base)
    # Merged in float32: in 16 bits a small adapter would be lost to rounding.
    model = modeling.load_policy(folder, adapter, dtype=torch.float32 if adapter else training_dtype(spec))
    if adapter is not None:
        model = model.merge_and_unload().to(training_dtype(spec))
    return trainable(model, spec)


def trainable(model: Any, spec: TrainingSpec) -> Any:
    """With a fresh adapter, or with all weights free; of the last layers only where the settings say so."""
    layers = last_layers(model, spec)
    if spec.method == "lora":
        return modeling.add_lora(
            model, rank=spec.lora_rank, alpha=2 * spec.lora_rank, last_layers=layers, seed=spec.seed
        )
    if layers is None:
        return model.requires_grad_(True)
    model.requires_grad_(False)
    for layer in heads.layers_of(model)[-layers:]:
        layer.requires_grad_(True)
    for name in heads.parts_of(model) if heads.has_head(model) else ():
        model.get_submodule(name).requires_grad_(True)
    return model


def saved_whole(base: ModelVersion, spec: TrainingSpec) -> bool:
    """Whether what was trained is kept as a model of its own: all weights changed, or the base is an adapter, and one
    adapter on another has no base that is a file.
    """
    return spec.method == "full" or base.format == Format.ADAPTER
