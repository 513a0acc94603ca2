"""Whose turn it is: priority, then the project that runs and ran least, then age."""

from collections import Counter
from datetime import timedelta
from itertools import chain
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Project
from registry import jobs, order
from registry.models import Job
from tests.registry.test_jobs import in_threads


@pytest.fixture(autouse=True)
def _silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "ring", lambda *_: True)


@pytest.fixture
def other(db: None) -> Project:
    return Project.objects.create(name="Other", slug="other")


def ask(project: Project, **more: Any) -> Job:
    return jobs.request_job(project=project, kind="build_dataset", params={}, user=None, **more)


def claim() -> Job:
    job = jobs.claim("default", "w")
    assert job
    return job


def ran(project: Project, *, seconds: float, ago: timedelta) -> None:
    """A job that held a worker for so long and ended so long ago."""
    end = timezone.now() - ago
    Job.objects.filter(pk=ask(project).pk).update(
        status="succeeded", attempt=1, started_at=end - timedelta(seconds=seconds), finished_at=end
    )


def test_projects_take_turns_whoever_asked_first(project: Project, other: Project) -> None:
    for _ in range(3):
        ask(project)
    for _ in range(3):
        ask(other)
    assert [claim().project_id for _ in range(6)] == [project.pk, other.pk] * 3


def test_priority_comes_before_fairness_and_age_last(project: Project, other: Project) -> None:
    asked = [ask(project), ask(project, priority=5), ask(project, priority=5), ask(other), ask(other)]
    assert [claim().pk for _ in range(5)] == [asked[index].pk for index in (1, 2, 3, 4, 0)]


def test_who_ran_less_in_the_last_hour_comes_first(project: Project, other: Project) -> None:
    ran(project, seconds=600, ago=timedelta(minutes=5))
    ran(other, seconds=60, ago=timedelta(minutes=5))
    ran(other, seconds=9000, ago=timedelta(hours=2))
    ask(project)
    ask(other)
    assert order.used("default")[project.pk].seconds == pytest.approx(600, abs=2)
    assert order.used("default")[other.pk].seconds == pytest.approx(60, abs=2)
    assert [claim().project_id for _ in range(2)] == [other.pk, project.pk]


def test_the_hour_cuts_what_began_before_it(project: Project) -> None:
    ran(project, seconds=7200, ago=timedelta(minutes=10))
    assert order.used("default")[project.pk].seconds == pytest.approx(3000, abs=5)


def test_another_queue_does_not_count(project: Project, other: Project) -> None:
    ran(project, seconds=600, ago=timedelta(minutes=5))
    Job.objects.update(queue="gpu")
    first = ask(project)
    ask(other)
    assert claim().pk == first.pk


def test_the_line_is_shown_as_it_will_be_taken(project: Project, other: Project) -> None:
    for number in range(4):
        ask(project, priority=number % 2)
    for _ in range(3):
        ask(other)
    blocked = ask(other, after=[Job.objects.get(project=other, name="data-1")], priority=9)
    line = order.in_line("default")
    assert blocked.pk not in line
    assert order.places("default")[line[0]] == 1
    assert [claim().pk for _ in range(7)] == line


@pytest.mark.django_db(transaction=True)
def test_fair_among_workers_that_ask_at_once(project: Project, other: Project) -> None:
    """One project has 40 in the line before another asks for 8: of any 16 that run, each has 8."""
    third = Project.objects.create(name="Third", slug="third")
    for _ in range(40):
        ask(project)
    for _ in range(8):
        ask(other)
        ask(third)
    taken = list(chain(*in_threads(8, lambda _: [claim() for _ in range(3)])))
    assert Counter(job.project_id for job in taken) == {project.pk: 8, other.pk: 8, third.pk: 8}
    assert len({job.pk for job in taken}) == 24
