"""The job engine with real workers, children, PostgreSQL and Redis, and with what can go wrong."""

import hashlib
import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Project
from registry import jobs
from registry.models import Job, JobLogLine, ModelVersion
from registry.specs import SPECS
from tests.workers.engine import (
    Worker,
    child_of,
    fresh,
    lives,
    log_of,
    sweep_until_queued,
    wait_for,
    wait_until,
    wait_until_waiting,
    worker,
)
from tests.workers.engine_kind import ENGINE_JOB
from workers import tasks

pytestmark = [pytest.mark.engine, pytest.mark.django_db(transaction=True)]
Status = Job.Status
LEASE = 3.0
"""Of workers that are to lose it."""


@pytest.fixture(autouse=True)
def engine_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SPECS, "engine", ENGINE_JOB)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engine")


@pytest.fixture(scope="module")
def cpu(django_db_setup: None, folder: Path) -> Iterator[Worker]:
    """One worker on queue cpu, for the tests that leave it alive."""
    with worker(folder, queue="cpu") as started:
        started.wait_until_ready()
        yield started


@pytest.fixture
def gpu_queue(settings: Any) -> None:
    """Jobs go to a queue where only the workers listen that the test itself starts."""
    settings.JOB_TRAIN_QUEUE = "gpu"


def ask(project: Project, act: str = "count", **params: Any) -> Job:
    return jobs.request_job(project=project, kind="engine", params={"act": act, **params}, user=None)


def digest_of_count(steps: int = 20) -> str:
    """What an uninterrupted count comes to."""
    state = "start"
    for step in range(1, steps + 1):
        state = hashlib.sha256(f"{state}{step}".encode()).hexdigest()
    return state


# From asking to a result


def test_a_job_succeeds_and_shows_what_it_did(project: Project, cpu: Worker) -> None:
    job = wait_until(ask(project), Status.SUCCEEDED)
    assert job.result == {"digest": digest_of_count(), "first": 0}
    assert (job.attempt, job.progress_done, job.progress_total) == (1, 20, 20)
    assert job.lease_until is None
    artifact = ModelVersion.objects.get(job=job)
    assert artifact.manifest["weights"]["size"] == (Path(artifact.path) / "weights").stat().st_size
    assert "counted on standard output" in log_of(job)
    assert list(job.metrics.filter(name="step").order_by("step").values_list("value", flat=True)) == list(range(1, 21))
    assert job.metrics.filter(name="chain/value").count() == 20
    assert fresh(job).progress_text == "step 20"
    assert [path.name for path in sorted((job.folder / "checkpoints").iterdir())] == ["step-15", "step-20"]


