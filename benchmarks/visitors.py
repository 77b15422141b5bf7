"""Measures how visitors of the page share it: how often each training that is watched comes back, and how far it gets.

    python -m benchmarks.visitors 1 30 browser

Each visitor trains 784-16-16-10 in batches of 100, and asks for 25 ms of it again and again with a digit to be read, as
the page does, for ten seconds. The page is a process of its own, and so are all visitors together. `browser` is one
visitor in Chromium, who sees each answer drawn.
"""

import re
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from playwright.sync_api import sync_playwright

from tests.demo import FLAGS, Served, find_chromium, served
from tests.torture.hostile import PIXELS

SECONDS, WORTH = 10.0, {"milliseconds": 25, "pixels": PIXELS}
BEGIN: dict[str, Any] = {
    "hidden": [16, 16],
    "activation": "sigmoid",
    "loss": "quadratic",
    "optimizer": "sgd",
    "learning_rate": 3.0,
    "batch_size": 100,
}


def main() -> None:
    """Measure for each number of visitors that is asked for, and print a row."""
    for word in sys.argv[1:]:
        if word == "browser":
            in_browser()
            continue
        count = int(word)
        with served() as page, ThreadPoolExecutor(count) as visitors:
            seen = list(visitors.map(lambda seed: watch(page, seed), range(count)))
            memory = page.memory() >> 20
        answers, steps = zip(*seen, strict=True)
        print(f"{count} visitors: {_spread(answers)} answers, {_spread(steps)} steps; {memory:,} MB at most")


def in_browser() -> None:
    """Let a browser train for ten seconds, and print how many pictures of it were drawn."""
    with served() as demo, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"{demo.url}#learn/3blue1brown")
        page.click("#learn-play")
        page.wait_for_timeout(1000 * SECONDS)
        page.click("#learn-play")
        page.wait_for_timeout(500)  # for the last answer
        marks = page.evaluate("performance.getEntriesByName('learned').map((mark) => mark.startTime)")
        where = page.inner_text("#learn-where")
        browser.close()
    seconds = (marks[-1] - marks[0]) / 1000
    found = re.search(r"Step ([\d,]+), epoch ([\d.]+)", where)
    assert found is not None
    steps, epochs = int(found[1].replace(",", "")), float(found[2])
    rates = f"{len(marks) / seconds:.1f} pictures and {steps / seconds:,.0f} steps a second"
    print(f"in a browser: {rates}, an epoch of 58,000 images in {seconds / epochs:.2f} s")


def _spread(counts: tuple[int, ...]) -> str:
    low, middle, high = (each / SECONDS for each in (min(counts), statistics.median(counts), max(counts)))
    return f"{middle:,.1f} a second each ({low:,.1f} to {high:,.1f})"


def watch(page: Served, seed: int) -> tuple[int, int]:
    """Train for ten seconds, and return how many answers came and how many steps were taken."""
    training = page.post("begin", **BEGIN, seed=seed)["training"]
    answers, answer, end = 0, {"step": 0}, time.monotonic() + SECONDS
    while time.monotonic() < end:
        answer = page.post("advance", training=training, **WORTH)
        answers += 1
    page.post("leave", training=training)
    return answers, answer["step"]


if __name__ == "__main__":
    main()
