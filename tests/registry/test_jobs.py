"""The life of a job in the database, without processes."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import celery
import pytest
from django.db import IntegrityError, OperationalError, connection, connections, transaction
from django.utils import timezone

from accounts.models import AuditEvent, Project, User
from registry import jobs
from registry.events import SampleText
from registry.jobs import LogEntry, MetricPoint, Progress
from registry.models import Job
from registry.specs import SpecError

NOW = datetime(2025, 1, 1, tzinfo=UTC)
Status = Job.Status


@pytest.fixture(autouse=True)
def rings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    """Messages that would have been sent."""
    sent: list[tuple[int, str]] = []

    def ring(job_id: int, queue: str) -> bool:
        sent.append((job_id, queue))
        return True

    monkeypatch.setattr(jobs, "ring", ring)
    return sent


def ask(project: Project, user: User | None = None, **more: Any) -> Job:
    return jobs.request_job(project=project, kind="build_dataset", params={}, user=user, **more)


def claimed(project: Project) -> Job:
    ask(project)
    job = jobs.claim("default", "worker-1")
    assert job
    return job


def fresh(job: Job) -> Job:
    return Job.objects.get(pk=job.pk)


def expire(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def in_threads(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Run `work` in threads that begin together, each with a database connection of its own."""
    barrier, results = threading.Barrier(count), []

    def run(number: int) -> None:
        try:
            barrier.wait()
            results.append(work(number))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[number]) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


# Asking


def test_it_queues_a_job_and_audits_it(
    project: Project, researcher: User, rings: list[Any], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        job = ask(project, researcher)
        assert rings == []
    assert (job.name, job.status, job.queue, job.created_by) == ("data-1", "queued", "default", researcher)
    assert job.params["held_out_share"] == 0.3
    assert rings == [(job.pk, "default")]
    event = AuditEvent.objects.get()
    assert (event.actor, event.action, event.target) == (researcher, "job.launched", "data-1")


def test_it_counts_names_by_project_and_prefix(project: Project) -> None:
    other = Project.objects.create(name="Other", slug="other")
    names = [ask(project).name, ask(project, name="data-9").name, ask(project, name="data-x").name, ask(project).name]
    assert names == ["data-1", "data-9", "data-x", "data-10"]
    assert ask(other).name == "data-1"


def test_it_says_which_setting_is_wrong(project: Project) -> None:
    with pytest.raises(SpecError) as error:
        jobs.request_job(project=project, kind="build_dataset", params={"seed": -1, "sed": 2}, user=None)
    assert set(error.value.problems) == {"seed", "sed"}
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"kind": "bake"}, ""), ({"name": "no spaces"}, "name"), ({"name": "taken"}, "name")],
)
def test_it_refuses(project: Project, changes: dict[str, str], field: str) -> None:
    ask(project, name="taken")
    with pytest.raises(SpecError) as error:
        jobs.request_job(**{"project": project, "kind": "build_dataset", "params": {}, "user": None, **changes})
    assert list(error.value.problems) == [field]
    assert Job.objects.count() == 1


def test_it_sends_model_jobs_to_the_queue_of_the_machine(project: Project, settings: Any) -> None:
    settings.JOB_TRAIN_QUEUE = "gpu"
    params = {"dataset": "prefs-v1", "base": "smol"}
    assert jobs.request_job(project=project, kind="train_dpo", params=params, user=None).queue == "gpu"
    assert ask(project).queue == "default"


@pytest.mark.django_db(transaction=True)
def test_names_are_unique_when_many_ask_at_once(project: Project) -> None:
    names = in_threads(8, lambda _: [ask(project).name for _ in range(4)])
    assert sorted(chain(*names), key=lambda name: int(name[5:])) == [f"data-{n}" for n in range(1, 33)]


