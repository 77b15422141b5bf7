"""The figure of `mnistnet explain`, section 4: all wishes added up, and passed back down to the first weights."""

import numpy as np

from mnistnet.explain.labels import Telling, strongest
from mnistnet.plots import GREY
from mnistnet.plots.layout import INNER, MARGIN, SMALL, WIDTH, Page, brightness, colour, few, few_outputs, minus
from mnistnet.util.arrays import Array
from mnistnet.util.number_format import short, unit

ROW = 0.235  # of the table
NAME, SUM, SIDEWAYS = 1.0, 0.66, 0.55  # widths: of a neuron's name, of its sum, of the longest arrow
MAX_LAYERS = 5  # of a deeper network the last ones are drawn, and the first weights
IMAGES = 8  # in a row


def all_wishes(page: Page, telling: Telling) -> None:
    """Draw the table of wishes, neuron by output, its sums, and what becomes of them."""
    nudges = telling.explanation.nudges
    page.heading("4  All wishes added up, and passed back")
    if nudges.wishes is None:
        page.paragraph("Behind the output layer are the pixels, and they are given: no wish is passed on.")
        return
    page.paragraph(
        f"Every output has its own idea of what should happen to {telling.layer(telling.output - 1)}, in proportion to "
        "its weights and to how far it is off. A column is what one output wishes; the sum of a row is what all of "
        "them together wish of that neuron, its nudge. Times the slope of the neuron's function it is the nudge for "
        "its bias."
    )
    page.y += 0.36
    _table(page, telling, nudges.wishes)
    page.y += 0.2


def _table(page: Page, telling: Telling, wishes: Array) -> None:
    layer = telling.output - 1
    own = telling.explanation.nudges.layers[layer - 1]
    assert own.nudges is not None
    assert own.slopes is not None
    rows, columns = few(own.nudges), few_outputs(np.abs(wishes).max(axis=0))
    part, words, biases = wishes[np.ix_(rows, columns)], unit(wishes.ravel()), unit(own.delta)
    left, top = MARGIN + NAME, page.y
    wide = min(0.56, (INNER - NAME - SUM - 2 * SIDEWAYS - 1.55) / len(columns))
    page.write(MARGIN, top - 0.1, words.words.strip(" ()"), size=7.5, color=GREY)
    for number, column in enumerate(columns):
        name = f"out {telling.names[column]}" if len(telling.names[column]) < 3 else telling.names[column][:6]
        page.write(left + (number + 0.5) * wide, top - 0.1, name, ha="center", size=8, weight="bold")
    page.cells(
        left,
        top,
        part / (np.abs(part).max() or 1),
        [[words(float(value)) for value in row] for row in part],
        (wide, ROW),
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
    page.canvas.plot([middle, middle], [top, top + ROW * len(rows)], color=GREY, linewidth=0.6)
    for number, index in enumerate(rows):
        y, nudge, bias = top + (number + 0.5) * ROW, float(own.nudges[index]), 0 - float(own.delta[index])
        page.write(MARGIN, y, telling.neuron(layer, index), size=8)
        page.write(left - 0.27, y, f"{own.activations[index]:.2f}", ha="right", size=7.5, color=GREY)
        page.neuron(left - 0.14, y, SMALL, float(bright[index]))
        page.write(edge + SUM - 0.1, y, minus(words(nudge)), ha="right", size=8, weight="bold", color=colour(nudge))
        page.arrow(middle, y, SIDEWAYS * nudge / largest, 0, colour(nudge))
        page.write(WIDTH - MARGIN - 0.75, y, f"{own.slopes[index]:.4f}", ha="right", size=8)
        page.write(WIDTH - MARGIN, y, minus(biases(bias)), ha="right", size=8, weight="bold", color=colour(bias))
    page.y = top + ROW * len(rows) + 0.06
    left_out = [
        f"{count - shown:,} more {what}"
        for count, shown, what in ((len(own.nudges), len(rows), "neurons"), (wishes.shape[1], len(columns), "outputs"))
        if count > shown
    ]
    if left_out:
        page.paragraph(f"... and {' and '.join(left_out)}, which count in the sums all the same")


def passed_back(page: Page, telling: Telling) -> None:
    """Draw the nudges of the hidden layers before, and the first weights' as images."""
    before = range(telling.output - 2, 0, -1)
    for layer in before[:MAX_LAYERS]:
        _layer(page, telling, layer)
    if len(before) > MAX_LAYERS:
        page.paragraph(f"... and so on, through {len(before) - MAX_LAYERS:,} more hidden layers.")
    _first_weights(page, telling)


def _layer(page: Page, telling: Telling, layer: int) -> None:
    own = telling.explanation.nudges.layers[layer - 1]
    assert own.nudges is not None
    assert own.slopes is not None
    page.paragraph(
        f"The same once more, one layer back: the nudges of {telling.layer(layer)} add up what the neurons of "
        f"{telling.layer(layer + 1)} wish, each in proportion to its weight and to the nudge for its own bias."
    )
    rows, words, biases = few(own.nudges), unit(own.nudges), unit(own.delta)
    page.strip(
        MARGIN,
        [telling.neuron(layer, index) for index in rows],
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


def _first_weights(page: Page, telling: Telling) -> None:
    """Draw the nudges for the first weights, an image for each neuron: the picture times one number."""
    nudges = telling.explanation.nudges
    own = nudges.layers[0]
    chosen = few(own.delta)
    loudest = strongest(own.delta, 1)[0]
    black, pixels = int(np.count_nonzero(nudges.inputs == 0)), nudges.inputs.size
    page.paragraph(
        f"And so down to the first weights: {pixels} for each neuron of {telling.layer(1)}, one for each pixel. Their "
        "nudges are the picture itself, times the nudge for the neuron's bias: most for "
        f"{telling.neuron(1, loudest)}, {minus(short(0 - float(own.delta[loudest]), '+'))} where the picture is white. "
        f"The {black} black pixels bring nothing: {telling.explanation.sensitivities.black:,} of the "
        f"{own.weight_gradient.size:,} first weights get no nudge from this picture. All images are on one scale."
    )
    largest, words = float(np.abs(own.weight_gradient).max()) or 1.0, unit(own.delta)
    page.write(MARGIN, page.y + 0.06, f"weight nudges of a white pixel{words.words}", size=8, color=GREY)
    page.y += 0.18
    gap = 0.12
    side = (INNER - gap * (IMAGES - 1)) / IMAGES
    for number, index in enumerate(chosen):
        column = number % IMAGES
        if number and not column:
            page.y += side + 0.3
        x = MARGIN + column * (side + gap)
        nudge = 0 - float(own.delta[index])
        page.write(x, page.y + 0.1, telling.neuron(1, index), size=8)
        page.write(x + side, page.y + 0.1, minus(words(nudge)), ha="right", size=8, weight="bold", color=colour(nudge))
        page.signed_image(x, page.y + 0.2, side, (0 - own.weight_gradient[index]).reshape(telling.shape), largest)
    page.y += side + 0.3
    if len(own.delta) > len(chosen):
        page.paragraph(f"... and {len(own.delta) - len(chosen):,} more neurons")
    page.y += 0.2
