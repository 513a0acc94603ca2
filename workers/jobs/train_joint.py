"""Fine-tune a policy on pairs whose two responses answer prompts of their own (DOVE)."""

from registry.specs import TrainJointSpec
from workers import readers
from workers.context import JobContext
from workers.jobs.policies import train_policy
from workers.jobs.training import reference_cache, settings_of
from workers.training.joint import JointPairs


def run(context: JobContext, spec: TrainJointSpec) -> None:
    settings = settings_of(spec, objective="dove", options={"beta": spec.beta})
    train_policy(
        context, spec,
        reader=lambda tokenizer: readers.joint(
            tokenizer, max_tokens=spec.max_tokens, instructions=spec.instructions
        ),
        learner=lambda model, data, pad_id: JointPairs(
            model, data.train, data.held_out, settings=settings, pad_id=pad_id, reference_cache=reference_cache()
        ),
    )  # fmt: skip
