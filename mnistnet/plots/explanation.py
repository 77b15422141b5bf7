"""The figure of `mnistnet explain`, on one tall page or on several sheets."""

from collections.abc import Callable, Iterator, Sequence
from math import cos, floor, log10, radians, sin
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mnistnet.explain import report
from mnistnet.explain.batch_gradient import BatchGradient
from mnistnet.explain.explanation import Explanation
from mnistnet.explain.labels import MAX_ROWS, Subject
from mnistnet.explain.sensitivity import STEP, Sensitivities, Sensitivity, Share
from mnistnet.plots import COLOURS, GREY, figure, pages
from mnistnet.plots.layout import INNER, MARGIN, RADIUS, SMALL, WIDTH, Page, brightness, colour, few, few_outputs, minus
from mnistnet.util.arrays import Array
from mnistnet.util.number_format import Unit, short, unit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Part = Callable[[Page], None]

A4, SLIDE = (8.27, 11.69), (13.333, 7.5)  # inches
TOP = 0.3  # of a sheet, left free above
DIGIT = 2.3  # inches
PITCH = 0.25  # from neuron to neuron, one below the other
TABLE_ROW = 0.235  # of the table
NAME, SUM, SIDEWAYS = 1.0, 0.66, 0.55  # widths: of a neuron's name, of its sum, of the longest arrow
MAX_LAYER_STRIPS = 5  # of a deeper network the last ones are drawn, and the first weights
IMAGES = 8  # in a row
MAX_ENTRIES = 5  # of the most and least sensitive
MAX_RIDGE_LAYERS = 4  # of a deeper network the last ones are drawn
BINS = 60
LOWEST, TALLEST = 0.42, 0.75  # of a ridge
PROOF_ROW = 0.2
PROMISED, MEASURED = COLOURS[:2]
BIASES, WEIGHTS = COLOURS[4], COLOURS[5]
MAX_EXAMPLE_LAYERS = 4  # of a deeper network the last ones are drawn
APART, LOWEST_LABEL = 22, 9  # per cent on the axes of the fine-tuning
ALONE, BATCHES = COLOURS[1], COLOURS[0]


def draw_explanation(subject: Subject, explanation: Explanation, path: Path, *, slides: bool = False) -> None:
    """Draw an explanation: into a .pdf as A4 pages or 16:9 slides, else as one figure as tall as it takes.

    Raises PlotError.
    """
    if path.suffix.lower() != ".pdf":
        with figure(path, WIDTH, WIDTH) as drawing:
            compose(drawing, subject, explanation)
        return
    with pages(path) as add:
        for drawing in sheets(subject, explanation, SLIDE if slides else A4):
            add(drawing)


def compose(drawing: "Figure", subject: Subject, explanation: Explanation) -> Page:
    """Draw an explanation on a figure, and set its height."""
    page = Page(drawing)
    for part in _parts(subject, explanation):
        part(page)
    page.finish()
    return page


def sheets(subject: Subject, explanation: Explanation, size: tuple[float, float]) -> Iterator["Figure"]:
    """Yield sheets of a size in inches, on each as many whole parts of the explanation as fit."""
    from matplotlib.figure import Figure

    width, height = size
    room, shared = WIDTH * height / width, list[list[Part]]()
    left = 0.0
    for part in _parts(subject, explanation):
        tried = Page(Figure())
        part(tried)
        if not shared or tried.y > left:
            shared.append([])
            left = room
        shared[-1].append(part)
        left -= tried.y
    for parts in shared:
        drawing = Figure()
        page = Page(drawing)
        page.y = TOP
        for part in parts:
            part(page)
        page.fit(width, height)
        yield drawing


def _parts(subject: Subject, explanation: Explanation) -> list[Part]:
    """Return functions that draw the parts of an explanation; no part is broken between two sheets."""

    def beginning(page: Page) -> None:
        _head(page, subject)
        _example_and_wishes(page, subject)

    return [
        beginning,
        lambda page: _three_ways(page, subject),
        lambda page: all_wishes(page, subject),
        lambda page: passed_back(page, subject),
        lambda page: most_sensitive(page, subject, explanation.sensitivities),
        lambda page: only_this_one(page, subject, explanation.averages),
    ]


