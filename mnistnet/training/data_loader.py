"""Prepares batches for a training: shuffled, scaled to 0 to 1, and distorted if the config asks for it.

A superbatch is a run of whole batches, large enough that handing it over costs nothing. Processes that share the steps
prepare each superbatch together. Where one takes the steps alone, a thread prepares the next superbatch on a second
core while the network learns from this one: gathering, casting and distorting release Python's lock. Two buffers
alternate; they and the views of their batches are made once.

What is random in a superbatch depends on seed, epoch and the number of its first batch, not on who prepares it.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType

import numpy as np
import numpy.typing as npt

from mnistnet.config.schema import Config
from mnistnet.data.augment import Augmenter
from mnistnet.data.datasets import WHITE, Examples
from mnistnet.util.arrays import Array
from mnistnet.util.rng import Use, generator
from mnistnet.util.shared_memory import shared_zeros

SUPERBATCH = 2048  # examples; of MNIST they take 6 MB as float32


def partition(whole: slice, worker: int, workers: int) -> slice:
    """Return one worker's part of a run of rows or parameters: as many as the others', to the nearest one."""
    n = whole.stop - whole.start
    return slice(whole.start + n * worker // workers, whole.start + n * (worker + 1) // workers)


@dataclass(slots=True)
class Batch:
    """Examples side by side: views of a buffer, whose memory is used again for later ones.

    - `inputs` (n, pixels), from 0 to 1; `labels` (n,).
    - `targets` (n, classes): 1 at the label and 0 elsewhere, or a little less extreme by label smoothing.
    - `masks`: dropout's, for each hidden layer (n, neurons): 0 where an activation is dropped, else 1 / (1 - its share
      of dropped ones). None without dropout.
    - `logits` (n, classes): the step writes there what the network answered before it.
    - `weights` (n, 1): how much each example's cost counts; None: each counts 1.
    """

    inputs: Array
    labels: npt.NDArray[np.uint8]
    targets: Array
    masks: tuple[Array, ...]
    logits: Array
    weights: Array | None = None
    parts: "list[Batch]" = field(default_factory=list, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, rows: slice) -> "Batch":
        """Return a view of some of the examples."""
        masks = tuple([mask[rows] for mask in self.masks])
        weights = None if self.weights is None else self.weights[rows]
        return Batch(self.inputs[rows], self.labels[rows], self.targets[rows], masks, self.logits[rows], weights)

    def part(self, worker: int, workers: int) -> "Batch":
        """Return a view of one worker's share of the examples, made once."""
        if len(self.parts) != workers:
            self.parts = [self.rows(partition(slice(0, len(self)), w, workers)) for w in range(workers)]
        return self.parts[worker]


@dataclass(slots=True)
class Superbatch:
    """Consecutive batches of an epoch, `all` of them in one and one by one; before them it had so many `steps`.

    `batches` are to be visited once: the images of some are put in place only then.
    """

    all: Batch
    batches: Iterable[Batch]
    steps: int


