"""Giving out work and taking answers: nothing lost, nothing doubled, nobody asked too often."""

import random
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F, Max
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Project, User
from annotate import services
from annotate.desk import answers, changes, queue
from annotate.kinds import AnswerError
from annotate.models import Assignment, Feedback, Task
from tests.factories import make_raters, make_task, make_vote

pytestmark = pytest.mark.django_db


def lapse(assignment: Assignment) -> None:
    Assignment.objects.filter(pk=assignment.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def send(
    assignment: Assignment, user: User, strength: str = "1", key: uuid.UUID | None = None, comment: str = ""
) -> Feedback:
    data = {"strength": strength, "comment": comment}
    return services.record_feedback(
        assignment=assignment, annotator=user, data=data, idempotency_key=key or uuid.uuid4()
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


@pytest.mark.parametrize("changed", [{"strength": "-2"}, {"comment": "because"}])
def test_a_changed_answer_under_the_same_key_is_refused(
    project: Project, annotator: User, changed: dict[str, str]
) -> None:
    make_task(project)
    held, key = lease(project, annotator), uuid.uuid4()
    send(held, annotator, "2", key)
    with pytest.raises(services.Refused, match=r"first answer .* stored.* press Undo"):
        send(held, annotator, **{"strength": "2", "key": key, **changed})
    assert [(row.value, row.comment) for row in Feedback.objects.all()] == [({"strength": 2}, "")]


def test_an_answer_that_was_taken_back_is_not_sent_again_by_its_old_form(project: Project, annotator: User) -> None:
    make_task(project)
    held, key = lease(project, annotator), uuid.uuid4()
    send(held, annotator, key=key)
    services.undo(project=project, annotator=annotator)
    with pytest.raises(services.Refused, match="taken back by an undo"):
        send(held, annotator, key=key)
    send(held, annotator)
    assert Feedback.current.count() == 1


def test_a_second_current_answer_is_told_apart_from_a_second_arrival(project: Project, annotator: User) -> None:
    make_task(project, wanted=2)
    held = lease(project, annotator)
    send(held, annotator)
    Assignment.objects.filter(pk=held.pk).update(status="expired")  # as if a bug had lost the state
    with pytest.raises(services.Refused, match=r"stored already.* undo it first"):
        send(held, annotator)


def test_a_key_that_two_people_use_at_once_arrived_twice(
    project: Project, annotator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_task(project, wanted=2)
    (other,) = make_raters(project, 1)
    key = uuid.uuid4()
    send(lease(project, other), other, key=key)
    held = lease(project, annotator)
    monkeypatch.setattr(answers, "answers_before", lambda *_: [])  # it was not there yet when we looked
    with pytest.raises(services.Refused, match="arrived twice"):
        send(held, annotator, key=key)


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
    assert lease(project, annotator).pk == waiting.pk, "the draft is kept under the assignment's id"


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


def test_a_reason_with_a_nul_is_stored_without_it(project: Project, annotator: User) -> None:
    make_task(project)
    held = lease(project, annotator)
    services.skip(assignment=held, annotator=annotator, reason="a\x00b")
    held.refresh_from_db()
    assert (held.status, held.skip_reason) == ("skipped", "ab")


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


def in_thread(pool: ThreadPoolExecutor, act: Callable[[], Any]) -> Future[Any]:
    """Starts it on a connection of its own. Refused is an outcome, everything else an error."""

    def run() -> Any:
        try:
            with suppress(services.Refused):
                return act()
        finally:
            connection.close()

    return pool.submit(run)


def somebody_waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(cursor.fetchone()[0])


def interleave(
    monkeypatch: pytest.MonkeyPatch, first: Callable[[], Any], stops_at: str, second: Callable[[], Any]
) -> None:
    """`first` stops at its first "before name" or "after name", until `second` has ended or waits for a lock."""
    when, name = stops_at.split()
    modules = [one for one in (queue, answers, changes) if hasattr(one, name)]
    original, main = getattr(modules[0], name), threading.main_thread()
    reached, go, once = threading.Event(), threading.Event(), threading.Lock()

    def stop() -> None:
        if threading.current_thread() is not main and once.acquire(blocking=False):
            reached.set()
            assert go.wait(20)

    def stopping(*args: Any, **kwargs: Any) -> Any:
        if when == "before":
            stop()
        result = original(*args, **kwargs)
        if when == "after":
            stop()
        return result

    with ThreadPoolExecutor(2) as pool, monkeypatch.context() as patch:
        for module in modules:
            patch.setattr(module, name, stopping)
        one = in_thread(pool, first)
        assert reached.wait(20)
        two = in_thread(pool, second)
        deadline = time.monotonic() + 20
        while not two.done() and not somebody_waits_for_a_lock() and time.monotonic() < deadline:
            time.sleep(0.005)
        go.set()
        one.result(20), two.result(20)


def check(project: Project) -> None:
    """What holds after every transaction, whoever did what at the same time. One statement sees one moment."""
    with transaction.atomic():
        if not connection.savepoint_ids:
            connection.cursor().execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        now = timezone.now()
        leases = list(Assignment.objects.filter(status="leased").values_list("task_id", "annotator_id", "lease_until"))
        answers = list(Feedback.current.values_list("task_id", "assignment__status"))
        tasks = list(Task.objects.filter(project=project).values_list("pk", "wanted", "claimed", "answered"))
    for task, wanted, claimed, answered in tasks:
        assert answered == [pk for pk, _ in answers].count(task)
        assert claimed == [pk for pk, _, _ in leases].count(task) + answered <= wanted
    live = [annotator for _, annotator, until in leases if until > now]
    assert len(live) == len(set(live)), "somebody holds two tasks"
    assert {status for _, status in answers} <= {"submitted"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("with_history", [False, True])
@pytest.mark.parametrize("undo_first", [False, True])
def test_an_undo_and_an_answer_at_once(
    project: Project, annotator: User, monkeypatch: pytest.MonkeyPatch, with_history: bool, undo_first: bool
) -> None:
    for number in range(3):
        make_task(project, f"p-{number}", priority=-number)
    send(lease(project, annotator), annotator)
    held = lease(project, annotator)
    if with_history:
        send(held, annotator)
        held = services.undo(project=project, annotator=annotator)

    def undo() -> None:
        services.undo(project=project, annotator=annotator)

    def answer() -> None:
        send(Assignment.objects.get(pk=held.pk), annotator)

    if undo_first:
        interleave(monkeypatch, undo, "after free_places", answer)
    else:
        interleave(monkeypatch, answer, "after take_place", undo)
    check(project)
    held.refresh_from_db()
    assert (held.status, Feedback.current.filter(assignment=held).count()) == ("submitted", 1)
    (other,) = make_raters(project, 1)
    assert lease(project, other).task_id not in {held.task_id, lease(project, annotator).task_id}


@pytest.mark.django_db(transaction=True)
def test_an_undo_and_a_new_lease_at_once(project: Project, annotator: User, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        make_task(project, f"p-{number}")
    send(lease(project, annotator), annotator)
    interleave(
        monkeypatch,
        lambda: lease(project, annotator),
        "after shown_order",
        lambda: services.undo(project=project, annotator=annotator),
    )
    check(project)
    assert Assignment.objects.filter(status="leased").count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_undos_at_once_take_back_one_answer(
    project: Project, annotator: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        make_task(project, f"p-{number}")
        send(lease(project, annotator), annotator)

    def undo() -> None:
        services.undo(project=project, annotator=annotator)

    interleave(monkeypatch, undo, "after lease_end", undo)
    check(project)
    assert Feedback.current.count() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("act", ["answer", "skip", "undo"])
def test_the_sweep_and_a_late_act_do_not_wait_in_a_circle(
    project: Project, annotator: User, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    for number in range(2):
        make_task(project, f"p-{number}")
    send(lease(project, annotator), annotator)
    held = lease(project, annotator)
    lapse(held)
    acts = {
        "answer": lambda: send(held, annotator),
        "skip": lambda: services.skip(assignment=held, annotator=annotator, reason="other"),
        "undo": lambda: services.undo(project=project, annotator=annotator),
    }
    interleave(monkeypatch, lambda: services.expire_leases(project), "before free_places", acts[act])
    check(project)


OPS = ["next", "answer", "answer late", "answer again", "skip", "undo", "lapse", "expire"]


def act(op: str, project: Project, user: User, keys: dict[int, uuid.UUID], strength: str) -> None:
    """One act as a person's tab would do it, also with forms that are out of date."""
    mine = Assignment.objects.filter(annotator=user, task__project=project)
    live = mine.filter(status="leased", lease_until__gt=timezone.now()).first()
    late = mine.filter(pk=mine.exclude(status="submitted").aggregate(last=Max("pk"))["last"]).first()
    old = mine.filter(status="submitted").first()
    if op == "next":
        services.next_assignment(project=project, annotator=user)
    elif op == "expire":
        services.expire_leases(project)
    elif op == "undo":
        services.undo(project=project, annotator=user)
    elif op == "lapse":
        mine.filter(status="leased").update(lease_until=F("lease_until") - timedelta(hours=1))
    elif op == "skip" and live:
        services.skip(assignment=live, annotator=user, reason="other")
    elif held := {"answer": live, "answer late": late, "answer again": old}.get(op):
        send(held, user, strength, keys.setdefault(held.pk, uuid.uuid4()))
        if op == "answer late":
            keys.pop(held.pk)  # the next form of this task has a new key


STEPS = st.tuples(st.integers(0, 2), st.sampled_from(OPS), st.sampled_from(["1", "-1"]))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, min_size=5, max_size=40))
def test_any_sequence_of_acts_keeps_the_books(project: Project, steps: list[tuple[int, str, str]]) -> None:
    with transaction.atomic():
        for number in range(4):
            make_task(project, f"p-{number}", wanted=1 + number % 2)
        raters, keys = make_raters(project, 3), [{}, {}, {}]
        for who, op, strength in steps:
            with suppress(services.Refused):
                act(op, project, raters[who], keys[who], strength)
            check(project)
        transaction.set_rollback(True)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("seed", range(3))
def test_any_acts_at_once_keep_the_books(project: Project, seed: int) -> None:
    """3 people in two tabs each and a sweep, on 7 connections: no deadlock, and the counts are right at any moment."""
    for number in range(4):
        make_task(project, f"p-{number}", wanted=1 + number % 2)
    raters = make_raters(project, 3)

    def tab(number: int) -> None:
        draw = random.Random(f"{seed}:{number}")
        keys: dict[int, uuid.UUID] = {}
        for _ in range(40):
            with suppress(services.Refused):
                act(draw.choice(OPS), project, raters[number % 3], keys, draw.choice(["1", "-1"]))

    with ThreadPoolExecutor(7) as pool:
        tabs = [in_thread(pool, lambda number=number: tab(number)) for number in range(6)]
        sweep = in_thread(pool, lambda: [services.expire_leases(project) for _ in range(40)])
        while not all(one.done() for one in tabs):
            check(project)
        for one in [*tabs, sweep]:
            one.result()
    check(project)
