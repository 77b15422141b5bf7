"""Training steps, shared among the processes of a team.

Each process works out the gradient of its rows of the batch. When all have, each adds the others' to its own for a
share of the parameters, and moves these. So processes meet twice a step and are else on their own; what travels
between their caches is weights and gradients, never images.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from mnistnet.nn.network import ForwardCache, Gradients, Network
from mnistnet.nn.optimizers import Optimizer
from mnistnet.training.process_pool import ProcessPool, processors
from mnistnet.util.arrays import Array, ignore_fp_errors
from mnistnet.util.shared_memory import shared_zeros

WORTH_A_PART = 2**19  # multiplications in a step's largest matrix product; see docs/experiments.md
MIN_ROWS = 32


def num_workers(layer_sizes: Sequence[int], batch_size: int) -> int:
    """Return in how many parts such steps are best shared: one a processor, if each has enough to do."""
    largest = batch_size * max(a * b for a, b in pairwise(layer_sizes))
    return max(1, min(processors(), largest // WORTH_A_PART, batch_size // MIN_ROWS))


def partition(whole: slice, part: int, parts: int) -> slice:
    """Return a part's share of a run of rows or parameters: as many as the others', to the nearest one."""
    n = whole.stop - whole.start
    return slice(whole.start + n * part // parts, whole.start + n * (part + 1) // parts)


class _Rows(NamedTuple):
    """Which rows of a batch a part works on, and where."""

    rows: slice
    cache: ForwardCache
    gradients: Gradients


class TrainStep:
    """Takes the steps of one training in batches of a size, and smaller ones at an epoch's end, in its own memory.

    `batch_sizes` are all that will come. `keep` is dropout's, for each hidden layer. `average`, if there is one,
    follows the network's parameters: their mean over all steps, until there have been 1 / (1 - decay), and from then
    on their exponential mean. `gradient` and `average` must lie in shared memory, and so must what `walk` is given
    if another process has made it.
    """

    def __init__(
        self,
        network: Network,
        optimizer: Optimizer,
        gradient: Array,
        batch_sizes: Sequence[int],
        team: ProcessPool,
        *,
        keep: Sequence[float] = (),
        average: Array | None = None,
        decay: float = 0.0,
    ) -> None:
        self._network, self._optimizer, self._team, self._decay = network, optimizer, team, decay
        self._batch_size = batch_sizes[0]
        others = [shared_zeros(gradient.shape, gradient.dtype) for _ in range(1, team.size)]
        self._rows: list[dict[int, _Rows]] = [{} for _ in range(team.size)]
        for part, flat in enumerate((gradient, *others)):
            for size in batch_sizes:
                rows = partition(slice(0, size), part, team.size)
                n = rows.stop - rows.start
                cache = network.forward_cache(n)
                cache.keep = keep
                self._rows[part][size] = _Rows(rows, cache, network.gradients(n, flat, size))
        shares = [partition(slice(0, gradient.size), part, team.size) for part in range(team.size)]
        self._blocks = [optimizer.blocks(share, others) for share in shares]
        self._averages = [_averages(network.parameters[share], average, share) for share in shares]

    @ignore_fp_errors
    def walk(
        self,
        part: int,
        inputs: Array,
        targets: Array,
        masks: Sequence[Array],
        rates: Sequence[float],
        logits: Array,
    ) -> None:
        """Do a part of moving the network downhill, batch after batch, and note the logits that each was based on.

        `inputs` (n, pixels), `targets` and `logits` (n, classes) and for dropout `masks` (n, neurons) of each hidden
        layer hold the batches one after the other; `rates` has a learning rate for each. A part looks at its
        `partition` each batch's rows only, and fills in their logits.
        """
        network, optimizer, team, size = self._network, self._optimizer, self._team, self._batch_size
        places, blocks, averages = self._rows[part], self._blocks[part], self._averages[part]
        for start, rate in zip(range(0, len(inputs), size), rates, strict=True):
            rows, cache, gradients = places[min(size, len(inputs) - start)]
            own = slice(start + rows.start, start + rows.stop)
            if masks:
                cache.masks = [mask[own] for mask in masks]
            network.feed_forward(inputs[own], cache)
            network.send_back(cache, targets[own], gradients)
            logits[own] = cache.logits
            team.barrier(part)  # all gradients are known
            optimizer.steps += 1  # every process counts for itself
            optimizer.move(blocks, optimizer.pace(optimizer.steps, rate))
            for average, values, scratch in averages:
                np.subtract(values, average, out=scratch)
                np.multiply(scratch, 1 - min(self._decay, (optimizer.steps - 1) / optimizer.steps), out=scratch)
                np.add(average, scratch, out=average)
            team.barrier(part)  # all parameters have moved


def _averages(values: Array, average: Array | None, share: slice) -> list[tuple[Array, Array, Array]]:
    """Return a share of the average if there is one, the parameters it follows, and scratch space."""
    return [] if average is None else [(average[share], values, np.empty_like(values))]
