"""The mapping and its check: what is said of a file, and what a forged form does."""

import gzip

import pytest
from django.test import Client

from accounts.models import Project
from annotate.models import Feedback, Prompt
from registry.models import Job
from tests.exchange.pages.uploads import ROWS, State, jsonl, line, number_of, page_of, posted, sent
from tests.factories import make_model


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
