"""Pictures of the running demo for the README and docs: python -m tests.e2e.shots [http://127.0.0.1:8000]

Not a test: it needs `make demo`, and writes docs/pictures/*.png.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

PASSWORD = "palate-demo"  # annotate.demo.seed.PASSWORD; this program runs without Django
FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
# file, user, address, colours, width
SHOTS = (
    ("annotate", "annotator", "/p/demo/annotate/", "light", 1440),
    ("annotate-dark-phone", "annotator", "/p/demo/annotate/", "dark", 390),
    ("home", "researcher", "/p/demo/", "light", 1440),
    ("home-dark", "researcher", "/p/demo/", "dark", 1440),
    ("dataset-new", "researcher", "/p/demo/datasets/new/", "light", 1440),
    ("dataset", "researcher", "/p/demo/datasets/prefs/v1/", "light", 1440),
    ("launch", "researcher", "/p/demo/launch/train_dpo/", "light", 1440),
    ("run", "researcher", "/p/demo/runs/demo-dpo/", "light", 1440),
    ("run-phone", "researcher", "/p/demo/runs/demo-dpo/", "light", 390),
    ("model", "researcher", "/p/demo/models/demo-dpo/", "light", 1440),
    ("leaderboard", "researcher", "/p/demo/leaderboard/", "light", 1440),
    ("leaderboard-dark", "researcher", "/p/demo/leaderboard/", "dark", 1440),
    ("bias", "researcher", "/p/demo/bias/", "light", 1440),
    ("quality", "reviewer", "/p/demo/quality/", "light", 1440),
    ("people", "reviewer", "/p/demo/people/", "light", 1440),
    ("adjudicate", "reviewer", "/p/demo/adjudicate/", "light", 1440),
    ("protocol", "researcher", "/p/workbench/protocols/new/", "light", 1440),
    ("import", "researcher", "/p/demo/import/", "light", 1440),
    ("import-past", "researcher", "/p/demo/import-export/past/", "light", 1440),
)


# The workbench's items, in the order in which they come: kind, keys before the picture. "Ctrl" chords are one word.
KINDS = (
    ("pairwise", ["f", "f", "1", "2"]),
    ("ranking", ["1", "ArrowRight", "3", "ArrowRight", "2", "ArrowRight", "2"]),
    ("rubric", ["5", "Tab", "4", "Tab", "4", "Tab", "3", "Tab", "5"]),
    ("critique", []),
    ("edit", []),
    ("selection", ["1", "3", "6"]),
    ("steps", ["f", "f"]),
    ("two-prompts", ["j"]),
    ("right-to-left", ["f"]),
    ("chat", []),
)


def main(address: str) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        for name, user, path, colours, width in SHOTS:
            shoot(browser, address, name=name, user=user, path=path, colours=colours, width=width)
        kinds(browser, address)
        browser.close()


def kinds(browser: Browser, address: str) -> None:
    """One picture of each item of the workbench; each is skipped afterwards, so that the next one comes."""
    page = signed_in(browser, address, user="annotator", colours="light", width=1440)
    page.goto("/p/workbench/annotate/")
    for name, keys in KINDS:
        page.locator("#desk[data-ready]").wait_for()
        shown = page.locator("#desk").get_attribute("data-assignment")
        for key in keys:
            page.keyboard.press(key)
        prepare(page, name)
        page.wait_for_timeout(400)
        page.screenshot(path=FOLDER / f"kind-{name}.png")
        print(FOLDER / f"kind-{name}.png")
        page.keyboard.press("Escape")
        page.locator("#skip").evaluate("drawer => drawer.showPopover()")
        page.locator("#skip input").nth(1).check()
        page.locator("#skip button[type=submit]").click()
        page.wait_for_function("id => document.getElementById('desk').dataset.assignment !== id", arg=shown)
    page.close()


def prepare(page: Page, name: str) -> None:
    """What keys alone do not show well."""
    if name == "edit":
        text = "Hi! My train is 40 minutes late. You don't need to wait with dinner. See you soon."
        page.locator("textarea[name=text]").fill(text)
    if name == "critique":
        page.locator("#critique-text[data-ready]").wait_for()
        mark = ["m", *["ArrowDown"] * 4, *["Shift+ArrowRight"] * 6, "1", "]", "]", "Enter"]
        for key in mark:
            page.keyboard.press(key)
        page.keyboard.type("Pink or orange streaks mean harmful bacteria.")
        page.keyboard.press("Escape")
        page.locator("textarea[name=weaknesses]").fill("Pink streaks are a sign of harmful bacteria, not of yeasts.")
        page.locator("textarea[name=refinement]").fill("Say: throw a starter with pink or orange streaks away.")
    if name == "chat":
        page.locator("textarea[name=message]").fill("My neighbour's dog barks all night. What can I do?")
        page.keyboard.press("Enter")
        page.locator('.talk[data-phase="ready"]').wait_for(timeout=180_000)
        page.keyboard.press("Escape")
        page.keyboard.press("f")


def signed_in(browser: Browser, address: str, *, user: str, colours: str, width: int) -> Page:
    size = {"width": width, "height": 900 if width > 600 else 844}
    page = browser.new_page(base_url=address, viewport=size, color_scheme=colours)  # type: ignore[arg-type]
    page.goto("/sign-in/")
    page.get_by_label("Username").fill(user)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "sign-in" not in url)
    return page


def shoot(browser: Browser, address: str, *, name: str, user: str, path: str, colours: str, width: int) -> None:
    page = signed_in(browser, address, user=user, colours=colours, width=width)
    page.goto(path)
    page.wait_for_load_state("networkidle") if "runs/" not in path else page.wait_for_timeout(500)
    page.screenshot(path=FOLDER / f"{name}.png")
    page.close()
    print(FOLDER / f"{name}.png")


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["http://127.0.0.1:8000"]))
