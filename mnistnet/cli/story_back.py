"""The story that one digit tells, section 4: all wishes added up, and passed back from layer to layer."""

from collections.abc import Iterator

import numpy as np

from mnistnet.cli.scene import Scene, columns, rest
from mnistnet.cli.terminal import paragraph
from mnistnet.explain.labels import shown, strongest
from mnistnet.util.arrays import Array
from mnistnet.util.number_format import short, unit

DEAF = 0.01  # a slope below this lets next to nothing of a nudge through


def passed_back(scene: Scene) -> Iterator[str]:
    """Section 4: all wishes added up, and the same again layer by layer down to the first weights."""
    nudges = scene.explanation.nudges
    yield scene.pen.heading("4. All wishes added up, and passed back")
    if nudges.wishes is None:
        yield paragraph(
            "Behind the output layer are the pixels, and they are given: no wish is passed on. Each output's nudges "
            "for its weights are the picture itself, times what it wishes of its weighted sum."
        )
        return
    yield from _table_of_wishes(scene, nudges.wishes)
    for layer in range(scene.output - 1, 0, -1):
        yield ""
        yield from _hidden_layer(scene, layer)
    yield ""
    yield paragraph(_first_weights(scene))


def _table_of_wishes(scene: Scene, wishes: Array) -> Iterator[str]:
    layer, sums = scene.output - 1, wishes.sum(axis=1)
    words = unit([*wishes.ravel(), *sums])
    yield paragraph(
        "That was one neuron. Every other output, too, has its own idea of what should happen to "
        f"{scene.layer(layer)}, in proportion to its weights and to how much it needs to change. A column is what one "
        f"output wishes; {_conflict(scene, wishes)} The sum of a row is what all of them together wish of that "
        "neuron: its nudge."
    )
    yield ""
    yield f"  {scene.layer(layer)}, by output{words.words}"
    yield _wide([name[:5] for name in scene.names], "sum")
    rows = shown(sums, scene.top)
    for index in rows:
        cells = [words(float(wish)) for wish in wishes[index]]
        total = scene.pen.signed(f"{words(float(sums[index])):>8}", float(sums[index]))
        yield _wide(cells, "", scene.neuron(layer, index)).rstrip() + total
    yield from rest(len(sums), len(rows), "neurons")


def _wide(cells: list[str], total: str, name: str = "") -> str:
    return f"  {name:<7}" + "".join(f"{cell:>6}" for cell in cells) + f"{total:>8}"


def _conflict(scene: Scene, wishes: Array) -> str:
    """Name the neuron whose outputs disagree most."""
    conflict = np.minimum(wishes.max(axis=1), -wishes.min(axis=1))
    neuron = int(conflict.argmax())
    if conflict[neuron] <= 0:
        return "here they all agree, neuron by neuron."
    words = unit(wishes.ravel())
    up, down = int(wishes[neuron].argmax()), int(wishes[neuron].argmin())
    return (
        f"they disagree, most of all about {scene.neuron(scene.output - 1, neuron)}: output {scene.names[up]} wishes "
        f"{words(float(wishes[neuron, up]))}, output {scene.names[down]} {words(float(wishes[neuron, down]))}."
    )


def _hidden_layer(scene: Scene, layer: int) -> Iterator[str]:
    own = scene.explanation.nudges.layers[layer - 1]
    assert own.nudges is not None
    assert own.slopes is not None
    if layer == scene.output - 1:
        text = f"So now {scene.layer(layer)} has wishes of its own, as the output layer had."
    else:
        text = (
            f"The same once more, one layer back: a nudge for {scene.layer(layer)} is the sum of what the neurons of "
            f"{scene.layer(layer + 1)} wish, each in proportion to its weight and to its own last number above."
        )
    yield paragraph(
        f"{text} How much of a nudge reaches a neuron's weighted sum depends on the slope of its function there"
        f"{_deaf(scene, layer, own.nudges, own.slopes)}. Nudge times slope is what its bias gets; that times an "
        "activation behind it is what a weight gets."
    )
    yield ""
    nudges, biases, widths = unit(own.nudges), unit(own.delta), [7, 11, 13, 9, 13]
    yield columns(["neuron", "activation", "nudge", "x slope", "= for bias"], widths)
    yield columns(["", "", nudges.name, "", biases.name], widths).rstrip()
    rows, largest = shown(own.nudges, scene.top), float(np.abs(own.nudges).max())
    for index in rows:
        nudge = float(own.nudges[index])
        cells = [scene.neuron(layer, index), f"{own.activations[index]:.3f}", nudges(nudge)]
        cells += [f"{own.slopes[index]:.4f}", biases(-float(own.delta[index]))]
        yield f"{columns(cells, widths)}  {scene.pen.arrow(nudge, largest, 10)}".rstrip()
    yield from rest(len(own.nudges), len(rows), "neurons")


def _deaf(scene: Scene, layer: int, nudges: Array, slopes: Array) -> str:
    """Name the neuron that is nudged hard and can hardly move, if there is one."""
    for index in strongest(nudges, len(nudges) // 2):
        if slopes[index] < DEAF and nudges[index]:
            activation = scene.explanation.nudges.layers[layer - 1].activations[index]
            return f": {scene.neuron(layer, index)}, at {activation:.3f}, is asked but can hardly move"
    return ""


def _first_weights(scene: Scene) -> str:
    nudges, felt = scene.explanation.nudges, scene.explanation.sensitivities
    own, pixels = nudges.layers[0], len(nudges.inputs)
    loudest = strongest(own.delta, 1)[0]
    black = int(np.count_nonzero(nudges.inputs == 0))
    most = f"{scene.neuron(1, loudest)}, {short(0 - float(own.delta[loudest]), '+')}"
    return (
        f"And so down to the first weights. Each neuron of hidden layer 1 has {pixels} of them, one for each pixel, "
        "and what they get is the picture itself, times the neuron's last number above: most for "
        f"{most} wherever the picture is white. The {black} black pixels bring nothing: {felt.black:,} of the "
        f"{own.weight_gradient.size:,} first weights get no nudge from this picture. That is backpropagation."
    )
