"""The page that takes an import back: who may, what it counts, and what it refuses."""

import json
from pathlib import Path

import pytest
from django.test import Client

from accounts.models import Project, User
from annotate.models import Prompt, Task
from exchange.imports.detect import guessed_mapping
from exchange.imports.formats import FORMATS
from exchange.imports.write import write
from exchange.models import Import
from registry import jobs
from tests.conftest import logged_in
from tests.factories import make_response

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


def test_what_was_counted_goes_and_the_list_says_so(made: Import, admin_client: Client) -> None:
    page = admin_client.post(page_of(made), follow=True)
    text = page.content.decode()
    assert "wrong.jsonl is taken back: 3 prompts, 6 answers, 3 votes went." in text
    assert "taken back</span>" in text
    assert not Task.objects.exists()
    again = admin_client.post(page_of(made))
    assert again.status_code == 409
    assert "was taken back already" in again.content.decode()


def test_a_job_that_may_read_it_is_named(made: Import, project: Project, owner: User, admin_client: Client) -> None:
    job = jobs.request_job(project=project, kind="import", params={"upload": 1}, user=owner)
    page = admin_client.post(page_of(made))
    assert page.status_code == 409
    assert f"{job.name} may be reading what came in" in page.content.decode()
    assert Prompt.objects.count() == 3
