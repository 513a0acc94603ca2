"""Giving out work and taking answers: nothing lost, nothing doubled, nobody asked too often."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from accounts.models import Project, User
from annotate import services
from annotate.kinds import AnswerError
from annotate.models import Assignment, Feedback, Task
from tests.factories import make_raters, make_task, make_vote

pytestmark = pytest.mark.django_db


def lapse(assignment: Assignment) -> None:
    Assignment.objects.filter(pk=assignment.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def send(assignment: Assignment, user: User, strength: str = "1", key: uuid.UUID | None = None) -> Feedback:
    return services.record_feedback(
        assignment=assignment, annotator=user, data={"strength": strength}, idempotency_key=key or uuid.uuid4()
    )


def lease(project: Project, user: User) -> Assignment:
    found = services.next_assignment(project=project, annotator=user)
    assert found is not None
    return found


def test_a_reload_shows_the_same_task(project: Project, annotator: User) -> None:
    for number in range(5):
        make_task(project, f"p-{number}")
    first = lease(project, annotator)
    again = lease(project, annotator)
    assert (first.pk, first.order) == (again.pk, again.order)
    assert Task.objects.get(pk=first.task_id).claimed == 1


def test_nobody_sees_an_item_twice(project: Project, annotator: User) -> None:
    make_task(project, wanted=3)
    send(lease(project, annotator), annotator)
    assert services.next_assignment(project=project, annotator=annotator) is None


def test_wanted_raters_is_the_limit(project: Project) -> None:
    task = make_task(project, wanted=2)
    one, two, three = make_raters(project, 3)
    lease(project, one), lease(project, two)
    assert services.next_assignment(project=project, annotator=three) is None
    task.refresh_from_db()
    assert (task.claimed, task.answered) == (2, 0)


def test_urgent_tasks_come_first(project: Project, annotator: User) -> None:
    make_task(project, "calm")
    urgent = make_task(project, "urgent", priority=5)
    assert lease(project, annotator).task_id == urgent.pk


def test_a_lapsed_lease_goes_to_somebody_else(project: Project, annotator: User) -> None:
    task = make_task(project)
    lapse(lease(project, annotator))
    (other,) = make_raters(project, 1)
    assert lease(project, other).task_id == task.pk
    task.refresh_from_db()
    assert task.claimed == 1


def test_a_late_answer_counts_while_there_is_room(project: Project, annotator: User) -> None:
    task = make_task(project)
    late = lease(project, annotator)
    lapse(late)
    assert services.expire_leases(project) == 1
    send(late, annotator)
    task.refresh_from_db()
    assert (task.claimed, task.answered) == (1, 1)


def test_a_late_answer_is_refused_when_others_answered(project: Project, annotator: User) -> None:
    make_task(project)
    late = lease(project, annotator)
    lapse(late)
    (other,) = make_raters(project, 1)
    send(lease(project, other), other)
    with pytest.raises(services.Refused, match="answered by others"):
        send(late, annotator)
    assert Feedback.objects.count() == 1


def test_the_same_form_sent_twice_is_one_answer(project: Project, annotator: User) -> None:
    task = make_task(project)
    held, key = lease(project, annotator), uuid.uuid4()
    assert send(held, annotator, key=key).pk == send(held, annotator, key=key).pk
    task.refresh_from_db()
    assert (Feedback.objects.count(), task.answered) == (1, 1)


def test_a_second_tab_cannot_overwrite(project: Project, annotator: User) -> None:
    make_task(project)
    held = lease(project, annotator)
    send(held, annotator, "2")
    with pytest.raises(services.Refused, match="already answered"):
        send(held, annotator, "-2")
    assert [row.value for row in Feedback.objects.all()] == [{"strength": 2}]


def test_a_key_of_another_task_is_refused(project: Project, annotator: User) -> None:
    make_task(project, "p-1"), make_task(project, "p-2")
    key = uuid.uuid4()
    send(lease(project, annotator), annotator, key=key)
    with pytest.raises(services.Refused, match="another task"):
        send(lease(project, annotator), annotator, key=key)


def test_somebody_elses_assignment_is_refused(project: Project, annotator: User) -> None:
    make_task(project)
    (other,) = make_raters(project, 1)
    with pytest.raises(services.Refused):
        send(lease(project, annotator), other)
    assert not Feedback.objects.exists()


@pytest.mark.parametrize("strength", ["", "4", "-4", "a", "1.5", "01", "١"])
def test_a_forged_choice_is_refused(project: Project, annotator: User, strength: str) -> None:
    make_task(project)
    with pytest.raises(AnswerError):
        send(lease(project, annotator), annotator, strength)
    assert not Feedback.objects.exists()


def test_preference_is_stored_in_canonical_order(project: Project) -> None:
    make_task(project, wanted=20)
    orders = set()
    for rater in make_raters(project, 20):
        held = lease(project, rater)
        orders.add(tuple(held.order))
        assert send(held, rater, "3").preference == (3 if held.order == [0, 1] else -3)
    assert orders == {(0, 1), (1, 0)}, "20 raters all saw the same side first"


def test_undo_keeps_the_history(project: Project, annotator: User) -> None:
    task = make_task(project)
    first = make_vote(task, annotator, 2)
    reopened = services.undo(project=project, annotator=annotator)
    assert lease(project, annotator).pk == reopened.pk
    second = send(reopened, annotator, "-1")
    first.refresh_from_db()
    task.refresh_from_db()
    assert first.withdrawn_at is not None
    assert second.supersedes == first
    assert list(Feedback.current.all()) == [second]
    assert (task.claimed, task.answered) == (1, 1)


def test_undo_makes_room_for_the_reopened_task(project: Project, annotator: User) -> None:
    make_task(project, "p-1"), make_task(project, "p-2")
    answered = lease(project, annotator)
    send(answered, annotator)
    waiting = lease(project, annotator)
    assert services.undo(project=project, annotator=annotator).pk == answered.pk
    waiting.task.refresh_from_db()
    assert waiting.task.claimed == 0
    send(answered, annotator)
    assert lease(project, annotator).task_id == waiting.task_id


def test_undo_twice_in_a_row_goes_back_two_answers(project: Project, annotator: User) -> None:
    for key in ("p-1", "p-2"):
        make_task(project, key)
        send(lease(project, annotator), annotator)
    services.undo(project=project, annotator=annotator)
    services.undo(project=project, annotator=annotator)
    assert not Feedback.current.exists()
    assert sum(Task.objects.values_list("claimed", flat=True)) == 1
    for _ in range(2):
        send(lease(project, annotator), annotator)
    assert Feedback.current.count() == 2
    assert set(Task.objects.values_list("claimed", "answered")) == {(1, 1)}


def test_nothing_to_undo_says_so(project: Project, annotator: User) -> None:
    with pytest.raises(services.Refused, match="no answer of yours"):
        services.undo(project=project, annotator=annotator)


def test_a_skipped_task_goes_to_others_only(project: Project, annotator: User) -> None:
    task = make_task(project)
    services.skip(assignment=lease(project, annotator), annotator=annotator, reason="not my language")
    assert services.next_assignment(project=project, annotator=annotator) is None
    (other,) = make_raters(project, 1)
    assert lease(project, other).task_id == task.pk


def test_a_flagged_task_goes_to_nobody(project: Project, annotator: User) -> None:
    make_task(project, wanted=3)
    services.skip(assignment=lease(project, annotator), annotator=annotator, reason="offensive", flag=True)
    (other,) = make_raters(project, 1)
    assert services.next_assignment(project=project, annotator=other) is None


def test_other_projects_stay_out(project: Project, annotator: User) -> None:
    other = Project.objects.create(name="Other", slug="other")
    make_task(other)
    assert services.next_assignment(project=project, annotator=annotator) is None


@pytest.mark.django_db(transaction=True)
def test_a_crowd_never_exceeds_the_overlap(project: Project) -> None:
    """20 people answer 30 tasks of overlap 3 at once, on 20 connections, until nothing is left."""
    for number in range(30):
        make_task(project, f"p-{number}", wanted=3)

    def work(user: User) -> int:
        count = 0
        try:
            while held := services.next_assignment(project=project, annotator=user):
                send(held, user)
                count += 1
            return count
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        counts = list(pool.map(work, make_raters(project, 20)))
    assert set(Task.objects.values_list("claimed", "answered")) == {(3, 3)}
    assert sum(counts) == Feedback.objects.count() == 90
    assert Assignment.objects.exclude(status=Assignment.Status.SUBMITTED).count() == 0


@pytest.mark.django_db(transaction=True)
def test_a_double_click_is_one_answer(project: Project, annotator: User) -> None:
    make_task(project)
    held, key = lease(project, annotator), uuid.uuid4()

    def click(_: int) -> int:
        try:
            return send(Assignment.objects.get(pk=held.pk), annotator, key=key).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(click, range(8)))) == 1
    assert Feedback.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_tabs_that_open_at_once_hold_one_task(project: Project, annotator: User) -> None:
    for number in range(8):
        make_task(project, f"p-{number}")

    def open_tab(_: int) -> int:
        try:
            return lease(project, annotator).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(open_tab, range(8)))) == 1
    assert Assignment.objects.count() == 1
