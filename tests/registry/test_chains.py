"""What waits for what: never early, never in a ring, and on again when a predecessor was mended."""

import threading
from itertools import chain
from typing import Any, get_args

import pytest
from django.db import IntegrityError, connections, transaction

from accounts.models import Project, User
from registry import chains, forms, jobs, launching
from registry.models import Dataset, Job, JobAfter
from registry.references import check_references, dataset_named
from registry.specs import SPECS, SpecError, parse
from registry.specs.base import Ref
from tests.factories import make_model
from tests.registry.test_jobs import in_threads

Status = Job.Status


@pytest.fixture(autouse=True)
def rings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    sent: list[int] = []
    monkeypatch.setattr(jobs, "ring", lambda job_id, queue: sent.append(job_id) or True)
    return sent


def ask(project: Project, *after: Job, **more: Any) -> Job:
    return jobs.request_job(project=project, kind="build_dataset", params={}, user=None, after=after, **more)


def claim() -> Job | None:
    return jobs.claim("default", "w")


def succeed(job: Job) -> None:
    with jobs.publish(job):
        pass


def test_what_waits_is_not_claimed_before_all_of_its_predecessors(project: Project) -> None:
    first, second = ask(project), ask(project)
    both = ask(project, first, second, priority=9)
    one, two = claim(), claim()
    assert one and two and {one.pk, two.pk} == {first.pk, second.pk}
    assert claim() is None
    succeed(one)
    assert claim() is None
    succeed(two)
    last = claim()
    assert last and last.pk == both.pk


@pytest.mark.parametrize("end", [Status.FAILED, Status.CANCELLED])
def test_what_failed_holds_what_waits_and_its_resume_releases_it(
    project: Project, researcher: User, end: Job.Status
) -> None:
    ask(project, ask(project))
    first = claim()
    assert first
    jobs.finish(first, end, "Disk full.")
    held = Job.objects.get(name="data-2")
    waiting = chains.waiting_of([held])[held.pk]
    assert waiting.held
    assert waiting.sentence.startswith("Held: data-1 ") and "Resume it" in waiting.sentence
    assert claim() is None
    jobs.resume_job(first, researcher)
    assert not chains.waiting_of([held])[held.pk].held
    again = claim()
    assert again and again.pk == first.pk
    succeed(again)
    assert chains.waiting_of([held]) == {}
    last = claim()
    assert last and last.pk == held.pk


def test_success_rings_for_those_that_waited_for_nothing_else(
    project: Project, rings: list[int], django_capture_on_commit_callbacks: Any
) -> None:
    first, second = ask(project), ask(project)
    one = ask(project, first)
    both = ask(project, first, second)
    claimed = [claim(), claim()]
    assert jobs.ring_waiting() == 0, "nobody is rung for what cannot start"
    for job, released in zip(claimed, ([one.pk], [both.pk]), strict=True):
        assert job
        rings.clear()
        with django_capture_on_commit_callbacks(execute=True):
            succeed(job)
        assert rings == released


def test_nothing_waits_for_itself_or_for_a_younger_one(project: Project) -> None:
    old, young = ask(project), ask(project)
    for job, before in ((old, young), (old, old)):
        with pytest.raises(IntegrityError, match="waits_for_an_older_job"), transaction.atomic():
            JobAfter.objects.create(job=job, before=before)
    other = Project.objects.create(name="Other", slug="other")
    with pytest.raises(SpecError, match="another project"):
        ask(other, young)


