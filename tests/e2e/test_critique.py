"""critique in a browser: marks by keys, mouse and finger, overlapping, with emoji; drafts; from the right; a phone."""

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from accounts.models import Project, User
from annotate import services
from annotate.models import Feedback, Task
from tests.factories import make_prompt, make_response

DESK = "/p/helpful/annotate/"
TEXT = (
    "Soak the beans 🫘🫘 overnight. 👩\u200d🍳 says so!\r\n\r\n"
    "In the morning, boil them for **5 minutes**. You can eat them then.\n\n- Salt: at the end.\n- Hope this helps!"
)
ARABIC = "انقع الفاصوليا في ماء بارد 🫘 طوال الليل، ثم اغسلها. اطبخها ببطء حتى تلين."
PICTURES = os.environ.get("PICTURES")
"""A folder for screenshots, for whoever wants to look."""


def make_critique(project: Project, key: str = "p-1", *, text: str = TEXT, lang: str = "en") -> Task:
    prompt = make_prompt(project, key, lang=lang)
    return services.create_task(prompt=prompt, responses=[make_response(prompt, text)], kind="critique")


def picture(page: Page, name: str) -> None:
    if PICTURES:
        page.wait_for_timeout(300)
        page.screenshot(path=Path(PICTURES) / f"critique-{name}.png")


def open_desk(page: Page) -> None:
    page.goto(DESK)
    expect(page.locator("#critique-text")).to_have_attribute("data-ready", "1")


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def sent(page: Page) -> dict[str, Any]:
    expect(page.get_by_role("heading", name="Nothing to do now")).to_be_visible()
    value: dict[str, Any] = Feedback.objects.get().value
    return value


def spans(value: dict[str, Any], text: str) -> list[str]:
    assert all(text[mark["start"] : mark["end"]] == mark["quote"] for mark in value["marks"])
    return [mark["quote"] for mark in value["marks"]]


def select(page: Page, start: str, end: str) -> None:
    """Drag from the first letter of `start` to the last of `end`, as a mouse does."""
    places = page.evaluate(
        """(words) => words.map((word, last) => {
            const walker = document.createTreeWalker(document.getElementById("critique-text"), NodeFilter.SHOW_TEXT);
            for (let node = walker.nextNode(); node; node = walker.nextNode()) {
                const at = node.data.indexOf(word);
                if (at < 0) continue;
                const range = document.createRange();
                range.setStart(node, last ? at + word.length - 1 : at);
                range.setEnd(node, last ? at + word.length : at + 1);
                const box = range.getBoundingClientRect();
                return [last ? box.right - 1 : box.left + 1, box.top + box.height / 2];
            }
        })""",
        [start, end],
    )
    page.mouse.move(*places[0])
    page.mouse.down()
    page.mouse.move(*places[1], steps=4)
    page.mouse.up()
    expect(page.locator("#critique-bar")).to_be_visible()


def test_by_keyboard_with_overlapping_marks(project: Project, annotator: User, sign_in: Any) -> None:
    make_critique(project)
    page = sign_in("ann")
    open_desk(page)
    press(page, "m", "ArrowRight", "ArrowRight", "ArrowRight", "Shift+ArrowRight", "3", "]", "]", "Enter")
    page.keyboard.type("Twelve hours at least 🫘.")
    press(page, "Escape", "m", "ArrowLeft", "Shift+ArrowRight", "Shift+ArrowRight", "4", "-", "-", "Enter")
    press(page, "Escape", "m", "ArrowDown", "Shift+ArrowDown", "5", "Enter", "Escape")
    expect(page.locator("#critique-list > li")).to_have_count(3)
    assert page.locator("#critique-text mark mark").count() > 0
    press(page, "Enter")
    expect(page.locator("#say")).to_contain_text("A critical mark needs a change")
    page.keyboard.type("Say how long.")
    press(page, "Escape", "q")
    page.keyboard.type("Short.")
    press(page, "Escape", "w")
    page.keyboard.type("Unsafe.")
    press(page, "Escape")
    picture(page, "light")
    press(page, "Enter")
    value = sent(page)
    found = spans(value, TEXT)
    assert found[0] == "beans 🫘🫘 overnight"
    assert found[1] == "🫘🫘 overnight"
    assert [(mark["label"], mark["severity"]) for mark in value["marks"]] == [
        ("style", "minor"),
        ("unsafe", "critical"),
        ("good", ""),
    ]
    assert value["marks"][1]["comment"] == "Twelve hours at least 🫘."
    assert (value["strengths"], value["weaknesses"], value["refinement"]) == ("Short.", "Unsafe.", "Say how long.")


