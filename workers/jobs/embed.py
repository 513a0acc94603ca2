"""Embed the responses of open tasks. Every batch is kept at once, so a resumed job embeds only what is missing."""

from collections.abc import Sequence

from torch import Tensor

from annotate.models import Response, ResponseEmbedding
from annotate.sampling import dissimilar
from registry.specs import EmbedSpec
from registry.specs.embed import SENTENCE_ENCODER
from workers import encoding, responses, sources
from workers.context import JobContext
from workers.errors import JobError
from workers.jobs.judge import conversation


def run(context: JobContext, spec: EmbedSpec) -> None:
    wanted = responses.of_open_tasks(context.job.project)
    total = wanted.count()
    if not total:
        raise JobError("There is nothing to embed: no task of the project is open. Make tasks first.")
    name = spec.model or SENTENCE_ENCODER
    missing = wanted.exclude(embedding__encoder=name)
    done = total - missing.count()
    context.progress(done, total, "Loading the model")
    if done < total:
        encoder = encoder_of(context, spec)
        for batch in responses.batches(missing, spec.batch_size):
            context.check_stop()
            store(batch, name, encoder.encode([conversation(one) for one in batch], max_tokens=spec.max_tokens))
            done += len(batch)
            context.progress(done, total, f"{done:,} of {total:,} responses")
    ordered = responses.order_queue(context, dissimilar.SAMPLER.slug)
    with context.publish() as result:
        result.update(encoder=name, responses=total)
        if ordered is not None:
            result.update(tasks_put_in_order=ordered)


def encoder_of(context: JobContext, spec: EmbedSpec) -> encoding.Encoder:
    if spec.model:
        version = sources.named_model(context.job.project, spec.model, role="policy")
        return encoding.PolicyEncoder(
            *sources.policy_and_tokenizer(version, device=context.device, precision=spec.precision)
        )
    try:
        folder = encoding.packaged_encoder()
    except ModuleNotFoundError as error:
        raise JobError(f"{error}. Or choose a policy of the project as the model.") from error
    return encoding.load_sentence_encoder(folder, device=context.device, dtype=sources.dtype_of(spec.precision))


def store(batch: Sequence[Response], encoder: str, vectors: Tensor) -> None:
    """In the place of what another encoder said. A repeat writes the same, whichever attempt it is of."""
    ResponseEmbedding.objects.bulk_create(
        [
            ResponseEmbedding(response=response, encoder=encoder, vector=vector)
            for response, vector in zip(batch, vectors.numpy(), strict=True)
        ],
        update_conflicts=True,
        unique_fields=["response"],
        update_fields=["encoder", "vector"],
    )
