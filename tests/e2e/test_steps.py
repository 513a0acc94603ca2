"""A protocol of two steps in a browser: a comparison, then ratings that contradict it."""

import pytest
from playwright.sync_api import Page, expect

from accounts.models import Project
from annotate.models import Contradiction, Feedback, Protocol
from tests.e2e.test_desk import DESK, press
from tests.e2e.test_rubric import rate_all
from tests.factories import make_task


@pytest.fixture
def page(shaky: Page) -> Page:
    """The console may tell that an answer was not taken (422)."""
    return shaky


def expect_kind(page: Page, kind: str) -> None:
    """The desk shows a step of this kind, and its script has begun."""
    expect(page.locator(f'#desk[data-kind="{kind}"][data-ready]')).to_be_visible()


def begin(project: Project, page: Page) -> None:
    steps = [{"kind": "pairwise"}, {"kind": "rubric"}]
    protocol = Protocol.objects.create(project=project, name="both", title="Both", steps=steps)
    make_task(project, protocol=protocol)
    page.goto(DESK)
    expect(page.locator(".steps [aria-current]")).to_contain_text("1. Which answer is better?")
    press(page, "f", "f", "Enter")
    expect_kind(page, "rubric")
    expect(page.locator(".steps [aria-current]")).to_contain_text("2. How good is each answer?")


def test_ratings_against_the_vote_are_asked_about_once(project: Project, page: Page) -> None:
    begin(project, page)
    rate_all(page, "25252525")
    press(page, "Enter")
    expect(page.locator("#doubts")).to_contain_text("Your ratings favour B, your comparison says A.")
    expect(page.locator("#follows")).to_contain_text("Your ratings: A 2.0, B 5.0. B much better.")  # nothing is lost
    assert Feedback.objects.count() == 1
    assert Contradiction.objects.get().resolution == Contradiction.Resolution.OPEN
    press(page, "Enter")
    expect(page.get_by_role("heading", name="Nothing to do now")).to_be_visible()
    assert list(Feedback.current.order_by("step").values_list("kind", flat=True)) == ["pairwise", "rubric"]
    assert Contradiction.objects.get().resolution == Contradiction.Resolution.KEPT


def test_undo_goes_back_a_step(project: Project, page: Page) -> None:
    begin(project, page)
    rate_all(page, "25252525")
    press(page, "Enter")
    expect(page.locator("#doubts")).to_be_visible()
    press(page, "u")
    expect_kind(page, "pairwise")
    expect(page.locator('input[name="strength"]:checked')).to_have_value("2")
    press(page, "j", "j", "j", "Enter")  # from A better to B slightly
    expect_kind(page, "rubric")
    expect(page.locator("#follows")).to_contain_text("B much better")  # the ratings were kept as a draft
    press(page, "Enter")
    expect(page.get_by_role("heading", name="Nothing to do now")).to_be_visible()
    assert Contradiction.objects.get().resolution == Contradiction.Resolution.CHANGED
    first, second = Feedback.current.order_by("step")
    assert first.value == {"strength": -1} and (first.preference or 0) * (second.preference or 0) > 0
