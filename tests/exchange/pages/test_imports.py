"""The pages of an import: what is sent, what is said of it, who may, and what a forged or repeated form does."""

import gzip
import json
import os
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from accounts.models import Membership, Project, User
from annotate.models import Feedback, Prompt
from exchange.models import Upload
from exchange.pages import import_files
from registry import jobs
from registry.models import Job
from tests.conftest import logged_in
from tests.factories import make_model

State = Upload.State
START = "/p/helpful/import/"


def line(number: int, **values: Any) -> dict[str, Any]:
    return {
        "instruction": f"How do I cook beans? ({number})", "output_1": "Soak them first.", "output_2": "Open a tin.",
        "preference": 1 + number % 2, "lang": "en", "model_1": "base-7b", "model_2": "tuned-7b", "ann_id": "w1",
        **values,
    }  # fmt: skip


def jsonl(rows: list[dict[str, Any]]) -> bytes:
    return ("\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n").encode()


ROWS = [line(number) for number in range(8)]


@pytest.fixture(autouse=True)
def artifacts(settings: Any, tmp_path: Path) -> Path:
    settings.ARTIFACTS = tmp_path
    return tmp_path


def files(folder: Path) -> list[Path]:
    return [path for path in (folder / "uploads").glob("*") if path.is_file()]


def send(client: Client, content: bytes, name: str = "battles.jsonl", **extra: Any) -> Any:
    return client.post(START, {"file": SimpleUploadedFile(name, content)}, **extra)


def sent(client: Client, content: bytes = jsonl(ROWS), name: str = "battles.jsonl") -> Upload:
    response = send(client, content, name)
    assert response.status_code == 302, response.content.decode()
    return Upload.objects.get(pk=int(response["Location"].rstrip("/").rsplit("/", 1)[1]))


def page_of(upload: Upload) -> str:
    return f"{START}{upload.pk}/"


def posted(client: Client, upload: Upload, **fields: Any) -> dict[str, Any]:
    """The form as the page holds it, with `fields` changed."""
    look = client.get(page_of(upload)).context["look"]
    form: dict[str, Any] = {f"column-{row.number}": row.chosen for row in look.rows}
    for row in look.rows:
        for place, one in enumerate(row.values):
            form |= {f"value-{row.number}-{place}": one.text, f"means-{row.number}-{place}": one.means}
    form |= {"format": look.wish.format, "raters": "auto", "source": "battles", "as_tasks": "0", "lang": "en"}
    return form | {"on_bad": "skip", "request_key": str(uuid.uuid4())} | fields


def number_of(client: Client, upload: Upload, name: str) -> int:
    rows = client.get(page_of(upload)).context["look"].rows
    return int(next(row.number for row in rows if row.column.name == name))


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


# --- Mapping and check ------------------------------------------------------------------------------------------


def test_a_check_writes_nothing_and_says_what_would_be(researcher_client: Client) -> None:
    upload = sent(researcher_client)
    response = researcher_client.get(page_of(upload))
    check = response.context["check"]
    assert (check.lines, check.fits, check.bad, check.counts.votes, check.counts.prompts) == (8, 8, 0, 8, 8)
    assert "Import 8 lines" in response.content.decode()
    assert not Prompt.objects.exists() and not Feedback.objects.exists()
    upload.refresh_from_db()
    assert upload.state == State.CHECKED and upload.format and upload.mapping["columns"]["instruction"] == "prompt"


def test_a_compressed_file_is_read(researcher_client: Client) -> None:
    upload = sent(researcher_client, gzip.compress(jsonl(ROWS)), "battles.jsonl.gz")
    assert researcher_client.get(page_of(upload)).context["check"].fits == 8


def test_bad_lines_are_shown_where_and_why_and_can_be_downloaded(researcher_client: Client) -> None:
    content = jsonl([line(0), line(1, preference=1.5)]) + b'{"instruction": "torn\n' + jsonl([line(2)])
    upload = sent(researcher_client, content)
    response = researcher_client.get(page_of(upload))
    page = response.content.decode()
    assert "2 of 4 lines can be imported" in page and "2 lines cannot be read" in page
    assert [one.line for one in response.context["problems"]] == [2, 3]
    assert "preference is 1.5" in page
    report = researcher_client.get(f"{page_of(upload)}report/").content.decode().splitlines()
    assert report[0] == "line,column,reason,there" and report[1].startswith("2,preference,")
    refused = researcher_client.post(page_of(upload), posted(researcher_client, upload, on_bad="refuse", act="import"))
    assert refused.status_code == 422 and "Import is off: 2 lines cannot be read" in refused.content.decode()
    assert not Job.objects.exists()


def test_a_report_holds_no_formula(researcher_client: Client) -> None:
    upload = sent(researcher_client, jsonl([line(0), line(1, preference="=cmd()")]))
    there = researcher_client.get(f"{page_of(upload)}report/").content.decode()
    assert ",=" not in there and ',"=' not in there


def test_a_value_that_nobody_knew_is_explained_and_kept(researcher_client: Client) -> None:
    upload = sent(researcher_client, jsonl([line(0), line(1, preference=1.5)]))
    number = number_of(researcher_client, upload, "preference")
    form = posted(researcher_client, upload)
    place = next(key for key, value in form.items() if key.startswith(f"value-{number}") and value == "1.5")
    form[place.replace("value", "means")] = "a1"
    response = researcher_client.post(page_of(upload), form, headers={"HX-Request": "true"})
    page = response.content.decode()
    assert response.context["check"].bad == 0 and "<html" not in page and 'hx-swap-oob="true"' in page
    again = researcher_client.get(page_of(upload)).context  # from the row: the page can be opened again
    assert again["check"].bad == 0 and again["wish"].mapping.columns["preference"].values["1.5"] == "a1"


