"""The report of `mnistnet explain`: the video's story over one digit in six sections, as data.

Every sentence of the story is written here and nowhere else. The terminal and a notebook show the sections; the figure
takes their sentences; the page of `mnistnet demo` shows sections 2 to 6 step by step.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mnistnet.explain.batch_gradient import STEP_LENGTH, BatchGradient, Direction
from mnistnet.explain.blocks import Block, Column, Item, Paragraph, Picture, Row, Section, Table
from mnistnet.explain.explanation import Explanation
from mnistnet.explain.labels import Subject, shown, strongest
from mnistnet.explain.sensitivity import STEP, Sensitivities, Sensitivity
from mnistnet.util.arrays import Array
from mnistnet.util.number_format import Unit, finer, per_cent, short, times, unit
from mnistnet.util.text_drawing import Pen

NEAR = 0.1  # an activation closer than this to its target has a small wish
FLAT = 0.01  # a slope below this lets next to nothing of a nudge through
MAX_LAYERS = 6  # of a deeper network the last ones are shown
ROWS_A_LAYER = 3
SAME_WAY, AGAINST, GOOD_GUESS = 60, 100, 45  # degrees
ONE_SIDED = 0.9
TERMS = 3  # of a weighted sum that are spelled out


@dataclass(frozen=True)
class Report:
    """The six sections. `str(report)` is what the terminal shows; a notebook shows it as HTML."""

    sections: tuple[Section, ...]
    subject: Subject = field(repr=False)
    explanation: Explanation = field(repr=False)

    def lines(self, pen: Pen, numbers: Sequence[int] = ()) -> Iterator[str]:
        """Return the lines of the report, or of the sections of some numbers; in colours if the pen is rich."""
        chosen = [section for number, section in enumerate(self.sections, 1) if not numbers or number in numbers]
        for position, section in enumerate(chosen):
            if position:
                yield ""
            yield from section.lines(pen)

    def __str__(self) -> str:
        return "\n".join(self.lines(Pen(False)))

    def as_json(self) -> list[dict[str, Any]]:
        """Return the sections as plain values."""
        return [section.as_json() for section in self.sections]

    def _repr_html_(self) -> str:
        return "".join(section.as_html() for section in self.sections)


def report(subject: Subject, explanation: Explanation) -> Report:
    """Return the report of an explanation, in six sections."""
    parts: list[tuple[str, Iterator[Block]]] = [
        ("The example", the_example(subject)),
        ("What the output layer wishes", output_wishes(subject)),
        (title_of_three_ways(subject), three_ways(subject)),
        ("All wishes added up, and passed back", passed_back(subject)),
        (LAST_STEPS[0], most_sensitive(subject, explanation.sensitivities)),
        ("Only this example, or all of them", only_this_one(subject, explanation.averages)),
    ]
    sections = (Section(f"{number}. {title}", tuple(blocks)) for number, (title, blocks) in enumerate(parts, 1))
    return Report(tuple(sections), subject, explanation)


def step_titles(layers: int) -> list[str]:
    """Return the titles of the backward pass's steps in a network of so many layers, the pixels not counted."""
    hidden = [f"The same for hidden layer {layer}" for layer in range(layers - 2, 0, -1)]
    added_up = ["All wishes added up"] if layers > 1 else []
    return [
        "What the output layer wishes",
        "Three ways for one neuron",
        *added_up,
        *hidden,
        "Back to the first weights",
    ]


LAST_STEPS = ("Which weights and biases matter most", "The average over all examples", "Mini-batches")
"""The titles of the steps that follow the backward pass."""


def backward_steps(subject: Subject) -> list[Section]:
    """Return the backward pass step by step: section 2, section 3, and section 4 layer by layer."""
    steps: list[list[Block]] = [
        [Paragraph(f"{verdict(subject)} {about_cost(subject)}"), *output_wishes(subject)],
        list(three_ways(subject)),
    ]
    for layer in range(subject.output - 1, 0, -1):
        votes = table_of_wishes(subject) if layer == subject.output - 1 else iter(())
        steps.append([*votes, *hidden_layer(subject, layer)])
    steps.append([Paragraph(about_first_weights(subject))])
    titles = step_titles(subject.output)
    return [Section(title, tuple(blocks)) for title, blocks in zip(titles, steps, strict=True)]