def _head(page: Page, subject: Subject) -> None:
    page.y += 0.3
    called = f"the digit {subject.digit}" if subject.digit.isdigit() else f"“{subject.digit}”"
    page.write(MARGIN, page.y + 0.14, f"What {called} wishes of a network", size=20, weight="bold")
    page.y += 0.45
    page.paragraph(f"{report.about_picture(subject)} {report.about_network(subject)}")
    x, y = MARGIN + 0.09, page.y + 0.1
    for bright in (0.0, 0.5, 1.0):
        page.neuron(x, y, SMALL, bright)
        x += 0.24
    page.write(x, y, "a neuron is as bright as its activation", color=GREY)
    x = MARGIN + 3.6
    page.arrow(x, y + 0.11, 0, -0.22, colour(1))
    page.write(x + 0.16, y, "should rise", color=GREY)
    page.arrow(x + 1.2, y - 0.11, 0, 0.22, colour(-1))
    page.write(
        x + 1.36,
        y,
        "should fall (in proportion); a dot: too small to show",
        color=GREY,
    )
    page.y += 0.46


def _example_and_wishes(page: Page, subject: Subject) -> None:
    """Show the picture, the answer, and what each output neuron wishes."""
    example = subject.example
    top, right = page.y, MARGIN + DIGIT
    page.heading("1  The example", right=right)
    page.image(MARGIN, page.y, DIGIT, example.inputs.reshape(subject.shape), cmap="gray", vmin=0, vmax=1)
    page.y += DIGIT + 0.1
    page.paragraph(f"{report.verdict(subject)} {report.about_cost(subject)}", width=DIGIT)
    bottom, page.y = page.y, top
    left = right + 0.45
    page.heading("2  What the output layer wishes", left=left)
    page.paragraph(report.about_wishes(subject), left=left, width=WIDTH - MARGIN - left)
    page.y += 0.08
    _strip_of_outputs(page, subject, left)
    page.y = max(page.y, bottom) + 0.15


def _strip_of_outputs(page: Page, subject: Subject, left: float) -> None:
    example = subject.example
    chosen, output = few_outputs(example.wish), example.layers[-1].activations
    terms = unit(example.cost_terms[chosen], signed=False)
    words = unit(example.wish) if np.abs(example.wish).max() < 0.01 else Unit(0, 4)
    rows = [
        ("target", [f"{example.target[index]:.0f}" for index in chosen]),
        (f"wish{words.words}", [words(float(example.wish[index])) for index in chosen]),
        (
            f"{'wish squared' if subject.quadratic else 'cost'}{terms.words}",
            [terms(float(example.cost_terms[index])) for index in chosen],
        ),
    ]
    names = [subject.names[index][:10] for index in chosen]
    page.strip(left, names, brightness(output)[chosen], output[chosen], example.wish[chosen], rows)
    if len(chosen) < len(output):
        page.paragraph(f"... and {len(output) - len(chosen)} more outputs", left=left)


def _three_ways(page: Page, subject: Subject) -> None:
    """Draw the three ways to give one neuron what it wishes."""
    ways = subject.three_ways
    page.heading(f"3  {report.title_of_three_ways(subject)}")
    page.paragraph(report.about_sum(subject))
    top = page.y
    left = MARGIN
    page.write(left, page.y + 0.08, "(a) the bias", weight="bold", size=9.5)
    page.y += 0.25
    page.paragraph(report.about_wish_for_sum(subject), left, 2.45)
    if ways.bias_nudge:
        _reach_of_each_way(page, subject, left)
    bottom = page.y
    if ways.bias_nudge:
        for column, draw in enumerate((_by_weights, _by_activations)):
            page.y = top
            draw(page, subject, MARGIN + 2.85 + column * 3.5)
            bottom = max(bottom, page.y)
    page.y = bottom + 0.2


def _reach_of_each_way(page: Page, subject: Subject, left: float) -> None:
    """Draw how far each way leads."""
    ways = subject.three_ways
    page.y += 0.12
    largest = max(abs(reach) for reach in ways.reach if reach is not None)
    for name, reach in zip(("bias", "weights", "activations"), ways.reach, strict=True):
        page.write(left, page.y, name, size=8)
        if reach is None:
            page.write(left + 0.8, page.y, "not possible", size=8, color=GREY)
        else:
            length = abs(reach) / largest
            page.bar(left + 0.8, page.y, 0.9 * length, colour(reach))
            page.write(left + 0.86 + 0.9 * length, page.y, minus(short(reach, "+")), size=8)
        page.y += 0.24
    page.y += 0.02
    page.paragraph(report.about_reach(subject), left, 2.45)


