"""Votes and judgements of a project as arrays of battles, one set a voice. Reads only."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db.models import Exists, F, FilteredRelation, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Length
from numpy.typing import NDArray

from accounts.models import Project
from annotate.comparisons import comparisons
from annotate.models import DatasetFeedback, Feedback
from evaluate.models import Evaluation, Judgement
from registry.models import Job, ModelVersion

PEOPLE, SIMULATED = Feedback.Origin.HUMAN.value, Feedback.Origin.SIMULATED.value
IMPORTED = Feedback.Origin.IMPORTED.value
KIND_WORDS = {
    PEOPLE: "people",
    IMPORTED: "imported votes",
    SIMULATED: "simulated raters",
    Judgement.Judge.REWARD_MODEL.value: "reward model",
    Judgement.Judge.JUDGE_MODEL.value: "judge model",
    Judgement.Judge.HIDDEN_PREFERENCE.value: "hidden preference",
}


@dataclass(frozen=True)
class Voice:
    """Who decides battles: people, simulated raters, or one judge."""

    kind: str
    """A key of KIND_WORDS."""
    name: str = ""
    """The judge's name, empty for voters."""

    @property
    def key(self) -> str:
        """How addresses and downloads name it; the kind is part of it, so a model called "people" is no trouble."""
        return f"{self.kind}:{self.name}" if self.name else self.kind

    @property
    def label(self) -> str:
        """On its own in a list: "rm-01", "people". A hidden preference always says what it is."""
        if self.kind == Judgement.Judge.HIDDEN_PREFERENCE:
            return f"{self.name} (hidden preference)"
        return self.name or KIND_WORDS[self.kind]

    @property
    def title(self) -> str:
        """The label where a line begins: "People". Names of models keep their letters."""
        return self.label if self.name else self.label.capitalize()

    @property
    def kind_words(self) -> str:
        return KIND_WORDS[self.kind]

    @property
    def full(self) -> str:
        """The label with what it is, where that is not said beside it: "rm-01 (reward model)"."""
        return f"{self.name} ({self.kind_words})" if self.name else self.label

    @property
    def is_judge(self) -> bool:
        return bool(self.name)

    @property
    def reward_model(self) -> str:
        """The name of the model that judges, or nothing."""
        return self.name if self.kind == Judgement.Judge.REWARD_MODEL else ""


