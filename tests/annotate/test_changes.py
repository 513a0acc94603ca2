"""Changing an answer that was sent, and drafts on the server: nothing is overwritten, nothing is lost."""

import json
import uuid
from typing import Any

import pytest
from django.test import Client

from accounts.models import Project, User
from annotate import services
from annotate.models import Assignment, Feedback, SentBack, Task
from tests.factories import make_raters, make_task, make_vote

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def done(project: Project, annotator: User) -> Feedback:
    return make_vote(make_task(project), annotator, 2)


def revise(feedback: Feedback, user: User, **values: Any) -> Feedback:
    data = {"strength": "-1", **values.pop("data", {})}
    return services.revise(
        assignment=feedback.assignment, annotator=user, step=0, data=data,
        **{"idempotency_key": uuid.uuid4(), **values},
    )  # fmt: skip


def test_a_change_supersedes_and_keeps_the_old_answer(done: Feedback, annotator: User) -> None:
    new = revise(done, annotator)
    done.refresh_from_db()
    assert new.supersedes == done
    assert done.withdrawn_at is not None
    assert done.value == {"strength": 2} or done.value == {"strength": -2}, "as it was given"
    assert Feedback.current.get() == new
    task = Task.objects.get()
    assert (task.claimed, task.answered) == (1, 1)


def test_the_same_form_twice_is_one_change(done: Feedback, annotator: User) -> None:
    key = uuid.uuid4()
    assert revise(done, annotator, idempotency_key=key) == revise(done, annotator, idempotency_key=key)
    assert Feedback.objects.count() == 2


def test_an_unchanged_answer_stays(done: Feedback, annotator: User) -> None:
    same = revise(done, annotator, data={"strength": str(done.value["strength"])})
    assert same == done
    assert Feedback.objects.count() == 1


def test_the_eleventh_last_answer_cannot_be_changed(project: Project, annotator: User) -> None:
    answers = [make_vote(make_task(project, f"p-{n}"), annotator, 1) for n in range(11)]
    with pytest.raises(services.Refused, match="last 10 answers"):
        revise(answers[0], annotator)
    assert revise(answers[1], annotator)


def test_nobody_changes_the_answer_of_another(done: Feedback, reviewer: User) -> None:
    with pytest.raises(services.Refused, match="somebody else"):
        revise(done, reviewer)


def test_what_was_sent_back_is_shown_first_and_settled(
    project: Project, annotator: User, reviewer: User, annotator_client: Client
) -> None:
    answers = [make_vote(make_task(project, f"p-{n}"), annotator, 1) for n in range(12)]
    make_task(project, "p-new")
    back = SentBack.objects.create(
        assignment=answers[0].assignment, project=project, annotator=annotator, reviewer=reviewer, note="Read B again."
    )
    page = annotator_client.get("/p/helpful/annotate/").content.decode()
    assert "Read B again." in page
    data = {"strength": str(answers[0].value["strength"]), "idempotency_key": str(uuid.uuid4())}
    url = f"/p/helpful/annotate/{answers[0].assignment_id}/change/0/"
    following = annotator_client.post(url, data, headers=HTMX).content.decode()
    back.refresh_from_db()
    assert (back.changed, back.answered_at is not None) == (False, True), "sent as it was"
    assert "Read B again." not in following
    assert Assignment.objects.get(status="leased").task.prompt.key == "p-new"


def test_history_lists_own_answers_only(
    project: Project, done: Feedback, annotator_client: Client, reviewer: User
) -> None:
    make_vote(make_task(project, "p-other"), reviewer, 1)
    page = annotator_client.get("/p/helpful/annotate/history/").content.decode()
    assert "p-1" in page
    assert "p-other" not in page
    assert f"/annotate/{done.assignment_id}/change/0/" in page


def test_the_change_page_holds_the_answer_and_no_wrong_step(
    project: Project, done: Feedback, annotator_client: Client, reviewer_client: Client
) -> None:
    url = f"/p/helpful/annotate/{done.assignment_id}/change/0/"
    page = annotator_client.get(url)
    assert page.context["draft"]["strength"] == str(done.value["strength"])
    assert reviewer_client.get(url).status_code == 404
    assert annotator_client.delete(url).status_code == 405


