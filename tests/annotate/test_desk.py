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
    assert annotator_client.post("/p/helpful/annotate/undo/", headers=HTMX).status_code == 409
