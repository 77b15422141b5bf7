"""The same training in different hands: what each peer does with equal weights, batches and constants.

A peer is made for one workload with given first weights, and then runs epochs over given orders of the examples. It
keeps the data in memory in the form that suits it best; making that form is not timed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mnistnet import config as configs
from mnistnet import training
from mnistnet.datasets import Examples
from mnistnet.functions import Array
from mnistnet.network import Network
from mnistnet.randomness import Use, generator

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Workload:
    """What is trained: sizes, functions, an optimizer by name at its default constants, a constant rate, a batch."""

    name: str
    layer_sizes: tuple[int, ...]
    activation: str
    loss: str
    optimizer: str
    learning_rate: float
    batch_size: int

    def config(self, seed: int) -> configs.Config:
        """Return the config that makes mnistnet do this work."""
        values: dict[str, Any] = {
            "layer_sizes": list(self.layer_sizes),
            "activation": self.activation,
            "loss": self.loss,
            "optimizer": {"name": self.optimizer},
            "learning_rate": self.learning_rate,
            "batch_size": self.batch_size,
            "schedule": {"name": "constant"},
            "validation": 0,
            "epochs": 8_000,
            "seed": seed,
        }
        return configs.from_mapping(values)


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("video", (784, 16, 16, 10), "sigmoid", "quadratic", "sgd", 3.0, 100),
        Workload("wide", (784, 800, 800, 10), "relu", "cross_entropy", "adam", 0.001, 128),
    )
}


class Peer(Protocol):
    """A way to do a workload."""

    name: str

    def epoch(self, order: Indices) -> float:
        """Train once over all examples in this order; return the mean cost as it was descended."""

    def weights(self) -> list[Array]:
        """Return each layer's weights, then each layer's biases."""


class Mnistnet:
    """Our own training loop as users run it, with its accuracy, its checks and its background feeder."""

    name = "mnistnet"

    def __init__(self, workload: Workload, network: Network, examples: Examples, seed: int) -> None:
        self._state = training.start(workload.config(seed))
        self._state.network.parameters[...] = network.parameters
        self._results = training.fit(self._state, examples, None)
        self._seed = seed

    def epoch(self, order: Indices) -> float:
        """Train one epoch; the loop draws its order itself, and it must be the one the others are given."""
        expected = generator(self._seed, Use.SHUFFLE, self._state.epoch + 1).permutation(len(order))
        assert np.array_equal(order, expected)
        return next(self._results).metrics.loss

    def weights(self) -> list[Array]:
        """Return copies of the weights and biases."""
        network = self._state.network
        return [w.copy() for w in (*network.weights, *network.biases)]


class Torch:
    """PyTorch eager: nn.Sequential, torch.optim (fused where it helps), the data as one float32 tensor."""

    name = "pytorch"

    def __init__(self, workload: Workload, network: Network, examples: Examples, dtype: Any = None) -> None:
        import torch

        self._torch, self._workload = torch, workload
        self._dtype = dtype or torch.float32
        layers: list[Any] = []
        hidden = {"sigmoid": torch.nn.Sigmoid, "relu": torch.nn.ReLU, "tanh": torch.nn.Tanh}[workload.activation]
        for i, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
            linear = torch.nn.Linear(weight.shape[1], weight.shape[0], dtype=self._dtype)
            with torch.no_grad():
                linear.weight.copy_(torch.from_numpy(weight.copy()))
                linear.bias.copy_(torch.from_numpy(bias.copy()))
            layers += [linear] + ([hidden()] if i + 1 < len(network.weights) else [])
        if workload.loss == "quadratic":
            layers.append(torch.nn.Sigmoid())
        self._model = torch.nn.Sequential(*layers)
        make = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[workload.optimizer]
        # The fused step is the faster one for Adam; the plain one has the least overhead for SGD's few tensors.
        options = {"fused": True} if workload.optimizer == "adam" else {"foreach": False}
        self._optimizer = make(self._model.parameters(), lr=workload.learning_rate, **options)
        self._images = torch.from_numpy(examples.images).to(self._dtype) / 255
        self._labels = torch.from_numpy(examples.labels.astype(np.int64))
        self._targets = torch.nn.functional.one_hot(self._labels, workload.layer_sizes[-1]).to(self._dtype)

    def epoch(self, order: Indices) -> float:
        """Train one epoch."""
        torch, size = self._torch, self._workload.batch_size
        indices, total = torch.from_numpy(order), torch.zeros((), dtype=self._dtype)
        for start in range(0, len(order), size):
            batch = indices[start : start + size]
            output = self._model(self._images[batch])
            if self._workload.loss == "quadratic":
                loss = ((output - self._targets[batch]) ** 2).sum() / len(batch)
            else:
                loss = torch.nn.functional.cross_entropy(output, self._labels[batch])
            self._optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self._optimizer.step()
            total += loss.detach() * len(batch)
        return float(total) / len(order)

    def weights(self) -> list[Array]:
        """Return copies of the weights and biases."""
        linear = [layer for layer in self._model if isinstance(layer, self._torch.nn.Linear)]
        tensors = [layer.weight for layer in linear] + [layer.bias for layer in linear]
        return [tensor.detach().numpy().copy() for tensor in tensors]
