"""What the parts of `mnistnet explain` share: what is explained, how neurons and weights are called, how to draw."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mnistnet.cli.drawing import Pen
from mnistnet.explain import Explanation
from mnistnet.functions import Array
from mnistnet.images import SIDE
from mnistnet.sensitivity import Parameter

MOST_ROWS = 16
"""A layer up to so many neurons, the video's, is shown whole; of a larger one the strongest."""


@dataclass(frozen=True)
class Scene:
    """An explanation and what it takes to tell it.

    - `source`: what the picture is, as a sentence begins. `known`: whether its label is known, or the network's guess.
    - `names`: of the classes. `top`: how many rows the lists have. `shape`: the image's rows and columns.
    """

    explanation: Explanation
    source: str
    known: bool
    untrained: bool
    names: tuple[str, ...]
    top: int
    pen: Pen
    shape: tuple[int, int] = (SIDE, SIDE)

    @property
    def digit(self) -> str:
        """The name of the class that the picture wishes to be read as."""
        return self.names[self.explanation.nudges.label]

    @property
    def output(self) -> int:
        """The number of the output layer."""
        return len(self.explanation.nudges.layers)

    @property
    def quadratic(self) -> bool:
        """Whether the cost is the video's sum of squared differences."""
        return bool(self.explanation.nudges.network.loss.has_activation_derivative)

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
    return list(range(len(values))) if len(values) <= MOST_ROWS else strongest(values, top)


def rest(count: int, shown: int, what: str) -> list[str]:
    """Return the line that counts what a table leaves out, if it does."""
    return [f"   ... and {count - shown:,} more {what}"] if count > shown else []


def columns(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Return a table's row: the first cell to the left, the others to the right."""
    first, *others = zip(cells, widths, strict=True)
    return "  " + f"{first[0]:<{first[1]}}" + "".join(f"{cell:>{width}}" for cell, width in others)
