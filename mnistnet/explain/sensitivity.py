"""How sensitive the cost of one example is to each weight and bias, checked by finite differences.

An entry of the gradient promises how a small step of one number changes the cost. Here the step is taken and the cost
computed again, so that the promise can be checked.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mnistnet.explain.example_gradient import ExampleGradient, in_float64
from mnistnet.nn.layer_buffers import Gradients
from mnistnet.nn.network import Network
from mnistnet.util.arrays import Array, ignore_fp_errors

STEP = 0.001
ROUNDING = 5e-14  # a few hundred times the spacing of float64 at 1


class Parameter(NamedTuple):
    """A weight, from neuron (or pixel) `source` to neuron `neuron` of layer `layer`; a bias where `source` is None."""

    layer: int
    neuron: int
    source: int | None

    def place(self, holder: Network | Gradients) -> tuple[Array, tuple[int, ...]]:
        """Return the array that holds this number, of a network or a gradient, and the index within."""
        if self.source is None:
            return holder.biases[self.layer - 1], (self.neuron,)
        return holder.weights[self.layer - 1], (self.neuron, self.source)


@dataclass(frozen=True)
class Sensitivity:
    """The promised change of the cost for a step of one number, `derivative * step`, and the measured one.

    The step goes downhill. `measured` is None where the promised change is lost in the rounding of the cost.
    """

    parameter: Parameter
    derivative: float
    step: float
    promised: float
    measured: float | None


@dataclass(frozen=True)
class Share:
    """The weights (or biases) of one layer: their number, how many derivatives are zero, the sizes of the others.

    `middle` is the median size of those that are not zero, `share` the part of the gradient's squared length.
    """

    layer: int
    biases: bool
    count: int
    zeros: int
    middle: float
    largest: float
    share: float


@dataclass(frozen=True)
class Sensitivities:
    """The most and the least sensitive weights and biases of a network, for one example.

    Lists are sorted from most to least, or least to most. Derivatives of zero are counted, in `zeros`, and left out
    of all lists; `black` of them are of weights from a black pixel. `middle` is the median weight among the rest.
    """

    most_weights: tuple[Sensitivity, ...]
    least_weights: tuple[Sensitivity, ...]
    most_biases: tuple[Sensitivity, ...]
    least_biases: tuple[Sensitivity, ...]
    middle: Sensitivity | None
    zeros: int
    black: int
    shares: tuple[Share, ...]


def sensitivities(example: ExampleGradient, top: int) -> Sensitivities:
    """Return the `top` most and least sensitive weights and biases, each nudged for proof, and all of them counted."""
    differences = _FiniteDifferences(example)
    weights = differences.ranked(slice(0, example.network.weight_count))
    biases = differences.ranked(slice(example.network.weight_count, None))
    return Sensitivities(
        most_weights=differences.nudged(weights[::-1][:top]),
        least_weights=differences.nudged(weights[:top]),
        most_biases=differences.nudged(biases[::-1][:top]),
        least_biases=differences.nudged(biases[:top]),
        middle=next(iter(differences.nudged(weights[len(weights) // 2 :][:1])), None),
        zeros=int(np.count_nonzero(example.gradient == 0)),
        black=int(np.count_nonzero(example.inputs == 0)) * example.network.layer_sizes[1],
        shares=_shares(example),
    )


class _FiniteDifferences:
    """Nudges single parameters in a copy of the network, and restores each."""

    def __init__(self, example: ExampleGradient) -> None:
        self._example, self._network = example, in_float64(example.network)
        self._sizes = np.abs(example.gradient)
        # Below this a change is lost in rounding: of an output, which a squared difference passes on times its root;
        # or of a logarithm, which a cross-entropy subtracts from a number of the order of 1.
        self._noise = ROUNDING * max(
            example.cost, example.cost**0.5 if example.network.loss.has_activation_derivative else 1
        )

    def ranked(self, part: slice) -> npt.NDArray[np.intp]:
        """Return the indices within `Network.parameters` of the non-zero derivatives of a part, the smallest first."""
        start = part.start
        found = np.flatnonzero(self._sizes[part]) + start
        ranked: npt.NDArray[np.intp] = found[np.argsort(self._sizes[found], kind="stable")]
        return ranked

    def nudged(self, indices: npt.NDArray[np.intp]) -> tuple[Sensitivity, ...]:
        """Nudge each of these parameters separately."""
        return tuple(self._nudge(int(index)) for index in indices)

    def _nudge(self, index: int) -> Sensitivity:
        derivative = float(self._example.gradient[index])
        step = float(-np.sign(derivative) * STEP)
        promised, value = derivative * step, self._network.parameters[index]
        self._network.parameters[index] = value + step
        measured = cost(self._network, self._example) - self._example.cost
        self._network.parameters[index] = value
        parameter = parameter_at(self._network.layer_sizes, index)
        return Sensitivity(parameter, derivative, step, promised, measured if abs(promised) > self._noise else None)


@ignore_fp_errors
def cost(network: Network, example: ExampleGradient) -> float:
    """Return the cost of the example in a network."""
    cache = network.forward(example.inputs[None], network.forward_cache(1))
    return float(network.loss.costs(cache.logits, example.target[None])[0])


def parameter_at(layer_sizes: tuple[int, ...], index: int) -> Parameter:
    """Return which weight or bias stands at `index` of `Network.parameters`: all weights, then all biases."""
    for layer, (fan_in, fan_out) in enumerate(pairwise(layer_sizes), 1):
        if index < fan_in * fan_out:
            neuron, source = divmod(index, fan_in)
            return Parameter(layer, neuron, source)
        index -= fan_in * fan_out
    for layer, size in enumerate(layer_sizes[1:], 1):
        if index < size:
            return Parameter(layer, index, None)
        index -= size
    raise IndexError("beyond the last parameter")


def _shares(example: ExampleGradient) -> tuple[Share, ...]:
    total, shares = float(example.gradient @ example.gradient), []
    for layer, own in enumerate(example.layers, 1):
        for biases, gradient in ((False, own.weight_gradient.ravel()), (True, own.bias_gradient)):
            sizes = np.abs(gradient[gradient != 0])
            shares.append(
                Share(
                    layer=layer,
                    biases=biases,
                    count=gradient.size,
                    zeros=gradient.size - sizes.size,
                    middle=float(np.median(sizes)) if sizes.size else 0.0,
                    largest=float(sizes.max(initial=0)),
                    share=float(gradient @ gradient) / total if total else 0.0,
                )
            )
    return tuple(shares)
