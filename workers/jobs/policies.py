"""What all kinds of training of policies share: from a base and a dataset to a model version."""

from collections.abc import Callable
from typing import Any

from registry.models import ModelVersion
from registry.specs.training import TrainingSpec
from workers import modeling, sources
from workers.context import JobContext
from workers.jobs import engines
from workers.jobs.training import Data, held_out_metrics, publish_adapter, samples
from workers.readers import Reader
from workers.training import Learner

MakeReader = Callable[[Any], Reader]
MakeLearner = Callable[[Any, Data, int], Learner[Any]]


def train_policy(
    context: JobContext,
    spec: TrainingSpec,
    *,
    reader: MakeReader,
    learner: MakeLearner,
    trl: engines.MakeRecipe | None = None,
) -> None:
    """`reader(tokenizer)`; `learner(model, data, pad_id)`; `trl()` gives TRL's recipe."""
    engines.ready(spec)
    project = context.job.project
    base = sources.named_model(project, spec.base, role="policy")
    dataset = sources.named_dataset(project, spec.dataset)
    tokenizer = modeling.load_tokenizer(sources.weights_of(base)[0])
    data = Data(context, dataset, spec, reader(tokenizer))
    model = sources.policy_to_train(base, spec).to(engines.device_of(context, spec))
    show = samples(context, model, tokenizer, data.asked[: spec.sample_prompts])
    made = learner(model, data, tokenizer.pad_token_id)
    result = engines.run(context, spec, made, tokenizer, trl=trl, show=show)
    if not context.leads:
        return
    publish_adapter(
        context, spec, role=ModelVersion.Role.POLICY, base=base, dataset=dataset, model=made.model, result=result,
        metrics=held_out_metrics(result, data), tokenizer=tokenizer if sources.saved_whole(base, spec) else None,
    )  # fmt: skip
