"""Feeds a training with batches: shuffled, and distorted if so asked.

A chunk is a run of whole batches, large enough that handing it over costs nothing. Processes that share the steps
prepare each chunk together. Where one takes the steps alone, a thread prepares the next chunk on a second core while
the network learns from this one: gathering, casting and distorting release Python's lock. Two buffers alternate; they
are made once.

What is random in a chunk depends on seed, epoch and the number of its first batch, not on who prepares it.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType

import numpy as np
import numpy.typing as npt

from mnistnet.config.schema import Config
from mnistnet.data.augment import Augmenter
from mnistnet.data.datasets import Examples
from mnistnet.training.parallel import partition
from mnistnet.training.process_pool import ProcessPool
from mnistnet.util.arrays import Array
from mnistnet.util.rng import Use, generator
from mnistnet.util.shared_memory import shared_zeros

CHUNK = 2048  # examples; a chunk of MNIST is 6 MB as float32
WHITE = np.float32(255)


@dataclass(frozen=True)
class Superbatch:
    """Consecutive batches: `inputs` (n, pixels) from 0 to 1, `labels` (n,), `targets` (n, classes).

    A target is 1 at the label and 0 elsewhere, or a little less extreme by label smoothing. `masks` are dropout's:
    for each hidden layer (n, neurons), 0 where an activation is dropped, else 1 / (1 - its share of dropped ones).
    `buffer` is the number of the buffer that holds all this.
    """

    inputs: Array
    targets: Array
    labels: npt.NDArray[np.uint8]
    masks: list[Array]
    buffer: int

    def __len__(self) -> int:
        return len(self.inputs)

    def batches(self, size: int) -> Iterator[slice]:
        """Yield the rows of each batch; the last one of an epoch may be smaller."""
        for start in range(0, len(self), size):
            yield slice(start, min(start + size, len(self)))


class DataLoader:
    """Prepares chunks of `examples` as the config says. Close it, or use it as a context manager.

    A chunk holds at most `rows` examples and is valid until the next one is asked for: its memory is then reused.
    With a `team`, each of its processes must ask for the same chunks at the same time.
    """

    def __init__(self, examples: Examples, config: Config, batch_size: int, team: ProcessPool | None = None) -> None:
        self._examples, self._seed, self.batch_size = examples, config.seed, batch_size
        self._team = team if team and team.size > 1 else None
        self.rows = min(batch_size * max(1, CHUNK // batch_size), len(examples))
        pixels, *hidden, classes = config.layer_sizes
        self._dropped = config.dropout_shares
        sizes = hidden if self._dropped else []
        self._buffers = [
            Superbatch(
                shared_zeros((self.rows, pixels), np.float32),
                shared_zeros((self.rows, classes), np.float32),
                shared_zeros(self.rows, np.uint8),
                [shared_zeros((self.rows, size), np.float32) for size in sizes],
                number,
            )
            for number in range(1 if self.rows == len(examples) else 2)
        ]
        self._bytes = np.empty((self.rows, pixels), np.uint8)
        self._smooth_one_hot = smoothed(np.eye(classes, dtype=np.float32), config.label_smoothing)
        self._augment = Augmenter(config.augment, examples.shape) if config.augment else None
        self._thread = None if self._team else ThreadPoolExecutor(1, thread_name_prefix="mnistnet-feeder")

    def __enter__(self) -> "DataLoader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._thread:
            self._thread.shutdown(wait=True, cancel_futures=True)

    def chunks(self, order: npt.NDArray[np.intp], epoch: int, part: int = 0) -> Iterator[Superbatch]:
        """Yield the examples at the indices `order`, which must be valid, as chunks in that order."""
        starts = range(0, len(order), self.rows)
        if self._team:
            for start in starts:
                # Into the buffer that the last chunk does not use: another process may still be looking at that.
                chunk = self._fill(order, epoch, start, part, self._team.size)
                self._team.barrier(part)
                yield chunk
        elif self._thread:
            coming = self._thread.submit(self._fill, order, epoch, 0)
            for start in starts:
                chunk = coming.result()
                if start + self.rows < len(order):
                    coming = self._thread.submit(self._fill, order, epoch, start + self.rows)
                yield chunk

    def buffered(self, number: int, rows: slice) -> Superbatch:
        """Return these rows of the chunk that is in the buffer of this number."""
        whole = self._buffers[number]
        masks = [mask[rows] for mask in whole.masks]
        return Superbatch(whole.inputs[rows], whole.targets[rows], whole.labels[rows], masks, number)

    def _fill(self, order: npt.NDArray[np.intp], epoch: int, start: int, part: int = 0, parts: int = 1) -> Superbatch:
        """Do a part of preparing a chunk, and return it."""
        indices, batch = order[start : start + self.rows], start // self.batch_size
        n, number = len(indices), start // self.rows % len(self._buffers)
        chunk = self.buffered(number, slice(0, n))
        # mode="clip" because "raise" copies through a hidden buffer; the indices are known to be valid.
        np.take(self._examples.labels, indices, out=chunk.labels, mode="clip")
        if self._augment:
            random = generator(self._seed, Use.AUGMENT, epoch, batch)
            self._augment(self._pixels(indices), chunk.inputs, random, chunk.labels, part, parts)
        else:
            for rows in [slice(0, n)] if parts == 1 else chunk.batches(self.batch_size):
                own = partition(rows, part, parts)
                inputs = chunk.inputs[own]
                # Cast, then divide: dividing bytes into floats goes through buffers, and takes a quarter longer.
                inputs[...] = self._pixels(indices[own])
                inputs /= WHITE
        own = partition(slice(0, n), part, parts)
        np.take(self._smooth_one_hot, chunk.labels[own], axis=0, out=chunk.targets[own], mode="clip")
        if part == 0 and chunk.masks:  # one stream of numbers, so one process draws them
            random = generator(self._seed, Use.DROPOUT, epoch, batch)
            for mask, share in zip(chunk.masks, self._dropped, strict=True):
                draw_mask(mask, share, random)
        return chunk

    def _pixels(self, indices: npt.NDArray[np.intp]) -> npt.NDArray[np.uint8]:
        pixels = self._bytes[: len(indices)]
        np.take(self._examples.images, indices, axis=0, out=pixels, mode="clip")
        return pixels


def smoothed(one_hot: Array, share: float) -> Array:
    """Return targets of which `share` is dealt out evenly over all classes (Szegedy et al. 2016, section 7)."""
    result: Array = one_hot * np.float32(1 - share) + np.float32(share / one_hot.shape[1])
    return result


def draw_mask(mask: Array, share: float, random: np.random.Generator) -> None:
    """Fill in 0 for about `share` of the places, to the nearest of 65,536, and 1 / (1 - share) for the others."""
    numbers = random.integers(0, 2**16, mask.shape, np.uint16)
    np.greater_equal(numbers, round(share * 2**16), out=mask)
    mask *= np.float32(1 / (1 - share))
