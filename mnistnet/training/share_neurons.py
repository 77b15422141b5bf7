"""A step shared by neuron: each process owns some neurons of every hidden layer, and computes with the whole batch.

A process owns those neurons' weights and biases, and of the output layer the weights that come from them; it reads
and moves no others. So parameters, gradients and moments stay in its own cache. What travels is activations, and
partial sums of what is a sum over a layer's neurons:

- Forward: each hidden layer's activations are put together, the output's weighted sums are added up.
- Backward: dC/da of a hidden layer (BP2 of `nn/network.py`) is the sum of `W[own].T @ delta[own]` over the processes.
- Gradient: BP3 and BP4 need a process's own deltas only. It works them out block by block, and moves a block's
  parameters while the gradient is still in the cache. The whole gradient is never anywhere.

Arrays are (neurons, batch), so that a neuron's numbers lie together. Processes meet once for each hidden layer
forward, and once backward for each but the last. What they tell each other has two places, used in turn: who is ahead
writes into the other one, and cannot come back to this one before all have met again.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from mnistnet.nn.layer_buffers import parameter_views, without_subnormals
from mnistnet.nn.network import Network
from mnistnet.nn.optimizers import Block, Optimizer
from mnistnet.training.averaging import ParameterAverage
from mnistnet.training.data_loader import Batch, partition
from mnistnet.training.shared_step import SharedStep
from mnistnet.util.arrays import Array, ignore_fp_errors
from mnistnet.util.shared_memory import shared_zeros

GRADIENT = 2**19  # numbers of it that are worked out together; measured, see docs/experiments.md
PIECE = 2**17  # parameters that move together

ALL = slice(None)


class StepByNeurons(SharedStep):
    """Takes steps with each process computing some neurons for all examples.

    The network must have a hidden layer. Each process adds up what the others tell it in the same order, so that all
    see the same outputs, and the same seed gives the same weights for the same number of processes.
    """

    def __post_init__(self) -> None:
        network, sizes, workers = self.network, self.batch_sizes, self.pool.size
        self._exchanges = {size: [_Exchange(network, size, workers) for _ in range(2)] for size in sizes}
        self._parts = [_Part(network, self.optimizer, sizes, worker, workers) for worker in range(workers)]
        if self.average is not None:
            for part in self._parts:
                part.follow(network.parameters, self.average, self.decay)

    @ignore_fp_errors
    def run(self, worker: int, batch: Batch, learning_rate: float = 0.0) -> None:
        """Do a worker's part of one step. The learning rate is worker 0's to say."""
        part, exchange = self._parts[worker], self._exchanges[len(batch)][self.optimizer.steps % 2]
        memory = part.memory[len(batch)]
        if worker == 0:
            exchange.rate[0] = learning_rate
        self._forward(worker, batch, part, memory, exchange)
        self._backward(worker, batch, part, memory, exchange)
        self._move(batch, part, memory, exchange)

    def _forward(self, worker: int, batch: Batch, part: "_Part", memory: "_Memory", exchange: "_Exchange") -> None:
        network, last = self.network, len(part.neurons) - 1
        a = batch.inputs.T
        for layer, neurons in enumerate(part.neurons):
            own = exchange.activations[layer][neurons]
            np.dot(part.weights[layer], a, own)
            np.add(own, part.biases[layer], own)
            network.activation.value(own, own)
            if batch.masks:
                np.multiply(own, batch.masks[layer].T[neurons], own)
            if layer < last:
                self.pool.barrier(worker)  # the whole layer is known
                a = exchange.activations[layer]
        np.dot(part.output_weights, own, exchange.logits[worker])
        if worker == 0:  # owns the output's biases
            np.add(exchange.logits[0], network.biases[-1][:, None], exchange.logits[0])
        self.pool.barrier(worker)  # all parts of the output's weighted sums are known
        np.add.reduce(exchange.logits, axis=0, out=memory.logits)
        batch.logits[...] = memory.logits.T  # every process writes the same

    def _backward(self, worker: int, batch: Batch, part: "_Part", memory: "_Memory", exchange: "_Exchange") -> None:
        network, last = self.network, len(part.neurons) - 1
        output, delta = memory.output.T, memory.output_delta
        network.loss.output(memory.logits.T, output)
        network.loss.delta(output, batch.targets, memory.scale, delta.T, memory.d_output)
        if batch.weights is not None:
            np.multiply(delta, batch.weights.T, delta)
        without_subnormals(delta)
        for layer in range(last, -1, -1):
            neurons, delta, d_activation = part.neurons[layer], memory.deltas[layer], memory.d_activations[layer]
            own = exchange.activations[layer][neurons]
            undropped = np.multiply(own, self.keep[layer], d_activation) if batch.masks else own
            network.activation.derivative(undropped, delta)
            if layer == last:
                np.dot(part.output_weights.T, memory.output_delta, d_activation)
            else:
                np.dot(part.weights[layer + 1].T, memory.deltas[layer + 1], exchange.d_activations[layer][worker])
                self.pool.barrier(worker)  # all parts of dC/da are known
                np.add.reduce(exchange.d_activations[layer][:, neurons], axis=0, out=d_activation)
            np.multiply(delta, d_activation, delta)
            if batch.masks:
                np.multiply(delta, batch.masks[layer].T[neurons], delta)

    def _move(self, batch: Batch, part: "_Part", memory: "_Memory", exchange: "_Exchange") -> None:
        optimizer = self.optimizer
        optimizer.steps += 1  # every process counts for itself
        constants = optimizer.step_constants(optimizer.steps, float(exchange.rate[0]))
        before = [batch.inputs, *(a.T for a in exchange.activations[:-1])]
        before.append(exchange.activations[-1][part.neurons[-1]].T)
        deltas = [*memory.deltas, memory.output_delta]
        for layer, rows, are_weights, gradient, blocks in part.moves:
            np.dot(deltas[layer][rows], before[layer] if are_weights else memory.ones, gradient)  # BP4, BP3
            optimizer.apply(blocks, constants)
        for average in part.averages:
            average.update(optimizer.steps)


class _Exchange:
    """What processes tell each other in a step.

    - `activations`: of each hidden layer (neurons, batch), every process having written those of its neurons.
    - `logits`, (workers, classes, batch): each process's part of the output's weighted sums.
    - `d_activations`, (workers, neurons, batch): of each hidden layer but the last, each process's part of dC/da.
    - `rate`, (1,): the learning rate.
    """

    def __init__(self, network: Network, size: int, workers: int) -> None:
        *hidden, classes = network.layer_sizes[1:]
        self.activations = [shared_zeros((n, size), network.dtype) for n in hidden]
        self.logits = shared_zeros((workers, classes, size), network.dtype)
        self.d_activations = [shared_zeros((workers, n, size), network.dtype) for n in hidden[:-1]]
        self.rate = shared_zeros(1, float)


class _Memory:
    """What a process keeps for itself in a step, for batches of one size; a hidden layer has its own neurons only."""

    def __init__(self, network: Network, neurons: list[slice], size: int) -> None:
        def room(rows: int) -> Array:
            return np.empty((rows, size), network.dtype)

        classes = network.layer_sizes[-1]
        self.deltas = [room(own.stop - own.start) for own in neurons]
        self.d_activations = [room(own.stop - own.start) for own in neurons]
        self.logits, self.output, self.output_delta = room(classes), room(classes), room(classes)
        self.d_output = room(classes).T if network.loss.has_activation_derivative else None
        self.scale: Array = np.array(1 / size, network.dtype)
        self.ones: Array = np.ones(size, network.dtype)


class _Move(NamedTuple):
    """Weights or biases of a layer whose gradient is worked out together: `rows` of the process's own deltas."""

    layer: int
    rows: slice
    are_weights: bool
    gradient: Array
    blocks: list[Block]


