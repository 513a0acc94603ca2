"""Rubric in a browser, by keyboard alone: move, rate, see the preference that follows, send. And comparison by
dimension, and the editors."""

import re
from typing import Any

from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from accounts.models import Project, User
from annotate import services
from annotate.models import Assignment, Feedback, Protocol, Rubric, Task
from tests.e2e.test_desk import DESK, expect_next, press, shown
from tests.factories import TEXTS, make_prompt, make_response, make_task


def make_rubric_task(project: Project, key: str = "p-1", *, responses: int = 2, lang: str = "en") -> Task:
    protocol, _ = Protocol.objects.get_or_create(project=project, name="rate", title="Rate", steps=[{"kind": "rubric"}])
    prompt = make_prompt(project, key, lang=lang)
    return services.create_task(
        prompt=prompt, responses=[make_response(prompt, text) for text in TEXTS[:responses]], protocol=protocol
    )


def marked(page: Page) -> str | None:
    """The column that digits rate: "<dimension>-<place>"."""
    return page.locator(".levels th.on").get_attribute("data-cell")


def rate_all(page: Page, levels: str) -> None:
    for number, level in enumerate(levels):
        press(page, level)
        if number < len(levels) - 1:
            press(page, "Tab")


def test_by_keyboard_alone(project: Project, annotator: User, sign_in: Any) -> None:
    make_rubric_task(project, "p-1"), make_rubric_task(project, "p-2")
    page = sign_in("ann")
    page.goto(DESK)
    first = shown(page)
    expect(page.locator("#follows")).to_have_text("Rate A on Fluency, and 7 more, to send.")
    press(page, "Enter")  # too early: it says what is missing and goes there
    expect(page.locator("#save")).to_contain_text("Not complete yet")
    expect(page.locator("#say")).to_contain_text("Not rated yet: A on Fluency")
    rate_all(page, "5444")
    assert marked(page) == "1-1" and page.locator("#dimension-1").evaluate("one => one.open")
    expect(page.locator("#leans-words")).to_have_text("A slightly better so far")
    press(page, "Shift+Tab", "Shift+Tab")
    assert marked(page) == "0-1" and page.locator("#dimension-0").evaluate("one => one.open")
    press(page, "ArrowDown", "ArrowRight", "ArrowRight", "ArrowRight")
    assert marked(page) == "2-0"
    rate_all(page, "5235")
    expect(page.locator("#follows")).to_have_text("Your ratings: A 4.3, B 3.5. A slightly better.")
    press(page, "ArrowDown", "Enter")
    expect_next(page, first)
    answer = Feedback.objects.get()
    keys = ("fluency", "tone", "localized_tone", "localized_factuality")
    assert answer.value == {"ratings": [dict(zip(keys, one, strict=True)) for one in ((5, 4, 5, 3), (3, 4, 2, 4))]}
    assert abs(answer.preference or 0) == 1
    expect(page.locator("#follows")).to_contain_text("and 7 more")


def test_a_draft_survives_a_reload_and_undo_brings_the_answer_back(
    project: Project, annotator: User, sign_in: Any
) -> None:
    make_rubric_task(project)
    page = sign_in("ann")
    page.goto(DESK)
    rate_all(page, "123")
    expect(page.locator("#save")).to_contain_text("Draft saved")
    page.evaluate("localStorage.clear()")  # as on another computer
    page.reload()
    expect(page.locator("#rated")).to_have_text("1 of 4 rated")
    assert marked(page) == "1-1"  # the first that is left
    rate_all(page, "32345")
    press(page, "Enter")
    expect(page.get_by_role("heading", name="Nothing to do now")).to_be_visible()
    press(page, "u")
    expect(page.locator("#follows")).to_contain_text("Your ratings: A 2.5, B 3.3. B slightly better.")
    expect(page.locator('[data-rated="0-1"]')).to_have_text("2")


def test_from_the_right_and_one_answer(project: Project, annotator: User, sign_in: Any) -> None:
    make_rubric_task(project, responses=1)
    page = sign_in("ann")
    page.goto(DESK)
    page.evaluate("document.documentElement.dir = 'rtl'")
    aside, pane = page.locator(".aside").bounding_box(), page.locator(".pane").bounding_box()
    assert aside and pane and aside["x"] < pane["x"]
    press(page, "4", "ArrowLeft")  # onwards, from the right
    assert marked(page) == "1-0"
    press(page, "ArrowRight")
    assert marked(page) == "0-0"
    expect(page.locator("#leans")).to_have_count(0)
    rate_all(page, "4444")
    expect(page.locator("#follows")).to_have_text("Your ratings: 4.0 on average.")
    press(page, "Enter")
    expect(page.get_by_role("heading", name="Nothing to do now")).to_be_visible()
    assert Feedback.objects.get().preference is None


