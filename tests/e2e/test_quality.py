"""Quality, People and Your work in a browser: no errors on the console, by keyboard, on a phone, in the dark."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import Membership, Project, User
from accounts.pseudonyms import pseudonym
from tests.annotate import crowd


@pytest.fixture
def answered(project: Project, annotator: User) -> list[User]:
    users = [annotator, *crowd.make_people(project, 5)]
    habits = [crowd.first_side, *[crowd.fair()] * 5]
    crowd.answer(project, crowd.make_tasks(project, 120), list(zip(users, habits, strict=True)), overlap=4)
    gold = crowd.make_tasks(project, 25, prefix="g", purpose="gold", gold={"accept": {"side": 0}})
    crowd.answer(project, gold, list(zip(users, habits, strict=True)), overlap=6)
    return users


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def test_a_reviewer_finds_who_always_takes_the_first_side(
    project: Project, reviewer: User, annotator: User, answered: list[User], sign_in: Any
) -> None:
    page = sign_in("ravi")
    page.goto("/p/helpful/quality/")
    expect(page.get_by_role("heading", name="Quality")).to_be_visible()
    expect(page.locator(".head p")).to_contain_text("on 120 shared items")
    expect(page.locator("table.heat")).to_be_visible()
    page.get_by_role("navigation", name="Project").get_by_role("link", name="People").click()
    look = page.locator(".note.warn", has_text="the first side")
    expect(look).to_contain_text(pseudonym(project.pk, annotator.pk))
    look.get_by_role("link", name="Read the answers").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(pseudonym(project.pk, annotator.pk))
    expect(page.get_by_role("button", name="Pause new tasks")).to_have_count(0)
    page.goto("/p/helpful/people/")
    page.get_by_role("button", name="Show names").click()
    expect(page.get_by_role("link", name="ann", exact=True)).to_be_visible()


def test_an_admin_pauses_somebody_and_gives_tasks_again(
    owner: User, annotator: User, answered: list[User], sign_in: Any
) -> None:
    page = sign_in("olive")
    page.goto(f"/p/helpful/people/{annotator.pk}/")
    page.get_by_role("button", name="Pause new tasks").click()
    expect(page.locator(".head .pill")).to_have_text("paused")
    page.get_by_label("Languages they read well").fill("ar, en")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".head .tag").first).to_have_text("ar")
    page.get_by_role("button", name="Give tasks again").click()
    expect(page.locator(".head .pill")).to_have_count(0)
    assert not Membership.objects.get(user=annotator).paused


def test_ones_own_work_fits_a_phone_in_the_dark(annotator: User, answered: list[User], sign_in: Any) -> None:
    page = sign_in("ann", color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/p/helpful/me/")
    expect(page.get_by_role("heading", name="Your work")).to_be_visible()
    expect(page.get_by_role("link", name="Your last answers")).to_be_visible()
    # What is below a figure is small print, not a second figure.
    expect(page.locator(".stats dd.about").first).to_have_css("font-size", "12px")
    assert fits(page)


def test_the_tables_scroll_in_their_frames_on_a_phone(
    project: Project, reviewer: User, annotator: User, answered: list[User], sign_in: Any
) -> None:
    page = sign_in("ravi")
    page.set_viewport_size({"width": 390, "height": 844})
    for path in ("quality/", "people/", f"people/{annotator.pk}/"):
        page.goto(f"/p/helpful/{path}")
        assert fits(page), path
        page.evaluate("document.documentElement.dir = 'rtl'")
        assert fits(page), f"{path} from the right"
