"""Let a policy answer prompts. Every batch is kept at once, so a resumed job writes only what is missing."""

import hashlib
import itertools
from collections.abc import Iterator, Sequence

from annotate.models import Prompt, Response
from registry.models import ModelVersion
from registry.specs import Decoding, SampleSpec
from workers import modeling, sources
from workers.context import JobContext
from workers.errors import JobError

Wanted = tuple[Prompt, Decoding, int]


def run(context: JobContext, spec: SampleSpec) -> None:
    version = sources.named_model(context.job.project, spec.model, role="policy")
    prompts = prompts_of(context, spec)
    wanted = [
        (prompt, decoding, sample)
        for decoding in spec.decoding
        for sample in range(decoding.samples)
        for prompt in prompts
    ]
    done = set(Response.objects.filter(job=context.job).values_list("prompt_id", "setting", "sample"))
    written = len(done)
    context.progress(written, len(wanted), "Loading the model")
    model, tokenizer = sources.policy_and_tokenizer(version, device=context.device, precision=spec.precision)
    refuse_long(tokenizer, prompts, spec)
    for batch in batches(tokenizer, wanted, spec.batch_size):
        # Batches are cut the same way whenever the job runs, so a resumed job writes what it would have written.
        if all((prompt.pk, decoding.name, number) in done for prompt, decoding, number in batch):
            continue
        context.check_stop()
        store(context, version, batch, spec, answers(model, tokenizer, batch, spec))
        written += len(batch)
        context.progress(written, len(wanted), f"{written:,} of {len(wanted):,} responses")
    with context.publish() as result:
        kept = Response.objects.filter(job=context.job).count()
        result.update(model=version.name, responses=kept, prompts=len(prompts))


def prompts_of(context: JobContext, spec: SampleSpec) -> list[Prompt]:
    found = Prompt.objects.filter(project=context.job.project).order_by("key")
    if spec.dataset:
        dataset = sources.named_dataset(context.job.project, spec.dataset)
        splits = ["train", "held_out"] if spec.split == "all" else [spec.split]
        keys = {row["prompt_key"] for split in splits for row in sources.rows_of(dataset, split)}
        found = found.filter(key__in=keys)
    else:
        # What annotators wrote in chats is sampled only where a dataset names it.
        found = found.exclude(origin=Prompt.Origin.CHAT)
    prompts = [prompt for prompt in found if not spec.tag or spec.tag in prompt.tags]
    if not prompts:
        raise JobError("There is no prompt to answer: no prompt of the project fits dataset, split and tag.")
    return prompts


def refuse_long(tokenizer: object, prompts: Sequence[Prompt], spec: SampleSpec) -> None:
    """What the model reads is measured: the prompt with the system prompt of its decoding."""
    limit = spec.max_prompt_tokens
    systems = {one.system: one.name for one in spec.decoding}
    for (system, name), prompt in itertools.product(systems.items(), prompts):
        length = len(modeling.prompt_ids(tokenizer, with_system(prompt.messages, system)))
        if length > limit:
            added = f" with the system prompt of {name}" if system else ""
            raise JobError(
                f"Prompt {prompt.key} has {length:,} tokens{added} and max_prompt_tokens is {limit:,}. "
                "Raise the limit or leave the prompt out: a cut prompt is another question."
            )


def batches(tokenizer: object, wanted: Sequence[Wanted], size: int) -> Iterator[list[Wanted]]:
    """Batches of one decoding setting, prompts of similar length together (long ones first, so that a batch
    that does not fit in memory shows at once)."""
    for _, group in itertools.groupby(wanted, key=lambda item: item[1].name):
        items = sorted(group, key=lambda item: (-len(modeling.prompt_ids(tokenizer, item[0].messages)), item[0].key))
        for start in range(0, len(items), size):
            yield items[start : start + size]


def answers(model: object, tokenizer: object, batch: Sequence[Wanted], spec: SampleSpec) -> list[modeling.Sample]:
    decoding = batch[0][1]
    return modeling.generate(
        model, tokenizer, [with_system(prompt.messages, decoding.system) for prompt, _, _ in batch],
        settings=modeling.Decoding(decoding.temperature, decoding.top_p, decoding.max_new_tokens),
        seed=batch_seed(spec.seed, batch), batch_size=spec.batch_size,
    )  # fmt: skip


def batch_seed(seed: int, batch: Sequence[Wanted]) -> int:
    """From what is asked and not from when, so that every batch has its own and a resumed job the same."""
    prompt, decoding, sample = batch[0]
    digest = hashlib.sha256(f"{seed}:{decoding.name}:{sample}:{prompt.key}".encode()).digest()
    return int.from_bytes(digest[:4])


def with_system(messages: list[dict[str, str]], system: str) -> list[dict[str, str]]:
    """The instruction is added to the prompt's own system message, never in its place."""
    if not system:
        return messages
    if messages[0]["role"] == "system":
        return [{"role": "system", "content": f"{messages[0]['content']} {system}"}, *messages[1:]]
    return [{"role": "system", "content": system}, *messages]


def store(
    context: JobContext,
    version: ModelVersion,
    batch: Sequence[Wanted],
    spec: SampleSpec,
    samples: Sequence[modeling.Sample],
) -> None:
    seed = batch_seed(spec.seed, batch)
    Response.objects.bulk_create(
        (
            Response(
                prompt=prompt, model=version, job=context.job, text=storable(sample.text), setting=decoding.name,
                decoding=decoding.model_dump(mode="json"), seed=seed, sample=number, tokens=sample.tokens,
                finish_reason=sample.finish_reason,
            )
            for (prompt, decoding, number), sample in zip(batch, samples, strict=True)
        ),
        ignore_conflicts=True,
    )  # fmt: skip


def storable(text: str) -> str:
    """PostgreSQL keeps no NUL, and a model may write one: it becomes the replacement character."""
    return text.replace("\x00", "\ufffd")