@dataclass(frozen=True)
class Battles:
    """All battles of one voice. Every array is (battles,)."""

    voice: Voice
    first: NDArray
    """Names of the models (object); what `outcome` is told from."""
    second: NDArray
    outcome: NDArray[np.float64]
    """1 where the first won, 0.5 a tie or both bad, 0 where the second won."""
    prompt: NDArray[np.int64]
    first_length: NDArray[np.int64]
    """Characters; zeros unless lengths were asked for."""
    second_length: NDArray[np.int64]
    trained: int = 0
    """Battles that were left out because a model in them, or the judge, was trained on the prompt."""

    def __len__(self) -> int:
        return len(self.outcome)

    def where(self, mask: NDArray[np.bool_], *, trained: int = 0) -> "Battles":
        return Battles(
            self.voice, self.first[mask], self.second[mask], self.outcome[mask], self.prompt[mask],
            self.first_length[mask], self.second_length[mask], self.trained + trained,
        )  # fmt: skip

    def on(self, prompts: Collection[int]) -> "Battles":
        """Those on these prompts."""
        return self.where(np.isin(self.prompt, list(prompts)))

    def of(self, model: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Outcomes seen from `model`, and their prompts."""
        mine, theirs = self.first == model, self.second == model
        outcome = np.concatenate([self.outcome[mine], 1 - self.outcome[theirs]])
        return outcome, np.concatenate([self.prompt[mine], self.prompt[theirs]])

    def between(self, one: str, other: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Outcomes of `one` against `other`, and their prompts."""
        ahead = (self.first == one) & (self.second == other)
        return self.where(ahead | ((self.first == other) & (self.second == one))).of(one)


def with_responses(votes: QuerySet[Feedback]) -> QuerySet[Any]:
    """Join the two responses of each vote's task, by canonical position, as `zero` and `one`."""
    joined: Any = votes
    for position, name in enumerate(("zero", "one")):
        relation = FilteredRelation("task__task_responses", condition=Q(task__task_responses__position=position))
        joined = joined.annotate(**{name: relation})
    return joined.filter(zero__isnull=False, one__isnull=False)


def voted(
    project: Project, *, lengths: bool = False, same_model: bool = False, evaluation: Evaluation | None = None
) -> list[Battles]:
    """Current pairwise votes, people and simulated raters apart; of one evaluation, or of all.

    same_model: also battles between two responses of one model, or of no model; they say nothing of models, but a
    lot of the voters.
    """
    votes = with_responses(comparisons(project)) if same_model else model_votes(project)
    if evaluation is not None:
        votes = votes.filter(task__asked_for__evaluation=evaluation.pk)
    zero: Any = Length("zero__response__text") if lengths else Value(0)
    one: Any = Length("one__response__text") if lengths else Value(0)
    rows = votes.values_list(
        "origin", Value(""), "zero__response__model__name", "one__response__model__name",
        "preference", "task__prompt_id", zero, one,
    )  # fmt: skip
    return sets((*row[:4], (np.sign(row[4] or 0) + 1) / 2, *row[5:]) for row in rows.iterator(chunk_size=10_000))


def judged(
    project: Project, *, lengths: bool = False, same_model: bool = False, job: Job | None = None,
    evaluation: Evaluation | None = None,
) -> list[Battles]:  # fmt: skip
    """Judgements, a set a judge: of one job, of one evaluation, or of all with the newest where a judge saw two
    responses twice. An evaluation has no pair judged twice."""
    found = Judgement.objects.filter(project=project)
    if evaluation is not None:
        found = found.filter(job__judge_run__evaluation=evaluation.pk)
    else:
        found = found.filter(job=job) if job else newest_verdicts(found)
    if not same_model:
        found = between_models(found)
    first: Any = Length("first__text") if lengths else Value(0)
    second: Any = Length("second__text") if lengths else Value(0)
    rows = found.values_list(
        "judge_kind", "judge_name", "first__model__name", "second__model__name", "outcome", "first__prompt_id",
        first, second,
    )  # fmt: skip
    return sets(rows.iterator(chunk_size=10_000))


def model_votes(project: Project) -> QuerySet[Any]:
    """Current votes between the responses of two different models."""
    votes = with_responses(comparisons(project))
    return votes.exclude(zero__response__model=F("one__response__model")).filter(
        zero__response__model__isnull=False, one__response__model__isnull=False
    )


def between_models(found: QuerySet[Judgement]) -> QuerySet[Judgement]:
    return found.exclude(first__model=F("second__model")).filter(
        first__model__isnull=False, second__model__isnull=False
    )


def newest_verdicts(found: QuerySet[Judgement]) -> QuerySet[Judgement]:
    """One verdict a judge and pair of responses: a pair that was judged again is not two facts."""
    newer = Judgement.objects.filter(
        judge_kind=OuterRef("judge_kind"), judge_name=OuterRef("judge_name"), pk__gt=OuterRef("pk")
    )
    # Two questions, one a side, so that each is answered by the index on the first response.
    return found.exclude(Exists(newer.filter(first=OuterRef("first"), second=OuterRef("second")))).exclude(
        Exists(newer.filter(first=OuterRef("second"), second=OuterRef("first")))
    )


def sets(rows: Iterable[tuple[Any, ...]]) -> list[Battles]:
    """Rows (kind, judge, first, second, outcome, prompt, length, length) -> a Battles a voice, people first."""
    by_voice: dict[Voice, list[tuple[Any, ...]]] = {}
    for kind, name, *rest in rows:
        by_voice.setdefault(Voice(kind, name), []).append(tuple(rest))
    order = list(KIND_WORDS)
    found = []
    for voice in sorted(by_voice, key=lambda voice: (order.index(voice.kind), voice.name)):
        first, second, outcome, prompt, first_length, second_length = zip(*by_voice[voice], strict=True)
        found.append(
            Battles(
                voice, names(first), names(second), np.array(outcome, dtype=float), np.array(prompt),
                np.array(first_length), np.array(second_length),
            )
        )  # fmt: skip
    return found


def names(values: Sequence[str | None]) -> NDArray:
    return np.array([value or "" for value in values], dtype=object)


def held_out(project: Project, battles: Sequence[Battles]) -> list[Battles]:
    """Leave out the battles on prompts that either model was trained on, or the reward model that judges them: what
    was learnt by heart is no skill."""
    models = {str(name) for one in battles for name in {*one.first, *one.second}}
    trained = trained_prompts(project, models | {name for one in battles if (name := one.voice.reward_model)})
    if not trained:
        return list(battles)
    kept = []
    for one in battles:
        learnt = np.zeros(len(one), dtype=bool)
        for name in {*one.first, *one.second, one.voice.reward_model} & trained.keys():
            plays = (one.first == name) | (one.second == name) | (name == one.voice.reward_model)
            learnt |= plays & np.isin(one.prompt, list(trained[name]))
        kept.append(one.where(~learnt, trained=int(learnt.sum())))
    return kept


def trained_prompts(project: Project, models: set[str]) -> dict[str, set[int]]:
    """For each of the models, the prompts in the training split of its dataset or of an ancestor's."""
    if not models:
        return {}
    rows = ModelVersion.objects.filter(project=project).values_list("pk", "name", "parent_id", "dataset_id")
    by_id = {pk: (name, parent, dataset) for pk, name, parent, dataset in rows}
    datasets: dict[str, set[int]] = {}
    for pk, (name, _, _) in by_id.items():
        if name in models and (used := datasets_behind(pk, by_id)):
            datasets[name] = used
    if not datasets:
        return {}
    prompts: dict[int, set[int]] = {}
    pairs = (
        DatasetFeedback.objects.filter(dataset__in=set().union(*datasets.values()), split="train")
        .values_list("dataset_id", "feedback__task__prompt_id")
        .distinct()
    )
    for dataset, prompt in pairs:
        prompts.setdefault(dataset, set()).add(prompt)
    return {name: set().union(*(prompts.get(one, set()) for one in used)) for name, used in datasets.items()}


def datasets_behind(pk: int | None, by_id: Mapping[int, tuple[str, int | None, int | None]]) -> set[int]:
    used: set[int] = set()
    while pk is not None and pk in by_id:
        _, pk, dataset = by_id[pk]
        if dataset:
            used.add(dataset)
    return used
