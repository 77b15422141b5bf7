"""Feeds a training with batches: shuffled, divided by 255, one chunk ahead of the network on a second core.

A chunk is a run of whole batches, large enough that handing it over costs nothing. Gathering and casting release
Python's lock, so a thread prepares the next chunk while the network learns from this one. Two buffers alternate;
they are made once.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType

import numpy as np
import numpy.typing as npt

from mnistnet.datasets import Examples
from mnistnet.functions import Array

CHUNK = 2048  # examples; a chunk of MNIST is 6 MB as float32
WHITE = np.float32(255)


@dataclass(frozen=True)
class Chunk:
    """Consecutive batches: `inputs` (n, pixels) from 0 to 1, `labels` (n,), `targets` (n, classes) with a 1 at each."""

    inputs: Array
    targets: Array
    labels: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.inputs)

    def batches(self, size: int) -> Iterator[slice]:
        """Yield the rows of each batch; the last one of an epoch may be smaller."""
        for start in range(0, len(self), size):
            yield slice(start, min(start + size, len(self)))


class Feeder:
    """Prepares chunks of `examples` in the order it is told. Close it, or use it as a context manager.

    A chunk holds at most `rows` examples and is valid until the next one is asked for: its memory is then reused.
    """

    def __init__(self, examples: Examples, batch_size: int, classes: int) -> None:
        self._examples = examples
        self.rows = min(batch_size * max(1, CHUNK // batch_size), len(examples))
        buffers = 1 if self.rows == len(examples) else 2
        pixels = examples.images.shape[1]
        self._bytes = np.empty((self.rows, pixels), np.uint8)
        self._inputs = [np.empty((self.rows, pixels), np.float32) for _ in range(buffers)]
        self._targets = [np.empty((self.rows, classes), np.float32) for _ in range(buffers)]
        self._one_hot = np.eye(classes, dtype=np.float32)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mnistnet-feeder")

    def __enter__(self) -> "Feeder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)

    def chunks(self, order: npt.NDArray[np.intp]) -> Iterator[Chunk]:
        """Yield the examples at the indices `order`, which must be valid, as chunks in that order."""
        parts = [order[start : start + self.rows] for start in range(0, len(order), self.rows)]
        buffers = len(self._inputs)
        coming = self._thread.submit(self._fill, parts[0], 0)
        for number in range(len(parts)):
            chunk = coming.result()
            if number + 1 < len(parts):
                coming = self._thread.submit(self._fill, parts[number + 1], (number + 1) % buffers)
            yield chunk

    def _fill(self, indices: npt.NDArray[np.intp], buffer: int) -> Chunk:
        n = len(indices)
        pixels, inputs, targets = self._bytes[:n], self._inputs[buffer][:n], self._targets[buffer][:n]
        # mode="clip" because "raise" copies through a hidden buffer; the indices are known to be valid.
        np.take(self._examples.images, indices, axis=0, out=pixels, mode="clip")
        # Cast, then divide: dividing bytes into floats goes through buffers, and takes a quarter longer.
        inputs[...] = pixels
        inputs /= WHITE
        labels = np.take(self._examples.labels, indices)
        np.take(self._one_hot, labels, axis=0, out=targets, mode="clip")
        return Chunk(inputs, targets, labels)
