"""The qualification test: it comes first, it is judged once and fairly, and it says what comes of it."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from accounts.models import Project, User
from annotate import services
from annotate.models import Assignment, Collection, Feedback, Qualification, Task
from annotate.services import Refused
from tests.factories import make_task

pytestmark = pytest.mark.django_db
DESK = "/p/helpful/annotate/"


@pytest.fixture
def tests(project: Project) -> list[Task]:
    """Three test tasks of which two have to be right, and one task of the ordinary queue."""
    Collection.objects.create(project=project, test_tasks=3, test_right=2)
    make_task(project, "work", priority=9)
    return [
        make_task(project, f"t-{n}", purpose="test", gold={"accept": {"side": 0}, "explanation": f"Reason {n}."})
        for n in range(3)
    ]


def lease(project: Project, user: User) -> Assignment:
    found = services.next_assignment(project=project, annotator=user)
    assert found is not None
    return found


def send(assignment: Assignment, *, right: bool = True) -> Feedback:
    strength = 1 if (assignment.order[0] == 0) == right else -1
    return services.record_feedback(
        assignment=assignment, annotator=assignment.annotator, data={"strength": str(strength)},
        idempotency_key=uuid.uuid4(),
    )  # fmt: skip


def take(project: Project, user: User, *rights: bool) -> None:
    for right in rights:
        assignment = lease(project, user)
        assert assignment.task.purpose == "test"
        send(assignment, right=right)


def post(client: Client, assignment: Assignment, *, right: bool) -> str:
    strength = 1 if (assignment.order[0] == 0) == right else -1
    data = {"strength": str(strength), "step": "0", "idempotency_key": str(uuid.uuid4())}
    page: Any = client.post(f"{DESK}{assignment.pk}/", data, headers={"HX-Request": "true"})
    return str(page.content.decode())


def test_the_test_comes_first_and_says_so(
    project: Project, tests: list[Task], annotator: User, annotator_client: Client
) -> None:
    project.guidelines = "**Is it true?** comes first."
    project.save()
    page = annotator_client.get(DESK).content.decode()
    assert "qualification test" in page and "Before you start" in page
    assert "3 tasks with known answers come first. 2 right let you in." in page
    assert "<strong>Is it true?</strong>" in page
    page = post(annotator_client, Assignment.objects.get(), right=False)
    assert "Another answer was expected. Reason" in page
    assert "Before you start" not in page and "Task 2 of 3 of the qualification test" in page


def test_who_passes_is_let_in(project: Project, tests: list[Task], annotator: User) -> None:
    take(project, annotator, True, False, True)
    found = Qualification.objects.get()
    assert (found.user, found.right, found.tasks, found.passed) == (annotator, 2, 3, True)
    assert lease(project, annotator).task.purpose == "work"


def test_who_fails_reads_why_and_who_can_help(
    project: Project, tests: list[Task], annotator: User, annotator_client: Client
) -> None:
    take(project, annotator, True, False, False)
    assert services.next_assignment(project=project, annotator=annotator) is None
    page = annotator_client.get(DESK).content.decode()
    assert "1 of 3 right, 2 are needed. A reviewer of the project can let you in." in page


def test_overruled_lets_in(project: Project, tests: list[Task], annotator: User, reviewer: User) -> None:
    take(project, annotator, False, False, False)
    Qualification.objects.create(project=project, user=annotator, right=0, tasks=3, passed=True, overruled_by=reviewer)
    assert lease(project, annotator).task.purpose == "work"


def test_reviewers_and_simulated_raters_skip_it(
    project: Project, tests: list[Task], reviewer: User, annotator: User
) -> None:
    assert lease(project, reviewer).task.purpose == "work"
    Assignment.objects.all().delete()
    Task.objects.update(claimed=0)
    annotator.is_simulated = True
    annotator.save()
    assert lease(project, annotator).task.purpose == "work"


def test_an_undo_after_the_explanation_does_not_help(project: Project, tests: list[Task], annotator: User) -> None:
    """The first answer to each task counts, while the test runs and after it was judged."""
    take(project, annotator, True, False)
    send(services.undo(project=project, annotator=annotator), right=True)
    take(project, annotator, False)
    assert [(one.right, one.passed) for one in Qualification.objects.all()] == [(1, False)]
    send(services.undo(project=project, annotator=annotator), right=True)
    assert [(one.right, one.passed) for one in Qualification.objects.all()] == [(1, False)]
    assert services.next_assignment(project=project, annotator=annotator) is None


def test_the_same_form_twice_is_one_answer_and_one_judgement(
    project: Project, tests: list[Task], annotator: User
) -> None:
    take(project, annotator, True, True)
    last, key = lease(project, annotator), uuid.uuid4()
    for _ in range(2):
        services.record_feedback(assignment=last, annotator=annotator, data={"strength": "1"}, idempotency_key=key)
    assert Qualification.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_tabs_do_not_finish_it_twice(project: Project, tests: list[Task], annotator: User) -> None:
    take(project, annotator, True, True)
    last, barrier = lease(project, annotator), threading.Barrier(2)

    def run(_: int) -> str:
        try:
            barrier.wait()
            send(Assignment.objects.get(pk=last.pk))
            return "stored"
        except Refused as error:
            return str(error)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        told = sorted(pool.map(run, range(2)))
    assert "stored" in told and any("already answered" in one for one in told)
    assert Qualification.objects.count() == 1
    assert Feedback.current.filter(annotator=annotator).count() == 3


def test_retired_test_tasks_are_not_waited_for(project: Project, tests: list[Task], annotator: User) -> None:
    Task.objects.filter(pk=tests[0].pk).update(flagged=True)
    take(project, annotator, True, True)
    assert Qualification.objects.get().passed
