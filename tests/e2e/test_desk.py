"""The desk in a browser: by keyboard, without a connection, on a phone, in the dark, without script."""

import base64
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from accounts.models import Project, User
from annotate.models import Assignment, Feedback
from tests.factories import make_prompt, make_task

DESK = "/p/helpful/annotate/"
ARABIC = ("انقعها طوال الليل.", "انقع الفاصوليا في ماء بارد وفير طوال الليل، ثم اغسلها واطبخها ببطء.")
LIGHTNESS = """async (picture) => {
    const image = new Image();
    image.src = `data:image/png;base64,${picture}`;
    await image.decode();
    const canvas = document.createElement("canvas").getContext("2d");
    canvas.drawImage(image, 0, 0);
    return canvas.getImageData(2, 2, 1, 1).data[1] / 255;
}"""


def shown(page: Page) -> str:
    return page.locator("#desk").get_attribute("data-assignment") or ""


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def expect_next(page: Page, before: str) -> None:
    expect(page.locator("#desk")).not_to_have_attribute("data-assignment", before)


def place(page: Page, side: str) -> float:
    box = page.locator(f'.pane[data-side="{side}"]').bounding_box()
    assert box is not None
    return box["x"]


def chosen_side(page: Page) -> str:
    """The side whose pane is marked: a or b."""
    return page.locator('input[name="strength"]:checked').evaluate("input => input.closest('label').classList[0]")


def test_f_picks_the_pane_on_the_left(project: Project, annotator: User, sign_in: Any) -> None:
    """For a text from the right, and also if the whole page runs from the right."""
    make_prompt(project, lang="ar", messages=[{"role": "user", "content": "كيف أطبخ الفاصوليا؟"}])
    make_task(project, texts=ARABIC)
    page = sign_in("ann")
    page.goto(DESK)
    expect(page.locator(".pane .read").first).to_have_attribute("dir", "rtl")
    for direction in ("ltr", "rtl"):
        page.evaluate("direction => { document.documentElement.dir = direction }", direction)
        left, right = sorted("ab", key=lambda side: place(page, side))
        assert (left, right) == (("a", "b") if direction == "ltr" else ("b", "a"))
        press(page, "Space", "f")
        assert chosen_side(page) == left
        press(page, "Space", "j")
        assert chosen_side(page) == right
    page.evaluate("document.documentElement.dir = 'ltr'")
    press(page, "Space", "f", "f", "Enter")
    expect(page.get_by_role("heading", name="Nothing to do now")).to_be_visible()
    assert Feedback.objects.get().value == {"strength": 2}


def test_an_answer_without_a_connection_is_sent_later_and_once(project: Project, shaky: Page) -> None:
    make_task(project, "p-1"), make_task(project, "p-2")
    shaky.goto(DESK)
    first = shown(shaky)
    shaky.context.set_offline(True)
    press(shaky, "j", "Enter")
    expect(shaky.locator("#save")).to_contain_text("1 to send")
    assert not Feedback.objects.exists()
    shaky.context.set_offline(False)
    expect_next(shaky, first)
    shaky.reload()
    assert [row.value for row in Feedback.objects.all()] == [{"strength": -1}]
    assert shaky.evaluate("Object.keys(localStorage).filter(key => key.includes(':draft:'))") == []


def test_a_change_after_a_lost_response_is_not_lost(project: Project, shaky: Page) -> None:
    """The server has the first answer, but nobody heard so. The change is refused aloud, and comes back with undo."""
    make_task(project, "p-1"), make_task(project, "p-2")
    shaky.goto(DESK)
    first = shown(shaky)

    arrived: list[int] = []

    def lose_the_response(route: Route) -> None:
        if not arrived:
            arrived.append(route.fetch().status)
        route.abort()  # also what the desk sends again by itself, until the change was made

    shaky.route(f"**{DESK}{first}/", lose_the_response)
    press(shaky, "f", "Enter")
    expect(shaky.locator("#save")).to_contain_text("1 to send")
    press(shaky, "j", "j")
    shaky.unroute(f"**{DESK}{first}/")
    expect(shaky.locator("#save")).to_contain_text("send it again")
    press(shaky, "Enter")
    expect(shaky.locator("#save")).to_contain_text("press Undo and send it anew")
    assert Feedback.current.get().value == {"strength": 1}
    press(shaky, "u")
    expect(shaky.locator("#desk")).to_have_attribute("data-assignment", first)
    expect(shaky.locator("#save")).to_contain_text("open again")
    expect(shaky.locator('input[name="strength"]:checked')).to_have_value("-1")
    press(shaky, "Enter")
    expect_next(shaky, first)
    assert Feedback.current.get().value == {"strength": -1}


def test_undo_keeps_the_draft_of_the_task_on_the_screen(project: Project, annotator: User, sign_in: Any) -> None:
    make_task(project, "p-1", priority=1), make_task(project, "p-2")
    page = sign_in("ann")
    page.goto(DESK)
    first = shown(page)
    press(page, "f", "Enter")
    expect_next(page, first)
    second = shown(page)
    expect(page.locator('input[name="strength"]:checked')).to_have_count(0)
    press(page, "j", "j", "u")
    expect(page.locator("#desk")).to_have_attribute("data-assignment", first)
    press(page, "f", "Enter")
    expect(page.locator("#desk")).to_have_attribute("data-assignment", second)
    expect(page.locator('input[name="strength"]:checked')).to_have_value("-2")