def last_steps(subject: Subject, sensitivities: Sensitivities, averages: BatchGradient) -> list[Section]:
    """Return what follows the backward pass, step by step: section 5, and section 6 in two parts."""
    parts = most_sensitive(subject, sensitivities), the_average(subject, averages), mini_batches(subject, averages)
    return [Section(title, tuple(blocks)) for title, blocks in zip(LAST_STEPS, parts, strict=True)]


# 1. The example


def the_example(subject: Subject) -> Iterator[Block]:
    """Section 1: the picture, the network's answer, and the cost term by term."""
    example = subject.example
    yield Paragraph(f"{about_picture(subject)} {about_network(subject)}")
    yield Picture(np.rint(example.inputs * 255).astype(np.uint8), subject.shape)
    yield Paragraph(f"{verdict(subject)} {about_cost(subject)} (In all tables a dot is a number too small to show.)")
    terms, output = unit(example.cost_terms, signed=False), example.layers[-1].activations
    rows = [
        Row((subject.names[index][:10], float(output[index]), float(example.target[index]), float(term)), float(term))
        for index, term in enumerate(example.cost_terms)
    ]
    head = "square of the difference" if subject.quadratic else "-ln(activation)"
    yield Table(
        (*_output_columns(), Column(head, 12, terms)), (*rows, Row(("cost", "", "", example.cost))), marks="bar"
    )


def _output_columns() -> tuple[Column, ...]:
    return (Column("output", 10), Column("activation", 12, "{:.4f}".format), Column("target", 9, "{:.0f}".format))


def about_picture(subject: Subject) -> str:
    """Say what the network sees."""
    inputs = subject.example.inputs
    return (
        f"{subject.source}, as the network sees it: {len(inputs)} numbers from 0 (black) to 1 (white), "
        f"{int(np.count_nonzero(inputs))} of them not black."
    )


def about_network(subject: Subject) -> str:
    """Say what the network is, and what its cost is."""
    network = subject.example.network
    cost = "the sum of squared differences" if subject.quadratic else "the cross-entropy"
    return (
        f"The network has {'-'.join(map(str, network.layer_sizes))} neurons ({network.activation.__name__.lower()}), "
        f"{network.parameters.size:,} weights and biases{' with their first, random values' * subject.untrained}; "
        f"its cost is {cost}."
    )


def verdict(subject: Subject) -> str:
    """Say what the network reads, and whether it should."""
    answer = subject.names[subject.example.prediction]
    if not subject.known:
        return f"The network reads this as {_a(answer)}. The picture has no label, so this answer stands in for one."
    if subject.example.prediction == subject.example.label:
        return f"The network reads this as {_a(answer)}, which is right."
    return f"The network reads this as {_a(answer)}; it should read {_a(subject.digit)}."


def _a(name: str) -> str:
    """Put the article before a digit or the name of a class."""
    return f"{'an' if name == '8' or name[:1].lower() in 'aeio' else 'a'} {name}"


def about_cost(subject: Subject) -> str:
    """Say what the answer costs, and why."""
    example = subject.example
    if not subject.quadratic:
        return (
            f"The cost is minus the logarithm of output {subject.digit}'s activation: {short(example.cost)}. The other "
            "outputs count too, because the outputs (a softmax) add up to 1: what they have is missing there."
        )
    worst = int(example.cost_terms.argmax())
    share = example.cost_terms[worst] / example.cost if example.cost else 0
    return (
        "How bad is that? For each output neuron, square the difference between its activation and its target, and "
        f"add the squares up: the cost is {short(example.cost)}. Output {subject.names[worst]} alone makes up "
        f"{per_cent(share, 0)} of it."
    )


# 2. What the output layer wishes


