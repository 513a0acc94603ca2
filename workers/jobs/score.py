"""Score the responses of open tasks. Every batch is kept at once, so a resumed job scores only what is missing."""

import math
from collections.abc import Sequence

from django.db.models import Exists, OuterRef

from annotate.models import Response, ResponseScore
from annotate.sampling import uncertain
from registry.models import ModelVersion
from registry.specs import ScoreSpec
from workers import modeling, responses, sources
from workers.context import JobContext
from workers.errors import JobError
from workers.jobs.judge import conversation


def run(context: JobContext, spec: ScoreSpec) -> None:
    version = sources.named_model(context.job.project, spec.model, role="reward")
    wanted = responses.of_open_tasks(context.job.project)
    total = wanted.count()
    if not total:
        raise JobError("There is nothing to score: no task of the project is open. Make tasks first.")
    missing = wanted.exclude(Exists(ResponseScore.objects.filter(response=OuterRef("pk"), model=version)))
    done = total - missing.count()
    too_long = 0
    context.progress(done, total, "Loading the model")
    if done < total:
        model, tokenizer = sources.reward_and_tokenizer(
            version, device=context.device, precision=version.config.get("precision", "auto")
        )
        for batch in responses.batches(missing, spec.batch_size):
            context.check_stop()
            short = [one for one in batch if length(tokenizer, one) <= spec.max_tokens]
            too_long += len(batch) - len(short)
            scores = modeling.reward_scores(
                model, tokenizer, [conversation(one) for one in short], batch_size=spec.batch_size
            )
            store(short, version, scores)
            done += len(batch)
            context.progress(done, total, f"{done:,} of {total:,} responses")
    if too_long:
        context.log(f"{too_long:,} responses have more than {spec.max_tokens:,} tokens with their prompt: no score.")
    ordered = responses.order_queue(context, uncertain.SAMPLER.slug)
    with context.publish() as result:
        result.update(model=version.name, responses=total - too_long, too_long=too_long)
        if ordered is not None:
            result.update(tasks_put_in_order=ordered)


def length(tokenizer: object, response: Response) -> int:
    """Tokens that the reward model would read."""
    prompt = modeling.prompt_ids(tokenizer, response.prompt.messages)
    return len(prompt) + len(modeling.completion_ids(tokenizer, response.text, response.finish_reason == "stop"))


def store(batch: Sequence[Response], version: ModelVersion, scores: Sequence[float]) -> None:
    """A repeat, of whichever attempt, leaves what is there."""
    if not all(map(math.isfinite, scores)):
        raise JobError(f"{version} gives scores that are no numbers: its training diverged. Score with another.")
    ResponseScore.objects.bulk_create(
        [ResponseScore(response=one, model=version, score=score) for one, score in zip(batch, scores, strict=True)],
        ignore_conflicts=True,
    )
