"""Fine-tune a policy on single answers that are marked good or bad (KTO)."""

from typing import Any

from registry.specs import TrainKtoSpec
from workers import readers
from workers.context import JobContext
from workers.errors import JobError
from workers.jobs.policies import train_policy
from workers.jobs.training import Data, reference_cache, settings_of
from workers.training.unpaired import Unpaired
from workers.trl_engine import kto

LEAST, MOST = 1.0, 4 / 3
"""Good over bad answers, each count times its weight (2402.01306, section 4.2)."""


def run(context: JobContext, spec: TrainKtoSpec) -> None:
    weights: dict[str, float] = {}

    def learner(model: Any, data: Data, pad_id: int) -> Unpaired:
        good = sum(row.good for row in data.train)
        bad = len(data.train) - good
        if not good or not bad:
            raise JobError(
                f"All {len(data.train):,} answers of {spec.dataset} are {'good' if good else 'bad'}, and KTO learns "
                "from the difference. Build a dataset with both, or train on the good ones with train_sft."
            )
        good_weight, bad_weight = weights_of(spec, good=good, bad=bad)
        context.log(f"{good:,} good answers of weight {good_weight:.4g} and {bad:,} bad of weight {bad_weight:.4g}")
        ratio = good_weight * good / (bad_weight * bad)
        if not LEAST - 1e-6 <= ratio <= MOST + 1e-6:
            context.log(
                f"Good answers weigh {ratio:.3g} times as much as bad ones; KTO's authors advise 1 to 4/3. Leave both "
                "weights empty to have them set from the counts.",
                level="warning",
            )
        weights.update(good_weight=good_weight, bad_weight=bad_weight)
        settings = settings_of(spec, objective="kto", options={"beta": spec.beta, **weights})
        return Unpaired(
            model, data.train, data.held_out, settings=settings, pad_id=pad_id, reference_cache=reference_cache()
        )

    train_policy(
        context, spec, learner=learner, trl=lambda: kto.recipe(spec, **weights),
        reader=lambda tokenizer: readers.answers(tokenizer, max_tokens=spec.max_tokens),
    )  # fmt: skip


def weights_of(spec: TrainKtoSpec, *, good: int, bad: int) -> tuple[float, float]:
    """(good, bad) as asked for. Where neither is, the rarer kind gets so much more that good answers weigh 1 to 4/3
    times as much as bad ones."""
    if spec.good_weight is not None or spec.bad_weight is not None:
        return spec.good_weight or 1.0, spec.bad_weight or 1.0
    if good < LEAST * bad:
        return bad / good, 1.0
    return 1.0, max(1.0, good / bad / MOST)
