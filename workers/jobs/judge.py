"""Compare the responses of two sample jobs, prompt by prompt and sample by sample, by one judge or several."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from annotate.models import Response
from annotate.simulation import PREFERENCES
from curate import judge_prompts
from evaluate.models import Judgement
from registry.models import Job, ModelVersion
from registry.references import NotThere, sample_named
from registry.specs import JudgeSpec
from workers import judging, modeling, sources
from workers.context import JobContext
from workers.errors import JobError

Battle = tuple[Response, Response]
CHUNK = 64
JUDGED_AT_ONCE = 8  # questions hold two responses each, and are long
LETTERS = ("A", "B", "C")


def run(context: JobContext, spec: JudgeSpec) -> None:
    battles = pair_up(context, sample_job(context, spec.first), sample_job(context, spec.second))
    judges = [judge for judge in (spec.reward_model, spec.judge_model, spec.hidden_preference) if judge]
    total = len(battles) * len(judges)
    judgements: list[Judgement] = []
    ways = (by_reward_model, by_judge_model, by_hidden_preference)
    for scored in (way(context, spec, battles) for way in ways):
        for judgement in scored:
            judgements.append(judgement)
            if len(judgements) % CHUNK == 0:
                context.progress(len(judgements), total, f"{len(judgements):,} of {total:,} verdicts")
                context.check_stop()
    context.progress(total, total, f"{total:,} verdicts")
    with context.publish() as result:
        Judgement.objects.bulk_create(judgements, batch_size=1_000)
        result.update(summary(judgements), battles=len(battles))


def sample_job(context: JobContext, name: str) -> Job:
    try:
        return sample_named(context.job.project, name)
    except NotThere as error:
        raise JobError(str(error)) from error


def pair_up(context: JobContext, first: Job, second: Job) -> list[Battle]:
    """Responses to the same prompt at the same setting and sample number; what has no partner is counted."""
    sides: list[dict[tuple[int, str, int], Response]] = [
        {
            (response.prompt_id, response.setting, response.sample): response
            for response in Response.objects.filter(job=job).select_related("prompt").order_by("pk")
        }
        for job in (first, second)
    ]
    common = [key for key in sides[0] if key in sides[1]]
    if not common:
        raise JobError(
            f"{first.name} and {second.name} answered no prompt at the same decoding setting. "
            "Sample both with the same dataset, split and settings."
        )
    battles = [(sides[0][key], sides[1][key]) for key in common]
    for one, other in battles:
        if decoding_of(one) != decoding_of(other):
            raise JobError(
                f"The setting {one.setting} is not the same in {first.name} and {second.name}: {decoding_of(one)} "
                f"and {decoding_of(other)}. A difference would be the setting's and not the model's; sample both alike."
            )
    for job, side in zip((first, second), sides, strict=True):
        if alone := len(side) - len(common):
            context.log(f"{alone:,} of the {len(side):,} responses of {job.name} have no partner and are not judged")
    return battles


def decoding_of(response: Response) -> dict[str, object]:
    return {name: value for name, value in response.decoding.items() if name != "samples"}


def by_reward_model(context: JobContext, spec: JudgeSpec, battles: Sequence[Battle]) -> Iterator[Judgement]:
    if not spec.reward_model:
        return
    version = sources.named_model(context.job.project, spec.reward_model, role="reward")
    model, tokenizer = sources.reward_and_tokenizer(
        version, device=context.device, precision=version.config.get("precision", "auto")
    )
    for start in range(0, len(battles), CHUNK):
        some = battles[start : start + CHUNK]
        scores = modeling.reward_scores(
            model, tokenizer, [conversation(response) for battle in some for response in battle]
        )
        for (first, second), a, b in zip(some, scores[::2], scores[1::2], strict=True):
            yield judgement(context, first, second, a, b, kind="reward_model", name=version.name, model=version)


def conversation(response: Response) -> modeling.Conversation:
    return modeling.Conversation(
        messages=response.prompt.messages, response=response.text, finished=response.finish_reason == "stop"
    )


def by_judge_model(context: JobContext, spec: JudgeSpec, battles: Sequence[Battle]) -> Iterator[Judgement]:
    """Both orders are read and averaged, so that a taste for a place decides nothing. What was read is kept."""
    if not spec.judge_model:
        return
    version = sources.named_model(context.job.project, spec.judge_model, role="judge")
    model, tokenizer = sources.policy_and_tokenizer(
        version, device=context.device, precision=version.config.get("precision", "auto")
    )
    reasoned, unparsed = bool(version.config.get("reasoned")), 0
    for start in range(0, len(battles), JUDGED_AT_ONCE):
        some = battles[start : start + JUDGED_AT_ONCE]
        asked = [question(spec, one, other, reasoned) for one, other in some]
        asked += [question(spec, other, one, reasoned) for one, other in some]
        try:
            readings = read(model, tokenizer, asked, reasoned)
        except judging.NoVerdictToken as error:
            raise JobError(f"{version.name} cannot judge. {error}") from error
        for battle, given, swapped in zip(some, readings[: len(some)], readings[len(some) :], strict=True):
            if not (given.parsed and swapped.parsed):
                unparsed += 1
                for reading in (given, swapped):
                    if not reading.parsed:
                        context.log(f"No verdict in {reading.text[:300]!r}", level="warning")
                continue
            first, second, tie = judging.both_orders(given.probabilities, swapped.probabilities)
            yield judgement(
                context, *battle, first + tie / 2, second + tie / 2, kind="judge_model", name=version.name,
                model=version, outcome=0.5 if tie > max(first, second) else None,
                readings={"given": as_read(given), "swapped": as_read(swapped)},
            )  # fmt: skip
        context.check_stop()
    if unparsed:
        context.log(f"{unparsed:,} of {len(battles):,} battles have no verdict that can be read", level="warning")


def question(spec: JudgeSpec, one: Response, other: Response, reasoned: bool) -> modeling.Messages:
    return judge_prompts.ask_choice(
        one.prompt.messages, (one.text, other.text), by=spec.criterion, reasoned=reasoned
    )  # fmt: skip


def read(model: Any, tokenizer: Any, asked: Sequence[modeling.Messages], reasoned: bool) -> list[judging.Reading]:
    if reasoned:
        return judging.reason_then_read(model, tokenizer, asked, LETTERS, marker="Verdict:", batch_size=JUDGED_AT_ONCE)
    return judging.read_choices(model, tokenizer, asked, LETTERS, batch_size=JUDGED_AT_ONCE)


def as_read(reading: judging.Reading) -> dict[str, object]:
    """A, B and C in the order in which the judge saw the responses."""
    said = dict(zip(LETTERS, (round(p, 6) for p in reading.probabilities), strict=True))
    return {"probabilities": said, "mass": round(reading.mass, 6), "text": reading.text}


def by_hidden_preference(context: JobContext, spec: JudgeSpec, battles: Sequence[Battle]) -> Iterator[Judgement]:
    """Without noise and without position bias: what the simulated annotators were made to prefer, exactly."""
    if not spec.hidden_preference:
        return
    preference = PREFERENCES[spec.hidden_preference]
    for first, second in battles:
        a, b = (preference.score(response.prompt.messages, response.text) for response in (first, second))
        yield judgement(context, first, second, a, b, kind="hidden_preference", name=preference.name)


def judgement(
    context: JobContext, first: Response, second: Response, a: float, b: float, *, kind: str, name: str,
    model: ModelVersion | None = None, outcome: float | None = None, readings: dict[str, object] | None = None,
) -> Judgement:  # fmt: skip
    return Judgement(
        project=context.job.project, job=context.job, judge_kind=kind, judge_name=name, judge_model=model,
        first=first, second=second, score_first=a, score_second=b,
        outcome=(1.0 if a > b else 0.0 if a < b else 0.5) if outcome is None else outcome, readings=readings or {},
    )  # fmt: skip


def summary(judgements: Sequence[Judgement]) -> dict[str, float]:
    """Share of battles that the first side wins, a judge; intervals are the leaderboard's."""
    wins: Counter[str] = Counter()
    battles: Counter[str] = Counter()
    for one in judgements:
        wins[one.judge_name] += one.outcome  # type: ignore[assignment]
        battles[one.judge_name] += 1
    return {f"win_rate_by_{name}": round(wins[name] / battles[name], 4) for name in battles}
