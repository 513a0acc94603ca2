"""Votes -> rows against polish -> a judge that is trained on them, tested before and after, and both on one page."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import Project, User
from evaluate.bias.runs import run_of
from registry import jobs
from registry.models import Dataset, Job, ModelVersion
from registry.specs import SPECS, parse
from tests.curate.building import voted
from tests.factories import make_model, make_prompt
from tests.workers.tiny import make_tiny_model
from workers.context import JobContext
from workers.jobs import bias, build_dataset, train_judge

pytestmark = pytest.mark.django_db(transaction=True)
RUN: dict[str, Any] = {"bias": bias.run, "build_dataset": build_dataset.run, "train_judge": train_judge.run}
TOPICS = ("beans", "rice", "bread", "soup", "tea", "cake", "salad", "stew")


def run(project: Project, user: User, kind: str, heard: list[dict[str, Any]] | None = None, **params: Any) -> Job:
    jobs.request_job(project=project, kind=kind, params=params, user=user)
    job = jobs.claim(SPECS[kind].queue, worker="test")
    assert job is not None
    context = JobContext(job, send=(heard if heard is not None else []).append)
    RUN[kind](context, parse(SPECS[kind].spec, job.params))
    job.refresh_from_db()
    assert job.status == Job.Status.SUCCEEDED
    return job


def test_a_judge_is_trained_on_rows_against_polish_and_measured_again(
    project: Project, researcher: User, researcher_client: Client, tmp_path: Path, settings: Any
) -> None:
    settings.ARTIFACTS = tmp_path / "artifacts"
    make_tiny_model(Path(settings.ARTIFACTS) / "models" / "base")
    make_model(project, "base")
    for number, topic in enumerate(TOPICS):
        make_prompt(project, f"p-{number}", messages=[{"role": "user", "content": f"How do I make {topic}?"}])
        voted(project, f"p-{number}", 2, texts=(f"Take {topic} and heat it for {number + 2} minutes.", "No idea."))
    run(project, researcher, "build_dataset", rows="judge_offset_bias", held_out_share=0.25, name="polish")
    dataset = Dataset.objects.get()
    assert dataset.card["builder"] == "judge_offset_bias"

    before = run(project, researcher, "bias", judge_model="base", sets=["helpful"])
    heard: list[dict[str, Any]] = []
    run(
        project, researcher, "train_judge", heard, dataset=str(dataset), base="base", method="full", batch_size=4,
        epochs=3, learning_rate=3e-3, max_tokens=1024, eval_every=3,
    )  # fmt: skip
    losses = [one["values"]["loss"] for one in heard if one["type"] == "metrics" and "loss" in one["values"]]
    assert losses[-1] < losses[0]
    trained = ModelVersion.objects.get(role="judge")
    after = run(project, researcher, "bias", judge_model=trained.name, sets=["helpful"])

    runs = [run_of(job) for job in (before, after)]
    assert [one.voice.name for one in runs if one] == ["base", trained.name]
    page = researcher_client.get(f"/p/helpful/bias/?run={after.name}&other={before.name}")
    assert page.context["other"].name == before.name
    assert f"base ({before.name})" in page.content.decode()
    assert f"{trained.name} ({after.name})" in page.content.decode()
