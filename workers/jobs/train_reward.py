"""Train a Bradley-Terry reward model: a LoRA adapter and a scalar head on the base policy."""

from registry.models import ModelVersion
from registry.specs import TrainRewardSpec
from workers import modeling, sources
from workers.context import JobContext
from workers.jobs.training import Data, fit, held_out_metrics, publish_adapter, settings_of


def run(context: JobContext, spec: TrainRewardSpec) -> None:
    project = context.job.project
    base = sources.named_model(project, spec.base, role="policy")
    dataset = sources.named_dataset(project, spec.dataset)
    folder = sources.full_weights_of(base)
    tokenizer = modeling.load_tokenizer(folder)
    data = Data(context, dataset, tokenizer, spec, ties=True, margins=spec.use_margin)
    model = modeling.load_reward_model(folder, dtype=sources.dtype_of(spec.precision)).to(context.device)
    model = modeling.add_lora(
        model,
        rank=spec.lora_rank,
        alpha=2 * spec.lora_rank,
        last_layers=sources.last_layers(model, spec),
        seed=spec.seed,
    )
    settings = settings_of(spec, objective="bradley_terry", options={})
    result = fit(context, model, data, settings=settings, pad_id=tokenizer.pad_token_id)
    publish_adapter(
        context, spec, role=ModelVersion.Role.REWARD, base=base, dataset=dataset, model=model, result=result,
        metrics=held_out_metrics(result, data),
    )  # fmt: skip