def test_a_forged_step_is_refused(done: Feedback, annotator_client: Client) -> None:
    url = f"/p/helpful/annotate/{done.assignment_id}/change/7/"
    assert annotator_client.get(url).status_code == 404
    response = annotator_client.post(url, {"strength": "1", "idempotency_key": str(uuid.uuid4())})
    assert response.status_code == 404
    assert Feedback.objects.count() == 1


# --- Drafts -------------------------------------------------------------------------------------------------


def put(client: Client, assignment: Assignment, **values: Any) -> Any:
    body = {"step": 0, "version": 0, "fields": {"strength": "1", "comment": "half a thou"}, **values}
    return client.post(f"/p/helpful/annotate/{assignment.pk}/draft/", json.dumps(body), content_type="application/json")


@pytest.fixture
def held(project: Project, annotator: User) -> Assignment:
    make_task(project)
    assignment = services.next_assignment(project=project, annotator=annotator)
    assert assignment is not None
    return assignment


def test_a_draft_comes_back_on_another_computer(held: Assignment, annotator_client: Client) -> None:
    assert put(annotator_client, held).json() == {"version": 1}
    page = annotator_client.get("/p/helpful/annotate/")
    assert page.context["draft"] == {"strength": "1", "comment": "half a thou"}
    assert 'data-draft-version="1"' in page.content.decode()


def test_a_second_tab_cannot_overwrite(held: Assignment, annotator_client: Client) -> None:
    put(annotator_client, held)
    late = put(annotator_client, held, fields={"strength": "-3"})
    assert late.status_code == 409
    assert late.json()["fields"] == {"strength": "1", "comment": "half a thou"}
    assert put(annotator_client, held, version=1, fields={"strength": "-3"}).json() == {"version": 2}


def test_the_draft_goes_with_the_answer(held: Assignment, annotator: User, annotator_client: Client) -> None:
    put(annotator_client, held)
    make_task(held.task.project, "p-2")
    data = {"strength": "2", "idempotency_key": str(uuid.uuid4()), "step": "0"}
    page = annotator_client.post(f"/p/helpful/annotate/{held.pk}/", data, headers=HTMX)
    assert page.context["draft"] == {}
    assert put(annotator_client, held, version=1).status_code == 410


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"step": 0}', b'{"step": "x", "version": 0, "fields": {}}', b"\xff",
             b'{"step": 0, "version": 0, "fields": {"a": 1}}', b'{"step": 0, "version": 0, "fields": 3}']
)  # fmt: skip
def test_a_torn_draft_is_refused(held: Assignment, annotator_client: Client, body: bytes) -> None:
    url = f"/p/helpful/annotate/{held.pk}/draft/"
    assert annotator_client.post(url, body, content_type="application/json").status_code == 400


def test_a_huge_draft_and_a_foreign_one_are_refused(
    held: Assignment, annotator_client: Client, reviewer_client: Client
) -> None:
    assert put(annotator_client, held, fields={"comment": "x" * 500_000}).status_code == 410
    assert put(reviewer_client, held).status_code == 404
    held.refresh_from_db()
    assert held.draft is None


def test_a_nul_in_a_draft_does_no_harm(held: Assignment, annotator_client: Client) -> None:
    assert put(annotator_client, held, fields={"comment": "a\x00b"}).status_code == 200
    held.refresh_from_db()
    assert held.draft["fields"] == {"comment": "ab"}


def test_a_draft_survives_undo_of_the_task_before(project: Project, annotator: User) -> None:
    make_vote(make_task(project, "p-1"), annotator, 1)
    make_task(project, "p-2")
    on_screen = services.next_assignment(project=project, annotator=annotator)
    assert on_screen is not None
    services.save_draft(assignment=on_screen, annotator=annotator, step=0, version=0, fields={"comment": "mine"})
    services.undo(project=project, annotator=annotator)
    again = services.next_assignment(project=project, annotator=annotator)
    assert again is not None and again.task.prompt.key == "p-1"
    services.record_feedback(
        assignment=again, annotator=annotator, data={"strength": "1"}, idempotency_key=uuid.uuid4()
    )
    back = services.next_assignment(project=project, annotator=annotator)
    assert back is not None and back.pk == on_screen.pk
    assert back.draft["fields"] == {"comment": "mine"}
    assert make_raters(project, 0) == []
