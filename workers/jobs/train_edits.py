"""Fine-tune a policy on what people changed in its responses, token by token (FIGA)."""

from registry.specs import TrainEditsSpec
from workers import readers
from workers.context import JobContext
from workers.jobs.policies import train_policy
from workers.jobs.training import settings_of
from workers.training.edits import Edits


def run(context: JobContext, spec: TrainEditsSpec) -> None:
    settings = settings_of(spec, objective="figa", options={"sure": spec.sure})
    train_policy(
        context, spec,
        reader=lambda tokenizer: readers.edits(tokenizer, max_tokens=spec.max_tokens, model=spec.base),
        learner=lambda model, data, pad_id: Edits(model, data.train, data.held_out, settings=settings, pad_id=pad_id),
    )  # fmt: skip
