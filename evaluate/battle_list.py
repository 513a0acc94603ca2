"""The battles behind a number, one by one: the two texts, who won, and where the verdict is kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Case, Count, Q, QuerySet, When
from django.urls import reverse

from accounts.models import Project
from accounts.pseudonyms import rater_name
from annotate.comparisons import comparisons
from annotate.models import Feedback, Prompt, Response
from evaluate.battles import (
    IMPORTED,
    KIND_WORDS,
    PEOPLE,
    SIMULATED,
    Voice,
    newest_verdicts,
    trained_prompts,
    with_responses,
)
from evaluate.boards.slices import ALL, Slice
from evaluate.models import Judgement
from registry.models import ModelVersion

PAGE = 50
Scored = tuple[Response, float | None]
"""A response, and its score where the judge gives one."""
STRENGTH = {0: "tie", 1: "slightly better", 2: "better", 3: "much better"}


@dataclass(frozen=True)
class Side:
    letter: str
    model: str
    response: Response
    won: bool
    score: float | None = None

    @property
    def long(self) -> bool:
        """Too long to be read in a list; the page folds the rest away."""
        return len(self.response.text) > 1_500


@dataclass(frozen=True)
class Battle:
    """One verdict. `a` is always the model that was asked about, whichever was stored or shown first."""

    prompt: Prompt
    a: Side
    b: Side
    outcome: float
    said: str
    by: str
    url: str

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.a, self.b


class Unknown(Exception):
    """The address names something that the project does not have; the message is for people."""


def voice_named(key: str) -> Voice:
    """people is human; judges are kind:name. Raises Unknown."""
    kind, _, name = key.partition(":")
    if kind not in KIND_WORDS or (kind in {PEOPLE, IMPORTED, SIMULATED}) == bool(name):
        raise Unknown(f"There is no judge “{key[:80]}” in this project.")
    return Voice(kind, name)


@dataclass(frozen=True)
class Pair:
    """Two models of a project, `first` being the one that is asked about."""

    project: Project
    first: str
    second: str
    trained: frozenset[int]
    """Prompts that either was trained on: the leaderboard leaves their battles out, and so does the list."""
    judges: Mapping[str, frozenset[int]]
    """The same of each reward model that has judged the two."""
    chosen: Slice = ALL
    """Which prompts are asked about."""

    def left_out(self, voice: Voice | None = None) -> frozenset[int]:
        """Prompts whose battles do not count in the eyes of that voice, or of any."""
        if voice is None:
            return self.trained.union(*self.judges.values())
        return self.trained | self.judges.get(voice.reward_model, frozenset())


def pair_named(project: Project, first: str, second: str, *, chosen: Slice = ALL) -> Pair:
    """Raises Unknown for what is not two models of the project."""
    if not first or not second:
        raise Unknown("The address names no two models. Choose a pair on the leaderboard.")
    known = set(ModelVersion.objects.filter(project=project, name__in=[first, second]).values_list("name", flat=True))
    for name in (first, second):
        if name not in known:
            raise Unknown(f"There is no model “{name[:80]}” in this project.")
    if first == second:
        raise Unknown("Both sides are the same model. Choose two.")
    asked = Judgement.objects.filter(met(first, second), project=project, judge_kind=Judgement.Judge.REWARD_MODEL)
    judges = set(asked.values_list("judge_name", flat=True).distinct())
    trained = trained_prompts(project, {first, second} | judges)
    own = frozenset[int]().union(*(trained.get(name, ()) for name in (first, second)))
    learnt = {name: frozenset(trained[name]) for name in judges & trained.keys()}
    return Pair(project, first, second, own, learnt, chosen)


def met(first: str, second: str) -> Q:
    """Judgements of these two models, whichever comes first."""
    return Q(first__model__name=first, second__model__name=second) | Q(
        first__model__name=second, second__model__name=first
    )


def voices_of(pair: Pair) -> dict[Voice, int]:
    """Who decided battles between the two models, and how many, people first."""
    judges = judgements(pair).values_list("judge_kind", "judge_name").annotate(n=Count("pk"))
    voters = votes(pair).order_by().values_list("origin").annotate(n=Count("pk"))
    found = {Voice(kind, name): n for kind, name, n in judges.order_by()}
    found |= {Voice(origin): n for origin, n in voters}
    order = list(KIND_WORDS)
    return dict(sorted(found.items(), key=lambda item: (order.index(item[0].kind), item[0].name)))


def judgements(pair: Pair) -> QuerySet[Judgement]:
    found = Judgement.objects.filter(met(pair.first, pair.second), project=pair.project)
    if pair.chosen.evaluation:
        found = found.filter(job__judge_run__evaluation__name=pair.chosen.evaluation)
    else:
        found = newest_verdicts(found)
    found = found.exclude(first__prompt__in=pair.trained)
    for name, prompts in pair.judges.items():
        kind = Judgement.Judge.REWARD_MODEL
        found = found.exclude(judge_kind=kind, judge_name=name, first__prompt__in=prompts - pair.trained)
    return found.filter(first__prompt__in=pair.chosen.prompts(pair.project)) if pair.chosen.query else found


def votes(pair: Pair) -> QuerySet[Any]:
    either = Q(zero__response__model__name=pair.first, one__response__model__name=pair.second) | Q(
        zero__response__model__name=pair.second, one__response__model__name=pair.first
    )
    found = with_responses(comparisons(pair.project)).filter(either).exclude(task__prompt__in=pair.trained)
    if pair.chosen.evaluation:
        found = found.filter(task__asked_for__evaluation__name=pair.chosen.evaluation)
    return found.filter(task__prompt__in=pair.chosen.prompts(pair.project)) if pair.chosen.query else found


def battles_by(pair: Pair, voice: Voice) -> QuerySet[Any]:
    """Exactly the battles behind the leaderboard's number for this pair and voice, as Judgement or Feedback rows."""
    if voice.is_judge:
        return judgements(pair).filter(judge_kind=voice.kind, judge_name=voice.name)
    return votes(pair).filter(origin=voice.kind)


