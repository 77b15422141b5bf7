"""Feeds a training with batches: shuffled, distorted if so asked, one chunk ahead of the network on a second core.

A chunk is a run of whole batches, large enough that handing it over costs nothing. Gathering, casting and distorting
release Python's lock, so a thread prepares the next chunk while the network learns from this one. Two buffers
alternate; they are made once. What is random in a chunk depends on seed, epoch and the number of its first batch.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType

import numpy as np
import numpy.typing as npt

from mnistnet.augment import Augmenter
from mnistnet.config import Config
from mnistnet.datasets import Examples
from mnistnet.functions import Array
from mnistnet.randomness import Use, generator

CHUNK = 2048  # examples; a chunk of MNIST is 6 MB as float32
WHITE = np.float32(255)


@dataclass(frozen=True)
class Chunk:
    """Consecutive batches: `inputs` (n, pixels) from 0 to 1, `labels` (n,), `targets` (n, classes).

    A target is 1 at the label and 0 elsewhere, or a little less extreme by label smoothing. `masks` are dropout's:
    for each hidden layer (n, neurons), 0 where an activation is dropped, else 1 / (1 - its share of dropped ones).
    """

    inputs: Array
    targets: Array
    labels: npt.NDArray[np.uint8]
    masks: list[Array]

    def __len__(self) -> int:
        return len(self.inputs)

    def batches(self, size: int) -> Iterator[slice]:
        """Yield the rows of each batch; the last one of an epoch may be smaller."""
        for start in range(0, len(self), size):
            yield slice(start, min(start + size, len(self)))


class Feeder:
    """Prepares chunks of `examples` as the config says. Close it, or use it as a context manager.

    A chunk holds at most `rows` examples and is valid until the next one is asked for: its memory is then reused.
    """

    def __init__(self, examples: Examples, config: Config, batch_size: int) -> None:
        self._examples, self._seed, self._batch_size = examples, config.seed, batch_size
        self.rows = min(batch_size * max(1, CHUNK // batch_size), len(examples))
        buffers = 1 if self.rows == len(examples) else 2
        pixels, *hidden, classes = config.layer_sizes
        self._bytes = np.empty((self.rows, pixels), np.uint8)
        self._inputs = [np.empty((self.rows, pixels), np.float32) for _ in range(buffers)]
        self._targets = [np.empty((self.rows, classes), np.float32) for _ in range(buffers)]
        self._dropped = config.dropout_shares
        sizes = hidden if self._dropped else []
        self._masks = [[np.empty((self.rows, size), np.float32) for size in sizes] for _ in range(buffers)]
        self._smooth_one_hot = smoothed(np.eye(classes, dtype=np.float32), config.label_smoothing)
        self._augment = Augmenter(config.augment, examples.shape) if config.augment else None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mnistnet-feeder")

    def __enter__(self) -> "Feeder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)

    def chunks(self, order: npt.NDArray[np.intp], epoch: int) -> Iterator[Chunk]:
        """Yield the examples at the indices `order`, which must be valid, as chunks in that order."""
        starts = range(0, len(order), self.rows)
        coming = self._thread.submit(self._fill, order, epoch, 0)
        for start in starts:
            chunk = coming.result()
            if start + self.rows < len(order):
                coming = self._thread.submit(self._fill, order, epoch, start + self.rows)
            yield chunk

    def _fill(self, order: npt.NDArray[np.intp], epoch: int, start: int) -> Chunk:
        indices = order[start : start + self.rows]
        n, buffer, batch = len(indices), start // self.rows % len(self._inputs), start // self._batch_size
        pixels, inputs, targets = self._bytes[:n], self._inputs[buffer][:n], self._targets[buffer][:n]
        # mode="clip" because "raise" copies through a hidden buffer; the indices are known to be valid.
        np.take(self._examples.images, indices, axis=0, out=pixels, mode="clip")
        labels = np.take(self._examples.labels, indices)
        np.take(self._smooth_one_hot, labels, axis=0, out=targets, mode="clip")
        if self._augment:
            self._augment(pixels, inputs, generator(self._seed, Use.AUGMENT, epoch, batch), labels)
        else:
            # Cast, then divide: dividing bytes into floats goes through buffers, and takes a quarter longer.
            inputs[...] = pixels
            inputs /= WHITE
        masks = [mask[:n] for mask in self._masks[buffer]]
        if masks:
            random = generator(self._seed, Use.DROPOUT, epoch, batch)
            for mask, share in zip(masks, self._dropped, strict=True):
                draw_mask(mask, share, random)
        return Chunk(inputs, targets, labels, masks)


def smoothed(one_hot: Array, share: float) -> Array:
    """Return targets of which `share` is dealt out evenly over all classes (Szegedy et al. 2016, section 7)."""
    result: Array = one_hot * np.float32(1 - share) + np.float32(share / one_hot.shape[1])
    return result


def draw_mask(mask: Array, share: float, random: np.random.Generator) -> None:
    """Fill in 0 for about `share` of the places, to the nearest of 65,536, and 1 / (1 - share) for the others."""
    numbers = random.integers(0, 2**16, mask.shape, np.uint16)
    np.greater_equal(numbers, round(share * 2**16), out=mask)
    mask *= np.float32(1 / (1 - share))