def _by_weights(page: Page, subject: Subject, left: float) -> None:
    """Draw the second way: lines as thick as the nudge of each weight."""
    ways = subject.three_ways
    page.write(left, page.y + 0.08, "(b) the weights", weight="bold", size=9.5)
    page.y += 0.25
    page.paragraph(report.about_weights(subject), left, 3.1)
    if ways.layer == 1:
        largest = float(np.abs(ways.weight_nudges).max()) or 1.0
        page.signed_image(left, page.y, DIGIT, ways.weight_nudges.reshape(subject.shape), largest)
        page.y += DIGIT
        return
    _fan(page, subject, left, ways.weight_nudges, ways.weight_nudges, "activation", ways.activations_before)


def _by_activations(page: Page, subject: Subject, left: float) -> None:
    """Draw the third way: lines as thick as the weights, and arrows at the neurons in the layer before."""
    ways = subject.three_ways
    page.write(left, page.y + 0.08, "(c) the activations in the layer before", weight="bold", size=9.5)
    page.y += 0.25
    page.paragraph(report.about_activations(subject), left, 3.1)
    if ways.activation_nudges is None:
        return
    _fan(page, subject, left, ways.activation_nudges, ways.weights, "weight", ways.weights, arrows=True)


def _fan(
    page: Page,
    subject: Subject,
    left: float,
    nudges: Array,
    lines: Array,
    known: str,
    numbers: Array,
    *,
    arrows: bool = False,
) -> None:
    """Draw the neurons before one neuron with their nudges, and lines to it whose widths show `lines`."""
    ways = subject.three_ways
    chosen, words, bright = few(nudges), unit(nudges), brightness(ways.activations_before)
    thickest, largest = float(np.abs(lines).max()) or 1.0, float(np.abs(nudges).max()) or 1.0
    start, end = left + 1.95, left + 2.94
    page.write(left + 0.95, page.y + 0.07, known, ha="right", size=7.5, color=GREY)
    page.write(left + 1.62, page.y + 0.07, "nudge", ha="right", size=7.5, color=GREY)
    if words.name:
        page.write(left + 1.66, page.y + 0.07, f"in {words.name}", size=7.5, color=GREY)
    page.y += 0.27
    heart = page.y + PITCH * (len(chosen) - 1) / 2
    own = brightness(subject.example.layers[ways.layer - 1].activations)[ways.neuron]
    for row, index in enumerate(chosen):
        y, line, nudge = page.y + row * PITCH, float(lines[index]), float(nudges[index])
        page.write(left, y, subject.neuron(ways.layer - 1, index), size=8)
        page.write(left + 0.95, y, minus(f"{numbers[index]:{'+' if arrows else ''}.2f}"), ha="right", size=8)
        page.write(left + 1.62, y, minus(words(nudge)), ha="right", size=8, weight="bold", color=colour(nudge))
        width = 4.5 * abs(line) / thickest
        if width > 0.05:
            style = "solid" if line > 0 else (0, (4 / max(width, 1), 1.6 / max(width, 1)))
            page.canvas.plot(
                [start, end], [y, heart], color=colour(line), linewidth=width, linestyle=style, solid_capstyle="butt"
            )
        page.neuron(start, y, SMALL, float(bright[index]))
        if arrows:
            length = 0.21 * nudge / largest
            page.arrow(start - 0.17, y + length / 2, 0, -length, colour(nudge))
    page.neuron(end + 0.08, heart, RADIUS, float(own), subject.neuron(ways.layer, ways.neuron).split()[-1][:5])
    page.y += PITCH * len(chosen)
    if len(nudges) > MAX_ROWS:
        page.write(left, page.y, f"... and {len(nudges) - len(chosen):,} more", size=8, color=GREY)
        page.y += 0.2


