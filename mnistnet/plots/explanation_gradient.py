"""The figure of `mnistnet explain`, section 5: the whole gradient as sensitivities."""

from collections.abc import Iterator, Sequence
from math import floor, log10
from typing import Any

import numpy as np

from mnistnet.explain.labels import Telling
from mnistnet.explain.sensitivity import STEP, Sensitivity, Share
from mnistnet.plots import COLOURS, GREY
from mnistnet.plots.layout import MARGIN, WIDTH, Page, minus
from mnistnet.util.arrays import Array
from mnistnet.util.number_format import short, times

MAX_ENTRIES = 5  # of the most and least sensitive
MAX_LAYERS = 4  # of a deeper network the last ones are drawn
BINS = 60
LOWEST, TALLEST = 0.42, 0.75  # of a ridge
ROW = 0.2
PROMISED, MEASURED = COLOURS[:2]
BIASES, WEIGHTS = COLOURS[4], COLOURS[5]


def bang_for_the_buck(page: Page, telling: Telling) -> None:
    """Draw how sensitive the cost is to the parameters of each layer, and that the gradient tells the truth."""
    felt, size = telling.explanation.sensitivities, telling.explanation.nudges.gradient.size
    page.heading("5  Bang for the buck")
    text = (
        f"All {size:,} derivatives together are the gradient of this example's cost; the size of each says how much "
        f"bang you get for your buck. {_zeros(telling)}"
    )
    if felt.most_weights and felt.middle:
        most, least = felt.most_weights[0], felt.least_weights[0]
        text += (
            f" The cost is {times(abs(most.derivative / felt.middle.derivative))} times more sensitive to "
            f"{telling.parameter(most.parameter)} than to the weight in the middle of the list, and "
            f"{times(abs(most.derivative / least.derivative))} times more than to {telling.parameter(least.parameter)}."
        )
    page.paragraph(text.replace("->", "→"))
    if not felt.most_weights and not felt.most_biases:
        return
    top = page.y
    _proof(page, telling)
    bottom, page.y = page.y, top
    _ridges(page, telling, bottom - top - 0.8)
    page.y = max(bottom, page.y) + 0.2


def _zeros(telling: Telling) -> str:
    felt = telling.explanation.sensitivities
    others = felt.zeros - felt.black
    text = f"{felt.zeros:,} of them are zero"
    if felt.black == felt.zeros > 0:
        text += ", all of weights behind a black pixel, which multiplies them by 0"
    elif felt.black:
        text += f": {felt.black:,} of weights behind a black pixel, which multiplies them by 0"
    if others > 0:
        text += f"{',' if felt.black else ':'} {others:,} at neurons that are silent or cannot move"
    return f"{text}."


