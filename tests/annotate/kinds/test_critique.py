"""critique: what is stored, and that no forged span, label or text gets through."""

import json
import uuid
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from accounts.models import Project
from annotate import services
from annotate.kinds import AnswerError, Shown, critique
from annotate.models import Assignment, Feedback, Task
from tests.factories import make_prompt, make_response

TEXT = "Soak 🫘 them.\r\nإضافة الملح."
MARK = {"start": 5, "end": 6, "quote": "🫘", "label": "style", "severity": "minor", "comment": "Why a picture?"}


def parse(marks: Any = (), options: critique.CritiqueOptions | None = None, **texts: str) -> dict[str, Any]:
    data = {"marks": marks if isinstance(marks, str) else json.dumps(list(marks)), **texts}
    return critique.parse(data, Shown(order=[0], texts=[TEXT], options=options)).value


def test_a_mark_is_stored_in_code_points() -> None:
    value = parse([MARK])
    assert value == {"marks": [MARK], "strengths": "", "weaknesses": "", "refinement": ""}
    assert TEXT[value["marks"][0]["start"] : value["marks"][0]["end"]] == "🫘"


def test_marks_come_in_the_order_of_the_text_and_may_overlap() -> None:
    wide = {"start": 0, "end": len(TEXT), "quote": TEXT, "label": "unclear", "severity": "major"}
    assert [mark["label"] for mark in parse([MARK, wide])["marks"]] == ["unclear", "style"]


def test_praise_has_no_severity() -> None:
    marks = parse([{**MARK, "label": "good", "severity": "critical"}])["marks"]
    assert marks[0]["severity"] == ""


def test_unknown_keys_of_a_mark_are_not_stored() -> None:
    assert set(parse([{**MARK, "evil": "<script>"}])["marks"][0]) == set(MARK)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"start": -1}, "does not lie in the text"),
        ({"end": len(TEXT) + 1}, "does not lie in the text"),
        ({"start": 6}, "does not lie in the text"),
        ({"start": 7, "end": 5}, "does not lie in the text"),
        ({"start": True, "end": 2}, "does not lie in the text"),
        ({"start": 5.0}, "does not lie in the text"),
        ({"start": "5"}, "does not lie in the text"),
        ({"start": None}, "does not lie in the text"),
        ({"end": 10**400}, "does not lie in the text"),
        ({"quote": "them"}, "its words stand elsewhere"),
        ({"quote": None}, "its words stand elsewhere"),
        ({"start": 5, "end": 7}, "its words stand elsewhere"),
        ({"label": "evil"}, "has the label 'evil'"),
        ({"label": ["style"]}, "has the label"),
        ({"severity": "lethal"}, "has no severity"),
        ({"severity": ""}, "has no severity"),
        ({"severity": {}}, "has no severity"),
        ({"comment": "a" * 2_001}, "The comment of mark 1 has 2,001 characters"),
        ({"comment": "a\x00b"}, "NUL"),
        ({"comment": "\ud800"}, "arrived damaged"),
    ],
)
def test_a_forged_mark_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(AnswerError, match=words):
        parse([{**MARK, **change}])


@pytest.mark.parametrize("raw", ["{", "{}", "[1]", '"a"', "null", "[" * 100_000, "[NaN]", '[{"start": NaN}]', "true"])
def test_what_is_no_list_of_marks_is_refused(raw: str) -> None:
    with pytest.raises(AnswerError):
        parse(raw)


def test_there_is_a_most() -> None:
    assert len(parse([MARK] * 200)["marks"]) == 200
    with pytest.raises(AnswerError, match="There are 201 marks, 200 are allowed"):
        parse([MARK] * 201)


def test_nothing_said_is_no_answer() -> None:
    with pytest.raises(AnswerError, match="Nothing is said yet"):
        parse("", strengths=" ", refinement="\n")
    with pytest.raises(AnswerError, match="Nothing is said yet"):
        parse("", critique.CritiqueOptions(dimensions=["helpful"]), **{"dimension-0": " "})


@pytest.mark.parametrize("name", ["strengths", "weaknesses", "refinement"])
def test_any_one_text_is_enough_and_has_a_most(name: str) -> None:
    assert parse(**{name: " Right. "})[name] == "Right."
    with pytest.raises(AnswerError, match="10,001 characters, 10,000 are allowed"):
        parse(**{name: "a" * 10_001})


