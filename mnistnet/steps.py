"""Training steps, shared among threads that each do a part of the same sums.

Two rounds make a step. In the first each thread carries its rows of the batch forward and their wishes back to the
deltas; in the second, when all deltas are known, it works out the gradient of its share of the neurons and moves
them. No part of a round needs a result of another, so threads meet twice a step and are else on their own, for as
many steps as there are batches at hand. The matrix library works with one thread meanwhile: its own threads meet in
every product, wait for each other in busy loops, and lose ten times what they gain when another program runs.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from copy import copy
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
    largest = batch_size * max(a * b for a, b in pairwise(layer_sizes))
    return max(1, min(processors(), largest // WORTH_A_THREAD, batch_size // LEAST_ROWS))


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def one_blas_thread() -> AbstractContextManager[Any]:
    """Keep the matrix library to one thread inside a `with` block."""
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(1, user_api="blas")
    return limits


class LeftAloneError(Exception):
    """Raised in a thread that waits for another one which has failed."""


class Team:
    """Threads that do a task's parts at the same time, the caller's being the first. Use it in a `with` block."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._tasks: list[SimpleQueue[Task | None]] = [SimpleQueue() for _ in range(size - 1)]
        self._done: SimpleQueue[BaseException | None] = SimpleQueue()
        self._hang_bells()
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
        errors = [self._attempt(task, 0), *(self._done.get() for _ in self._tasks)]
        found = [error for error in errors if error]
        if found:
            self._hang_bells()
            raise next((error for error in found if not isinstance(error, LeftAloneError)), found[0])

    def meet(self, part: int) -> None:
        """Return when all parts have called this as often as `part` has."""
        turn = self._turns[part] = 1 - self._turns[part]
        for other, bells in enumerate(self._bells):
            if other != part:
                bells[turn].put(True)
        for _ in range(self.size - 1):
            if not self._bells[part][turn].get():
                raise LeftAloneError

    def _hang_bells(self) -> None:
        # Two a part, used by turns: who is early for the next meeting does not disturb the one that is going on.
        self._bells: list[list[SimpleQueue[bool]]] = [[SimpleQueue(), SimpleQueue()] for _ in range(self.size)]
        self._turns = [0] * self.size

    def _work(self, part: int, tasks: "SimpleQueue[Task | None]") -> None:
        while task := tasks.get():
            self._done.put(self._attempt(task, part))

    def _attempt(self, task: Task, part: int) -> BaseException | None:
        """Do a part of a task; return what went wrong, of which all who wait for this part hear."""
        try:
            task(part)
        except BaseException as error:  # the caller's, whatever it is
            for bell in (bell for bells in self._bells for bell in bells):
                for _ in range(self.size):
                    bell.put(False)
            return error
        return None


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
    whole: Trace  # of all rows
    trace: Trace  # of its rows
    wishes: Gradients  # of its rows
    sums: Gradients  # of its neurons


class Stepper:
    """Takes the steps of one training in batches of a size, and smaller ones at an epoch's end, in its own memory.

    `batch_sizes` are all that will come. `keep` is dropout's, for each hidden layer. `average`, if there is one,
    follows the network's parameters: their mean over all steps, until there have been 1 / (1 - decay), and from then
    on their exponential mean.
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
        self._batch_size = batch_sizes[0]
        dealt = shares(network.layer_sizes, team.size)
        self._parts: list[dict[int, _Part]] = [{} for _ in dealt]
        for size in batch_sizes:
            whole, gradients = network.trace(size), network.gradients(size, gradient)
            whole.keep = keep
            cuts = [size * number // team.size for number in range(team.size + 1)]
            for parts, share, rows in zip(self._parts, dealt, map(slice, cuts, cuts[1:]), strict=True):
                views = whole.of_rows(rows), gradients.of_rows(rows), gradients.of_neurons(share.runs)
                parts[size] = _Part(rows, copy(whole), *views)
        self._blocks = [optimizer.blocks(share.weights, share.biases) for share in dealt]
        self._averages = [_averages(network.parameters, average, share) for share in dealt]

    def run(self, inputs: Array, targets: Array, masks: Sequence[Array], rates: Sequence[float], logits: Array) -> None:
        """Move the network downhill on batch after batch, once each, and note the logits that each was based on.

        `inputs` (n, pixels), `targets` and `logits` (n, classes) and for dropout `masks` (n, neurons) of each hidden
        layer hold the batches one after the other; `rates` has a learning rate for each.
        """
        if self._team.size == 1:
            self._walk(0, inputs, targets, masks, rates, logits)
        else:
            self._team.run(lambda part: self._walk(part, inputs, targets, masks, rates, logits))
        self._optimizer.steps += len(rates)

    @QUIETLY
    def _walk(
        self,
        number: int,
        inputs: Array,
        targets: Array,
        masks: Sequence[Array],
        rates: Sequence[float],
        logits: Array,
    ) -> None:
        """Do one thread's part of each step."""
        network, optimizer, parts, size = self._network, self._optimizer, self._parts[number], self._batch_size
        blocks, averages, step = self._blocks[number], self._averages[number], optimizer.steps
        meet: Callable[[], object] = (lambda: None) if self._team.size == 1 else (lambda: self._team.meet(number))
        for start, rate in zip(range(0, len(inputs), size), rates, strict=True):
            batch = inputs[start : start + size]
            part = parts[len(batch)]
            own = slice(start + part.rows.start, start + part.rows.stop)
            trace = part.trace
            if masks:
                trace.masks = [mask[own] for mask in masks]
            network.feed_forward(inputs[own], trace)
            network.backward_deltas(trace, targets[own], part.wishes)
            logits[own] = trace.logits
            meet()  # all deltas are known
            part.whole.activations[0] = batch
            network.backward_parameters(part.whole, part.sums)
            step += 1
            optimizer.move(blocks, optimizer.pace(step, rate))
            for average, values, scratch in averages:
                np.subtract(values, average, out=scratch)
                np.multiply(scratch, 1 - min(self._decay, (step - 1) / step), out=scratch)
                np.add(average, scratch, out=average)
            meet()  # all parameters have moved


def _averages(values: Array, average: Array | None, share: Share) -> list[tuple[Array, Array, Array]]:
    """Return a share's averages, the parameters they follow, and scratch space, in pieces."""
    if average is None:
        return []
    pieces = (share.weights, share.biases)
    return [(average[piece], values[piece], np.empty_like(values[piece])) for piece in pieces]
