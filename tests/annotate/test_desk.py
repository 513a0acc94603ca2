"""The desk over HTTP: with and without htmx, and what happens to requests that should not have come."""

import uuid
from typing import Any

import pytest
from django.test import Client

from accounts.models import Project
from annotate.models import Assignment, Feedback
from tests.factories import make_task

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def held() -> Assignment:
    return Assignment.objects.get(status="leased")


def send(client: Client, assignment: Assignment, **data: Any) -> Any:
    values = {"strength": "2", "idempotency_key": str(uuid.uuid4()), **data}
    headers = values.pop("headers", None)
    return client.post(f"/p/helpful/annotate/{assignment.pk}/", values, headers=headers)


def test_it_asks_to_sign_in(project: Project, client: Client) -> None:
    assert client.get("/p/helpful/annotate/").headers["Location"].startswith("/sign-in/")


def test_an_outsider_learns_nothing(project: Project, outsider_client: Client) -> None:
    assert outsider_client.get("/p/helpful/annotate/").status_code == 404


def test_it_shows_both_texts_and_no_model_name(project: Project, annotator_client: Client) -> None:
    make_task(project)
    page = annotator_client.get("/p/helpful/annotate/").content.decode()
    assert "Soak them overnight" in page
    assert "plenty of cold water" in page


def test_the_next_task_comes_in_the_same_response(project: Project, annotator_client: Client) -> None:
    make_task(project, "p-1"), make_task(project, "p-2", texts=("Second task, one.", "Second task, two."))
    annotator_client.get("/p/helpful/annotate/")
    first = held()
    response = send(annotator_client, first, headers=HTMX)
    assert response.status_code == 200
    assert f"/annotate/{held().pk}/" in response.content.decode()
    assert held().pk != first.pk
    assert "<html" not in response.content.decode()


def test_the_next_task_starts_with_nothing_chosen(project: Project, annotator_client: Client) -> None:
    make_task(project, "p-1"), make_task(project, "p-2")
    annotator_client.get("/p/helpful/annotate/")
    page = send(annotator_client, held(), comment="about the first", headers=HTMX).content.decode()
    assert " required checked" not in page
    assert "about the first" not in page


def test_it_works_without_script(project: Project, annotator_client: Client) -> None:
    make_task(project)
    annotator_client.get("/p/helpful/annotate/")
    response = send(annotator_client, held())
    assert response.status_code == 302
    assert Feedback.objects.get().value == {"strength": 2}


@pytest.mark.parametrize(
    ("data", "words"), [({"strength": "9"}, "not one of the choices"), ({"strength": ""}, "Nothing is chosen")]
)
def test_a_wrong_answer_keeps_the_form(
    project: Project, annotator_client: Client, data: dict[str, str], words: str
) -> None:
    make_task(project)
    annotator_client.get("/p/helpful/annotate/")
    response = send(annotator_client, held(), comment="my note", **data)
    assert response.status_code == 422
    assert words in response.content.decode()
    assert "my note" in response.content.decode()
    again = send(annotator_client, held(), comment="x" * 20_000)
    assert 'value="2" required checked' in again.content.decode()


def test_a_damaged_key_is_refused(project: Project, annotator_client: Client) -> None:
    make_task(project)
    annotator_client.get("/p/helpful/annotate/")
    response = send(annotator_client, held(), idempotency_key="nonsense")
    assert response.status_code == 422
    assert not Feedback.objects.exists()


def test_a_two_megabyte_comment_is_refused(project: Project, annotator_client: Client) -> None:
    make_task(project)
    annotator_client.get("/p/helpful/annotate/")
    response = send(annotator_client, held(), comment="x" * 2_000_000)
    assert response.status_code == 422
    assert not Feedback.objects.exists()


def test_somebody_elses_assignment_does_not_exist(
    project: Project, annotator_client: Client, reviewer_client: Client
) -> None:
    make_task(project)
    annotator_client.get("/p/helpful/annotate/")
    assert send(reviewer_client, held()).status_code == 404
    assert not Feedback.objects.exists()