def test_by_mouse(project: Project, annotator: User, sign_in: Any) -> None:
    make_critique(project)
    page = sign_in("ann")
    open_desk(page)
    select(page, "boil", "minutes")
    picture(page, "bar")
    page.locator("#critique-bar").get_by_text("Critical").click()
    page.get_by_role("button", name="Factual error").click()
    page.keyboard.type("90 minutes.")
    select(page, "🫘🫘", "says")
    page.get_by_role("button", name="Style").click()
    expect(page.locator("#critique-list > li")).to_have_count(2)
    page.locator("#critique-refinement").fill("Say 90 minutes.")
    page.get_by_role("button", name="Send").click()
    value = sent(page)
    assert spans(value, TEXT) == ["🫘🫘 overnight. 👩\u200d🍳 says", "boil them for **5 minutes"]
    assert [mark["severity"] for mark in value["marks"]] == ["minor", "critical"]


def test_a_mark_is_changed_and_deleted(project: Project, annotator: User, sign_in: Any) -> None:
    make_critique(project)
    page = sign_in("ann")
    open_desk(page)
    press(page, "m", "2", "Enter", "Escape", "m", "ArrowRight", "4", "Enter", "Escape")
    press(page, "1", "Shift+ArrowRight", "1", "Enter", "Escape")
    page.locator("#critique-text sup a", has_text="2").click()
    expect(page.get_by_label("Comment on mark 2")).to_be_focused()
    press(page, "Escape", "2", "Delete")
    expect(page.locator("#critique-list > li")).to_have_count(1)
    page.get_by_role("button", name="Edit mark 1").click()
    expect(page.locator("#critique-bar")).to_be_visible()
    press(page, "Escape")
    expect(page.locator("#critique-bar")).to_be_hidden()
    press(page, "Enter")
    value = sent(page)
    assert spans(value, TEXT) == ["Soak the"]
    assert value["marks"][0]["label"] == "factual error"


def test_the_draft_survives_a_reload_and_an_undo(project: Project, annotator: User, sign_in: Any) -> None:
    make_critique(project)
    page = sign_in("ann")
    open_desk(page)
    press(page, "m", "ArrowDown", "2", "Enter")
    page.keyboard.type("Who?")
    expect(page.locator("#save")).to_contain_text("Draft saved")
    page.reload()
    expect(page.locator("#critique-list > li")).to_have_count(1)
    expect(page.get_by_label("Comment on mark 1")).to_have_value("Who?")
    elsewhere = sign_in("ann")
    open_desk(elsewhere)
    expect(elsewhere.get_by_label("Comment on mark 1")).to_have_value("Who?")
    press(elsewhere, "Enter")
    first = sent(elsewhere)
    elsewhere.get_by_role("button", name="Undo").click()
    expect(elsewhere.locator("#critique-text mark").first).to_be_visible()
    press(elsewhere, "Enter")
    expect(elsewhere.get_by_role("heading", name="Nothing to do now")).to_be_visible()
    assert Feedback.current.get().value == first


def test_nothing_said_is_not_sent(project: Project, annotator: User, sign_in: Any) -> None:
    make_critique(project)
    page = sign_in("ann")
    open_desk(page)
    press(page, "Enter")
    expect(page.locator("#say")).to_contain_text("Nothing is said yet")
    assert not Feedback.objects.exists()