class _Part:
    """What one process owns: neurons of each hidden layer, and the parameters that it alone reads and moves."""

    def __init__(
        self, network: Network, optimizer: Optimizer, batch_sizes: Sequence[int], worker: int, workers: int
    ) -> None:
        self._sizes, self._optimizer = network.layer_sizes, optimizer
        *hidden, _ = self._sizes[1:]
        self.neurons = [partition(slice(0, size), worker, workers) for size in hidden]
        self.weights = [w[own] for w, own in zip(network.weights, self.neurons, strict=False)]
        self.biases = [b[own, None] for b, own in zip(network.biases, self.neurons, strict=False)]
        self.output_weights = network.weights[-1][:, self.neurons[-1]]
        self.memory = {size: _Memory(network, self.neurons, size) for size in batch_sizes}
        self.averages: list[ParameterAverage] = []
        self.moves: list[_Move] = []
        self._views: list[Callable[[Array], Array]] = []
        largest = max(GRADIENT, network.weights[-1].size, *self._sizes)
        self._gradient, self._scratch = np.empty((2, largest), network.dtype)
        for layer, own in enumerate(self.neurons):
            height = max(1, GRADIENT // self._sizes[layer])
            for start in range(own.start, own.stop, height):
                stop = min(start + height, own.stop)
                self._add(layer, slice(start - own.start, stop - own.start), slice(start, stop), are_weights=True)
            self._add(layer, ALL, own, are_weights=False)
        self._add(len(hidden), ALL, (ALL, self.neurons[-1]), are_weights=True)
        if worker == 0:
            self._add(len(hidden), ALL, ALL, are_weights=False)

    def follow(self, parameters: Array, average: Array, decay: float) -> None:
        """Let these parameters' `average` follow them."""
        self.averages = [ParameterAverage(view(parameters), view(average), decay) for view in self._views]

    def _add(self, layer: int, rows: slice, index: Any, *, are_weights: bool) -> None:
        """Add the parameters at an index of the layer's weights or biases, in pieces of whole rows."""

        def view(vector: Array, piece: slice = ALL) -> Array:
            weights, biases = parameter_views(self._sizes, vector)
            found: Array = (weights if are_weights else biases)[layer][index][piece]
            return found

        like = view(self._optimizer.parameters)
        gradient, scratch = (memory[: like.size].reshape(like.shape) for memory in (self._gradient, self._scratch))
        height = max(1, PIECE * len(like) // max(1, like.size))
        blocks = []
        for piece in (slice(start, start + height) for start in range(0, len(like), height)):
            space = scratch[: len(like[piece])]
            select = partial(view, piece=piece)
            blocks.append(self._optimizer.block(select, gradient[piece], scratch=space, decays=are_weights))
        self.moves.append(_Move(layer, rows, are_weights, gradient, blocks))
        self._views.append(view)