def test_a_critical_mark_needs_a_change() -> None:
    critical = {**MARK, "severity": "critical"}
    with pytest.raises(AnswerError, match="A critical mark needs a change"):
        parse([critical], weaknesses="Wrong.")
    assert parse([critical], refinement="Leave it out.")["refinement"] == "Leave it out."
    assert parse([critical], critique.CritiqueOptions(needs_refinement=False))["marks"]


def test_dimensions_have_a_field_each() -> None:
    options = critique.CritiqueOptions(dimensions=["helpful", "honest", "harmless"])
    value = parse("", options, **{"dimension-0": "Answers.", "dimension-2": "Says nothing of salt."})
    assert value["dimensions"] == {"helpful": "Answers.", "harmless": "Says nothing of salt."}
    assert critique.say(value) == "a critique"


def test_own_labels() -> None:
    options = critique.CritiqueOptions(labels=["wrong", "praise", "odd"], praise=["praise"])
    shown = critique.context(Shown(order=[0], texts=[TEXT], options=options))["labels"]
    assert [label["colour"] for label in shown] == ["k-fact", "k-good", "k-unclear"]
    with pytest.raises(AnswerError, match="There are wrong, praise, odd"):
        parse([MARK], options)


@pytest.mark.parametrize("labels", [[], ["a", "a"], [" "], ["a" * 41], [str(n) for n in range(10)]])
def test_labels_that_cannot_be_told_apart_are_refused(labels: list[str]) -> None:
    with pytest.raises(ValidationError):
        critique.CritiqueOptions(labels=labels)


def test_in_words() -> None:
    critical = {**MARK, "severity": "critical"}
    assert critique.say(parse([MARK])) == "1 mark"
    value = parse([MARK, critical], strengths="Short.", refinement="Leave it out.")
    assert critique.say(value) == "2 marks, 1 critical; a critique; a change asked for"


@given(st.data())
def test_the_fields_give_the_value_again(data: st.DataObject) -> None:
    text = data.draw(st.text(alphabet="a 🫘\r\né\u0301א", min_size=1))
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    mark = {**MARK, "start": start, "end": end, "quote": text[start:end]}
    shown = Shown(order=[0], texts=[text])
    value = critique.parse({"marks": json.dumps([mark]), "weaknesses": "Odd."}, shown).value
    assert value["marks"][0]["quote"] == text[start:end]
    assert critique.parse(critique.fields(value, shown), shown).value == value


# --- Over HTTP ---------------------------------------------------------------------------------------------


@pytest.fixture
def task(project: Project) -> Task:
    prompt = make_prompt(project)
    return services.create_task(prompt=prompt, responses=[make_response(prompt, TEXT)], kind="critique")


@pytest.mark.django_db
def test_a_forged_span_is_refused_and_the_draft_comes_back(task: Task, annotator_client: Client) -> None:
    annotator_client.get("/p/helpful/annotate/")
    address = f"/p/helpful/annotate/{Assignment.objects.get().pk}/"
    forged = json.dumps([{**MARK, "start": 0, "end": 1}])
    sent = {"marks": forged, "weaknesses": "Too short.", "idempotency_key": str(uuid.uuid4())}
    response = annotator_client.post(address, sent)
    assert response.status_code == 422
    page = response.content.decode()
    assert "does not fit the text of the answer" in page
    assert "Too short." in page
    assert not Feedback.objects.exists()
    sent = {"marks": json.dumps([MARK]), "weaknesses": "Too short.", "idempotency_key": str(uuid.uuid4())}
    assert annotator_client.post(address, sent).status_code == 302
    assert Feedback.objects.get().value["marks"] == [MARK]


@pytest.mark.django_db
def test_the_text_is_shown_letter_by_letter(project: Project, annotator_client: Client) -> None:
    prompt = make_prompt(project)
    hostile = "**bold** <script>alert(1)</script> \"'&amp;"
    services.create_task(prompt=prompt, responses=[make_response(prompt, hostile)], kind="critique")
    page = annotator_client.get("/p/helpful/annotate/").content.decode()
    assert "**bold** &lt;script&gt;alert(1)&lt;/script&gt; &quot;&#x27;&amp;amp;</div>" in page
