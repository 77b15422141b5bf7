"""How the cost of an epoch grows with the width of a layer, the size of a batch and the threads, ours and PyTorch's.

    python -m benchmarks.curves                                 # writes benchmarks/curves.json

Each point is a process of its own, so that its peak of memory is its own. It trains on all 60,000 images and is timed
from the second chunk of images on, until there have been three spans of at least a second each in which no other
program was at work; a long epoch is therefore measured by a part of it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any, Literal, NamedTuple

import click

from benchmarks.frameworks import Bytes, Torch
from benchmarks.machine import about
from benchmarks.peers import Mnistnet
from benchmarks.quiet import CALM, Watch, wait_for_calm
from benchmarks.workers import alone, peak_megabytes
from benchmarks.workloads import WORKLOADS, Workload, images_and_labels, order_of
from mnistnet.training.data_loader import SUPERBATCH
from mnistnet.util.system import processors

CURVES = Path(__file__).resolve().parent / "curves.json"
IMAGES = 60_000
WIDTHS = [2**power for power in range(4, 13)]
BATCHES = [1, 4, 16, 64, 256, 1024, 4096, 16_384, IMAGES]
SPANS, TRIES = 3, 5  # spans that count, and how many times as many are tried while others disturb them


class Point(NamedTuple):
    """What is measured: a workload with so many threads, as a place on one of the curves."""

    curve: str
    value: int
    workload: Workload
    threads: int


def points() -> Iterator[Point]:
    """Yield the points of all curves."""
    for width in WIDTHS:
        work = Workload(f"width {width}", (784, width, 10), "relu", "cross_entropy", "adam", 0.001, 128)
        yield Point("width", width, work, processors())
    for batch in BATCHES:
        work = Workload(f"batch {batch}", (784, 128, 10), "relu", "cross_entropy", "sgd", 0.01, batch)
        yield Point("batch", batch, work, processors())
    for threads in range(1, processors() + 1):
        yield Point("threads", threads, WORKLOADS["wide"], threads)


@click.command()
@click.option("--curves", default="width,batch,threads", help="Names, with commas between them; by default all.")
@click.option("--seconds", default=1.0, help="The least length of a span.")
@click.option("--patience", default=30.0, help="Seconds to wait before a point while other programs compute.")
@click.option("--results", type=click.Path(path_type=Path), default=CURVES, help="File to write.")
def main(curves: str, seconds: float, patience: float, results: Path) -> None:
    """Measure the curves named, and write them together with those of another run by the same code."""
    environment, names = about(IMAGES), curves.split(",")
    old = json.loads(results.read_text(encoding="utf-8")) if results.exists() else {}
    kept = old["rows"] if old.get("about") == environment else []
    rows = [row for row in kept if row["curve"] not in names]
    for point in points():
        for peer in (Mnistnet.name, Torch.name) if point.curve in names else ():
            wait_for_calm(patience, rest=0.3)
            rows.append(alone(measure, point, peer, seconds))
            click.echo(json.dumps(rows[-1]), err=True)
    results.write_text(json.dumps({"about": environment, "rows": rows}, indent=2) + "\n", encoding="utf-8")


def measure(point: Point, peer: str, seconds: float) -> dict[str, Any]:
    """Return the row of one point and peer, measured in this process."""
    images, labels = images_and_labels()
    stopwatch = Stopwatch(seconds)
    with suppress(Enough):
        (_train_ours if peer == Mnistnet.name else _train_torch)(point, images, labels, stopwatch)
    spans = stopwatch.counted
    an_epoch = median(span.seconds_an_image for span in spans) * IMAGES
    return {
        "curve": point.curve,
        "value": point.value,
        "peer": peer,
        "seconds": round(an_epoch, 4),
        "gflops": round(point.workload.operations * IMAGES / an_epoch / 1e9, 2),
        "peak_mb": round(peak_megabytes()),
        "images": sum(span.images for span in spans),
        "disturbed": sum(span.others > CALM for span in spans),
    }


class Enough(Exception):  # noqa: N818 - nothing went wrong
    """Enough has been measured: the training may end where it is."""


class Span(NamedTuple):
    """A stretch of training: images seen, the seconds each took, the cores that others used meanwhile."""

    images: int
    seconds_an_image: float
    others: float


class Stopwatch:
    """Hears of each chunk of images that was trained on; the first one only starts it. Raises Enough at the end."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._images, self._began = seconds, 0, 0.0
        self._watch: Watch | None = None
        self._spans: list[Span] = []

    def __call__(self, images: int) -> None:
        """Count these images."""
        if self._watch is not None:
            self._images += images
            elapsed = time.perf_counter() - self._began
            if elapsed < self._seconds:
                return
            self._spans.append(Span(self._images, elapsed / self._images, self._watch.others()))
            calm = sum(span.others <= CALM for span in self._spans)
            if calm >= SPANS or len(self._spans) >= TRIES * SPANS:
                raise Enough
        self._watch, self._images, self._began = Watch(), 0, time.perf_counter()

    @property
    def counted(self) -> list[Span]:
        """Return the spans that count: those that were left alone, and where they are too few, the calmest."""
        return sorted(self._spans, key=lambda span: max(span.others, CALM))[:SPANS]


def _train_ours(point: Point, images: Bytes, labels: Bytes, stopwatch: Stopwatch) -> None:
    # Left to itself a small step keeps to one process; the curve over threads says how many.
    threads: int | Literal["auto"] = point.threads if point.curve == "threads" else "auto"
    peer = Mnistnet(point.workload, images, labels, "float32", threads, stopwatch)
    for epoch in count(1):
        peer.epoch(order_of(epoch, IMAGES))


def _train_torch(point: Point, images: Bytes, labels: Bytes, stopwatch: Stopwatch) -> None:
    peer = Torch(point.workload, images, labels, "float32", point.threads)
    size = point.workload.batch_size
    chunk = size * max(1, SUPERBATCH // size)
    for epoch in count(1):
        order = order_of(epoch, IMAGES)
        for start in range(0, IMAGES, chunk):
            rows = order[start : start + chunk]
            peer.epoch(rows)
            stopwatch(len(rows))


if __name__ == "__main__":
    main()
