"""The whole loop on the demo project, through the jobs that a researcher would launch: votes, dataset, reward
model, DPO policy, samples, verdicts. Each step is looked up before it is asked for, so a demo that was stopped
goes on where it was, and one that is done does nothing."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Max, Min

from accounts.models import Project, User
from annotate.demo import seed, vote, workbench
from annotate.demo.decoding import DEMO_DECODING
from annotate.models import Feedback
from evaluate.figures import demo_report
from registry import jobs
from registry.models import Job, ModelVersion

Say = Callable[[str], None]
POLL_SECONDS = 0.5

HELD_OUT_SAMPLES = 4
"""Responses a held-out prompt and model: more of them make the interval narrower, not the prompts more."""


class DemoFailed(Exception):
    """A job of the demo did not succeed; the message says which and why."""


@dataclass(frozen=True)
class Step:
    name: str
    kind: str
    params: dict[str, Any]
    words: str


def steps() -> list[Step]:
    """The jobs in order. Later ones name what earlier ones made."""
    decoding = [{"name": "plain", "temperature": 0.7, "top_p": 0.95, "max_new_tokens": 96, "samples": HELD_OUT_SAMPLES}]
    sampling = {"dataset": "prefs-v1", "split": "held_out", "decoding": decoding, "seed": 7, "batch_size": 40}
    training = {"dataset": "prefs-v1", "base": seed.BASE}
    return [
        Step(
            "demo-data", "build_dataset",
            {"name": "prefs", "held_out_share": 0.35, "minimum_agreement": 0.6, "seed": 1},
            "Freeze the votes into a dataset",
        ),
        Step("demo-rm", "train_reward", {**training, **REWARD}, "Train a reward model"),
        Step("demo-dpo", "train_dpo", {**training, **DPO}, "Train a DPO policy"),
        Step("demo-base-answers", "sample", {**sampling, "model": seed.BASE}, "Let the base answer held-out prompts"),
        Step("demo-dpo-answers", "sample", {**sampling, "model": "demo-dpo"}, "Let the tuned policy answer them too"),
        Step(
            "demo-judge", "judge",
            {
                "first": "demo-dpo-answers", "second": "demo-base-answers",
                "reward_model": "demo-rm", "hidden_preference": seed.PREFERENCE,
            },
            "Judge by the reward model and by the hidden preference",
        ),
    ]  # fmt: skip


# An adapter on the last 12 of 30 layers: the layers below need no backward pass, which makes two CPU cores enough.
REWARD: dict[str, Any] = {
    "learning_rate": 3e-4, "epochs": 1.0, "batch_size": 8, "micro_batch": 4, "lora_rank": 8, "last_layers": 12,
    "eval_every": 20, "checkpoint_every": 10,
}  # fmt: skip
DPO: dict[str, Any] = {
    "learning_rate": 3e-4, "epochs": 1.0, "batch_size": 8, "micro_batch": 4, "lora_rank": 16, "last_layers": 12,
    "beta": 0.1, "eval_every": 20, "checkpoint_every": 10,
}  # fmt: skip


def run(*, say: Say, show: Callable[[Job], None]) -> Project:
    """Everything that is not done yet. Raises DemoFailed."""
    project = collect(say)
    researcher = User.objects.get(username="researcher")
    for step in steps():
        if step.kind == "judge":
            # Before the last step: a demo that counts as done has work for whoever signs in.
            seed.tasks_for_people(project)
        job = asked(project, step, researcher)
        if job.status != Job.Status.SUCCEEDED:
            say(step.words)
        follow(job, show)
    return project


def collect(say: Say) -> Project:
    """Project, prompts, responses, tasks and the simulated votes."""
    project = seed.project()
    workbench.make()
    model = seed.base_model(project)
    made = (seed.prompts(project), seed.responses(project, model), seed.tasks(project))
    if not Job.objects.filter(project=project, name="demo-data").exists():
        say("Demo project: {:,} prompts, {:,} responses, {:,} pairs to compare".format(*made))
        begin = time.monotonic()
        votes = vote.vote_all(project)
        if votes:
            say(f"{votes:,} votes by simulated annotators in {time.monotonic() - begin:.0f} s")
    return project


def asked(project: Project, step: Step, user: User) -> Job:
    """The step's job, asked for if it is not there, and once more if it was stopped."""
    job = Job.objects.filter(project=project, name=step.name).first()
    if job is None:
        return jobs.request_job(project=project, kind=step.kind, params=step.params, user=user, name=step.name)
    if job.status in (Job.Status.FAILED, Job.Status.CANCELLED):
        jobs.resume_job(job, user)
    return job


def follow(job: Job, show: Callable[[Job], None]) -> None:
    """Wait until the job has ended, and show it whenever it moved."""
    for state in states(job):
        show(state)
    if job.status != Job.Status.SUCCEEDED:
        raise DemoFailed(f"{job.name} {job.status}. {job.error} Its log is on its page.")


def states(job: Job) -> Iterator[Job]:
    seen = None
    while True:
        job.refresh_from_db()
        now = (job.status, job.progress_done, job.progress_text)
        if now != seen:
            seen = now
            yield job
        if job.is_finished:
            return
        time.sleep(POLL_SECONDS)


def report(project: Project) -> dict[str, Any]:
    """The figures of the finished demo, computed from the rows that it stored: margins, verdicts and times.

    By the names of the demo's own runs: what people launched in the project since does not change them.
    """
    found = demo_report(
        project,
        reward=ModelVersion.objects.get(project=project, name="demo-rm"),
        job=Job.objects.get(project=project, name="demo-judge"),
    )
    rates = found["win_rate_by_judge"]
    return {
        "reward_accuracy": found["reward_accuracy"],
        # By what the simulated annotators were made to prefer: the one judge that was not trained on the votes.
        "win_rate": rates[f"hidden_preference:{seed.PREFERENCE}"],
        "win_rate_by_reward_model": rates["reward_model:demo-rm"],
        "seconds": seconds(project),
    }


def seconds(project: Project) -> dict[str, float]:
    """How long each step took, from the stored times; votes from the first to the last."""
    simulated = Feedback.objects.filter(project=project, origin=Feedback.Origin.SIMULATED)
    span = simulated.aggregate(first=Min("created_at"), last=Max("created_at"))
    took = {"votes": (span["last"] - span["first"]).total_seconds()} if span["first"] else {}
    for job in Job.objects.filter(project=project, name__in=[step.name for step in steps()]).order_by("pk"):
        took[job.name] = job.seconds or 0.0
    return {name: round(value, 1) for name, value in took.items()}


def is_done() -> bool:
    return Job.objects.filter(project__slug=seed.SLUG, name=steps()[-1].name, status=Job.Status.SUCCEEDED).exists()


def sample_fixture(project: Project, user: User) -> Job:
    """Ask for a job that writes the responses to ship."""
    params = {
        "model": seed.BASE, "split": "all", "batch_size": 32, "seed": 0,
        "decoding": [
            {
                "name": one.name, "temperature": one.temperature, "top_p": one.top_p, "system": one.system,
                "max_new_tokens": one.max_new_tokens, "samples": 1,
            }
            for one in DEMO_DECODING
        ],
    }  # fmt: skip
    return jobs.request_job(project=project, kind="sample", params=params, user=user)
