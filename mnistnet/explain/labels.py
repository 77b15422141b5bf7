"""The subject of a report: one example's backward pass, and the names of its neurons, weights and classes."""

from dataclasses import dataclass

import numpy as np

from mnistnet.explain.example_gradient import ExampleGradient, ThreeWays
from mnistnet.explain.sensitivity import Parameter
from mnistnet.util.arrays import Array

MAX_ROWS = 16
"""A layer of up to so many neurons is shown whole, a larger one by its strongest neurons."""


@dataclass(frozen=True)
class Subject:
    """One example's backward pass, and the names for it.

    - `source`: what the picture is, as a sentence begins. `known`: whether its label is known, or the network's guess.
    - `untrained`: whether the network has its first, random weights; `untrained_by`: where to get one that has.
    - `names`: of the classes.
    - `shape`: the image's rows and columns. `top`: how many rows tables of large layers have.
    """

    example: ExampleGradient
    three_ways: ThreeWays
    source: str
    names: tuple[str, ...]
    shape: tuple[int, int]
    known: bool = True
    untrained: bool = False
    untrained_by: str = "--untrained"
    top: int = 5

    @property
    def digit(self) -> str:
        """The name of the class that the picture should be read as."""
        return self.names[self.example.label]

    @property
    def output(self) -> int:
        """The number of the output layer."""
        return len(self.example.layers)

    @property
    def quadratic(self) -> bool:
        """Whether the cost is the video's sum of squared differences."""
        return bool(self.example.network.loss.has_activation_derivative)

    def layer(self, number: int) -> str:
        """Name a layer in a sentence."""
        if number == 0:
            return "the pixels"
        return "the output layer" if number == self.output else f"hidden layer {number}"

    def neuron(self, layer: int, index: int) -> str:
        """Name a neuron, or in layer 0 a pixel."""
        if layer == 0:
            row, column = divmod(index, self.shape[1])
            return f"px {row},{column}"
        return f"out {self.names[index][:6]}" if layer == self.output else f"h{layer}.{index}"

    def parameter(self, parameter: Parameter) -> str:
        """Name a weight by what it connects, a bias by its neuron."""
        neuron = self.neuron(parameter.layer, parameter.neuron)
        if parameter.source is None:
            return f"bias of {neuron}"
        return f"{self.neuron(parameter.layer - 1, parameter.source)} -> {neuron}"


def strongest(values: Array, count: int) -> list[int]:
    """Return the indices of the largest sizes, the largest first."""
    order = np.argsort(-np.abs(values), kind="stable")[:count]
    return [int(index) for index in order]


def shown(values: Array, top: int) -> list[int]:
    """Return which neurons of a layer a table shows: all of a small layer, in order; of a large one the strongest."""
    return list(range(len(values))) if len(values) <= MAX_ROWS else strongest(values, top)
