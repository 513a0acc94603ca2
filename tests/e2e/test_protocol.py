"""A protocol in a browser, by keyboard only: compare, critique the loser, edit the winner."""

import os
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from accounts.models import Project, User
from annotate.models import Assignment, Feedback, Protocol
from annotate.worddiff import cost_of_edit
from tests.factories import make_task

DESK = "/p/helpful/annotate/"
TEXTS = ("Soak them overnight 🫘.", "Soak the beans 🫘 in cold water overnight. Then rinse and cook them slowly.")
STEPS = [
    {"kind": "pairwise", "question": "Which answer is better?"},
    {"kind": "critique", "of": "loser", "question": "What is wrong with the other one?"},
    {"kind": "edit", "of": "winner", "question": "Make the better one right"},
]
PICTURES = os.environ.get("PICTURES")


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def at_step(page: Page, kind: str) -> None:
    expect(page.locator("#desk")).to_have_attribute("data-kind", kind)
    expect(page.locator("#desk")).to_have_attribute("data-ready", "1")
    if kind == "critique":
        expect(page.locator("#critique-text")).to_have_attribute("data-ready", "1")
    if PICTURES:
        page.wait_for_timeout(400)
        page.screenshot(path=Path(PICTURES) / f"protocol-{kind}.png")


def test_three_steps_by_keyboard_and_back(project: Project, annotator: User, sign_in: Any) -> None:
    protocol = Protocol.objects.create(project=project, name="full", title="Full", steps=STEPS)
    make_task(project, texts=TEXTS, protocol=protocol)
    page = sign_in("ann")
    page.goto(DESK)
    at_step(page, "pairwise")
    order = Assignment.objects.get().order
    winner = order[0]  # on the left
    loser = order[1]

    press(page, "f", "f", "Enter")
    at_step(page, "critique")
    assert page.locator("#critique-text").evaluate("text => getComputedStyle(text).whiteSpace") == "pre-wrap"
    expect(page.locator(".pane .let")).to_have_text("B")
    press(page, "m", "ArrowRight", "Shift+ArrowRight", "2", "Enter")
    page.keyboard.type("Which ones?")
    press(page, "Escape", "w")
    page.keyboard.type("Says too little.")
    press(page, "Escape", "Enter")

    at_step(page, "edit")
    expect(page.locator("#edit-cost")).to_have_text("Nothing changed")
    expect(page.get_by_text("Your version of A")).to_be_visible()
    press(page, "e", "Control+End")
    page.keyboard.type(" Add salt at the end.")
    expect(page.locator("#edit-cost")).to_contain_text("6 words changed")

    # back to the first step, and forward again with what was said
    press(page, "Escape", "u")
    at_step(page, "critique")
    expect(page.get_by_label("Comment on mark 1")).to_have_value("Which ones?")
    press(page, "u")
    at_step(page, "pairwise")
    expect(page.locator('input[name="strength"]:checked')).to_have_value("2")
    press(page, "Enter")
    at_step(page, "critique")
    expect(page.get_by_label("Comment on mark 1")).to_have_value("Which ones?")
    press(page, "Enter")
    at_step(page, "edit")
    expect(page.locator("#edit-text")).to_have_value(f"{TEXTS[winner]} Add salt at the end.")
    press(page, "Enter")
    expect(page.get_by_role("heading", name="Nothing to do now")).to_be_visible()

    rows = list(Feedback.current.order_by("step"))
    assert [(row.step, row.kind) for row in rows] == [(0, "pairwise"), (1, "critique"), (2, "edit")]
    assert len({row.assignment_id for row in rows}) == 1
    assert [list(row.order) for row in rows] == [order, [loser], [winner]]
    assert rows[0].preference == (2 if winner == 0 else -2)
    mark = rows[1].value["marks"][0]
    assert TEXTS[loser][mark["start"] : mark["end"]] == mark["quote"]
    assert (mark["label"], mark["comment"], rows[1].value["weaknesses"]) == (
        "unclear",
        "Which ones?",
        "Says too little.",
    )
    edited = f"{TEXTS[winner]} Add salt at the end."
    assert rows[2].value == {"text": edited, "cost": cost_of_edit(TEXTS[winner], edited), "accepted": False}
