"""Only this example, or all of them: one example's wishes beside the average, and the effect of training on it alone.

Each example wishes something else. The average of all their nudges is minus the gradient; that of a mini-batch is a
cheap estimate of it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mnistnet.data.datasets import Examples
from mnistnet.explain.example_gradient import ExampleGradient, Labels, as_inputs, backpropagate, in_float64
from mnistnet.explain.sensitivity import Parameter
from mnistnet.inference.evaluate import forward
from mnistnet.nn.network import Network
from mnistnet.util.arrays import Array
from mnistnet.util.rng import Use, generator

MINI_BATCH = 100
CHUNK = 1000  # examples in a batch
COLUMNS = 5  # training examples shown one by one
STEPS = (0, 1, 3, 10, 30, 100)
STEP_LENGTH = 0.01  # of the length of all parameters together

Indices = npt.NDArray[np.intp]
Progress = Callable[[int], object]


@dataclass(frozen=True)
class Direction:
    """A gradient over some examples: how many, their mean cost, its length, its angle to the full gradient in degrees.

    The angle is None where one of the two has no direction because it is zero.
    """

    examples: int
    cost: float
    length: float
    angle: float | None


@dataclass(frozen=True)
class FineTunePoint:
    """After so many steps: the share of test images taken for the example's class, and the accuracy, 0 to 1.

    `alone`: every step was for this example alone; `batches`: each was for the next mini-batch of training examples.
    """

    steps: int
    alone_share: float
    alone_accuracy: float
    batches_share: float
    batches_accuracy: float


@dataclass(frozen=True)
class BatchGradient:
    """The video's table, directions and fine-tuning.

    `nudges[r, c]` is what example c wishes of `parameters[r]`: this example first, then training examples from the
    front of the data set. `labels[c]` is the class of each; `average[r]` the mean over all examples asked for.
    """

    parameters: tuple[Parameter, ...]
    labels: tuple[int, ...]
    nudges: Array
    average: Array
    example: Direction
    batch: Direction
    all: Direction
    fine_tuning: tuple[FineTunePoint, ...]


def averages(
    example: ExampleGradient,
    train: Examples,
    test: Examples,
    *,
    examples: int | None = None,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> BatchGradient:
    """Compare an example with `examples` of `train` (None: all), drawn by `seed`.

    `on_progress(n)` is called after every n images, `work(...)` in all.
    """
    parameters = representative_parameters(example)
    network, order = example.network, generator(seed, Use.SHUFFLE, 1).permutation(len(train))[:examples]
    batch_cost, batch_gradient = mean_gradient(network, train, order[:MINI_BATCH])
    full_cost, full_gradient = mean_gradient(network, train, order, on_progress)
    return BatchGradient(
        parameters=parameters,
        labels=(example.label, *map(int, train.labels[:COLUMNS])),
        nudges=np.stack([_nudges_of(network, each, parameters) for each in _gradients(example, train)], axis=1),
        average=_nudges_of(network, full_gradient, parameters),
        example=_direction(1, example.cost, example.gradient, full_gradient),
        batch=_direction(len(order[:MINI_BATCH]), batch_cost, batch_gradient, full_gradient),
        all=_direction(len(order), full_cost, full_gradient, full_gradient),
        fine_tuning=_fine_tune(example, train, test, order, on_progress),
    )


def work(train: int, test: int, examples: int | None) -> int:
    """Return how many images `averages` will report as done."""
    return min(train, train if examples is None else examples) + 2 * len(STEPS) * test


def representative_parameters(example: ExampleGradient) -> tuple[Parameter, ...]:
    """Return a few weights and biases that represent each layer, from the output back: the most sensitive ones.

    Of a layer: the most sensitive weight of each of its two most sensitive neurons, and the most sensitive bias.
    """
    rows = []
    for layer, own in reversed(list(enumerate(example.layers, 1))):
        sizes = np.abs(own.weight_gradient)
        neurons = np.argsort(-sizes.max(axis=1), kind="stable")[:2]
        rows += [Parameter(layer, int(neuron), int(sizes[neuron].argmax())) for neuron in neurons]
        rows.append(Parameter(layer, int(np.abs(own.bias_gradient).argmax()), None))
    return tuple(rows)


def mean_gradient(
    network: Network, examples: Examples, indices: Indices, on_progress: Progress | None = None
) -> tuple[float, Array]:
    """Return mean cost and gradient over the examples at `indices`; the gradient in the order of the parameters."""
    cost, gradient = 0.0, np.zeros_like(network.parameters)
    for start in range(0, len(indices), CHUNK):
        chunk = examples.take(indices[start : start + CHUNK])
        costs, _, found = backpropagate(network, as_inputs(chunk.images), chunk.labels)
        gradient += found.flat * len(chunk)
        cost += float(costs.sum())
        if on_progress:
            on_progress(len(chunk))
    return cost / len(indices), gradient / len(indices)


def angle(one: Array, other: Array) -> float | None:
    """Return the angle between two vectors in degrees, None if one is zero.

    Kahan's formula, which unlike the arc cosine is accurate near 0 and 180 degrees.
    """
    one_length, other_length = np.linalg.norm(one), np.linalg.norm(other)
    if not one_length or not other_length:
        return None
    u, v = one / one_length, other / other_length
    return float(np.degrees(2 * np.arctan2(np.linalg.norm(u - v), np.linalg.norm(u + v))))


def _direction(examples: int, cost: float, gradient: Array, full_gradient: Array) -> Direction:
    return Direction(examples, cost, float(np.linalg.norm(gradient)), angle(gradient, full_gradient))


def _gradients(example: ExampleGradient, train: Examples) -> Iterator[Array]:
    """Yield the gradient of the example, then those of the first training examples."""
    yield example.gradient
    for i in range(min(COLUMNS, len(train))):
        images, labels = train.images[i : i + 1], train.labels[i : i + 1]
        yield backpropagate(example.network, as_inputs(images), labels)[-1].flat


def _nudges_of(network: Network, gradient: Array, parameters: Sequence[Parameter]) -> Array:
    """Return minus the entries of a gradient that belong to some parameters."""
    holder = network.gradients(1, gradient)
    places = [parameter.place(holder) for parameter in parameters]
    return 0 - np.array([array[index] for array, index in places])


def _fine_tune(
    example: ExampleGradient, train: Examples, test: Examples, order: Indices, on_progress: Progress | None
) -> tuple[FineTunePoint, ...]:
    """Train on this example alone, and on mini-batches, and measure both at each of STEPS."""
    size = min(MINI_BATCH, len(order))

    def alone(step: int) -> tuple[Array, Labels]:
        return example.inputs[None], [example.label]

    def batches(step: int) -> tuple[Array, Labels]:
        batch = train.take(np.take(order, np.arange(step * size, (step + 1) * size), mode="wrap"))
        return as_inputs(batch.images), batch.labels

    curves = [_accuracies(example, test, next_batch, on_progress) for next_batch in (alone, batches)]
    return tuple(FineTunePoint(steps, *one, *other) for steps, one, other in zip(STEPS, *curves, strict=True))


def _accuracies(
    example: ExampleGradient,
    test: Examples,
    next_batch: Callable[[int], tuple[Array, Labels]],
    on_progress: Progress | None,
) -> list[tuple[float, float]]:
    """Take steps down the gradients of batches; return the share of the example's class and the accuracy at STEPS.

    All steps have one length. An example that the network knows well has a tiny gradient, a mini-batch a larger one;
    with equal lengths the two trainings differ only in direction.
    """
    network, measured = in_float64(example.network), []
    length = STEP_LENGTH * float(np.linalg.norm(network.parameters))
    for step in range(STEPS[-1] + 1):
        if step in STEPS:
            answers = forward(network, test.images, on_progress).argmax(axis=1)
            measured.append((float(np.mean(answers == example.label)), float(np.mean(answers == test.labels))))
        gradient = backpropagate(network, *next_batch(step))[-1].flat
        steepness = float(np.linalg.norm(gradient))
        if steepness:
            network.parameters -= gradient * (length / steepness)
    return measured
