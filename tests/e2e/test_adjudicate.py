"""Adjudication in a browser, by keyboard alone: verdicts, an answer that goes back, and the rater who gets it."""

import re
import uuid
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import Project, User
from annotate import services
from annotate.models import Feedback, Protocol, SentBack, Task, Verdict
from annotate.moderation.adjudication import order_for
from tests.annotate.test_adjudication import answered
from tests.e2e.test_desk import press
from tests.factories import make_prompt, make_raters, make_response, make_task, make_vote

PAGE = "/p/helpful/adjudicate/"
DESK = "/p/helpful/annotate/"


def disputed(project: Project, key: str, one: User, other: User, **values: Any) -> Task:
    task = make_task(project, key, wanted=2, priority=9, **values)
    make_vote(task, one, 2), make_vote(task, other, -2)
    return task


def expect_item(page: Page, task: Task, *, ready: str = "[data-ready]") -> None:
    """The item is on the page and, where there is script, takes keys."""
    expect(page.locator(f'#desk{ready}[data-assignment="verdict-{task.pk}"]')).to_be_visible()


def test_two_verdicts_one_sent_back_and_its_rater(
    project: Project, annotator: User, reviewer: User, sign_in: Any
) -> None:
    (other,) = make_raters(project, 1)
    first, second, third = (disputed(project, f"p-{number}", annotator, other) for number in range(3))
    make_task(project, "next")
    page = sign_in("ravi")
    page.goto(PAGE)
    expect_item(page, first)
    press(page, "f", "f", "Enter")
    assert not Verdict.objects.exists(), "the raters are not told why yet"
    expect(page.locator("#reason")).to_be_focused()
    page.keyboard.type("It says how long.")
    press(page, "Enter")
    expect_item(page, second)
    expect(page.locator("#save")).to_contain_text("Settled")
    verdict = Verdict.objects.get()
    assert (verdict.value, verdict.reason) == ({"strength": 2}, "It says how long.")

    press(page, "2", "c")
    page.keyboard.type("The second rater is right.")
    press(page, "Enter")
    expect_item(page, third)
    taken = Verdict.objects.get(task=second)
    assert taken.preference == -2 and taken.value == {"strength": -2 if taken.order[0] == 0 else 2}
    assert taken.order == order_for(second, reviewer), "in the order that the adjudicator saw"

    press(page, "u")
    expect_item(page, second)
    expect(page.locator("#reason")).to_have_value("The second rater is right.")
    press(page, "Space", "Enter")
    expect_item(page, third)
    assert Verdict.objects.get(task=second, withdrawn_at=None).supersedes == taken

    press(page, "r")
    boxes = page.locator('#back input[name="assignment"]')
    expect(boxes.first).to_be_focused()
    press(page, "Tab", "Space", "Tab")
    page.keyboard.type("Look at the time again.")
    press(page, "Control+Enter")
    expect(page.get_by_role("heading", name="Nothing to settle")).to_be_visible()
    sent = SentBack.objects.get()
    assert (sent.annotator, sent.assignment.task, sent.note) == (annotator, third, "Look at the time again.")

    desk = sign_in("ann")
    desk.goto(DESK)
    expect(desk.locator(".ask")).to_contain_text("Look at the time again.")
    chosen = desk.locator('input[name="strength"]:checked').get_attribute("value")
    press(desk, "x", "Enter")
    expect(desk.locator(".ask")).to_contain_text("(next)")
    assert chosen in {"2", "-2"}
    sent.refresh_from_db()
    assert sent.changed and Feedback.current.get(assignment=sent.assignment).value == {"both_bad": True}
    desk.goto(f"{DESK}history/")
    expect(desk.locator("body")).to_contain_text("It says how long.")

    page.goto(PAGE)
    expect_item(page, third)
    expect(page.locator(".raters")).to_contain_text("Changed")
    press(page, "s")
    expect(page.get_by_role("heading", name="Nothing to settle but what you skipped")).to_be_visible()


def test_sent_back_and_sent_as_it_was(project: Project, annotator: User, reviewer: User, sign_in: Any) -> None:
    """An item of two steps: the other step is a link away, and an unchanged answer is an answer too."""
    steps = [{"kind": "pairwise"}, {"kind": "pairwise", "question": "Which is safer?"}]
    protocol = Protocol.objects.create(project=project, name="two", title="Two", steps=steps)
    make_task(project, protocol=protocol)
    assignment = services.next_assignment(project=project, annotator=annotator)
    assert assignment
    for _ in steps:
        services.record_feedback(
            assignment=assignment, annotator=annotator, data={"strength": "1"}, idempotency_key=uuid.uuid4()
        )
    SentBack.objects.create(
        assignment=assignment, project=project, annotator=annotator, reviewer=reviewer, note="Look at safety."
    )
    page = sign_in("ann")
    page.goto(DESK)
    page.get_by_role("link", name="2. Which is safer?").click()
    expect(page.locator(".ask")).to_contain_text("Look at safety.")
    expect(page.locator('input[name="strength"]:checked')).to_have_value("1")
    press(page, "Enter")
    expect(page.get_by_role("heading", name="Nothing to do now")).to_be_visible()
    assert SentBack.objects.get().changed is False
    assert Feedback.objects.count() == 2


@pytest.mark.parametrize("width", [1440, 390])
def test_a_ranking_by_its_raters_answers(project: Project, reviewer: User, sign_in: Any, width: int) -> None:
    prompt = make_prompt(project)
    task = services.create_task(
        prompt=prompt, responses=[make_response(prompt, f"answer {n}") for n in range(4)], kind="ranking", wanted=2
    )
    one, other = make_raters(project, 2)
    answered(task, one, "ranking", {"ranks": [1, 2, 3, 4]})
    answered(task, other, "ranking", {"ranks": [4, 3, 2, 1]})
    page = sign_in("ravi")
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(PAGE)
    expect_item(page, task)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    expect(page.locator(".ask")).to_contain_text("2 raters, whose orders are 0% alike.")
    press(page, "f", "x", "Enter")
    expect(page.locator("#say")).to_contain_text(re.compile("a digit takes"))
    press(page, "1", "c")
    page.keyboard.type("As the first rater says.")
    press(page, "Enter")
    expect(page.get_by_role("heading", name="Nothing to settle")).to_be_visible()
    assert Verdict.objects.get().value == {"ranks": [1, 2, 3, 4]}


def test_without_script(project: Project, annotator: User, reviewer: User, sign_in: Any) -> None:
    (other,) = make_raters(project, 1)
    first, second = (disputed(project, f"p-{number}", annotator, other) for number in range(2))
    page = sign_in("ravi", java_script_enabled=False)
    page.goto(PAGE)
    expect_item(page, first, ready="")
    page.locator('input[name="strength"][value="-2"]').check(force=True)
    page.get_by_label("Why, for the raters to read").fill("It says when.")
    page.get_by_role("button", name="Settle").click()
    expect_item(page, second, ready="")
    expect(page.locator("#save")).to_contain_text("Settled")
    page.get_by_role("button", name=re.compile("Send back to")).first.click()
    page.locator('#back input[name="assignment"]').first.check()
    page.get_by_label("Note for the rater").fill("Look again.")
    page.locator("#back").get_by_role("button", name="Send back").click()
    expect(page.get_by_role("heading", name="Nothing to settle")).to_be_visible()
    assert SentBack.objects.count() == Verdict.objects.count() == 1
