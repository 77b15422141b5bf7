"""The peers that compute gradients themselves: PyTorch, plain and compiled, and JAX, a whole epoch in one program."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.workloads import Indices, Workload
from mnistnet.util.arrays import Array

Bytes = npt.NDArray[np.uint8]


class Torch:
    """PyTorch eager: nn.Sequential, torch.optim (fused where it helps), the data as one tensor of floats."""

    name = "pytorch"

    def __init__(self, workload: Workload, images: Bytes, labels: Bytes, dtype: str, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self._torch, self._workload, self._dtype = torch, workload, getattr(torch, dtype)
        network = workload.network()
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
        self._optimizer = self._make_optimizer()
        self._images = torch.from_numpy(images).to(self._dtype) / 255
        self._labels = torch.from_numpy(labels.astype(np.int64))
        self._targets = torch.nn.functional.one_hot(self._labels, workload.layer_sizes[-1]).to(self._dtype)

    def _make_optimizer(self) -> Any:
        parameters, rate, optim = self._model.parameters(), self._workload.learning_rate, self._torch.optim
        # The fused step is the faster one for many parameters; the plain one has the least overhead for few.
        if self._workload.optimizer == "adam":
            return optim.Adam(parameters, lr=rate, fused=True)
        if self._workload.optimizer == "momentum":
            return optim.SGD(parameters, lr=rate, momentum=0.9, fused=True)
        return optim.SGD(parameters, lr=rate, foreach=False)

    def _step(self, batch: Any) -> Any:
        torch = self._torch
        output = self._model(self._images[batch])
        if self._workload.loss == "quadratic":
            loss = ((output - self._targets[batch]) ** 2).sum() / len(batch)
        else:
            loss = torch.nn.functional.cross_entropy(output, self._labels[batch])
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()
        return loss.detach()

    def epoch(self, order: Indices) -> float:
        """Train one epoch."""
        torch, size = self._torch, self._workload.batch_size
        indices, total = torch.from_numpy(order), torch.zeros((), dtype=self._dtype)
        for start in range(0, len(order), size):
            batch = indices[start : start + size]
            total += self._step(batch) * len(batch)
        return float(total) / len(order)

    def weights(self) -> list[Array]:
        """Return copies of the weights and biases."""
        linear = [layer for layer in self._model if isinstance(layer, self._torch.nn.Linear)]
        tensors = [layer.weight for layer in linear] + [layer.bias for layer in linear]
        return [tensor.detach().numpy().copy() for tensor in tensors]


class TorchFlushed(Torch):
    """PyTorch with subnormal numbers taken for zero, which its processors are many times slower with."""

    name = "pytorch flushed"

    def __init__(self, *settings: Any) -> None:
        import torch

        torch.set_flush_denormal(True)  # before it starts its threads, which take this over
        super().__init__(*settings)


class TorchCompiled(Torch):
    """PyTorch with forward, cost and backward under torch.compile; the optimizer's step stays eager and fused."""

    name = "pytorch compiled"

    def __init__(self, workload: Workload, images: Bytes, labels: Bytes, dtype: str, threads: int) -> None:
        super().__init__(workload, images, labels, dtype, threads)
        functional = self._torch.nn.functional
        model, quadratic = self._model, workload.loss == "quadratic"

        def cost(images: Any, targets: Any, labels: Any) -> Any:
            output = model(images)
            if quadratic:
                return ((output - targets) ** 2).sum() / output.shape[0]
            return functional.cross_entropy(output, labels)

        self._cost = self._torch.compile(cost)

    def _step(self, batch: Any) -> Any:
        loss = self._cost(self._images[batch], self._targets[batch], self._labels[batch])
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()
        return loss.detach()


