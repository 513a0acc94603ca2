"""From five votes by keyboard to a win rate on the dashboard: the whole loop, as people go it."""

import re
from pathlib import Path
from typing import Any

from django.conf import settings
from playwright.sync_api import Page, expect

from accounts.models import Project, User
from annotate.models import Feedback
from registry.models import Job
from tests.factories import make_model, make_raters, make_task, make_vote
from tests.workers.engine import Worker
from tests.workers.tiny import make_tiny_model

SHORT = "Yes, soak them."
LONG = "There is a lot to say about beans, and people have said it for a long time, number {}."


def test_from_votes_to_a_win_rate(
    project: Project, annotator: User, researcher: User, sign_in: Any, workers: Worker
) -> None:
    make_tiny_model(Path(settings.ARTIFACTS) / "models" / "base")
    make_model(project, "base")
    for number in range(12):
        task = make_task(project, f"p-{number:02}", texts=(SHORT, LONG.format(number)), priority=1)
        (rater,) = make_raters(project, 1, prefix=f"{number}")
        make_vote(task, rater, 2)
    for number in range(12, 17):
        make_task(project, f"p-{number:02}", texts=(SHORT, LONG.format(number)))

    vote_on_five_pairs(sign_in("ann"))
    assert Feedback.current.filter(annotator=annotator).count() == 5

    page = sign_in("rachel")
    freeze_a_dataset(page)
    launch(page, "train_dpo", "dpo-1", base="base", dataset="prefs-v1", lora_rank="2", batch_size="4")
    expect(page.locator("figure.chart").first).to_be_visible()
    launch(page, "sample", "sample-1", model="dpo-1", dataset="prefs-v1", decoding="- max_new_tokens: 24")
    launch(page, "sample", "sample-2", model="base", dataset="prefs-v1", decoding="- max_new_tokens: 24")
    launch(page, "judge", "judge-1", first="sample-1", second="sample-2", hidden_preference="concise")
    page.get_by_role("link", name="Leaderboard", exact=True).click()
    expect(page.locator("main")).to_contain_text("dpo-1")
    expect(page.locator("main")).to_contain_text(re.compile(r"\d+%"))


def vote_on_five_pairs(page: Page) -> None:
    """By keyboard alone: a side, a stronger side, a tie, both bad, and an answer that is taken back and given anew."""
    page.goto("/p/helpful/annotate/")
    for keys in ("f", "jj", " ", "x", "f"):
        desk = page.locator("#desk")
        shown = desk.get_attribute("data-assignment")
        for key in keys:
            page.keyboard.press("Space" if key == " " else key)
        page.keyboard.press("Enter")
        expect(page.locator(f'#desk[data-assignment="{shown}"]')).to_have_count(0)
    page.keyboard.press("u")
    expect(page.locator("#desk form#answer")).to_be_visible()
    expect(page.locator("#save")).to_contain_text("open again")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("form#answer")).to_have_count(0)


def freeze_a_dataset(page: Page) -> None:
    page.goto("/p/helpful/datasets/new/")
    page.get_by_label("Held out share").fill("0.4")
    page.get_by_label("Seed").fill("1")
    page.keyboard.press("Tab")
    expect(page.locator("#preview")).to_contain_text("come out of")
    page.get_by_role("button", name="Freeze prefs-v1").click()
    succeeds(page, "data-1")


def launch(page: Page, kind: str, name: str, **values: str) -> None:
    page.goto(f"/p/helpful/launch/{kind}/")
    for field, value in values.items():
        control = page.locator(f"#f-{field}")
        if control.evaluate("element => element.tagName") == "SELECT":
            control.select_option(value)
        else:
            control.fill(value)
    page.get_by_role("button", name="Launch").click()
    succeeds(page, name)


def succeeds(page: Page, name: str) -> None:
    """The page shows it by itself, without a reload."""
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
    state = page.locator("#live .pill").first
    expect(state).to_have_text(re.compile("succeeded|failed|cancelled"), timeout=120_000)
    job = Job.objects.get(name=name)
    assert state.text_content() == "succeeded", job.error
