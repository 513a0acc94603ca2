"""Corners where two features meet: a change and an undo, a skip that somebody took, a test that loses its tasks."""

import json
import uuid
from typing import Any

import pytest
from django.test import Client

from accounts.models import Project, User
from annotate import services
from annotate.comparisons import comparisons
from annotate.desk import queue
from annotate.models import Assignment, Collection, Contradiction, Feedback, Protocol, Qualification, Task
from tests.factories import make_raters, make_task, make_vote

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
ORDER = {"rank-0": "1", "rank-1": "2"}


def protocol(project: Project, *kinds: str | dict[str, Any]) -> Protocol:
    steps = [{"kind": one} if isinstance(one, str) else one for one in kinds]
    return Protocol.objects.create(project=project, name=f"p-{len(steps)}", title="Steps", steps=steps)


def lease(project: Project, user: User) -> Assignment:
    found = services.next_assignment(project=Project.objects.get(pk=project.pk), annotator=User.objects.get(pk=user.pk))
    assert found is not None
    return found


def send(assignment: Assignment, user: User, **data: str) -> Feedback:
    return services.record_feedback(
        assignment=Assignment.objects.select_related("task").get(pk=assignment.pk), annotator=user,
        data=data, idempotency_key=uuid.uuid4(),
    )  # fmt: skip


def revise(assignment: Assignment, user: User, step: int, **data: str) -> Feedback:
    return services.revise(
        assignment=Assignment.objects.select_related("task").get(pk=assignment.pk), annotator=user, step=step,
        data=data, idempotency_key=uuid.uuid4(),
    )  # fmt: skip


def counts(task: Task) -> tuple[int, int, int]:
    task.refresh_from_db()
    return task.wanted, task.claimed, task.answered


def test_undo_after_a_change_of_an_earlier_step_opens_the_item_whole(project: Project, annotator: User) -> None:
    task = make_task(project, protocol=protocol(project, "pairwise", "ranking"))
    item = lease(project, annotator)
    send(item, annotator, strength="1"), send(item, annotator, **ORDER)
    revise(item, annotator, 0, strength="2")
    opened = services.undo(project=project, annotator=annotator)
    assert (opened.step, counts(task)) == (0, (1, 1, 0))
    assert not Feedback.current.exists(), "the ranking built on the comparison"
    send(item, annotator, strength="3"), send(item, annotator, **ORDER)
    assert counts(task) == (1, 1, 1)
    assert Feedback.current.count() == 2


def test_what_lapses_after_that_leaves_nothing_behind(project: Project, annotator: User, reviewer: User) -> None:
    task = make_task(project, protocol=protocol(project, "pairwise", "ranking"))
    item = lease(project, annotator)
    send(item, annotator, strength="1"), send(item, annotator, **ORDER)
    revise(item, annotator, 0, strength="2")
    services.undo(project=project, annotator=annotator)
    Assignment.objects.update(lease_until="2020-01-01T00:00Z")
    other = lease(project, reviewer)
    send(other, reviewer, strength="1"), send(other, reviewer, **ORDER)
    with pytest.raises(services.Refused, match="no answer of yours"):
        services.undo(project=project, annotator=annotator)
    assert counts(task) == (1, 1, 1)


def test_a_change_that_opens_an_item_puts_the_one_on_the_screen_away(project: Project, annotator: User) -> None:
    edit = {"kind": "edit", "of": "winner"}
    first = make_task(project, "p-1", protocol=protocol(project, "pairwise", edit), priority=1)
    second = make_task(project, "p-2")
    item = lease(project, annotator)
    send(item, annotator, strength="1"), send(item, annotator, text="Better.")
    on_screen = lease(project, annotator)
    assert on_screen.task_id == second.pk
    revise(item, annotator, 0, strength="-1")
    assert [one.task_id for one in Assignment.objects.filter(status="leased")] == [first.pk]
    assert (counts(first), counts(second)) == ((1, 1, 0), (1, 0, 0))


def test_undo_goes_past_a_skip_that_somebody_took(project: Project, annotator: User, reviewer: User) -> None:
    mine = make_vote(make_task(project, "p-1"), annotator, 1)
    make_task(project, "p-2")
    skipped = lease(project, annotator)
    services.skip(assignment=skipped, annotator=annotator, reason="other")
    lease(project, reviewer)
    assert services.undo(project=project, annotator=annotator).pk == mine.assignment_id


