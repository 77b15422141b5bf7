"""Makes docs/demo.png, the page of `mnistnet demo` at the third step of a backward pass, and docs/learn.gif.

python -m tests.golden.demo_picture

The recording shows the view of learning from random weights on, a picture for each so many steps.
"""

import sys
from io import BytesIO

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from tests.conftest import ROOT
from tests.demo import DIGITS, FLAGS, draw, find_chromium, served

WIDTH, HEIGHT = 1440, 1080
PATH, RECORDING = ROOT / "docs" / "demo.png", ROOT / "docs" / "learn.gif"
STEPS = (1, 1, 2, 3, 5, 8, 12, 18, 25, 35, 50, 70, 90, 120, 150, 200, 260, 340, 440, 580, 580, 580)  # before a picture
SHRINK = 1.5  # from the page to the recording
FRAME, LAST = 350, 3000  # milliseconds


def main() -> int:
    """Take the pictures, with the fonts of this machine."""
    with served() as demo, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        page = browser.new_page(
            viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light", reduced_motion="reduce"
        )
        page.goto(demo.url)
        draw(page, DIGITS[2])
        page.select_option("#label", "7")
        for step in (1, 2, 3):
            page.click("#next")
            expect(page.locator("#story .count")).to_have_text(f"Step {step} of 8")
        expect(page.locator("#figures")).to_contain_text("Called 7")
        picture = _seen(page)
        picture.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(PATH, optimize=True)
        record(page)
        browser.close()
    return 0


def record(page: Page) -> None:
    """Record a training by the video's preset."""
    page.set_viewport_size({"width": WIDTH, "height": 900})
    page.click("#view-learn")
    expect(page.locator("#learn-where")).to_contain_text("Step 0")
    frames, done = [_seen(page)], 0
    for steps in STEPS:
        page.evaluate(f"import('/learn.js').then((learn) => learn.advance({{ steps: {steps}, milliseconds: 1000 }}))")
        done += steps
        expect(page.locator("#learn-where")).to_contain_text(f"Step {done:,},")
        frames.append(_seen(page))
    height = max(frame.height for frame in frames)
    even = [Image.new("RGB", (WIDTH, height), frame.getpixel((0, 0))) for frame in frames]
    for canvas, frame in zip(even, frames, strict=True):
        canvas.paste(frame)
    size = round(WIDTH / SHRINK), round(height / SHRINK)
    palette = even[-1].resize(size).quantize(160, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    first, *others = [frame.resize(size).quantize(palette=palette, dither=Image.Dither.NONE) for frame in even]
    times = [FRAME] * len(others) + [LAST]
    first.save(RECORDING, save_all=True, append_images=others, duration=times, loop=0, optimize=True)


def _seen(page: Page) -> Image.Image:
    page.mouse.move(1, 1)  # no tip
    return Image.open(BytesIO(page.screenshot(full_page=True))).convert("RGB")


if __name__ == "__main__":
    sys.exit(main())