def output_wishes(subject: Subject) -> Iterator[Block]:
    """Section 2: what each output neuron wishes."""
    example = subject.example
    yield Paragraph(about_wishes(subject))
    words = unit(example.wish) if float(np.abs(example.wish).max()) < NEAR**2 else Unit(0, 4)
    output = example.layers[-1].activations
    rows = (
        Row((subject.names[index][:10], float(output[index]), float(example.target[index]), float(wish)), float(wish))
        for index, wish in enumerate(example.wish)
    )
    yield Table((*_output_columns(), Column("wish", 12, words)), tuple(rows))
    if example.cost < NEAR**2:
        yield Paragraph(
            "This network already reads this digit well, so all numbers that follow are tiny. For large ones, explain "
            f"a digit that it misreads, or a network that has not been trained yet ({subject.untrained_by})."
        )


def about_wishes(subject: Subject) -> str:
    """Say what a wish is, and which is the largest."""
    example = subject.example
    own, loudest = float(example.wish[example.label]), strongest(example.wish, 1)[0]
    text = (
        "We cannot set activations, only weights and biases. Still, it helps to keep track of what we wish would "
        f"happen to each output: its target minus its activation. Output {subject.digit} should rise by {short(own)}"
    )
    if own < NEAR:
        text += ": it is nearly where it should be, so its wish is small"
    if loudest != example.label:
        word = "fall" if example.wish[loudest] < 0 else "rise"
        text += f"; the largest wish is output {subject.names[loudest]}'s, to {word} by "
        text += short(abs(float(example.wish[loudest])))
    return f"{text}. The arrows are drawn in proportion to the wishes."


# 3. Three ways for one neuron


def three_ways(subject: Subject) -> Iterator[Block]:
    """Section 3: three ways to give one neuron what it wishes."""
    ways = subject.three_ways
    yield Paragraph(f"{_names(subject)} {about_sum(subject)}")
    yield Paragraph(about_wish_for_sum(subject))
    if ways.bias_nudge == 0:
        return
    yield Item(f"(a) {_direction(subject).capitalize()} its bias: {short(ways.bias_nudge, '+')}.")
    yield Item(f"(b) {about_weights(subject)}")
    yield _way(subject, ways.weight_nudges, "weights")
    yield Item(f"(c) {about_activations(subject)}")
    if ways.activation_nudges is not None:
        yield _way(subject, ways.activation_nudges, "activations")
    yield Paragraph(about_reach(subject))


def title_of_three_ways(subject: Subject) -> str:
    """Return the title of section 3."""
    return f"Three ways to {_direction(subject)} one neuron: {subject.neuron(*_place(subject))}"


def _place(subject: Subject) -> tuple[int, int]:
    return subject.three_ways.layer, subject.three_ways.neuron


def _direction(subject: Subject) -> str:
    return "lower" if subject.three_ways.bias_nudge < 0 else "raise"


def _names(subject: Subject) -> str:
    if subject.output == 1:
        return "(px 12,8 is the pixel in row 12, column 8, counted from 0.)"
    return "(h1.3 is neuron 3 of hidden layer 1; px 12,8 is the pixel in row 12, column 8; both count from 0.)"


def about_sum(subject: Subject) -> str:
    """Spell out a neuron's weighted sum and activation."""
    ways, example = subject.three_ways, subject.example
    terms = ways.weights * ways.activations_before
    bias = float(example.network.biases[ways.layer - 1][ways.neuron])
    chosen = strongest(terms, TERMS)
    spelled = " + ".join(f"({ways.weights[index]:+.2f})({ways.activations_before[index]:.2f})" for index in chosen)
    others = len(terms) - len(chosen)
    rest = f" {_added(terms.sum() - terms[chosen].sum())} from {others:,} more" if others else ""
    times = "its pixel" if ways.layer == 1 else f"the activation before it, in {subject.layer(ways.layer - 1)}"
    activation = f"{example.layers[ways.layer - 1].activations[ways.neuron]:.3f}"
    if ways.layer < subject.output or subject.quadratic:
        function = "sigmoid" if ways.layer == subject.output else example.network.activation.__name__.lower()
        result = f"{function}(z) = {activation}"
    else:
        result = f"the softmax over all outputs makes {activation} of it"
    return (
        f"The activation of {subject.neuron(*_place(subject))} is a function of a weighted sum z: each weight times "
        f"{times}, plus a bias. z = {spelled}{rest} {_added(bias)} (its bias) = "
        f"{short(float(terms.sum()) + bias)}, and {result}."
    )


