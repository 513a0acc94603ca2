"""A small world: a base and a tuned model, their answers, votes of people and of simulated raters, judgements."""

import uuid

import pytest
from django.utils import timezone

from accounts.models import Membership, Project, User
from annotate.models import Assignment, DatasetFeedback, Feedback, Prompt, Response, Task, TaskResponse
from evaluate.models import Judgement
from registry.models import Dataset, Job, ModelVersion


class World:
    """Makes rows with as few words as a test needs."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.numbers = iter(range(1, 1_000_000))

    def job(self, kind: str, *, name: str = "", status: str = "succeeded", **values: object) -> Job:
        return Job.objects.create(
            project=self.project, kind=kind, name=name or f"{kind}-{next(self.numbers)}", status=status, queue="cpu",
            **{"params": {}, **values},
        )  # fmt: skip

    def model(self, name: str, *, role: str = "policy", **values: object) -> ModelVersion:
        return ModelVersion.objects.create(
            project=self.project, name=name, role=role, format="full", path=name, **values
        )

    def dataset(self, name: str = "prefs", version: int = 1, **values: object) -> Dataset:
        return Dataset.objects.create(
            project=self.project, name=name, version=version, job=self.job("build_dataset"), recipe={}, path="data",
            content_hash="0" * 64, rows={"train": 7, "held_out": 3}, **values,
        )  # fmt: skip

    def prompt(self, key: str = "", *, lang: str = "en", text: str = "Why is the sky blue?") -> Prompt:
        return Prompt.objects.create(
            project=self.project, key=key or f"p{next(self.numbers)}", lang=lang,
            messages=[{"role": "user", "content": text}],
        )  # fmt: skip

    def response(self, prompt: Prompt, model: ModelVersion | None, text: str = "Because it scatters.") -> Response:
        return Response.objects.create(prompt=prompt, model=model, text=text, setting="plain")

    def rater(self, username: str, *, simulated: bool = False) -> User:
        user, made = User.objects.get_or_create(username=username, defaults={"is_simulated": simulated})
        if made:
            Membership.objects.create(user=user, project=self.project, role="annotator")
        return user

    def task(self, zero: Response, one: Response, *, wanted: int = 1, **values: object) -> Task:
        task = Task.objects.create(
            project=self.project, prompt=zero.prompt, lang=zero.prompt.lang, wanted=wanted, **values
        )
        for position, response in enumerate((zero, one)):
            TaskResponse.objects.create(task=task, response=response, position=position)
        return task

    def vote(self, task: Task, preference: int | None, *, rater: User | None = None, order: list[int] | None = None,
             **values: object) -> Feedback:  # fmt: skip
        rater = rater or self.rater("ann")
        order = order or [0, 1]
        assignment = Assignment.objects.create(
            task=task, annotator=rater, status="submitted", lease_until=timezone.now(), order=order,
            finished_at=timezone.now(),
        )  # fmt: skip
        task.claimed, task.answered = task.claimed + 1, task.answered + 1
        task.save()
        return Feedback.objects.create(
            assignment=assignment, project=self.project, task=task, annotator=rater, kind="pairwise",
            origin="simulated" if rater.is_simulated else "human", order=order, preference=preference,
            value={"both_bad": True} if preference is None else {"strength": preference},
            idempotency_key=uuid.uuid4(), **values,
        )  # fmt: skip

    def judgement(self, job: Job, first: Response, second: Response, outcome: float, *,
                  judge: str = "rm-01", kind: str = "reward_model") -> Judgement:  # fmt: skip
        return Judgement.objects.create(
            project=self.project, job=job, judge_kind=kind, judge_name=judge, first=first, second=second,
            score_first=outcome, score_second=1 - outcome, outcome=outcome,
        )  # fmt: skip

    def compared(self, outcomes: list[float], *, first: ModelVersion, second: ModelVersion, **who: str) -> Job:
        """A judge job with one battle a prompt."""
        job = self.job("judge")
        for outcome in outcomes:
            prompt = self.prompt()
            self.judgement(job, self.response(prompt, first), self.response(prompt, second), outcome, **who)
        return job

    def trained_on(self, model: ModelVersion, feedback: Feedback) -> None:
        """Put the vote into the training split of the model's dataset."""
        if model.dataset is None:
            model.dataset = self.dataset(version=next(self.numbers))
            model.save()
        DatasetFeedback.objects.create(dataset=model.dataset, feedback=feedback, split="train")


@pytest.fixture
def world(project: Project) -> World:
    return World(project)


@pytest.fixture
def base(world: World) -> ModelVersion:
    return world.model("base")


@pytest.fixture
def tuned(world: World, base: ModelVersion) -> ModelVersion:
    return world.model("dpo-01", parent=base)
