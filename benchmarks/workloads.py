"""What is trained in the benchmarks, and on what: the one place that names workloads."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mnistnet.config import loader as configs
from mnistnet.data import datasets, registry
from mnistnet.nn.network import Network
from mnistnet.util.arrays import Array
from mnistnet.util.rng import Use, generator

SEED = 0

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Workload:
    """Sizes, functions, an optimizer by name at its default constants, a constant rate, a batch."""

    name: str
    layer_sizes: tuple[int, ...]
    activation: str
    loss: str
    optimizer: str
    learning_rate: float
    batch_size: int

    def config(self, threads: int | Literal["auto"]) -> configs.Config:
        """Return the config that makes mnistnet do this work."""
        values: dict[str, Any] = {
            "layer_sizes": list(self.layer_sizes),
            "activation": self.activation,
            "loss": self.loss,
            "optimizer": {"name": self.optimizer},
            "learning_rate": self.learning_rate,
            "batch_size": self.batch_size,
            "schedule": {"name": "constant"},
            "weight_decay": 0.0,
            "validation": 0,
            "epochs": 8_000,
            "seed": SEED,
            "threads": threads,
        }
        return configs.from_mapping(values)

    def network(self, dtype: npt.DTypeLike = np.float32) -> Network:
        """Return the network as every peer starts with it."""
        network = Network(self.layer_sizes, self.activation, self.loss, dtype)
        network.initialise(generator(SEED, Use.INIT))
        return network

    @property
    def operations(self) -> int:
        """Return the floating-point operations in the matrix products that one example needs."""
        pairs = list(pairwise(self.layer_sizes))
        forward_and_weights = sum(2 * 2 * a * b for a, b in pairs)
        back_through_layers = sum(2 * a * b for a, b in pairs[1:])
        return forward_and_weights + back_through_layers


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("video", (784, 16, 16, 10), "sigmoid", "quadratic", "sgd", 3.0, 100),
        # Not 3.0: batches of 10 would then magnify rounding errors until no two peers end an epoch with like costs.
        Workload("video-10", (784, 16, 16, 10), "sigmoid", "quadratic", "sgd", 0.5, 10),
        Workload("classic", (784, 128, 10), "relu", "cross_entropy", "adam", 0.001, 128),
        Workload("wide", (784, 800, 800, 10), "relu", "cross_entropy", "adam", 0.001, 128),
        Workload("deep", (784, 1024, 1024, 10), "relu", "cross_entropy", "momentum", 0.05, 256),
    )
}


def images_and_labels() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Return all training images (n, pixels) and labels, as writable arrays."""
    examples = datasets.store(registry.MNIST).examples("train")
    return examples.images.copy(), examples.labels.copy()


def order_of(epoch: int, examples: int) -> Indices:
    """Return the order in which every peer visits the examples in this epoch, counted from 1."""
    return generator(SEED, Use.SHUFFLE, epoch).permutation(examples)


def parameters_of(network: Network) -> list[Array]:
    """Return copies of each layer's weights, then each layer's biases."""
    return [values.copy() for values in (*network.weights, *network.biases)]