def test_a_name_of_what_is_to_come_makes_a_chain(project: Project) -> None:
    make_model(project, "base")
    data = ask(project)
    params = {"dataset": "data-1", "base": "base"}
    check_references(project, parse(SPECS["train_dpo"].spec, params), to_come=True)
    with pytest.raises(SpecError, match="no dataset data-1"):
        check_references(project, parse(SPECS["train_dpo"].spec, params))
    train = jobs.request_job(project=project, kind="train_dpo", params=params, user=None)
    sample = jobs.request_job(project=project, kind="sample", params={"model": "dpo-1", "dataset": "data-1"}, user=None)
    other = jobs.request_job(project=project, kind="sample", params={"model": "base", "dataset": "data-1"}, user=None)
    judge = {"first": "sample-1", "second": "sample-2", "hidden_preference": "concise"}
    verdict = jobs.request_job(project=project, kind="judge", params=judge, user=None)
    edges = {(edge.job_id, edge.before_id) for edge in JobAfter.objects.all()}
    assert edges == {
        (train.pk, data.pk), (sample.pk, train.pk), (sample.pk, data.pk), (other.pk, data.pk),
        (verdict.pk, sample.pk), (verdict.pk, other.pk),
    }  # fmt: skip
    assert [job.name for job in chains.to_come(project, "policy")] == ["dpo-1"]


def test_what_it_made_is_found_by_its_name_once_it_is_there(project: Project) -> None:
    job = ask(project)
    made = Dataset.objects.create(
        project=project, job=job, name="prefs", version=1, recipe={}, path="", content_hash="", rows={}
    )
    assert dataset_named(project, "data-1") == made == dataset_named(project, "prefs-v1")
    Job.objects.filter(pk=job.pk).update(status="succeeded")
    make_model(project, "base")
    params = {"dataset": "data-1", "base": "base"}
    assert not jobs.request_job(project=project, kind="train_dpo", params=params, user=None).waits_for.exists()


def test_what_ended_without_making_it_is_refused(project: Project) -> None:
    make_model(project, "base")
    jobs.request_cancel(ask(project), None)
    params = {"dataset": "data-1", "base": "base"}
    with pytest.raises(SpecError, match="data-1 cancelled and made nothing") as error:
        jobs.request_job(project=project, kind="train_dpo", params=params, user=None)
    assert set(error.value.problems) == {"dataset"}
    assert not Job.objects.filter(kind="train_dpo").exists()


@pytest.mark.django_db(transaction=True)
def test_workers_that_race_never_start_a_dependent_early(project: Project) -> None:
    """Eight workers take a lattice of 60 jobs; each looks, at its claim, whether all before it had succeeded."""
    made: list[Job] = []
    for number in range(60):
        made.append(ask(project, *[made[number - back] for back in (1, 2, 5) if number >= back and number % 7]))
    early: list[str] = []
    left = threading.Semaphore(60)

    def work(_: int) -> list[int]:
        mine = []
        while left.acquire(blocking=False):
            while (job := claim()) is None:
                connections["default"].cursor().execute("SELECT pg_sleep(0.002)")
            if chains.Job.objects.filter(awaited_by__job=job).exclude(status=Status.SUCCEEDED).exists():
                early.append(job.name)
            mine.append(job.pk)
            succeed(job)
        return mine

    taken = list(chain(*in_threads(8, work)))
    assert early == []
    assert sorted(taken) == [job.pk for job in made]


@pytest.mark.django_db(transaction=True)
def test_a_cancel_that_races_with_success_leaves_the_dependent_held_or_free(project: Project, researcher: User) -> None:
    for _ in range(6):
        first = ask(project)
        then = ask(project, first)
        running = claim()
        assert running and running.pk == first.pk

        def end(number: int, job: Job = running) -> None:
            if number:
                jobs.request_cancel(job, researcher)
                jobs.finish(job, Status.CANCELLED)
            else:
                try:
                    succeed(job)
                except jobs.LeaseLost:
                    return

        in_threads(2, end)
        first.refresh_from_db()
        started = claim()
        assert (started is not None) == (first.status == Status.SUCCEEDED)
        if started:
            assert started.pk == then.pk
            succeed(started)
        else:
            jobs.request_cancel(then, researcher)


def test_every_reference_has_words_and_every_model_that_trains_can_be_waited_for() -> None:
    references = set(get_args(Ref))
    assert references == set(forms.COMING) == set(launching.THINGS)
    assert all(info.makes for kind, info in SPECS.items() if kind.startswith("train_"))
    assert {"train_judge", "train_dpo"} <= set(chains.makers_of("judge"))
    assert "train_dpo" not in chains.makers_of("base"), "it makes an adapter"
