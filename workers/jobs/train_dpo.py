"""Fine-tune a policy on preference pairs with DPO or a relative of it; the base is the reference."""

from typing import Any

from registry.specs import TrainDpoSpec
from workers import readers
from workers.context import JobContext
from workers.jobs import strengths
from workers.jobs.policies import train_policy
from workers.jobs.training import Data, reference_cache, settings_of
from workers.objectives import OBJECTIVES
from workers.training import PolicyPairs
from workers.trl_engine import dpo


def run(context: JobContext, spec: TrainDpoSpec) -> None:
    mixture: dict[str, float] = dict(spec.mixture.items())
    names: list[str] = list(mixture) or [spec.objective]
    if spec.engine == "trl":
        # Ours only measures then, and what it measures is the same for all objectives.
        mixture, names = {}, ["dpo"]
    options = {"beta": spec.beta}
    if spec.label_smoothing and any(OBJECTIVES[name].smoothed for name in names):
        options["label_smoothing"] = spec.label_smoothing
    settings = settings_of(
        spec, objective=" + ".join(names), options=options, mixture=mixture,
        shared_prefix=spec.engine == "shared_prefix",
    )  # fmt: skip

    def learner(model: Any, data: Data, pad_id: int) -> PolicyPairs:
        strengths.say_labels(context, data.train, spec)
        return PolicyPairs(
            model, data.train, data.held_out, settings=settings, pad_id=pad_id, reference_cache=reference_cache()
        )

    def reader(tokenizer: Any) -> readers.Reader:
        base = readers.pairs(tokenizer, max_tokens=spec.max_tokens, ties=False, margins=False)
        return strengths.labels_by(base, said) if said else base

    said = strengths.opinions(context.job.project, spec)
    train_policy(context, spec, learner=learner, trl=lambda: dpo.recipe(spec), reader=reader)
