"""What train_reward and train_dpo share: rows to tokens, the loop with its checkpoints, and publishing."""

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings as django_settings

from evaluate.stats import accuracy_of
from registry.models import Dataset, ModelVersion
from registry.specs.training import TrainingSpec
from workers import modeling, sources
from workers.context import JobContext
from workers.errors import JobError, Stopped
from workers.pairs import PairCounts, PreferencePair, TokenPair, tokenize_pairs
from workers.training import Learner, TrainingResult, TrainingSettings, pair_learner, train

Pairs = dict[str, list[TokenPair]]


class Data:
    """The tokenised pairs of both splits, and the prompt of each held-out pair (intervals are by prompt).

    A tie says nothing about which response to write, so a policy does not train on kept ties; a reward model
    learns from them that the scores are equal. Margins are only for a loss that asks for them.
    """

    def __init__(
        self, context: JobContext, dataset: Dataset, tokenizer: Any, spec: TrainingSpec, *, ties: bool, margins: bool
    ) -> None:
        self.pairs: Pairs = {}
        self.prompts: list[str] = []
        for split in ("train", "held_out"):
            rows = list(sources.rows_of(dataset, split))
            usable = [row for row in rows if ties or not row["tie"]]
            if len(usable) < len(rows):
                context.log(f"{split}: {len(rows) - len(usable)} ties left out: a policy cannot learn from them")
            pairs = [pair_of(row, margins=margins) for row in usable]
            self.pairs[split], counts = tokenize_pairs(tokenizer, pairs, max_tokens=spec.max_tokens)
            report(context, split, counts, spec.max_tokens)
            if split == "held_out":
                self.prompts = kept_prompts(tokenizer, usable, spec.max_tokens)
        if not self.pairs["train"]:
            raise JobError(f"No pair of {dataset} fits into {spec.max_tokens} tokens. Raise max_tokens.")


def pair_of(row: Mapping[str, Any], *, margins: bool = False) -> PreferencePair:
    return PreferencePair(
        messages=row["prompt"],
        chosen=row["chosen"][0]["content"],
        rejected=row["rejected"][0]["content"],
        chosen_finished=row["chosen_finished"],
        rejected_finished=row["rejected_finished"],
        margin=row["margin"] if margins else 0.0,
        tie=row["tie"],
    )


def kept_prompts(tokenizer: Any, rows: list[dict[str, Any]], max_tokens: int) -> list[str]:
    return [
        row["prompt_key"] for row in rows if tokenize_pairs(tokenizer, [pair_of(row)], max_tokens=max_tokens)[1].used
    ]


def report(context: JobContext, split: str, counts: PairCounts, max_tokens: int) -> None:
    """Nothing is left out in silence."""
    words = {
        "same": "chosen and rejected are the same tokens",
        "empty": "a side is empty",
        "too_long": f"longer than {max_tokens} tokens",
    }
    left_out = [f"{count} {words[name]}" for name, count in asdict(counts).items() if name in words and count]
    context.log(
        f"{split}: {counts.read} pairs read, {counts.used} used" + (f"; {', '.join(left_out)}" if left_out else "")
    )


def settings_of(
    spec: TrainingSpec, *, objective: str, options: dict[str, float], shared_prefix: bool = False
) -> TrainingSettings:
    return TrainingSettings(
        objective=objective, learning_rate=spec.learning_rate, epochs=spec.epochs, batch_size=spec.batch_size,
        micro_batch=spec.micro_batch, warmup_share=spec.warmup_share, weight_decay=spec.weight_decay,
        max_grad_norm=spec.max_grad_norm, eval_every=spec.eval_every, checkpoint_every=spec.checkpoint_every,
        seed=spec.seed, options=options, shared_prefix=shared_prefix,
    )  # fmt: skip


def fit(context: JobContext, model: Any, data: Data, *, settings: TrainingSettings, pad_id: int) -> TrainingResult:
    """Train on pairs; see `run_loop`."""
    learner = pair_learner(
        model, data.pairs["train"], data.pairs["held_out"], settings=settings, pad_id=pad_id,
        reference_cache=Path(django_settings.ARTIFACTS) / "reference-log-probs",
    )  # fmt: skip
    return run_loop(context, learner)


