"""Measures how visitors of the page share it: how often each training that is watched comes back, and how far it gets.

    python -m benchmarks.visitors 1 30

Each visitor trains 784-16-16-10 in batches of 100, and asks for 25 ms of it again and again with a digit to be read, as
the page does, for ten seconds. The page is a process of its own, and so are all visitors together.
"""

import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.demo import Served, served
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
    for count in map(int, sys.argv[1:]):
        with served() as page, ThreadPoolExecutor(count) as visitors:
            seen = list(visitors.map(lambda seed: watch(page, seed), range(count)))
            memory = page.memory() >> 20
        answers, steps = zip(*seen, strict=True)
        print(f"{count} visitors: {_spread(answers)} answers, {_spread(steps)} steps; {memory:,} MB at most")


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
