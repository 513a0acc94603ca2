"""edit: what is stored, that the server counts for itself, and what it refuses."""

import uuid
from typing import Any

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from accounts.models import Project
from annotate import services
from annotate.kinds import AnswerError, Shown, edit
from annotate.models import Assignment, Feedback, Task
from annotate.worddiff import cost_of_edit
from tests.factories import make_prompt, make_response

DRAFT = "Soak them overnight.\nThen cook them."


def parse(text: str, draft: str = DRAFT, **more: Any) -> dict[str, Any]:
    options = more.pop("options", None)
    return edit.parse({"text": text, **more}, Shown(order=[0], texts=[draft], options=options)).value


def test_a_change_is_stored_with_its_cost() -> None:
    text = "Soak beans overnight.\nThen cook them slowly."
    assert parse(text) == {"text": text, "cost": 2, "accepted": False}


@pytest.mark.parametrize("text", [DRAFT, f"{DRAFT}\n", DRAFT.replace("\n", "\r\n"), f"  {DRAFT}"])
def test_the_same_text_is_accepted_as_the_draft_has_it(text: str) -> None:
    assert parse(text) == {"text": DRAFT, "cost": 0, "accepted": True}


def test_an_accepted_draft_keeps_its_own_line_ends() -> None:
    assert parse("One.\n\nTwo.\n", draft="One.\r\n\rTwo. ") == {"text": "One.\r\n\rTwo. ", "cost": 0, "accepted": True}


def test_new_spacing_is_a_change_that_costs_nothing() -> None:
    value = parse("Soak them overnight. Then cook them.")
    assert (value["cost"], value["accepted"]) == (0, False)
    assert edit.say(value) == "only the spacing changed"


def test_the_cost_of_the_form_is_not_believed() -> None:
    assert parse("Something else.", cost="0", accepted="true")["cost"] == cost_of_edit(DRAFT, "Something else.")


def test_the_reason_is_kept_where_it_is_asked() -> None:
    asks = edit.EditOptions(note=True)
    assert parse("Other.", options=asks, note=" Too long. ")["note"] == "Too long."
    assert "note" not in parse("Other.", options=asks)
    assert "note" not in parse("Other.", note="Not asked.")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, "is empty"),
        ({"text": " \r\n "}, "is empty"),
        ({"text": "a\x00b"}, "NUL character"),
        ({"text": "a" * (edit.MAX_EDIT + 1)}, "100,000 are allowed"),
        ({"text": "a", "note": "a" * 4_001}, "The reason has 4,001 characters"),
        ({"text": "a", "comment": "a" * 10_001}, "The comment has 10,001 characters"),
    ],
)
def test_what_is_refused(data: dict[str, str], words: str) -> None:
    with pytest.raises(AnswerError, match=words):
        edit.parse(data, Shown(order=[0], texts=[DRAFT], options=edit.EditOptions(note=True)))


def test_a_long_draft_can_be_accepted() -> None:
    draft = "word " * 30_000
    assert parse(draft, draft=draft)["accepted"]


@given(st.text(alphabet=st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00")).filter(str.strip))
def test_the_fields_give_the_value_again(text: str) -> None:
    shown = Shown(order=[0], texts=[DRAFT], options=edit.EditOptions(note=True))
    answer = edit.parse({"text": text, "note": "Because."}, shown)
    assert edit.parse(edit.fields(answer.value, shown), shown).value == answer.value


def test_in_words() -> None:
    assert edit.say({"text": "a", "cost": 0, "accepted": True}) == "accepted as it is"
    assert edit.say({"text": "a", "cost": 1, "accepted": False}) == "1 word changed"
    assert edit.say({"text": "a", "cost": 1_200, "accepted": False}) == "1,200 words changed"


# --- Over HTTP ---------------------------------------------------------------------------------------------


@pytest.fixture
def task(project: Project) -> Task:
    prompt = make_prompt(project)
    return services.create_task(prompt=prompt, responses=[make_response(prompt, "\nFirst < second.\n")], kind="edit")


@pytest.mark.django_db
def test_the_box_holds_the_response_to_the_letter(task: Task, annotator_client: Client) -> None:
    page = annotator_client.get("/p/helpful/annotate/").content.decode()
    start = page.index(">", page.index('id="edit-text"')) + 1
    box = page[start : page.index("</textarea>", start)]
    assert box == "\n\nFirst &lt; second.\n"  # a browser drops the first line end


@pytest.mark.django_db
def test_an_answer_that_is_refused_keeps_what_was_typed(task: Task, annotator_client: Client) -> None:
    annotator_client.get("/p/helpful/annotate/")
    held = Assignment.objects.get()
    address = f"/p/helpful/annotate/{held.pk}/"
    response = annotator_client.post(address, {"text": " ", "idempotency_key": str(uuid.uuid4())})
    assert response.status_code == 422
    assert "Your version is empty" in response.content.decode()
    sent = {"text": "First\r\nthird.", "cost": "99", "idempotency_key": str(uuid.uuid4())}
    assert annotator_client.post(address, sent).status_code == 302
    assert Feedback.objects.get().value == {"text": "First\nthird.", "cost": 2, "accepted": False}