def test_it_keeps_the_row_when_the_broker_is_down(
    project: Project, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.undo()  # the real ring()
    monkeypatch.setattr("celery.current_app.send_task", lambda *_, **__: (_ for _ in ()).throw(OSError("refused")))
    job = ask(project)
    assert not jobs.ring(job.pk, job.queue)
    assert "rung for later: refused" in caplog.text


def test_any_thread_rings_at_our_broker() -> None:
    assert in_threads(1, lambda _: celery.current_app.main) == ["palate"]


# Claiming


def test_it_claims_by_priority_then_age(project: Project) -> None:
    asked = [ask(project, priority=priority) for priority in (0, 5, 0, 5)]
    order = [jobs.claim("default", "w") for _ in range(4)]
    assert [job and job.name for job in order] == [asked[index].name for index in (1, 3, 0, 2)]
    assert jobs.claim("default", "w") is None


def test_a_claim_starts_an_attempt_afresh(project: Project) -> None:
    ask(project)
    Job.objects.update(error="old", progress_done=3, progress_total=4, progress_text="old")
    job = jobs.claim("default", "worker-1")
    assert job
    assert (job.status, job.attempt, job.worker, job.error) == ("running", 1, "worker-1", "")
    assert (job.progress_done, job.progress_total, job.progress_text) == (0, 0, "")
    assert job.lease_until > timezone.now() + timedelta(seconds=30)  # type: ignore[operator]
    assert jobs.claim("cpu", "worker-1") is None


@pytest.mark.django_db(transaction=True)
def test_every_job_is_claimed_exactly_once_by_eight_workers(project: Project) -> None:
    for _ in range(40):
        ask(project)

    def work(number: int) -> list[int]:
        mine = []
        while job := jobs.claim("default", f"worker-{number}"):
            mine.append(job.pk)
        return mine

    taken = list(chain(*in_threads(8, work)))
    assert sorted(taken) == sorted(Job.objects.values_list("pk", flat=True))
    assert set(Job.objects.values_list("attempt", flat=True)) == {1}


# Writing with an attempt


def test_a_renewal_stores_progress_and_tells_of_a_cancel(project: Project, researcher: User) -> None:
    job = claimed(project)
    assert jobs.renew(job, Progress(3, 9, "x" * 300)) == jobs.Renewal(ours=True, stop=False)
    assert (fresh(job).progress_done, fresh(job).progress_total, len(fresh(job).progress_text)) == (3, 9, 200)
    jobs.request_cancel(job, researcher)
    assert jobs.renew(job) == jobs.Renewal(ours=True, stop=True)
    assert fresh(job).progress_done == 3


def test_events_are_stored_and_a_repeated_step_is_replaced(project: Project) -> None:
    job = claimed(project)
    points = [MetricPoint("loss", 1, value, NOW) for value in (0.9, 0.8)]
    assert jobs.store_events(job, metrics=points, lines=[LogEntry("hello", "info", NOW)])
    assert jobs.store_events(job, metrics=[MetricPoint("loss", 1, 0.7, NOW), MetricPoint("loss", 2, 0.6, NOW)])
    assert list(job.metrics.order_by("step").values_list("step", "value")) == [(1, 0.7), (2, 0.6)]
    assert [line.text for line in job.log_lines.all()] == ["hello"]


def test_a_sample_that_is_sent_again_is_replaced(project: Project) -> None:
    job = claimed(project)
    said = [
        SampleText(step, "Beans?" * 4000, text, NOW) for step, text in ((1, "Soak"), (1, "Soak them."), (2, "Eat."))
    ]
    assert jobs.store_events(job, samples=said[:1])
    assert jobs.store_events(job, samples=said)
    assert list(job.samples.order_by("step").values_list("step", "text")) == [(1, "Soak them."), (2, "Eat.")]


def test_a_kill_asks_for_an_end_without_saving(project: Project, researcher: User) -> None:
    job = claimed(project)
    assert jobs.renew(job) == jobs.Renewal(ours=True)
    jobs.request_kill(job, researcher)
    assert jobs.renew(job) == jobs.Renewal(ours=True, stop=True, kill=True)
    assert jobs.finish(job, Status.CANCELLED)
    assert jobs.request_kill(job, researcher).status == Status.CANCELLED
    assert AuditEvent.objects.filter(action="job.killed", actor=researcher).count() == 1
    jobs.resume_job(job, researcher)
    assert fresh(job).kill_requested_at is None


def test_priority_is_changed_only_while_it_waits_and_audited(project: Project, researcher: User) -> None:
    first, second = ask(project), ask(project)
    jobs.set_priority(second, researcher, 10)
    jobs.set_priority(second, researcher, 10)
    assert AuditEvent.objects.get(action="job.prioritised").data == {"was": 0, "now": 10}
    job = jobs.claim("default", "w")
    assert job and job.pk == second.pk
    assert jobs.set_priority(job, researcher, -10).priority == 10
    assert fresh(first).priority == 0


def test_a_worker_that_lost_its_lease_is_refused_everywhere(project: Project) -> None:
    stale = claimed(project)
    expire(stale)
    assert jobs.sweep() == 1
    assert jobs.claim("default", "worker-2")
    before = list(Job.objects.values())
    assert jobs.renew(stale, Progress(9, 9)) == jobs.Renewal(ours=False)
    assert not jobs.store_events(stale, metrics=[MetricPoint("loss", 1, 1.0, NOW)], lines=[])
    assert not jobs.finish(stale, Status.FAILED, "late")
    assert not jobs.retry(stale, "late")
    assert not jobs.release(stale)
    with pytest.raises(jobs.LeaseLost), jobs.publish(stale):
        pytest.fail("publish() let a stale attempt in")
    assert list(Job.objects.values()) == before
    assert not stale.metrics.exists()


def test_publishing_is_all_or_nothing(project: Project) -> None:
    job = claimed(project)
    with pytest.raises(IntegrityError), jobs.publish(job):
        Project.objects.bulk_create([Project(name="Made", slug="made"), Project(name="Made", slug="helpful")])
    assert fresh(job).status == Status.RUNNING
    assert not Project.objects.filter(slug="made").exists()
    with jobs.publish(job) as result:
        result["pairs"] = 12
    done = fresh(job)
    assert (done.status, done.result, done.lease_until) == (Status.SUCCEEDED, {"pairs": 12}, None)
    assert jobs.renew(job) == jobs.Renewal(ours=False, published=True)
    assert jobs.store_events(job, lines=[LogEntry("said just before", "info", NOW)])
    with pytest.raises(jobs.LeaseLost), jobs.publish(job):
        pytest.fail("published twice")


@pytest.mark.django_db(transaction=True)
def test_no_sweep_comes_between_results_and_success(project: Project) -> None:
    job = claimed(project)
    expire(job)
    sweeper: list[threading.Thread] = []

    def sweep() -> None:
        jobs.sweep()
        connections.close_all()

    with jobs.publish(job):
        sweeper.append(threading.Thread(target=sweep))
        sweeper[0].start()
    sweeper[0].join()
    assert fresh(job).status == Status.SUCCEEDED


@pytest.mark.django_db(transaction=True)
def test_a_renewal_does_not_wait_for_ever_for_a_row_that_is_locked(project: Project) -> None:
    job = claimed(project)
    locked, release = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            Job.objects.select_for_update().get(pk=job.pk)
            locked.set()
            release.wait(30)
        connections.close_all()

    holder = threading.Thread(target=hold)
    holder.start()
    locked.wait(30)
    try:
        with pytest.raises(OperationalError):
            jobs.renew(job)
    finally:
        release.set()
        holder.join()
    assert jobs.renew(job).ours
    assert not connection.in_atomic_block


# Ending


def test_a_queued_job_is_cancelled_at_once(project: Project, researcher: User) -> None:
    job = jobs.request_cancel(ask(project), researcher)
    assert job.status == Status.CANCELLED
    assert job.finished_at
    assert AuditEvent.objects.filter(action="job.cancelled", actor=researcher, target=job.name).count() == 1
    assert jobs.claim("default", "w") is None


def test_a_running_job_is_asked_once_and_a_finished_one_left_alone(project: Project, researcher: User) -> None:
    job = claimed(project)
    asked = jobs.request_cancel(job, researcher).cancel_requested_at
    assert asked
    assert jobs.request_cancel(job, researcher).cancel_requested_at == asked
    assert fresh(job).is_stopping
    with jobs.publish(job):
        pass
    assert jobs.request_cancel(job, researcher).status == Status.SUCCEEDED
    assert AuditEvent.objects.filter(action="job.cancelled").count() == 1


def test_finish_does_not_say_succeeded(project: Project) -> None:
    with pytest.raises(ValueError, match="success is published"):
        jobs.finish(claimed(project), Status.SUCCEEDED)


@pytest.mark.parametrize("end", [Status.FAILED, Status.CANCELLED])
def test_a_job_that_ended_badly_can_be_resumed(project: Project, researcher: User, end: Job.Status) -> None:
    job = claimed(project)
    assert jobs.finish(job, end, "It went wrong.")
    resumed = jobs.resume_job(job, researcher)
    assert (resumed.status, resumed.error, resumed.finished_at) == (Status.QUEUED, "", None)
    assert (resumed.attempt, resumed.max_attempts) == (1, 4)
    again = jobs.claim("default", "w")
    assert again
    assert (again.pk, again.attempt) == (job.pk, 2)
    with pytest.raises(jobs.CannotResume, match="data-1 is running"):
        jobs.resume_job(job, researcher)


def test_a_released_job_does_not_lose_an_attempt(project: Project) -> None:
    job = claimed(project)
    assert jobs.release(job)
    waiting = fresh(job)
    assert (waiting.status, waiting.attempt, waiting.max_attempts) == (Status.QUEUED, 1, 4)
    assert "was shut down" in job.log_lines.get().text


def test_sweep_fails_a_job_that_has_no_attempt_left(project: Project) -> None:
    ask(project)
    for attempt in (1, 2, 3):
        job = jobs.claim("default", "worker-1")
        assert job
        assert job.attempt == attempt
        assert jobs.sweep() == 0
        expire(job)
        assert jobs.sweep() == 1
    failed = fresh(job)
    assert failed.status == Status.FAILED
    assert failed.error == (
        "Worker worker-1 was not heard of for 90 seconds. "
        "That was attempt 3 and none is left. Resume the job to try again."
    )
    assert failed.log_lines.count() == 3


def test_sweep_cancels_what_was_to_be_cancelled(project: Project, researcher: User) -> None:
    job = claimed(project)
    jobs.request_cancel(job, researcher)
    expire(job)
    jobs.sweep()
    assert fresh(job).status == Status.CANCELLED


def test_it_rings_again_for_jobs_that_nobody_took(project: Project, rings: list[Any]) -> None:
    late = [ask(project) for _ in range(6)]
    ask(project)
    Job.objects.filter(pk__in=[job.pk for job in late]).update(rung_at=timezone.now() - timedelta(seconds=11))
    rings.clear()
    assert jobs.ring_waiting() == jobs.RINGS_A_QUEUE
    assert rings == [(job.pk, "default") for job in late[:4]]
    assert jobs.ring_waiting() == 2
    assert jobs.ring_waiting() == 0
