"""The page of the queue: workers, the line, chains, priority."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, Project
from registry import board, jobs
from registry.models import Job, Worker
from tests.registry.test_jobs import rings  # noqa: F401  # nothing is sent
from tests.registry.test_pages import queries

pytestmark = pytest.mark.django_db


def ask(project: Project, *after: Job, **more: Any) -> Job:
    return jobs.request_job(project=project, kind="build_dataset", params={}, user=None, after=after, **more)


def claim(worker: str = "default@host (7)") -> Job:
    job = jobs.claim("default", worker)
    assert job
    return job


def make_worker(name: str = "default@host", **values: Any) -> Worker:
    now = timezone.now()
    return Worker.objects.create(name=name, queues=["default"], cores=2, **{"since": now, "seen_at": now, **values})


def test_workers_show_what_they_run_and_a_lost_one_is_lost(project: Project, researcher_client: Client) -> None:
    ask(project)
    ask(project)
    make_worker(gpus=[{"name": "NVIDIA H100", "memory": 80 << 30, "used": 31 << 30}])
    make_worker("gone@host", seen_at=timezone.now() - timedelta(minutes=3))
    make_worker("ended@host", ended_at=timezone.now())
    make_worker("free@host")
    claim()
    claim("silent@host (9)")
    posts = {post.name: post for post in board.posts()}
    assert [job.name for job in posts["default@host"].jobs] == ["data-1"]
    assert [job.name for job in posts["silent@host"].jobs] == ["data-2"]
    assert (posts["gone@host"].lost, posts["free@host"].lost, posts["free@host"].free) == (True, False, 1)
    assert "ended@host" not in posts
    page = researcher_client.get("/p/helpful/queue/").content.decode()
    assert '<span class="pill bad">lost</span>' in page and "NVIDIA H100" in page
    assert "31.0\xa0GB of 80.0\xa0GB in use" in page


def test_a_run_whose_lease_ran_out_says_that_its_worker_is_lost(project: Project, researcher_client: Client) -> None:
    ask(project)
    Job.objects.filter(pk=claim().pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    assert "worker lost" in researcher_client.get("/p/helpful/queue/").content.decode()


def test_the_line_has_places_and_what_waits_says_for_what(project: Project, researcher_client: Client) -> None:
    first = ask(project)
    ask(project, priority=10)
    ask(project, first)
    entries, more = board.entries()
    assert [(entry.job.name, entry.place) for entry in entries] == [("data-2", 1), ("data-1", 2), ("data-3", 0)]
    assert more == 0
    page = researcher_client.get("/p/helpful/queue/").content.decode()
    assert "Waits for data-1." in page
    jobs.request_cancel(first, None)
    held = researcher_client.get("/p/helpful/queue/").content.decode()
    assert "Held: data-1 was cancelled. Resume it" in held and "1 held" in held


def test_a_chain_is_in_order_and_hangs_together(project: Project) -> None:
    a, alone = ask(project), ask(project)
    b = ask(project, a)
    c = ask(project, a)
    d = ask(project, b, c)
    x = ask(project)
    y = ask(project, x)
    chains = board.chains_of(project)
    assert [[(link.job.pk, link.depth) for link in chain] for chain in chains] == [
        [(a.pk, 0), (b.pk, 1), (c.pk, 1), (d.pk, 2)], [(x.pk, 0), (y.pk, 1)]
    ]  # fmt: skip
    assert chains[0][3].after == (b.name, c.name)
    assert alone.pk not in {link.job.pk for chain in chains for link in chain}
    jobs.request_cancel(b, None)
    assert [link.held for link in board.chains_of(project)[0]] == [False, False, False, True]


def test_names_of_other_projects_are_not_shown(project: Project, researcher_client: Client) -> None:
    other = Project.objects.create(name="Secret plans", slug="secret")
    before = ask(other, name="secret-run")
    ask(other, before, name="secret-next")
    claim()
    make_worker()
    page = researcher_client.get("/p/helpful/queue/").content.decode()
    assert "another project" in page
    assert "secret" not in page.lower()


def test_only_admins_change_the_priority(
    project: Project, researcher_client: Client, owner_client: Client, annotator_client: Client
) -> None:
    job = ask(project)
    path = f"{job.get_absolute_url()}priority/"
    assert researcher_client.post(path, {"priority": "20"}).status_code == 403
    assert annotator_client.post(path, {"priority": "20"}).status_code == 403
    assert "There is no such priority" in owner_client.post(path, {"priority": "9999"}, follow=True).content.decode()
    job.refresh_from_db()
    assert job.priority == 0
    assert "has priority first now" in owner_client.post(path, {"priority": "20"}, follow=True).content.decode()
    job.refresh_from_db()
    assert job.priority == 20
    event = AuditEvent.objects.get(action="job.prioritised")
    assert (event.target, event.actor.username if event.actor else "") == ("data-1", "olive")
    claim()
    assert "does not wait any more" in owner_client.post(path, {"priority": "0"}, follow=True).content.decode()
    assert 'name="priority"' not in researcher_client.get("/p/helpful/queue/").content.decode()


def test_a_long_queue_asks_no_more_and_shows_its_beginning(project: Project, researcher_client: Client) -> None:
    first = ask(project)
    ask(project, first)
    before = queries(researcher_client, "/p/helpful/queue/")
    Job.objects.bulk_create(
        Job(project=project, kind="build_dataset", name=f"x-{n}", params={}, queue="default") for n in range(400)
    )
    assert queries(researcher_client, "/p/helpful/queue/") <= before
    page = researcher_client.get("/p/helpful/queue/")
    assert len(page.context["entries"]) == board.MOST_ROWS
    assert "202 more wait behind these" in page.content.decode()


def test_it_is_refreshed_without_its_frame(project: Project, researcher_client: Client) -> None:
    live = researcher_client.get("/p/helpful/queue/", headers={"HX-Request": "true"}).content.decode()
    assert live.lstrip().startswith('<div id="live"')
    assert "No worker is there" in live and "Nothing waits" in live
