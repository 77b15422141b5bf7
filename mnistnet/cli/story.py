"""The story that one digit tells, sections 1 to 3: what it costs, what it wishes, three ways to heed one wish."""

from collections.abc import Iterator

import numpy as np

from mnistnet.cli.options import per_cent
from mnistnet.cli.scene import Scene, columns, rest
from mnistnet.cli.story_back import passed_back
from mnistnet.cli.story_gradient import bang_for_the_buck, only_this_one
from mnistnet.cli.terminal import digit_as_text, every, paragraph
from mnistnet.explain.labels import strongest
from mnistnet.util.arrays import Array
from mnistnet.util.number_format import Unit, short, times, unit

NEAR = 0.1  # an activation closer than this to what is desired has a small wish


def tell(scene: Scene) -> Iterator[str]:
    """Return the lines of the whole story."""
    sections = (example, output_wishes, three_ways, passed_back, bang_for_the_buck, only_this_one)
    for number, section in enumerate(sections):
        if number:
            yield ""
        yield from section(scene)


def example(scene: Scene) -> Iterator[str]:
    """Section 1: the picture, the answer, and its cost term by term."""
    nudges = scene.explanation.nudges
    yield scene.pen.heading("1. The example")
    ink = int(np.count_nonzero(nudges.inputs))
    yield paragraph(
        f"{scene.source}, as the network sees it: {len(nudges.inputs)} numbers from 0 (black) to 1 (white), "
        f"{ink} of them not black."
    )
    pixels = np.rint(nudges.inputs * 255).astype(np.uint8)
    lines = digit_as_text(pixels, scene.pen.rich, scene.shape).split("\n")
    yield from scene.pen.framed(lines, 2 * -(-scene.shape[1] // every(scene.shape)))
    yield paragraph(f"{_verdict(scene)} {_what_it_costs(scene)} (In all tables a dot is a number too small to show.)")
    yield ""
    terms = unit(nudges.cost_terms)
    head = "square of the difference" if scene.quadratic else "-ln(activation)"
    yield columns(["output", "activation", "desired", f"{head}{terms.words}"], [10, 12, 9, 45])
    output, largest = nudges.layers[-1].activations, float(nudges.cost_terms.max())
    for index, term in enumerate(nudges.cost_terms):
        cells = [scene.names[index][:10], f"{output[index]:.4f}", f"{nudges.target[index]:.0f}"]
        row = columns([*cells, terms.plain(float(term))], [10, 12, 9, 12])
        yield f"{row}  {scene.pen.bar(float(term), largest)}".rstrip()
    yield columns(["cost", "", "", terms.plain(nudges.cost)], [10, 12, 9, 12]) + f"  = {short(nudges.cost)}"


def _verdict(scene: Scene) -> str:
    nudges = scene.explanation.nudges
    answer = scene.names[nudges.prediction]
    network = f"The network, {'-'.join(map(str, nudges.network.layer_sizes))}"
    network += " with its first, random weights," if scene.untrained else ","
    if not scene.known:
        return f"{network} reads this as {answer}, and since nobody has said otherwise (--label), so do we."
    if nudges.prediction == nudges.label:
        return f"{network} reads this as {answer}, as it should."
    return f"{network} reads this as {answer}, but should as {scene.digit}."


def _what_it_costs(scene: Scene) -> str:
    nudges = scene.explanation.nudges
    if not scene.quadratic:
        return (
            f"What that costs is minus the logarithm of how brightly output {scene.digit} lights up. The others count, "
            "too, because the outputs (a softmax) add up to 1: whatever they light up is missing there."
        )
    worst = int(nudges.cost_terms.argmax())
    share = nudges.cost_terms[worst] / nudges.cost if nudges.cost else 0
    return (
        "How bad is that? For each output neuron take the square of how far it is from what it should be, and add "
        f"them up: the cost, {short(nudges.cost)}. Output {scene.names[worst]} alone makes up "
        f"{per_cent(share, 0)} of it."
    )


def output_wishes(scene: Scene) -> Iterator[str]:
    """Section 2: what each output neuron wishes."""
    nudges = scene.explanation.nudges
    yield scene.pen.heading("2. What the output layer wishes")
    yield paragraph(
        "We cannot change activations, only weights and biases. Still, it helps to keep track of what we wish would "
        f"happen to the output layer: desired minus activation. {_loudest(scene)} The longest arrow is the largest "
        "wish; the others are drawn in proportion."
    )
    yield ""
    largest = float(np.abs(nudges.wish).max())
    words = unit(nudges.wish) if largest < NEAR**2 else Unit(0, 4)
    yield columns(["output", "activation", "desired", f"wish{words.words}"], [10, 12, 9, 12 + len(words.words)])
    for index, wish in enumerate(nudges.wish):
        cells = [scene.names[index][:10], f"{nudges.layers[-1].activations[index]:.4f}", f"{nudges.target[index]:.0f}"]
        arrow = scene.pen.arrow(float(wish), largest)
        yield f"{columns([*cells, words(float(wish))], [10, 12, 9, 12])}   {arrow}".rstrip()
    if nudges.cost < NEAR**2:
        yield ""
        yield paragraph(
            "This network is content with this digit, so all that follows are tiny numbers. The same story with large "
            "ones: --untrained, before it has learned anything, or a digit that it misreads."
        )


def _loudest(scene: Scene) -> str:
    nudges = scene.explanation.nudges
    own = float(nudges.wish[nudges.label])
    loudest = strongest(nudges.wish, 1)[0]
    text = f"Output {scene.digit} should rise by {short(own)}"
    if own < NEAR:
        text += ": it is nearly where it should be, so its wish is small"
    if loudest != nudges.label:
        word = "fall" if nudges.wish[loudest] < 0 else "rise"
        text += f"; the largest wish is that of output {scene.names[loudest]}, to {word} by "
        text += short(abs(float(nudges.wish[loudest])))
    return f"{text}."


def three_ways(scene: Scene) -> Iterator[str]:
    """Section 3: three ways to give one neuron what it wishes."""
    ways = scene.explanation.three_ways
    neuron, word = scene.neuron(ways.layer, ways.neuron), "lower" if ways.bias_nudge < 0 else "raise"
    behind = "the pixels" if ways.layer == 1 else f"the activations of {scene.layer(ways.layer - 1)}"
    yield scene.pen.heading(f"3. Three ways to {word} one neuron: {neuron}")
    yield paragraph(
        f"{_names(scene)} The activation of {neuron} is a function of a weighted sum: weights times "
        f"{behind}, plus a bias. {_wish_of_sum(scene)}"
    )
    if ways.bias_nudge == 0:
        return
    yield ""
    yield f"(a) {word.capitalize()} its bias: {short(ways.bias_nudge, '+')}"
    yield ""
    yield paragraph(_fire_together(scene))
    yield from _way(scene, ways.weight_nudges, "weights")
    yield ""
    yield paragraph(_brighter_and_dimmer(scene))
    if ways.activation_nudges is not None:
        yield from _way(scene, ways.activation_nudges, "activations")
    yield ""
    yield paragraph(_reach(scene))


def _names(scene: Scene) -> str:
    if scene.output == 1:
        return "(px 12,8 is the pixel in row 12, column 8, counted from 0.)"
    return "(h1.3 is neuron 3 of hidden layer 1, px 12,8 the pixel in row 12, column 8; neurons count from 0.)"


def _wish_of_sum(scene: Scene) -> str:
    """Say how a neuron's wish for its activation becomes one for its weighted sum."""
    ways, nudges = scene.explanation.three_ways, scene.explanation.nudges
    own, delta = nudges.layers[ways.layer - 1], ways.bias_nudge
    if ways.layer == scene.output and not scene.quadratic:
        text = "Its wish for that sum is the wish above (the slopes of softmax and logarithm cancel)"
    elif ways.layer == scene.output:
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


def _fire_together(scene: Scene) -> str:
    ways = scene.explanation.three_ways
    brightest = strongest(ways.behind, 1)[0]
    text = (
        "(b) Change its weights, in proportion to the activations behind them: the more active the neuron behind a "
        f"weight, the more that weight does, most of all behind {scene.neuron(ways.layer - 1, brightest)}, at "
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


def _brighter_and_dimmer(scene: Scene) -> str:
    ways = scene.explanation.three_ways
    if ways.activation_nudges is None:
        return "(c) Change the activations behind it: closed here. They are the pixels, and the picture is given."
    positive, negative = ("brighter", "dimmer") if ways.bias_nudge > 0 else ("dimmer", "brighter")
    return (
        "(c) Change the activations behind it, in proportion to its weights: what is connected by a positive weight "
        f"should get {positive}, by a negative one {negative}. We cannot do that directly; it is a wish passed on to "
        f"{scene.layer(ways.layer - 1)}."
    )


def _way(scene: Scene, nudges: Array, what: str) -> Iterator[str]:
    """Return the table of one way: the strongest nudges."""
    ways = scene.explanation.three_ways
    chosen, words = strongest(nudges, scene.top), unit(nudges)
    head = ["from", "activation", "weight"] if what == "weights" else ["neuron", "weight", "activation"]
    yield columns([*head, f"nudge{words.words}"], [12, 12, 12, 28])
    for index in chosen:
        pair = [f"{ways.behind[index]:.3f}", f"{ways.weights[index]:+.3f}"]
        cells = [scene.neuron(ways.layer - 1, index), *(pair if what == "weights" else pair[::-1])]
        nudge = float(nudges[index])
        text = columns([*cells, words(nudge)], [12, 12, 12, 12])
        if what == "activations":
            text += "  brighter" if nudge > 0 else "  dimmer"
        yield scene.pen.signed(text, nudge)
    silent = int(np.count_nonzero(nudges == 0))
    yield from rest(len(nudges), len(chosen), f"{what}" + (f", {silent:,} with no nudge at all" if silent else ""))


def _reach(scene: Scene) -> str:
    ways = scene.explanation.three_ways
    bias, weights, activations = ways.reach
    third = "" if activations is None else f", the activations by {short(activations, '+')}"
    return (
        f"How far does each way lead? Followed exactly as asked, the bias moves the weighted sum by "
        f"{short(bias, '+')}, the weights by {short(weights, '+')}{third}. All the weights together do "
        f"{times(weights / bias)} times as much as the bias."
    )
