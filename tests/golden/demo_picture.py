"""Makes docs/demo.png: the page of `mnistnet demo`, a 2 drawn on it that was meant as a 7, at the third step.

python -m tests.golden.demo_picture
"""

import sys
from io import BytesIO

from PIL import Image
from playwright.sync_api import expect, sync_playwright

from tests.conftest import ROOT
from tests.demo import DIGITS, FLAGS, draw, find_chromium, served

WIDTH, HEIGHT = 1440, 1280
PATH = ROOT / "docs" / "demo.png"


def main() -> int:
    """Take the picture, with the fonts of this machine."""
    with served() as demo, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(demo.url)
        draw(page, DIGITS[2])
        page.select_option("#label", "7")
        for step in (1, 2, 3):
            page.click("#next")
            expect(page.locator("#story .count")).to_have_text(f"Step {step} of 5")
        expect(page.locator("#figures")).to_contain_text("Called 7")
        picture = Image.open(BytesIO(page.screenshot(full_page=True))).convert("RGB")
        browser.close()
    picture.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(PATH, optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
