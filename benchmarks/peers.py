"""The same training in different hands: ours, a textbook's and scikit-learn's; the rest are in frameworks.py.

A peer is made for one workload, starts with its first weights, and then runs epochs over given orders of the
examples. It keeps the data in memory in the form that suits it best; making that form is not timed.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable
from math import sqrt
from typing import Any, Literal, Protocol

import numpy as np

from benchmarks.frameworks import Bytes, Jax, Torch, TorchCompiled, TorchFlushed
from benchmarks.workloads import Indices, Workload, parameters_of
from mnistnet.data.datasets import Examples
from mnistnet.nn.optimizers import OPTIMIZERS
from mnistnet.training import loop
from mnistnet.training.data_loader import Batch
from mnistnet.training.parallel import parallel_step
from mnistnet.training.process_pool import ProcessPool
from mnistnet.util.arrays import Array
from mnistnet.util.shared_memory import shared_zeros


class Peer(Protocol):
    """A way to do a workload."""

    def epoch(self, order: Indices) -> float:
        """Train once over the examples in this order; return the mean cost as it was descended."""

    def weights(self) -> list[Array]:
        """Return copies of each layer's weights, then each layer's biases."""


class Mnistnet:
    """Our own training loop as users run it, with its accuracy, its checks and its background feeder."""

    name = "mnistnet"

    def __init__(
        self,
        workload: Workload,
        images: Bytes,
        labels: Bytes,
        dtype: str,
        threads: int | Literal["auto"],
        on_progress: Callable[[int], object] | None = None,
    ) -> None:
        assert dtype == "float32", "users train in float32; MnistnetSteps takes the same steps in float64"
        self._state = loop.start(workload.config(threads))
        self._state.network.parameters[...] = workload.network().parameters
        self._results = loop.fit(self._state, Examples(images, labels), None, on_progress)

    def epoch(self, order: Indices) -> float:
        """Train one epoch; the loop draws the order itself, the same that `order_of` gives to the others."""
        return next(self._results).metrics.loss

    def weights(self) -> list[Array]:
        """Return copies of the weights and biases."""
        return parameters_of(self._state.network)


class MnistnetSteps:
    """The step inside our training loop, shared among all processes, in float64: what the proof looks at."""

    name = "mnistnet"

    def __init__(self, workload: Workload, images: Bytes, labels: Bytes, dtype: str, threads: int) -> None:
        self._workload, self._threads = workload, threads
        self._network = workload.network(dtype)
        self._network.use_parameters(shared_zeros(self._network.parameters.shape, dtype))
        self._network.parameters[...] = workload.network().parameters
        self._inputs = images.astype(dtype) / 255
        self._targets: Array = np.eye(workload.layer_sizes[-1], dtype=dtype)[labels]

    def epoch(self, order: Indices) -> float:
        """Train one epoch with an optimizer at rest."""
        network, size, total = self._network, self._workload.batch_size, 0.0
        gradient = shared_zeros(network.parameters.shape, network.dtype)
        optimizer = OPTIMIZERS[self._workload.optimizer](
            network.parameters, gradient, network.weight_count, zeros=shared_zeros
        )
        sizes = [rows for rows in (size, len(order) % size) if rows]
        likes = self._inputs, self._targets, self._targets
        inputs, targets, logits = (shared_zeros((size, like.shape[1]), network.dtype) for like in likes)
        everything = Batch(inputs, np.zeros(size, np.uint8), targets, (), logits)
        with ProcessPool(self._threads) as pool:
            step = parallel_step(network, optimizer, sizes, pool)

            def work(worker: int, rows: float) -> None:
                step.run(worker, everything.rows(slice(0, int(rows))), self._workload.learning_rate)

            pool.start(work)
            for start in range(0, len(order), size):
                batch = order[start : start + size]
                n = len(batch)
                inputs[:n], targets[:n] = self._inputs[batch], self._targets[batch]
                pool.run(n)
                total += float(network.loss.costs(logits[:n], targets[:n]).sum())
        return total / len(order)

    def weights(self) -> list[Array]:
        """Return copies of the weights and biases."""
        return parameters_of(self._network)


class Textbook:
    """One example after the other, as column vectors: the way Nielsen's "Neural Networks and Deep Learning" does it."""

    name = "textbook"

    def __init__(self, workload: Workload, images: Bytes, labels: Bytes, dtype: str, threads: int) -> None:
        network = workload.network()
        self._rate, self._size = workload.learning_rate, workload.batch_size
        self._weights: list[Array] = [w.astype(dtype) for w in network.weights]
        self._biases: list[Array] = [b.astype(dtype)[:, np.newaxis] for b in network.biases]
        self._inputs: Array = (images.astype(dtype) / 255)[:, :, np.newaxis]
        self._targets: Array = np.eye(workload.layer_sizes[-1], dtype=dtype)[labels][:, :, np.newaxis]

    def epoch(self, order: Indices) -> float:
        """Train one epoch."""
        batches = [order[start : start + self._size] for start in range(0, len(order), self._size)]
        return sum(self._learn(batch) for batch in batches) / len(order)

    def _learn(self, batch: Indices) -> float:
        """Add up the batch's gradients, move once against them, and return the sum of its costs."""
        d_weights = [np.zeros_like(w) for w in self._weights]
        d_biases = [np.zeros_like(b) for b in self._biases]
        total = 0.0
        for example in batch:
            cost, of_weights, of_biases = self._backpropagate(self._inputs[example], self._targets[example])
            d_weights = [d + new for d, new in zip(d_weights, of_weights, strict=True)]
            d_biases = [d + new for d, new in zip(d_biases, of_biases, strict=True)]
            total += cost
        rate = self._rate / len(batch)
        self._weights = [w - rate * d for w, d in zip(self._weights, d_weights, strict=True)]
        self._biases = [b - rate * d for b, d in zip(self._biases, d_biases, strict=True)]
        return total

    def _backpropagate(self, x: Array, y: Array) -> tuple[float, list[Array], list[Array]]:
        activations = [x]
        for w, b in zip(self._weights, self._biases, strict=True):
            activations.append(1.0 / (1.0 + np.exp(-(np.dot(w, activations[-1]) + b))))
        a = activations[-1]
        deltas = [2.0 * (a - y) * a * (1.0 - a)]
        for w, a in zip(self._weights[:0:-1], activations[-2:0:-1], strict=True):
            deltas.insert(0, np.dot(w.T, deltas[0]) * a * (1.0 - a))
        d_weights = [np.dot(delta, a.T) for delta, a in zip(deltas, activations[:-1], strict=True)]
        return float(((activations[-1] - y) ** 2).sum()), d_weights, deltas

    def weights(self) -> list[Array]:
        """Return copies of the weights and biases."""
        return [*(w.copy() for w in self._weights), *(b[:, 0].copy() for b in self._biases)]


