"""The page that takes an import back: who may, what it counts, and what it refuses."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Membership, Project, User
from annotate.models import Prompt, Task
from exchange.imports import take_back
from exchange.imports.detect import guessed_mapping
from exchange.imports.formats import FORMATS
from exchange.imports.write import write
from exchange.models import Import, WithdrawnVote
from exchange.pages import import_take_back
from registry import jobs
from registry.models import Job
from registry.specs.take_back import TakeBackSpec
from tests.conftest import logged_in
from tests.factories import make_response
from workers.context import JobContext
from workers.errors import JobError, Stopped
from workers.jobs.take_back import run

PAST = "/p/helpful/import-export/past/"


@pytest.fixture
def made(project: Project, tmp_path: Path) -> Import:
    path = tmp_path / "wrong.jsonl"
    rows = [{"prompt": f"q{n}", "response_a": "x", "response_b": "y", "winner": "a"} for n in range(3)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = write(path, FORMATS["jsonl"], guessed_mapping(path, FORMATS["jsonl"]), project, None)
    return Import.objects.get(pk=done.number)


def page_of(made: Import) -> str:
    return f"/p/helpful/imports/{made.pk}/take-back/"


@pytest.fixture
def admin_client(owner: User) -> Client:
    return logged_in(owner)


def test_only_admins_take_back(made: Import, researcher: User, outsider: User, admin_client: Client) -> None:
    assert logged_in(researcher).post(page_of(made)).status_code == 403
    assert logged_in(outsider).post(page_of(made)).status_code == 404
    assert "take-back" not in logged_in(researcher).get(PAST).content.decode()
    assert page_of(made) in admin_client.get(PAST).content.decode()
    assert Prompt.objects.count() == 3


def test_an_import_of_another_project_is_not_there(made: Import, admin_client: Client) -> None:
    Import.objects.update(project=Project.objects.create(name="Other", slug="other"))
    assert admin_client.post(page_of(made)).status_code == 404


def test_the_page_counts_and_changes_nothing(made: Import, admin_client: Client) -> None:
    make_response(Prompt.objects.earliest("pk"), "written here")
    page = admin_client.get(page_of(made))
    found = page.context["found"]
    assert (found.prompts, found.kept_prompts, found.votes) == (2, 1, 3)
    text = page.content.decode()
    assert "prompts with other answers" in text
    assert Prompt.objects.earliest("pk").key in text
    assert Prompt.objects.count() == 3


def worked_off() -> Job:
    """The job that waits, done in this process as a worker's child does it."""
    job = jobs.claim("default", worker="test")
    assert job is not None and job.kind == "take_back"
    run(JobContext(job), TakeBackSpec(**job.params))
    job.refresh_from_db()
    return job


@pytest.mark.django_db(transaction=True)  # publishing closes the connection
def test_a_job_takes_back_what_was_counted_and_the_pages_say_so(made: Import, admin_client: Client) -> None:
    page = admin_client.post(page_of(made), follow=True).content.decode()
    assert "Waits for a worker" in page and 'hx-trigger="every 1s"' in page
    assert Prompt.objects.count() == 3
    part = admin_client.get(page_of(made), headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part and "Stop, keep all of it" in part
    job = worked_off()
    assert (job.status, job.result["prompts"], job.result["votes"]) == ("succeeded", 3, 3)
    assert not Task.objects.exists()
    assert admin_client.get(page_of(made), headers={"HX-Request": "true"})["HX-Refresh"] == "true"
    page = admin_client.get(page_of(made)).content.decode()
    assert "Taken back" in page and "3 <small>went</small>" in page and "Take it back</button>" not in page
    assert "taken back</span>" in admin_client.get(PAST).content.decode()
    again = admin_client.post(page_of(made))
    assert again.status_code == 409
    assert "was taken back already" in again.content.decode()
    assert Job.objects.count() == 1


def test_asked_twice_it_is_one_job(made: Import, admin_client: Client) -> None:
    for _ in range(2):
        assert admin_client.post(page_of(made))["Location"] == page_of(made)
    assert Job.objects.get().params == {"made": made.pk}


@pytest.mark.django_db(transaction=True)  # publishing closes the connection
def test_a_large_import_is_not_counted_while_a_person_waits(
    made: Import, admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_take_back, "LARGE", 5)
    monkeypatch.setattr(take_back, "look", None)  # it would fail if it were called
    page = admin_client.get(page_of(made)).content.decode()
    assert "3 <small>came in</small>" in page and "Not counted yet" in page
    admin_client.post(page_of(made))
    assert worked_off().status == "succeeded"
    assert not Prompt.objects.exists()


def test_what_a_job_could_not_take_back_is_said(made: Import, project: Project, admin_client: Client) -> None:
    admin_client.post(page_of(made))
    other = jobs.request_job(project=project, kind="import", params={"upload": 1}, user=None)
    with pytest.raises(JobError, match=f"{other.name} may be reading what came in") as error:
        worked_off()
    Job.objects.filter(pk=other.pk).update(status="cancelled", finished_at=timezone.now())
    Job.objects.filter(kind="take_back").update(status="failed", error=str(error.value), finished_at=timezone.now())
    page = admin_client.get(page_of(made)).content.decode()
    assert "Nothing was taken back." in page and other.name in page and "Take it back</button>" in page
    assert Prompt.objects.count() == 3


def test_one_whose_role_was_taken_meanwhile_takes_nothing_back(made: Import, owner: User, admin_client: Client) -> None:
    admin_client.post(page_of(made))
    Membership.objects.filter(user=owner).update(role=Membership.Role.RESEARCHER)
    with pytest.raises(JobError, match="does not let them take imports"):
        worked_off()
    assert Prompt.objects.count() == 3


def test_stopped_halfway_nothing_has_changed(made: Import, admin_client: Client) -> None:
    admin_client.post(page_of(made))
    job = jobs.claim("default", worker="test")
    assert job is not None
    stop, said = threading.Event(), []

    def send(event: dict[str, Any]) -> None:
        said.append(event["text"])
        if event["text"] == "Removing answers":
            stop.set()

    with pytest.raises(Stopped):
        run(JobContext(job, send=send, stop=stop), TakeBackSpec(made=made.pk))
    assert said[0] == "Finding its rows"
    assert (Prompt.objects.count(), Task.objects.count(), WithdrawnVote.objects.count()) == (3, 3, 0)
    made.refresh_from_db()
    assert made.taken_back_at is None


@pytest.mark.django_db(transaction=True)  # publishing closes the connection
def test_an_attempt_after_one_that_died_behind_its_commit_says_so(made: Import, admin_client: Client) -> None:
    admin_client.post(page_of(made))
    job = jobs.claim("default", worker="test")
    assert job is not None
    take_back.take_back(made, None, job=job)
    run(JobContext(job), TakeBackSpec(made=made.pk))
    job.refresh_from_db()
    assert (job.status, job.result["prompts"]) == ("succeeded", 3)
    assert WithdrawnVote.objects.count() == 3


def test_a_job_that_may_read_it_is_named(made: Import, project: Project, owner: User, admin_client: Client) -> None:
    job = jobs.request_job(project=project, kind="import", params={"upload": 1}, user=owner)
    page = admin_client.post(page_of(made))
    assert page.status_code == 409
    assert f"{job.name} may be reading what came in" in page.content.decode()
    assert Prompt.objects.count() == 3
