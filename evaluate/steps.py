"""The loop from answers to a judged model, and which of its steps has not been done yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.urls import NoReverseMatch, reverse

from accounts.models import Project
from registry.models import Dataset, Job, ModelVersion

UNDER_WAY = (Job.Status.QUEUED, Job.Status.RUNNING)


@dataclass(frozen=True)
class Loop:
    """How far a project has come. Datasets, models and jobs newest first."""

    project: Project
    answered: int
    wanted: int
    datasets: Sequence[Dataset]
    models: Sequence[ModelVersion]
    jobs: Sequence[Job]
    prompts: bool = True
    """Whether there is any."""

    def newest(self, role: str, *, trained: bool = False) -> ModelVersion | None:
        return next((one for one in self.models if one.role == role and (one.parent_id or not trained)), None)

    def done(self, kind: str) -> list[Job]:
        return [job for job in self.jobs if job.kind == kind and job.status == Job.Status.SUCCEEDED]

    def under_way(self, kind: str) -> bool:
        return any(job.kind == kind and job.status in UNDER_WAY for job in self.jobs)


@dataclass(frozen=True)
class Step:
    """What to do next, why, and the page that does it."""

    kind: str
    """The kind of job that does it, or what people do: prompts, tasks, annotate."""
    text: str
    act: str
    url: str


def next_step(loop: Loop) -> Step | None:
    """The first step that is open, or None when it is under way or all were gone through."""
    step = collecting_step(loop) or training_step(loop) or measuring_step(loop)
    return None if step and loop.under_way(step.kind) else step


def launch(loop: Loop, kind: str, **values: str) -> str:
    """The launch page with fields filled in."""
    url = reverse("launch", args=[loop.project.slug, kind])
    return f"{url}?{urlencode(values)}" if values else url


def page(name: str, *args: str) -> str:
    """The address of a page that a site need not have, or nothing."""
    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return ""


def collecting_step(loop: Loop) -> Step | None:
    slug = loop.project.slug
    if not loop.wanted:
        return asking_step(loop)
    if not loop.answered:
        return Step("annotate", "Nobody has answered a task yet", "Annotate", reverse("annotate", args=[slug]))
    if not loop.datasets:
        return Step("build_dataset", "The answers are in no dataset yet", "Build", reverse("dataset-new", args=[slug]))
    return None


def asking_step(loop: Loop) -> Step:
    """From nothing to tasks: prompts, answers to them, and people who are asked to compare those."""
    slug = loop.project.slug
    if not loop.prompts:
        return Step("prompts", "There are no prompts yet", "Add prompts", page("prompts-new", slug))
    if answers := loop.done("sample"):
        newest = answers[0].name
        text = f"{newest} has answered the prompts, and nobody was asked about the answers yet"
        return Step("tasks", text, "Ask people to compare", page("tasks-new", slug, newest))
    return Step("sample", "There are no tasks yet: let a model answer prompts", "Sample", launch(loop, "sample"))


def training_step(loop: Loop) -> Step | None:
    data = str(loop.datasets[0])
    if not loop.newest(ModelVersion.Role.REWARD):
        url = launch(loop, "train_reward", dataset=data)
        return Step("train_reward", f"{data} has not trained a reward model yet", "Train", url)
    if not loop.newest(ModelVersion.Role.POLICY, trained=True):
        url = launch(loop, "train_dpo", dataset=data)
        return Step("train_dpo", f"{data} has not trained a policy yet", "Train", url)
    return None


def measuring_step(loop: Loop) -> Step | None:
    """The newest trained policy and its parent answer the held-out prompts, then they are compared."""
    tuned = loop.newest(ModelVersion.Role.POLICY, trained=True)
    base = next((one for one in loop.models if tuned and one.pk == tuned.parent_id), None)
    if tuned is None or base is None:
        return None
    samples = {}
    for model in (tuned, base):
        samples[model] = held_out_samples(loop, model)
        if not samples[model]:
            dataset = {"dataset": str(tuned.dataset), "split": "held_out"} if tuned.dataset else {}
            url = launch(loop, "sample", model=model.name, **dataset)
            return Step("sample", f"{model.name} has not answered the held-out prompts yet", "Sample", url)
    if any({job.params.get("first"), job.params.get("second")} & set(samples[tuned]) for job in loop.done("judge")):
        return None
    values = {"first": samples[tuned][0], "second": samples[base][0]}
    if reward := loop.newest(ModelVersion.Role.REWARD):
        values["reward_model"] = reward.name
    url = launch(loop, "judge", **values)
    return Step("judge", f"{tuned.name} has not been compared with {base.name} yet", "Judge", url)


def held_out_samples(loop: Loop, model: ModelVersion) -> list[str]:
    """Finished sample jobs of chosen prompts. One of all prompts is the pool that people vote on, no measurement."""
    return [
        job.name
        for job in loop.done("sample")
        if job.params.get("model") == model.name and (job.params.get("dataset") or job.params.get("tag"))
    ]
