"""Whatever way a dataset or file with answers of people who withdrew consent goes out: not unless somebody says so."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from pydantic import ValidationError

from accounts.models import AuditEvent, Project, User
from annotate.models import Feedback
from curate import consent
from exchange.exports.consent import HEADER
from registry.models import Dataset, Job
from registry.specs import ExportSpec
from tests.exchange.exports.conftest import Freeze
from tests.exchange.exports.test_api import START, bearing, body
from tests.exchange.exports.test_kept import run_claimed
from workers.jobs.export import run as run_export

pytestmark = pytest.mark.django_db(transaction=True)
SAID = "prefs-v1 holds 2 answers of 1 person who withdrew consent since it was frozen."
COUNTED = {"people": 1, "answers": 2}
PAGE = "/p/helpful/export/"
NOW = "/api/p/helpful/export/?dataset=prefs-v1"


def withdraw(project: Project, vote: Feedback) -> None:
    consent.withdraw(project=project, user=vote.annotator, by=vote.annotator)


@pytest.fixture
def marked(project: Project, freeze: Freeze, votes: list[Feedback]) -> Dataset:
    dataset = freeze(votes=votes)
    Dataset.objects.filter(pk=dataset.pk).update(card={"files": {"train.parquet": {"size": 1, "sha256": "a"}}})
    withdraw(project, votes[0])
    return dataset


def test_one_call(marked: Dataset, researcher: User) -> None:
    client, _ = bearing(researcher)
    refused = client.get(NOW)
    assert refused.status_code == 409
    assert SAID in refused.json()["error"] and "withdrawn=include" in refused.json()["error"]
    assert refused.json()["withdrawn"] == COUNTED
    meant = client.get(NOW + "&withdrawn=include")
    assert meant.status_code == 200 and meant[HEADER] == "2; people=1" and body(meant)
    assert AuditEvent.objects.get(action="export.made").data["spec"]["withdrawn"] == "include"


def test_asked_for_and_fetched(marked: Dataset, researcher: User) -> None:
    client, _ = bearing(researcher)
    wish = {"dataset": "prefs-v1"}
    assert client.post(START, json.dumps(wish), content_type="application/json").status_code == 409
    assert not Job.objects.filter(kind="export").exists()
    asked = client.post(START, json.dumps({**wish, "withdrawn": "include"}), content_type="application/json")
    assert (asked.status_code, asked.json()["withdrawn"]) == (202, COUNTED)
    run_claimed()
    state = client.get(asked.json()["url"]).json()
    assert state["warnings"] == [f"{SAID} Export a version that is built again without them."]
    assert client.get(state["download"])[HEADER] == "2; people=1"


@pytest.mark.parametrize("what", ["dataset", "events"])
def test_a_file_that_was_made_before(
    project: Project, researcher: User, researcher_client: Client, freeze: Freeze, votes: list[Feedback], what: str
) -> None:
    freeze(votes=votes)
    client, _ = bearing(researcher)
    wish = {"what": what, **({"dataset": "prefs-v1"} if what == "dataset" else {})}
    url = client.post(START, json.dumps(wish), content_type="application/json").json()["url"]
    run_claimed()
    state = client.get(url).json()
    address, page = state["download"], f"{PAGE}{state['name']}/file/"
    assert client.get(address).status_code == 200 and HEADER not in client.get(address)
    withdraw(project, votes[0])
    assert client.get(url).json()["withdrawn"] == COUNTED
    assert client.get(address).status_code == client.head(address).status_code == 409
    assert client.get(address, {"withdrawn": "include"})[HEADER] == "2; people=1"
    asked = researcher_client.get(page)
    assert asked.status_code == 409 and "2 answers of 1 person who withdrew consent" in asked.content.decode()
    assert body(researcher_client.get(page, {"withdrawn": "include"}))
    consent.give_again(project=project, user=votes[0].annotator, by=votes[0].annotator)
    assert client.get(address).status_code == 200


def test_consent_that_is_withdrawn_while_the_job_waits(
    project: Project, researcher: User, freeze: Freeze, votes: list[Feedback]
) -> None:
    freeze(votes=votes)
    client, _ = bearing(researcher)
    client.post(START, json.dumps({"dataset": "prefs-v1"}), content_type="application/json")
    withdraw(project, votes[0])
    from registry import jobs
    from workers.context import JobContext
    from workers.errors import JobError

    job = jobs.claim("default", worker="test")
    assert job is not None
    with pytest.raises(JobError, match="who withdrew consent"):
        run_export(JobContext(job), ExportSpec(dataset="prefs-v1"))


def test_the_page_asks_first(marked: Dataset, researcher_client: Client) -> None:
    choice = {"source": "dataset:prefs-v1", "format": "plain", "file": "jsonl", "now": "1"}
    page = researcher_client.get(PAGE, choice).content.decode()
    assert SAID in page and 'name="withdrawn"' in page
    refused = researcher_client.post(PAGE, choice)
    assert refused.status_code == 422 and SAID in refused.content.decode()
    assert not AuditEvent.objects.filter(action="export.made").exists()
    assert body(researcher_client.post(PAGE, {**choice, "withdrawn": "include"}))


def test_nothing_is_asked_where_all_consent(freeze: Freeze, votes: list[Feedback], researcher_client: Client) -> None:
    freeze(votes=votes)
    assert 'name="withdrawn"' not in researcher_client.get(PAGE, {"source": "dataset:prefs-v1"}).content.decode()


def test_a_file_of_the_dataset_itself(marked: Dataset, researcher_client: Client) -> None:
    address = f"{marked.get_absolute_url()}files/train.parquet"
    asked = researcher_client.get(address)
    assert asked.status_code == 409 and "2 answers of 1 person who withdrew consent" in asked.content.decode()
    assert not AuditEvent.objects.filter(action="dataset.downloaded").exists()
    assert body(researcher_client.get(address, {"withdrawn": "include"}))[:4] == b"PAR1"
    assert AuditEvent.objects.get(action="dataset.downloaded").data["withdrawn_answers"] == 2


def test_the_command(marked: Dataset, tmp_path: Path) -> None:
    options = ["export", "--project", "helpful", "--dataset", "prefs-v1", "--out", str(tmp_path / "out.jsonl")]
    with pytest.raises(CommandError, match="2 answers of 1 person who withdrew consent"):
        call_command(*options)
    assert not list(tmp_path.glob("out*"))
    said = io.StringIO()
    call_command(*options, "--withdrawn", "include", stderr=said)
    assert SAID in said.getvalue() and (tmp_path / "out.jsonl").exists()


def test_the_admin(marked: Dataset, db: Any) -> None:
    root = User.objects.create_superuser("root")
    client = Client()
    client.force_login(root)
    acted = {"action": "export_trl", "_selected_action": [marked.pk]}
    answer = client.post("/admin/registry/dataset/", acted, follow=True).content.decode()
    assert SAID[1:] in answer and not Job.objects.filter(kind="export").exists()


def test_raw_answers_never_hold_them_so_it_cannot_be_asked_for() -> None:
    with pytest.raises(ValidationError, match="no export of raw answers"):
        ExportSpec(what="events", withdrawn="include")
