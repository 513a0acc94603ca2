"""An import in a browser: by keyboard from a file to votes, and every page of it for everybody and on a phone."""

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from annotate.models import Feedback, Prompt
from registry.models import Job
from tests.e2e.test_accessibility import serious
from tests.workers.engine import Worker

ARABIC = "كيف أطبخ الفاصوليا؟"


def row(number: int, **values: Any) -> dict[str, Any]:
    return {
        "instruction": f"How do I cook beans? ({number})", "output_1": "**Soak** them.", "output_2": "Open a tin.",
        "preference": 1 + number % 2, "lang": "en", "model_1": "base-7b", "model_2": "tuned-7b", "ann_id": "w1",
        **values,
    }  # fmt: skip


@pytest.fixture
def battles(tmp_path: Path) -> Path:
    """Six good lines, one of them Arabic, one with a value that nobody knows, and a torn one."""
    rows = [row(0), row(1, instruction=ARABIC, lang="ar"), *(row(number) for number in range(2, 6))]
    lines = [json.dumps(one, ensure_ascii=False) for one in [*rows, row(6, preference=1.5)]]
    path = tmp_path / "battles.jsonl"
    path.write_text("\n".join([*lines, lines[0][:40]]) + "\n", encoding="utf-8")
    return path


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def open_file(page: Page, path: Path) -> None:
    page.goto("/p/helpful/import/")
    page.locator("#id_file").set_input_files(path)
    page.get_by_role("button", name="Read it").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Mapping", exact=True)).to_be_visible()


@pytest.mark.engine
def test_from_a_file_to_votes_by_keyboard(researcher: User, battles: Path, sign_in: Any, workers: Worker) -> None:
    page = sign_in("rachel")
    page.goto("/p/helpful/import/")
    assert serious(page) == []
    open_file(page, battles)
    expect(page.locator("#verdict")).to_contain_text("6 of 8 lines can be imported")
    expect(page.locator("#problems")).to_contain_text("preference is 1.5")
    assert serious(page) == []
    # Say what 1.5 means, by keyboard; the parts that change come back, and the focus stays where it was.
    number = page.get_by_label("What preference becomes").get_attribute("name").removeprefix("column-")
    meaning = page.locator(f'label:has(input[name^="value-{number}-"][value="1.5"]) select')
    meaning.focus()
    held = meaning.get_attribute("id")
    page.keyboard.type("A slightly")
    expect(page.locator("#verdict")).to_contain_text("7 of 8 lines can be imported")
    assert page.evaluate("document.activeElement.id") == held
    # The next line is Arabic, and runs from the right.
    page.locator("#sample-next").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Line 2, as annotators will see it")).to_be_visible()
    expect(page.locator("#preview .read").first).to_have_attribute("dir", "rtl")
    assert page.evaluate("document.activeElement.id") == "sample-next"
    page.get_by_role("button", name="Import 7 lines").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/result/")
    expect(page.get_by_text("7 lines imported")).to_be_visible()
    expect(page.get_by_text("1 line was left out.")).to_be_visible()
    assert serious(page) == []
    with page.expect_download() as download:
        page.get_by_role("link", name="Download it").click()
    assert json.loads(Path(download.value.path()).read_text())["line"] == 8
    page.get_by_role("link", name="Past ones").click()
    expect(page.get_by_role("link", name="battles.jsonl")).to_be_visible()
    assert serious(page) == []
    assert Feedback.objects.filter(origin=Feedback.Origin.IMPORTED).count() == 7
    assert Prompt.objects.filter(lang="ar").count() == 1


def test_a_file_that_is_dropped_is_read_at_once(researcher: User, battles: Path, sign_in: Any) -> None:
    page = sign_in("rachel")
    page.goto("/p/helpful/import/")
    page.evaluate(
        """text => {
          const data = new DataTransfer();
          data.items.add(new File([text], "dropped.jsonl"));
          document.querySelector(".drop").dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true}));
        }""",
        battles.read_text(encoding="utf-8"),
    )
    expect(page.get_by_text("dropped.jsonl")).to_be_visible()
    expect(page.locator("#verdict")).to_contain_text("6 of 8 lines")


def test_a_file_that_is_too_large_is_refused_before_it_is_sent(
    researcher: User, battles: Path, sign_in: Any, settings: Any
) -> None:
    settings.IMPORT_MB = 0.0005
    page = sign_in("rachel")
    page.goto("/p/helpful/import/")
    page.locator("#id_file").set_input_files(battles)
    expect(page.locator("#file-problem")).to_contain_text("battles.jsonl has")
    page.get_by_role("button", name="Read it").click()
    expect(page).to_have_url("/p/helpful/import/", timeout=2_000)


def test_it_works_without_script(researcher: User, battles: Path, sign_in: Any) -> None:
    page = sign_in("rachel", java_script_enabled=False)
    open_file(page, battles)
    page.get_by_label("What preference becomes").select_option("skip")
    page.get_by_role("button", name="Check again").click()
    expect(page.locator("#verdict")).to_contain_text("7 of 8 lines can be imported")
    page.get_by_role("button", name="Next line").click()
    expect(page.get_by_role("heading", name="Line 2, as annotators will see it")).to_be_visible()
    page.get_by_role("button", name="Import 7 lines").click()
    expect(page.get_by_text("Waits for a worker")).to_be_visible()
    assert Job.objects.get().kind == "import"


def test_the_pages_fit_a_phone_in_the_dark(researcher: User, battles: Path, sign_in: Any) -> None:
    page = sign_in("rachel", color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/p/helpful/import/")
    assert fits(page)
    open_file(page, battles)
    assert fits(page)
    assert serious(page) == []
    page.goto("/p/helpful/import-export/past/")
    assert fits(page)


@pytest.mark.engine
def test_an_import_is_taken_back_by_keyboard_and_the_page_follows(
    owner: User, researcher: User, battles: Path, sign_in: Any, workers: Worker
) -> None:
    page = sign_in("rachel")
    open_file(page, battles)
    page.get_by_role("button", name="Import 6 lines").click()
    expect(page.get_by_text("6 lines imported")).to_be_visible(timeout=60_000)
    page = sign_in("olive", color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/p/helpful/import-export/past/")
    assert serious(page) == []
    page.get_by_role("link", name="Take back battles.jsonl").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="If you take it back")).to_be_visible()
    assert serious(page) == []
    assert fits(page)
    page.get_by_role("button", name="Take it back").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("The same file can come in again.")).to_be_visible(timeout=60_000)
    assert serious(page) == []
    assert not Prompt.objects.exists()
    assert not Feedback.objects.exists()
