"""The pages of protocols: who may, what is stored, what is refused with which words, and the desk to try on."""

from html.parser import HTMLParser
from typing import Any

import pytest
import yaml
from django.test import Client

from accounts.models import AuditEvent, Project
from annotate.design.protocol_presets import offered
from annotate.design.protocols import parse_steps
from annotate.design.rubrics import READY
from annotate.kinds import KINDS
from annotate.models import Assignment, Feedback, Protocol, Rubric
from tests.factories import make_task

pytestmark = pytest.mark.django_db
PAGE = "/p/helpful/protocols/"
FORM = {
    "act": "save", "base": "0", "count": "1", "title": "Compare them", "s0-kind": "pairwise", "s0-was": "pairwise",
    "s0-of": "all", "s0-question": "", "s0-pairwise-both_bad": "on", "s0-pairwise-dimensions": "helpful\r\n honest \n",
    "s0-pairwise-reasons": "",
}  # fmt: skip
RUBRIC = {
    "act": "save", "base": "0", "count": "1", "title": "Rate", "s0-kind": "rubric", "s0-was": "rubric", "s0-of": "all",
    "s0-rubric-rubric": "own:clear:1",
}  # fmt: skip


@pytest.fixture
def rubric(project: Project) -> Rubric:
    dimensions = [one.model_dump() for one in READY["menlo"].dimensions[:2]]
    return Rubric.objects.create(project=project, name="clear", title="Clear", dimensions=dimensions)


def with_yaml(text: Any, **values: str) -> dict[str, str]:
    dumped = text if isinstance(text, str) else yaml.safe_dump(text, allow_unicode=True)
    return {**FORM, "take": "yaml", "yaml": dumped, **values}


def test_who_may_open_it(
    project: Project, researcher_client: Client, owner_client: Client, reviewer_client: Client,
    annotator_client: Client, outsider_client: Client,
) -> None:  # fmt: skip
    Protocol.objects.create(project=project, name="one", title="One", steps=[{"kind": "pairwise"}])
    for page in (PAGE, f"{PAGE}new/", f"{PAGE}one/", f"{PAGE}one/v1/", f"{PAGE}one/v1/try/"):
        assert [one.get(page).status_code for one in (researcher_client, owner_client)] == [200, 200]
        assert [one.get(page).status_code for one in (reviewer_client, annotator_client)] == [403, 403]
        assert outsider_client.get(page).status_code == 404
    assert annotator_client.post(f"{PAGE}new/", FORM).status_code == 403
    assert Protocol.objects.count() == 1


def test_a_new_protocol_and_its_next_version(project: Project, researcher_client: Client) -> None:
    assert researcher_client.post(f"{PAGE}new/", FORM).headers["Location"] == PAGE
    first = Protocol.objects.get()
    options = {"both_bad": True, "dimensions": ["helpful", "honest"], "reasons": []}
    assert (first.name, first.version) == ("compare-them", 1)
    assert first.steps == [{"kind": "pairwise", "of": "all", "question": "", "options": options}]
    task = make_task(project, protocol=first)
    changed = {**FORM, "base": "1", "s0-question": "Which is kinder?", "s0-pairwise-both_bad": ""}
    for _ in range(2):  # a double click
        assert researcher_client.post(f"{PAGE}compare-them/", changed).status_code == 302
    assert list(Protocol.objects.order_by("version").values_list("version", flat=True)) == [1, 2]
    newest = Protocol.objects.get(version=2)
    assert newest.steps[0]["question"] == "Which is kinder?" and newest.steps[0]["options"]["both_bad"] is False
    task.refresh_from_db()
    assert task.protocol == first
    assert AuditEvent.objects.filter(project=project, action="protocol.saved").count() == 2
    listed = researcher_client.get(PAGE).content.decode()
    assert "“Which is kinder?”" in listed and "v1" in listed


