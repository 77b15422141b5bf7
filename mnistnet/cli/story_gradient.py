"""The story that one digit tells, sections 5 and 6: the whole gradient as sensitivities, and all examples' wishes."""

from collections.abc import Callable, Iterator

import numpy as np

from mnistnet.cli.options import per_cent
from mnistnet.cli.scene import Scene, columns, rest
from mnistnet.cli.terminal import paragraph
from mnistnet.explain.batch_gradient import STEP_LENGTH, Direction
from mnistnet.explain.sensitivity import STEP, Sensitivity
from mnistnet.util.number_format import short, times, unit

MAX_LAYERS = 6  # of a deeper network the last ones are shown
ROWS_A_LAYER = 3
SAME_WAY, AGAINST, GOOD_GUESS = 60, 100, 45  # degrees
ONE_SIDED = 0.9
PROOF = [24, 17, 17, 17]


def bang_for_the_buck(scene: Scene) -> Iterator[str]:
    """Section 5: which weights and biases the cost is most sensitive to, with proof."""
    felt, size = scene.explanation.sensitivities, scene.explanation.nudges.gradient.size
    yield scene.pen.heading("5. Bang for the buck")
    yield paragraph(
        f"All {size:,} derivatives together are the gradient of this example's cost. The sign of each says which way "
        "to nudge that weight or bias; its size how much bang you get for your buck. "
        f"{_ratios(scene)} {_zeros(scene)}"
    )
    if not felt.most_weights and not felt.most_biases:
        return
    yield ""
    yield paragraph(
        f"Is that true? Each of these was really nudged by {STEP}, the way its sign says, and the cost computed anew: "
        "promised is derivative times nudge, measured what the cost did."
    )
    for what, most, least in (
        ("weights", felt.most_weights, felt.least_weights),
        ("biases", felt.most_biases, felt.least_biases),
    ):
        if most:
            yield ""
            slopes, costs = unit([entry.derivative for entry in most], 4), unit([entry.promised for entry in most], 4)
            yield columns([f"most sensitive {what}", "derivative", "promised", "measured"], PROOF)
            if slopes.name or costs.name:
                yield columns(["", slopes.name, costs.name, costs.name], PROOF)
            yield from _proof(scene, most, slopes, costs)
            yield f"  least sensitive {what}, zeros aside (without a unit: 1e-09 is 0.000000001)"
            yield from _proof(scene, least, _power, _power)
    yield ""
    yield from _by_layer(scene)


def _ratios(scene: Scene) -> str:
    felt = scene.explanation.sensitivities
    if not felt.most_weights or felt.middle is None:
        return "Here every weight's derivative is zero: nothing can be nudged."
    most, least = felt.most_weights[0], felt.least_weights[0]
    ratio = times(abs(most.derivative / felt.middle.derivative))
    text = (
        f"The cost is {ratio} times more sensitive to {scene.parameter(most.parameter)} than to the weight in the "
        f"middle of the list, {scene.parameter(felt.middle.parameter)}"
    )
    extreme = times(abs(most.derivative / least.derivative))
    return f"{text}, and {extreme} times more than to {scene.parameter(least.parameter)}."


def _zeros(scene: Scene) -> str:
    felt, size = scene.explanation.sensitivities, scene.explanation.nudges.gradient.size
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
    scene: Scene, entries: tuple[Sensitivity, ...], slopes: Callable[[float], str], costs: Callable[[float], str]
) -> Iterator[str]:
    for entry in entries:
        measured = "lost in rounding" if entry.measured is None else costs(entry.measured)
        cells = [scene.parameter(entry.parameter), slopes(entry.derivative), costs(entry.promised), measured]
        yield columns(cells, PROOF)


def _power(value: float) -> str:
    return f"{value:+.2e}"


def _by_layer(scene: Scene) -> Iterator[str]:
    """Return the distribution of the gradient over layers."""
    shares = scene.explanation.sensitivities.shares
    sizes = unit([share.largest for share in shares])
    yield paragraph(
        "Where does the bang come from? The layers' parts of the gradient's squared length, and how large derivatives "
        "are in each: of those that are not zero the middle one, and the largest."
    )
    yield ""
    yield columns(["", "", "", f"size{sizes.words}"], [24, 10, 10, 26])
    yield columns(["", "all", "not 0", "middle", "largest", "part"], [24, 10, 10, 9, 9, 8])
    largest = max(share.share for share in shares)
    rows = shares[-2 * MAX_LAYERS :]
    for share in rows:
        name = f"{'biases' if share.biases else 'weights'}, {scene.layer(share.layer).removeprefix('the ')}"
        cells = [name, f"{share.count:,}", f"{share.count - share.zeros:,}", sizes.plain(share.middle)]
        cells += [sizes.plain(share.largest), per_cent(share.share, 0)]
        yield f"{columns(cells, [24, 10, 10, 9, 9, 8])} {scene.pen.bar(share.share, largest, 7)}".rstrip()
    yield from rest(len(shares), len(rows), "in the layers before")