def test_in_a_text_from_the_right_the_left_arrow_goes_on(project: Project, annotator: User, sign_in: Any) -> None:
    make_critique(project, text=ARABIC, lang="ar")
    page = sign_in("ann", color_scheme="dark")
    open_desk(page)
    press(page, "m", "ArrowLeft", "Shift+ArrowLeft", "1", "Enter", "Escape", "m", "ArrowDown", "5", "Enter", "Escape")
    picture(page, "dark")
    press(page, "Enter")
    assert spans(sent(page), ARABIC) == ["الفاصوليا في", "اطبخها"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_by_finger(project: Project, annotator: User, sign_in: Any, scheme: str) -> None:
    make_critique(project)
    page = sign_in("ann", color_scheme=scheme, has_touch=True, is_mobile=True)
    page.set_viewport_size({"width": 390, "height": 844})
    open_desk(page)
    # a finger selects by pressing long, which ends in the same event as this
    page.evaluate(
        """() => {
            const node = document.getElementById("critique-text").firstChild;
            const at = node.data.indexOf("morning");
            getSelection().setBaseAndExtent(node, at, node, at + "morning".length);
        }"""
    )
    expect(page.locator("#critique-bar")).to_be_visible()
    picture(page, f"phone-bar-{scheme}")
    box = page.locator("#critique-bar").bounding_box()
    assert box and box["x"] >= 0 and box["x"] + box["width"] <= 390
    page.get_by_role("button", name="Unclear").tap()
    expect(page.get_by_label("Comment on mark 1")).to_be_focused()
    picture(page, f"phone-{scheme}")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Send").tap()
    assert spans(sent(page), TEXT) == ["morning"]


def test_a_label_bar_stays_within_the_window(project: Project, annotator: User, sign_in: Any) -> None:
    make_critique(project, text="word " * 1_500)
    page = sign_in("ann")
    open_desk(page)
    press(page, "m", "Shift+End")
    box = page.locator("#critique-bar").bounding_box()
    assert box and box["y"] >= 0 and box["y"] + box["height"] <= 900


def test_the_next_task_starts_clean(project: Project, annotator: User, sign_in: Any) -> None:
    """Also when the bar is open as the next task comes; nothing on the console, or `sign_in` fails."""
    make_critique(project, "p-1"), make_critique(project, "p-2", text="Another answer.")
    page = sign_in("ann")
    open_desk(page)
    first = page.locator("#desk").get_attribute("data-assignment") or ""
    press(page, "m", "1", "Enter", "Escape", "m", "Shift+ArrowRight")
    expect(page.locator("#critique-bar")).to_be_visible()
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#desk")).not_to_have_attribute("data-assignment", first)
    expect(page.locator("#critique-text")).to_have_attribute("data-ready", "1")
    expect(page.locator("#critique-bar")).to_be_hidden()
    expect(page.locator("#critique-list > li")).to_have_count(0)
    press(page, "m", "2", "Enter")
    expect(page.locator("#critique-list .quote")).to_have_text(
        "“Another”" if "Another" in page.locator("#critique-text").inner_text() else "“Soak”"
    )


def test_without_script_it_is_a_form(project: Project, annotator: User, browser: Browser, sign_in: Any) -> None:
    make_critique(project)
    page = sign_in("ann")
    state = page.context.storage_state()
    plain = browser.new_context(storage_state=state, base_url=page.url.split("/p/")[0], java_script_enabled=False)
    form = plain.new_page()
    form.goto(DESK)
    expect(form.locator("#critique-bar")).not_to_be_visible()
    expect(form.get_by_text("No marks yet")).not_to_be_visible()
    form.locator("#critique-weaknesses").fill("Too short.")
    form.get_by_role("button", name="Send").click()
    expect(form.get_by_role("heading", name="Nothing to do now")).to_be_visible()
    plain.close()
    assert Feedback.objects.get().value["weaknesses"] == "Too short."


def test_a_mouse_takes_whole_words_and_alt_what_it_selected(project: Project, annotator: User, sign_in: Any) -> None:
    make_critique(project)
    page = sign_in("ann")
    open_desk(page)
    select(page, "rning", "bo")
    page.get_by_role("button", name="Style").click()
    page.keyboard.press("Escape")
    page.keyboard.down("Alt")
    select(page, "inut", "inut")
    page.keyboard.up("Alt")
    page.get_by_role("button", name="Style").click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Send").click()
    assert spans(sent(page), TEXT) == ["morning, boil", "inut"]


@pytest.mark.parametrize(("text", "lang"), [(TEXT, "en"), (ARABIC, "ar")])
def test_the_label_bar_comes_with_a_selection_and_stays_off_it(
    project: Project, annotator: User, sign_in: Any, text: str, lang: str
) -> None:
    make_critique(project, text=text, lang=lang)
    page = sign_in("ann")
    open_desk(page)
    press(page, "m")
    expect(page.locator("#critique-text .picking")).to_be_visible()
    expect(page.locator("#critique-bar")).to_be_hidden()
    picture(page, f"walking-{lang}")
    press(page, "Shift+ArrowDown")
    expect(page.locator("#critique-bar")).to_be_visible()
    expect(page.get_by_role("radio", name="Minor")).to_be_checked()
    picture(page, f"bar-{lang}")
    bar, picked = (
        page.locator("#critique-bar").bounding_box(),
        page.locator("#critique-text .picking").last.bounding_box(),
    )
    aside = page.locator(".aside").bounding_box()
    assert bar and picked and aside
    assert bar["y"] >= picked["y"] + picked["height"] or bar["y"] + bar["height"] <= picked["y"]
    assert bar["x"] + bar["width"] <= aside["x"] or bar["x"] >= aside["x"] + aside["width"]
