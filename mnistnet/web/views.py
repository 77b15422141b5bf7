"""Both passes over one picture, as data for the page, with the numbers of `explain`.

Of a layer with more than MAX_NEURONS neurons the most active are shown.
"""

from dataclasses import asdict
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from mnistnet.data.datasets import Examples
from mnistnet.explain.example_gradient import ExampleGradient, ThreeWays, as_inputs, of_example, three_ways
from mnistnet.explain.explanation import explain
from mnistnet.explain.labels import Subject
from mnistnet.explain.report import backward_steps, last_steps
from mnistnet.inference.classifier import Classifier
from mnistnet.util.arrays import Array, ignore_fp_errors

MAX_NEURONS = 16  # neurons of a layer that are shown, as many as the video's layers have
PIXELS = 8  # lines from the pixels to a neuron, the strongest
TOP = 3  # rows of a list
AVERAGED = 2000  # training images in an average on the page

Indices = npt.NDArray[np.intp]


@ignore_fp_errors
def think(classifier: Classifier, pixels: npt.NDArray[np.uint8]) -> dict[str, Any]:
    """Return the forward pass of an image of shape (pixels,). Raises DivergedError.

    `lines[0]` are, for each neuron shown, its strongest [pixel, weight times pixel]; `lines[l]` a row for each neuron
    shown of layer l + 1, with weight times activation for each neuron shown before it.
    """
    (prediction,) = classifier.predictions(pixels[None])
    network, inputs = classifier.network, as_inputs(pixels)
    cache = network.forward(inputs[None], network.forward_cache(1))
    activations = [a[0] for a in cache.activations[1:]]
    neurons = [shown(a) for a in activations[:-1]] + [np.arange(len(activations[-1]))]
    lines: list[Any] = [_strongest_pixels(network.weights[0][neurons[0]] * inputs)]
    for layer in range(1, len(neurons)):
        before = neurons[layer - 1]
        weights = network.weights[layer][np.ix_(neurons[layer], before)]
        lines.append((weights * activations[layer - 1][before]).tolist())
    return {
        **asdict(prediction),
        "calibrated": classifier.calibrated,
        "layers": [
            {"size": len(a), "neurons": rows.tolist(), "activations": a[rows].tolist()}
            for a, rows in zip(activations, neurons, strict=True)
        ],
        "lines": lines,
    }


def shown(activations: Array) -> Indices:
    """Return the neurons of a hidden layer to show: its most active ones, in their order."""
    strongest = np.argsort(-np.abs(activations), kind="stable")[:MAX_NEURONS]
    rows: Indices = np.sort(strongest)
    return rows


def _strongest_pixels(values: Array) -> list[list[list[float]]]:
    """Return for each row the few largest entries, as [column, value]; none that are zero."""
    columns = np.argsort(-np.abs(values), axis=1, kind="stable")[:, :PIXELS]
    return [[[int(c), float(row[c])] for c in chosen if row[c]] for row, chosen in zip(values, columns, strict=True)]


def look_back(
    classifier: Classifier, pixels: npt.NDArray[np.uint8], label: int, neuron: tuple[int, int] | None
) -> dict[str, Any]:
    """Return the backward pass for an image that should be read as `label`. Raises UsageError and DivergedError.

    `neuron` (layer from 1, neuron from 0; None: the label's output) is the one whose three ways are shown. It has only
    the neurons that `think` shows. `passed[l - 1]` has a row for each of those of layer l + 1, with what it wishes of
    each of those of layer l: the last of these is what `explain` calls `wishes`, transposed. `steps` are the sections
    that tell the pass, one for each step of the page.
    """
    network = classifier.network
    example = of_example(network, pixels, label)
    rows = [shown(own.activations) for own in example.layers[:-1]] + [np.arange(network.layer_sizes[-1])]
    ways = three_ways(example, *(neuron or (len(example.layers), label)))
    subject = _subject(classifier, example, ways)
    return {
        "label": label,
        "prediction": example.prediction,
        "cost": example.cost,
        "cost_terms": example.cost_terms.tolist(),
        "target": example.target.tolist(),
        "wish": example.wish.tolist(),
        "layers": [_layer(example, number, rows) for number in range(1, len(rows) + 1)],
        "passed": [_passed(example, number, after, kept) for number, (kept, after) in _gaps(rows)],
        "three_ways": _three_ways(ways, rows),
        "first_weights": (0 - example.layers[0].weight_gradient[rows[0]]).tolist(),
        "steps": [section.as_json() for section in backward_steps(subject)],
    }


