"""What curves.json says about where the cost of an epoch bends, in words and tables."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from benchmarks.machine import sentence

OURS, THEIRS = "mnistnet", "pytorch"
INPUTS, OUTPUTS, HIDDEN, BATCH, ADAM_VECTORS, BYTES = 784, 10, 128, 128, 4, 4
IMAGES = 60_000
BENT = 1.6  # doubling the width multiplies the time by at least as much once arithmetic is most of it
FLAT = 0.9  # a larger batch that leaves as much of the time no longer pays

Row = dict[str, Any]


class Curve:
    """One curve's rows, by peer and value."""

    def __init__(self, curves: dict[str, Any], name: str) -> None:
        self.rows: dict[tuple[str, int], Row] = {
            (row["peer"], row["value"]): row for row in curves["rows"] if row["curve"] == name
        }
        self.values = sorted({value for _, value in self.rows})

    def get(self, peer: str, value: int, what: str = "seconds") -> float:
        """Return one figure."""
        figure: float = self.rows[peer, value][what]
        return figure

    def growth(self, peer: str, start: int, end: int) -> float:
        """Return how many times as long the one value takes as the other."""
        return self.get(peer, end) / self.get(peer, start)


def text(curves: dict[str, Any]) -> str:
    """Return the tables and what they show."""
    width, batch, threads = (Curve(curves, name) for name in ("width", "batch", "threads"))
    parts = [
        "![Time, memory and throughput over width, batch and threads](scaling.png)",
        _width(width, curves["about"]["caches"]),
        _table(width, "neurons"),
        _batch(batch),
        _table(batch, "images in a batch"),
        _threads(threads),
        sentence(curves["about"]),
    ]
    return "\n\n".join(parts)


def _width(width: Curve, caches: dict[str, str]) -> str:
    small, before, last = width.values[0], *width.values[-2:]
    peak = max(width.values, key=lambda value: width.get(OURS, value, "gflops"))
    bend = next((a for a, b in pairwise(width.values) if width.growth(OURS, a, b) > BENT), last)
    return (
        f"**Width** (784-N-10, relu, cross-entropy, Adam, batches of {BATCH}). From {small} to {bend:,} neurons there "
        f"is {bend / small:.0f} times the arithmetic, and we take {width.growth(OURS, small, bend):.1f} times as long, "
        f"PyTorch {width.growth(THEIRS, small, bend):.1f} times: a narrow step is calls, and gathering and casting "
        f"images, which cost the same for any width, and its products are too small to be efficient "
        f"({width.get(OURS, small, 'gflops'):.0f} GFLOP/s at {small} neurons against "
        f"{width.get(OURS, peak, 'gflops'):.0f} at {peak:,}). At {bend:,} the curve bends: from there each doubling "
        f"multiplies our time by {_range(width, OURS, bend)}, PyTorch's by {_range(width, THEIRS, bend)}. The caches "
        f"matter less: Adam passes over weights, gradient and two moments, which outgrow a core's L2 "
        f"({caches.get('L2', 'unknown')}) at about {_fitting(caches, 'L2')} neurons and the L3 "
        f"({caches.get('L3', 'unknown')}) at about {_fitting(caches, 'L3')}. From {before:,} neurons, "
        f"{_megabytes(before):.0f} MB of them, to {last:,}, {_megabytes(last):.0f} MB, our time grows by "
        f"{width.growth(OURS, before, last):.2f} and PyTorch's by {width.growth(THEIRS, before, last):.2f}; the "
        f"arithmetic alone would make it 2. In memory, ours is mostly the images as bytes; PyTorch's is itself, and "
        f"the images as floats, twice for a moment while they are made."
    )