def only_this_one(scene: Scene) -> Iterator[str]:
    """Section 6: this example beside the others, and what comes of heeding it alone."""
    averages = scene.explanation.averages
    yield scene.pen.heading("6. Only this example, or all of them")
    yield paragraph(
        "So far only this one picture has been asked. Others wish something else. Below, a few weights and biases: "
        f"what this picture wishes of each, what the first training images wish, and the average over "
        f"{averages.all.examples:,} training images, which is minus the gradient of their cost."
    )
    yield ""
    yield from _table_of_examples(scene)
    yield ""
    yield paragraph(f"{_loudest(scene)} {_angles(scene)}")
    yield ""
    yield columns(["minus the gradient of", "mean cost", "length", "angle to the average"], [24, 12, 12, 22])
    rows = [("this example", averages.example), (f"{averages.batch.examples} at random", averages.batch)]
    for name, direction in (*rows[: 2 if _has_batch(scene) else 1], (f"{averages.all.examples:,}", averages.all)):
        cells = [name, short(direction.cost), short(direction.length), _degrees(direction)]
        yield columns(cells, [24, 12, 12, 22])
    yield ""
    yield from _warning(scene)


def _has_batch(scene: Scene) -> bool:
    """Whether the mini-batch is less than all examples asked for."""
    return scene.explanation.averages.batch.examples < scene.explanation.averages.all.examples


def _degrees(direction: Direction) -> str:
    return "none" if direction.angle is None else f"{direction.angle:.0f} degrees"


def _table_of_examples(scene: Scene) -> Iterator[str]:
    averages = scene.explanation.averages
    words = unit([*averages.nudges.ravel(), *averages.average], 4)
    heads = [f"this {scene.names[averages.labels[0]]}"[:8], *(scene.names[label][:6] for label in averages.labels[1:])]
    if words.words:
        yield f" {words.words}"
    widths = [20, 8, *(7 for _ in heads[1:]), 12]
    yield columns(["", *heads, "... average"], widths)
    chosen = averages.parameters[: ROWS_A_LAYER * MAX_LAYERS]
    for parameter, row, mean in zip(chosen, averages.nudges, averages.average, strict=False):
        cells = [scene.parameter(parameter), *(words(float(value)) for value in row), words(float(mean))]
        yield columns(cells, widths)
    yield from rest(len(averages.parameters), len(chosen), "in the layers before")


def _loudest(scene: Scene) -> str:
    averages = scene.explanation.averages
    row, column = np.unravel_index(np.abs(averages.nudges).argmax(), averages.nudges.shape)
    wish = f"{short(float(averages.nudges[row, column]), '+')} for {scene.parameter(averages.parameters[row])}"
    whose = f"the {scene.names[averages.labels[column]]}'s" if column else "this picture's"
    return f"Some speak louder than others: the largest wish here is {whose}, {wish}."


def _angles(scene: Scene) -> str:
    """Say what the angles below mean, as they are."""
    averages = scene.explanation.averages
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
    if not _has_batch(scene):
        return text
    if batch < GOOD_GUESS:
        text += f" A mini-batch of {size} at random is a good guess at the average, for a fraction of the work."
    else:
        text += (
            f" A mini-batch of {size} at random is at {batch:.0f} degrees: little is left that all agree on, and each "
            "batch pulls its own way. So staggers the drunk man near the floor of the valley."
        )
    return text


def _warning(scene: Scene) -> Iterator[str]:
    averages, digit = scene.explanation.averages, scene.digit
    first, last = averages.heeded[0], averages.heeded[-1]
    yield paragraph(
        f"What if we listened to this picture alone? In {last.steps} steps for it and nobody else, the share of test "
        f"images that the network calls {digit} goes from {per_cent(first.alone_share)} to "
        f"{per_cent(last.alone_share)}, and accuracy from {per_cent(first.alone_accuracy)} to "
        f"{per_cent(last.alone_accuracy)}{_spoiled(scene)}. Beside it, as many steps for mini-batches of "
        f"{averages.batch.examples}. Every step is equally long, {per_cent(STEP_LENGTH, 0)} of the length of all "
        "weights and biases, so the two walks differ in direction only."
    )
    yield ""
    yield columns(["", "for this one alone", "for mini-batches"], [7, 26, 30])
    yield columns(["steps", f"called {digit[:8]}", "accuracy", f"called {digit[:8]}", "accuracy"], [7, 14, 12, 18, 12])
    for row in averages.heeded:
        shares = (row.alone_share, row.alone_accuracy, row.batches_share, row.batches_accuracy)
        yield columns([str(row.steps), *map(per_cent, shares)], [7, 14, 12, 18, 12])
    yield ""
    yield paragraph(
        "So what training does is to average: what all examples wish of each weight and bias, together, is minus the "
        "gradient, and one step along it makes the cost fall fastest."
    )


def _spoiled(scene: Scene) -> str:
    share = scene.explanation.averages.heeded[-1].alone_share
    return f": it learns to answer {scene.digit}, whatever it is shown" if share > ONE_SIDED else ""