def test_a_foreign_projects_assignment_does_not_exist(project: Project, owner_client: Client, owner: Any) -> None:
    from accounts.models import Membership

    other = Project.objects.create(name="Other", slug="other")
    Membership.objects.create(user=owner, project=other, role="admin")
    make_task(other)
    owner_client.get("/p/other/annotate/")
    assert send(owner_client, held()).status_code == 404


def test_it_says_when_there_is_nothing_to_do(project: Project, annotator_client: Client) -> None:
    assert annotator_client.get("/p/helpful/annotate/").status_code == 200


def test_undo_and_skip(project: Project, annotator_client: Client) -> None:
    make_task(project, wanted=2)
    annotator_client.get("/p/helpful/annotate/")
    send(annotator_client, held())
    assert annotator_client.post("/p/helpful/annotate/undo/", headers=HTMX).status_code == 200
    assert not Feedback.current.exists()
    response = annotator_client.post(f"/p/helpful/annotate/{held().pk}/skip/", {"reason": "broken"}, headers=HTMX)
    assert "Skipped" in response.content.decode()
    back = annotator_client.post("/p/helpful/annotate/undo/", headers=HTMX)
    assert "The task that you skipped is back" in back.content.decode()
    assert annotator_client.post("/p/helpful/annotate/undo/", headers=HTMX).status_code == 409


def test_a_changed_answer_under_the_same_key_is_told(project: Project, annotator_client: Client) -> None:
    make_task(project, "p-1"), make_task(project, "p-2")
    annotator_client.get("/p/helpful/annotate/")
    first, key = held(), str(uuid.uuid4())
    send(annotator_client, first, idempotency_key=key)
    again = send(annotator_client, first, idempotency_key=key, headers=HTMX)
    assert again.status_code == 200
    changed = send(annotator_client, first, idempotency_key=key, strength="-2", headers=HTMX)
    assert changed.status_code == 409
    assert "press Undo and send it anew" in changed.content.decode()
    send(annotator_client, first, idempotency_key=key, comment="because")
    assert "press Undo and send it anew" in annotator_client.get("/p/helpful/annotate/").content.decode()
    assert Feedback.objects.get().value == {"strength": 2}


def test_a_nul_in_a_reason_does_no_harm(project: Project, annotator_client: Client) -> None:
    make_task(project)
    annotator_client.get("/p/helpful/annotate/")
    shown = held()
    response = annotator_client.post(f"/p/helpful/annotate/{shown.pk}/skip/", {"reason": "a\x00b"}, headers=HTMX)
    assert response.status_code == 200
    shown.refresh_from_db()
    assert shown.skip_reason == "ab"


def test_flagging_says_who_releases_the_task(project: Project, annotator_client: Client) -> None:
    make_task(project)
    assert "until a moderator has looked at it" in annotator_client.get("/p/helpful/annotate/").content.decode()
    data = {"reason": "private data", "flag": "1"}
    response = annotator_client.post(f"/p/helpful/annotate/{held().pk}/skip/", data, headers=HTMX)
    assert "Nobody else gets this task until a moderator has looked at it." in response.content.decode()


@pytest.mark.parametrize(("minutes", "words"), [(45, "after 45 minutes;"), (1, "after 1 minute;")])
def test_the_empty_desk_names_the_length_of_a_lease(
    project: Project, annotator_client: Client, settings: Any, minutes: int, words: str
) -> None:
    settings.TASK_LEASE_MINUTES = minutes
    make_task(project)
    annotator_client.get("/p/helpful/annotate/")
    send(annotator_client, held())
    assert words in annotator_client.get("/p/helpful/annotate/").content.decode()


def test_an_answer_that_was_taken_back_can_be_sent_as_it_was(project: Project, annotator_client: Client) -> None:
    make_task(project)
    annotator_client.get("/p/helpful/annotate/")
    send(annotator_client, held(), strength="-3", comment="my reason")
    page = annotator_client.post("/p/helpful/annotate/undo/", headers=HTMX)
    assert page.context["draft"] == {"strength": "-3", "comment": "my reason"}
    assert "my reason" in page.content.decode()
    make_task(project, "p-2")
    assert send(annotator_client, held(), headers=HTMX).context["draft"] == {}, "the next task starts empty"
