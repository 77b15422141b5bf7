"""The report of `mnistnet explain`: the six sections of the video's story over one digit, as data.

A section is a title and blocks: paragraphs with their numbers filled in, rows of tables with their marks, the picture.
The terminal, a notebook and programs show the same blocks; a sentence is written here and nowhere else.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mnistnet.explain.batch_gradient import STEP_LENGTH, Direction
from mnistnet.explain.labels import Telling, shown, strongest
from mnistnet.explain.sensitivity import STEP, Sensitivity
from mnistnet.util.arrays import Array
from mnistnet.util.number_format import Unit, per_cent, short, times, unit
from mnistnet.util.text_drawing import Pen, columns, digit_as_text, every, paragraph


@dataclass(frozen=True)
class Heading:
    """The title of a section."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """Sentences."""

    text: str


@dataclass(frozen=True)
class Note:
    """A line that stands above a table or below it."""

    text: str


@dataclass(frozen=True)
class Gap:
    """An empty line."""


@dataclass(frozen=True)
class Picture:
    """The image, uint8 (pixels,), and its rows and columns."""

    pixels: npt.NDArray[np.uint8]
    shape: tuple[int, int]


@dataclass(frozen=True)
class Mark:
    """What is drawn beside a row, in proportion to `largest`, which is `width` characters long."""

    kind: Literal["bar", "arrow"]
    value: float
    largest: float
    width: int
    gap: int = 2


@dataclass(frozen=True)
class Row:
    """A row of a table: cells, and how wide each is in characters. `sign` colours it, or its last cell: up or down."""

    cells: Sequence[str]
    widths: Sequence[int]
    mark: Mark | None = None
    note: str = ""
    sign: float = 0.0
    only_last: bool = False


Block = Heading | Paragraph | Note | Gap | Picture | Row


@dataclass(frozen=True)
class Section:
    """One of the six."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Report:
    """The whole story. `str(report)` is what the terminal shows; a notebook shows it as HTML."""

    sections: tuple[Section, ...]
    telling: Telling = field(repr=False)

    def lines(self, pen: Pen) -> Iterator[str]:
        """Return the lines of the report, in colours and blocks if the pen is rich."""
        for number, section in enumerate(self.sections):
            if number:
                yield ""
            for block in section.blocks:
                yield from _drawn(block, pen)

    def __str__(self) -> str:
        return "\n".join(self.lines(Pen(False)))

    def as_json(self) -> list[dict[str, Any]]:
        """Return the sections as plain values."""
        return [
            {"title": section.title, "blocks": [_plain(block) for block in section.blocks]} for section in self.sections
        ]

    def _repr_html_(self) -> str:
        return "".join(_html(section) for section in self.sections)


def report(telling: Telling) -> Report:
    """Tell the story of an explanation, in the order of the video."""
    parts = (example, output_wishes, three_ways, passed_back, bang_for_the_buck, only_this_one)
    sections = []
    for part in parts:
        blocks = tuple(part(telling))
        assert isinstance(blocks[0], Heading)
        sections.append(Section(blocks[0].text, blocks))
    return Report(tuple(sections), telling)


