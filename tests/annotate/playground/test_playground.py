"""Talks: who may begin one, what is stored, and that nobody else is given it."""

import uuid
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, Membership, Project, User
from annotate import services
from annotate.chat import replies as chat
from annotate.chat import turns as chat_turns
from annotate.comparisons import comparisons
from annotate.models import Assignment, ChatReply, Task
from tests.factories import make_model, make_raters

pytestmark = pytest.mark.django_db
URL = "/p/helpful/playground/"
FORM = {
    "first": "base", "second": "other", "system": "Be brief.", "temperature": "0.5", "other_temperature": "1",
    "top_p": "0.9", "max_new_tokens": "20",
}  # fmt: skip


@pytest.fixture
def models(project: Project) -> None:
    make_model(project, "base")
    make_model(project, "other")


def test_a_vote_in_a_talk_is_a_comparison_of_both_models(
    models: None, project: Project, researcher: User, researcher_client: Client
) -> None:
    assert researcher_client.post(URL, FORM).status_code == 302
    held = Assignment.objects.select_related("task__project").get(annotator=researcher)
    assert AuditEvent.objects.get(action="talk.begun").data == {"models": ["base", "other"]}
    assert b"kind-chat" in researcher_client.get("/p/helpful/annotate/").content
    data = {"turn": "0", "message": "Hello"}
    chat_turns.go_on(assignment=held, annotator=researcher, data=data, idempotency_key=uuid.uuid4())
    first, second = chat.replies_of(held)
    assert (first.model.name, second.model.name) == ("base", "other")
    assert (first.decoding["temperature"], second.decoding["temperature"]) == (0.5, 1.0)
    assert first.messages[0] == {"role": "system", "content": "Be brief."}
    ChatReply.objects.update(text="Hi", status="complete", finish_reason="stop")
    data = {"turn": "1", "strength": "2", "action": "end"}
    chat_turns.go_on(assignment=held, annotator=researcher, data=data, idempotency_key=uuid.uuid4())
    vote = comparisons(project).get()
    assert {row.response.model.name for row in vote.task.task_responses.all()} == {"base", "other"}


def test_a_talk_that_lapsed_is_given_to_nobody_else(
    models: None, project: Project, annotator: User, researcher_client: Client
) -> None:
    researcher_client.post(URL, FORM)
    Assignment.objects.update(lease_until=timezone.now() - timedelta(hours=1))
    assert services.next_assignment(project=project, annotator=annotator) is None
    assert Task.objects.get().claimed == 0
    talk = Assignment.objects.get()
    other = make_raters(project, 1)[0]
    Membership.objects.filter(user=other).update(role="researcher")
    stranger = Client()
    stranger.force_login(other)
    assert stranger.post(f"{URL}{talk.pk}/").status_code == 404
    assert researcher_client.post(f"{URL}{talk.pk}/").url == "/p/helpful/annotate/"
    talk.refresh_from_db()
    assert talk.status == "leased" and Task.objects.get().claimed == 1


def test_a_second_talk_waits_for_the_first(models: None, researcher_client: Client) -> None:
    researcher_client.post(URL, FORM)
    again = researcher_client.post(URL, FORM)
    assert again.status_code == 422 and b"You hold a task or a talk" in again.content


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"first": "foreign"}, b"valid choice"),
        ({"temperature": "3"}, b"less than or equal"),
        ({"second": "base", "temperature": "0", "other_temperature": "0"}, b"same answer twice"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    models: None, researcher_client: Client, change: dict[str, str], words: bytes
) -> None:
    make_model(Project.objects.create(name="Else", slug="else"), "foreign")
    refused = researcher_client.post(URL, FORM | change)
    assert refused.status_code == 422 and words in refused.content
    assert not Assignment.objects.exists()


def test_annotators_have_no_access_and_no_model_is_said(
    project: Project, annotator: User, researcher_client: Client
) -> None:
    client = Client()
    client.force_login(annotator)
    assert client.get(URL).status_code in {403, 404}
    assert b"No model of this project can talk yet" in researcher_client.get(URL).content
