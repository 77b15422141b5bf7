"""Takes pictures of every view of the page at four sizes, light and dark, to be looked at.

python -m tests.golden.screens FOLDER
"""

import sys
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from tests.demo import DIGITS, FLAGS, draw, find_chromium, served

SIZES = {"phone": (390, 844), "laptop": (1280, 720), "desktop": (1440, 900), "projector": (1920, 1080)}
STEPS = 8


def main(folder: Path) -> int:
    """Take them all."""
    folder.mkdir(parents=True, exist_ok=True)
    with served() as demo, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        for size, (width, height) in SIZES.items():
            for scheme in ("light", "dark"):
                page = browser.new_page(
                    viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
                )
                page.goto(demo.url)
                look(page, folder, f"{size}-{scheme}", whole=size == "phone")
                page.close()
        browser.close()
    return 0


def look(page: Page, folder: Path, name: str, *, whole: bool) -> None:
    """Go through all views; `whole`: take each picture of the whole page, not of what is seen without scrolling."""

    def take(view: str) -> None:
        page.mouse.move(1, 1)  # no tip
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=folder / f"{view}-{name}.png", full_page=whole)

    draw(page, DIGITS[2])
    expect(page.locator("#figures")).to_contain_text("Accuracy")
    take("think")
    page.select_option("#label", "7")
    for step in range(1, STEPS + 1):
        page.click("#next")
        expect(page.locator("#story .count")).to_have_text(f"Step {step} of {STEPS}")
        take(f"step-{step}")
    page.click("#view-learn")
    page.click("#learn-epoch")
    expect(page.locator("#learn-where")).to_contain_text("epoch 1.00")
    take("learn")
    page.click("#view-race")
    page.click("#race-play")
    expect(page.locator("#race-stretches polyline")).to_have_count(3)
    page.click("#race-play")
    expect(page.locator("#race-play")).to_have_text("Play")
    take("race")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
