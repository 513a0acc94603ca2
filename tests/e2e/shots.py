"""Pictures of the running demo for the README and docs: python -m tests.e2e.shots [http://127.0.0.1:8000]

Not a test: it needs `make demo`, and writes docs/pictures/*.png.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

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
)


def main(address: str) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        for name, user, path, colours, width in SHOTS:
            shoot(browser, address, name=name, user=user, path=path, colours=colours, width=width)
        browser.close()


def shoot(browser: Browser, address: str, *, name: str, user: str, path: str, colours: str, width: int) -> None:
    size = {"width": width, "height": 900 if width > 600 else 844}
    page = browser.new_page(base_url=address, viewport=size, color_scheme=colours)  # type: ignore[arg-type]
    page.goto("/sign-in/")
    page.get_by_label("Username").fill(user)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "sign-in" not in url)
    page.goto(path)
    page.wait_for_load_state("networkidle") if "runs/" not in path else page.wait_for_timeout(500)
    page.screenshot(path=FOLDER / f"{name}.png")
    page.close()
    print(FOLDER / f"{name}.png")


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["http://127.0.0.1:8000"]))
