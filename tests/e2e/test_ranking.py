"""Ranking in a browser: digits, the list that can be dragged, and an order that equals the order shown."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import Project, User
from annotate import services
from annotate.models import Feedback, Protocol, Task
from tests.factories import make_prompt, make_response

DESK = "/p/helpful/annotate/"
TEXTS = ("Soak them.", "Soak the beans overnight.", "Cook the beans.", "Buy a tin.", "Ask somebody else, or wait.")


def make_ranking(project: Project, key: str = "p-1", *, count: int = 4, places: int | None = None) -> Task:
    protocol, _ = Protocol.objects.get_or_create(
        project=project, name=f"rank-{places or 'all'}", title="Rank",
        defaults={"steps": [{"kind": "ranking", "options": {"places": places}}]},
    )  # fmt: skip
    prompt = make_prompt(project, key)
    responses = [make_response(prompt, text) for text in TEXTS[:count]]
    return services.create_task(prompt=prompt, responses=responses, protocol=protocol)


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def row(page: Page, place: int) -> Any:
    return page.locator(f'.places > li[data-place="{place}"]')


def chip(page: Page, letter: str) -> Any:
    return page.locator(".chip", has_text=letter)


def middle(box: Any) -> tuple[float, float]:
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def expect_done(page: Page) -> None:
    expect(page.get_by_role("heading", name="Nothing to do now")).to_be_visible()


def open_desk(page: Page) -> None:
    page.goto(DESK)
    expect(page.locator(".pane.on")).to_have_attribute("data-letter", "A")


def test_by_keyboard_with_a_tie(project: Project, annotator: User, sign_in: Any) -> None:
    make_ranking(project)
    page = sign_in("ann")
    open_desk(page)
    press(page, "2", "ArrowRight", "1", "ArrowRight", "2", "Enter")
    expect(page.locator("#rank-note")).to_contain_text("D has no place yet")
    expect(page.locator(".pane.on")).to_have_attribute("data-letter", "D")
    press(page, "3", "3")
    expect(row(page, 0)).to_contain_text("D")
    expect(row(page, 3)).to_contain_text("free, because 2 share place 2")
    press(page, "4")
    expect(page.locator("#rank-state")).to_have_text("B, then A and C, then D.")
    press(page, "Enter")
    expect_done(page)
    assert Feedback.objects.get().value == {"ranks": [2, 1, 2, 4]}


def test_tab_goes_from_card_to_card(project: Project, annotator: User, sign_in: Any) -> None:
    make_ranking(project, count=3)
    page = sign_in("ann")
    open_desk(page)
    page.locator('.pane[data-letter="A"]').focus()
    press(page, "3", "Tab", "2", "Tab", "1", "Enter")
    expect_done(page)
    assert Feedback.objects.get().value == {"ranks": [3, 2, 1]}


def test_an_order_that_equals_the_order_shown_is_asked_about_once(
    project: Project, annotator: User, sign_in: Any
) -> None:
    for key in ("p-1", "p-2"):
        make_ranking(project, key, places=2)
    page = sign_in("ann")
    open_desk(page)
    first = page.locator("#desk").get_attribute("data-assignment") or ""
    press(page, "1", "ArrowRight", "2")
    page.locator("#send").click()
    expect(page.locator("#rank-note")).to_contain_text("the order in which they were shown: A, then B, then the rest.")
    expect(page.locator("#save")).to_have_text("Look at your order")
    assert not Feedback.objects.exists()
    page.locator("#send").click()
    expect(page.locator("#desk")).not_to_have_attribute("data-assignment", first)
    assert Feedback.objects.get().value == {"ranks": [1, 2, None, None]}
    open_desk(page)
    press(page, "1", "ArrowRight", "2", "Enter")
    expect(page.locator("#rank-note")).to_be_visible()
    press(page, "ArrowLeft", "2", "ArrowRight", "1")
    expect(page.locator("#rank-note")).to_be_hidden()
    press(page, "Enter")
    expect_done(page)
    assert Feedback.objects.latest("pk").value == {"ranks": [2, 1, None, None]}


def test_the_list_by_keyboard(project: Project, annotator: User, sign_in: Any) -> None:
    make_ranking(project, count=3)
    page = sign_in("ann")
    open_desk(page)
    chip(page, "A").focus()
    press(page, "ArrowUp")
    expect(row(page, 3)).to_contain_text("A")
    chip(page, "C").focus()
    press(page, "ArrowUp", "ArrowUp", "ArrowUp", "ArrowUp")
    expect(row(page, 1)).to_contain_text("C")
    expect(chip(page, "C")).to_be_focused()
    press(page, "ArrowDown", "ArrowUp")
    chip(page, "B").focus()
    press(page, "2")
    expect(page.locator("#rank-state")).to_have_text("C, then B, then A.")
    page.locator('.pane[data-letter="A"]').focus()
    press(page, "Enter")
    expect_done(page)
    assert Feedback.objects.get().value == {"ranks": [3, 2, 1]}


def test_drag_by_mouse(project: Project, annotator: User, sign_in: Any) -> None:
    make_ranking(project, count=3)
    page = sign_in("ann")
    open_desk(page)
    for letter, place in (("C", 1), ("A", 2), ("B", 2)):
        page.mouse.move(*middle(chip(page, letter).bounding_box()))
        page.mouse.down()
        page.mouse.move(*middle(row(page, place).bounding_box()), steps=5)
        expect(row(page, place)).to_have_class("over")
        page.mouse.up()
        expect(row(page, place)).to_contain_text(letter)
    page.mouse.move(*middle(chip(page, "A").bounding_box()))
    page.mouse.down()
    page.mouse.move(40, 200, steps=5)
    page.mouse.up()
    expect(row(page, 2)).to_contain_text("tie"), "dropped beside the list: it stays where it was"
    page.locator("#send").click()
    expect_done(page)
    assert Feedback.objects.get().value == {"ranks": [2, 2, 1]}


def test_drag_by_touch_on_a_phone(project: Project, annotator: User, sign_in: Any) -> None:
    make_ranking(project, count=3)
    page = sign_in("ann", has_touch=True, is_mobile=True)
    page.set_viewport_size({"width": 390, "height": 844})
    open_desk(page)
    touch = page.context.new_cdp_session(page)
    for letter, place in (("B", 1), ("A", 2)):
        page.locator(".order").evaluate("order => order.scrollIntoView({block: 'center', behavior: 'instant'})")
        start, goal = middle(chip(page, letter).bounding_box()), middle(row(page, place).bounding_box())
        touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": start[0], "y": start[1]}]})
        for part in (0.25, 0.5, 0.75, 1, 1):
            x, y = (begin + (end - begin) * part for begin, end in zip(start, goal, strict=True))
            touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x, "y": y}]})
            page.wait_for_timeout(100)  # a finger that lifts in full flight flings, and Chromium eats the next tap
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        expect(row(page, place)).to_contain_text(letter)
    digit = page.locator('.pane[data-letter="C"] .digits label', has_text="3")
    digit.tap()
    expect(row(page, 3)).to_contain_text("C")
    digit.tap()
    expect(row(page, 3)).to_contain_text("free")
    digit.tap()
    page.locator("#send").tap()
    expect_done(page)
    assert Feedback.objects.get().value == {"ranks": [2, 1, 3]}


def test_a_draft_and_an_undone_answer_come_back(project: Project, annotator: User, sign_in: Any) -> None:
    make_ranking(project, count=3)
    page = sign_in("ann")
    open_desk(page)
    press(page, "2", "ArrowRight", "1")
    expect(page.locator("#save")).to_contain_text("Draft saved")
    page.reload()
    expect(row(page, 2)).to_contain_text("A")
    expect(row(page, 1)).to_contain_text("B")
    press(page, "ArrowRight", "ArrowRight", "3", "Enter")
    expect_done(page)
    press(page, "u")
    expect(page.locator("#rank-state")).to_have_text("B, then A, then C.")
    press(page, "Enter")
    expect_done(page)
    assert Feedback.current.get().value == {"ranks": [2, 1, 3]}


@pytest.mark.parametrize("count", [2, 5])
def test_nothing_sticks_out(project: Project, annotator: User, sign_in: Any, count: int) -> None:
    make_ranking(project, count=count)
    page = sign_in("ann")
    open_desk(page)
    for width in (1440, 720, 390):
        for direction in ("ltr", "rtl"):
            page.set_viewport_size({"width": width, "height": 844})
            page.evaluate("direction => { document.documentElement.dir = direction }", direction)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (width, direction)
    page.set_viewport_size({"width": 1440, "height": 900})
    press(page, "ArrowLeft")
    expect(page.locator(".pane.on")).to_have_attribute("data-letter", "B")


def test_without_script(project: Project, annotator: User, sign_in: Any) -> None:
    make_ranking(project, count=3)
    page = sign_in("ann", java_script_enabled=False)
    page.goto(DESK)
    expect(page.locator(".order")).to_be_hidden()
    for letter, place in (("A", 2), ("B", 1)):
        page.get_by_label(f"{letter}: place {place}").check(force=True)
    page.get_by_label("C: place 2").check(force=True)
    page.locator("#send").click()
    expect_done(page)
    assert Feedback.objects.get().value == {"ranks": [2, 1, 2]}