def test_a_job_whose_message_was_lost_is_rung_for(
    project: Project, cpu: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(jobs, "ring", lambda job_id, queue: True)
        job = ask(project)
    tasks.tend_jobs()
    assert fresh(job).status == Status.QUEUED
    Job.objects.update(rung_at=timezone.now() - timedelta(seconds=11))
    tasks.tend_jobs()
    wait_until(job, Status.SUCCEEDED)


def test_a_message_that_comes_three_times_runs_the_job_once(project: Project, cpu: Worker) -> None:
    job = ask(project)
    assert jobs.ring(job.pk, job.queue)
    assert jobs.ring(job.pk, job.queue)
    other = ask(project)
    wait_until(job, Status.SUCCEEDED)
    wait_until(other, Status.SUCCEEDED)
    assert (fresh(job).attempt, fresh(other).attempt) == (1, 1)
    assert ModelVersion.objects.count() == 2


def test_a_job_asked_for_while_the_broker_is_down_runs_later(
    project: Project, cpu: Worker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("CELERY_BROKER_URL", "redis://127.0.0.1:1/0")
        job = ask(project)
    assert "No message was sent" in caplog.text
    assert job.status == Status.QUEUED
    Job.objects.update(rung_at=None)
    tasks.tend_jobs()
    wait_until(job, Status.SUCCEEDED)


def test_a_job_outlives_cut_connections_to_the_database(project: Project, cpu: Worker) -> None:
    job = ask(project, "count", wait_at=7)
    wait_until_waiting(job)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert cursor.fetchone()[0] >= 2
    cut = timezone.now()
    wait_for(lambda: Job.objects.filter(pk=job.pk, lease_until__gt=cut + timedelta(seconds=30)).exists())
    jobs.request_cancel(job, None)
    assert wait_until(job, Status.CANCELLED).attempt == 1
    jobs.resume_job(job, None)
    assert wait_until(job, Status.SUCCEEDED).result == {"digest": digest_of_count(), "first": 7}


# Deaths


def test_a_killed_child_resumes_from_its_checkpoint_and_comes_to_the_same(project: Project, cpu: Worker) -> None:
    job = ask(project, wait_at=12)
    wait_until_waiting(job)
    os.kill(child_of(job), signal.SIGKILL)
    job = wait_until(job, Status.SUCCEEDED)
    assert job.result == {"digest": digest_of_count(), "first": 10}
    assert job.attempt == 2
    assert "The job's process was ended by SIGKILL." in log_of(job)
    assert job.metrics.filter(name="step").count() == 20


def test_a_torn_checkpoint_is_skipped(project: Project, cpu: Worker) -> None:
    job = ask(project, wait_at=12)
    wait_until_waiting(job)
    (job.folder / "checkpoints" / "step-10" / "state").write_text("half of i")
    os.kill(child_of(job), signal.SIGKILL)
    job = wait_until(job, Status.SUCCEEDED)
    assert job.result == {"digest": digest_of_count(), "first": 5}
    assert any("A checkpoint was skipped: step-10/state" in line for line in log_of(job))


def test_when_a_worker_is_killed_its_child_dies_and_another_worker_resumes(
    project: Project, gpu_queue: None, folder: Path
) -> None:
    with worker(folder, queue="gpu", lease=LEASE) as first, worker(folder, queue="gpu", lease=LEASE) as second:
        first.wait_until_ready()
        second.wait_until_ready()
        job = ask(project, wait_at=12)
        wait_until_waiting(job)
        owner = first if str(first.process.pid) in fresh(job).worker else second
        child = child_of(job)
        owner.kill()
        wait_for(lambda: not lives(child))
        sweep_until_queued(job)
        job = wait_until(job, Status.SUCCEEDED, tending=True)
    assert job.result == {"digest": digest_of_count(), "first": 10}
    assert job.attempt == 2
    assert f"({owner.process.pid})" not in job.worker


def test_a_worker_paused_past_its_lease_is_refused_and_writes_nothing(
    project: Project, gpu_queue: None, folder: Path
) -> None:
    with worker(folder, queue="gpu", lease=LEASE) as paused:
        paused.wait_until_ready()
        job = ask(project, wait_at=12)
        wait_until_waiting(job)
        child = child_of(job)
        paused.process.send_signal(signal.SIGSTOP)
        # Its child gives the device back by itself, before anybody else starts.
        wait_for(lambda: not lives(child))
        sweep_until_queued(job)
        with worker(folder, queue="gpu") as other:
            done = wait_until(job, Status.SUCCEEDED, tending=True)
            rows, lines = list(Job.objects.values()), JobLogLine.objects.count()
            paused.process.send_signal(signal.SIGCONT)
            wait_for(lambda: paused.says("attempt 1 lost its lease"), paused.log.read_text)
            assert (list(Job.objects.values()), JobLogLine.objects.count()) == (rows, lines)
            assert str(other.process.pid) in done.worker
    assert done.result == {"digest": digest_of_count(), "first": 10}
    assert ModelVersion.objects.count() == 1


def test_a_worker_that_is_shut_down_gives_its_job_to_another(project: Project, gpu_queue: None, folder: Path) -> None:
    with worker(folder, queue="gpu", grace=20) as first:
        first.wait_until_ready()
        job = ask(project, wait_at=12)
        wait_until_waiting(job)
        first.process.terminate()
        assert first.process.wait(60) == 0
    released = fresh(job)
    assert (released.status, released.attempt, released.max_attempts) == (Status.QUEUED, 1, 4)
    with worker(folder, queue="gpu"):
        job = wait_until(job, Status.SUCCEEDED, tending=True)
    assert job.result == {"digest": digest_of_count(), "first": 12}


def test_a_child_that_crashes_hard_is_tried_again(project: Project, cpu: Worker) -> None:
    job = wait_until(ask(project, "die_once"), Status.SUCCEEDED)
    assert job.result == {"attempt": 2}
    assert "The job's process was ended by SIGSEGV." in log_of(job)


def test_a_child_that_always_dies_fails_after_the_last_attempt(project: Project, cpu: Worker) -> None:
    job = wait_until(ask(project, "always_die"), Status.FAILED)
    assert job.attempt == job.max_attempts == 3
    assert job.error.startswith("The job's process was ended by SIGKILL. That was attempt 3 and none is left.")


def test_a_child_stopped_by_nobody_here_is_tried_again(project: Project, cpu: Worker) -> None:
    job = wait_until(ask(project, "stop_unasked"), Status.SUCCEEDED)
    assert job.attempt == 2


# Cancelling


def test_a_queued_job_is_cancelled_and_its_message_finds_nothing(project: Project, gpu_queue: None) -> None:
    job = ask(project)
    assert jobs.request_cancel(job, None).status == Status.CANCELLED
    tasks.run_job.apply(args=[job.pk], throw=True)
    assert (fresh(job).status, fresh(job).attempt) == (Status.CANCELLED, 0)


def test_a_running_job_that_is_cancelled_saves_stops_and_can_be_resumed(project: Project, cpu: Worker) -> None:
    job = ask(project, wait_at=12)
    wait_until_waiting(job)
    child = child_of(job)
    jobs.request_cancel(job, None)
    cancelled = wait_until(job, Status.CANCELLED)
    assert not lives(child)
    assert cancelled.finished_at
    assert (job.folder / "checkpoints" / "step-12").is_dir()
    assert not ModelVersion.objects.exists()
    jobs.resume_job(job, None)
    assert wait_until(job, Status.SUCCEEDED).result == {"digest": digest_of_count(), "first": 12}


def test_a_killed_job_ends_at_once_keeps_its_checkpoint_and_can_be_resumed(project: Project, cpu: Worker) -> None:
    job = ask(project, wait_at=12)
    wait_until_waiting(job)
    child = child_of(job)
    jobs.request_kill(job, None)
    wait_until(job, Status.CANCELLED)
    assert not lives(child)
    assert not (job.folder / "checkpoints" / "step-12").exists(), "nothing was saved on the way out"
    assert (job.folder / "checkpoints" / "step-10").is_dir()
    jobs.resume_job(job, None)
    assert wait_until(job, Status.SUCCEEDED).result == {"digest": digest_of_count(), "first": 10}


def test_a_dependent_starts_by_itself_when_its_predecessor_has_succeeded(project: Project, cpu: Worker) -> None:
    first = ask(project, wait_at=12)
    then = jobs.request_job(project=project, kind="engine", params={}, user=None, after=[first])
    wait_until_waiting(first)
    jobs.request_kill(first, None)
    wait_until(first, Status.CANCELLED)
    assert fresh(then).status == Status.QUEUED
    jobs.resume_job(first, None)
    done = wait_until(then, Status.SUCCEEDED)
    assert done.started_at and done.started_at >= fresh(first).finished_at  # type: ignore[operator]
    assert then.samples.count() == 4


def test_a_deaf_job_is_killed_with_its_grandchildren_before_it_counts_as_cancelled(
    project: Project, cpu: Worker
) -> None:
    job = ask(project, "stubborn")
    wait_until_waiting(job)
    grandchildren = [int(pid) for pid in (job.folder / "attempt-1" / "grandchildren").read_text().split()]
    processes = [child_of(job), *grandchildren]
    assert all(map(lives, processes))
    jobs.request_cancel(job, None)
    wait_until(job, Status.CANCELLED)
    assert not any(map(lives, processes))
    said = [line for line in log_of(job) if line.startswith("It did not stop")]
    assert [line.split()[-1] for line in said] == ["SIGTERM.", "SIGKILL."]


# Failing


@pytest.mark.parametrize(
    ("act", "error"),
    [
        ("refuse", "The dataset prefs-v1 has no pairs. Collect answers, then build it again."),
        ("silent", "The job ended without publishing a result."),
        ("vanish", "The job ended without publishing a result."),
        ("memory", "Out of memory on this machine: an allocation was refused."),
    ],
)
def test_it_fails_once_and_says_why(project: Project, cpu: Worker, act: str, error: str) -> None:
    job = wait_until(ask(project, act), Status.FAILED)
    assert job.error.startswith(error)
    assert job.attempt == 1
    assert job.finished_at


def test_a_crash_points_to_its_traceback_and_any_output_is_kept(project: Project, cpu: Worker) -> None:
    job = wait_until(ask(project, "crash"), Status.FAILED)
    lines = list(job.log_lines.all())
    number = 1 + next(index for index, line in enumerate(lines) if line.level == "error")
    assert job.error == (
        f"ValueError: the tensor is upside down. The traceback is in the log, line {number} of this attempt."
    )
    assert 'raise ValueError("the tensor is upside down")' in lines[number - 1].text
    output = [line.text for line in lines if line.level == "output"]
    assert output[:2] == ["not � utf-8 �", "last state"]
    assert output[-1] == "no newline at the end"
    assert 8_000 < len(output[2]) < 9_000


def test_a_kind_that_the_worker_does_not_know_fails_in_words(project: Project, cpu: Worker) -> None:
    job = Job.objects.create(project=project, kind="bake", name="bake-1", params={}, queue="cpu")
    jobs.ring(job.pk, job.queue)
    assert "does not know jobs of kind 'bake'" in wait_until(job, Status.FAILED).error


def test_params_that_no_longer_fit_fail_in_words(project: Project, cpu: Worker) -> None:
    job = Job.objects.create(project=project, kind="engine", name="engine-1", params={"stepz": 3}, queue="cpu")
    jobs.ring(job.pk, job.queue)
    assert "There is no setting stepz." in wait_until(job, Status.FAILED).error