class Jax:
    """JAX: one jitted program a epoch, a lax.scan over its batches, buffers given back (donated)."""

    name = "jax"

    def __init__(self, workload: Workload, images: Bytes, labels: Bytes, dtype: str, threads: int) -> None:
        import jax

        if dtype == "float64":
            jax.config.update("jax_enable_x64", True)
        self._jax, self._workload = jax, workload
        network = workload.network()
        jnp = jax.numpy
        pairs = zip(network.weights, network.biases, strict=True)
        self._parameters = [(jnp.asarray(w, dtype), jnp.asarray(b, dtype)) for w, b in pairs]
        zeros = jax.tree.map(jnp.zeros_like, self._parameters)
        moments = {"sgd": 0, "momentum": 1, "adam": 2}[workload.optimizer]
        self._state = (jnp.zeros((), dtype), *(jax.tree.map(jnp.copy, zeros) for _ in range(moments)))
        self._images = jnp.asarray(images, dtype) / 255
        self._targets = jnp.asarray(np.eye(workload.layer_sizes[-1])[labels], dtype)
        self._epoch = jax.jit(partial(_scan, jax, workload), donate_argnums=(0, 1))
        self._one = jax.jit(partial(_step, jax, workload), donate_argnums=(0, 1))

    def epoch(self, order: Indices) -> float:
        """Train one epoch: the full batches in one program, then the last, smaller one if there is one."""
        jnp, size = self._jax.numpy, self._workload.batch_size
        full = len(order) // size * size
        batches = jnp.asarray(order[:full].reshape(-1, size))
        data = (self._images, self._targets)
        self._parameters, self._state, total = self._epoch(self._parameters, self._state, data, batches)
        total = float(total) * size
        if full < len(order):
            rest = jnp.asarray(order[full:])
            self._parameters, self._state, cost = self._one(self._parameters, self._state, data, rest)
            total += float(cost) * len(rest)
        self._jax.block_until_ready(self._parameters)
        return total / len(order)

    def weights(self) -> list[Array]:
        """Return copies of the weights and biases."""
        return [np.array(w) for w, _ in self._parameters] + [np.array(b) for _, b in self._parameters]


def _cost(jax: Any, workload: Workload, parameters: Any, images: Any, targets: Any) -> Any:
    a = images
    hidden = {"sigmoid": jax.nn.sigmoid, "relu": jax.nn.relu, "tanh": jax.numpy.tanh}[workload.activation]
    for w, b in parameters[:-1]:
        a = hidden(a @ w.T + b)
    w, b = parameters[-1]
    z = a @ w.T + b
    if workload.loss == "quadratic":
        return ((jax.nn.sigmoid(z) - targets) ** 2).sum() / len(images)
    return -(jax.nn.log_softmax(z) * targets).sum() / len(images)


def _step(jax: Any, workload: Workload, parameters: Any, state: Any, data: Any, batch: Any) -> Any:
    images, targets = (values[batch] for values in data)
    cost, gradient = jax.value_and_grad(partial(_cost, jax, workload))(parameters, images, targets)
    rate, each = workload.learning_rate, jax.tree.map
    step = state[0] + 1
    if workload.optimizer == "sgd":
        parameters = each(lambda w, g: w - rate * g, parameters, gradient)
        return parameters, (step,), cost
    if workload.optimizer == "momentum":
        velocity = each(lambda v, g: 0.9 * v + g, state[1], gradient)
        parameters = each(lambda w, v: w - rate * v, parameters, velocity)
        return parameters, (step, velocity), cost
    first = each(lambda m, g: 0.9 * m + 0.1 * g, state[1], gradient)
    second = each(lambda v, g: 0.999 * v + 0.001 * g * g, state[2], gradient)
    c1, c2 = 1 - 0.9**step, 1 - 0.999**step

    def move(w: Any, m: Any, v: Any) -> Any:
        return w - rate * (m / c1) / (jax.numpy.sqrt(v / c2) + 1e-8)

    return each(move, parameters, first, second), (step, first, second), cost


def _scan(jax: Any, workload: Workload, parameters: Any, state: Any, data: Any, batches: Any) -> Any:
    def body(carry: Any, batch: Any) -> Any:
        parameters, state, cost = _step(jax, workload, carry[0], carry[1], data, batch)
        return (parameters, state), cost

    (parameters, state), costs = jax.lax.scan(body, (parameters, state), batches)
    return parameters, state, costs.sum()
