"""The figure of `mnistnet explain`, section 6: only this example, or all of them."""

from collections.abc import Sequence
from math import cos, radians, sin

import numpy as np

from mnistnet.explain.batch_gradient import STEP_LENGTH
from mnistnet.explain.labels import Telling
from mnistnet.plots import COLOURS, GREY
from mnistnet.plots.layout import INNER, MARGIN, WIDTH, Page
from mnistnet.util.number_format import short, unit

MAX_LAYERS = 4  # of a deeper network the last ones are drawn
APART, LOWEST_LABEL = 22, 9  # per cent on the axes of what comes of heeding one alone
ALONE, BATCHES = COLOURS[1], COLOURS[0]


def only_this_one(page: Page, telling: Telling) -> None:
    """Draw this example beside the others, and what comes of heeding it alone."""
    averages = telling.explanation.averages
    page.heading("6  Only this example, or all of them")
    page.paragraph(
        "Other pictures wish something else. What this one wishes of a few weights and biases, what the first training "
        f"images wish, and the average over {averages.all.examples:,} training images, which is minus the gradient of "
        "their cost (colours: each row for itself); and which way it all goes together."
    )
    top = page.y
    _examples(page, telling)
    bottom, page.y = page.y, top
    _angles(page, telling)
    page.y = max(bottom, page.y) + 0.1
    _heeded(page, telling)


def _examples(page: Page, telling: Telling) -> None:
    """Draw the video's table: parameters by examples, and the average."""
    averages = telling.explanation.averages
    parameters = averages.parameters[: 3 * MAX_LAYERS]
    names = [telling.names[label][:6] for label in averages.labels]
    columns = [f"this {names[0]}"[:8], *names[1:]]
    values, words = averages.nudges[: len(parameters)], unit([*averages.nudges.ravel(), *averages.average], 4)
    wide, left = 0.58, MARGIN + 1.42
    page.y += 0.2
    page.write(MARGIN, page.y - 0.1, words.words.strip(), size=8, color=GREY)
    for number, name in enumerate(columns):
        page.write(left + (number + 0.5) * wide, page.y - 0.1, name, ha="center", size=8, weight="bold")
    texts = [[words(float(value)) for value in row] for row in values]
    edge = left + wide * len(columns) + 0.08
    page.write(edge + 0.36, page.y - 0.1, "average", ha="center", size=8, weight="bold")
    means = averages.average[: len(parameters), None]
    largest = np.maximum(np.abs(values).max(axis=1, keepdims=True), np.abs(means))
    largest[largest == 0] = 1
    page.cells(left, page.y, values / largest, texts, (wide, 0.25))
    page.cells(edge, page.y, means / largest, [[words(float(value))] for (value,) in means], (0.72, 0.25))
    for parameter in parameters:
        page.write(MARGIN, page.y + 0.125, telling.parameter(parameter).replace("->", "→"), size=8)
        page.y += 0.25
    if len(averages.parameters) > len(parameters):
        page.y += 0.1
        page.write(MARGIN, page.y, "... and more in the layers before", size=8, color=GREY)
        page.y += 0.1