@pytest.mark.parametrize(("status", "kept", "pending"), [(403, True, True), (422, True, False), (404, False, False)])
def test_an_answer_of_an_earlier_page_is_forgotten_only_when_its_task_is_gone(
    project: Project, shaky: Page, status: int, kept: bool, pending: bool
) -> None:
    make_task(project, "p-1"), make_task(project, "p-2")
    shaky.goto(DESK)
    draft = """([id, address]) => localStorage.setItem(
        `palate:${document.getElementById("desk").dataset.user}:draft:${id}`,
        JSON.stringify({ strength: "1", comment: "", idempotency_key: "", active_ms: 0, url: address, pending: true,
                         at: Date.now() }))"""
    shaky.evaluate(draft, ["999999", f"{shaky.url}999999/"])
    shaky.route("**/annotate/999999/", lambda route: route.fulfill(status=status, body="<p>no</p>"))
    shaky.reload()
    expect(shaky.locator("#toasts")).to_contain_text("An answer kept on this computer")
    left = shaky.evaluate("Object.values(localStorage).map(value => JSON.parse(value)).filter(one => one.strength)")
    assert [one["pending"] for one in left] == ([pending] if kept else [])


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_a_phone(project: Project, annotator: User, sign_in: Any, color_scheme: str) -> None:
    word = "Donaudampfschifffahrtsgesellschaft" * 8
    make_task(project, "p-1", texts=(f"{word}\n\n```\n{word}\n```", word)), make_task(project, "p-2")
    page = sign_in("ann", color_scheme=color_scheme)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(DESK)
    for _ in ("long words", "with a flash"):
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        expect(page.get_by_role("button", name="Send")).to_be_in_viewport()
        before = shown(page)
        page.locator(".strength label.b.n2").click()
        page.get_by_role("button", name="Send").click()
        expect_next(page, before)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    # From 0 (black) to 1, of the picture itself: a corner of the bar, where nothing is written.
    seen = page.evaluate(LIGHTNESS, base64.b64encode(page.screenshot()).decode())
    assert seen < 0.3 if color_scheme == "dark" else seen > 0.8
    assert Feedback.objects.count() == 2


def test_without_script(project: Project, annotator: User, sign_in: Any) -> None:
    make_task(project, "p-1"), make_task(project, "p-2")
    page = sign_in("ann", java_script_enabled=False)
    page.goto(DESK)
    first = shown(page)
    page.locator('input[name="strength"][value="-2"]').check(force=True)
    page.get_by_role("button", name="Send").click()
    expect_next(page, first)
    assert Feedback.current.get().value == {"strength": -2}
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#save")).to_contain_text("open again")
    assert shown(page) == first
    page.get_by_role("button", name="Skip", exact=True).click()
    page.get_by_label("It upsets me").check()
    page.locator("#skip").get_by_role("button", name="Skip").click()
    expect(page.locator("#save")).to_contain_text("Skipped")
    assert Assignment.objects.get(pk=first).skip_reason == "upsetting"


def test_a_draft_whose_response_was_lost_goes_on_being_saved(project: Project, shaky: Page) -> None:
    """The server has it, the page was not told: the next save is not taken for somebody else's."""
    make_task(project)
    shaky.goto(DESK)
    lost = []

    def lose(route: Route) -> None:
        if lost:
            return route.continue_()
        lost.append(route.fetch().status)
        return route.abort()

    shaky.route("**/draft/", lose)
    press(shaky, "c")
    shaky.keyboard.type("half a")
    expect(shaky.locator("#save")).to_contain_text("Kept")
    shaky.wait_for_function("() => true")
    while not lost:
        shaky.wait_for_timeout(100)
    shaky.keyboard.type(" thought, and ten minutes more")
    expect(shaky.locator("#save")).to_contain_text("Draft saved")
    assert Assignment.objects.get().draft["fields"]["comment"] == "half a thought, and ten minutes more"
    shaky.reload()
    expect(shaky.locator("#comment")).to_have_value("half a thought, and ten minutes more")


def test_two_tabs_do_not_overwrite_each_others_draft(project: Project, shaky: Page) -> None:
    make_task(project)
    shaky.goto(DESK)
    other = shaky.context.new_page()
    other.goto(DESK)
    for page, words in ((shaky, "from the first tab"), (other, "from the second tab")):
        press(page, "c")
        page.keyboard.type(words)
    expect(shaky.locator("#save")).to_contain_text("Draft saved")
    expect(other.locator("#save")).to_contain_text("Changed elsewhere")
    assert Assignment.objects.get().draft["fields"]["comment"] == "from the first tab"
    other.reload()
    expect(other.locator("#comment")).to_have_value("from the second tab")
    other.keyboard.press("Escape")
    press(other, "f", "Enter")
    expect(other.get_by_role("heading", name="Nothing to do now")).to_be_visible()
    assert Feedback.objects.get().comment == "from the second tab"
    shaky.bring_to_front()
    press(shaky, "Escape", "j", "Enter")
    expect(shaky.locator("#save")).to_contain_text("already answered")
    assert Feedback.objects.count() == 1


def test_a_key_pressed_while_the_next_task_arrives_is_not_lost(project: Project, annotator: User, sign_in: Any) -> None:
    make_task(project, "p-1"), make_task(project, "p-2")
    page = sign_in("ann")
    page.goto(DESK)
    first = shown(page)
    page.evaluate(
        """() => document.addEventListener("htmx:beforeSwap", () => document.body.dispatchEvent(
            new KeyboardEvent("keydown", { key: "j", bubbles: true, cancelable: true })), { once: true })"""
    )
    press(page, "f", "Enter")
    expect(page.locator(f'#desk[data-ready]:not([data-assignment="{first}"])')).to_be_visible()
    expect(page.locator("#desk input[name=strength]:checked")).to_have_count(1)
