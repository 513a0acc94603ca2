"""A run through a trainer of TRL: what `workers.jobs.training.run_loop` is for our own loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from registry.specs.training import SHARDED, TrlSpec
from workers.context import JobContext
from workers.errors import JobError, Stopped
from workers.jobs.training import follow, look_at_held_out, tokens_a_step
from workers.pairs import total_steps
from workers.training import Evaluation, Learner, TrainingResult
from workers.trl_engine.arguments import arguments, rows_at_once
from workers.trl_engine.follow import Follow
from workers.trl_engine.hooks import Order, Plan, places_of, trainer_class
from workers.trl_engine.recipe import Columns, Recipe


def fit(
    context: JobContext, spec: TrlSpec, learner: Learner[Any], tokenizer: Any, recipe: Recipe, *,
    show: Callable[[int], None] | None = None,
) -> TrainingResult:  # fmt: skip
    """Train the learner's model on its rows; the result measures the held-out ones by the learner's own numbers.

    Raises JobError for what TRL cannot do with these rows, and Stopped after a checkpoint when asked to stop.
    """
    look_at_held_out(context, learner)
    rows, settings = arranged(learner, recipe), learner.settings
    total = total_steps(rows, batch_size=settings.batch_size, epochs=settings.epochs)
    plan = Plan(Order(rows, settings=settings, fixed=recipe.fixed_order), settings, total)
    args = arguments(context, spec, recipe, total=total, settings=settings)
    args.eval_on_start = bool(learner.rows["held_out"])
    say_how(context, spec, args)
    sharded = spec.devices > 1 and spec.strategy in SHARDED
    follower = Follow(
        context, spec, recipe, plan, measures=args.eval_on_start, show=None if sharded else show,
        on_step=follow(context, tokens=tokens_a_step(learner)),
    )  # fmt: skip
    trainer = make_trainer(context, spec, learner, tokenizer, recipe, plan, args, follower, rows)
    if context.leads and not sharded:
        learner.prepare(context.log)
    context.check_stop()
    resume_from = context.latest_checkpoint()
    if resume_from:
        context.log(f"Going on from {resume_from.name}")
        follower.take_up(resume_from)
    context.progress(0, 0, "Measuring before the first step")
    try:
        trainer.train(resume_from_checkpoint=str(resume_from) if resume_from else None)
    except FloatingPointError as error:
        raise JobError(f"{error} Nothing of it was published.") from error
    if follower.asked_to_stop:
        raise Stopped
    return finish(context, spec, learner, recipe, trainer, follower)


def arranged(learner: Learner[Any], recipe: Recipe) -> Sequence[Any]:
    rows = learner.rows["train"]
    if not recipe.fixed_order:
        return rows
    return [rows[index] for index in places_of(rows, settings=learner.settings, epoch=0)]


def say_how(context: JobContext, spec: TrlSpec, args: Any) -> None:
    import trl

    devices = f" on {spec.devices} devices ({spec.strategy})" if spec.devices > 1 else ""
    context.log(
        f"TRL {trl.__version__}, {type(args).__name__.removesuffix('Config')}{devices}: "
        f"{args.per_device_train_batch_size} rows at once, {args.gradient_accumulation_steps} times a step"
    )


def make_trainer(
    context: JobContext, spec: TrlSpec, learner: Learner[Any], tokenizer: Any, recipe: Recipe, plan: Plan, args: Any,
    follower: Follow, rows: Sequence[Any],
) -> Any:  # fmt: skip
    from transformers import PrinterCallback

    if spec.devices > 1 and spec.strategy == "fsdp":
        keep_start(learner.model, args, context.workdir / "start")
    most = rows_at_once(spec)
    tables = {"train": recipe.columns(rows, most), "held_out": recipe.columns(learner.rows["held_out"], most)}
    # Files, since TRL hands the reference's log-probabilities from process to process beside them.
    with args.main_process_first():
        stored = {name: table_of(found, context.workdir / "trl-rows" / name) for name, found in tables.items()}
    follower.kind = type(learner.model)
    trainer = trainer_class(recipe.trainer, plan)(
        model=learner.model, args=args, train_dataset=stored["train"], eval_dataset=stored["held_out"],
        processing_class=tokenizer, callbacks=[follower],
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)
    follower.trainer = trainer
    if "ref" in getattr(learner.model, "peft_config", {}):
        # A copy of the fresh adapter that stood for the reference, whose log-probabilities are numbers by now.
        learner.model.delete_adapter("ref")
    if recipe.reference and learner.rows["held_out"]:
        recipe.reference(learner, trainer.eval_dataset)
    return trainer


def keep_start(model: Any, args: Any, folder: Path) -> None:
    """TRL loads the reference from the model's folder here; of a merged adapter there is none yet."""
    with args.main_process_first():
        if not folder.exists():
            model.save_pretrained(folder)
    model.config._name_or_path = str(folder)


def table_of(rows: list[Columns], folder: Path) -> Any:
    import datasets

    datasets.disable_progress_bars()
    if not rows:
        return None
    if not folder.exists():
        datasets.Dataset.from_list(rows).save_to_disk(str(folder))
    return datasets.load_from_disk(str(folder))


def finish(
    context: JobContext, spec: TrlSpec, learner: Learner[Any], recipe: Recipe, trainer: Any, follower: Follow
) -> TrainingResult:
    """The weights that are kept, in the learner's model, and what they measure. Called on every process."""
    steps, total = int(trainer.state.global_step), follower.plan.total
    whole = spec.devices == 1 or spec.strategy not in SHARDED
    if whole:
        learner.model = trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
        follower.put_best(learner.model, steps=steps)
    else:
        trainer.save_model(str(context.workdir / "gathered"))
        learner.model = follower.kind.from_pretrained(context.workdir / "gathered")
    learner.model.eval()
    if follower.show and context.leads:
        follower.show(steps)
    evaluation = None
    if follower.held_out and context.leads:
        metrics, values = measured(learner) if whole else ({}, {})
        evaluation = Evaluation(float(follower.held_out["eval_loss"]), metrics, values)
    return TrainingResult(steps, total, False, evaluation, follower.best_step)


@torch.no_grad()
def measured(learner: Learner[Any]) -> tuple[dict[str, float], dict[str, tuple[float, ...]]]:
    """(means, values row by row) of the held-out rows, by the learner's own measures; TRL tells means alone."""
    count = len(learner.rows["held_out"])
    found: dict[str, dict[int, float]] = {}
    for indices in learner.passes("held_out", range(count), 2 * learner.settings.micro_batch):
        for name, values in learner.losses("held_out", indices, 0.0).measured.items():
            found.setdefault(name, {}).update(zip(indices, values.tolist(), strict=True))
    rows = {name: tuple(values[index] for index in range(count)) for name, values in found.items()}
    return learner.summary("held_out"), rows