def all_wishes(page: Page, subject: Subject) -> None:
    """Draw the table of wishes, neuron by output, its sums, and the nudges they lead to."""
    example = subject.example
    page.heading("4  All wishes added up, and passed back")
    if example.wishes is None:
        return
    page.paragraph(f"{report.about_table_of_wishes(subject)} {report.about_hidden_layer(subject, subject.output - 1)}")
    page.y += 0.36
    _table_of_wishes(page, subject, example.wishes)
    page.y += 0.2


def _table_of_wishes(page: Page, subject: Subject, wishes: Array) -> None:
    layer = subject.output - 1
    own = subject.example.layers[layer - 1]
    assert own.nudges is not None
    assert own.slopes is not None
    rows, columns = few(own.nudges), few_outputs(np.abs(wishes).max(axis=0))
    part, words, biases = wishes[np.ix_(rows, columns)], unit(wishes.ravel()), unit(own.delta)
    left, top = MARGIN + NAME, page.y
    wide = min(0.56, (INNER - NAME - SUM - 2 * SIDEWAYS - 1.55) / len(columns))
    page.write(MARGIN, top - 0.1, words.words.strip(" ()"), size=7.5, color=GREY)
    for number, column in enumerate(columns):
        name = f"out {subject.names[column]}" if len(subject.names[column]) < 3 else subject.names[column][:6]
        page.write(left + (number + 0.5) * wide, top - 0.1, name, ha="center", size=8, weight="bold")
    page.cells(
        left,
        top,
        part / (np.abs(part).max() or 1),
        [[words(float(value)) for value in row] for row in part],
        (wide, TABLE_ROW),
    )
    edge = left + wide * len(columns) + 0.08
    sums = own.nudges[rows]
    page.write(edge + SUM - 0.1, top - 0.1, "sum", ha="right", size=8, weight="bold")
    middle = edge + SUM + 0.1 + SIDEWAYS
    page.write(middle, top - 0.1, "nudge", ha="center", size=8, weight="bold")
    page.write(WIDTH - MARGIN - 0.75, top - 0.1, "× slope", ha="right", size=8, weight="bold")
    page.write(WIDTH - MARGIN, top - 0.1, "= for bias", ha="right", size=8, weight="bold")
    page.write(WIDTH - MARGIN, top - 0.28, biases.words.strip(" ()"), ha="right", size=7.5, color=GREY)
    bright, largest = brightness(own.activations), float(np.abs(sums).max()) or 1.0
    page.canvas.plot([middle, middle], [top, top + TABLE_ROW * len(rows)], color=GREY, linewidth=0.6)
    for number, index in enumerate(rows):
        y, nudge, bias = top + (number + 0.5) * TABLE_ROW, float(own.nudges[index]), 0 - float(own.delta[index])
        page.write(MARGIN, y, subject.neuron(layer, index), size=8)
        page.write(left - 0.27, y, f"{own.activations[index]:.2f}", ha="right", size=7.5, color=GREY)
        page.neuron(left - 0.14, y, SMALL, float(bright[index]))
        page.write(edge + SUM - 0.1, y, minus(words(nudge)), ha="right", size=8, weight="bold", color=colour(nudge))
        page.arrow(middle, y, SIDEWAYS * nudge / largest, 0, colour(nudge))
        page.write(WIDTH - MARGIN - 0.75, y, f"{own.slopes[index]:.4f}", ha="right", size=8)
        page.write(WIDTH - MARGIN, y, minus(biases(bias)), ha="right", size=8, weight="bold", color=colour(bias))
    page.y = top + TABLE_ROW * len(rows) + 0.06
    left_out = [
        f"{count - shown:,} more {what}"
        for count, shown, what in ((len(own.nudges), len(rows), "neurons"), (wishes.shape[1], len(columns), "outputs"))
        if count > shown
    ]
    if left_out:
        page.paragraph(f"... and {' and '.join(left_out)}, which are in the sums")


def passed_back(page: Page, subject: Subject) -> None:
    """Draw the nudges of the hidden layers before, and the first weights' as images."""
    before = range(subject.output - 2, 0, -1)
    for layer in before[:MAX_LAYER_STRIPS]:
        _layer(page, subject, layer)
    if len(before) > MAX_LAYER_STRIPS:
        page.paragraph(f"... and so on, through {len(before) - MAX_LAYER_STRIPS:,} more hidden layers.")
    _first_weights(page, subject)


