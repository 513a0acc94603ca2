"""Train a Bradley-Terry reward model: a LoRA adapter and a scalar head on the base policy."""

from registry.models import ModelVersion
from registry.specs import TrainRewardSpec
from workers import modeling, readers, sources
from workers.context import JobContext
from workers.jobs.training import Data, held_out_metrics, publish_adapter, run_loop, settings_of
from workers.training import RewardPairs


def run(context: JobContext, spec: TrainRewardSpec) -> None:
    project = context.job.project
    base = sources.named_model(project, spec.base, role="policy")
    dataset = sources.named_dataset(project, spec.dataset)
    folder = sources.full_weights_of(base)
    tokenizer = modeling.load_tokenizer(folder)
    reader = readers.pairs(tokenizer, max_tokens=spec.max_tokens, ties=True, margins=spec.use_margin)
    data = Data(context, dataset, spec, reader)
    model = modeling.load_reward_model(folder, dtype=sources.training_dtype(spec))
    model = sources.trainable(model, spec).to(context.device)
    settings = settings_of(spec, objective="bradley_terry", options={})
    learner = RewardPairs(model, data.train, data.held_out, settings=settings, pad_id=tokenizer.pad_token_id)
    result = run_loop(context, learner)
    publish_adapter(
        context, spec, role=ModelVersion.Role.REWARD, base=base, dataset=dataset, model=model, result=result,
        metrics=held_out_metrics(result, data), tokenizer=tokenizer if spec.method == "full" else None,
    )  # fmt: skip
