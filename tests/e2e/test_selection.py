"""Selection in a browser: any subset, or none; with a picture and without."""

import io
from typing import Any

import pytest
from PIL import Image as Picture
from playwright.sync_api import Page, expect

from accounts.models import Project, User
from annotate import services
from annotate.intake import images
from annotate.models import Feedback, Task
from tests.factories import make_prompt, make_response

DESK = "/p/helpful/annotate/"


def make_selection(project: Project, key: str = "p-1", *, count: int = 4, picture: bool = False) -> Task:
    image = None
    if picture:
        drawn = io.BytesIO()
        Picture.new("RGB", (640, 480), "#a0b0c0").save(drawn, "PNG")
        image = images.keep(project, drawn.getvalue(), description="Only grey.")
    prompt = make_prompt(project, key, image=image)
    responses = [make_response(prompt, f"Reason number {number}.") for number in range(count)]
    return services.create_task(prompt=prompt, responses=responses, kind="selection")


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def ticked(page: Page) -> Any:
    return page.locator(".fit input:checked")


def expect_done(page: Page) -> None:
    expect(page.get_by_role("heading", name="Nothing to do now")).to_be_visible()


def open_desk(page: Page) -> None:
    page.goto(DESK)
    expect(page.locator("#chosen")).to_contain_text("chosen")


def test_by_keyboard(project: Project, annotator: User, sign_in: Any) -> None:
    make_selection(project, count=11)
    page = sign_in("ann")
    open_desk(page)
    press(page, "Enter")
    expect(page.locator(".aside > fieldset")).to_have_class("stack tight missing")
    press(page, "0")
    expect(page.locator("#chosen")).to_have_text("none fits")
    press(page, "1", "2", "2", "9", "k")
    expect(page.get_by_label("None of them fits")).not_to_be_checked()
    expect(page.locator("#chosen")).to_have_text("3 of 11 chosen")
    press(page, "Enter")
    expect_done(page)
    assert Feedback.objects.get().value == {"fits": [0, 8, 10]}


def test_none_and_all(project: Project, annotator: User, sign_in: Any) -> None:
    make_selection(project, "p-1"), make_selection(project, "p-2")
    page = sign_in("ann")
    open_desk(page)
    first = page.locator("#desk").get_attribute("data-assignment") or ""
    press(page, "a", "0")
    expect(ticked(page)).to_have_count(0)
    press(page, "Enter")
    expect(page.locator("#desk")).not_to_have_attribute("data-assignment", first)
    press(page, "0", "a")
    expect(ticked(page)).to_have_count(4)
    press(page, "Enter")
    expect_done(page)
    assert [one.value for one in Feedback.objects.order_by("pk")] == [{"none": True}, {"fits": [0, 1, 2, 3]}]


def test_the_picture_and_a_larger_one(project: Project, annotator: User, sign_in: Any) -> None:
    make_selection(project, picture=True)
    page = sign_in("ann")
    open_desk(page)
    picture = page.locator(".pane img")
    expect(picture).to_be_visible()
    assert (picture.bounding_box() or {})["width"] > 600
    press(page, "z")
    expect(page.locator("#larger img")).to_be_visible()
    press(page, "z")
    expect(page.locator("#larger")).to_be_hidden()
    page.locator(".fit").nth(1).click()
    page.locator("#send").click()
    expect_done(page)
    assert Feedback.objects.get().value == {"fits": [1]}


def test_a_draft_and_an_undone_answer_come_back(project: Project, annotator: User, sign_in: Any) -> None:
    make_selection(project)
    page = sign_in("ann")
    open_desk(page)
    press(page, "1", "4")
    expect(page.locator("#save")).to_contain_text("Draft saved")
    page.reload()
    expect(page.locator("#chosen")).to_have_text("2 of 4 chosen")
    press(page, "0", "Enter")
    expect_done(page)
    press(page, "u")
    expect(page.locator("#chosen")).to_have_text("none fits")
    press(page, "2", "Enter")
    expect_done(page)
    assert Feedback.current.get().value == {"fits": [1]}


@pytest.mark.parametrize("picture", [True, False])
def test_nothing_sticks_out(project: Project, annotator: User, sign_in: Any, picture: bool) -> None:
    make_selection(project, picture=picture, count=12)
    page = sign_in("ann")
    open_desk(page)
    for width in (1440, 1000, 720, 390):
        for direction in ("ltr", "rtl"):
            page.set_viewport_size({"width": width, "height": 844})
            page.evaluate("direction => { document.documentElement.dir = direction }", direction)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (width, direction)


def test_without_script(project: Project, annotator: User, sign_in: Any) -> None:
    make_selection(project)
    page = sign_in("ann", java_script_enabled=False)
    page.goto(DESK)
    page.locator(".fit input").nth(2).check(force=True)
    page.locator("#send").click()
    expect_done(page)
    assert Feedback.objects.get().value == {"fits": [2]}