def test_on_a_phone_in_the_dark(project: Project, annotator: User, sign_in: Any) -> None:
    make_rubric_task(project)
    page = sign_in("ann", color_scheme="dark", has_touch=True)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(DESK)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("#dimension-2 summary").tap()
    expect(page.locator("#dimension-0")).not_to_have_attribute("open", "")
    page.get_by_label("B, Localized tone: 3").tap()
    expect(page.locator('[data-rated="2-1"]')).to_have_text("3")
    page.locator("#follows a").tap()  # leads to what is left
    expect(page.locator("#dimension-0")).to_have_attribute("open", "")
    size = page.locator("#dimension-0 .levels label").first.bounding_box()
    assert size and min(size["width"], size["height"]) >= 24
    colour = page.locator(".pane").first.evaluate("one => getComputedStyle(one).backgroundColor")
    assert colour.startswith("oklch(0.2")


def test_without_script(project: Project, annotator: User, sign_in: Any) -> None:
    make_rubric_task(project)
    page = sign_in("ann", java_script_enabled=False)
    page.goto(DESK)
    for number in range(4):
        box = page.locator(f"#dimension-{number}")
        if number:
            box.locator("summary").click()
        for place in range(2):
            box.locator(f'input[name="rate-{number}-{place}"][value="{4 - place}"]').check(force=True)
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("heading", name="Nothing to do now")).to_be_visible()
    first, second = Feedback.objects.get().value["ratings"]
    assert set(first.values()) == {4} and set(second.values()) == {3}


def test_a_comparison_by_dimension_by_keyboard(project: Project, annotator: User, sign_in: Any) -> None:
    options = {"dimensions": ["helpful", "honest", "harmless"], "reasons": ["more exact", "kinder"]}
    steps = [{"kind": "pairwise", "options": options}]
    protocol = Protocol.objects.create(project=project, name="dims", title="Dims", steps=steps)
    make_task(project, protocol=protocol)
    page = sign_in("ann")
    page.goto(DESK)
    press(page, "f", "f", "2", "Enter")
    expect(page.locator("#say")).to_contain_text("Not answered yet: helpful, honest, harmless.")
    press(page, "ArrowLeft")  # the first that is missing has the focus
    press(page, "Tab", "j", "j", "f")  # Tab goes to the next bar, whose place f and j move
    press(page, "d", "Space")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1440
    expect(page.locator('input[name="strength"]:checked')).to_have_value("2")
    press(page, "Enter")
    expect(page.get_by_role("heading", name="Nothing to do now")).to_be_visible()
    assert Feedback.objects.get().value == {
        "strength": 2, "dimensions": {"helpful": 1, "honest": -1, "harmless": 0}, "reasons": ["kinder"]
    }  # fmt: skip


def test_a_rubric_and_a_protocol_are_written_and_tried(
    project: Project, researcher: User, sign_in: Any, live_server: LiveServer
) -> None:
    page = sign_in("rachel")
    page.goto("/p/helpful/rubrics/new/?from=helpful-honest-harmless")
    page.get_by_label("Title").fill("Three aims")
    page.get_by_label("Level 5").first.fill("It could not help more")
    expect(page.locator("#preview")).to_contain_text("It could not help more")
    page.get_by_role("button", name="Remove dimension 3").click()
    expect(page.get_by_role("heading", name="3. Harmless")).to_have_count(0)
    expect(page.locator("#preview")).not_to_contain_text("Harmless")
    page.get_by_role("button", name="Save as version 1").click()
    expect(page.get_by_text("Saved: Three aims, version 1.")).to_be_visible()
    assert [one["key"] for one in Rubric.objects.get().dimensions] == ["helpful", "honest"]
    page.goto("/p/helpful/protocols/new/?from=menlo")
    page.get_by_label("Rubric", exact=True).select_option("own:three-aims:1")
    page.get_by_role("button", name="Add a step").click()
    expect(page.get_by_role("heading", name="Step 2: Pairwise comparison")).to_be_visible()
    expect(page.locator("#editor")).not_to_have_class(re.compile("htmx"))
    page.locator("#f-s1-kind").select_option("rubric")
    expect(page.get_by_role("heading", name="Step 2: Rubric")).to_be_visible()
    page.get_by_role("button", name="Remove step 2").click()
    page.get_by_role("button", name="Save as version 1").click()
    expect(page.get_by_text("Saved: Rate with MENLO, version 1.")).to_be_visible()
    page.get_by_role("link", name="Try it").click()
    expect(page.locator("#desk[data-ready] #save")).to_contain_text("nothing is stored")  # the keys work now
    rate_all(page, "5411")
    press(page, "Enter")
    expect(page.get_by_role("heading", name="Nothing was stored")).to_be_visible()
    expect(page.get_by_text("A 3.0, B 2.5: A slightly better")).to_be_visible()
    assert not Assignment.objects.exists()
