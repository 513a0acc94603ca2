"""Two hundred people on one queue at the same moment, on connections of their own."""

import random
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from django.db import connection

from accounts.models import Project, User
from annotate.models import Assignment, Feedback
from tests.annotate import books
from tests.factories import make_raters, make_task

PEOPLE, SECOND_TABS, TASKS = 200, 40, 105
ROUNDS = 2
"""How often each goes on after the first answer: about a thousand acts in all."""
SPARE = 40
"""Connections left to whatever else uses the server of the test run."""


class Crowd:
    """Threads that act at the same moment. One waits at the barrier without a connection, so that none can starve."""

    def __init__(self) -> None:
        ((most,),) = books.rows("SHOW max_connections")
        ((used,),) = books.rows("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
        self.slots = threading.BoundedSemaphore(int(most) - used - SPARE)
        self.barrier = threading.Barrier(PEOPLE + SECOND_TABS, timeout=60)

    @contextmanager
    def together(self) -> Any:
        self.barrier.wait()
        with self.slots:
            try:
                yield
            finally:
                connection.close()

    def run(self, act: Callable[[int], Any]) -> list[Any]:
        """Of each tab in turn what `act` returned; the first exception goes up after all threads have ended."""
        tabs = range(PEOPLE + SECOND_TABS)
        with ThreadPoolExecutor(len(tabs)) as pool:
            return [one.result() for one in [pool.submit(act, number) for number in tabs]]


@pytest.mark.django_db(transaction=True)
def test_two_hundred_people_on_one_queue(project: Project) -> None:
    """All lease at once and send at once, some in two tabs; others walk off, skip, undo, or come back late."""
    for number in range(TASKS):
        make_task(project, f"p-{number}", wanted=1 + number % 3)
    people, crowd = make_raters(project, PEOPLE), Crowd()
    told: list[set[int]] = crowd.run(lambda tab: day(crowd, project, people[tab % PEOPLE], tab))
    assert set().union(*told) == set(Feedback.objects.values_list("pk", flat=True)), "an answer was lost or made up"
    owners = dict(Feedback.objects.values_list("pk", "annotator_id"))
    assert all(owners[pk] == people[tab % PEOPLE].pk for tab, answers in enumerate(told) for pk in answers)
    books.check_tasks(project)
    books.check_people(project)
    assert Feedback.current.count() > TASKS, "the crowd answered almost nothing, so nothing was tried"
    assert Assignment.objects.filter(status="expired").exists(), "no lease lapsed, so nothing was taken back"


def day(crowd: Crowd, project: Project, user: User, tab: int) -> set[int]:
    """What one tab does; returns the answers it was told are stored. Refused is all that may go wrong."""
    draw, given = random.Random(tab), set()
    with crowd.together():
        held = books.take(project, user)
    with crowd.together():
        if tab % 4 == 3:
            books.lapse(user)  # walks off; a late answer may follow below
        elif held:
            given |= answer_as_every_tab(held, user)
    with crowd.together():
        for _ in range(ROUNDS):
            with suppress(books.Refused):
                given |= one_act(draw, project, user, held)
        if tab % 10 == 0:
            books.expire(project)
    return given


def answer_as_every_tab(held: Assignment, user: User) -> set[int]:
    """The first answer to a task is the same form in each tab of a person, as after a double click."""
    with suppress(books.Refused):
        key = uuid.uuid5(uuid.NAMESPACE_OID, f"{user.pk} {held.pk}")
        return {books.send(Assignment.objects.get(pk=held.pk), user, "2", key).pk}
    return set()


def one_act(draw: random.Random, project: Project, user: User, first: Assignment | None) -> set[int]:
    does = draw.choices(["answer", "late", "skip", "undo", "walk off"], [6, 1, 1, 1, 1])[0]
    if does == "undo":
        books.undo(project, user)
        return set()
    if does == "late":
        return {books.send(Assignment.objects.get(pk=first.pk), user).pk} if first else set()
    held = books.take(project, user)
    if held is None:
        return set()
    if does == "skip":
        books.skip(held, user)
    elif does == "walk off":
        books.lapse(user)
    else:
        return {books.send(held, user, draw.choice(["1", "-1", "both_bad"])).pk}
    return set()


@pytest.mark.django_db(transaction=True)
def test_two_hundred_people_and_one_task(project: Project) -> None:
    """Whoever comes first gets the three places; nobody waits for ever, and nobody gets a fourth."""
    task = make_task(project, wanted=3)
    people, crowd = make_raters(project, PEOPLE + SECOND_TABS), Crowd()

    def rush(number: int) -> int | None:
        with crowd.together():
            held = books.take(project, people[number])
            return books.send(held, people[number]).pk if held else None

    assert len({pk for pk in crowd.run(rush) if pk}) == 3
    task.refresh_from_db()
    assert (task.claimed, task.answered) == (3, 3)
    books.check_tasks(project)
