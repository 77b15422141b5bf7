"""A training step, shared among threads that each do a part of the same sums.

Two rounds make a step. In the first each thread carries its rows of the batch forward and their wishes back to the
deltas; in the second, when all deltas are known, it works out the gradient of its share of the neurons and moves
them. No part of a round needs a result of another, so a step has only two meeting places. The matrix library works
with one thread meanwhile: its own threads meet in every product, wait for each other in busy loops, and lose ten
times what they gain when another program runs.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from itertools import accumulate, pairwise
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np

from mnistnet.functions import QUIETLY, Array
from mnistnet.network import Gradients, Network, Trace
from mnistnet.optimizers import Optimizer

WORTH_A_THREAD = 2**23  # multiplications in a step's largest matrix product; see docs/experiments.md
LEAST_ROWS = 32

Task = Callable[[int], object]


def worthwhile_threads(layer_sizes: Sequence[int], batch_size: int) -> int:
    """Return how many threads such a step is worth: one a core, if each has enough to do."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    largest = batch_size * max(a * b for a, b in pairwise(layer_sizes))
    return max(1, min(cores, largest // WORTH_A_THREAD, batch_size // LEAST_ROWS))


def one_blas_thread() -> AbstractContextManager[Any]:
    """Keep the matrix library to one thread inside a `with` block."""
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(1, user_api="blas")
    return limits


class Team:
    """Threads that do a task's parts at the same time, the caller's being the first. Use it in a `with` block."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._tasks: list[SimpleQueue[Task | None]] = [SimpleQueue() for _ in range(size - 1)]
        self._done: SimpleQueue[BaseException | None] = SimpleQueue()
        for part, tasks in enumerate(self._tasks, 1):
            Thread(target=self._work, args=(part, tasks), name=f"mnistnet-step-{part}", daemon=True).start()

    def __enter__(self) -> "Team":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for tasks in self._tasks:
            tasks.put(None)

    def run(self, task: Task) -> None:
        """Call `task` with the number of each part, and return when all are done. Raises what a part raised."""
        for tasks in self._tasks:
            tasks.put(task)
        task(0)
        for error in [self._done.get() for _ in self._tasks]:
            if error:
                raise error

    def _work(self, part: int, tasks: "SimpleQueue[Task | None]") -> None:
        while task := tasks.get():
            error: BaseException | None = None
            try:
                task(part)
            except BaseException as problem:  # the caller's, whatever it is
                error = problem
            self._done.put(error)


class Share(NamedTuple):
    """A run of neurons, counted through the layers as the vector of parameters has them.

    `runs` are its neurons by layer; their `weights` lie together in that vector, and so do their `biases`.
    """

    runs: list[tuple[int, slice]]
    weights: slice
    biases: slice


def shares(layer_sizes: tuple[int, ...], parts: int) -> list[Share]:
    """Deal all neurons out in runs with about as many weights each."""
    starts = np.concatenate([[0], np.cumsum(np.repeat(layer_sizes[:-1], layer_sizes[1:]))])  # each neuron's weights
    cuts = [int(cut) for cut in np.searchsorted(starts, starts[-1] * np.arange(parts + 1) / parts)]
    layers = list(pairwise(accumulate(layer_sizes[1:], initial=0)))
    found = []
    for first, last in pairwise(cuts):
        runs = [(layer, slice(max(first, a) - a, min(last, b) - a)) for layer, (a, b) in enumerate(layers)]
        weights = slice(int(starts[first]), int(starts[last]))
        biases = slice(int(starts[-1]) + first, int(starts[-1]) + last)
        found.append(Share([run for run in runs if run[1].start < run[1].stop], weights, biases))
    return found


class _Part(NamedTuple):
    """What one thread works with, in batches of one size: views of the arrays that all share."""

    rows: slice
    trace: Trace
    wishes: Gradients  # of its rows
    sums: Gradients  # of its neurons


class Stepper:
    """Takes the steps of one training in batches of the sizes given, with memory that is made once.

    `keep` is dropout's, for each hidden layer. `average`, if there is one, follows the network's parameters: their
    mean over all steps, until there have been 1 / (1 - decay), and from then on their exponential mean.
    """

    def __init__(
        self,
        network: Network,
        optimizer: Optimizer,
        gradient: Array,
        batch_sizes: Sequence[int],
        team: Team,
        *,
        keep: Sequence[float] = (),
        average: Array | None = None,
        decay: float = 0.0,
    ) -> None:
        self._network, self._optimizer, self._team, self._decay = network, optimizer, team, decay
        self._traces: dict[int, Trace] = {}
        self._parts: dict[int, list[_Part]] = {}
        dealt = shares(network.layer_sizes, team.size)
        for size in batch_sizes:
            trace, gradients = network.trace(size), network.gradients(size, gradient)
            trace.keep = keep
            self._traces[size] = trace
            cuts = [size * number // team.size for number in range(team.size + 1)]
            self._parts[size] = [
                _Part(rows, trace.of_rows(rows), gradients.of_rows(rows), gradients.of_neurons(share.runs))
                for rows, share in zip(map(slice, cuts, cuts[1:]), dealt, strict=True)
            ]
        self._blocks = [optimizer.blocks(share.weights, share.biases) for share in dealt]
        self._averages = [_averages(network.parameters, average, share) for share in dealt]

    def step(self, inputs: Array, targets: Array, masks: Sequence[Array], learning_rate: float) -> Array:
        """Move the network once, downhill on one batch, and return the logits it was based on.

        `inputs` (n, pixels), `targets` (n, classes) and for dropout `masks` (n, neurons) of each hidden layer.
        """
        trace = self._traces[len(inputs)]
        trace.activations[0] = inputs
        self._batch = self._parts[len(inputs)], inputs, targets, masks
        self._trace = trace
        self._optimizer.prepare(learning_rate)
        self._team.run(self._wish)
        self._team.run(self._move)
        return trace.logits

    @QUIETLY
    def _wish(self, number: int) -> None:
        parts, inputs, targets, masks = self._batch
        rows, trace, wishes, _ = parts[number]
        trace.masks = [mask[rows] for mask in masks]
        self._network.forward(inputs[rows], trace)
        self._network.backward_deltas(trace, targets[rows], wishes)

    @QUIETLY
    def _move(self, number: int) -> None:
        self._network.backward_parameters(self._trace, self._batch[0][number].sums)
        self._optimizer.move(self._blocks[number])
        for average, values, scratch in self._averages[number]:
            steps = self._optimizer.steps
            np.subtract(values, average, out=scratch)
            np.multiply(scratch, 1 - min(self._decay, (steps - 1) / steps), out=scratch)
            np.add(average, scratch, out=average)


def _averages(values: Array, average: Array | None, share: Share) -> list[tuple[Array, Array, Array]]:
    """Return a share's averages, the parameters they follow, and scratch space, in pieces."""
    if average is None:
        return []
    pieces = (share.weights, share.biases)
    return [(average[piece], values[piece], np.empty_like(values[piece])) for piece in pieces]
