"""What the kinds of training share: rows to tokens, the loop with its checkpoints, and publishing."""

import atexit
import math
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil
import torch
from django.conf import settings as django_settings

from curate.builders import BUILDERS
from curate.rows import ROW_TYPES
from evaluate.stats import accuracy_of
from registry.models import Dataset, ModelVersion
from registry.specs.training import TrainingSpec
from workers import doctor, modeling, sources
from workers.context import JobContext
from workers.engine.reference_cache import trim
from workers.errors import JobError, Stopped
from workers.modeling import Messages
from workers.readers import OtherTokenizer, Read, Reader, read_rows
from workers.reporting import NONE, Reporter
from workers.training import Learner, TrainingResult, TrainingSettings, train

SAMPLE = modeling.Decoding(temperature=0.0, max_new_tokens=64)


class Data:
    """The rows of both splits as tokens, and of each held-out row its prompt (intervals are by prompt)."""

    def __init__(self, context: JobContext, dataset: Dataset, spec: TrainingSpec, reader: Reader) -> None:
        refuse_other_rows(dataset, reader, kind=context.job.kind)
        found: dict[str, Read] = {}
        for split in ("train", "held_out"):
            try:
                found[split] = read_rows(reader, sources.rows_of(dataset, split))
            except OtherTokenizer as error:
                raise JobError(f"{dataset} cannot train this model. {error}") from error
            context.log(found[split].sentence(split, max_tokens=spec.max_tokens))
        refuse_large_loss(found["train"].left_out, found["train"].count, spec)
        self.train, self.held_out = found["train"].rows, found["held_out"].rows
        self.prompts = found["held_out"].keys
        self.asked: list[Messages] = list({str(one): one for one in found["held_out"].asked}.values())
        if not self.train:
            why = found["train"].sentence("train", max_tokens=spec.max_tokens)
            raise JobError(f"No row of {dataset} can be learned from: {why}. Raise max_tokens, or build it otherwise.")


def refuse_large_loss(left_out: Mapping[str, int], rows: int, spec: TrainingSpec) -> None:
    """Raise JobError where more of the training rows cannot be read than somebody would expect, unless it is allowed.

    What is left out on purpose (ties, other tasks) does not count. No row left at all is told apart.
    """
    lost = {name: left_out[name] for name in doctor.REASONS if left_out.get(name)}
    if spec.allow_left_out or sum(lost.values()) == rows:
        return
    if refused := doctor.too_much_left_out(lost, rows):
        raise JobError(refused)


def refuse_other_rows(dataset: Dataset, reader: Reader, *, kind: str) -> None:
    """Raise JobError, with the recipes that would do, for a dataset of another type of rows."""
    builder = BUILDERS.get(dataset.recipe.get("rows", "pairs"))
    if builder is None or builder.row.slug == reader.row_type:
        return
    wanted = ROW_TYPES[reader.row_type]
    recipes = ", ".join(one.slug for one in BUILDERS.values() if one.row.slug == reader.row_type)
    raise JobError(
        f"{dataset} holds rows of the type {builder.row.slug} ({builder.row.title.lower()}), and {kind} learns from "
        f"{wanted.slug} ({wanted.title.lower()}). Build a dataset whose rows are one of: {recipes}."
    )


def settings_of(
    spec: TrainingSpec, *, objective: str, options: dict[str, float], mixture: dict[str, float] | None = None,
    shared_prefix: bool = False,
) -> TrainingSettings:  # fmt: skip
    return TrainingSettings(
        objective=objective, learning_rate=spec.learning_rate, epochs=spec.epochs, batch_size=spec.batch_size,
        micro_batch=spec.micro_batch, warmup_share=spec.warmup_share, weight_decay=spec.weight_decay,
        max_grad_norm=spec.max_grad_norm, eval_every=spec.eval_every, checkpoint_every=spec.checkpoint_every,
        patience=spec.patience, seed=spec.seed, options=options, mixture=mixture or {}, shared_prefix=shared_prefix,
    )  # fmt: skip


def reference_cache() -> Path:
    """The folder, brought down to its limit."""
    folder = Path(django_settings.ARTIFACTS) / "reference-log-probs"
    trim(folder, int(django_settings.REFERENCE_CACHE_MB * 2**20))
    return folder


def run_loop(
    context: JobContext, learner: Learner[Any], *, show: Callable[[int], None] | None = None
) -> TrainingResult:
    """Train with progress, curves and checkpoints; raises Stopped after a checkpoint when asked to stop.

    `show(step)` follows each checkpoint and the last step.
    """
    resume_from = context.latest_checkpoint()
    if resume_from:
        context.log(f"Going on from {resume_from.name}")
    look_at_held_out(context, learner)
    context.progress(0, 0, "Measuring before the first step")

    def keep(step: int, write: Callable[[Path], None]) -> None:
        context.save_checkpoint(step, write)
        context.log(f"Checkpoint at step {step} saved")
        if show and not context.should_stop():
            show(step)

    on_step = follow(context, tokens=tokens_a_step(learner), reports=True)
    try:
        result = train(
            learner, on_step=on_step, should_stop=context.should_stop, save_checkpoint=keep,
            resume_from=resume_from, on_note=context.log,
        )  # fmt: skip
    except FloatingPointError as error:
        raise JobError(f"{error} Nothing of it was published.") from error
    if result.stopped:
        raise Stopped
    if show:
        show(result.steps)
    return result


