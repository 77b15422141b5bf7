"""Gradient steps in a visitor's own copy of the network, and their effect.

A step for one example alone makes the network worse at everything else; one for the average of a hundred does not.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from mnistnet.data.datasets import Examples
from mnistnet.errors import DivergedError
from mnistnet.explain.example_gradient import Labels, as_inputs, backpropagate, of_example
from mnistnet.inference.evaluate import evaluate
from mnistnet.nn.network import Network
from mnistnet.nn.optimizers import Sgd
from mnistnet.util.arrays import Array, ignore_fp_errors

BATCH = 100  # examples of the training set that a step may average over

Batch = tuple[Array, Labels]


def alone(pixels: npt.NDArray[np.uint8], label: int, times: int) -> Iterator[Batch]:
    """Yield an image of shape (pixels,) and its label, so many times."""
    for _ in range(times):
        yield as_inputs(pixels[None]), [label]


def at_random(train: Examples, random: np.random.Generator, times: int) -> Iterator[Batch]:
    """Yield so many batches, each drawn from all training examples."""
    for _ in range(times):
        batch = train.take(random.choice(len(train), min(BATCH, len(train)), replace=False))
        yield as_inputs(batch.images), batch.labels


@ignore_fp_errors
def learn(network: Network, batches: Iterator[Batch], rate: float) -> None:
    """Take one step of plain gradient descent for each batch. Raises DivergedError, and then keeps the old weights."""
    before, gradient = network.parameters.copy(), np.zeros_like(network.parameters)
    optimizer = Sgd(network.parameters, gradient, network.weight_count)
    try:
        for inputs, labels in batches:
            gradient[...] = backpropagate(network, inputs, labels)[-1].flat
            optimizer.step(rate)
        if not np.isfinite(network.parameters).all():
            raise DivergedError("a weight is no longer a finite number")
    except DivergedError:
        network.parameters[...] = before
        raise DivergedError(
            f"with a rate of {rate:g} the network's numbers grow too large to compute with, so nothing was learned; "
            "try a lower rate"
        ) from None


def report(network: Network, eval_subset: Examples, pixels: npt.NDArray[np.uint8], label: int) -> dict[str, Any]:
    """Return the cost of one example, and over `eval_subset` the accuracy and the share read as `label`.

    Raises UsageError where the label does not fit, and DivergedError.
    """
    cost = of_example(network, pixels, label).cost
    evaluated = evaluate(network, eval_subset)
    return {
        "cost": cost,
        "accuracy": evaluated.accuracy,
        "share": int(evaluated.confusion[:, label].sum()) / evaluated.total,
    }