def _angles(page: Page, telling: Telling) -> None:
    """Draw the directions of this example and of a mini-batch, against the average's."""
    averages = telling.explanation.averages
    x, y, length = WIDTH - MARGIN - 1.55, page.y + 1.45, 1.1
    rim = np.radians(np.linspace(0, 180, 91))
    page.canvas.plot(x + length * np.cos(rim), y - length * np.sin(rim), color="#CCCCCC", linewidth=0.8)
    for degrees in (0, 45, 90, 135, 180):
        across, up = cos(radians(degrees)), sin(radians(degrees))
        page.canvas.plot(
            [x + length * across, x + 1.05 * length * across],
            [y - length * up, y - 1.05 * length * up],
            color="#999999",
            linewidth=0.8,
        )
        page.write(x + 1.17 * length * across, y - 1.13 * length * up, f"{degrees}°", ha="center", size=7.5, color=GREY)
    page.write(x, y - 1.43, "directions", ha="center", weight="bold")
    rows = [(averages.all, f"average of {averages.all.examples:,}", "black", "o", 1.0)]
    if averages.batch.examples < averages.all.examples:
        rows.append((averages.batch, f"{averages.batch.examples} at random", BATCHES, "s", 0.82))
    rows.append((averages.example, "this example", ALONE, "D", 0.64))
    page.y = y + 0.2
    for direction, name, ink, mark, at in rows:
        if direction.angle is not None:
            across, up = cos(radians(direction.angle)), sin(radians(direction.angle))
            page.canvas.plot([x, x + length * across], [y, y - length * up], color=ink, linewidth=2.2)
            page.canvas.plot(x + at * length * across, y - at * length * up, mark, color=ink, markersize=8, mec="white")
        where = "no direction" if direction.angle is None else f"{direction.angle:.0f}°"
        page.canvas.plot(x - 1.45, page.y + 0.09, mark, color=ink, markersize=5)
        page.write(x - 1.33, page.y + 0.09, f"{name}: {where}", size=8)
        page.write(x + 1.55, page.y + 0.09, f"cost {short(direction.cost)}", size=8, color=GREY, ha="right")
        page.y += 0.2
    page.y += 0.1


def _heeded(page: Page, telling: Telling) -> None:
    """Draw what becomes of answers and accuracy, step by step, heeding this example alone or mini-batches."""
    averages = telling.explanation.averages
    rows, first, last = averages.heeded, averages.heeded[0], averages.heeded[-1]
    page.paragraph(
        f"What if we listened to this picture alone? In {last.steps} steps for it and nobody else, the share of test "
        f"images called {telling.digit} goes from {100 * first.alone_share:.1f} % to {100 * last.alone_share:.1f} %, "
        f"and accuracy from {100 * first.alone_accuracy:.1f} % to {100 * last.alone_accuracy:.1f} %. Beside it, as "
        f"many steps for mini-batches of {averages.batch.examples}; each step is {100 * STEP_LENGTH:g} % of the length "
        "of all weights and biases."
    )
    page.y += 0.22
    steps = np.arange(len(rows))
    half = (INNER - 0.9) / 2
    for column, (title, alone, batches) in enumerate(
        (
            (f"test images called {telling.digit} (%)", "alone_share", "batches_share"),
            ("test images read right (%)", "alone_accuracy", "batches_accuracy"),
        )
    ):
        axes = page.axes(MARGIN + 0.3 + column * (half + 0.6), page.y + 0.1, half - 0.75, 1.75)
        page.write(MARGIN + 0.3 + column * (half + 0.6), page.y - 0.06, title, weight="bold")
        curves = []
        for what, ink, mark, dash in ((alone, ALONE, "D", "-"), (batches, BATCHES, "s", (0, (5, 1.5)))):
            values = [100 * float(getattr(row, what)) for row in rows]
            axes.plot(steps, values, color=ink, marker=mark, markersize=5, linestyle=dash, clip_on=False)
            curves.append(values[-1])
        for value, name, ink, y in zip(
            curves, ("this one alone", "mini-batches"), (ALONE, BATCHES), _apart(curves), strict=True
        ):
            text = f" {name}\n {value:.1f} %"
            axes.text(steps[-1] + 0.15, y, text, va="center", size=8, color=ink)
        axes.set(ylim=(0, 100), xlabel="steps")
        axes.set_xticks(steps, [str(row.steps) for row in rows])
        axes.tick_params(labelsize=8)
    page.y += 2.45


def _apart(values: Sequence[float]) -> list[float]:
    """Return where to write two values beside their curves, on a scale to 100, so that they do not touch."""
    (low, lower), (high, higher) = sorted(zip(values, range(2), strict=True))
    missing = max(0.0, APART - (high - low)) / 2
    shift = max(0.0, LOWEST_LABEL - (low - missing))
    places = {lower: low - missing + shift, higher: high + missing + shift}
    return [places[0], places[1]]
