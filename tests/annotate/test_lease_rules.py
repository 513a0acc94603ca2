"""The rules of giving out work, played at random: three people with several tabs each, four tasks, one clock."""

import uuid
from contextlib import suppress
from typing import Any, NamedTuple

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from accounts.models import Project, User
from annotate.models import Assignment, Feedback, Task
from tests.annotate import books
from tests.factories import make_raters, make_task

pytestmark = pytest.mark.django_db

WHO = st.integers(0, 2)
STRENGTHS = st.sampled_from(["3", "1", "0", "-2", "both_bad"])
FIXED = ("task_id", "annotator_id", "assignment_id", "value", "order", "preference", "comment", "idempotency_key",
         "supersedes_id", "created_at")  # fmt: skip


class Form(NamedTuple):
    """A form as it was sent, which a browser may send again."""

    assignment: int
    key: uuid.UUID
    strength: str
    feedback: int


class LeaseRules(RuleBasedStateMachine):
    project: Project
    people: list[User]

    def __init__(self) -> None:
        super().__init__()
        self.start = transaction.savepoint()
        self.sent: list[list[Form]] = [[], [], []]
        self.history: dict[int, dict[str, Any]] = {}
        """Every answer that was ever seen, as it was seen first."""

    def teardown(self) -> None:
        transaction.savepoint_rollback(self.start)

    @initialize(wanted=st.lists(st.integers(1, 3), min_size=4, max_size=4))
    def tasks(self, wanted: list[int]) -> None:
        ids = Task.objects.filter(project=self.project).order_by("pk").values_list("pk", flat=True)
        for pk, n in zip(ids, wanted, strict=True):
            Task.objects.filter(pk=pk).update(wanted=n)

    # --- What people do -----------------------------------------------------------------------------------------

    @rule(who=WHO)
    def next_task(self, who: int) -> None:
        self.ask(who)

    def ask(self, who: int) -> None:
        """The task in hand, else an open one that is new to the person; nothing only where there is nothing."""
        user, before = self.people[who], books.live_leases(self.people[who])
        done = self.tasks_of(user, "submitted", "skipped")
        given = books.take(self.project, user)
        if before:
            assert given is not None and given.pk == before[0].pk, "a reload showed another task"
        elif given is None:
            assert not self.open_for(user), "there was a task, and the person was sent away"
        else:
            assert given.task_id not in done, "the person has had this task"
            assert [one.pk for one in books.live_leases(user)] == [given.pk]

    @rule(who=WHO, strength=STRENGTHS)
    def answer(self, who: int, strength: str) -> None:
        """A live lease is a promise: its answer is taken."""
        if held := self.in_hand(who):
            self.send(who, held, uuid.uuid4(), strength)

    @rule(who=WHO, strength=STRENGTHS, data=st.data())
    def second_tab(self, who: int, strength: str, data: st.DataObject) -> None:
        """A tab that was left open sends a task that may be lapsed, skipped, answered or undone by now."""
        mine = list(Assignment.objects.filter(annotator=self.people[who]).order_by("pk"))
        if mine:
            with suppress(books.Refused):
                self.send(who, data.draw(st.sampled_from(mine)), uuid.uuid4(), strength)

    @precondition(lambda self: any(self.sent))
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        """The same form again is the same answer, or is refused when that was taken back."""
        who = data.draw(st.sampled_from([n for n, forms in enumerate(self.sent) if forms]))
        form = data.draw(st.sampled_from(self.sent[who]))
        stored = Feedback.objects.count()
        again = None
        with suppress(books.Refused):
            again = books.send(Assignment.objects.get(pk=form.assignment), self.people[who], form.strength, form.key)
        assert Feedback.objects.count() == stored, "a repeated form was stored again"
        withdrawn = Feedback.objects.get(pk=form.feedback).withdrawn_at is not None
        assert (again.pk if again else None) == (None if withdrawn else form.feedback)

    @rule(who=WHO, flag=st.sampled_from([False, False, False, True]))
    def skip(self, who: int, flag: bool) -> None:
        """What is in hand can always be given back; it does not come again."""
        if held := self.in_hand(who):
            books.skip(held, self.people[who], flag=flag)

    @rule(who=WHO, data=st.data())
    def skip_in_an_old_tab(self, who: int, data: st.DataObject) -> None:
        mine = list(Assignment.objects.filter(annotator=self.people[who]).order_by("pk"))
        if mine:
            with suppress(books.Refused):
                books.skip(data.draw(st.sampled_from(mine)), self.people[who])

    @rule(who=WHO)
    def undo(self, who: int) -> None:
        """What was done last is in hand again, and nothing else is."""
        user, before = self.people[who], Feedback.current.filter(annotator=self.people[who]).count()
        try:
            opened = books.undo(self.project, user)
        except books.Refused:
            assert Feedback.current.filter(annotator=user).count() == before
            return
        assert [one.pk for one in books.live_leases(user)] == [opened.pk]
        assert before - Feedback.current.filter(annotator=user).count() in {0, 1}

    @rule(who=WHO)
    def lapse(self, who: int) -> None:
        books.lapse(self.people[who])

    @rule()
    def expire(self) -> None:
        """Afterwards no lease is past its end; answers are as they were."""
        answers = Feedback.current.count()
        books.expire(self.project)
        assert not Assignment.objects.filter(status="leased", lease_until__lt=timezone.now()).exists()
        assert Feedback.current.count() == answers

    @rule(who=WHO, other=WHO, strength=STRENGTHS)
    def somebody_elses(self, who: int, other: int, strength: str) -> None:
        theirs = Assignment.objects.filter(annotator=self.people[other]).first()
        if theirs and who != other:
            with pytest.raises(books.Refused):
                books.send(theirs, self.people[who], strength)

    # --- What is true after each ------------------------------------------------------------------------------

    @invariant()
    def books_are_right(self) -> None:
        books.check_tasks(self.project)
        books.check_people(self.project)

    @invariant()
    def history_is_kept(self) -> None:
        """No answer changes or disappears; it can be withdrawn, once."""
        now = {row.pop("id"): row for row in Feedback.objects.values("id", "withdrawn_at", *FIXED)}
        assert self.history.keys() <= now.keys(), "an answer disappeared"
        for pk, before in self.history.items():
            after = now[pk]
            assert all(after[name] == before[name] for name in FIXED), f"answer {pk} was changed: {before} -> {after}"
            if before["withdrawn_at"]:
                assert after["withdrawn_at"] == before["withdrawn_at"], f"answer {pk} was withdrawn twice"
        self.history = now

    @invariant()
    def what_was_acknowledged_is_stored(self) -> None:
        told = {form.feedback for forms in self.sent for form in forms}
        assert told == set(self.history), "an answer was lost, or nobody sent it"

    # --- Helpers ------------------------------------------------------------------------------------------------

    def in_hand(self, who: int) -> Assignment | None:
        self.ask(who)
        return next(iter(books.live_leases(self.people[who])), None)

    def send(self, who: int, held: Assignment, key: uuid.UUID, strength: str) -> None:
        feedback = books.send(Assignment.objects.get(pk=held.pk), self.people[who], strength, key)
        assert feedback.annotator_id == self.people[who].pk and feedback.task_id == held.task_id
        self.sent[who].append(Form(held.pk, key, strength, feedback.pk))

    def tasks_of(self, user: User, *states: str) -> set[int]:
        return set(Assignment.objects.filter(annotator=user, status__in=states).values_list("task_id", flat=True))

    def open_for(self, user: User) -> set[int]:
        """Tasks with a free place, or with one that a lapsed lease still takes, that this person may get."""
        lapsed = Assignment.objects.filter(status="leased", lease_until__lt=timezone.now())
        taken = dict.fromkeys(Task.objects.filter(project=self.project).values_list("pk", flat=True), 0)
        for task in lapsed.values_list("task_id", flat=True):
            taken[task] += 1
        had = self.tasks_of(user, "submitted", "skipped")
        tasks = Task.objects.filter(project=self.project, flagged=False).exclude(pk__in=had)
        return {task.pk for task in tasks if task.claimed - taken[task.pk] < task.wanted}


def test_the_rules_hold_whatever_people_do(project: Project) -> None:
    for number in range(4):
        make_task(project, f"p-{number}")
    LeaseRules.project, LeaseRules.people = project, make_raters(project, 3)
    run_state_machine_as_test(
        LeaseRules,
        settings=settings(
            max_examples=30, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