def _added(value: float) -> str:
    return f"{'-' if value < 0 else '+'} {short(abs(float(value)))}"


def about_wish_for_sum(subject: Subject) -> str:
    """Say how a neuron's wish for its activation becomes one for its weighted sum."""
    ways, example = subject.three_ways, subject.example
    own, delta = example.layers[ways.layer - 1], ways.bias_nudge
    text = ""
    if ways.layer == subject.output and not subject.quadratic:
        text += "What it wishes of that sum is the wish above (the slopes of softmax and logarithm cancel)"
    elif ways.layer == subject.output:
        a = float(own.activations[ways.neuron])
        text += (
            f"What it wishes of that sum is its wish {short(float(example.wish[ways.neuron]), '+')}, times 2 (the "
            f"slope of the square), times {short(a * (1 - a))} (the slope of the sigmoid at this activation)"
        )
    else:
        assert own.nudges is not None
        assert own.slopes is not None
        text += (
            f"What it wishes of that sum is its nudge {short(own.nudges[ways.neuron], '+')} (section 4 says where it "
            f"comes from), times {short(float(own.slopes[ways.neuron]))} (the slope of its function)"
        )
    if delta == 0:
        return f"{text}: zero. No nudge can help this neuron, for this example at least."
    return f"{text}: {short(delta, '+')}. A nudge is minus a derivative of the cost: positive for more."


def about_weights(subject: Subject) -> str:
    """Say what the second way is: neurons that fire together wire together."""
    ways = subject.three_ways
    brightest = strongest(ways.activations_before, 1)[0]
    text = (
        "Change its weights, in proportion to the activations in the layer before: the more active a neuron there, the "
        f"more its weight matters, most of all that of {subject.neuron(ways.layer - 1, brightest)}, at "
        f"{ways.activations_before[brightest]:.2f}."
    )
    if ways.bias_nudge > 0:
        return (
            f"{text} The connections that grow most are those between the most active neurons and the one that we want "
            "more active: neurons that fire together wire together."
        )
    return (
        f"{text} Neurons that fire together wire together. This one should not fire together with those that are "
        "active now, so these connections shrink."
    )


def about_activations(subject: Subject) -> str:
    """Say what the third way is: a wish for the layer before."""
    ways = subject.three_ways
    if ways.activation_nudges is None:
        return "Change the activations in the layer before: not possible here, because the pixels are given."
    positive, negative = ("brighter", "dimmer") if ways.bias_nudge > 0 else ("dimmer", "brighter")
    return (
        "Change the activations in the layer before, in proportion to its weights: neurons with a positive weight "
        f"should get {positive}, those with a negative one {negative}. We cannot do that directly, so it becomes a "
        f"wish for {subject.layer(ways.layer - 1)}."
    )


def _way(subject: Subject, nudges: Array, what: str) -> Table:
    """Return the table of one way: the strongest nudges."""
    ways = subject.three_ways
    chosen, before = strongest(nudges, subject.top), ways.layer - 1
    activation, weight = Column("activation", 12, "{:.3f}".format), Column("weight", 12, "{:+.3f}".format)
    pairs = [(activation, ways.activations_before), (weight, ways.weights)]
    (first, numbers), (second, others) = pairs if what == "weights" else pairs[::-1]
    rows = (
        Row((subject.neuron(before, index), float(numbers[index]), float(others[index]), float(nudges[index])))
        for index in chosen
    )
    zeros = int(np.count_nonzero(nudges == 0))
    what += f", {zeros:,} of them with no nudge at all" if zeros else ""
    columns = (Column("from", 12), first, second, Column("nudge", 12, unit(nudges)))
    return Table(columns, tuple(rows), more=_more(len(nudges), len(chosen), what))


def about_reach(subject: Subject) -> str:
    """Say how far each way leads."""
    bias, weights, activations = subject.three_ways.reach
    third = "" if activations is None else f", the activations by {short(activations, '+')}"
    return (
        f"How far does each way lead? Followed exactly as asked, the bias moves the weighted sum by "
        f"{short(bias, '+')}, the weights by {short(weights, '+')}{third}. All the weights together do "
        f"{times(weights / bias)} times as much as the bias."
    )


