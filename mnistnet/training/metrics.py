"""Counts what an epoch is judged by, from the logits that its steps leave behind."""

from math import isfinite

import numpy as np
import numpy.typing as npt

from mnistnet.nn.network import Network
from mnistnet.training.data_loader import Superbatch
from mnistnet.training.parallel import partition
from mnistnet.util.arrays import Array
from mnistnet.util.shared_memory import shared_zeros


class MetricsAccumulator:
    """Adds up cost, right answers and predicted classes, chunk by chunk, so that a step need not stop for it.

    Each process counts some of the rows, in shared memory.
    """

    ROWS = 384  # looked at together: enough to be quick, few enough to need next to no memory

    def __init__(self, network: Network, parts: int) -> None:
        self._loss, self._parts = network.loss, parts
        self._costs, self._correct = shared_zeros(parts, np.float64), shared_zeros(parts, np.int64)
        self._predicted = shared_zeros((parts, network.layer_sizes[-1]), np.int64)
        self._diverged = shared_zeros(parts, np.int64)

    @property
    def cost(self) -> float:
        """The sum of all costs."""
        return float(self._costs.sum())

    @property
    def correct(self) -> int:
        """How many predictions were right."""
        return int(self._correct.sum())

    @property
    def predicted(self) -> npt.NDArray[np.int64]:
        """How often each class was predicted."""
        sums: npt.NDArray[np.int64] = self._predicted.sum(axis=0)
        return sums

    @property
    def diverged(self) -> int:
        """The first step, from 1, in which a cost was found that is not a finite number, or 0."""
        found = self._diverged[self._diverged > 0]
        return int(found.min()) if found.size else 0

    def clear(self) -> None:
        """Forget everything."""
        for counts in (self._costs, self._correct, self._predicted, self._diverged):
            counts[...] = 0

    def add(self, part: int, logits: Array, chunk: Superbatch, steps: int, batch_size: int) -> None:
        """Count a part of the examples of a chunk, before whose batches so many steps were taken."""
        own = partition(slice(0, len(logits)), part, self._parts)
        for start in range(own.start, own.stop, self.ROWS):
            rows = slice(start, min(start + self.ROWS, own.stop))
            costs = self._loss.costs(logits[rows], chunk.targets[rows])
            total = float(costs.sum(dtype=np.float64))
            if not isfinite(total):
                self._diverged[part] = 1 + steps + (start + int(np.isfinite(costs).argmin())) // batch_size
                return
            answers = logits[rows].argmax(axis=1)
            self._costs[part] += total
            self._correct[part] += np.count_nonzero(answers == chunk.labels[rows])
            self._predicted[part] += np.bincount(answers, minlength=self._predicted.shape[1])
