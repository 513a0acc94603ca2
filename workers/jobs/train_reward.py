"""Train a Bradley-Terry reward model on a policy or an encoder: one, or an ensemble whose mean is the reward."""

from pathlib import Path
from typing import Any

from registry.models import ModelVersion
from registry.specs import TrainRewardSpec
from workers import heads, modeling, sources
from workers.context import JobContext
from workers.errors import JobError, Stopped
from workers.jobs import engines, strengths
from workers.jobs.training import (
    Data,
    follow,
    held_out_metrics,
    publish_adapter,
    settings_of,
    tokens_a_step,
)
from workers.training import RewardPairs, TrainingResult
from workers.training.ensembles import train_members
from workers.trl_engine import reward as trl_reward


def run(context: JobContext, spec: TrainRewardSpec) -> None:
    project = context.job.project
    base = sources.named_model(project, spec.base, role="policy")
    dataset = sources.named_dataset(project, spec.dataset)
    folder = sources.full_weights_of(base)
    tokenizer = modeling.load_tokenizer(folder)
    engines.ready(spec)
    if spec.engine == "trl":
        trl_reward.refuse_blind_padding(tokenizer)
    model = fresh(folder, spec, device=engines.device_of(context, spec))
    reader = strengths.reader_of(context, tokenizer, spec, max_tokens=readable(context, model, spec))
    data = Data(context, dataset, spec, reader)
    strengths.say_labels(context, data.train, spec)
    options = {"label_smoothing": spec.label_smoothing, "centering": spec.centering}
    pad_id = tokenizer.pad_token_id

    def learner_of(number: int) -> RewardPairs:
        one = spec.model_copy(update={"seed": spec.seed + number})
        settings = settings_of(one, objective="bradley_terry", options=options)
        start = fresh(folder, one, device=context.device) if number else model
        return RewardPairs(start, data.train, data.held_out, settings=settings, pad_id=pad_id)

    config: dict[str, Any] = {}
    if spec.ensemble == 1:
        learner = learner_of(0)
        result = engines.run(context, spec, learner, tokenizer, trl=lambda: trl_reward.recipe(spec))
        if not context.leads:
            return
        model = learner.model
        metrics = held_out_metrics(result, data)
    else:
        members = context.workdir / "members"
        result = run_members(context, learner_of, spec.ensemble, folder=members)
        model = modeling.load_reward_model(folder, members, dtype=sources.training_dtype(spec)).to(context.device)
        found = strengths.measure(context, model, dataset, reader, pad_id=pad_id)
        metrics = strengths.held_out_metrics(found, options)
        config = strengths.keep(context.workdir / "strengths.parquet", found)
    publish_adapter(
        context, spec, role=ModelVersion.Role.REWARD, base=base, dataset=dataset, model=model, result=result,
        metrics=metrics, config=config, tokenizer=tokenizer if spec.method == "full" else None,
    )  # fmt: skip


def fresh(folder: Path, spec: TrainRewardSpec, *, device: str) -> Any:
    """The start model with a head at zero and what is to be trained on it."""
    try:
        model = modeling.load_reward_model(folder, dtype=sources.training_dtype(trl_reward.loadable(spec)))
    except ValueError as error:
        raise JobError(str(error)) from error
    return sources.trainable(model, spec).to(device)


def readable(context: JobContext, model: Any, spec: TrainRewardSpec) -> int:
    """How many tokens a pair may have: an encoder has no positions for more than it was made for."""
    longest = heads.longest(modeling.inner_of(model))
    if longest is None or longest >= spec.max_tokens:
        return spec.max_tokens
    context.log(f"{spec.base} reads {longest:,} tokens at most, so longer rows than that are left out")
    return longest


def run_members(context: JobContext, learner_of: Any, count: int, *, folder: Path) -> TrainingResult:
    """As run_loop, with a member after another; raises Stopped after a checkpoint when asked to stop."""
    resume_from = context.latest_checkpoint()
    if resume_from:
        context.log(f"Going on from {resume_from.name}")
    context.progress(0, 0, "Measuring before the first step")

    def keep(step: int, write: Any) -> None:
        context.save_checkpoint(step, write)
        context.log(f"Checkpoint at step {step} saved")

    result = train_members(
        learner_of, count, folder=folder, save=modeling.save_adapter,
        on_step=follow(context, tokens=tokens_a_step(learner_of(0)), reports=True), should_stop=context.should_stop,
        save_checkpoint=keep, resume_from=resume_from, on_note=context.log,
    )  # fmt: skip
    if result.stopped:
        raise Stopped
    return result
