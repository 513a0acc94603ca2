"""The page Export: what it offers for which rows, roles, a file at once, a job for many rows."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import AuditEvent, Project
from annotate.models import Feedback
from exchange.pages import exports as export_views
from registry.models import Job
from tests.exchange.exports.conftest import Freeze
from tests.exchange.exports.making import made

PAGE = "/p/helpful/export/"


def cards(answer: Any) -> dict[str, bool]:
    return {card.format.slug: not card.refused for card in answer.context["cards"]}


def test_formats_that_cannot_hold_the_rows_are_closed(researcher_client: Client, freeze: Freeze) -> None:
    freeze("joint")
    answer = researcher_client.get(PAGE)
    assert [name for name, able in cards(answer).items() if able] == ["dove", "plain"]
    assert answer.context["values"]["format"] == "dove"
    answer = researcher_client.get(PAGE, {"source": "answers", "format": "trl"})
    assert [name for name, able in cards(answer).items() if able] == ["argilla", "label_studio", "plain"]
    assert answer.context["values"]["format"] == "plain"


def test_the_first_row_and_texts_that_name_people(researcher_client: Client, freeze: Freeze) -> None:
    freeze(columns={"prompt": [{"role": "user", "content": "Write to eve@example.org"}]})
    answer = researcher_client.get(PAGE, {"source": "dataset:prefs-v1", "format": "trl", "file": "parquet"})
    assert "Write to eve@example.org" in answer.context["first"][0]
    assert answer.context["look"].named == 4
    assert "4 of the first 4 rows hold what looks like an e-mail address" in answer.content.decode()


def test_an_empty_project_has_a_page(researcher_client: Client) -> None:
    answer = researcher_client.get(PAGE)
    assert answer.status_code == 200
    page = answer.content.decode()
    assert "There is no row yet" in page
    assert "Export 0 rows" not in page and 'href="/p/helpful/import/"' in page
    assert "holds preference pairs, prompts with one completion" in page  # what the greyed ones are for


def test_few_rows_are_sent_at_once(project: Project, researcher_client: Client, votes: list[Feedback]) -> None:
    answer = researcher_client.post(
        PAGE, {"source": "events", "format": "plain", "now": "1", "comments": "on", "timing": "on"}
    )
    assert b"".join(answer.streaming_content) == made(project, what="events")
    assert AuditEvent.objects.get(action="export.made").data["way"] == "page"
    past = researcher_client.get(PAGE).content.decode()
    assert "full history, As they are, JSON Lines" in past
    assert "source=events&amp;format=plain" in past


def test_many_rows_are_a_job(researcher_client: Client, votes: list[Feedback], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_views, "AT_ONCE", 3)
    answer = researcher_client.post(PAGE, {"source": "answers", "format": "plain", "now": "1"})
    assert answer.status_code == 302
    job = Job.objects.get(kind="export")
    assert (job.params["what"], job.params["comments"]) == ("answers", False)
    page = researcher_client.get(PAGE)
    assert page.context["running"] == [job]
    assert "waits for a worker" in researcher_client.get(
        PAGE, {"live": "1"}, headers={"HX-Request": "true"}
    ).content.decode()  # fmt: skip
    assert researcher_client.get(f"{PAGE}{job.name}/file/").status_code == 302


@pytest.mark.parametrize(("who", "status"), [("annotator", 403), ("reviewer", 403), ("outsider", 404)])
def test_roles(request: pytest.FixtureRequest, project: Project, who: str, status: int) -> None:
    client: Client = request.getfixturevalue(f"{who}_client")
    assert client.get(PAGE).status_code == status
    assert client.post(PAGE, {"source": "events"}).status_code == status
    assert client.get(f"{PAGE}export-1/file/").status_code == status


def test_names_are_offered_to_admins_alone(
    owner_client: Client, researcher_client: Client, votes: list[Feedback]
) -> None:
    wish = {"source": "events", "people": "names", "now": "1"}
    assert 'value="names"' not in researcher_client.get(PAGE).content.decode()
    refused = researcher_client.post(PAGE, wish)
    assert refused.status_code == 422
    assert "Only admins of Helpful answers can export names" in refused.content.decode()
    assert b"rater-0" in b"".join(owner_client.post(PAGE, wish).streaming_content)
    assert AuditEvent.objects.get(action="export.made").data["names"] is True


@pytest.mark.parametrize("source", ["dataset:prefs-v9", "dataset:", "nothing", "tasks", "dataset:x\x00", "::"])
def test_what_is_forged_is_a_sentence(researcher_client: Client, source: str) -> None:
    answer = researcher_client.post(PAGE, {"source": source})
    assert answer.status_code == 422
    assert answer.context["problem"]


def test_other_projects_datasets_are_not_there(researcher_client: Client, freeze: Freeze) -> None:
    other = Project.objects.create(name="Other", slug="other")
    freeze(owner=other, name="theirs")
    answer = researcher_client.post(PAGE, {"source": "dataset:theirs-v1", "now": "1"})
    assert answer.status_code == 422
    assert "There is no dataset theirs-v1 in Helpful answers" in answer.content.decode()


def test_a_link_to_a_dataset_keeps_the_usual_settings(researcher_client: Client, freeze: Freeze) -> None:
    freeze()
    linked = researcher_client.get(PAGE, {"source": "dataset:prefs-v1"}).context["values"]
    assert linked == researcher_client.get(PAGE).context["values"] and linked["extras"]
    sent = {"source": "dataset:prefs-v1", "format": "trl", "file": "jsonl"}
    assert not researcher_client.get(PAGE, sent).context["values"]["extras"]  # switched off in the form