def test_a_rubric_is_written_into_the_protocol(researcher_client: Client, rubric: Rubric) -> None:
    researcher_client.post(f"{PAGE}new/", RUBRIC)
    saved = Protocol.objects.get()
    options = saved.steps[0]["options"]
    assert (options["name"], options["version"]) == ("clear", 1)
    assert options["rubric"] == {"title": "Clear", "dimensions": rubric.dimensions}
    page = researcher_client.get(f"{PAGE}rate/").content.decode()
    assert '<option value="own:clear:1" selected>' in page
    Rubric.objects.all().delete()  # the protocol still knows what was asked, and can be edited
    page = researcher_client.get(f"{PAGE}rate/").content.decode()
    assert '<option value="kept" selected>Clear, as it was written here</option>' in page
    (kept,) = researcher_client.get(f"{PAGE}rate/").context["rows"][0]["controls"]
    again = {**RUBRIC, "base": "1", "s0-rubric-rubric": "kept", "s0-rubric-rubric-kept": kept.kept, "s0-of": "first"}
    assert researcher_client.post(f"{PAGE}rate/", again).status_code == 302
    assert Protocol.objects.get(version=2).steps[0]["options"]["rubric"] == options["rubric"]


@pytest.mark.parametrize("forged", ["own:clear:2", "own:theirs:1", "own:clear:x", "ready:none", "", "kept", "own"])
def test_a_rubric_that_is_not_there(project: Project, researcher_client: Client, rubric: Rubric, forged: str) -> None:
    other = Project.objects.create(name="Other", slug="other")
    Rubric.objects.create(project=other, name="theirs", title="Theirs", dimensions=rubric.dimensions)
    refused = researcher_client.post(f"{PAGE}new/", {**RUBRIC, "s0-rubric-rubric": forged})
    assert refused.status_code == 422 and b"error" in refused.content
    assert not Protocol.objects.exists()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"title": ""}, "The title is empty."),
        ({"title": "x" * 121}, "121 characters, 120 are allowed"),
        ({"title": "؟"}, "needs a letter from a to z"),
        ({"s0-kind": "nothing"}, "is not a kind of feedback"),
        ({"s0-of": "winner"}, "no earlier step compares the responses"),
        ({"s0-of": "elsewhere"}, "of: Input should be"),
        ({"s0-question": "x" * 201}, "at most 200 characters"),
        ({"s0-pairwise-dimensions": "\n".join("abcdefg")}, "List should have at most 6 items"),
        ({"count": "0"}, "A protocol is a list of 1 to 6 steps."),
        ({"count": "2", "s1-kind": "chat", "s1-was": "chat"}, "has to be the only step"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_lost(
    researcher_client: Client, wrong: dict[str, str], words: str
) -> None:
    refused = researcher_client.post(f"{PAGE}new/", {**FORM, **wrong})
    assert refused.status_code == 422 and words in refused.content.decode()
    assert b"honest" in refused.content or "s0-kind" in wrong or "count" in wrong or "s0-pairwise-dimensions" in wrong
    assert not Protocol.objects.exists()


def test_each_kind_has_a_form_that_gives_its_options_again(researcher_client: Client) -> None:
    for slug, kind in KINDS.items():
        form = {"act": "kind", "base": "0", "count": "1", "title": slug, "s0-kind": slug, "s0-was": "", "s0-of": "all"}
        rows = researcher_client.post(f"{PAGE}new/", form).context["rows"]
        for control in rows[0]["controls"]:
            value = ("on" if control.value else "") if control.kind == "check" else control.value
            form[control.name] = "" if value is None else str(value)
        saved = researcher_client.post(f"{PAGE}new/", {**form, "act": "save", "s0-was": slug})
        assert saved.status_code == 302, (slug, saved.context["problems"])
        stored = Protocol.objects.get(name=slug).steps[0]["options"]
        assert stored == kind.options().model_dump(mode="json"), slug


def test_a_change_of_kind_brings_its_options(researcher_client: Client) -> None:
    changed = researcher_client.post(f"{PAGE}new/", {**FORM, "act": "kind", "s0-kind": "rubric"})
    assert changed.status_code == 200
    assert [one.name for one in changed.context["rows"][0]["controls"]] == ["s0-rubric-rubric"]
    assert not Protocol.objects.exists()


def test_buttons_add_move_and_remove(researcher_client: Client) -> None:
    two = {**FORM, "count": "2", "s1-kind": "rubric", "s1-was": "rubric", "s1-rubric-rubric": "ready:summaries"}

    def kinds(act: str, form: dict[str, str] = two) -> list[str]:
        rows: list[dict[str, Any]] = researcher_client.post(f"{PAGE}new/", {**form, "act": act}).context["rows"]
        return [row["kind"] for row in rows]

    assert kinds("add") == ["pairwise", "rubric", next(iter(KINDS))]
    assert kinds("down-0") == kinds("up-1") == ["rubric", "pairwise"]
    assert kinds("remove-0") == ["rubric"] and kinds("remove-0", FORM) == ["pairwise"]
    moved = researcher_client.post(f"{PAGE}new/", {**two, "act": "up-1"})
    assert moved.context["rows"][0]["controls"][0].value == "ready:summaries"
    assert moved.context["rows"][1]["controls"][1].value == "helpful\nhonest"


def test_the_same_thing_as_yaml(researcher_client: Client) -> None:
    shown = researcher_client.post(f"{PAGE}new/", {**FORM, "act": "check"}).context["yaml"]
    assert yaml.safe_load(shown)["steps"][0]["options"]["dimensions"] == ["helpful", "honest"]
    researcher_client.post(f"{PAGE}new/", with_yaml(shown))
    researcher_client.post(f"{PAGE}new/", {**FORM, "title": "By form"})
    by_yaml, by_form = Protocol.objects.order_by("pk")
    assert by_yaml.steps == by_form.steps
    for preset in offered():  # what is written as YAML comes back as it was
        page = researcher_client.get(f"{PAGE}new/?from={preset.slug}")
        assert researcher_client.post(f"{PAGE}new/", with_yaml(page.context["yaml"])).status_code == 302
        assert Protocol.objects.get(title=preset.title).steps == page.context["draft"].steps


class Fields(HTMLParser):
    """What a browser would post of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self.inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        if tag == "input" and (has.get("type") not in {"checkbox", "radio"} or "checked" in has):
            self.found[has.get("name", "")] = has.get("value", "on")
        if tag in {"textarea", "select"}:
            self.inside = has.get("name", "")
            self.found[self.inside] = ""
        if tag == "option" and ("selected" in has or not self.found[self.inside]):
            self.found[self.inside] = has.get("value", "")

    def handle_data(self, data: str) -> None:
        if self.lasttag == "textarea":
            self.found[self.inside] += data

    def handle_endtag(self, tag: str) -> None:
        self.lasttag = ""


def shown_in(client: Client, page: str) -> dict[str, str]:
    """The fields of an editor as a browser would post them."""
    parser = Fields()
    parser.feed(client.get(page).content.decode())
    return {**parser.found, "act": "save"}


@pytest.mark.parametrize("preset", [one.slug for one in offered()])
def test_yaml_that_was_edited_alone_is_taken(researcher_client: Client, preset: str) -> None:
    data = shown_in(researcher_client, f"{PAGE}new/?from={preset}")
    edited = yaml.safe_load(data["yaml"])
    edited["steps"][0]["question"] = "As it was typed?"
    typed = yaml.safe_dump(edited).replace("\n", "\r\n")
    assert researcher_client.post(f"{PAGE}new/", {**data, "title": "Mine", "yaml": typed}).status_code == 302
    saved = Protocol.objects.get()
    assert (saved.title, saved.steps[0]["question"]) == ("Mine", "As it was typed?")


def test_yaml_is_taken_by_the_buttons_too_and_a_form_that_was_changed_alone_holds(researcher_client: Client) -> None:
    data = shown_in(researcher_client, f"{PAGE}new/")
    typed = "title: By hand\nsteps:\n- kind: ranking\n"
    more = researcher_client.post(f"{PAGE}new/", {**data, "yaml": typed, "act": "add"})
    assert [row["kind"] for row in more.context["rows"]] == ["ranking", "pairwise"]
    assert more.context["draft"].title == "By hand"
    researcher_client.post(f"{PAGE}new/", {**data, "title": "Form", "s0-question": "As the form says?"})
    assert Protocol.objects.get().steps[0]["question"] == "As the form says?"


def test_a_form_and_a_yaml_that_were_both_changed_are_both_kept(researcher_client: Client) -> None:
    data = shown_in(researcher_client, f"{PAGE}new/")
    typed = "title: By hand\nsteps:\n- kind: ranking"
    both = {**data, "title": "By form", "s0-question": "As the form says?", "yaml": typed}
    for act in ("save", "check", "add"):  # whatever is pressed, neither is lost
        refused = researcher_client.post(f"{PAGE}new/", {**both, "act": act})
        assert "both changed" in refused.content.decode() and 'name="take"' in refused.content.decode()
        assert refused.context["yaml"] == typed and refused.context["yaml_was"] == data["yaml_was"].strip()
        assert refused.context["rows"][0]["question"] == "As the form says?"
    assert not Protocol.objects.exists()
    researcher_client.post(f"{PAGE}new/", {**both, "take": "form"})
    researcher_client.post(f"{PAGE}new/", {**both, "take": "yaml"})
    found = {one.title: one.steps[0]["kind"] for one in Protocol.objects.all()}
    assert found == {"By form": "pairwise", "By hand": "ranking"}


def test_a_fault_in_the_yaml_leaves_the_form_as_it_was(researcher_client: Client) -> None:
    data = shown_in(researcher_client, f"{PAGE}new/?from=compare-critique-edit")
    refused = researcher_client.post(f"{PAGE}new/", {**data, "yaml": "steps: ["})
    assert refused.status_code == 422 and refused.context["yaml"] == "steps: ["
    assert [row["kind"] for row in refused.context["rows"]] == ["pairwise", "critique", "edit"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("steps: [", "Line 1"),
        ("steps: 3", "A protocol is a list of 1 to 6 steps."),
        ("- kind: nothing", "&#x27;nothing&#x27; is not a kind of feedback"),
        ("- kind: pairwise\n  options: {both: 1}", "Extra inputs are not permitted"),
        ("- kind: rubric\n  of: loser", "no earlier step compares"),
        ("!!python/object/apply:os.system [ls]", "cannot be read"),
        ("", "A protocol is a list"),
    ],
)
def test_yaml_that_cannot_be_asked(researcher_client: Client, text: str, words: str) -> None:
    refused = researcher_client.post(f"{PAGE}new/", with_yaml(text))
    assert refused.status_code == 422 and words in refused.content.decode()
    assert refused.context["yaml"] == text or not text
    assert not Protocol.objects.exists()


def test_presets_can_be_saved_as_they_are(researcher_client: Client) -> None:
    for preset in offered():
        page = researcher_client.get(f"{PAGE}new/?from={preset.slug}")
        assert page.status_code == 200 and preset.title in page.content.decode()
        parse_steps(page.context["draft"].steps)
    assert researcher_client.get(f"{PAGE}new/?from=nothing").status_code == 404


def test_htmx_gets_the_editor_alone(researcher_client: Client) -> None:
    headers = {"HX-Request": "true"}
    editor = researcher_client.post(f"{PAGE}new/", {**FORM, "act": "add"}, headers=headers)
    assert b'id="editor"' in editor.content and b"<html" not in editor.content
    assert researcher_client.post(f"{PAGE}new/", FORM, headers=headers).headers["HX-Redirect"] == PAGE


def test_other_projects_are_not_here(project: Project, researcher_client: Client) -> None:
    other = Project.objects.create(name="Other", slug="other")
    Protocol.objects.create(project=other, name="theirs", title="Theirs", steps=[{"kind": "pairwise"}])
    for page in ("theirs/", "theirs/v1/", "theirs/v1/try/", "new/?copy=theirs"):
        assert researcher_client.get(f"{PAGE}{page}").status_code == 404, page


def test_try_it_stores_nothing(project: Project, researcher_client: Client) -> None:
    steps = [{"kind": "pairwise"}, {"kind": "rubric", "of": "loser"}]
    Protocol.objects.create(project=project, name="two", title="Two", steps=steps)
    page = researcher_client.get(f"{PAGE}two/v1/try/")
    assert "A try: nothing is stored." in page.content.decode()
    wrong = researcher_client.post(page.context["urls"]["answer"], {})
    assert wrong.status_code == 422 and b"Nothing is chosen yet" in wrong.content
    second = researcher_client.post(page.context["urls"]["answer"], {"strength": "2"})
    assert [one["letter"] for one in second.context["responses"]] == ["B"]
    ratings = {f"rate-{number}-0": "4" for number in range(4)}
    done = researcher_client.post(second.context["urls"]["answer"], ratings)
    assert "4.0 of 5 on average" in done.content.decode()
    assert not Assignment.objects.exists() and not Feedback.objects.exists()


def test_each_kind_can_be_tried(project: Project, researcher_client: Client) -> None:
    for slug in KINDS:
        Protocol.objects.create(project=project, name=slug, title=slug, steps=[{"kind": slug}])
        page = researcher_client.get(f"{PAGE}{slug}/v1/try/?step=99&best=77&worst=x")
        assert page.status_code == 200, slug
