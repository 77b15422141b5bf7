"""Small networks and examples for the tests of `mnistnet explain`."""

from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from mnistnet.data.datasets import Examples
from mnistnet.nn.activations import ACTIVATIONS
from mnistnet.nn.losses import LOSSES
from mnistnet.nn.network import Network
from mnistnet.util.rng import Use, generator


def small(sizes: tuple[int, ...], activation: str, loss: str, seed: int = 0, spread: float = 0.7) -> Network:
    """Return a network with random weights and biases of that spread."""
    network = Network(sizes, activation, loss)
    network.parameters[...] = generator(seed, Use.INIT).normal(0, spread, network.parameters.shape)
    return network


def some_examples(pixels: int, classes: int, count: int, seed: int = 0) -> Examples:
    """Return random images, a third of their pixels black, with random labels."""
    random = generator(seed, Use.SHUFFLE)
    images = random.integers(0, 256, (count, pixels)) * (random.random((count, pixels)) > 1 / 3)
    labels: npt.NDArray[Any] = random.integers(0, classes, count)
    return Examples(images.astype(np.uint8), labels.astype(np.uint8))


networks = st.builds(
    small,
    sizes=st.lists(st.integers(2, 6), min_size=2, max_size=4).map(tuple),
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    loss=st.sampled_from(sorted(LOSSES)),
    seed=st.integers(0, 1000),
)
"""Networks of every activation and loss, with none to two hidden layers."""