def _drawn(block: Block, pen: Pen) -> Iterator[str]:
    match block:
        case Heading(text):
            yield pen.heading(text)
        case Paragraph(text):
            yield paragraph(text)
        case Note(text):
            yield text
        case Gap():
            yield ""
        case Picture(pixels, shape):
            yield from pen.framed(digit_as_text(pixels, pen.rich, shape).split("\n"), 2 * -(-shape[1] // every(shape)))
        case Row():
            yield _drawn_row(block, pen)


def _drawn_row(row: Row, pen: Pen) -> str:
    text = columns(row.cells, row.widths)
    if row.only_last:
        width = row.widths[-1]
        return text[:-width] + pen.signed(text[-width:], row.sign)
    if row.sign or row.note:
        text = pen.signed(f"{text}{row.note}", row.sign)
    if row.mark:
        text = f"{text}{' ' * row.mark.gap}{_drawn_mark(row.mark, pen)}"
    return text.rstrip()


def _drawn_mark(mark: Mark, pen: Pen) -> str:
    draw = pen.bar if mark.kind == "bar" else pen.arrow
    return draw(mark.value, mark.largest, mark.width)


def _plain(block: Block) -> dict[str, Any]:
    values = asdict(block)
    if isinstance(block, Picture):
        values["pixels"] = block.pixels.tolist()
    return {"kind": type(block).__name__.lower()} | values


def _html(section: Section) -> str:
    parts, rows = [f"<h3>{escape(section.title)}</h3>"], list[Row]()

    def end_table() -> None:
        if rows:
            cells = ("".join(f"<td style='text-align:right'>{escape(cell)}</td>" for cell in row.cells) for row in rows)
            drawn = (_drawn_mark(row.mark, Pen(False)) if row.mark else row.note.strip() for row in rows)
            marks = (f"<td>{escape(text)}</td>" for text in drawn)
            parts.append(f"<table>{''.join(f'<tr>{c}{m}</tr>' for c, m in zip(cells, marks, strict=True))}</table>")
            rows.clear()

    for block in section.blocks[1:]:
        if isinstance(block, Row):
            rows.append(block)
            continue
        end_table()
        if isinstance(block, Paragraph | Note):
            parts.append(f"<p>{escape(block.text.strip())}</p>")
        elif isinstance(block, Picture):
            parts.append(f"<pre style='line-height:1'>{escape(digit_as_text(block.pixels, True, block.shape))}</pre>")
    end_table()
    return "".join(parts)


def _rest(count: int, shown: int, what: str) -> list[Note]:
    """Return the line that counts what a table leaves out, if it does."""
    return [Note(f"   ... and {count - shown:,} more {what}")] if count > shown else []


NEAR = 0.1  # an activation closer than this to what is desired has a small wish


def example(telling: Telling) -> Iterator[Block]:
    """Section 1: the picture, the answer, and its cost term by term."""
    nudges = telling.explanation.nudges
    yield Heading("1. The example")
    ink = int(np.count_nonzero(nudges.inputs))
    yield Paragraph(
        f"{telling.source}, as the network sees it: {len(nudges.inputs)} numbers from 0 (black) to 1 (white), "
        f"{ink} of them not black."
    )
    pixels = np.rint(nudges.inputs * 255).astype(np.uint8)
    yield Picture(pixels, telling.shape)
    yield Paragraph(
        f"{verdict(telling)} {_what_it_costs(telling)} (In all tables a dot is a number too small to show.)"
    )
    yield Gap()
    terms = unit(nudges.cost_terms)
    head = "square of the difference" if telling.quadratic else "-ln(activation)"
    yield Row(["output", "activation", "desired", f"{head}{terms.words}"], [10, 12, 9, 45])
    output, largest = nudges.layers[-1].activations, float(nudges.cost_terms.max())
    for index, term in enumerate(nudges.cost_terms):
        cells = [telling.names[index][:10], f"{output[index]:.4f}", f"{nudges.target[index]:.0f}"]
        yield Row([*cells, terms.plain(float(term))], [10, 12, 9, 12], Mark("bar", float(term), largest, 20))
    yield Row(["cost", "", "", terms.plain(nudges.cost)], [10, 12, 9, 12], note=f"  = {short(nudges.cost)}")


def verdict(telling: Telling) -> str:
    """Say what the network reads, and whether it should."""
    nudges = telling.explanation.nudges
    answer = telling.names[nudges.prediction]
    network = f"The network, {'-'.join(map(str, nudges.network.layer_sizes))}"
    network += " with its first, random weights," if telling.untrained else ","
    if not telling.known:
        return f"{network} reads this as {answer}, and since nobody has said otherwise (--label), so do we."
    if nudges.prediction == nudges.label:
        return f"{network} reads this as {answer}, as it should."
    return f"{network} reads this as {answer}, but should as {telling.digit}."


def _what_it_costs(telling: Telling) -> str:
    nudges = telling.explanation.nudges
    if not telling.quadratic:
        return (
            f"What that costs is minus the logarithm of how brightly output {telling.digit} lights up. The others "
            "count, too, because the outputs (a softmax) add up to 1: whatever they light up is missing there."
        )
    worst = int(nudges.cost_terms.argmax())
    share = nudges.cost_terms[worst] / nudges.cost if nudges.cost else 0
    return (
        "How bad is that? For each output neuron take the square of how far it is from what it should be, and add "
        f"them up: the cost, {short(nudges.cost)}. Output {telling.names[worst]} alone makes up "
        f"{per_cent(share, 0)} of it."
    )


def output_wishes(telling: Telling) -> Iterator[Block]:
    """Section 2: what each output neuron wishes."""
    nudges = telling.explanation.nudges
    yield Heading("2. What the output layer wishes")
    yield Paragraph(
        "We cannot change activations, only weights and biases. Still, it helps to keep track of what we wish would "
        f"happen to the output layer: desired minus activation. {_loudest(telling)} The longest arrow is the largest "
        "wish; the others are drawn in proportion."
    )
    yield Gap()
    largest = float(np.abs(nudges.wish).max())
    words = unit(nudges.wish) if largest < NEAR**2 else Unit(0, 4)
    yield Row(["output", "activation", "desired", f"wish{words.words}"], [10, 12, 9, 12 + len(words.words)])
    for index, wish in enumerate(nudges.wish):
        cells = [
            telling.names[index][:10],
            f"{nudges.layers[-1].activations[index]:.4f}",
            f"{nudges.target[index]:.0f}",
        ]
        mark = Mark("arrow", float(wish), largest, 12, gap=3)
        yield Row([*cells, words(float(wish))], [10, 12, 9, 12], mark)
    if nudges.cost < NEAR**2:
        yield Gap()
        yield Paragraph(
            "This network is content with this digit, so all that follows are tiny numbers. The same story with large "
            "ones: --untrained, before it has learned anything, or a digit that it misreads."
        )


def _loudest(telling: Telling) -> str:
    nudges = telling.explanation.nudges
    own = float(nudges.wish[nudges.label])
    loudest = strongest(nudges.wish, 1)[0]
    text = f"Output {telling.digit} should rise by {short(own)}"
    if own < NEAR:
        text += ": it is nearly where it should be, so its wish is small"
    if loudest != nudges.label:
        word = "fall" if nudges.wish[loudest] < 0 else "rise"
        text += f"; the largest wish is that of output {telling.names[loudest]}, to {word} by "
        text += short(abs(float(nudges.wish[loudest])))
    return f"{text}."


def three_ways(telling: Telling) -> Iterator[Block]:
    """Section 3: three ways to give one neuron what it wishes."""
    ways = telling.explanation.three_ways
    neuron, word = telling.neuron(ways.layer, ways.neuron), "lower" if ways.bias_nudge < 0 else "raise"
    behind = "the pixels" if ways.layer == 1 else f"the activations of {telling.layer(ways.layer - 1)}"
    yield Heading(f"3. Three ways to {word} one neuron: {neuron}")
    yield Paragraph(
        f"{_names(telling)} The activation of {neuron} is a function of a weighted sum: weights times "
        f"{behind}, plus a bias. {_wish_of_sum(telling)}"
    )
    if ways.bias_nudge == 0:
        return
    yield Gap()
    yield Note(f"(a) {word.capitalize()} its bias: {short(ways.bias_nudge, '+')}")
    yield Gap()
    yield Paragraph(_fire_together(telling))
    yield from _way(telling, ways.weight_nudges, "weights")
    yield Gap()
    yield Paragraph(_brighter_and_dimmer(telling))
    if ways.activation_nudges is not None:
        yield from _way(telling, ways.activation_nudges, "activations")
    yield Gap()
    yield Paragraph(_reach(telling))


def _names(telling: Telling) -> str:
    if telling.output == 1:
        return "(px 12,8 is the pixel in row 12, column 8, counted from 0.)"
    return "(h1.3 is neuron 3 of hidden layer 1, px 12,8 the pixel in row 12, column 8; neurons count from 0.)"


def _wish_of_sum(telling: Telling) -> str:
    """Say how a neuron's wish for its activation becomes one for its weighted sum."""
    ways, nudges = telling.explanation.three_ways, telling.explanation.nudges
    own, delta = nudges.layers[ways.layer - 1], ways.bias_nudge
    if ways.layer == telling.output and not telling.quadratic:
        text = "Its wish for that sum is the wish above (the slopes of softmax and logarithm cancel)"
    elif ways.layer == telling.output:
        a = float(own.activations[ways.neuron])
        text = (
            f"Its wish {short(float(nudges.wish[ways.neuron]), '+')}, times 2 (the slope of the square), times "
            f"{short(a * (1 - a))} (the slope of the sigmoid at this activation), is what it wishes of that sum"
        )
    else:
        assert own.nudges is not None
        assert own.slopes is not None
        text = (
            f"Its nudge {short(own.nudges[ways.neuron], '+')} (where it comes from is section 4), times the slope "
            f"{short(float(own.slopes[ways.neuron]))}, is what it wishes of that sum"
        )
    if delta == 0:
        return f"{text}: zero. No nudge of any kind would help it, for this example at least."
    return f"{text}: {short(delta, '+')}."


def _fire_together(telling: Telling) -> str:
    ways = telling.explanation.three_ways
    brightest = strongest(ways.behind, 1)[0]
    text = (
        "(b) Change its weights, in proportion to the activations behind them: the more active the neuron behind a "
        f"weight, the more that weight does, most of all behind {telling.neuron(ways.layer - 1, brightest)}, at "
        f"{ways.behind[brightest]:.2f}."
    )
    if ways.bias_nudge > 0:
        return (
            f"{text} So the connections that grow most are between the neurons that are most active and the one we "
            "wish were more active: neurons that fire together wire together."
        )
    return (
        f"{text} Neurons that fire together wire together, and this one should not fire together with those that are "
        "active now: it is unwired from them."
    )


def _brighter_and_dimmer(telling: Telling) -> str:
    ways = telling.explanation.three_ways
    if ways.activation_nudges is None:
        return "(c) Change the activations behind it: closed here. They are the pixels, and the picture is given."
    positive, negative = ("brighter", "dimmer") if ways.bias_nudge > 0 else ("dimmer", "brighter")
    return (
        "(c) Change the activations behind it, in proportion to its weights: what is connected by a positive weight "
        f"should get {positive}, by a negative one {negative}. We cannot do that directly; it is a wish passed on to "
        f"{telling.layer(ways.layer - 1)}."
    )


def _way(telling: Telling, nudges: Array, what: str) -> Iterator[Block]:
    """Return the table of one way: the strongest nudges."""
    ways = telling.explanation.three_ways
    chosen, words = strongest(nudges, telling.top), unit(nudges)
    head = ["from", "activation", "weight"] if what == "weights" else ["neuron", "weight", "activation"]
    yield Row([*head, f"nudge{words.words}"], [12, 12, 12, 28])
    for index in chosen:
        pair = [f"{ways.behind[index]:.3f}", f"{ways.weights[index]:+.3f}"]
        cells = [telling.neuron(ways.layer - 1, index), *(pair if what == "weights" else pair[::-1])]
        nudge = float(nudges[index])
        note = ("  brighter" if nudge > 0 else "  dimmer") if what == "activations" else ""
        yield Row([*cells, words(nudge)], [12, 12, 12, 12], note=note, sign=nudge)
    silent = int(np.count_nonzero(nudges == 0))
    yield from _rest(len(nudges), len(chosen), f"{what}" + (f", {silent:,} with no nudge at all" if silent else ""))


def _reach(telling: Telling) -> str:
    ways = telling.explanation.three_ways
    bias, weights, activations = ways.reach
    third = "" if activations is None else f", the activations by {short(activations, '+')}"
    return (
        f"How far does each way lead? Followed exactly as asked, the bias moves the weighted sum by "
        f"{short(bias, '+')}, the weights by {short(weights, '+')}{third}. All the weights together do "
        f"{times(weights / bias)} times as much as the bias."
    )


DEAF = 0.01  # a slope below this lets next to nothing of a nudge through


def passed_back(telling: Telling) -> Iterator[Block]:
    """Section 4: all wishes added up, and the same again layer by layer down to the first weights."""
    nudges = telling.explanation.nudges
    yield Heading("4. All wishes added up, and passed back")
    if nudges.wishes is None:
        yield Paragraph(
            "Behind the output layer are the pixels, and they are given: no wish is passed on. Each output's nudges "
            "for its weights are the picture itself, times what it wishes of its weighted sum."
        )
        return
    yield from _table_of_wishes(telling, nudges.wishes)
    for layer in range(telling.output - 1, 0, -1):
        yield Gap()
        yield from _hidden_layer(telling, layer)
    yield Gap()
    yield Paragraph(_first_weights(telling))


def _table_of_wishes(telling: Telling, wishes: Array) -> Iterator[Block]:
    layer, sums = telling.output - 1, wishes.sum(axis=1)
    words = unit([*wishes.ravel(), *sums])
    yield Paragraph(
        "That was one neuron. Every other output, too, has its own idea of what should happen to "
        f"{telling.layer(layer)}, in proportion to its weights and to how much it needs to change. A column is what "
        f"one output wishes; {_conflict(telling, wishes)} The sum of a row is what all of them together wish of that "
        "neuron: its nudge."
    )
    yield Gap()
    yield Note(f"  {telling.layer(layer)}, by output{words.words}")
    widths = [7, *(6 for _ in telling.names), 8]
    yield Row(["", *(name[:5] for name in telling.names), "sum"], widths)
    rows = shown(sums, telling.top)
    for index in rows:
        cells = [words(float(wish)) for wish in wishes[index]]
        total = float(sums[index])
        yield Row([telling.neuron(layer, index), *cells, words(total)], widths, sign=total, only_last=True)
    yield from _rest(len(sums), len(rows), "neurons")


def _conflict(telling: Telling, wishes: Array) -> str:
    """Name the neuron whose outputs disagree most."""
    conflict = np.minimum(wishes.max(axis=1), -wishes.min(axis=1))
    neuron = int(conflict.argmax())
    if conflict[neuron] <= 0:
        return "here they all agree, neuron by neuron."
    words = unit(wishes.ravel())
    up, down = int(wishes[neuron].argmax()), int(wishes[neuron].argmin())
    return (
        f"they disagree, most of all about {telling.neuron(telling.output - 1, neuron)}: output {telling.names[up]} "
        f"wishes {words(float(wishes[neuron, up]))}, output {telling.names[down]} {words(float(wishes[neuron, down]))}."
    )


def _hidden_layer(telling: Telling, layer: int) -> Iterator[Block]:
    own = telling.explanation.nudges.layers[layer - 1]
    assert own.nudges is not None
    assert own.slopes is not None
    if layer == telling.output - 1:
        text = f"So now {telling.layer(layer)} has wishes of its own, as the output layer had."
    else:
        text = (
            f"The same once more, one layer back: a nudge for {telling.layer(layer)} is the sum of what the neurons of "
            f"{telling.layer(layer + 1)} wish, each in proportion to its weight and to its own last number above."
        )
    yield Paragraph(
        f"{text} How much of a nudge reaches a neuron's weighted sum depends on the slope of its function there"
        f"{_deaf(telling, layer, own.nudges, own.slopes)}. Nudge times slope is what its bias gets; that times an "
        "activation behind it is what a weight gets."
    )
    yield Gap()
    nudges, biases, widths = unit(own.nudges), unit(own.delta), [7, 11, 13, 9, 13]
    yield Row(["neuron", "activation", "nudge", "x slope", "= for bias"], widths)
    yield Row(["", "", nudges.name, "", biases.name], widths)
    rows, largest = shown(own.nudges, telling.top), float(np.abs(own.nudges).max())
    for index in rows:
        nudge = float(own.nudges[index])
        cells = [telling.neuron(layer, index), f"{own.activations[index]:.3f}", nudges(nudge)]
        cells += [f"{own.slopes[index]:.4f}", biases(-float(own.delta[index]))]
        yield Row(cells, widths, Mark("arrow", nudge, largest, 10))
    yield from _rest(len(own.nudges), len(rows), "neurons")


def _deaf(telling: Telling, layer: int, nudges: Array, slopes: Array) -> str:
    """Name the neuron that is nudged hard and can hardly move, if there is one."""
    for index in strongest(nudges, len(nudges) // 2):
        if slopes[index] < DEAF and nudges[index]:
            activation = telling.explanation.nudges.layers[layer - 1].activations[index]
            return f": {telling.neuron(layer, index)}, at {activation:.3f}, is asked but can hardly move"
    return ""


def _first_weights(telling: Telling) -> str:
    nudges, felt = telling.explanation.nudges, telling.explanation.sensitivities
    own, pixels = nudges.layers[0], len(nudges.inputs)
    loudest = strongest(own.delta, 1)[0]
    black = int(np.count_nonzero(nudges.inputs == 0))
    most = f"{telling.neuron(1, loudest)}, {short(0 - float(own.delta[loudest]), '+')}"
    return (
        f"And so down to the first weights. Each neuron of hidden layer 1 has {pixels} of them, one for each pixel, "
        "and what they get is the picture itself, times the neuron's last number above: most for "
        f"{most} wherever the picture is white. The {black} black pixels bring nothing: {felt.black:,} of the "
        f"{own.weight_gradient.size:,} first weights get no nudge from this picture. That is backpropagation."
    )


MAX_LAYERS = 6  # of a deeper network the last ones are shown
ROWS_A_LAYER = 3
SAME_WAY, AGAINST, GOOD_GUESS = 60, 100, 45  # degrees
ONE_SIDED = 0.9
PROOF = [24, 17, 17, 17]


def bang_for_the_buck(telling: Telling) -> Iterator[Block]:
    """Section 5: which weights and biases the cost is most sensitive to, with proof."""
    felt, size = telling.explanation.sensitivities, telling.explanation.nudges.gradient.size
    yield Heading("5. Bang for the buck")
    yield Paragraph(
        f"All {size:,} derivatives together are the gradient of this example's cost. The sign of each says which way "
        "to nudge that weight or bias; its size how much bang you get for your buck. "
        f"{ratios(telling)} {zero_derivatives(telling)}"
    )
    if not felt.most_weights and not felt.most_biases:
        return
    yield Gap()
    yield Paragraph(
        f"Is that true? Each of these was really nudged by {STEP}, the way its sign says, and the cost computed anew: "
        "promised is derivative times nudge, measured what the cost did."
    )
    for what, most, least in (
        ("weights", felt.most_weights, felt.least_weights),
        ("biases", felt.most_biases, felt.least_biases),
    ):
        if most:
            yield Gap()
            slopes, costs = unit([entry.derivative for entry in most], 4), unit([entry.promised for entry in most], 4)
            yield Row([f"most sensitive {what}", "derivative", "promised", "measured"], PROOF)
            if slopes.name or costs.name:
                yield Row(["", slopes.name, costs.name, costs.name], PROOF)
            yield from _proof(telling, most, slopes, costs)
            yield Note(f"  least sensitive {what}, zeros aside (without a unit: 1e-09 is 0.000000001)")
            yield from _proof(telling, least, _power, _power)
    yield Gap()
    yield from _by_layer(telling)


def ratios(telling: Telling) -> str:
    """Say how many times more sensitive the cost is to one weight than to others."""
    felt = telling.explanation.sensitivities
    if not felt.most_weights or felt.middle is None:
        return "Here every weight's derivative is zero: nothing can be nudged."
    most, least = felt.most_weights[0], felt.least_weights[0]
    ratio = times(abs(most.derivative / felt.middle.derivative))
    text = (
        f"The cost is {ratio} times more sensitive to {telling.parameter(most.parameter)} than to the weight in the "
        f"middle of the list, {telling.parameter(felt.middle.parameter)}"
    )
    extreme = times(abs(most.derivative / least.derivative))
    return f"{text}, and {extreme} times more than to {telling.parameter(least.parameter)}."


def zero_derivatives(telling: Telling) -> str:
    """Say how many derivatives are zero, and why."""
    felt, size = telling.explanation.sensitivities, telling.explanation.nudges.gradient.size
    if not felt.zeros:
        return "None of them is zero."
    others = felt.zeros - felt.black
    text = f"{felt.zeros:,} of the {size:,} are exactly zero: "
    if felt.black:
        text += f"{felt.black:,} weights lie behind a black pixel, which multiplies them by 0, so they cannot matter"
    if others > 0:
        text += f"{'; ' if felt.black else ''}{others:,} lie at a neuron that is silent or cannot move"
    return f"{text}. Another picture will need them."


def _proof(
    telling: Telling, entries: tuple[Sensitivity, ...], slopes: Callable[[float], str], costs: Callable[[float], str]
) -> Iterator[Block]:
    for entry in entries:
        measured = "lost in rounding" if entry.measured is None else costs(entry.measured)
        cells = [telling.parameter(entry.parameter), slopes(entry.derivative), costs(entry.promised), measured]
        yield Row(cells, PROOF)


def _power(value: float) -> str:
    return f"{value:+.2e}"


def _by_layer(telling: Telling) -> Iterator[Block]:
    """Return the distribution of the gradient over layers."""
    shares = telling.explanation.sensitivities.shares
    sizes = unit([share.largest for share in shares])
    yield Paragraph(
        "Where does the bang come from? The layers' parts of the gradient's squared length, and how large derivatives "
        "are in each: of those that are not zero the middle one, and the largest."
    )
    yield Gap()
    yield Row(["", "", "", f"size{sizes.words}"], [24, 10, 10, 26])
    yield Row(["", "all", "not 0", "middle", "largest", "part"], [24, 10, 10, 9, 9, 8])
    largest = max(share.share for share in shares)
    rows = shares[-2 * MAX_LAYERS :]
    for share in rows:
        name = f"{'biases' if share.biases else 'weights'}, {telling.layer(share.layer).removeprefix('the ')}"
        cells = [name, f"{share.count:,}", f"{share.count - share.zeros:,}", sizes.plain(share.middle)]
        cells += [sizes.plain(share.largest), per_cent(share.share, 0)]
        yield Row(cells, [24, 10, 10, 9, 9, 8], Mark("bar", share.share, largest, 7, gap=1))
    yield from _rest(len(shares), len(rows), "in the layers before")


def only_this_one(telling: Telling) -> Iterator[Block]:
    """Section 6: this example beside the others, and what comes of heeding it alone."""
    averages = telling.explanation.averages
    yield Heading("6. Only this example, or all of them")
    yield Paragraph(
        "So far only this one picture has been asked. Others wish something else. Below, a few weights and biases: "
        f"what this picture wishes of each, what the first training images wish, and the average over "
        f"{averages.all.examples:,} training images, which is minus the gradient of their cost."
    )
    yield Gap()
    yield from _table_of_examples(telling)
    yield Gap()
    yield Paragraph(f"{_loudest_wish(telling)} {_angles(telling)}")
    yield Gap()
    yield Row(["minus the gradient of", "mean cost", "length", "angle to the average"], [24, 12, 12, 22])
    rows = [("this example", averages.example), (f"{averages.batch.examples} at random", averages.batch)]
    for name, direction in (*rows[: 2 if _has_batch(telling) else 1], (f"{averages.all.examples:,}", averages.all)):
        cells = [name, short(direction.cost), short(direction.length), _degrees(direction)]
        yield Row(cells, [24, 12, 12, 22])
    yield Gap()
    yield from _fine_tuned(telling)


def _has_batch(telling: Telling) -> bool:
    """Whether the mini-batch is less than all examples asked for."""
    return telling.explanation.averages.batch.examples < telling.explanation.averages.all.examples


def _degrees(direction: Direction) -> str:
    return "none" if direction.angle is None else f"{direction.angle:.0f} degrees"


def _table_of_examples(telling: Telling) -> Iterator[Block]:
    averages = telling.explanation.averages
    words = unit([*averages.nudges.ravel(), *averages.average], 4)
    heads = [
        f"this {telling.names[averages.labels[0]]}"[:8],
        *(telling.names[label][:6] for label in averages.labels[1:]),
    ]
    if words.words:
        yield Note(f" {words.words}")
    widths = [20, 8, *(7 for _ in heads[1:]), 12]
    yield Row(["", *heads, "... average"], widths)
    chosen = averages.parameters[: ROWS_A_LAYER * MAX_LAYERS]
    for parameter, row, mean in zip(chosen, averages.nudges, averages.average, strict=False):
        cells = [telling.parameter(parameter), *(words(float(value)) for value in row), words(float(mean))]
        yield Row(cells, widths)
    yield from _rest(len(averages.parameters), len(chosen), "in the layers before")


def _loudest_wish(telling: Telling) -> str:
    averages = telling.explanation.averages
    row, column = np.unravel_index(np.abs(averages.nudges).argmax(), averages.nudges.shape)
    wish = f"{short(float(averages.nudges[row, column]), '+')} for {telling.parameter(averages.parameters[row])}"
    whose = f"the {telling.names[averages.labels[column]]}'s" if column else "this picture's"
    return f"Some speak louder than others: the largest wish here is {whose}, {wish}."


def _angles(telling: Telling) -> str:
    """Say what the angles below mean, as they are."""
    averages = telling.explanation.averages
    own, batch = averages.example.angle, averages.batch.angle
    if own is None or batch is None:
        return "The directions compared (a gradient of length zero has none):"
    text = "What matters is the direction: 0 degrees is the same way as the average, 90 has nothing to do with it. "
    if own < SAME_WAY:
        text += f"At {own:.0f} degrees this picture goes much the same way as all the others."
    elif own < AGAINST:
        text += f"At {own:.0f} degrees this picture goes its own way: a step for it hardly helps the others."
    else:
        text += f"At {own:.0f} degrees this picture goes against the others: a step for it does them harm."
    size = averages.batch.examples
    if not _has_batch(telling):
        return text
    if batch < GOOD_GUESS:
        text += f" A mini-batch of {size} at random is a good guess at the average, for a fraction of the work."
    else:
        text += (
            f" A mini-batch of {size} at random is at {batch:.0f} degrees: little is left that all agree on, and each "
            "batch pulls its own way. So staggers the drunk man near the floor of the valley."
        )
    return text


def _fine_tuned(telling: Telling) -> Iterator[Block]:
    averages, digit = telling.explanation.averages, telling.digit
    first, last = averages.heeded[0], averages.heeded[-1]
    yield Paragraph(
        f"What if we listened to this picture alone? In {last.steps} steps for it and nobody else, the share of test "
        f"images that the network calls {digit} goes from {per_cent(first.alone_share)} to "
        f"{per_cent(last.alone_share)}, and accuracy from {per_cent(first.alone_accuracy)} to "
        f"{per_cent(last.alone_accuracy)}{_spoiled(telling)}. Beside it, as many steps for mini-batches of "
        f"{averages.batch.examples}. Every step is equally long, {per_cent(STEP_LENGTH, 0)} of the length of all "
        "weights and biases, so the two walks differ in direction only."
    )
    yield Gap()
    yield Row(["", "for this one alone", "for mini-batches"], [7, 26, 30])
    yield Row(["steps", f"called {digit[:8]}", "accuracy", f"called {digit[:8]}", "accuracy"], [7, 14, 12, 18, 12])
    for row in averages.heeded:
        shares = (row.alone_share, row.alone_accuracy, row.batches_share, row.batches_accuracy)
        yield Row([str(row.steps), *map(per_cent, shares)], [7, 14, 12, 18, 12])
    yield Gap()
    yield Paragraph(
        "So what training does is to average: what all examples wish of each weight and bias, together, is minus the "
        "gradient, and one step along it makes the cost fall fastest."
    )


def _spoiled(telling: Telling) -> str:
    share = telling.explanation.averages.heeded[-1].alone_share
    return f": it learns to answer {telling.digit}, whatever it is shown" if share > ONE_SIDED else ""
