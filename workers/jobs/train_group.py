"""Fine-tune a policy on groups: the best responses to a prompt against several others (AMPO)."""

from registry.specs import TrainGroupSpec
from workers import readers
from workers.context import JobContext
from workers.jobs.policies import train_policy
from workers.jobs.training import reference_cache, settings_of
from workers.training.groups import Groups


def run(context: JobContext, spec: TrainGroupSpec) -> None:
    options = {"beta": spec.beta, "alpha": spec.alpha, "reference": float(spec.reference)}
    settings = settings_of(spec, objective="ampo", options=options)
    train_policy(
        context, spec,
        reader=lambda tokenizer: readers.groups(tokenizer, max_tokens=spec.max_tokens),
        learner=lambda model, data, pad_id: Groups(
            model, data.train, data.held_out, settings=settings, pad_id=pad_id, reference_cache=reference_cache()
        ),
    )  # fmt: skip
