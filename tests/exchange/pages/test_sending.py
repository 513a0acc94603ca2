"""Sending a file: who may, what is kept of it, and what is refused."""

import os
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import Membership, Project, User
from exchange.models import Upload
from registry.models import Job
from tests.conftest import logged_in
from tests.exchange.pages.uploads import ROWS, START, State, files, jsonl, page_of, posted, send, sent

# --- Who may ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [START, "/p/helpful/import-export/past/", f"{START}1/", f"{START}1/result/"])
def test_only_researchers_import(project: Project, annotator: User, reviewer: User, outsider: User, path: str) -> None:
    assert logged_in(annotator).get(path).status_code == 403
    assert "researcher" in logged_in(reviewer).get(path).content.decode()
    assert logged_in(outsider).get(path).status_code == 404


def test_a_reviewer_cannot_send_a_file_and_none_is_kept(reviewer_client: Client, artifacts: Path) -> None:
    assert send(reviewer_client, jsonl(ROWS)).status_code == 403
    assert files(artifacts) == []


def test_an_upload_of_another_project_is_not_there(researcher: User, researcher_client: Client) -> None:
    other = Project.objects.create(name="Other", slug="other")
    Membership.objects.create(user=researcher, project=other, role="researcher")
    upload = sent(researcher_client)
    for part in ("", "result/", "report/"):
        assert researcher_client.get(f"/p/other/import/{upload.pk}/{part}").status_code == 404
    assert researcher_client.post(f"/p/other/import/{upload.pk}/discard/").status_code == 404
    assert upload.file.exists()


def test_a_form_without_its_token_is_refused_and_no_file_is_kept(researcher: User, artifacts: Path) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(researcher)
    assert send(client, jsonl(ROWS)).status_code == 403
    assert files(artifacts) == [] and not Upload.objects.exists()


def test_a_form_with_its_token_is_taken(researcher: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(researcher)
    token = str(client.get(START).context["csrf_token"])
    content = SimpleUploadedFile("a.jsonl", jsonl(ROWS))
    assert client.post(START, {"csrfmiddlewaretoken": token, "file": content}).status_code == 302


# --- The file ---------------------------------------------------------------------------------------------------


def test_a_file_is_kept_under_a_name_that_says_nothing(researcher_client: Client, artifacts: Path) -> None:
    upload = sent(researcher_client, name="../../evil\u202e.jsonl")
    assert files(artifacts) == [upload.file]
    assert upload.file.read_bytes() == jsonl(ROWS)
    assert "evil" not in upload.path and "/" not in upload.filename and "\u202e" not in upload.filename
    assert upload.size == len(jsonl(ROWS)) and len(upload.sha256) == 64


def test_a_file_over_the_limit_is_refused_in_words(researcher_client: Client, artifacts: Path, settings: Any) -> None:
    settings.IMPORT_MB = 0.001
    response = send(researcher_client, jsonl(ROWS * 20))
    assert response.status_code == 422
    assert "larger than the" in response.content.decode()
    assert files(artifacts) == [] and not Upload.objects.exists()


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({}, "There is no file yet"),
        ({"text": "  \n "}, "There is no file yet"),
        ({"text": "x" * 1_000_001}, "More than 1,000,000 characters"),
        ({"text": "x" * 3_000_000}, "More than 1,000,000 characters"),  # more than Django reads at all
        ({"file": SimpleUploadedFile("nothing.csv", b"")}, "nothing.csv is empty"),
    ],
)
def test_nothing_to_read_is_said(researcher_client: Client, artifacts: Path, form: dict[str, Any], words: str) -> None:
    response = researcher_client.post(START, form)
    assert response.status_code == 422
    assert words in response.content.decode()
    assert files(artifacts) == []


def test_two_files_at_once_are_refused(researcher_client: Client, artifacts: Path) -> None:
    both = [SimpleUploadedFile("a.jsonl", jsonl(ROWS)), SimpleUploadedFile("b.jsonl", jsonl(ROWS))]
    response = researcher_client.post(START, {"file": both})
    assert response.status_code == 422 and "one file" in response.content.decode()
    assert files(artifacts) == []


def test_pasted_lines_are_a_file_too(researcher_client: Client) -> None:
    text = jsonl(ROWS[:2]).decode().replace("\n", "\r\n")
    response = researcher_client.post(START, {"text": text})
    upload = Upload.objects.get()
    assert response["Location"] == page_of(upload)
    assert upload.file.read_bytes() == jsonl(ROWS[:2])
    assert researcher_client.get(page_of(upload)).context["check"].fits == 2


def test_htmx_is_told_where_to_go_and_gets_only_the_form_back(researcher_client: Client) -> None:
    response = send(researcher_client, jsonl(ROWS), headers={"HX-Request": "true"})
    assert response["HX-Redirect"] == page_of(Upload.objects.get())
    wrong = researcher_client.post(START, {"text": ""}, headers={"HX-Request": "true"})
    assert wrong.status_code == 422 and "<html" not in wrong.content.decode()


def test_files_go_away_after_a_day_and_reports_and_rows_of_imports_stay(
    researcher_client: Client, artifacts: Path
) -> None:
    old, imported, waiting = (sent(researcher_client) for _ in range(3))
    for upload in (imported, waiting):
        researcher_client.post(page_of(upload), posted(researcher_client, upload, act="import"))
    Job.objects.filter(uploads=imported).update(status=Job.Status.SUCCEEDED)
    Upload.objects.filter(pk=imported.pk).update(state=State.IMPORTED)
    report = imported.file.with_name(f"{imported.file.name}.left-out.jsonl")
    report.write_text("{}\n")
    for path in files(artifacts):
        os.utime(path, (1_000_000, 1_000_000))
    fresh = sent(researcher_client)
    assert set(Upload.objects.values_list("pk", flat=True)) == {imported.pk, waiting.pk, fresh.pk}
    assert set(files(artifacts)) == {report, waiting.file, fresh.file}
    assert not old.file.exists()


def test_a_file_thrown_away_is_gone_and_its_page_says_so(researcher_client: Client, artifacts: Path) -> None:
    upload = sent(researcher_client)
    researcher_client.post(f"{page_of(upload)}discard/")
    assert files(artifacts) == [] and not Upload.objects.exists()
    response = researcher_client.get(page_of(upload), follow=True)
    assert response.redirect_chain == [(START, 302)] and "not here any more" in response.content.decode()


def test_a_file_that_lost_its_bytes_says_so(researcher_client: Client) -> None:
    upload = sent(researcher_client)
    upload.file.unlink()
    assert "not here any more" in researcher_client.get(page_of(upload), follow=True).content.decode()
    assert researcher_client.get(f"{page_of(upload)}report/").status_code == 404
