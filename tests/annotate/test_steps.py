"""A protocol of steps: compare, critique the loser, edit the winner. One record an item, whatever comes between."""

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Project, User
from annotate import services
from annotate.desk import queue
from annotate.models import Assignment, Feedback, Protocol, Task
from tests.factories import TEXTS, make_task

pytestmark = pytest.mark.django_db
STEPS = [
    {"kind": "pairwise"},
    {"kind": "critique", "of": "loser", "question": "What is wrong with it?"},
    {"kind": "edit", "of": "winner", "question": "Make it better still"},
]
DESK = "/p/helpful/annotate/"


@pytest.fixture
def task(project: Project) -> Task:
    return make_task(project, protocol=Protocol.objects.create(project=project, name="full", title="Full", steps=STEPS))


@pytest.fixture
def held(task: Task, annotator: User) -> Assignment:
    found = services.next_assignment(project=task.project, annotator=annotator)
    assert found
    return found


def answer(assignment: Assignment, step: int, **data: str) -> Feedback:
    assignment.refresh_from_db()
    return services.record_feedback(
        assignment=assignment, annotator=assignment.annotator, data=data, idempotency_key=uuid.uuid4(), step=step
    )


def prefer(assignment: Assignment, position: int) -> Feedback:
    return answer(assignment, 0, strength="2" if assignment.order[0] == position else "-2")


def mark_of(text: str) -> str:
    return json.dumps(
        [{"start": 0, "end": 4, "quote": text[:4], "label": "style", "severity": "minor", "comment": "Why?"}]
    )


def lapse(assignment: Assignment) -> None:
    Assignment.objects.filter(pk=assignment.pk).update(lease_until=timezone.now() - timedelta(minutes=1))
    assert queue.expire_leases(assignment.task.project) == 1


@pytest.mark.parametrize("winner", [0, 1])
def test_three_steps_are_one_linked_record(held: Assignment, winner: int) -> None:
    loser = 1 - winner
    prefer(held, winner)
    answer(held, 1, marks=mark_of(TEXTS[loser]), weaknesses="Short.")
    answer(held, 2, text=f"{TEXTS[winner]} Add salt.")
    rows = list(Feedback.current.order_by("step"))
    assert [(row.step, row.kind, row.assignment_id) for row in rows] == [
        (0, "pairwise", held.pk),
        (1, "critique", held.pk),
        (2, "edit", held.pk),
    ]
    assert [list(row.order) for row in rows] == [held.order, [loser], [winner]]
    assert rows[0].preference == (2 if winner == 0 else -2)
    assert rows[2].value["cost"] == 3
    held.refresh_from_db()
    task = Task.objects.get()
    assert (held.status, task.claimed, task.answered) == ("submitted", 1, 1)


def test_a_mark_on_the_other_answer_is_refused(held: Assignment) -> None:
    prefer(held, 0)
    with pytest.raises(services.AnswerError, match="does not fit the text"):
        answer(held, 1, marks=json.dumps([{**json.loads(mark_of(TEXTS[1]))[0], "end": 12, "quote": TEXTS[0][:12]}]))
    assert answer(held, 1, marks=mark_of(TEXTS[1]))


def test_a_tie_asks_about_the_one_shown_first(held: Assignment) -> None:
    answer(held, 0, strength="0")
    assert list(answer(held, 1, weaknesses="Both the same.").order) == [held.order[0]]


def test_nothing_counts_before_the_last_step(held: Assignment) -> None:
    prefer(held, 0)
    answer(held, 1, weaknesses="Long.")
    task = Task.objects.get()
    assert (task.claimed, task.answered) == (1, 0)


def test_a_step_is_not_answered_twice_and_none_is_left_out(held: Assignment) -> None:
    with pytest.raises(services.Refused, match="already answered"):
        answer(held, 2, text="Ahead of its time.")
    prefer(held, 0)
    with pytest.raises(services.Refused, match="already answered"):
        prefer(held, 1)
    assert Feedback.objects.count() == 1


def test_undo_walks_back_through_the_steps(held: Assignment, annotator: User, annotator_client: Client) -> None:
    prefer(held, 0)
    answer(held, 1, marks=mark_of(TEXTS[1]), weaknesses="Long.")
    answer(held, 2, text="Soak them for a night.")
    for step, words in ((2, "Soak them for a night."), (1, "Long."), (0, 'value="2"')):
        assert services.undo(project=held.task.project, annotator=annotator).step == step
        assert words in annotator_client.get(DESK).content.decode()
    assert not Feedback.current.exists()
    prefer(held, 0)
    answer(held, 1, marks=mark_of(TEXTS[1]), weaknesses="Long.")
    answer(held, 2, text="Soak them for a night.")
    assert [row.supersedes is not None for row in Feedback.current.all()] == [True, True, True]
    assert Feedback.objects.count() == 6