def look_around(
    classifier: Classifier, pixels: npt.NDArray[np.uint8], label: int, train: Examples, test: Examples
) -> dict[str, Any]:
    """Return the steps that follow the backward pass: `explain`'s sections 5 and 6 over AVERAGED training images.

    Accuracies are over `test`. Raises UsageError and DivergedError.
    """
    explanation = explain(classifier.network, pixels, label, train=train, test=test, examples=AVERAGED, top=TOP)
    subject = _subject(classifier, explanation.example, explanation.three_ways)
    sections = last_steps(subject, explanation.sensitivities, explanation.averages)
    return {
        "steps": [section.as_json() for section in sections],
        "examples": explanation.averages.all.examples,
        "test_images": len(test),
    }


def _subject(classifier: Classifier, example: ExampleGradient, ways: ThreeWays) -> Subject:
    names, by = classifier.labels, "the view Learn begins with one"
    return Subject(example, ways, "Your picture", names, classifier.shape, untrained_by=by, top=TOP)


def _gaps(rows: list[Indices]) -> list[tuple[int, tuple[Indices, Indices]]]:
    """Return (layer, (neurons shown of it, and of the layer after)) for each hidden layer."""
    return list(enumerate(pairwise(rows), 1))


def _layer(example: ExampleGradient, number: int, rows: list[Indices]) -> dict[str, Any]:
    own, kept = example.layers[number - 1], rows[number - 1]
    weight_nudges = None if number == 1 else (0 - own.weight_gradient[np.ix_(kept, rows[number - 2])]).tolist()
    return {
        "size": len(own.delta),
        "neurons": kept.tolist(),
        "activations": own.activations[kept].tolist(),
        "nudges": None if own.nudges is None else own.nudges[kept].tolist(),
        "slopes": None if own.slopes is None else own.slopes[kept].tolist(),
        "bias_nudges": (0 - own.bias_gradient[kept]).tolist(),
        "weight_nudges": weight_nudges,  # the first layer's are shown as images
    }


def _passed(example: ExampleGradient, number: int, after: Indices, kept: Indices) -> list[list[float]]:
    """Return a row for each of the neurons `after` layer `number`: what it wishes of each of the neurons `kept`."""
    rows = []
    for neuron in after:
        wishes = three_ways(example, number + 1, int(neuron)).activation_nudges
        assert wishes is not None  # only the pixels, before layer 1, cannot be nudged
        rows.append(wishes[kept].tolist())
    return rows


def _three_ways(ways: ThreeWays, rows: list[Indices]) -> dict[str, Any]:
    # All pixels are shown, and those neurons that are on the page.
    kept = np.arange(len(ways.activations_before)) if ways.layer == 1 else rows[ways.layer - 2]
    activation_nudges = ways.activation_nudges
    return {
        "layer": ways.layer,
        "neuron": ways.neuron,
        "neurons": kept.tolist(),
        "weights": ways.weights[kept].tolist(),
        "behind": ways.activations_before[kept].tolist(),
        "bias_nudge": ways.bias_nudge,
        "weight_nudges": ways.weight_nudges[kept].tolist(),
        "activation_nudges": None if activation_nudges is None else activation_nudges[kept].tolist(),
        "reach": dict(zip(("bias", "weights", "activations"), ways.reach, strict=True)),
    }
