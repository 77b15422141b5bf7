"""The figure of `mnistnet explain`: the story that one digit tells, on one tall page, in the same order.

This file has the digit, what the output layer wishes, and the three ways to heed one wish; `explanation_back.py` adds
all wishes up and passes them back; `explanation_gradient.py` has the gradient as sensitivities, and
`explanation_examples.py` the other examples.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mnistnet.explain.labels import MAX_ROWS, Telling, strongest
from mnistnet.plots import GREY, figure
from mnistnet.plots.explanation_back import all_wishes, passed_back
from mnistnet.plots.explanation_examples import only_this_one
from mnistnet.plots.explanation_gradient import bang_for_the_buck
from mnistnet.plots.layout import MARGIN, RADIUS, SMALL, WIDTH, Page, brightness, colour, few, few_outputs, minus
from mnistnet.util.arrays import Array
from mnistnet.util.number_format import Unit, short, times, unit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DIGIT = 2.3  # inches
PITCH = 0.25  # from neuron to neuron, one below the other


def draw_explanation(telling: Telling, path: Path) -> None:
    """Draw an explanation as one figure, as tall as it takes. Raises PlotError."""
    with figure(path, WIDTH, WIDTH) as drawing:
        compose(drawing, telling)


def compose(drawing: "Figure", telling: Telling) -> Page:
    """Draw an explanation on a figure, and give that its height."""
    page = Page(drawing)
    sections = (_example_and_wishes, _three_ways, all_wishes, passed_back, bang_for_the_buck, only_this_one)
    for section in (_head, *sections):
        section(page, telling)
    page.finish()
    return page


def _head(page: Page, telling: Telling) -> None:
    nudges = telling.explanation.nudges
    page.y += 0.3
    called = f"the digit {telling.digit}" if telling.digit.isdigit() else f"“{telling.digit}”"
    page.write(MARGIN, page.y + 0.14, f"What {called} wishes of a network", size=20, weight="bold")
    page.y += 0.45
    network = nudges.network
    kind = f"{'-'.join(map(str, network.layer_sizes))}, {network.activation.__name__.lower()}"
    cost = "the sum of squared differences" if telling.quadratic else "the cross-entropy"
    page.paragraph(
        f"{telling.source}; the network is {kind}, with {network.parameters.size:,} weights and biases"
        f"{', still the first, random ones' if telling.untrained else ''}; the cost is {cost}. "
        "A nudge is minus a derivative of the cost of this one example: what it wishes. In tables a dot is a number "
        "too small to show beside the others."
    )
    x, y = MARGIN + 0.09, page.y + 0.1
    for bright in (0.0, 0.5, 1.0):
        page.neuron(x, y, SMALL, bright)
        x += 0.24
    page.write(x, y, "a neuron is as bright as its activation", color=GREY)
    x = MARGIN + 3.6
    page.arrow(x, y + 0.11, 0, -0.22, colour(1))
    page.write(x + 0.16, y, "should rise", color=GREY)
    page.arrow(x + 1.2, y - 0.11, 0, 0.22, colour(-1))
    page.write(x + 1.36, y, "should fall: arrows and lines are drawn in proportion", color=GREY)
    page.y += 0.46


def _example_and_wishes(page: Page, telling: Telling) -> None:
    """Show the picture, the answer, and what each output neuron wishes."""
    nudges = telling.explanation.nudges
    top, right = page.y, MARGIN + DIGIT
    page.heading("1  The example", right=right)
    page.image(MARGIN, page.y, DIGIT, nudges.inputs.reshape(telling.shape), cmap="gray", vmin=0, vmax=1)
    page.y += DIGIT + 0.1
    ink = int(np.count_nonzero(nudges.inputs))
    page.paragraph(
        f"{nudges.inputs.size} numbers from 0 (black) to 1 (white), {ink} of them not black. {_verdict(telling)} "
        f"It costs {short(nudges.cost)}.",
        width=DIGIT,
    )
    bottom, page.y = page.y, top
    left = right + 0.45
    page.heading("2  What the output layer wishes", left=left)
    page.paragraph(_desired(telling), left=left, width=WIDTH - MARGIN - left)
    page.y += 0.08
    _strip_of_outputs(page, telling, left)
    page.y = max(page.y, bottom) + 0.15


def _verdict(telling: Telling) -> str:
    nudges = telling.explanation.nudges
    answer = telling.names[nudges.prediction]
    if not telling.known:
        return f"The network reads it as {answer}, and nobody has said otherwise."
    if nudges.prediction == nudges.label:
        return f"The network reads it as {answer}, as it should."
    return f"The network reads it as {answer}, but should as {telling.digit}."


def _desired(telling: Telling) -> str:
    own = float(telling.explanation.nudges.wish[telling.explanation.nudges.label])
    return (
        f"Output {telling.digit} should be 1, all others 0; each wishes to get there. A neuron that is nearly where it "
        f"should be wishes little: output {telling.digit} {short(own, '+')}. The longest arrow is the largest wish."
    )


def _strip_of_outputs(page: Page, telling: Telling, left: float) -> None:
    nudges = telling.explanation.nudges
    chosen, output = few_outputs(nudges.wish), nudges.layers[-1].activations
    terms = unit(nudges.cost_terms[chosen])
    words = unit(nudges.wish) if np.abs(nudges.wish).max() < 0.01 else Unit(0, 4)
    rows = [
        ("desired", [f"{nudges.target[index]:.0f}" for index in chosen]),
        (f"wish{words.words}", [words(float(nudges.wish[index])) for index in chosen]),
        (
            f"{'wish squared' if telling.quadratic else 'cost'}{terms.words}",
            [terms.plain(float(nudges.cost_terms[index])) for index in chosen],
        ),
    ]
    names = [telling.names[index][:10] for index in chosen]
    page.strip(left, names, brightness(output)[chosen], output[chosen], nudges.wish[chosen], rows)
    if len(chosen) < len(output):
        page.paragraph(f"... and {len(output) - len(chosen)} more outputs", left=left)


def _three_ways(page: Page, telling: Telling) -> None:
    """Draw the three ways to give one neuron what it wishes."""
    ways = telling.explanation.three_ways
    word = "lower" if ways.bias_nudge < 0 else "raise"
    name = telling.neuron(ways.layer, ways.neuron)
    page.heading(f"3  Three ways to {word} one neuron: {name}")
    top = page.y
    left = MARGIN
    page.write(left, page.y + 0.08, f"(a) {word} its bias", weight="bold", size=9.5)
    page.y += 0.25
    page.paragraph(_sum(telling), left, 2.45)
    if ways.bias_nudge:
        _reach(page, telling, left)
    bottom = page.y
    if ways.bias_nudge:
        for column, draw in enumerate((_by_weights, _by_activations)):
            page.y = top
            draw(page, telling, MARGIN + 2.85 + column * 3.5)
            bottom = max(bottom, page.y)
    page.y = bottom + 0.2


def _sum(telling: Telling) -> str:
    ways = telling.explanation.three_ways
    text = (
        "Its activation is a function of a weighted sum: weights times activations, plus a bias. For that sum, and so "
        f"for its bias, it wishes {short(ways.bias_nudge, '+') if ways.bias_nudge else 'nothing'}"
    )
    if not ways.bias_nudge:
        return f"{text}: its slope is zero. No nudge of any kind would help it, for this example at least."
    return minus(f"{text}: its wish times the slopes on the way.")


def _reach(page: Page, telling: Telling, left: float) -> None:
    """Draw how far each way leads."""
    ways = telling.explanation.three_ways
    bias, weights, _ = ways.reach
    page.write(left, page.y + 0.08, "How far each way alone moves the sum:", size=9)
    page.y += 0.3
    largest = max(abs(reach) for reach in ways.reach if reach is not None)
    for name, reach in zip(("bias", "weights", "activations"), ways.reach, strict=True):
        page.write(left, page.y, name, size=8)
        if reach is None:
            page.write(left + 0.8, page.y, "closed", size=8, color=GREY)
        else:
            length = abs(reach) / largest
            page.bar(left + 0.8, page.y, 0.9 * length, colour(reach))
            page.write(left + 0.86 + 0.9 * length, page.y, minus(short(reach, "+")), size=8)
        page.y += 0.24
    page.y += 0.02
    page.paragraph(f"All weights together do {times(weights / bias)} times as much as the bias.", left, 2.45)


def _by_weights(page: Page, telling: Telling, left: float) -> None:
    """Draw the second way: lines as thick as the nudge of each weight."""
    ways = telling.explanation.three_ways
    page.write(left, page.y + 0.08, "(b) change its weights", weight="bold", size=9.5)
    page.y += 0.25
    if ways.layer == 1:
        page.paragraph(
            "in proportion to the pixels behind them: the picture itself, "
            f"{'added' if ways.bias_nudge > 0 else 'taken away'}, at most "
            f"{minus(short(float(ways.weight_nudges[strongest(ways.weight_nudges, 1)[0]]), '+'))}.",
            left,
            3.1,
        )
        largest = float(np.abs(ways.weight_nudges).max()) or 1.0
        page.signed_image(left, page.y, DIGIT, ways.weight_nudges.reshape(telling.shape), largest)
        page.y += DIGIT
        return
    together = "fire together wire together" if ways.bias_nudge > 0 else "should not fire together are unwired"
    page.paragraph(f"in proportion to the activations behind them: neurons that {together}.", left, 3.1)
    _fan(page, telling, left, ways.weight_nudges, ways.weight_nudges, "activation", ways.behind)


def _by_activations(page: Page, telling: Telling, left: float) -> None:
    """Draw the third way: lines as thick as the weights, and arrows at the neurons behind."""
    ways = telling.explanation.three_ways
    page.write(left, page.y + 0.08, "(c) change the activations behind it", weight="bold", size=9.5)
    page.y += 0.25
    if ways.activation_nudges is None:
        page.paragraph("Closed here: they are the pixels, and the picture is given.", left, 3.1)
        return
    page.paragraph("in proportion to its weights: a wish, passed on to the layer before.", left, 3.1)
    _fan(page, telling, left, ways.activation_nudges, ways.weights, "weight", ways.weights, arrows=True)


def _fan(
    page: Page,
    telling: Telling,
    left: float,
    nudges: Array,
    lines: Array,
    known: str,
    numbers: Array,
    *,
    arrows: bool = False,
) -> None:
    """Draw the neurons behind one neuron, with their nudges, and lines to it as thick as some numbers are large."""
    ways = telling.explanation.three_ways
    chosen, words, bright = few(nudges), unit(nudges), brightness(ways.behind)
    thickest, largest = float(np.abs(lines).max()) or 1.0, float(np.abs(nudges).max()) or 1.0
    start, end = left + 1.95, left + 2.94
    page.write(left + 0.95, page.y + 0.07, known, ha="right", size=7.5, color=GREY)
    page.write(left + 1.62, page.y + 0.07, "nudge", ha="right", size=7.5, color=GREY)
    if words.name:
        page.write(left + 1.66, page.y + 0.07, f"in {words.name}", size=7.5, color=GREY)
    page.y += 0.27
    heart = page.y + PITCH * (len(chosen) - 1) / 2
    own = brightness(telling.explanation.nudges.layers[ways.layer - 1].activations)[ways.neuron]
    for row, index in enumerate(chosen):
        y, line, nudge = page.y + row * PITCH, float(lines[index]), float(nudges[index])
        page.write(left, y, telling.neuron(ways.layer - 1, index), size=8)
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
    page.neuron(end + 0.08, heart, RADIUS, float(own), telling.neuron(ways.layer, ways.neuron).split()[-1][:5])
    page.y += PITCH * len(chosen)
    if len(nudges) > MAX_ROWS:
        page.write(left, page.y, f"... and {len(nudges) - len(chosen):,} more", size=8, color=GREY)
        page.y += 0.2
