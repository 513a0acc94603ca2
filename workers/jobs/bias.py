"""Ask one judge about cases whose better answer is known, in both orders where it reads both.

Every batch is kept at once, so a resumed job asks only what is missing.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from annotate.comparisons import comparisons
from annotate.models import Feedback
from annotate.simulation import PREFERENCES
from curate import judge_prompts
from evaluate.battles import with_responses
from evaluate.benchmarks.cases import VOTED, Case, case_set
from evaluate.bias.runs import run_of
from evaluate.models import CaseVerdict
from registry.models import ModelVersion
from registry.specs import BiasSpec
from workers import judging, modeling, sources
from workers.context import JobContext
from workers.errors import JobError
from workers.jobs.judge import LETTERS, as_read, read

REPLY_TOKENS, REASONED_TOKENS = 16, 384
BETTER, WORSE, TIE = 1.0, 0.0, 0.5
Asked = tuple[Case, bool]
"""A case, and whether its better response comes first in the order given."""
Said = tuple[float | None, float | None, dict[str, Any]]
"""(given, swapped, readings) as CaseVerdict keeps them."""


def run(context: JobContext, spec: BiasSpec) -> None:
    asked = cases_of(context, spec)
    done = set(CaseVerdict.objects.filter(job=context.job).values_list("case_type", "case_key"))
    context.progress(len(done), len(asked), "Loading the judge")
    missing = [one for one in asked if (one[0].type, one[0].key) not in done]
    if missing:
        kind, name, model, ask = judge_of(context, spec)
        for start in range(0, len(missing), spec.batch_size):
            context.check_stop()
            some = missing[start : start + spec.batch_size]
            store(context, some, ask(some), kind=kind, name=name, model=model)
            so_far = len(done) + start + len(some)
            context.progress(so_far, len(asked), f"{so_far:,} of {len(asked):,} cases")
    found = run_of(context.job)
    with context.publish() as result:
        result.update(summary(found) if found else {}, cases=len(asked))


# --- What is asked --------------------------------------------------------------------------------------------------


def cases_of(context: JobContext, spec: BiasSpec) -> list[Asked]:
    """Of every type half the cases have the better response first in the order given."""
    sets = [list(case_set(kind).cases) for kind in spec.sets]
    sets += [voted_pairs(context, tag) for tag in spec.voted_tags]
    return [(case, place % 2 == 0) for cases in sets for place, case in enumerate(cases)]


def voted_pairs(context: JobContext, tag: str) -> list[Case]:
    """Pairs on prompts with `tag`; better is what most of the votes say, and where they are even nothing is."""
    votes: Any = with_responses(comparisons(context.job.project)).filter(task__prompt__tags__contains=[tag])
    rows = votes.order_by("task_id", "pk").values_list(
        "task_id", "preference", "task__prompt__messages", "zero__response__text", "one__response__text",
        "task__prompt__lang", "task__prompt__key",
    )  # fmt: skip
    leaning: dict[int, int] = {}
    texts: dict[int, tuple[Any, ...]] = {}
    for task, preference, *rest in rows:
        leaning[task] = leaning.get(task, 0) + sign(preference)
        texts[task] = tuple(rest)
    found = []
    for task, lean in leaning.items():
        messages, zero, one, lang, key = texts[task]
        if lean and zero != one:
            better, worse = (zero, one) if lean > 0 else (one, zero)
            why = f"Most of the {Feedback._meta.verbose_name_plural} on this pair say so."
            found.append(Case(f"{key} ({task})", f"{VOTED}{tag}", messages, better, worse, why, lang))
    if not found:
        raise JobError(
            f"No pair on a prompt with the tag {tag} has votes that lean to one side. Import such pairs, for instance "
            "EvalBiasBench, or leave the tag out."
        )
    if undecided := len(leaning) - len(found):
        context.log(f"{undecided:,} of {len(leaning):,} pairs with the tag {tag} are even, or alike, and left out")
    return found


def sign(preference: int | None) -> int:
    value = preference or 0
    return (value > 0) - (value < 0)


# --- Who is asked ---------------------------------------------------------------------------------------------------


def judge_of(
    context: JobContext, spec: BiasSpec
) -> tuple[str, str, ModelVersion | None, Callable[[Sequence[Asked]], list[Said]]]:
    """(kind, name, model, what it says of some cases)"""
    project = context.job.project
    if spec.hidden_preference:
        preference = PREFERENCES[spec.hidden_preference]
        return "hidden_preference", preference.name, None, lambda some: [
            scored(*(preference.score(list(case.messages), text) for text in (case.better, case.worse)))
            for case, _ in some
        ]  # fmt: skip
    if spec.reward_model:
        version = sources.named_model(project, spec.reward_model, role="reward")
        reward = sources.reward_and_tokenizer(version, device=context.device, precision=spec.precision)
        return "reward_model", version.name, version, lambda some: by_reward(*reward, some)
    version = sources.named_model(project, spec.judge_model, role="judge")
    judge = sources.policy_and_tokenizer(version, device=context.device, precision=spec.precision)
    reasoned = bool(version.config.get("reasoned"))

    def ask(some: Sequence[Asked]) -> list[Said]:
        try:
            return by_judge(*judge, some, reasoned=reasoned, reply=spec.reading == "reply")
        except judging.NoVerdictToken as error:
            raise JobError(f"{version.name} cannot judge. {error}") from error

    return "judge_model", version.name, version, ask


def by_reward(model: Any, tokenizer: Any, some: Sequence[Asked]) -> list[Said]:
    scores = modeling.reward_scores(
        model, tokenizer,
        [modeling.Conversation(case.messages, text) for case, _ in some for text in (case.better, case.worse)],
    )  # fmt: skip
    return [scored(better, worse) for better, worse in zip(scores[::2], scores[1::2], strict=True)]


def scored(better: float, worse: float) -> Said:
    if better != better or worse != worse:
        raise JobError("The reward model gives scores that are no numbers: its training diverged. Test another.")
    verdict = BETTER if better > worse else WORSE if better < worse else TIE
    return verdict, None, {"scores": [round(better, 6), round(worse, 6)]}


def by_judge(model: Any, tokenizer: Any, some: Sequence[Asked], *, reasoned: bool, reply: bool) -> list[Said]:
    questions = [question(case, better_first=first, reasoned=reasoned) for case, first in some]
    questions += [question(case, better_first=not first, reasoned=reasoned) for case, first in some]
    way = replies if reply else tokens
    said = list(way(model, tokenizer, questions, reasoned))
    found: list[Said] = []
    for (_, first), (given, kept), (swapped, kept_swapped) in zip(
        some, said[: len(some)], said[len(some) :], strict=True
    ):
        readings = {"given": kept, "swapped": kept_swapped}
        found.append((meant(given, better_first=first), meant(swapped, better_first=not first), readings))
    return found


def question(case: Case, *, better_first: bool, reasoned: bool) -> modeling.Messages:
    texts = (case.better, case.worse) if better_first else (case.worse, case.better)
    return judge_prompts.ask_choice(case.messages, texts, reasoned=reasoned)


def tokens(
    model: Any, tokenizer: Any, questions: Sequence[modeling.Messages], reasoned: bool
) -> Iterator[tuple[str | None, dict[str, Any]]]:
    """(letter, what was read), the likeliest of the three; no letter where a reasoned reply comes to no verdict."""
    for reading in read(model, tokenizer, questions, reasoned):
        if reading.parsed:
            yield LETTERS[reading.probabilities.index(max(reading.probabilities))], as_read(reading)
        else:
            yield None, {"probabilities": None, "mass": 0.0, "text": reading.text}


def replies(
    model: Any, tokenizer: Any, questions: Sequence[modeling.Messages], reasoned: bool
) -> Iterator[tuple[str | None, dict[str, Any]]]:
    """(letter, the text), as the model writes it; no letter where the text is none."""
    limit = REASONED_TOKENS if reasoned else REPLY_TOKENS
    decoding = modeling.Decoding(temperature=0, max_new_tokens=limit)
    for sample in modeling.generate(model, tokenizer, questions, settings=decoding, seed=0, batch_size=len(questions)):
        yield judge_prompts.read_choice(sample.text), {"text": sample.text.replace("\x00", "\ufffd")}


def meant(letter: str | None, *, better_first: bool) -> float | None:
    if letter is None:
        return None
    if letter == "C":
        return TIE
    return BETTER if (letter == "A") == better_first else WORSE


# --- What is kept ---------------------------------------------------------------------------------------------------


def store(
    context: JobContext, asked: Sequence[Asked], said: Sequence[Said], *, kind: str, name: str,
    model: ModelVersion | None,
) -> None:  # fmt: skip
    CaseVerdict.objects.bulk_create(
        [
            CaseVerdict(
                project=context.job.project, job=context.job, judge_kind=kind, judge_name=name, judge_model=model,
                case_type=case.type, case_key=case.key[:200], group=case.group, lang=case.lang, case=case.stored(),
                better_first=first, given=given, swapped=swapped, readings=readings,
            )
            for (case, first), (given, swapped, readings) in zip(asked, said, strict=True)
        ],
        ignore_conflicts=True,
    )  # fmt: skip


def summary(found: Any) -> dict[str, Any]:
    """What the job's page shows: accuracy in one order and in both, and by type in both."""
    total = found.total.figures
    figures = {"judge": found.voice.name, "accuracy": total.single.value, "both_orders": total.pair.value,
               "kept_its_choice": total.agreement.value, "unparseable": total.unparseable}  # fmt: skip
    figures |= {f"both_orders_{one.type}": one.figures.pair.value for one in found.types}
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in figures.items()
            if value is not None}  # fmt: skip
