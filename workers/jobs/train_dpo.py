"""Fine-tune a policy on preference pairs with DPO or a relative of it; the base is the reference."""

from registry.models import ModelVersion
from registry.specs import TrainDpoSpec
from workers import modeling, sources
from workers.context import JobContext
from workers.jobs.training import Data, fit, held_out_metrics, publish_adapter, settings_of

SMOOTHED = ("dpo", "robust", "exo_pair", "cpo", "simpo")


def run(context: JobContext, spec: TrainDpoSpec) -> None:
    project = context.job.project
    base = sources.named_model(project, spec.base, role="policy")
    dataset = sources.named_dataset(project, spec.dataset)
    folder = sources.full_weights_of(base)
    tokenizer = modeling.load_tokenizer(folder)
    data = Data(context, dataset, tokenizer, spec, ties=False, margins=False)
    model = modeling.load_policy(folder, dtype=sources.dtype_of(spec.precision)).to(context.device)
    model = modeling.add_lora(
        model,
        rank=spec.lora_rank,
        alpha=2 * spec.lora_rank,
        last_layers=sources.last_layers(model, spec),
        seed=spec.seed,
    )
    options = {"beta": spec.beta}
    if spec.label_smoothing and spec.objective in SMOOTHED:
        options["label_smoothing"] = spec.label_smoothing
    shared = spec.engine == "shared_prefix"
    settings = settings_of(spec, objective=spec.objective, options=options, shared_prefix=shared)
    result = fit(context, model, data, settings=settings, pad_id=tokenizer.pad_token_id)
    publish_adapter(
        context, spec, role=ModelVersion.Role.POLICY, base=base, dataset=dataset, model=model, result=result,
        metrics=held_out_metrics(result, data),
    )  # fmt: skip