def _batch(batch: Curve) -> str:
    one, most = batch.values[0], batch.values[-1]
    bend = next((a for a, b in pairwise(batch.values) if batch.growth(OURS, a, b) > FLAT), most)
    ours, theirs = ({value: batch.get(peer, value) for value in batch.values} for peer in (OURS, THEIRS))
    beyond = {value: seconds for value, seconds in ours.items() if value >= bend}
    peaks = [f"{batch.get(peer, size, 'peak_mb'):,.0f}" for peer in (OURS, THEIRS) for size in (one, most)]
    return (
        f"**Batch** (784-{HIDDEN}-10, relu, cross-entropy, SGD). An epoch's products are the same for every batch, so "
        f"what differs is the price of a step. A step on {one} image costs {ours[one] / IMAGES * 1e6:.0f} µs, "
        f"PyTorch's {theirs[one] / IMAGES * 1e6:.0f} µs: the overhead of calls, and passes over all weights for the "
        f"sake of a single image. Up to {bend:,} images larger batches pay ({ours[one] / ours[bend]:.0f} times as fast "
        f"as {one} by one; PyTorch {theirs[one] / theirs[bend]:.0f} times): the overhead is spread out, products grow "
        f"large enough to be efficient. There the curve bends, and an epoch takes {min(beyond.values()):.2f} to "
        f"{max(beyond.values()):.2f} s whatever the batch, least with {min(beyond, key=beyond.__getitem__):,}: "
        f"processes share such steps, but their images and activations outgrow the caches, "
        f"{_step_megabytes(bend):.1f} MB with {bend:,} images and {_step_megabytes(most):.0f} MB with {most:,}: passes "
        f"over them go to memory. Peak memory with {one} and with {most:,} images: {peaks[0]} and {peaks[1]} MB, "
        f"PyTorch's {peaks[2]} and {peaks[3]} MB."
    )


def _threads(threads: Curve) -> str:
    gains = "; ".join(
        f"{n} are {threads.growth(OURS, n, 1):.2f} times as fast, PyTorch's {threads.growth(THEIRS, n, 1):.2f}"
        for n in threads.values[1:]
    )
    return (
        f"**Processors** (`wide`). An epoch takes {threads.get(OURS, 1):.2f} s with one, PyTorch's "
        f"{threads.get(THEIRS, 1):.2f} s; {gains or 'there is one core'}. What is missing to the full gain are the two "
        "meetings in each step, the weights and gradients that travel between the cores' caches, and the thread that "
        "prepares batches beside a single process."
    )


def _range(curve: Curve, peer: str, start: int) -> str:
    growths = [curve.growth(peer, a, b) for a, b in pairwise(curve.values) if a >= start]
    return f"{min(growths):.2f} to {max(growths):.2f}" if growths else "-"


def _megabytes(neurons: int) -> float:
    """Return the size of the vectors that Adam passes over, in 10^6 bytes."""
    return neurons * (INPUTS + OUTPUTS + 1) * ADAM_VECTORS * BYTES / 1e6


def _step_megabytes(images: int) -> float:
    """Return the size of a batch's images, activations and deltas, in 10^6 bytes."""
    return images * (INPUTS + 2 * HIDDEN + 2 * OUTPUTS) * BYTES / 1e6


def _fitting(caches: dict[str, str], level: str) -> str:
    """Return how many neurons' vectors fill a cache, to two digits; its size is told in units of 1,024 bytes."""
    kilobytes = caches.get(level, "").removesuffix("K")
    if not kilobytes.isdecimal():
        return "an unknown number of"
    return f"{float(f'{int(kilobytes) * 1.024e3 / (_megabytes(1) * 1e6):.2g}'):,.0f}"


def _table(curve: Curve, what: str) -> str:
    head = [what, *(f"{peer} {unit}" for unit in ("s", "GFLOP/s", "peak MB") for peer in (OURS, THEIRS))]
    lines = [head, ["---"] * len(head)]
    for value in curve.values:
        ours, theirs = (curve.rows[peer, value] for peer in (OURS, THEIRS))
        cells = [f"{value:,}", *(f"{row['seconds']:.3f}" for row in (ours, theirs))]
        cells += [f"{row['gflops']:.1f}" for row in (ours, theirs)] + [f"{row['peak_mb']:,}" for row in (ours, theirs)]
        lines.append(cells)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
