"""The pages of rubrics: who may, what is refused beside which field, and that no version is ever changed."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import AuditEvent, Project
from annotate.design.rubrics import READY
from annotate.models import Protocol, Rubric

pytestmark = pytest.mark.django_db
PAGE = "/p/helpful/rubrics/"
FORM = {
    "act": "save", "base": "0", "count": "1", "title": "Clear answers", "d0-key": "", "d0-name": "Clarity",
    "d0-question": "Is it clear?", **{f"d0-level{level}": f"level {level}" for level in range(1, 6)},
}  # fmt: skip


def test_who_may_open_it(
    researcher_client: Client, owner_client: Client, reviewer_client: Client, annotator_client: Client,
    outsider_client: Client,
) -> None:  # fmt: skip
    for page in (PAGE, f"{PAGE}new/", f"{PAGE}new/?from=menlo"):
        assert [one.get(page).status_code for one in (researcher_client, owner_client)] == [200, 200]
        assert [one.get(page).status_code for one in (reviewer_client, annotator_client)] == [403, 403]
        assert outsider_client.get(page).status_code == 404
    assert annotator_client.post(f"{PAGE}new/", FORM).status_code == 403
    assert not Rubric.objects.exists()


def test_a_new_rubric_and_its_next_version(project: Project, researcher_client: Client) -> None:
    assert researcher_client.post(f"{PAGE}new/", FORM).headers["Location"] == PAGE
    first = Rubric.objects.get()
    assert (first.name, first.version, first.title) == ("clear-answers", 1, "Clear answers")
    assert first.dimensions == [{
        "key": "clarity", "name": "Clarity", "question": "Is it clear?",
        "levels": [f"level {level}" for level in range(1, 6)],
    }]  # fmt: skip
    changed = {**FORM, "base": "1", "d0-key": "clarity", "d0-name": "How clear"}
    researcher_client.post(f"{PAGE}clear-answers/", changed)
    newest = Rubric.objects.order_by("-version")[0]
    assert (newest.version, newest.dimensions[0]["key"], newest.dimensions[0]["name"]) == (2, "clarity", "How clear")
    first.refresh_from_db()
    assert first.dimensions[0]["name"] == "Clarity"
    events = AuditEvent.objects.filter(project=project, action="rubric.saved").order_by("pk")
    assert [event.data for event in events] == [{"version": 1}, {"version": 2}]
    assert b"How clear" in researcher_client.get(f"{PAGE}clear-answers/").content
    assert b"How clear" not in researcher_client.get(f"{PAGE}clear-answers/v1/").content


def test_the_same_form_twice_is_one_version(researcher_client: Client) -> None:
    for _ in range(2):
        assert researcher_client.post(f"{PAGE}new/", FORM).status_code == 302
    again = {**FORM, "base": "1", "title": "Clear answers, better"}
    for _ in range(2):
        assert researcher_client.post(f"{PAGE}clear-answers/", again).status_code == 302
    assert [one.version for one in Rubric.objects.order_by("version")] == [1, 2]
    assert AuditEvent.objects.filter(action="rubric.saved").count() == 2


def test_somebody_else_was_quicker(researcher_client: Client) -> None:
    researcher_client.post(f"{PAGE}new/", FORM)
    researcher_client.post(f"{PAGE}clear-answers/", {**FORM, "base": "1", "title": "Of the other"})
    mine = {**FORM, "base": "1", "title": "Of mine"}
    refused = researcher_client.post(f"{PAGE}clear-answers/", mine)
    assert refused.status_code == 422
    assert b"Version 2 was saved meanwhile" in refused.content and b"Of mine" in refused.content
    assert b'name="base" value="2"' in refused.content
    assert researcher_client.post(f"{PAGE}clear-answers/", {**mine, "base": "2"}).status_code == 302
    assert list(Rubric.objects.order_by("version").values_list("title", flat=True))[1:] == ["Of the other", "Of mine"]
    # A base from the future leaves no gap.
    researcher_client.post(f"{PAGE}clear-answers/", {**FORM, "base": "40"})
    assert Rubric.objects.order_by("-version")[0].version == 4


def test_a_name_that_is_taken_belongs_to_the_title(researcher_client: Client) -> None:
    researcher_client.post(f"{PAGE}new/", FORM)
    refused = researcher_client.post(f"{PAGE}new/", {**FORM, "d0-name": "Other"})
    assert refused.status_code == 422
    assert "There is one called “Clear answers, version 1” already." in refused.content.decode()
    assert researcher_client.post(f"{PAGE}new/", {**FORM, "title": "نقية"}).status_code == 422
    assert researcher_client.post(f"{PAGE}new/", {**FORM, "title": "New"}).status_code == 302
    assert researcher_client.get(f"{PAGE}new-1/").status_code == 200


@pytest.mark.parametrize(
    ("wrong", "field", "words"),
    [
        ({"title": " "}, "title", "The title is empty."),
        ({"title": "x" * 121}, "title", "The title has 121 characters, 120 are allowed."),
        ({"d0-name": ""}, "d0-name", "The name is empty."),
        ({"d0-level3": "  "}, "d0-level3", "Describe this level."),
        ({"d0-level5": "y" * 301}, "d0-level5", "The description has 301 characters"),
        ({"d0-question": "a\x00b"}, "d0-question", "holds a NUL character"),
        ({"count": "0"}, "", "A rubric has 1 to 8 dimensions."),
        ({"count": "-3"}, "", "A rubric has 1 to 8 dimensions."),
        ({"count": "99999"}, "", "A rubric has 1 to 8 dimensions."),
    ],
)
def test_what_is_wrong_stands_beside_its_field(
    researcher_client: Client, wrong: dict[str, str], field: str, words: str
) -> None:
    refused = researcher_client.post(f"{PAGE}new/", {**FORM, **wrong})
    page = refused.content.decode()
    assert refused.status_code == 422 and words in page
    assert not field or f'id="e-{field}">' in page
    assert field == "title" or "Clear answers" in page  # what was typed comes back
    assert not Rubric.objects.exists()


def test_buttons_add_move_and_remove_without_saving(researcher_client: Client) -> None:
    two = {**FORM, "count": "2", "d1-name": "Second", **{f"d1-level{n}": f"b{n}" for n in range(1, 6)}}

    def names(act: str, form: dict[str, str] = two) -> list[str]:
        rows: list[dict[str, Any]] = researcher_client.post(f"{PAGE}new/", {**form, "act": act}).context["rows"]
        return [row["title"] for row in rows]

    assert names("add") == ["Clarity", "Second", ""]
    assert names("down-0") == names("up-1") == ["Second", "Clarity"]
    assert names("up-0") == names("down-1") == names("remove-7") == names("nonsense") == ["Clarity", "Second"]
    assert names("remove-0") == ["Second"]
    assert names("remove-0", FORM) == ["Clarity"]  # the last one stays
    assert not Rubric.objects.exists()


def test_htmx_gets_the_parts(researcher_client: Client) -> None:
    headers = {"HX-Request": "true"}
    preview = researcher_client.post(f"{PAGE}new/", {**FORM, "act": "preview"}, headers=headers)
    assert b"As annotators see it" in preview.content and b"level 5" in preview.content
    assert b"<form" not in preview.content and b"<html" not in preview.content
    editor = researcher_client.post(f"{PAGE}new/", {**FORM, "act": "add"}, headers=headers)
    assert b'id="editor"' in editor.content and b"hx-swap-oob" in editor.content
    saved = researcher_client.post(f"{PAGE}new/", FORM, headers=headers)
    assert saved.headers["HX-Redirect"] == PAGE


def test_texts_are_shown_as_texts(researcher_client: Client) -> None:
    evil = '<script>alert("x")</script>'
    page = researcher_client.post(f"{PAGE}new/", {**FORM, "act": "preview", "d0-name": evil, "d0-level1": evil})
    assert evil.encode() not in page.content and b"&lt;script&gt;" in page.content


def test_ready_ones_copies_and_what_is_not_there(project: Project, researcher_client: Client) -> None:
    researcher_client.post(f"{PAGE}new/", FORM)
    for slug, rubric in READY.items():
        assert rubric.title in researcher_client.get(f"{PAGE}new/?from={slug}").content.decode()
    assert b"Clear answers, copy" in researcher_client.get(f"{PAGE}new/?copy=clear-answers").content
    other = Project.objects.create(name="Other", slug="other")
    Rubric.objects.create(project=other, name="theirs", title="Theirs", dimensions=[])
    for page in ("new/?from=nothing", "new/?copy=theirs", "theirs/", "theirs/v1/", "clear-answers/v9/"):
        assert researcher_client.get(f"{PAGE}{page}").status_code == 404, page
    assert b"Theirs" not in researcher_client.get(PAGE).content


def test_the_list_tells_which_protocols_use_it(project: Project, researcher_client: Client) -> None:
    researcher_client.post(f"{PAGE}new/", FORM)
    rubric = Rubric.objects.get()
    options = {"rubric": {"title": rubric.title, "dimensions": rubric.dimensions}, "name": rubric.name, "version": 1}
    Protocol.objects.create(
        project=project, name="rate", title="Rate them", steps=[{"kind": "rubric", "options": options}]
    )
    assert b"Rate them v1" in researcher_client.get(PAGE).content
