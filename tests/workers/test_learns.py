"""From feedback in the database to models that have learned it: each better than its untrained self.

People like the short answer. On held-out prompts the low end of each interval lies above what the untrained model
reaches, by the metric that the model's own page shows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from accounts.models import Project, User
from registry import jobs
from registry.models import Job, ModelVersion
from registry.specs import SPECS, parse
from tests.factories import make_model, make_raters, make_task, make_vote
from tests.workers.tiny import make_tiny_model
from workers.context import JobContext
from workers.jobs import build_dataset, train_dpo, train_judge, train_reward

pytestmark = pytest.mark.django_db(transaction=True)
RUN: dict[str, Any] = {
    "build_dataset": build_dataset.run, "train_dpo": train_dpo.run, "train_reward": train_reward.run,
    "train_judge": train_judge.run,
}  # fmt: skip
TASKS = 40


@pytest.fixture
def votes(project: Project, tmp_path: Path, settings: Any) -> None:
    settings.ARTIFACTS = tmp_path / "artifacts"
    make_tiny_model(Path(settings.ARTIFACTS) / "models" / "base")
    make_model(project, "base")
    for number in range(TASKS):
        short, long = f"Yes{'!' * (number % 3)}", f"Well, it is a long story, number {number}."
        texts = (short, long) if number % 2 else (long, short)
        task = make_task(project, f"p-{number:02}", texts=texts)
        (rater,) = make_raters(project, 1, prefix=task.prompt.key)
        make_vote(task, rater, 2 if number % 2 else -2)


def run(project: Project, user: User, kind: str, **params: Any) -> tuple[Job, list[dict[str, Any]]]:
    jobs.request_job(project=project, kind=kind, params=params, user=user)
    job = jobs.claim(SPECS[kind].queue, worker="test")
    assert job is not None
    sent: list[dict[str, Any]] = []
    RUN[kind](JobContext(job, send=sent.append), parse(SPECS[kind].spec, job.params))
    job.refresh_from_db()
    return job, sent


def untrained(sent: list[dict[str, Any]], name: str = "held_out_accuracy") -> float:
    (first,) = [one["values"][name] for one in sent if one["type"] == "metrics" and one["step"] == 0]
    return float(first)


@pytest.mark.parametrize("kind", ["train_reward", "train_dpo"])
def test_it_is_better_than_its_untrained_self(project: Project, researcher: User, votes: None, kind: str) -> None:
    run(project, researcher, "build_dataset", held_out_share=0.4, split_by="prompt")
    job, sent = run(
        project, researcher, kind, dataset="prefs-v1", base="base", epochs=4, batch_size=8, learning_rate=1e-2,
        lora_rank=4, precision="float32",
    )  # fmt: skip
    accuracy = ModelVersion.objects.get(job=job).metrics["accuracy"]
    assert accuracy["n"] >= 10
    assert accuracy["low"] > untrained(sent) == pytest.approx(0.5, abs=1e-6)


def test_a_judge_is_better_than_its_untrained_self(project: Project, researcher: User, votes: None) -> None:
    run(project, researcher, "build_dataset", rows="judge_pairwise", origins=["human"], held_out_share=0.3,
        split_by="prompt")  # fmt: skip
    job, sent = run(
        project, researcher, "train_judge", dataset="prefs-v1", base="base", epochs=12, batch_size=8, micro_batch=4,
        learning_rate=3e-3, method="full", max_tokens=1024, objective="verdict", prose=0.0,
    )  # fmt: skip
    metrics = ModelVersion.objects.get(job=job).metrics
    assert metrics["accuracy"]["low"] > untrained(sent)
