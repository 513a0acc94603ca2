"""The dataset builder in a real browser: by keyboard alone, the preview follows, one job however often one clicks."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import Browser, Page, expect

from accounts.models import Project, User
from annotate.models import DatasetFeedback, Feedback
from curate import consent
from registry.models import Job
from tests.curate.frozen import freeze, pair
from tests.e2e.test_accessibility import serious
from tests.factories import make_model, make_raters, make_task, make_vote

URL = "/p/helpful/datasets/new/"


@pytest.fixture(autouse=True)
def artifacts(tmp_path: Path, settings: Any) -> None:
    settings.ARTIFACTS = tmp_path


@pytest.fixture
def answered(project: Project, researcher: User) -> Project:
    """12 items: 8 with a winner, 4 ties."""
    raters = make_raters(project, 2)
    for number in range(12):
        task = make_task(project, f"p-{number}", texts=(f"Short {number}.", f"A longer answer, {number}."), wanted=2)
        for rater, preference in zip(raters, (2, -1 if number % 3 == 0 else 3), strict=True):
            make_vote(task, rater, preference)
    return project


def rows_left(page: Page, rows: int) -> None:
    expect(page.locator("#preview")).to_contain_text(f"{rows} rows come out of")


def tab_to(page: Page, selector: str) -> None:
    for _ in range(120):
        page.keyboard.press("Tab")
        if page.locator(f"{selector}:focus").count():
            return
    raise AssertionError(f"Tab never came to {selector}")


def test_a_recipe_by_keyboard(answered: Project, sign_in: Any) -> None:
    page = sign_in("rachel")
    page.goto(URL)
    rows_left(page, 8)
    tab_to(page, "#f-name")
    page.keyboard.press("Control+A")
    page.keyboard.type("by-keyboard")
    expect(page.locator("#version")).to_have_text("by-keyboard-v1")
    expect(page.locator("#f-name")).to_be_focused()
    tab_to(page, "[name=ties]")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    rows_left(page, 12)
    expect(page.locator("[name=ties][value=keep]")).to_be_focused()
    tab_to(page, "[name=freeze]")
    page.keyboard.press("Enter")
    page.wait_for_url("**/runs/data-1/")
    job = Job.objects.get()
    assert (job.params["name"], job.params["ties"]) == ("by-keyboard", "keep")


def test_a_double_click_is_one_job(answered: Project, sign_in: Any) -> None:
    page = sign_in("rachel")
    page.goto(URL)
    rows_left(page, 8)
    page.get_by_role("button", name="Freeze").dblclick()
    page.wait_for_url("**/runs/data-1/")
    assert Job.objects.count() == 1


def test_what_is_wrong_is_at_its_field_and_goes_away(
    answered: Project, researcher: User, browser: Browser, live_server: Any
) -> None:
    """In a browser context of its own: a refused recipe (422) is an error on the console."""
    client = Client()
    client.force_login(researcher)
    context = browser.new_context(base_url=live_server.url, viewport={"width": 1440, "height": 900})
    context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}])
    page = context.new_page()
    page.goto(URL)
    box = page.locator("#f-agreement")
    box.fill("0.2")
    expect(page.locator("#e-minimum_agreement")).to_contain_text("greater than or equal to 0.5")
    expect(box).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#preview")).to_contain_text("1 thing to mend")
    box.fill("0.75")
    rows_left(page, 8)
    expect(page.locator("#e-minimum_agreement")).to_be_empty()
    expect(box).not_to_have_attribute("aria-invalid", "true")
    context.close()


def test_form_and_yaml_follow_each_other(answered: Project, sign_in: Any) -> None:
    page = sign_in("rachel")
    page.goto(URL)
    page.get_by_label("Seed").fill("7")
    page.get_by_role("button", name="YAML").click()
    box = page.get_by_label("Recipe as YAML")
    expect(box).to_have_value(re.compile("seed: 7"))
    box.fill(box.input_value().replace("ties: drop", "ties: keep"))
    rows_left(page, 12)
    page.get_by_role("button", name="Form", exact=True).click()
    expect(page.locator("[name=ties][value=keep]")).to_be_checked()
    expect(page.get_by_label("Seed")).to_have_value("7")
    page.get_by_role("button", name="Freeze").click()
    page.wait_for_url("**/runs/data-1/")
    params = Job.objects.get().params
    assert (params["ties"], params["seed"]) == ("keep", 7)


def test_another_kind_of_rows_brings_its_settings(answered: Project, sign_in: Any) -> None:
    page = sign_in("rachel")
    page.goto(URL)
    page.get_by_text("Choose what a row is").click()
    page.locator("[name=rows][value=rankings]").check()
    expect(page.locator("#of-kind")).to_contain_text("Settings of pairs of rankings")
    expect(page.locator("#kind-title")).to_have_text("Pairs of rankings")
    expect(page.locator("#preview")).to_contain_text("No row comes out")


def test_rows_are_drawn_again(answered: Project, sign_in: Any) -> None:
    page = sign_in("rachel")
    page.goto(URL)
    rows_left(page, 8)
    page.get_by_role("button", name="Draw again").click()
    expect(page.locator("#preview > [name=draw]")).to_have_value("1")
    rows_left(page, 8)


def test_it_works_without_script(answered: Project, sign_in: Any) -> None:
    page = sign_in("rachel", java_script_enabled=False)
    page.goto(URL)
    page.locator("[name=ties][value=keep]").check()
    page.get_by_role("button", name="Preview").last.click()
    rows_left(page, 12)
    page.get_by_role("button", name="YAML").click()
    expect(page.get_by_label("Recipe as YAML")).to_have_value(re.compile("ties: keep"))
    page.get_by_role("button", name="Freeze").click()
    page.wait_for_url("**/runs/data-1/")
    assert Job.objects.get().params["ties"] == "keep"


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_axe_finds_nothing(answered: Project, researcher: User, annotator: User, sign_in: Any, colours: str) -> None:
    one = freeze(answered, researcher, {"train": [pair("a", "b", "c"), pair("d", "e", "f")]})
    freeze(answered, researcher, {"train": [pair("a", "c", "b")]}, version=2, recipe={"ties": "keep"})
    vote = Feedback.objects.first()
    assert vote is not None
    DatasetFeedback.objects.create(dataset=one, feedback=vote, split="train")
    make_model(answered, "dpo-2", parent=make_model(answered, "dpo-1", dataset=one))
    consent.withdraw(project=answered, user=vote.annotator, by=researcher)
    page = sign_in("rachel", color_scheme=colours)
    for path in ("datasets/new/", "datasets/", "datasets/prefs/v1/", "datasets/prefs/v1/rows/train/0/",
                 "datasets/prefs/v1/diff/?with=prefs-v2", "consent/", "models/dpo-2/",
                 f"votes/{vote.pk}/"):  # fmt: skip
        page.goto(f"/p/helpful/{path}")
        assert serious(page) == [], path
    page.goto(URL)
    page.get_by_text("Choose what a row is").click()
    for closed in page.locator(".recipe details").all():
        closed.evaluate("one => one.open = true")
    assert serious(page) == []
    page.get_by_role("button", name="YAML").click()
    expect(page.get_by_label("Recipe as YAML")).to_be_visible()
    assert serious(page) == []