def _layer(page: Page, subject: Subject, layer: int) -> None:
    own = subject.example.layers[layer - 1]
    assert own.nudges is not None
    assert own.slopes is not None
    page.paragraph(report.about_hidden_layer(subject, layer))
    rows, words, biases = few(own.nudges), unit(own.nudges), unit(own.delta)
    page.strip(
        MARGIN,
        [subject.neuron(layer, index) for index in rows],
        brightness(own.activations)[rows],
        own.activations[rows],
        own.nudges[rows],
        [
            (f"nudge{words.words}", [words(float(own.nudges[index])) for index in rows]),
            ("× slope", [f"{own.slopes[index]:.4f}" for index in rows]),
            (f"= for bias{biases.words}", [biases(0 - float(own.delta[index])) for index in rows]),
        ],
    )
    if len(own.nudges) > len(rows):
        page.paragraph(f"... and {len(own.nudges) - len(rows):,} more neurons")
    page.y += 0.12


def _first_weights(page: Page, subject: Subject) -> None:
    """Draw the nudges for the first weights, an image for each neuron: the picture times one number."""
    example = subject.example
    own = example.layers[0]
    chosen = few(own.delta)
    page.paragraph(report.about_first_weights(subject))
    largest, words = float(np.abs(own.weight_gradient).max()) or 1.0, unit(own.delta)
    page.write(
        MARGIN,
        page.y + 0.06,
        f"the nudge for the weight of a white pixel{words.words}; all images on one scale",
        size=8,
        color=GREY,
    )
    page.y += 0.18
    gap = 0.12
    side = (INNER - gap * (IMAGES - 1)) / IMAGES
    for number, index in enumerate(chosen):
        column = number % IMAGES
        if number and not column:
            page.y += side + 0.3
        x = MARGIN + column * (side + gap)
        nudge = 0 - float(own.delta[index])
        page.write(x, page.y + 0.1, subject.neuron(1, index), size=8)
        page.write(x + side, page.y + 0.1, minus(words(nudge)), ha="right", size=8, weight="bold", color=colour(nudge))
        page.signed_image(x, page.y + 0.2, side, (0 - own.weight_gradient[index]).reshape(subject.shape), largest)
    page.y += side + 0.3
    if len(own.delta) > len(chosen):
        page.paragraph(f"... and {len(own.delta) - len(chosen):,} more neurons")
    page.y += 0.2


def most_sensitive(page: Page, subject: Subject, sensitivities: Sensitivities) -> None:
    """Draw how sensitive the cost is to the parameters of each layer, and check the gradient."""
    page.heading("5  Which weights and biases matter most")
    page.paragraph(report.about_gradient(subject, sensitivities))
    if not sensitivities.most_weights and not sensitivities.most_biases:
        return
    page.paragraph(report.about_proof())
    top = page.y
    _proof(page, subject, sensitivities)
    bottom, page.y = page.y, top
    _ridges(page, subject, sensitivities, bottom - top - 0.8)
    page.y = max(bottom, page.y) + 0.2


def _ridges(page: Page, subject: Subject, sensitivities: Sensitivities, room: float) -> None:
    """Draw how derivatives' sizes are distributed, a ridge for each layer's weights and one for its biases."""
    shares = [share for share in sensitivities.shares if share.count > share.zeros]
    shares = shares[-2 * MAX_RIDGE_LAYERS :]
    page.write(MARGIN, page.y + 0.08, "Sizes of the derivatives that are not zero", weight="bold", size=9.5)
    page.y += 0.28
    page.write(MARGIN, page.y, "how many, and their part of the gradient's squared length", size=8, color=GREY)
    page.y += 0.12
    sizes = [_sizes(subject, share) for share in shares]
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
        page.write(MARGIN, y, f"{kind}, {subject.layer(share.layer).removeprefix('the ')}", size=8, weight="bold")
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


def _sizes(subject: Subject, share: Share) -> Array:
    """Return the sizes of the non-zero derivatives of a layer's weights or biases."""
    own = subject.example.layers[share.layer - 1]
    sizes: Array = np.abs(own.bias_gradient if share.biases else own.weight_gradient.ravel())
    found: Array = sizes[sizes != 0]
    return found