def test_a_meaning_that_is_none_is_refused(researcher_client: Client) -> None:
    upload = sent(researcher_client)
    number = number_of(researcher_client, upload, "preference")
    form = posted(researcher_client, upload, **{f"means-{number}-0": "z9", "act": "import"})
    response = researcher_client.post(page_of(upload), form)
    assert response.status_code == 422 and "is not a meaning" in response.content.decode()


def test_the_usual_words_are_not_kept_as_translations(researcher_client: Client) -> None:
    upload = sent(researcher_client)
    researcher_client.post(page_of(upload), posted(researcher_client, upload))
    upload.refresh_from_db()
    assert upload.mapping["columns"]["preference"] == "winner"


def test_a_column_that_is_left_out_is_not_read(researcher_client: Client) -> None:
    upload = sent(researcher_client)
    number = number_of(researcher_client, upload, "preference")
    form = posted(researcher_client, upload, **{f"column-{number}": "skip"})
    response = researcher_client.post(page_of(upload), form)
    assert response.context["check"].counts.votes == 0 and response.context["look"].ready
    form["act"] = "import"
    assert researcher_client.post(page_of(upload), form).status_code == 302


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("column-0", "emperor", "is not something a column can become"),
        ("column-0", "response:z", "needs the answer that it is about"),
        ("column-0", "winner(x=y)", "Choose one of the list"),
        ("column-0", "rating:a:" + "n" * 90, "Choose one of the list"),
        ("format", "punch-cards", "There is no format"),
        ("raters", "everybody", "is no choice here"),
        ("on_bad", "shrug", "is no choice here"),
        ("lang", "no language\x00", "is no language code"),
        ("wanted", "-3", "is not a whole number from 1"),
        ("wanted", "99999999999999", "is not a whole number from 1"),
        ("protocol", "99999", "not in the project any more"),
        ("source", "x" * 200, "80 characters"),
    ],
)
def test_forged_fields_get_a_sentence_and_nothing_is_imported(
    researcher_client: Client, field: str, value: str, words: str
) -> None:
    upload = sent(researcher_client)
    form = posted(researcher_client, upload, act="import", as_tasks="1", **{field: value})
    response = researcher_client.post(page_of(upload), form)
    assert response.status_code == 422
    assert words in response.content.decode()
    assert not Job.objects.exists()


def test_a_model_of_the_file_may_be_one_that_is_here(researcher_client: Client, project: Project) -> None:
    make_model(project, "base")
    upload = sent(researcher_client)
    form = posted(researcher_client, upload, **{"model-0": "base-7b", "is-0": "base"})
    response = researcher_client.post(page_of(upload), form)
    assert response.context["check"].counts.models_new == 1
    forged = researcher_client.post(page_of(upload), {**form, "is-0": "the moon"})
    assert "There is no model" in forged.content.decode()


def test_another_format_begins_the_mapping_anew(researcher_client: Client) -> None:
    rows = [
        {"chosen": f"\n\nHuman: {n}?\n\nAssistant: yes", "rejected": f"\n\nHuman: {n}?\n\nAssistant: no"} for n in "ab"
    ]
    upload = sent(researcher_client, jsonl(rows))
    first = researcher_client.get(page_of(upload)).context["look"]
    assert first.wish.format == "hh-rlhf"
    response = researcher_client.post(page_of(upload), posted(researcher_client, upload, format="jsonl"))
    assert response.context["wish"].format == "jsonl"
    upload.refresh_from_db()
    assert upload.format == "jsonl"


@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\x1a\n\x00\x00", b"\xff\xfe\x00\x01" * 9, b"{}\n", b"just words\n", b"\n\n"]
)
def test_what_is_no_table_gets_a_sentence_and_no_button(researcher_client: Client, content: bytes) -> None:
    upload = sent(researcher_client, content, "strange.jsonl")
    response = researcher_client.get(page_of(upload))
    page = response.content.decode()
    assert response.status_code == 200 and not response.context["look"].ready
    assert 'value="import" disabled' in page


def test_a_long_file_is_checked_in_part_and_says_so(researcher_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exchange.pages.import_look.LINES", 5)
    monkeypatch.setattr("exchange.pages.imports.LINES", 5)
    upload = sent(researcher_client)
    page = researcher_client.get(page_of(upload)).content.decode()
    assert "The first 5 lines, which were checked, can be imported" in page
    assert "the import checks them all" in page and "Import the whole file" in page


def test_the_next_line_is_shown_alone(researcher_client: Client) -> None:
    upload = sent(researcher_client)
    form = posted(researcher_client, upload, act="sample", go="2")
    page = researcher_client.post(page_of(upload), form, headers={"HX-Request": "true"}).content.decode()
    assert "Line 3, as annotators will see it" in page and 'id="checked"' not in page
    beyond = researcher_client.post(page_of(upload), {**form, "go": "999"}, headers={"HX-Request": "true"})
    assert "Line 8, as annotators will see it" in beyond.content.decode()


def test_texts_of_the_file_are_not_markup(researcher_client: Client) -> None:
    evil = "<script>alert(1)</script>"
    upload = sent(
        researcher_client, jsonl([line(0, instruction=evil, output_1=evil, model_1=evil, ann_id=evil)]), f"{evil}.jsonl"
    )
    assert evil not in researcher_client.get(page_of(upload)).content.decode()


# --- The import -------------------------------------------------------------------------------------------------


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