def _more(count: int, shown: int, what: str) -> str:
    """Return a note that counts the rows a table leaves out; empty if it shows all."""
    return f"{count - shown:,} more {what}" if count > shown else ""


# 4. All wishes added up, and passed back


def passed_back(subject: Subject) -> Iterator[Block]:
    """Section 4: all wishes added up, and the same again layer by layer down to the first weights."""
    if subject.example.wishes is not None:
        yield from table_of_wishes(subject)
        for layer in range(subject.output - 1, 0, -1):
            yield from hidden_layer(subject, layer)
    yield Paragraph(about_first_weights(subject))


def table_of_wishes(subject: Subject) -> Iterator[Block]:
    """Say and show what each output wishes of each neuron before it, and the sums."""
    wishes, layer = subject.example.wishes, subject.output - 1
    assert wishes is not None
    sums = wishes.sum(axis=1)
    yield Paragraph(about_table_of_wishes(subject))
    words, rows = unit([*wishes.ravel(), *sums]), shown(sums, subject.top)
    yield Table(
        (Column("", 7), *(Column(name[:5], 6, words) for name in subject.names), Column("sum", 8, words)),
        tuple(Row((subject.neuron(layer, index), *map(float, wishes[index]), float(sums[index]))) for index in rows),
        title=f"{subject.layer(layer)}, by output",
        more=_more(len(sums), len(rows), "neurons"),
    )


def about_table_of_wishes(subject: Subject) -> str:
    """Say what the table of wishes is, and over which neuron the outputs disagree most."""
    wishes, layer = subject.example.wishes, subject.output - 1
    assert wishes is not None
    text = (
        "That was one neuron. Every other output has its own idea of what should happen to "
        f"{subject.layer(layer)}, in proportion to its weights and to how much it needs to change. A column is what "
        "one output wishes. "
    )
    conflict = np.minimum(wishes.max(axis=1), -wishes.min(axis=1))
    neuron, words = int(conflict.argmax()), unit(wishes.ravel())
    if conflict[neuron] <= 0:
        text += "Here they all agree, neuron by neuron."
    else:
        up, down = int(wishes[neuron].argmax()), int(wishes[neuron].argmin())
        text += (
            f"They disagree most about {subject.neuron(layer, neuron)}: output {subject.names[up]} wishes "
            f"{words(float(wishes[neuron, up]))}, output {subject.names[down]} {words(float(wishes[neuron, down]))}"
            f"{words.words}."
        )
    return f"{text} The sum of a row is what all of them together wish of that neuron: its nudge."


def hidden_layer(subject: Subject, layer: int) -> Iterator[Block]:
    """Say and show the nudges of a hidden layer, and where they lead."""
    own = subject.example.layers[layer - 1]
    assert own.nudges is not None
    assert own.slopes is not None
    yield Paragraph(about_hidden_layer(subject, layer))
    nudges, rows = unit(own.nudges), shown(own.nudges, subject.top)
    yield Table(
        (
            Column("neuron", 7),
            Column("activation", 11, "{:.3f}".format),
            Column("nudge", 13, nudges),
            Column("x slope", 9, "{:.4f}".format),
            Column("= for bias", 13, finer(nudges, own.delta)),
        ),
        tuple(
            Row(
                (
                    subject.neuron(layer, index),
                    float(own.activations[index]),
                    float(own.nudges[index]),
                    float(own.slopes[index]),
                    0 - float(own.delta[index]),
                ),
                float(own.nudges[index]),
            )
            for index in rows
        ),
        title=f"{subject.layer(layer)}",
        more=_more(len(own.nudges), len(rows), "neurons"),
    )


def about_hidden_layer(subject: Subject, layer: int) -> str:
    """Say where the nudges of a hidden layer come from and where they lead."""
    if layer < subject.output - 1:
        return (
            f"The same once more, one layer back: a nudge for {subject.layer(layer)} is the sum of what the neurons of "
            f"{subject.layer(layer + 1)} wish, each in proportion to its weight and to the nudge for its own bias"
            f"{_flat(subject, layer)}."
        )
    return (
        f"Now {subject.layer(layer)} has wishes of its own, as the output layer had. How much of a nudge reaches a "
        f"neuron's weighted sum depends on the slope of its function there{_flat(subject, layer)}. Nudge times slope "
        "is the nudge for its bias; that times an activation in the layer before is the nudge for a weight."
    )


