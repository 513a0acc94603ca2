"""The page of a run: complete after a refresh, also of one that has ended; what to look at, in words."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Project, User
from registry import curves, jobs, watching
from registry.events import SampleText
from registry.models import Job, JobLogLine, Metric
from tests.registry.test_jobs import rings  # noqa: F401  # nothing is sent

pytestmark = pytest.mark.django_db


@pytest.fixture
def job(project: Project, settings: Any, tmp_path: Path) -> Job:
    settings.ARTIFACTS = tmp_path
    params = {"dataset": "prefs-v1", "base": "base"}
    jobs.request_job(project=project, kind="train_dpo", params=params, user=None)
    claimed = jobs.claim("cpu", "cpu@host (1)")
    assert claimed
    Job.objects.filter(pk=claimed.pk).update(progress_done=20, progress_total=100)
    return Job.objects.select_related("project").get(pk=claimed.pk)


def said(job: Job, *, seconds_a_step: float = 2.0, steps: int = 20, **values: float) -> None:
    now = timezone.now()
    Metric.objects.bulk_create(
        Metric(job=job, step=step, name=name, value=value, attempt=job.attempt,
               at=now - timedelta(seconds=seconds_a_step * (steps - step)))
        for step in range(1, steps + 1) for name, value in (values or {"loss": 0.5}).items()
    )  # fmt: skip


def logged(job: Job, text: str, level: str = "info", ago: timedelta = timedelta()) -> None:
    JobLogLine.objects.create(job=job, attempt=job.attempt, at=timezone.now() - ago, text=text, level=level)


def checkpoint(job: Job, step: int, *, size: int | None) -> None:
    folder = job.folder / "checkpoints" / f"step-{step}"
    folder.mkdir(parents=True)
    if size is not None:
        (folder / "manifest.json").write_text(json.dumps({"state": {"size": size, "sha256": ""}}))


def end(job: Job, status: str) -> None:
    Job.objects.filter(pk=job.pk).update(status=status, finished_at=timezone.now())


def test_every_measure_of_a_training_has_its_curve(job: Job, researcher_client: Client) -> None:
    names = ("loss", "margin", "accuracy", "rewards/chosen", "rewards/rejected", "kl", "grad_norm", "learning_rate")
    said(job, **dict.fromkeys((*names, "tokens_per_s", "memory_gb", "held_out_accuracy"), 0.5))
    for status in ("running", "succeeded"):
        end(job, status)
        page = researcher_client.get(job.get_absolute_url())
        assert [chart.title for chart in page.context["charts"]] == [
            "Loss", "Reward margin", "Accuracy", "Reward of the chosen", "Reward of the rejected",
            "Distance from the base model", "Learning rate", "Gradient norm", "Throughput", "Memory",
        ]  # fmt: skip
        assert "learning rate 0.500" in page.content.decode()


def test_the_time_left_is_that_of_recent_steps(job: Job) -> None:
    said(job)
    assert watching.remaining_seconds(job) == pytest.approx(160, rel=0.01)
    slow_then_fast = timezone.now() + timedelta(minutes=5)
    Metric.objects.bulk_create(
        Metric(job=job, step=20 + n, name="loss", value=0.5, attempt=1, at=slow_then_fast + timedelta(seconds=n))
        for n in range(1, 40)
    )
    assert watching.remaining_seconds(job) == pytest.approx(80, rel=0.01), "the early pace does not count any more"
    end(job, "failed")
    job.refresh_from_db()
    assert watching.remaining_seconds(job) is None


def test_samples_are_grouped_by_prompt_newest_first_and_escaped(job: Job, researcher_client: Client) -> None:
    texts = [SampleText(step, prompt, f"<b>{prompt} at {step}</b>", timezone.now())
             for step in (10, 20) for prompt in ("Beans?", "Rice?")]  # fmt: skip
    assert jobs.store_events(job, samples=texts)
    end(job, "cancelled")
    page = researcher_client.get(job.get_absolute_url())
    assert [(one.prompt, [step for step, _ in one.texts]) for one in page.context["samples"]] == [
        ("Beans?", [20, 10]), ("Rice?", [20, 10])
    ]  # fmt: skip
    assert "&lt;b&gt;Beans? at 20&lt;/b&gt;" in page.content.decode()


def test_checkpoints_with_sizes_and_a_torn_one(job: Job, researcher_client: Client) -> None:
    checkpoint(job, 10, size=2_500_000)
    checkpoint(job, 20, size=None)
    (job.folder / "checkpoints" / ".new-attempt-1").mkdir()
    assert [(one.step, one.size, one.whole) for one in watching.checkpoints_of(job)] == [
        (20, 0, False), (10, 2_500_000, True)
    ]  # fmt: skip
    page = researcher_client.get(job.get_absolute_url()).content.decode()
    assert "2.4\xa0MB" in page and "not whole" in page


@pytest.mark.parametrize(
    ("line", "level", "told"),
    [
        ("loss is nan at step 7.", "warning", True),
        ("grad_norm is inf at step 7.", "warning", True),
        ("loss is nan at step 7.", "info", False),
        ("The name is nanny.", "warning", False),
    ],
)
def test_a_loss_that_is_no_number_is_noticed(job: Job, line: str, level: str, told: bool) -> None:
    logged(job, line, level)
    assert any("lower learning rate" in notice.text for notice in watching.notices(job)) is told


def test_silence_is_noticed_and_a_word_ends_it(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(started_at=timezone.now() - timedelta(minutes=30))
    job.refresh_from_db()
    logged(job, "loading", ago=timedelta(minutes=12))
    assert "Nothing was heard of it for 12 min" in watching.notices(job)[0].text
    logged(job, "loaded")
    assert watching.notices(job) == []


def test_the_log_is_filtered_and_downloaded(job: Job, researcher_client: Client) -> None:
    logged(job, "step 1 loss 0.7")
    logged(job, "disk is nearly full", "warning")
    found = researcher_client.get(f"{job.get_absolute_url()}?level=warning&text=DISK")
    assert [line.text for line in found.context["log"]] == ["disk is nearly full"]
    assert "level=warning" in found.content.decode().split("hx-get=")[1][:80], "it stays filtered while it refreshes"
    file = researcher_client.get(f"{job.get_absolute_url()}log/?download=1&text=step")
    assert file.headers["Content-Disposition"] == 'attachment; filename="dpo-1.log"'
    assert file.content.decode().endswith("info step 1 loss 0.7\n")
    assert "No line fits" in researcher_client.get(f"{job.get_absolute_url()}?text=nothing%00").content.decode()
    assert researcher_client.get(f"{job.get_absolute_url()}?level=%00").status_code == 200


def test_its_buttons_say_what_they_do(
    job: Job, researcher: User, researcher_client: Client, annotator_client: Client
) -> None:
    page = researcher_client.get(job.get_absolute_url()).content.decode()
    assert "Stop and save" in page and "Kill without saving" in page and "Resume" not in page
    assert annotator_client.post(f"{job.get_absolute_url()}kill/").status_code == 403
    assert "is ended at once" in researcher_client.post(f"{job.get_absolute_url()}kill/", follow=True).content.decode()
    assert jobs.renew(job).kill
    assert jobs.finish(job, Job.Status.CANCELLED)
    page = researcher_client.get(job.get_absolute_url()).content.decode()
    assert "Resume" in page and "Kill" not in page
    assert "does not run" in researcher_client.post(f"{job.get_absolute_url()}kill/", follow=True).content.decode()


def test_what_waits_and_what_it_waits_for_name_each_other(job: Job, researcher_client: Client) -> None:
    then = jobs.request_job(project=job.project, kind="sample", params={"model": "dpo-1", "split": "all"}, user=None)
    assert "Waits for dpo-1." in researcher_client.get(then.get_absolute_url()).content.decode()
    assert then.get_absolute_url() in researcher_client.get(job.get_absolute_url()).content.decode()


def test_the_list_of_runs_says_what_is_held(job: Job, researcher_client: Client) -> None:
    jobs.request_job(project=job.project, kind="sample", params={"model": "dpo-1", "split": "all"}, user=None)
    assert "Waits for dpo-1." in researcher_client.get("/p/helpful/runs/").content.decode()
    jobs.finish(job, Job.Status.FAILED, "Disk full.")
    page = researcher_client.get("/p/helpful/runs/").content.decode()
    assert "Held: dpo-1 failed." in page and '<span class="pill warn">held</span>' in page


def test_what_trainings_write_is_drawn(job: Job) -> None:
    said(job, loss=0.5, margin=1.0, accuracy=0.7, chosen_reward=0.3, rejected_reward=-0.7, held_out_kl=0.02,
         grad_norm=1.0, learning_rate=1e-4, tokens_per_s=900.0, memory_mb=2048.0)  # fmt: skip
    points = curves.points_of(job)
    assert len(curves.curves(job, points)) == len(curves.CURVES)
    assert points["memory_gb"][0] == (1, pytest.approx(2.147, abs=1e-3))
