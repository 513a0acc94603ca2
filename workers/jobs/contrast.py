"""Let a policy answer prompts that differ in one attribute: as it would, and each against the other.

Every batch is kept at once, so a resumed job writes only what is missing.
"""

from collections.abc import Sequence

from evaluate.benchmarks.cases import Pair, contrast_pairs
from evaluate.models import ContrastedPair
from registry.models import ModelVersion
from registry.specs import ContrastSpec
from workers import modeling, sources
from workers.context import JobContext
from workers.decoding import contrastive
from workers.errors import JobError

OWN = "own"
"""The key of the pair that a person wrote."""


def run(context: JobContext, spec: ContrastSpec) -> None:
    version = sources.named_model(context.job.project, spec.model, role="policy")
    pairs = pairs_of(spec)
    done = set(ContrastedPair.objects.filter(job=context.job).values_list("key", flat=True))
    missing = [pair for pair in pairs if pair.key not in done]
    context.progress(len(done), len(pairs), "Loading the model")
    if missing:
        model, tokenizer = sources.policy_and_tokenizer(version, device=context.device, precision=spec.precision)
        for start in range(0, len(missing), spec.batch_size):
            context.check_stop()
            some = missing[start : start + spec.batch_size]
            store(context, version, spec, some, written(model, tokenizer, some, spec))
            so_far = len(done) + start + len(some)
            context.progress(so_far, len(pairs), f"{so_far:,} of {len(pairs):,} pairs")
    kept = ContrastedPair.objects.filter(job=context.job)
    differ = sum(one.plain[0] != one.plain[1] for one in kept)
    with context.publish() as result:
        result.update(model=version.name, pairs=len(pairs), plain_texts_that_differ=differ)


def pairs_of(spec: ContrastSpec) -> list[Pair]:
    found = [pair for pair in contrast_pairs() if pair.attribute in spec.attributes]
    if spec.template:
        found.insert(0, Pair(OWN, "own", (spec.first, spec.second), spec.template))
    if not found:
        raise JobError("There is nothing to contrast: no ready pair has these attributes, and no template is given.")
    return found


def written(
    model: object, tokenizer: object, some: Sequence[Pair], spec: ContrastSpec
) -> list[tuple[list[str], list[contrastive.Contrasted]]]:
    """([plain text of each side], [contrasted text of each side]) of each pair"""
    sides = [[[{"role": "user", "content": pair.prompts[side]}] for pair in some] for side in (0, 1)]
    decoding = modeling.Decoding(temperature=0, max_new_tokens=spec.max_new_tokens)
    plain = modeling.generate(model, tokenizer, [*sides[0], *sides[1]], settings=decoding, seed=0,
                              batch_size=2 * len(some))  # fmt: skip
    against = contrastive.write_against(
        model, tokenizer, [*zip(sides[0], sides[1], strict=True), *zip(sides[1], sides[0], strict=True)],
        strength=spec.strength, max_new_tokens=spec.max_new_tokens,
    )  # fmt: skip
    n = len(some)
    return [([plain[i].text, plain[n + i].text], [against[i], against[n + i]]) for i in range(n)]


def store(
    context: JobContext, version: ModelVersion, spec: ContrastSpec, some: Sequence[Pair],
    found: Sequence[tuple[list[str], list[contrastive.Contrasted]]],
) -> None:  # fmt: skip
    ContrastedPair.objects.bulk_create(
        [
            ContrastedPair(
                project=context.job.project, job=context.job, model=version, key=pair.key, attribute=pair.attribute,
                values=list(pair.values), prompts=list(pair.prompts), strength=spec.strength,
                plain=[storable(text) for text in plain], contrasted=[storable(one.text) for one in against],
                gaps=[None if one.gap is None else round(one.gap, 6) for one in against],
            )
            for pair, (plain, against) in zip(some, found, strict=True)
        ],
        ignore_conflicts=True,
    )  # fmt: skip


def storable(text: str) -> str:
    """PostgreSQL keeps no NUL, and a model may write one."""
    return text.replace("\x00", "\ufffd")