def _flat(subject: Subject, layer: int) -> str:
    """Name the neuron with a large nudge and a slope near zero, if there is one."""
    own = subject.example.layers[layer - 1]
    assert own.nudges is not None
    assert own.slopes is not None
    for index in strongest(own.nudges, len(own.nudges) // 2):
        if own.slopes[index] < FLAT and own.nudges[index]:
            return f": {subject.neuron(layer, index)}, at {own.activations[index]:.3f}, can hardly move"
    return ""


def about_first_weights(subject: Subject) -> str:
    """Say what the first weights get: the picture itself."""
    example, own = subject.example, subject.example.layers[0]
    loudest, black = strongest(own.delta, 1)[0], int(np.count_nonzero(example.inputs == 0))
    text = "Back to the first weights." if subject.output > 1 else "Before the output layer are the pixels."
    dark = (
        f"The {black} black pixels bring nothing: {black * len(own.delta):,} of the {own.weight_gradient.size:,} first "
        "weights get no nudge from this picture. "
    )
    return (
        f"{text} Each neuron of {subject.layer(1)} has {len(example.inputs)} of them, one for each pixel. Their nudges "
        "are the picture itself, times the nudge for the neuron's bias: most for "
        f"{subject.neuron(1, loudest)}, {short(0 - float(own.delta[loudest]), '+')} wherever the picture is white. "
        f"{dark if black else ''}That is backpropagation: all nudges together are minus the gradient."
    )


# 5. Which weights and biases matter most


def most_sensitive(subject: Subject, sensitivities: Sensitivities) -> Iterator[Block]:
    """Section 5: which weights and biases the cost is most sensitive to, with proof."""
    yield Paragraph(about_gradient(subject, sensitivities))
    if not sensitivities.most_weights and not sensitivities.most_biases:
        return
    yield Paragraph(about_proof())
    for what, most, least in (
        ("weights", sensitivities.most_weights, sensitivities.least_weights),
        ("biases", sensitivities.most_biases, sensitivities.least_biases),
    ):
        if most:
            yield _proof(subject, f"most sensitive {what}", most)
            yield _proof(subject, f"least sensitive {what}, zeros aside", least)
    yield Paragraph(
        "Where is the gradient large? Below: each layer's part of the gradient's squared length, and the middle and "
        "the largest of its derivatives that are not zero, by size."
    )
    yield _by_layer(subject, sensitivities)


def about_gradient(subject: Subject, sensitivities: Sensitivities) -> str:
    """Say what the gradient is, which entries are largest, and how many are zero."""
    size, zeros = subject.example.gradient.size, _zeros(subject, sensitivities)
    return (
        f"All {size:,} derivatives together are the gradient of this example's cost. The sign of each says which way "
        "to nudge that weight or bias, its size how much the cost changes: which nudges give the most bang for the "
        f"buck. (The video begins with this; here it follows the pass that computes it.) "
        f"{_ratios(subject, sensitivities)} {zeros}"
    )


def _ratios(subject: Subject, sensitivities: Sensitivities) -> str:
    """Say how many times more sensitive the cost is to one weight than to others."""
    if not sensitivities.most_weights or sensitivities.middle is None:
        return "Here every weight's derivative is zero: nothing can be nudged."
    most, least = sensitivities.most_weights[0], sensitivities.least_weights[0]
    ratio, extreme = (times(abs(most.derivative / other.derivative)) for other in (sensitivities.middle, least))
    return (
        f"The cost is {ratio} times more sensitive to {subject.parameter(most.parameter)} than to the weight in the "
        f"middle of the list, {subject.parameter(sensitivities.middle.parameter)}, and {extreme} times more than to "
        f"{subject.parameter(least.parameter)}."
    )


def _zeros(subject: Subject, sensitivities: Sensitivities) -> str:
    """Say how many derivatives are zero, and why."""
    if not sensitivities.zeros:
        return "None of them is zero."
    others = sensitivities.zeros - sensitivities.black
    why = []
    if sensitivities.black:
        count = f"{sensitivities.black:,}" if others else "they"
        why.append(f"{count} belong to weights from a black pixel, which multiplies them by 0")
    if others:
        count = f"{others:,}" if sensitivities.black else "they"
        why.append(f"{count} belong to a neuron that is silent or cannot move")
    zeros = f"{sensitivities.zeros:,} of the {subject.example.gradient.size:,} are exactly zero"
    return f"{zeros}: {'; '.join(why)}. Another picture will need them."


def about_proof() -> str:
    """Say how the derivatives are checked."""
    return (
        f"Is that true? Each of these was really nudged by {STEP}, the way that lowers the cost, and the cost computed "
        "again. Promised is the derivative times the nudge; measured is the change of the cost."
    )


def _proof(subject: Subject, title: str, entries: Sequence[Sensitivity]) -> Table:
    power = "{:+.3e}".format
    rows = (
        Row(
            (
                subject.parameter(entry.parameter),
                entry.derivative,
                entry.promised,
                "lost in rounding" if entry.measured is None else entry.measured,
            )
        )
        for entry in entries
    )
    columns = (Column(title, 36), *(Column(head, 12, power) for head in ("derivative", "promised")))
    return Table((*columns, Column("measured", 18, power)), tuple(rows))


def _by_layer(subject: Subject, sensitivities: Sensitivities) -> Table:
    """Return the distribution of the gradient over layers."""
    sizes = unit([share.largest for share in sensitivities.shares], signed=False)
    shares = sensitivities.shares[-2 * MAX_LAYERS :]
    rows = (
        Row(
            (
                f"{'biases' if share.biases else 'weights'}, {subject.layer(share.layer).removeprefix('the ')}",
                share.count,
                share.count - share.zeros,
                share.middle,
                share.largest,
                share.share,
            ),
            share.share,
        )
        for share in shares
    )
    count, part = "{:,}".format, Column("part", 8, lambda share: per_cent(share, 0))
    columns = (
        Column("", 24),
        Column("all", 10, count),
        Column("not 0", 10, count),
        Column("middle", 9, sizes),
        Column("largest", 9, sizes),
        part,
    )
    more = _more(len(sensitivities.shares), len(shares), "in the layers before")
    return Table(columns, tuple(rows), "sizes of the derivatives", "bar", more)


# 6. Only this example, or all of them


def only_this_one(subject: Subject, averages: BatchGradient) -> Iterator[Block]:
    """Section 6: this example beside the others, and the effect of training on it alone."""
    yield from the_average(subject, averages)
    yield from mini_batches(subject, averages)


def the_average(subject: Subject, averages: BatchGradient) -> Iterator[Block]:
    """Say and show what other examples wish, and the average over all."""
    yield Paragraph(about_examples(averages))
    yield _table_of_examples(subject, averages)
    yield Paragraph(f"{_largest_wish(subject, averages)} {about_angles(averages)}")
    rows = [("this example", averages.example), (f"{averages.batch.examples} at random", averages.batch)]
    rows = [*rows[: 2 if has_batch(averages) else 1], (f"{averages.all.examples:,}", averages.all)]
    yield Table(
        (
            Column("minus the gradient of", 24),
            Column("mean cost", 12, short),
            Column("length", 12, short),
            Column("angle to the average", 22),
        ),
        tuple(Row((name, own.cost, own.length, _degrees(own))) for name, own in rows),
    )


def mini_batches(subject: Subject, averages: BatchGradient) -> Iterator[Block]:
    """Say and show the effect of training on this example alone, and on mini-batches."""
    yield Paragraph(about_fine_tuning(subject, averages))
    called, share = f"called {subject.digit[:8]}", per_cent
    yield Table(
        (
            Column("steps", 7),
            Column(f"alone: {called}", 24, share),
            Column("accuracy", 10, share),
            Column(f"batches: {called}", 27, share),
            Column("accuracy", 10, share),
        ),
        tuple(
            Row((str(at.steps), at.alone_share, at.alone_accuracy, at.batches_share, at.batches_accuracy))
            for at in averages.fine_tuning
        ),
    )
    yield Paragraph(about_training())


def about_examples(averages: BatchGradient) -> str:
    """Say what the video's table of examples shows."""
    return (
        "So far only this one picture was asked. Other pictures have other wishes. Below, for a few weights and "
        "biases: the nudge that this picture wishes, those that the first training images wish, and the average over "
        f"{averages.all.examples:,} training images, which is minus the gradient of their mean cost."
    )


def has_batch(averages: BatchGradient) -> bool:
    """Return whether the mini-batch is less than all examples asked for."""
    return averages.batch.examples < averages.all.examples


def _degrees(direction: Direction) -> str:
    return "none" if direction.angle is None else f"{direction.angle:.0f} degrees"


def _table_of_examples(subject: Subject, averages: BatchGradient) -> Table:
    words = unit([*averages.nudges.ravel(), *averages.average], 4)
    first, *others = (subject.names[label] for label in averages.labels)
    chosen = averages.parameters[: ROWS_A_LAYER * MAX_LAYERS]
    return Table(
        (
            Column("", 20),
            Column(f"this {first}"[:8], 8, words),
            *(Column(name[:6], 7, words) for name in others),
            Column("... average", 12, words),
        ),
        tuple(
            Row((subject.parameter(parameter), *map(float, row), float(mean)))
            for parameter, row, mean in zip(chosen, averages.nudges, averages.average, strict=False)
        ),
        more=_more(len(averages.parameters), len(chosen), "in the layers before"),
    )


def _largest_wish(subject: Subject, averages: BatchGradient) -> str:
    row, column = np.unravel_index(np.abs(averages.nudges).argmax(), averages.nudges.shape)
    wish = f"{short(float(averages.nudges[row, column]), '+')} for {subject.parameter(averages.parameters[row])}"
    whose = f"the {subject.names[averages.labels[column]]}'s" if column else "this picture's"
    return f"The largest wish here is {whose}, {wish}."


def about_angles(averages: BatchGradient) -> str:
    """Say what the angles between gradients mean, as they are."""
    own, batch = averages.example.angle, averages.batch.angle
    if own is None or batch is None:
        return "The directions compared (a gradient of length zero has none):"
    text = "The direction matters most: 0 degrees is the same way as the average, 90 has nothing to do with it. "
    if own < SAME_WAY:
        text += f"At {own:.0f} degrees this picture pulls much the same way as all the others."
    elif own < AGAINST:
        text += f"At {own:.0f} degrees this picture pulls its own way: a step for it hardly helps the others."
    else:
        text += f"At {own:.0f} degrees this picture pulls against the others: a step for it makes them worse."
    if not has_batch(averages):
        return text
    if batch < GOOD_GUESS:
        return (
            f"{text} A mini-batch of {averages.batch.examples} at random is a good guess at the average, for a "
            "fraction of the work."
        )
    return (
        f"{text} A mini-batch of {averages.batch.examples} at random is at {batch:.0f} degrees: little is left that "
        "all agree on, and each batch pulls its own way. Near the floor of the valley training staggers like a drunk "
        "man."
    )


def about_fine_tuning(subject: Subject, averages: BatchGradient) -> str:
    """Say what training on this example alone does."""
    first, last = averages.fine_tuning[0], averages.fine_tuning[-1]
    spoiled = f": the network starts to call everything {_a(subject.digit)}" if last.alone_share > ONE_SIDED else ""
    return (
        f"What if we trained on this picture alone? In {last.steps} steps for it and nothing else, the share of test "
        f"images that the network calls {subject.digit} goes from {per_cent(first.alone_share)} to "
        f"{per_cent(last.alone_share)}, and accuracy from {per_cent(first.alone_accuracy)} to "
        f"{per_cent(last.alone_accuracy)}{spoiled}. For comparison: as many steps for mini-batches of "
        f"{averages.batch.examples}. Every step is equally long, {per_cent(STEP_LENGTH, 0)} of the length of all "
        "weights and biases, so the two differ in direction only."
    )


def about_training() -> str:
    """Say how training uses the average."""
    return (
        "So training averages: what all examples wish of each weight and bias, together, is minus the gradient, and a "
        "small step along it lowers the cost fastest. Training shuffles the images, takes one such step for each "
        "mini-batch, and so goes down towards a local minimum of the cost: the floor of a valley, not always of the "
        "deepest one."
    )