def _proof(page: Page, subject: Subject, sensitivities: Sensitivities) -> None:
    """Draw promised and measured changes for the most and the least sensitive parameters."""
    left = MARGIN + 4.75
    groups: list[tuple[str, Sequence[Sensitivity]]] = [
        ("most sensitive weights", sensitivities.most_weights),
        ("least sensitive weights, zeros aside", sensitivities.least_weights),
        ("most sensitive biases", sensitivities.most_biases),
        ("least sensitive biases, zeros aside", sensitivities.least_biases),
    ]
    page.write(left, page.y + 0.08, f"Change of the cost for a nudge of {STEP}", weight="bold", size=9.5)
    page.y += 0.28
    right = WIDTH - MARGIN
    page.write(right - 0.95, page.y, "promised", ha="right", size=8, color=GREY)
    page.write(right, page.y, "measured", ha="right", size=8, color=GREY)
    page.y += 0.1
    shown = [(name, list(entries[: min(MAX_ENTRIES, subject.top)])) for name, entries in groups if entries]
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
            page.canvas.plot(
                [x, x], [page.y + 0.02, page.y + PROOF_ROW * len(entries)], color="#DDDDDD", lw=0.6, zorder=1
            )
        for entry in entries:
            y = page.y + PROOF_ROW / 2
            page.write(left, y, subject.parameter(entry.parameter).replace("->", "→"), size=8)
            page.canvas.plot([start, end], [y, y], color="#DDDDDD", linewidth=0.6, zorder=1)
            page.canvas.plot(place(entry.promised), y, "D", markersize=6, color=PROMISED, markerfacecolor="white")
            page.write(right - 0.95, y, minus(short(entry.promised)), ha="right", size=8)
            if entry.measured is None:
                page.write(right, y, "lost in rounding", ha="right", size=6.5, color=GREY)
            else:
                page.canvas.plot(place(entry.measured), y, ".", markersize=5, color=MEASURED)
                page.write(right, y, minus(short(entry.measured)), ha="right", size=8)
            page.y += PROOF_ROW
    for power in powers:
        page.write(place(10.0**power), page.y + 0.1, f"$-10^{{{power}}}$", ha="center", size=7.5)
    page.y += 0.3
    page.write(
        left,
        page.y,
        "diamond: promised, derivative times nudge; dot: measured",
        size=7.5,
        color=GREY,
    )
    page.y += 0.1


def _changes(entry: Sensitivity) -> Iterator[float]:
    yield entry.promised
    if entry.measured:
        yield entry.measured


def only_this_one(page: Page, subject: Subject, averages: BatchGradient) -> None:
    """Draw this example beside the others, and the effect of training on it alone."""
    page.heading("6  Only this example, or all of them")
    page.paragraph(f"{report.about_examples(averages)} {report.about_angles(averages)}")
    top = page.y
    _examples(page, subject, averages)
    bottom, page.y = page.y, top
    _angles(page, averages)
    page.y = max(bottom, page.y) + 0.1
    _fine_tuning(page, subject, averages)
    page.paragraph(report.about_training())


def _examples(page: Page, subject: Subject, averages: BatchGradient) -> None:
    """Draw the video's table: parameters by examples, and the average."""
    parameters = averages.parameters[: 3 * MAX_EXAMPLE_LAYERS]
    names = [subject.names[label][:6] for label in averages.labels]
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
        page.write(MARGIN, page.y + 0.125, subject.parameter(parameter).replace("->", "→"), size=8)
        page.y += 0.25
    if len(averages.parameters) > len(parameters):
        page.y += 0.1
        page.write(MARGIN, page.y, "... and more in the layers before", size=8, color=GREY)
        page.y += 0.1


def _angles(page: Page, averages: BatchGradient) -> None:
    """Draw the directions of this example and of a mini-batch, against the average's."""
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
    if report.has_batch(averages):
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


def _fine_tuning(page: Page, subject: Subject, averages: BatchGradient) -> None:
    """Draw answers and accuracy, step by step, of training on this example alone or on mini-batches."""
    rows = averages.fine_tuning
    page.paragraph(report.about_fine_tuning(subject, averages))
    page.y += 0.22
    steps = np.arange(len(rows))
    half = (INNER - 0.9) / 2
    for column, (title, alone, batches) in enumerate(
        (
            (f"test images called {subject.digit} (%)", "alone_share", "batches_share"),
            ("test images read correctly (%)", "alone_accuracy", "batches_accuracy"),
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
