"""Our settings in the words of TRL's configurations."""

from __future__ import annotations

import os
from typing import Any

import torch

from registry.specs.training import TrlSpec
from workers.context import JobContext
from workers.training import TrainingSettings
from workers.trl_engine.recipe import Recipe


def rows_at_once(spec: TrlSpec) -> int:
    """Rows of one device's forward pass. TRL's batches are a whole number of them: it may be less than micro_batch."""
    on_each = spec.batch_size // spec.devices
    return max(size for size in range(1, min(spec.micro_batch, on_each) + 1) if on_each % size == 0)


def mixed(spec: TrlSpec, recipe: Recipe) -> bool:
    """Whether bfloat16 multiplies what stays float32. An adapter stands on weights that are bfloat16 themselves."""
    return spec.precision == "bfloat16" and (spec.method == "full" or recipe.float32)


def arguments(context: JobContext, spec: TrlSpec, recipe: Recipe, *, total: int, settings: TrainingSettings) -> Any:
    """The configuration of the recipe's trainer. We count the steps, so that checkpoints and curves are ours too."""
    import trl

    os.environ.setdefault("TQDM_DISABLE", "1")  # a log is read by people; bars that redraw themselves are not for it
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(context.job.folder / "tensorboard")
    os.environ.setdefault("WANDB_PROJECT", context.job.project.slug)
    on_gpu = torch.cuda.is_available()
    most = rows_at_once(spec)
    return getattr(trl, recipe.config)(
        output_dir=str(context.workdir / "trl"), max_steps=total, per_device_train_batch_size=most,
        gradient_accumulation_steps=settings.batch_size // (most * spec.devices), per_device_eval_batch_size=most,
        learning_rate=settings.learning_rate, weight_decay=settings.weight_decay, optim="adamw_torch",
        max_grad_norm=settings.max_grad_norm, seed=settings.seed, bf16=mixed(spec, recipe), use_cpu=not on_gpu,
        # Several devices are for models that fill them: activations are computed again instead of kept.
        gradient_checkpointing=on_gpu and spec.devices > 1, dataloader_pin_memory=on_gpu,
        ddp_find_unused_parameters=False, logging_steps=1, logging_nan_inf_filter=False, eval_strategy="no",
        save_strategy="no", disable_tqdm=True, report_to=spec.report_to, run_name=context.job.name,
        project=context.job.project.slug, **recipe.options,
    )  # fmt: skip