class DataLoader:
    """Prepares superbatches of `examples` as the config says. Close it, or use it as a context manager.

    A superbatch is valid until the next one is asked for. With several `workers`, each of these processes must ask for
    the same superbatches at the same time, and `barrier(worker)` must return when all have called it. With `by_rows`
    a worker finds images in its own `part` of each batch only, while it is that batch's turn.
    """

    def __init__(
        self,
        examples: Examples,
        config: Config,
        batch_size: int,
        workers: int = 1,
        barrier: Callable[[int], None] | None = None,
        *,
        by_rows: bool = False,
    ) -> None:
        self._examples, self._seed, self.batch_size = examples, config.seed, batch_size
        self._workers, self._barrier = workers, barrier
        self._epochs = config.schedule_epochs or config.epochs
        self._rows = min(batch_size * max(1, SUPERBATCH // batch_size), len(examples))
        pixels, *hidden, classes = config.layer_sizes
        self._dropped = config.dropout_shares
        self._bytes = np.empty((self._rows, pixels), np.uint8)
        self._in_turn = by_rows and not config.augment
        own_rows = -(-batch_size // workers) if self._in_turn else 0
        self._ready = np.empty((own_rows, pixels), np.float32)
        self._buffers = [
            Batch(
                shared_zeros((self._rows, pixels), np.float32),
                shared_zeros(self._rows, np.uint8),
                shared_zeros((self._rows, classes), np.float32),
                tuple(shared_zeros((self._rows, size), np.float32) for size in (hidden if self._dropped else [])),
                # A class's numbers lie together: to add up over classes is then three times as quick.
                shared_zeros((classes, self._rows), np.float32).T,
                shared_zeros((self._rows, 1), np.float32) if config.class_weights else None,
            )
            for _ in range(1 if self._rows == len(examples) else 2)
        ]
        self._batches = [self._divided(buffer) for buffer in self._buffers]
        # An example of no class has the label after the last, and all classes are equally likely.
        none = np.full((1, classes), 1 / classes, np.float32)
        self._targets = np.concatenate([smoothed(np.eye(classes, dtype=np.float32), config.label_smoothing), none])
        self._class_weights = np.concatenate([balanced(examples.labels, classes), np.ones((1, 1), np.float32)])
        self._augment = Augmenter(config.augment, examples.shape) if config.augment else None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mnistnet-loader") if workers == 1 else None

    def __enter__(self) -> "DataLoader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._thread:
            self._thread.shutdown(wait=True, cancel_futures=True)

    def superbatches(self, epoch: int, worker: int = 0) -> Iterator[Superbatch]:
        """Yield all examples in the random order of an epoch, which counts from 1."""
        order = generator(self._seed, Use.SHUFFLE, epoch).permutation(len(self._examples))
        starts = range(0, len(order), self._rows)
        if self._thread:
            coming = self._thread.submit(self._fill, order, epoch, 0)
            for start in starts:
                superbatch = coming.result()
                if start + self._rows < len(order):
                    coming = self._thread.submit(self._fill, order, epoch, start + self._rows)
                yield superbatch
        else:
            for start in starts:
                # Into the buffer that the last superbatch does not use: another process may still be looking at that.
                superbatch = self._fill(order, epoch, start, worker)
                if self._barrier:
                    self._barrier(worker)
                yield superbatch

    def _divided(self, examples: Batch) -> list[Batch]:
        n, size = len(examples), self.batch_size
        return [examples.rows(slice(start, min(start + size, n))) for start in range(0, n, size)]

    def _fill(self, order: npt.NDArray[np.intp], epoch: int, start: int, worker: int = 0) -> Superbatch:
        """Do a worker's part of preparing the superbatch that starts there, and return it."""
        indices, steps = order[start : start + self._rows], start // self.batch_size
        number = start // self._rows % len(self._buffers)
        if len(indices) == self._rows:
            found = Superbatch(self._buffers[number], self._batches[number], steps)
        else:
            rest = self._buffers[number].rows(slice(0, len(indices)))
            found = Superbatch(rest, self._divided(rest), steps)
        everything, own = found.all, partition(slice(0, len(indices)), worker, self._workers)
        # mode="clip" because "raise" copies through a hidden buffer; the indices are known to be valid.
        np.take(self._examples.labels, indices, out=everything.labels, mode="clip")
        if self._augment:
            random = generator(self._seed, Use.AUGMENT, epoch, steps)
            pixels = self._pixels(indices)
            strength = self._augment.settings.strength(epoch, self._epochs)
            self._augment(pixels, everything.inputs, random, everything.labels, worker, self._workers, strength)
        elif self._in_turn:
            found.batches = self._scaled_in_turn(indices, found.batches, worker)
        else:
            self._scale(indices[own], everything.inputs[own])
        np.take(self._targets, everything.labels[own], axis=0, out=everything.targets[own], mode="clip")
        if everything.weights is not None:
            np.take(self._class_weights, everything.labels[own], axis=0, out=everything.weights[own], mode="clip")
        if worker == 0 and everything.masks:  # one stream of numbers, so one process draws them
            random = generator(self._seed, Use.DROPOUT, epoch, steps)
            for mask, share in zip(everything.masks, self._dropped, strict=True):
                draw_mask(mask, share, random)
        return found

    def _scaled_in_turn(self, indices: npt.NDArray[np.intp], batches: Iterable[Batch], worker: int) -> Iterator[Batch]:
        """Yield the batches, scaling a worker's share of each just before: these images are in its cache then."""
        start = 0
        for batch in batches:
            own, rows = batch.part(worker, self._workers), slice(start, start + len(batch))
            own.inputs = self._ready[: len(own)]
            self._scale(indices[partition(rows, worker, self._workers)], own.inputs)
            start += len(batch)
            yield batch

    def _scale(self, indices: npt.NDArray[np.intp], inputs: Array) -> None:
        """Gather pixels and scale them to 0 to 1."""
        # Cast, then divide: dividing bytes into floats goes through buffers, and takes a quarter longer.
        inputs[...] = self._pixels(indices)
        np.divide(inputs, WHITE, inputs)

    def _pixels(self, indices: npt.NDArray[np.intp]) -> npt.NDArray[np.uint8]:
        pixels = self._bytes[: len(indices)]
        np.take(self._examples.images, indices, axis=0, out=pixels, mode="clip")
        return pixels


def balanced(labels: npt.NDArray[np.uint8], classes: int) -> Array:
    """Return a weight for each class, float32 (classes, 1): the mean size of a class over its own size.

    Their mean over the examples is 1, and all classes that there are weigh the same together, as scikit-learn's
    "balanced" (King & Zeng 2001). A class without an example has weight 0.
    """
    counts = np.bincount(labels, minlength=classes)[:classes, None]
    mean = counts.sum() / np.count_nonzero(counts)
    result: Array = np.divide(mean, counts, out=np.zeros(counts.shape), where=counts > 0).astype(np.float32)
    return result


def smoothed(one_hot: Array, share: float) -> Array:
    """Return targets of which `share` is spread evenly over all classes (Szegedy et al. 2016, section 7)."""
    result: Array = one_hot * np.float32(1 - share) + np.float32(share / one_hot.shape[1])
    return result


def draw_mask(mask: Array, share: float, random: np.random.Generator) -> None:
    """Fill in 0 for about `share` of the places, to the nearest of 65,536, and 1 / (1 - share) for the others."""
    numbers = random.integers(0, 2**16, mask.shape, np.uint16)
    np.greater_equal(numbers, round(share * 2**16), out=mask)
    mask *= np.float32(1 / (1 - share))