def outcomes(pair: Pair, voice: Voice) -> tuple[list[float], list[int]]:
    """Outcome of every battle seen from `first`, and its prompt."""
    found = battles_by(pair, voice)
    if voice.is_judge:
        rows = found.values_list("first__model__name", "outcome", "first__prompt_id")
    else:
        ahead = Case(When(preference__gt=0, then=1.0), When(preference__lt=0, then=0.0), default=0.5)
        rows = found.values_list("zero__response__model__name", ahead, "task__prompt_id")
    seen = [(outcome if model == pair.first else 1 - outcome, prompt) for model, outcome, prompt in rows]
    return [outcome for outcome, _ in seen], [prompt for _, prompt in seen]


def page_of(pair: Pair, *, voice: Voice, page: str | None) -> Page:
    """One page of battles by that voice, in the order of prompts; a page that does not exist is the nearest one."""
    found = battles_by(pair, voice)
    if voice.is_judge:
        ordered = found.order_by("first__prompt__key", "pk").select_related(
            "first__prompt", "first__model", "second__model", "job__project"
        )
    else:
        ordered = (
            found.order_by("task__prompt__key", "pk")
            .select_related("task__prompt", "annotator")
            .prefetch_related("task__task_responses__response__model")
        )
    result = Paginator(ordered, PAGE).get_page(page)
    build = judged_battle if voice.is_judge else voted_battle
    result.object_list = [build(pair, row) for row in result.object_list]
    return result


def judged_battle(pair: Pair, row: Judgement) -> Battle:
    sides: list[Scored] = [(row.first, row.score_first), (row.second, row.score_second)]
    outcome = row.outcome
    if row.first.model and row.first.model.name != pair.first:
        sides, outcome = sides[::-1], 1 - outcome
    gap = abs(row.score_first - row.score_second)
    said = "tie" if outcome == 0.5 else f"scores {gap:.3g} higher"
    return battle(row.first.prompt, sides, outcome, said=said, by=row.job.name, url=row.job.get_absolute_url())


def voted_battle(pair: Pair, row: Feedback) -> Battle:
    sides: list[Scored] = [(one.response, None) for one in row.task.task_responses.all()[:2]]
    preference = row.preference or 0
    model = sides[0][0].model
    if model and model.name != pair.first:
        sides, preference = sides[::-1], -preference
    said = "both bad" if row.both_bad else STRENGTH[abs(preference)]
    outcome = 0.5 if not preference else 1.0 if preference > 0 else 0.0
    url = reverse("vote", args=[pair.project.slug, row.pk])
    return battle(row.task.prompt, sides, outcome, said=said, by=rater_name(pair.project.pk, row.annotator), url=url)


def battle(prompt: Prompt, sides: list[Scored], outcome: float, *, said: str, by: str, url: str) -> Battle:
    (one, score_one), (other, score_other) = sides
    return Battle(
        prompt,
        Side("A", one.model.name if one.model else "", one, outcome > 0.5, score_one),
        Side("B", other.model.name if other.model else "", other, outcome < 0.5, score_other),
        outcome, said, by, url,
    )  # fmt: skip