def test_a_contradiction_that_was_meant_is_not_asked_about_again(project: Project, annotator: User) -> None:
    compare = {"kind": "pairwise", "options": {"dimensions": ["safe"]}}
    make_task(project, protocol=protocol(project, compare, "ranking"))
    item = lease(project, annotator)
    data = {"strength": "2", "dimension-0": "-2"}
    with pytest.raises(services.Contradicts):
        send(item, annotator, **data)
    services.record_feedback(
        assignment=item, annotator=annotator, data=data, idempotency_key=uuid.uuid4(), asked=["vote_against_dimensions"]
    )
    assert send(item, annotator, **ORDER)
    assert Contradiction.objects.get().resolution == "kept"
    revise(item, annotator, 0, **{"strength": "-2", "dimension-0": "-2"})
    assert Contradiction.objects.get().resolution == "changed", "mended later"


def test_a_change_that_disagrees_asks_for_another_rater(project: Project) -> None:
    one, two = make_raters(project, 2)
    task = make_task(project, wanted=2, ceiling=3)
    first, _ = make_vote(task, one, 2), make_vote(task, two, 2)
    assert counts(task) == (2, 2, 2)
    revise(first.assignment, one, 0, strength=str(-first.value["strength"]))
    assert counts(task) == (3, 2, 2)


def test_only_the_first_of_two_comparisons_is_a_vote(project: Project, annotator: User) -> None:
    make_task(project, protocol=protocol(project, "pairwise", {"kind": "pairwise", "question": "Which is safer?"}))
    item = lease(project, annotator)
    first = send(item, annotator, strength="1")
    assert not comparisons(project).exists(), "the item is not finished"
    send(item, annotator, strength="-3")
    assert list(comparisons(project)) == [first]


def test_a_test_that_loses_a_task_is_judged_by_the_rest(project: Project, annotator: User) -> None:
    Collection.objects.create(project=project, test_tasks=2, test_right=1)
    known = {"accept": {"side": [0, 1, "tie"]}, "explanation": ""}
    for number in range(2):
        make_task(project, f"t-{number}", purpose="test", gold=known)
    make_task(project, "p-work")
    send(lease(project, annotator), annotator, strength="1")
    services.skip(assignment=lease(project, annotator), annotator=annotator, reason="other")
    assert lease(project, annotator).task.purpose == "work"
    verdict = Qualification.objects.get()
    assert (verdict.passed, verdict.right, verdict.tasks) == (True, 1, 1)


def test_a_gold_item_of_several_steps_is_told_at_its_end(
    project: Project, annotator: User, annotator_client: Client
) -> None:
    Collection.objects.create(project=project, gold_rate=0.5, gold_feedback=True)
    known = {"accept": {"side": 0}, "explanation": "Position 0 names the dose."}
    make_task(project, protocol=protocol(project, "pairwise", {"kind": "edit", "of": "winner"}),
              purpose="gold", gold=known)  # fmt: skip
    for number in range(20):
        make_task(project, f"p-{number}")
    page = ""
    for _ in range(40):
        annotator_client.get("/p/helpful/annotate/")
        held = Assignment.objects.select_related("task").get(status="leased")
        data = {"text": "Better."} if held.step else {"strength": "1" if held.order[0] == 0 else "-1"}
        url, key = f"/p/helpful/annotate/{held.pk}/", str(uuid.uuid4())
        page = annotator_client.post(url, {**data, "idempotency_key": key}, headers=HTMX).content.decode()
        if held.step:
            break
    assert "That was right. Position 0 names the dose." in page


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ('{"step": 1e999, "version": 0, "fields": {}}', 400),
        ('{"step": 0, "version": 0, "fields": {"comment": "half \\ud83d"}}', 200),
        ('{"step": 0, "version": 0, "fields": {"a\\u0000b": "x"}}', 200),
        (json.dumps({"step": 0, "version": 0, "fields": {}, "at": "x"}), 400),
    ],
)
def test_drafts_that_cannot_be_stored_as_they_are(
    project: Project, annotator: User, annotator_client: Client, body: str, status: int
) -> None:
    make_task(project)
    url = f"/p/helpful/annotate/{lease(project, annotator).pk}/draft/"
    assert annotator_client.post(url, body, content_type="application/json").status_code == status


def test_one_lane_is_read_in_its_order_from_its_index(project: Project, annotator: User) -> None:
    """What keeps a lease quick for people who take one language of many tasks."""
    from django.db import connection

    from annotate.desk import statements

    wanted = queue.Wanted(project.pk, annotator.pk, "work", ["law"], ["de"])
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN " + wanted.statement(statements.HEAD), wanted.params())
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "task_open_in_lane" in plan
    assert "Sort" not in plan
