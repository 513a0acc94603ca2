"""edit in a browser: by keyboard, the live diff, reset and undo, drafts, right to left, on a phone, without script."""

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from accounts.models import Project, User
from annotate import services
from annotate.models import Feedback, Protocol, Task
from annotate.worddiff import cost_of_edit
from tests.factories import make_prompt, make_response

DESK = "/p/helpful/annotate/"
DRAFT = (
    "Hello! I hope that you are well.\n\n"
    "You have to soak the beans for twenty-four hours 🫘, and then you can cook them for a while.\n\n"
    "- Rinse them first.\n- Add salt at the end.\n\nI hope this helps!"
)
EDITED = (
    "Soak the beans overnight 🫘, rinse them, and cook them for 90 minutes.\n\n- Rinse them first.\n- Add salt early."
)
PICTURES = os.environ.get("PICTURES")
"""A folder for screenshots, for whoever wants to look."""


def make_edit(project: Project, key: str = "p-1", *, text: str = DRAFT, lang: str = "en", note: bool = False) -> Task:
    prompt = make_prompt(project, key, lang=lang)
    steps = [{"kind": "edit", "options": {"note": note}}]
    protocol = Protocol.objects.create(project=project, name=f"edit {key}", steps=steps)
    return services.create_task(prompt=prompt, responses=[make_response(prompt, text)], protocol=protocol)


def picture(page: Page, name: str) -> None:
    if PICTURES:
        page.wait_for_timeout(300)
        page.screenshot(path=Path(PICTURES) / f"edit-{name}.png")


def open_desk(page: Page) -> None:
    page.goto(DESK)
    expect(page.locator("#edit-cost")).not_to_be_empty()


def type_over(page: Page, text: str) -> None:
    page.keyboard.press("e")
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)


def test_by_keyboard(project: Project, annotator: User, sign_in: Any) -> None:
    make_edit(project, note=True)
    page = sign_in("ann")
    open_desk(page)
    expect(page.locator("#edit-text")).to_have_value(DRAFT)
    expect(page.locator("#send")).to_contain_text("Accept as it is")
    expect(page.locator("#edit-cost")).to_have_text("Nothing changed")
    type_over(page, EDITED)
    cost = cost_of_edit(DRAFT, EDITED)
    expect(page.locator("#edit-cost")).to_contain_text(f"{cost} words changed; the draft has")
    expect(page.locator("#send")).to_contain_text("Send")
    expect(page.locator("#edit-diff ins").first).to_be_visible()
    assert page.locator("#edit-diff del").first.inner_text().startswith("Hello!")
    page.keyboard.press("Escape")
    page.keyboard.press("w")
    page.keyboard.type("Too long.")
    picture(page, "light")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Nothing to do now")).to_be_visible()
    assert Feedback.objects.get().value == {"text": EDITED, "cost": cost, "accepted": False, "note": "Too long."}


def test_sending_without_a_change_accepts(project: Project, annotator: User, sign_in: Any) -> None:
    text = "One.\r\n\r\nTwo. "
    make_edit(project, text=text)
    page = sign_in("ann")
    open_desk(page)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Nothing to do now")).to_be_visible()
    assert Feedback.objects.get().value == {"text": text, "cost": 0, "accepted": True}


def test_reset_can_be_taken_back(project: Project, annotator: User, sign_in: Any) -> None:
    make_edit(project)
    page = sign_in("ann")
    open_desk(page)
    box = page.locator("#edit-text")
    type_over(page, EDITED)
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    expect(box).to_have_value(DRAFT)
    expect(page.locator("#send")).to_contain_text("Accept as it is")
    expect(page.locator("#edit-reset")).to_contain_text("Bring my version back")
    page.keyboard.press("r")
    expect(box).to_have_value(EDITED)
    page.keyboard.press("r")
    expect(box).to_have_value(DRAFT)
    page.keyboard.press("e")
    page.keyboard.press("Control+z")
    expect(box).to_have_value(EDITED)
    expect(page.locator("#edit-cost")).to_contain_text("words changed")


def test_an_empty_version_is_not_sent(project: Project, annotator: User, sign_in: Any) -> None:
    make_edit(project)
    page = sign_in("ann")
    open_desk(page)
    page.keyboard.press("e")
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#say")).to_contain_text("Your version is empty")
    assert not Feedback.objects.exists()


def test_the_draft_survives_a_reload_and_another_computer(project: Project, annotator: User, sign_in: Any) -> None:
    make_edit(project)
    page = sign_in("ann")
    open_desk(page)
    type_over(page, EDITED)
    expect(page.locator("#save")).to_contain_text("Draft saved")
    page.reload()
    expect(page.locator("#edit-text")).to_have_value(EDITED)
    expect(page.locator("#edit-cost")).to_contain_text("words changed")
    elsewhere = sign_in("ann")
    open_desk(elsewhere)
    expect(elsewhere.locator("#edit-text")).to_have_value(EDITED)


def test_undo_brings_the_edit_back(project: Project, annotator: User, sign_in: Any) -> None:
    make_edit(project)
    page = sign_in("ann")
    open_desk(page)
    type_over(page, EDITED)
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="Nothing to do now")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#edit-text")).to_have_value(EDITED)
    expect(page.locator("#edit-diff ins").first).to_be_visible()


def test_markup_in_a_response_stays_text(project: Project, annotator: User, sign_in: Any) -> None:
    hostile = "</textarea></script><img src=x onerror=alert(1)> <b>bold</b> & &amp;"
    make_edit(project, text=hostile)
    page = sign_in("ann")
    open_desk(page)
    expect(page.locator("#edit-text")).to_have_value(hostile)
    expect(page.locator("#edit-diff")).to_have_text(hostile)
    assert page.locator("#edit-diff img, #edit-diff b").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_from_the_right(project: Project, annotator: User, sign_in: Any, scheme: str) -> None:
    make_edit(project, text="انقع الفاصوليا في ماء بارد وفير طوال الليل، ثم اغسلها واطبخها ببطء.", lang="ar")
    page = sign_in("ann", color_scheme=scheme)
    page.set_viewport_size({"width": 390, "height": 844})
    open_desk(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    box = page.locator("#edit-text")
    expect(box).to_have_attribute("dir", "rtl")
    expect(box).to_have_attribute("lang", "ar")
    expect(page.locator("#edit-diff")).to_have_attribute("dir", "rtl")
    type_over(page, "انقع الفاصوليا في الماء طوال الليل، ثم اطبخها ببطء.")
    expect(page.locator("#edit-diff ins").first).to_be_visible()
    picture(page, f"phone-{scheme}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    if scheme == "dark":
        page.set_viewport_size({"width": 1440, "height": 900})
        picture(page, "dark")


def test_without_script_it_is_a_form(project: Project, annotator: User, browser: Browser, sign_in: Any) -> None:
    make_edit(project)
    page = sign_in("ann")
    state = page.context.storage_state()
    plain = browser.new_context(storage_state=state, base_url=page.url.split("/p/")[0], java_script_enabled=False)
    form = plain.new_page()
    form.goto(DESK)
    assert form.locator("#edit-text").input_value() == DRAFT
    expect(form.locator("#edit-diff")).not_to_be_visible()
    form.locator("#edit-text").fill("Soak them.")
    picture(form, "plain")
    form.get_by_role("button", name="Send").click()
    expect(form.get_by_role("heading", name="Nothing to do now")).to_be_visible()
    plain.close()
    assert Feedback.objects.get().value["text"] == "Soak them."
