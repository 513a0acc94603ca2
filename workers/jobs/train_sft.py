"""Fine-tune a policy on completions, token by token."""

from registry.specs import TrainSftSpec
from workers import readers
from workers.context import JobContext
from workers.jobs.policies import train_policy
from workers.jobs.training import settings_of
from workers.training.texts import Texts
from workers.trl_engine import sft


def run(context: JobContext, spec: TrainSftSpec) -> None:
    settings = settings_of(spec, objective="sft", options={})

    train_policy(
        context, spec, trl=lambda: sft.recipe(spec),
        reader=lambda tokenizer: readers.texts(tokenizer, max_tokens=spec.max_tokens, tasks=spec.tasks),
        learner=lambda model, data, pad_id: Texts(model, data.train, data.held_out, settings=settings, pad_id=pad_id),
    )  # fmt: skip