def look_at_held_out(context: JobContext, learner: Learner[Any]) -> None:
    """Say that nothing will be measured. Raises JobError where the run is to stop by what is measured."""
    if learner.rows["held_out"]:
        return
    if learner.settings.patience is not None:
        raise JobError(
            "There is no held-out row that fits, so early stopping has nothing to go by. Leave patience empty, or "
            "build the dataset with a larger held_out_share."
        )
    context.log("There is no held-out row: nothing will say how good the model is.", level="warning")


def samples(context: JobContext, model: Any, tokenizer: Any, prompts: list[Messages]) -> Callable[[int], None] | None:
    """Tells people what the model writes to these prompts: the likeliest tokens, so that nothing is drawn."""
    if not prompts:
        return None

    def show(step: int) -> None:
        training = model.training
        model.eval()
        written = modeling.generate(model, tokenizer, prompts, settings=SAMPLE, seed=0)
        model.train(training)
        for messages, one in zip(prompts, written, strict=True):
            context.sample(step, messages[-1]["content"], one.text)

    return show


def tokens_a_step(learner: Learner[Any]) -> float:
    rows = learner.rows["train"]
    return learner.settings.batch_size * sum(row.tokens for row in rows) / len(rows)


def memory_mb() -> float:
    """Of a GPU the most that was taken so far, else what the process holds now, in MiB."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    return float(psutil.Process().memory_info().rss) / 2**20


def follow(
    context: JobContext, *, tokens: float, reports: bool = False
) -> Callable[[int, int, dict[str, float]], None]:
    """What shows each step to people: on the run's page, and where it `reports` in the tracker that the job names."""
    last = time.monotonic()
    reporter = reporter_of(context) if reports else None

    def on_step(step: int, total: int, metrics: dict[str, float]) -> None:
        nonlocal last
        now = time.monotonic()
        if step:
            metrics = {**metrics, "tokens_per_s": tokens / max(now - last, 1e-6), "memory_mb": memory_mb()}
        # What no row of a batch says, such as the reward of good answers where there is none, is no point of a curve.
        metrics = {name: value for name, value in metrics.items() if not math.isnan(value)}
        last = now
        context.metrics(step, metrics)
        if reporter:
            reporter.add(step, metrics)
        context.progress(step, total, f"Step {step:,} of {total:,}")
        if step % 10 == 0 or step == total or "held_out_loss" in metrics:
            context.log(f"step {step}  " + "  ".join(f"{name} {value:.4g}" for name, value in metrics.items()))

    return on_step


def reporter_of(context: JobContext) -> Reporter | None:
    """Closed when the process ends, which is when the run does."""
    job = context.job
    if (tracker := job.params.get("report_to", NONE)) == NONE:
        return None
    reporter = Reporter(
        tracker, project=job.project.slug, run=job.name, folder=job.folder / "tensorboard", config=job.params
    )
    atexit.register(reporter.close)
    return reporter


def publish_adapter(
    context: JobContext, spec: TrainingSpec, *, role: str, base: ModelVersion, dataset: Dataset, model: Any,
    result: TrainingResult, metrics: dict[str, Any], config: dict[str, Any] | None = None, tokenizer: Any = None,
) -> None:  # fmt: skip
    """Save the adapter and make the model version, in one step that happens once.

    With a `tokenizer` the whole model is saved: what was trained is more than an adapter, or stands on one.
    """
    kept = {**spec.model_dump(mode="json"), "dtype": dtype_name(model), **(config or {})}
    folder = context.workdir / "model"
    shutil.rmtree(folder, ignore_errors=True)
    if tokenizer is None:
        modeling.save_adapter(model, folder)
    else:
        modeling.save_merged(model, tokenizer, folder)
    manifest = context.manifest_of(folder)
    with context.publish() as shown:
        version = ModelVersion.objects.create(
            project=context.job.project, name=context.job.name, role=role,
            format=ModelVersion.Format.ADAPTER if tokenizer is None else ModelVersion.Format.FULL,
            path=str(folder.relative_to(django_settings.ARTIFACTS)), parent=base, dataset=dataset, job=context.job,
            config=kept, metrics=metrics, manifest=manifest, code_version=sources.code_version(),
        )  # fmt: skip
        shown.update(model=version.name, steps=result.steps)
        if "accuracy" in metrics:
            shown["held_out_accuracy"] = round(metrics["accuracy"]["value"], 4)


def held_out_metrics(result: TrainingResult, data: Data) -> dict[str, Any]:
    """{loss, accuracy, kl: value, low, high, n} on held-out rows; those without a right answer do not count."""
    if not result.evaluation or not data.held_out:
        return {}
    found = result.evaluation
    metrics: dict[str, Any] = {"loss": plain(found.loss, len(data.held_out))}
    if "kl" in found.metrics:
        metrics["kl"] = plain(found.metrics["kl"], len(data.held_out))
    right = found.values.get("accuracy", ())
    decided = [(prompt, one - 0.5) for prompt, one in zip(data.prompts, right, strict=False) if not math.isnan(one)]
    if decided:
        prompts, sides = zip(*decided, strict=True)
        metrics["accuracy"] = accuracy_of(sides, prompts).as_dict()
        # The rows themselves, so that the figure can be computed again by whoever doubts it.
        metrics["held_out_pairs"] = [
            [prompt, gap]
            for prompt, gap, one in zip(data.prompts, found.margins, right, strict=True)
            if not math.isnan(one)
        ]
    return metrics


def plain(value: float, count: int) -> dict[str, Any]:
    return {"value": value, "low": None, "high": None, "n": count}


def dtype_name(model: Any) -> str:
    """Of the frozen weights, as it was resolved on this machine: precision "auto" does not say."""
    weights = list(model.parameters())
    frozen = next((weight for weight in weights if not weight.requires_grad), weights[0])
    return str(frozen.dtype).removeprefix("torch.")