class ScikitLearn:
    """scikit-learn's MLPClassifier, an epoch by `partial_fit` over the examples in the order given.

    Its Adam adds epsilon to the square root before that is corrected for its first steps, where the paper and all
    others add it afterwards. In float64, for the proof, each step is given the epsilon that makes both the same.
    """

    name = "scikit-learn"

    def __init__(self, workload: Workload, images: Bytes, labels: Bytes, dtype: str, threads: int) -> None:
        from sklearn.neural_network import MLPClassifier
        from threadpoolctl import threadpool_limits

        threadpool_limits(threads, user_api="blas")
        network, size = workload.network(), workload.batch_size
        self._size, self._labels = size, labels
        self._inputs: Array = images.astype(dtype) / np.dtype(dtype).type(255)
        self._as_the_paper = dtype == "float64" and workload.optimizer == "adam"
        self._steps = 0
        self._classifier: Any = MLPClassifier(
            workload.layer_sizes[1:-1],
            activation=workload.activation,
            solver="adam" if workload.optimizer == "adam" else "sgd",
            alpha=0,
            batch_size=size,
            learning_rate_init=workload.learning_rate,
            shuffle=False,
            momentum=0.9,
            nesterovs_momentum=False,
        )
        # Its arrays exist after a first step only; then the common weights replace them, and the optimizer goes.
        self._classifier.partial_fit(self._inputs[:size], labels[:size], classes=np.arange(workload.layer_sizes[-1]))
        self._classifier.coefs_ = [np.ascontiguousarray(w.T, dtype) for w in network.weights]
        self._classifier.intercepts_ = [b.astype(dtype) for b in network.biases]
        del self._classifier._optimizer

    def epoch(self, order: Indices) -> float:
        """Train one epoch."""
        if not self._as_the_paper:
            self._classifier.partial_fit(self._inputs[order], self._labels[order])
            return float(self._classifier.loss_)
        total = 0.0
        for start in range(0, len(order), self._size):
            batch = order[start : start + self._size]
            self._steps += 1
            # The optimizer is made in the first step, with the classifier's own epsilon.
            holder = getattr(self._classifier, "_optimizer", self._classifier)
            holder.epsilon = 1e-8 * sqrt(1 - 0.999**self._steps)
            self._classifier.partial_fit(self._inputs[batch], self._labels[batch])
            total += self._classifier.loss_ * len(batch)
        return float(total) / len(order)

    def weights(self) -> list[Array]:
        """Return copies of the weights and biases."""
        return [*(w.T.copy() for w in self._classifier.coefs_), *(b.copy() for b in self._classifier.intercepts_)]


PEERS: dict[str, Callable[..., Peer]] = {
    peer.name: peer for peer in (Mnistnet, Torch, TorchFlushed, TorchCompiled, Jax, ScikitLearn, Textbook)
}
PROVEN: dict[str, Callable[..., Peer]] = {**PEERS, "mnistnet": MnistnetSteps}
"""What takes the steps that the proof compares."""

MODULES = {
    **dict.fromkeys(("pytorch", "pytorch flushed", "pytorch compiled"), "torch"),
    "jax": "jax",
    "scikit-learn": "sklearn",
}


def missing_module(peer: str) -> str | None:
    """Return the module that a peer needs and that is not installed, if there is one."""
    module = MODULES.get(peer)
    return module if module and importlib.util.find_spec(module) is None else None


def why_not(peer: str, workload: Workload) -> str | None:
    """Return why a peer cannot do a workload, or None if it can."""
    if peer == "textbook" and (workload.loss, workload.optimizer) != ("quadratic", "sgd"):
        return "the textbook's loop knows the quadratic cost and plain gradient descent only"
    if peer == "scikit-learn" and workload.loss == "quadratic":
        return "MLPClassifier knows no quadratic cost"
    if peer == "pytorch compiled" and shutil.which(os.environ.get("CXX", "g++")) is None:
        return "torch.compile needs a C++ compiler"
    return None