def test_another_winner_after_undo_asks_about_the_other_answers(held: Assignment, annotator: User) -> None:
    prefer(held, 0)
    answer(held, 1, weaknesses="Long.")
    for _ in range(2):
        services.undo(project=held.task.project, annotator=annotator)
    prefer(held, 1)
    assert list(answer(held, 1, weaknesses="Short.").order) == [0]
    assert list(answer(held, 2, text=TEXTS[1]).order) == [1]


def test_a_lease_that_ends_in_the_middle_withdraws_the_parts(held: Assignment) -> None:
    prefer(held, 0)
    answer(held, 1, weaknesses="Long.")
    lapse(held)
    held.refresh_from_db()
    assert (held.status, held.step) == ("expired", 0)
    assert not Feedback.current.exists()
    assert Feedback.objects.count() == 2
    assert Task.objects.get().claimed == 0


def test_taken_up_again_the_parts_are_offered_as_drafts(held: Assignment, annotator_client: Client) -> None:
    prefer(held, 0)
    answer(held, 1, marks=mark_of(TEXTS[1]), weaknesses="Long and dry.", comment="On the second.")
    lapse(held)

    def send(**data: Any) -> str:
        values = {"idempotency_key": str(uuid.uuid4()), **data}
        headers = {"HX-Request": "true"}
        return annotator_client.post(f"{DESK}{held.pk}/", values, headers=headers).content.decode()

    page = annotator_client.get(DESK).content.decode()
    chosen = "2" if held.order[0] == 0 else "-2"
    assert f'value="{chosen}" required checked' in page
    page = send(step="0", strength=chosen)
    assert "Long and dry." in page
    assert "On the second." in page
    assert "&quot;quote&quot;: &quot;Soak&quot;" in page
    page = send(step="1", marks=mark_of(TEXTS[1]), weaknesses="Long and dry.")
    assert "edit-text" in page
    send(step="2", text="Soak them for a night.")
    assert [row.step for row in Feedback.current.order_by("step")] == [0, 1, 2]
    assert Feedback.objects.count() == 5


def test_drafts_for_the_other_answer_are_not_offered(held: Assignment, annotator_client: Client) -> None:
    prefer(held, 0)
    answer(held, 1, weaknesses="Long and dry.")
    lapse(held)
    annotator_client.get(DESK)
    prefer(held, 1)
    assert "Long and dry." not in annotator_client.get(DESK).content.decode()


def test_a_critical_error_in_the_winner_is_asked_about(project: Project, annotator: User) -> None:
    steps = [{"kind": "pairwise"}, {"kind": "critique", "of": "winner"}]
    protocol = Protocol.objects.create(project=project, name="doubt", title="Doubt", steps=steps)
    make_task(project, protocol=protocol)
    held = services.next_assignment(project=project, annotator=annotator)
    assert held
    prefer(held, 0)
    marks = mark_of(TEXTS[0]).replace("minor", "critical")
    with pytest.raises(services.Contradicts, match="marked a critical error in it"):
        answer(held, 1, marks=marks, refinement="Say how long.")
    feedback = services.record_feedback(
        assignment=held, annotator=annotator, data={"marks": marks, "refinement": "Say how long."},
        idempotency_key=uuid.uuid4(), step=1, asked=["winner_with_critical_mark"],
    )  # fmt: skip
    assert feedback.value["marks"][0]["severity"] == "critical"


def test_a_later_step_shows_what_was_said_before_and_the_other_answer(
    held: Assignment, annotator_client: Client
) -> None:
    page = annotator_client.get(DESK)
    assert page.context["earlier"] == []
    prefer(held, 0)
    texts = {row.position: row.response.text for row in held.task.task_responses.all()}
    page = annotator_client.get(DESK)
    assert [one["text"] for one in page.context["others"]] == [texts[0]]
    assert "The other answer" in page.content.decode() and page.context["earlier"][0]["words"].endswith("better")
    answer(held, 1, refinement="Say <how> long.", marks=mark_of(texts[1]))
    page = annotator_client.get(DESK)
    words = page.content.decode()
    assert "Say &lt;how&gt; long." in words and f"{texts[1][:4]}</q>" in words and "style, minor" in words
    assert [one["text"] for one in page.context["others"]] == [texts[1]]
    for row in held.task.task_responses.all():
        assert row.response.model is None or row.response.model.name not in words


def test_an_item_of_one_step_has_nothing_before_it(project: Project, annotator_client: Client) -> None:
    make_task(project)
    assert "earlier" not in annotator_client.get(DESK).context