def run_loop(context: JobContext, learner: Learner[Any]) -> TrainingResult:
    """Train with progress, curves and checkpoints; raises Stopped after a checkpoint when asked to stop."""
    resume_from = context.latest_checkpoint()
    if resume_from:
        context.log(f"Going on from {resume_from.name}")
    context.progress(0, 0, "Measuring before the first step")
    result = train(
        learner, on_step=follow(context, tokens=tokens_a_step(learner)), should_stop=context.should_stop,
        save_checkpoint=lambda step, write: keep(context, step, write), resume_from=resume_from, on_note=context.log,
    )  # fmt: skip
    if result.stopped:
        raise Stopped
    return result


def keep(context: JobContext, step: int, write: Callable[[Path], None]) -> None:
    context.save_checkpoint(step, write)
    context.log(f"Checkpoint at step {step} saved")


def tokens_a_step(learner: Learner[Any]) -> float:
    rows = learner.rows["train"]
    return learner.settings.batch_size * sum(row.tokens for row in rows) / len(rows)


def follow(context: JobContext, *, tokens: float) -> Callable[[int, int, dict[str, float]], None]:
    last = time.monotonic()

    def on_step(step: int, total: int, metrics: dict[str, float]) -> None:
        nonlocal last
        now = time.monotonic()
        if step:
            metrics = {**metrics, "tokens_per_s": tokens / max(now - last, 1e-6)}
        last = now
        context.metrics(step, metrics)
        context.progress(step, total, f"Step {step:,} of {total:,}")
        if step % 10 == 0 or step == total or "held_out_loss" in metrics:
            context.log(f"step {step}  " + "  ".join(f"{name} {value:.4g}" for name, value in metrics.items()))

    return on_step


def publish_adapter(
    context: JobContext, spec: TrainingSpec, *, role: str, base: ModelVersion, dataset: Dataset, model: Any,
    result: TrainingResult, metrics: dict[str, Any], config: dict[str, Any] | None = None,
) -> None:  # fmt: skip
    """Save the adapter and make the model version, in one step that happens once."""
    kept = {**spec.model_dump(mode="json"), "dtype": dtype_name(model), **(config or {})}
    folder = context.workdir / "model"
    shutil.rmtree(folder, ignore_errors=True)
    modeling.save_adapter(model, folder)
    manifest = context.manifest_of(folder)
    with context.publish() as shown:
        version = ModelVersion.objects.create(
            project=context.job.project, name=context.job.name, role=role, format=ModelVersion.Format.ADAPTER,
            path=str(folder.relative_to(django_settings.ARTIFACTS)), parent=base, dataset=dataset, job=context.job,
            config=kept, metrics=metrics, manifest=manifest, code_version=sources.code_version(),
        )  # fmt: skip
        shown.update(model=version.name, steps=result.steps)
        if "accuracy" in metrics:
            shown["held_out_accuracy"] = round(metrics["accuracy"]["value"], 4)


def held_out_metrics(result: TrainingResult, data: Data) -> dict[str, Any]:
    """{accuracy, loss: value, low, high, n} on held-out pairs; kept ties have no right order and do not count."""
    if not result.evaluation or not result.evaluation.margins:
        return {}
    found = zip(result.evaluation.margins, data.prompts, data.pairs["held_out"], strict=True)
    decided = [(prompt, margin) for margin, prompt, pair in found if not pair.tie]
    metrics: dict[str, Any] = {
        "loss": {"value": result.evaluation.loss, "low": None, "high": None, "n": len(data.prompts)}
    }
    if decided:
        prompts, margins = zip(*decided, strict=True)
        metrics["accuracy"] = accuracy_of(margins, prompts).as_dict()
        # The pairs themselves, so that the figure can be computed again by whoever doubts it.
        metrics["held_out_pairs"] = [list(pair) for pair in decided]
    return metrics


def dtype_name(model: Any) -> str:
    """Of the frozen weights, as it was resolved on this machine: precision "auto" does not say."""
    frozen = next((weight for weight in model.parameters() if not weight.requires_grad), None)
    return str(frozen.dtype).removeprefix("torch.") if frozen is not None else ""
