"""Flagged tasks: who sees what, release and retire, once each, with what was said kept."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import AuditEvent, Project, User
from accounts.pseudonyms import pseudonym
from annotate import services
from annotate.models import Assignment, Task
from annotate.moderation import flagged
from tests.factories import make_raters, make_task, make_vote

pytestmark = pytest.mark.django_db
PAGE = "/p/helpful/flagged/"


def flag(project: Project, user: User, reason: str = "Names a real person") -> Task:
    assignment = services.next_assignment(project=project, annotator=user)
    assert assignment is not None
    services.skip(assignment=assignment, annotator=user, reason=reason, flag=True)
    return Task.objects.get(pk=assignment.task_id)


def decide(client: Client, task: Task, act: str, reason: str = "") -> Any:
    return client.post(f"{PAGE}{task.pk}/", {"act": act, "reason": reason}, follow=True)


def test_who_may(
    project: Project, annotator: User, reviewer_client: Client, researcher_client: Client, annotator_client: Client,
    outsider_client: Client, client: Client,
) -> None:  # fmt: skip
    make_task(project)
    task = flag(project, annotator)
    for one in (reviewer_client, researcher_client):
        assert one.get(PAGE).status_code == 200
    for one, status in ((annotator_client, 403), (outsider_client, 404), (client, 302)):
        assert one.get(PAGE).status_code == status
        assert one.post(f"{PAGE}{task.pk}/", {"act": "release"}).status_code == status
    assert Task.objects.get(pk=task.pk).flagged


def test_a_task_of_another_project_is_not_there(project: Project, reviewer_client: Client, annotator: User) -> None:
    other = Project.objects.create(name="Other", slug="other")
    task = make_task(other)
    Task.objects.filter(pk=task.pk).update(flagged=True)
    assert reviewer_client.post(f"{PAGE}{task.pk}/", {"act": "release"}).status_code == 404
    assert reviewer_client.post(f"{PAGE}999999/", {"act": "retire"}).status_code == 404
    assert Task.objects.get(pk=task.pk).flagged


def test_the_page_says_who_flagged_what_and_why(project: Project, annotator: User, reviewer_client: Client) -> None:
    make_task(project, "p-1")
    task = flag(project, annotator, "Names a real <person>")
    page = reviewer_client.get(PAGE).content.decode()
    assert "Names a real &lt;person&gt;" in page
    assert pseudonym(project.pk, annotator.pk) in page
    assert annotator.email not in page and "<person>" not in page
    assert f"Task {task.pk}" in page and "How do I cook beans? (p-1)" in page


def test_released_it_goes_to_somebody_else(project: Project, annotator: User, reviewer_client: Client) -> None:
    make_task(project)
    task = flag(project, annotator)
    (other,) = make_raters(project, 1)
    assert services.next_assignment(project=project, annotator=other) is None
    assert "back in the queue" in decide(reviewer_client, task, "release").content.decode()
    found = services.next_assignment(project=project, annotator=other)
    assert found is not None and found.task_id == task.pk
    assert services.next_assignment(project=project, annotator=annotator) is None, "who flagged it does not get it"
    assert not Assignment.objects.filter(flagged=True).exists()
    event = AuditEvent.objects.get(action="task.released")
    assert event.data["flags"] == [{"annotator": annotator.pk, "reason": "Names a real person"}]
    assert "not flagged any more" in decide(reviewer_client, task, "release").content.decode()
    assert AuditEvent.objects.filter(action="task.released").count() == 1


def test_retired_it_never_comes_again_and_is_not_waited_for(
    project: Project, annotator: User, reviewer: User, reviewer_client: Client
) -> None:
    task = make_task(project, wanted=3)
    (first, other) = make_raters(project, 2)
    make_vote(task, first)
    flag(project, annotator)
    assert "say in a few words" in decide(reviewer_client, task, "retire").content.decode()
    assert list(flagged.waiting(project)) == [task]
    decide(reviewer_client, task, "retire", "Names a real person")
    task.refresh_from_db()
    assert (task.flagged, task.wanted, task.claimed, task.answered) == (True, 1, 1, 1)
    assert not flagged.waiting(project).exists()
    assert list(flagged.retired(project)) == [task]
    assert services.next_assignment(project=project, annotator=other) is None
    assert task.feedback.count() == 1
    event = AuditEvent.objects.get(action="task.retired")
    assert (event.actor, event.data["wanted"], event.data["reason"]) == (reviewer, 3, "Names a real person")
    assert "retired already" in decide(reviewer_client, task, "retire", "again").content.decode()
    assert "Names a real person" in reviewer_client.get(f"{PAGE}?show=retired").content.decode()


def test_a_retired_task_can_be_put_back_as_it_was(project: Project, annotator: User, reviewer: User) -> None:
    task = make_task(project, wanted=3)
    flag(project, annotator)
    flagged.retire(task=task, actor=reviewer, reason="A mistake")
    flagged.release(task=task, actor=reviewer)
    task.refresh_from_db()
    assert (task.flagged, task.wanted) == (False, 3)
    (other,) = make_raters(project, 1)
    assert services.next_assignment(project=project, annotator=other) is not None


def test_a_lease_that_lapses_does_not_ask_again_about_a_retired_task(
    project: Project, annotator: User, reviewer: User
) -> None:
    task = make_task(project, wanted=2)
    (holder,) = make_raters(project, 1)
    held = services.next_assignment(project=project, annotator=holder)
    assert held is not None
    flag(project, annotator)
    flagged.retire(task=task, actor=reviewer, reason="Unfit")
    services.skip(assignment=held, annotator=holder, reason="other")
    assert Task.objects.get(pk=task.pk).claimed == 0
    assert not flagged.waiting(project).exists() and flagged.retired(project).count() == 1


def test_a_task_that_an_administrator_holds_waits_too(project: Project, reviewer_client: Client) -> None:
    task = make_task(project)
    Task.objects.filter(pk=task.pk).update(flagged=True)
    assert "Held by an administrator" in reviewer_client.get(PAGE).content.decode()


def test_taking_a_flag_back_after_release(project: Project, annotator: User, reviewer: User) -> None:
    make_task(project)
    task = flag(project, annotator)
    flagged.release(task=task, actor=reviewer)
    assert services.undo(project=project, annotator=annotator).task_id == task.pk
    assert not Task.objects.get(pk=task.pk).flagged


def test_an_empty_page(project: Project, reviewer_client: Client) -> None:
    assert "Nothing is flagged" in reviewer_client.get(PAGE).content.decode()
    assert "Nothing is retired" in reviewer_client.get(f"{PAGE}?show=retired").content.decode()