def _ridges(page: Page, telling: Telling, room: float) -> None:
    """Draw how derivatives' sizes are distributed, a ridge for each layer's weights and one for its biases."""
    shares = [share for share in telling.explanation.sensitivities.shares if share.count > share.zeros]
    shares = shares[-2 * MAX_LAYERS :]
    page.write(MARGIN, page.y + 0.08, "Sizes of the derivatives that are not zero", weight="bold", size=9.5)
    page.y += 0.28
    page.write(MARGIN, page.y, "how many, and their part of the gradient's squared length", size=8, color=GREY)
    page.y += 0.12
    sizes = [_sizes(telling, share) for share in shares]
    low = max(floor(log10(min(float(each.min()) for each in sizes))), -20)
    high = max(low, floor(log10(max(float(each.max()) for each in sizes)))) + 1
    ridge = min(TALLEST, max(LOWEST, room / len(shares)))
    height = ridge * len(shares)
    axes = page.axes(MARGIN + 2.0, page.y, 2.3, height)
    edges = np.linspace(low, high, BINS + 1)
    for number, (share, each) in enumerate(zip(shares, sizes, strict=True)):
        base = (len(shares) - 1 - number) * ridge
        counts = np.histogram(np.log10(np.maximum(each, 10.0**low)), edges)[0]
        heights = base + 0.85 * ridge * np.sqrt(counts / counts.max())
        style: dict[str, Any] = {"facecolor": BIASES, "hatch": "////"} if share.biases else {"facecolor": WEIGHTS}
        axes.fill_between(edges[:-1], base, heights, step="post", edgecolor="black", linewidth=0.6, **style)
        axes.plot(np.log10(share.middle), base + 0.04, "v", color="black", markersize=4)
        y = page.y + height - base - ridge * 0.5 - 0.06
        kind = "biases" if share.biases else "weights"
        page.write(MARGIN, y, f"{kind}, {telling.layer(share.layer).removeprefix('the ')}", size=8, weight="bold")
        counted = f"{share.count - share.zeros:,} of {share.count:,}; {100 * share.share:.0f} %"
        page.write(MARGIN, y + 0.15, counted, size=8, color=GREY)
    axes.set(xlim=(low, high), ylim=(0, height), yticks=[])
    axes.spines["left"].set_visible(False)
    every = max(1, -(-(high - low) // 5))
    ticks = list(range(high, low - 1, -every))
    axes.set_xticks(ticks, [f"$10^{{{tick}}}$" for tick in ticks])
    axes.tick_params(labelsize=8)
    page.y += height + 0.3
    page.write(MARGIN, page.y, "triangle: the one in the middle; heights: square root of counts", size=7.5, color=GREY)
    page.y += 0.1


def _sizes(telling: Telling, share: Share) -> Array:
    """Return how large the derivatives of a layer's weights or biases are, those that are zero aside."""
    own = telling.explanation.nudges.layers[share.layer - 1]
    sizes: Array = np.abs(own.bias_gradient if share.biases else own.weight_gradient.ravel())
    found: Array = sizes[sizes != 0]
    return found


def _proof(page: Page, telling: Telling) -> None:
    """Draw for the most and the least sensitive what their derivatives promise, and what a real nudge does."""
    felt, left = telling.explanation.sensitivities, MARGIN + 4.75
    groups: list[tuple[str, Sequence[Sensitivity]]] = [
        ("most sensitive weights", felt.most_weights),
        ("least sensitive weights, zeros aside", felt.least_weights),
        ("most sensitive biases", felt.most_biases),
        ("least sensitive biases, zeros aside", felt.least_biases),
    ]
    page.write(left, page.y + 0.08, f"Is that true? Each was really nudged by {STEP}", weight="bold", size=9.5)
    page.y += 0.28
    right = WIDTH - MARGIN
    page.write(right - 0.95, page.y, "promised", ha="right", size=8, color=GREY)
    page.write(right, page.y, "measured", ha="right", size=8, color=GREY)
    page.y += 0.1
    shown = [(name, list(entries[: min(MAX_ENTRIES, telling.top)])) for name, entries in groups if entries]
    changes = [abs(value) for _, entries in shown for entry in entries for value in _changes(entry)]
    low = max(floor(log10(min(changes))), -26)
    high = max(low, floor(log10(max(changes)))) + 1
    start, end = left + 1.5, right - 1.85

    def place(change: float) -> float:
        return start + (end - start) * (max(log10(abs(change)), low) - low) / (high - low)

    every = max(1, -(-(high - low) // 4))
    powers = range(high, low - 1, -every)
    for name, entries in shown:
        page.y += 0.14
        page.write(left, page.y, name, size=8, color=GREY)
        page.y += 0.08
        for x in (place(10.0**power) for power in powers):
            page.canvas.plot([x, x], [page.y + 0.02, page.y + ROW * len(entries)], color="#DDDDDD", lw=0.6, zorder=1)
        for entry in entries:
            y = page.y + ROW / 2
            page.write(left, y, telling.parameter(entry.parameter).replace("->", "→"), size=8)
            page.canvas.plot([start, end], [y, y], color="#DDDDDD", linewidth=0.6, zorder=1)
            page.canvas.plot(place(entry.promised), y, "D", markersize=6, color=PROMISED, markerfacecolor="white")
            page.write(right - 0.95, y, minus(short(entry.promised)), ha="right", size=8)
            if entry.measured is None:
                page.write(right, y, "lost in rounding", ha="right", size=6.5, color=GREY)
            else:
                page.canvas.plot(place(entry.measured), y, ".", markersize=5, color=MEASURED)
                page.write(right, y, minus(short(entry.measured)), ha="right", size=8)
            page.y += ROW
    for power in powers:
        page.write(place(10.0**power), page.y + 0.1, f"$-10^{{{power}}}$", ha="center", size=7.5)
    page.y += 0.3
    page.write(
        left,
        page.y,
        "change of the cost; diamond: promised, derivative times nudge; dot: measured",
        size=7.5,
        color=GREY,
    )
    page.y += 0.1


def _changes(entry: Sensitivity) -> Iterator[float]:
    yield entry.promised
    if entry.measured:
        yield entry.measured
