"""From a form to its job, once, and what is said of an import afterwards."""

import uuid
from pathlib import Path
from typing import Any

from django.test import Client
from django.utils import timezone

from accounts.models import Project, User
from exchange.models import Upload
from exchange.pages import import_files
from registry import jobs
from registry.models import Job
from tests.exchange.pages.uploads import START, State, page_of, posted, sent


def test_a_form_sent_twice_imports_once(researcher_client: Client) -> None:
    upload = sent(researcher_client)
    form = posted(researcher_client, upload, act="import")
    answers = [researcher_client.post(page_of(upload), form) for _ in range(2)]
    other_tab = researcher_client.post(page_of(upload), {**form, "request_key": str(uuid.uuid4())})
    assert {one["Location"] for one in [*answers, other_tab]} == {f"{page_of(upload)}result/"}
    job = Job.objects.get()
    upload.refresh_from_db()
    assert upload.job == job and upload.state == State.IMPORTING and job.params == {"upload": upload.pk}
    assert upload.options == {"on_bad": "skip", "as_tasks": False, "wanted": 1, "protocol": None}


def test_htmx_never_imports(researcher_client: Client) -> None:
    upload = sent(researcher_client)
    form = posted(researcher_client, upload, act="import")
    assert researcher_client.post(page_of(upload), form, headers={"HX-Request": "true"}).status_code == 200
    assert not Job.objects.exists()


def test_while_it_waits_the_page_asks_again_and_the_file_is_settled(researcher_client: Client, artifacts: Path) -> None:
    upload = sent(researcher_client)
    researcher_client.post(page_of(upload), posted(researcher_client, upload, act="import"))
    page = researcher_client.get(f"{page_of(upload)}result/").content.decode()
    assert "Waits for a worker" in page and 'hx-trigger="every 1s"' in page
    part = researcher_client.get(f"{page_of(upload)}result/", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert researcher_client.get(page_of(upload))["Location"] == f"{page_of(upload)}result/"
    researcher_client.post(f"{page_of(upload)}discard/")
    assert upload.file.exists()


def test_a_cancelled_import_can_be_looked_at_and_tried_again(researcher: User, researcher_client: Client) -> None:
    upload = sent(researcher_client)
    researcher_client.post(page_of(upload), posted(researcher_client, upload, act="import"))
    jobs.request_cancel(Job.objects.get(), researcher)
    page = researcher_client.get(f"{page_of(upload)}result/").content.decode()
    assert "Look at the mapping again" in page and "Nothing was written" in page
    assert researcher_client.get(page_of(upload)).status_code == 200
    researcher_client.post(page_of(upload), posted(researcher_client, upload, act="import"))
    upload.refresh_from_db()
    assert upload.job is not None and upload.job.name == "import-2"


def test_what_came_of_it_and_the_list_of_past_ones(researcher_client: Client) -> None:
    upload = sent(researcher_client)
    researcher_client.post(page_of(upload), posted(researcher_client, upload, act="import"))
    Job.objects.update(status=Job.Status.SUCCEEDED, finished_at=timezone.now())
    upload.refresh_from_db()
    upload.state, upload.report_path = State.IMPORTED, f"{upload.path}.left-out.jsonl"
    upload.counts = {**upload.counts, "lines": 9, "written": 8, "skipped": 1, "without_vote": 3, "votes_known": 1}
    upload.save()
    assert upload.report is not None
    upload.report.write_bytes(b'{"line": 9, "reason": "torn"}\n')
    page = researcher_client.get(f"{page_of(upload)}result/").content.decode()
    assert "8 lines imported" in page and "1 line was left out." in page
    assert "3 lines say nothing of their answers" in page and "1 vote was here already" in page
    for link in ("leaderboard", "quality", "datasets/new"):
        assert f"/p/helpful/{link}/" in page
    report = researcher_client.get(f"{page_of(upload)}report/")
    assert b"".join(report.streaming_content) == b'{"line": 9, "reason": "torn"}\n'  # type: ignore[attr-defined]
    assert report["Content-Disposition"].endswith('.left-out.jsonl"') or "left-out" in report["Content-Disposition"]
    past = researcher_client.get("/p/helpful/import-export/past/").content.decode()
    assert "battles.jsonl" in past and "imported" in past


def test_past_ones_are_empty_at_first_and_paged_later(researcher_client: Client, project: Project) -> None:
    assert "Nothing was imported yet" in researcher_client.get("/p/helpful/import-export/past/").content.decode()
    for number in range(51):
        job = jobs.request_job(project=project, kind="import", params={"upload": number + 1}, user=None)
        Upload.objects.create(project=project, job=job, filename=f"f{number}", path="x", sha256="0", size=1)
    page = researcher_client.get("/p/helpful/import-export/past/").content.decode()
    assert "1 to 50 of 51" in page and "somebody who left" in page


def test_the_limit_is_said_before(researcher_client: Client, settings: Any) -> None:
    settings.IMPORT_MB = 77
    page = researcher_client.get(START).content.decode()
    assert "Up to 77 MB" in page and f'data-limit="{import_files.limit()}"' in page
