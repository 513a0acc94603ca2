"""What does not fit is asked about once, and what the person says is kept."""

import uuid
from typing import Any

import pytest
from django.test import Client

from accounts.models import Project, User
from annotate import services
from annotate.desk.contradictions import found_in
from annotate.models import Contradiction, Feedback, Protocol
from tests.factories import make_task

HTMX = {"HX-Request": "true"}


def part(kind: str, value: dict[str, Any], preference: int | None = None, order: tuple[int, ...] = (0, 1)) -> Any:
    return {"kind": kind, "value": value, "preference": preference, "order": list(order)}


VOTE_A = part("pairwise", {"strength": 2}, 2)
BAD = part("pairwise", {"both_bad": True})
HIGH = {"ratings": [{"tone": 5, "fluency": 4}, {"tone": 2, "fluency": 2}]}
CRITICAL = {"marks": [{"severity": "critical"}]}


@pytest.mark.parametrize(
    ("parts", "rules"),
    [
        ([VOTE_A, part("rubric", HIGH, 2)], set()),
        ([VOTE_A, part("rubric", HIGH, -2)], {"vote_against_ratings"}),
        ([part("pairwise", {"strength": 0}, 0), part("rubric", HIGH, -2)], set()),
        ([part("rubric", HIGH, -1), VOTE_A], {"vote_against_ratings"}),
        ([part("pairwise", {"strength": 2, "dimensions": {"a": -1, "b": 0}}, 2)], {"vote_against_dimensions"}),
        ([part("pairwise", {"strength": 2, "dimensions": {"a": -1, "b": 1}}, 2)], set()),
        ([part("pairwise", {"strength": 0, "dimensions": {"a": -1}}, 0)], set()),
        ([BAD, part("rubric", HIGH, 2)], {"both_bad_with_high_ratings"}),
        ([BAD, part("rubric", {"ratings": [{"tone": 3}, {"tone": 2}]}, 1)], set()),
        ([VOTE_A, part("critique", CRITICAL, order=(0,))], {"winner_with_critical_mark"}),
        ([VOTE_A, part("critique", CRITICAL, order=(1,))], set()),
        ([part("pairwise", {"strength": 1}, 1), part("critique", CRITICAL, order=(0,))], set()),
    ],
)
def test_rules(parts: list[Any], rules: set[str]) -> None:
    assert set(found_in(parts)) == rules


def test_sentences_use_the_letters_that_were_shown() -> None:
    """Position 1 was shown first, so it was A."""
    vote, rating = part("pairwise", {"strength": -2}, 2, (1, 0)), part("rubric", HIGH, -2, (1, 0))
    told = found_in([vote, rating])["vote_against_ratings"]
    assert told == "Your ratings favour A, your comparison says B."


@pytest.fixture
def url(project: Project, annotator: User) -> str:
    steps = [{"kind": "pairwise", "options": {"dimensions": ["helpful", "harmless"]}}]
    protocol = Protocol.objects.create(project=project, name="compare", title="Compare", steps=steps)
    make_task(project, "p-1", protocol=protocol), make_task(project, "p-2", protocol=protocol)
    assignment = services.next_assignment(project=project, annotator=annotator)
    assert assignment is not None
    return f"/p/helpful/annotate/{assignment.pk}/"


def send(client: Client, url: str, **values: str) -> Any:
    data = {
        "strength": "2",
        "dimension-0": "-1",
        "dimension-1": "-2",
        "idempotency_key": str(uuid.uuid4()),
        "step": "0",
    }
    return client.post(url, data | values, headers=HTMX)


@pytest.mark.django_db
def test_asked_once_and_kept(project: Project, annotator_client: Client, url: str) -> None:
    first = send(annotator_client, url)
    assert first.status_code == 422
    assert "You chose A, and every dimension favours B." in first.content.decode()
    assert 'name="asked" value="vote_against_dimensions"' in first.content.decode()
    assert first.context["draft"]["dimension-1"] == "-2", "what was chosen is still there"
    assert not Feedback.objects.exists()
    assert send(annotator_client, url, asked="vote_against_dimensions").status_code == 200
    asked = Contradiction.objects.get()
    assert (asked.resolution, asked.answered_at is not None) == ("kept", True)
    assert Feedback.objects.get().value["dimensions"] == {"helpful": -1, "harmless": -2}


@pytest.mark.django_db
def test_asked_and_mended(project: Project, annotator_client: Client, url: str) -> None:
    send(annotator_client, url)
    assert send(annotator_client, url, strength="-2", asked="vote_against_dimensions").status_code == 200
    assert Contradiction.objects.get().resolution == "changed"


@pytest.mark.django_db
def test_a_form_that_was_never_asked_cannot_say_it_was(project: Project, annotator_client: Client, url: str) -> None:
    """A resend after a lost response does not know of the question, and a forged `asked` is not taken for an answer."""
    assert send(annotator_client, url, asked="vote_against_dimensions").status_code == 422
    assert send(annotator_client, url).status_code == 422, "the response was lost, the same form comes again"
    assert Contradiction.objects.count() == 1
    assert not Feedback.objects.exists()
