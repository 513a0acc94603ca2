"""Carrying an evaluation out: let models answer, then judge the battles that say most, round after round."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from django.db import transaction
from numpy.typing import NDArray

from accounts.models import User, record_audit
from annotate.intake.task_making import Recipe
from annotate.models import Response
from evaluate.allocation import Plan, next_battles
from evaluate.battles import Battles, judged, voted
from evaluate.evaluations import plan
from evaluate.models import AskedTask, Entrant, Evaluation, JudgeRun
from registry.jobs import request_job
from registry.models import Job, ModelVersion

Pair = tuple[int, int]
"""Places of two entrants, the lower first."""


@dataclass
class Round:
    """What one step asked for."""

    samples: list[Job] = field(default_factory=list)
    judge_runs: list[Job] = field(default_factory=list)
    tasks: int = 0
    stop: str = ""
    """Why nothing was asked for, as a sentence."""

    @property
    def sentence(self) -> str:
        parts = [
            self.samples and f"{len(self.samples)} sample run{'s' * (len(self.samples) > 1)}",
            self.judge_runs and f"{len(self.judge_runs)} judge run{'s' * (len(self.judge_runs) > 1)}",
            self.tasks and f"{self.tasks:,} task{'s' * (self.tasks > 1)} for people",
        ]
        asked = [str(part) for part in parts if part]
        return f"Asked for {', '.join(asked)}." if asked else self.stop or "Nothing could be asked for yet."


@transaction.atomic
def start(evaluation: Evaluation, models: Iterable[ModelVersion], *, user: User | None) -> Round:
    """Store the evaluation with its models, ask for the answers that are missing, and for the first battles.

    Raises SpecError where a setting is wrong; nothing is stored then.
    """
    evaluation.created_by = user
    evaluation.save()
    done = Round()
    for model in models:
        sample = None if plan.is_from_file(model) else plan.sampled(evaluation, model)
        if sample is None and not plan.is_from_file(model):
            sample = request_job(
                project=evaluation.project, kind="sample", params=plan.sample_params(evaluation, model), user=user
            )
            done.samples.append(sample)
        Entrant.objects.create(evaluation=evaluation, model=model, sample=sample)
    record_audit(actor=user, action="evaluation.started", project=evaluation.project, target=evaluation.name)
    following = go_on(evaluation, user=user)
    return Round(done.samples, following.judge_runs, following.tasks, following.stop)


@transaction.atomic
def go_on(evaluation: Evaluation, *, user: User | None) -> Round:
    """Ask for the next battles, those that shrink the intervals fastest: of judges and of people, each by what it
    knows. Asked twice at once, the second sees what the first asked for."""
    Evaluation.objects.select_for_update(no_key=True).get(pk=evaluation.pk)
    entrants = list(evaluation.entrants.select_related("model", "sample"))
    done, stops = Round(), []
    if evaluation.has_judge:
        done.judge_runs, stop = next_judge_runs(evaluation, entrants, user=user)
        stops.append(stop)
    if evaluation.raters:
        done.tasks, stop = next_tasks(evaluation, entrants)
        stops.append(stop)
    done.stop = " ".join(dict.fromkeys(stop for stop in stops if stop))
    return done


def next_judge_runs(evaluation: Evaluation, entrants: list[Entrant], *, user: User | None) -> tuple[list[Job], str]:
    """Whole pairs, about a batch of battles; a run that is queued or runs counts as half won by each."""
    prompts = len(plan.prompts_of(evaluation))
    if not prompts:
        return [], "There is no prompt."
    place = {entrant.pk: i for i, entrant in enumerate(entrants)}
    left = np.full((len(entrants), len(entrants)), float(prompts))
    for i, entrant in enumerate(entrants):
        if entrant.sample is None:  # a judge run compares two sample runs
            left[i, :] = left[:, i] = 0
    # The reward model and the others are asked in the same run, so any of them tells what was judged.
    voices = judged(evaluation.project, evaluation=evaluation)
    wins = wins_of(max(voices, key=len, default=None), entrants)
    for run in evaluation.judge_runs.select_related("job"):
        i, j = sorted((place[run.first_id], place[run.second_id]))
        left[i, j] = left[j, i] = 0
        if not run.job.is_finished:
            wins[i, j], wins[j, i] = wins[i, j] + prompts / 2, wins[j, i] + prompts / 2
    found: list[Job] = []
    while len(found) * prompts < evaluation.batch:
        chosen = next_battles(wins, prompts, allowed=left, target=evaluation.target)
        if not chosen.battles:
            return found, "" if found else chosen.stop
        i, j = next(iter(chosen.battles))
        found.append(judge_run(evaluation, entrants[i], entrants[j], user=user))
        left[i, j] = left[j, i] = 0
        wins[i, j], wins[j, i] = wins[i, j] + prompts / 2, wins[j, i] + prompts / 2
    return found, ""


def judge_run(evaluation: Evaluation, first: Entrant, second: Entrant, *, user: User | None) -> Job:
    """It waits for the sample runs by itself."""
    assert first.sample is not None and second.sample is not None
    job = request_job(
        project=evaluation.project, kind="judge", user=user,
        params={
            "first": first.sample.name, "second": second.sample.name, "reward_model": evaluation.reward_model,
            "judge_model": evaluation.judge_model, "criterion": evaluation.criterion,
            "hidden_preference": evaluation.hidden_preference,
        },
    )  # fmt: skip
    JudgeRun.objects.create(evaluation=evaluation, job=job, first=first, second=second)
    return job


def next_tasks(evaluation: Evaluation, entrants: list[Entrant]) -> tuple[int, str]:
    """Tasks for people: a batch of battles less those that are still open."""
    free = free_battles(evaluation, entrants)
    left = np.zeros((len(entrants), len(entrants)))
    for (i, j), battles in free.items():
        left[i, j] = left[j, i] = len(battles)
    votes = max(voted(evaluation.project, evaluation=evaluation), key=len, default=None)
    wins = wins_of(votes, entrants)
    place, waiting = {entrant.pk: i for i, entrant in enumerate(entrants)}, 0
    for asked in evaluation.asked.select_related("task"):
        if missing := asked.task.wanted - asked.task.answered:
            i, j = place[asked.first_id], place[asked.second_id]
            wins[i, j], wins[j, i] = wins[i, j] + missing / 2, wins[j, i] + missing / 2
            waiting += 1
    if waiting >= evaluation.batch:
        return 0, f"People still have {waiting:,} tasks of the last round to answer."
    if not free:
        unanswered = any(entrant.sample and not entrant.sample.is_finished for entrant in entrants)
        return 0, "The models have not answered yet." if unanswered else "People were asked about every battle."
    found = next_battles(wins, evaluation.batch - waiting, allowed=left, target=evaluation.target)
    return make_tasks(evaluation, entrants, found, free), found.stop


def make_tasks(
    evaluation: Evaluation, entrants: list[Entrant], found: Plan, free: dict[Pair, list[tuple[Response, Response]]]
) -> int:
    recipe, made = Recipe(wanted=evaluation.raters, criterion=""), 0
    for (i, j), number in found.battles.items():
        for one, other in free[i, j][:number]:
            # Sides are shuffled for each rater by the desk; the order here is that of the entrants.
            task = recipe.create([one, other])
            AskedTask.objects.create(evaluation=evaluation, task=task, first=entrants[i], second=entrants[j])
            made += 1
    return made


def free_battles(evaluation: Evaluation, entrants: list[Entrant]) -> dict[Pair, list[tuple[Response, Response]]]:
    """For each pair of entrants the battles to ask people about: both answered, differently, and nobody was asked."""
    answers = {i: answers_of(evaluation, entrant) for i, entrant in enumerate(entrants)}
    place = {entrant.pk: i for i, entrant in enumerate(entrants)}
    asked: dict[Pair, set[int]] = defaultdict(set)
    for first, second, prompt in evaluation.asked.values_list("first_id", "second_id", "task__prompt_id"):
        asked[place[first], place[second]].add(prompt)
    found: dict[Pair, list[tuple[Response, Response]]] = {}
    for i in range(len(entrants)):
        for j in range(i + 1, len(entrants)):
            common = [prompt for prompt in answers[i] if prompt in answers[j] and prompt not in asked[i, j]]
            battles = [(answers[i][prompt], answers[j][prompt]) for prompt in common]
            if battles := [pair for pair in battles if pair[0].text.strip() != pair[1].text.strip()]:
                found[i, j] = battles
    return found


def answers_of(evaluation: Evaluation, entrant: Entrant) -> dict[int, Response]:
    """One answer a prompt: the first sample of the run, or what the file had."""
    responses = Response.objects.filter(prompt__in=plan.prompts_of(evaluation)).select_related("prompt")
    if entrant.sample is not None:
        responses = responses.filter(job=entrant.sample, setting=evaluation.decoding["name"])
    else:
        responses = responses.filter(model=entrant.model)
    found: dict[int, Response] = {}
    for response in responses.order_by("prompt__key", "sample", "pk"):
        found.setdefault(response.prompt_id, response)
    return found


def wins_of(battles: Battles | None, entrants: list[Entrant]) -> NDArray[np.float64]:
    """wins[i, j]: how often entrant i beat entrant j, ties half to each."""
    place = {entrant.model.name: i for i, entrant in enumerate(entrants)}
    wins = np.zeros((len(entrants), len(entrants)))
    if battles is not None:
        for one, other, outcome in zip(battles.first, battles.second, battles.outcome, strict=True):
            if one in place and other in place:
                wins[place[one], place[other]] += outcome
                wins[place[other], place[one]] += 1 - outcome
    return wins
