"""Export by keyboard: choose, see the first row, have the file at once, and have a job make one; on a phone too."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from accounts.models import Project, User
from tests.factories import make_raters, make_task, make_vote
from tests.workers.engine import Worker


@pytest.fixture
def answered(project: Project) -> None:
    for number, rater in enumerate(make_raters(project, 3)):
        make_vote(make_task(project, f"p-{number}", wanted=1), rater)


def test_a_researcher_exports_by_keyboard(
    researcher: User, answered: None, workers: Worker, sign_in: Any, tmp_path: Path
) -> None:
    page = sign_in("rachel")
    page.goto("/p/helpful/")
    page.get_by_role("navigation", name="Project").get_by_role("link", name="Import, export").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Export")
    # Each choice is waited for: a newer one takes the place of a request under way, and htmx tells the console so.
    page.get_by_label("What", exact=True).select_option("events")
    expect(page.locator("#first-row")).to_contain_text('"event"')
    page.get_by_label("What", exact=True).select_option("answers")
    expect(page.locator("#first-row")).to_contain_text('"chosen"')
    page.locator("#format-argilla").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#format-label_studio")).to_be_checked()
    expect(page.locator("#first-row")).to_contain_text('"annotations"')
    expect(page.locator("#format-label_studio")).to_be_focused()
    expect(page.locator("#format-trl")).to_be_disabled()
    page.get_by_role("button", name="Export 3 rows").focus()
    with page.expect_download() as started:
        page.keyboard.press("Enter")
    assert started.value.suggested_filename == "helpful-answers-label-studio.jsonl"
    rows = [json.loads(line) for line in Path(started.value.path()).read_text().splitlines()]
    assert len(rows) == 3
    page.get_by_role("button", name="Make a file that waits here").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Past exports")).to_be_visible()
    page.reload()
    download = page.get_by_role("link", name="Download helpful-answers-label-studio.jsonl")
    download.focus()
    with page.expect_download() as again:
        page.keyboard.press("Enter")
    assert [json.loads(line) for line in Path(again.value.path()).read_text().splitlines()] == rows


def test_a_token_is_made_and_revoked_by_keyboard_on_a_phone(researcher: User, project: Project, sign_in: Any) -> None:
    page = sign_in("rachel", color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/account/tokens/")
    page.get_by_label("What for").focus()
    page.keyboard.type("nightly")
    page.keyboard.press("Enter")
    expect(page.locator("#token")).to_contain_text("palate_")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.get_by_role("button", name="Revoke nightly").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("The token nightly is revoked")).to_be_visible()
    page.goto("/p/helpful/export/")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
