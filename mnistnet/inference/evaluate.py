"""Evaluation on a set of examples: cost, accuracy and confusion matrix, as sums divided by N."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mnistnet.data.datasets import WHITE, Examples
from mnistnet.errors import DataError, DivergedError
from mnistnet.nn.network import Network
from mnistnet.util.arrays import Array, ignore_fp_errors

BATCH = 1000


@dataclass(frozen=True)
class Evaluation:
    """`loss`: mean cost. `confusion[true, predicted]`: counts. `logits`: shape (n, classes), in the examples' order."""

    loss: float
    confusion: npt.NDArray[np.int64]
    logits: Array

    @property
    def total(self) -> int:
        """How many examples there were."""
        return int(self.confusion.sum())

    @property
    def correct(self) -> int:
        """How many were classified as what they are."""
        return int(np.trace(self.confusion))

    @property
    def accuracy(self) -> float:
        """The share that was right, 0 to 1."""
        return self.correct / self.total

    @property
    def precision(self) -> npt.NDArray[np.float64]:
        """Of the examples called d, the share that are d; nan where none was called so."""
        return self._share(self.confusion.sum(axis=0))

    @property
    def recall(self) -> npt.NDArray[np.float64]:
        """Of the examples that are d, the share that were called so; nan where there are none."""
        return self._share(self.confusion.sum(axis=1))

    def _share(self, totals: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        right = np.diag(self.confusion).astype(float)
        shares: npt.NDArray[np.float64] = np.divide(right, totals, out=np.full(len(right), np.nan), where=totals > 0)
        return shares

    def confusions(self) -> list[tuple[int, int, int]]:
        """Return (true, predicted, count) of each kind of mistake that was made, the most frequent first."""
        wrong = [(int(t), int(p), int(self.confusion[t, p])) for t, p in np.argwhere(self.confusion) if t != p]
        return sorted(wrong, key=lambda row: -row[2])


def evaluate(network: Network, examples: Examples, on_batch: Callable[[int], object] | None = None) -> Evaluation:
    """Run the network over all examples, the last partial batch included; `on_batch(n)` is called after
    every n.

    Raises DataError where there are none, DivergedError where an answer is not a finite number.
    """
    if not len(examples):
        raise DataError("there are no images to evaluate the network on: expected at least one")
    logits = forward(network, examples.images, on_batch)
    classes = logits.shape[1]
    costs = network.loss.costs(logits, np.eye(classes, dtype=logits.dtype)[examples.labels])
    if not np.isfinite(costs).all():
        bad = int(np.count_nonzero(~np.isfinite(costs)))
        raise DivergedError(
            f"the network's answer to {bad:,} of {len(examples):,} images is not a finite number: "
            "its weights are too large to compute with; train it again with a lower learning rate"
        )
    return Evaluation(float(costs.mean(dtype=np.float64)), confusion(examples, logits), logits)


def confusion(examples: Examples, logits: Array) -> npt.NDArray[np.int64]:
    """Return how often each true class (row) was taken for each class (column), by the largest logit."""
    classes = logits.shape[1]
    pairs = examples.labels.astype(np.int64) * classes + logits.argmax(axis=1)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


@ignore_fp_errors
def forward(network: Network, images: npt.NDArray[np.uint8], on_batch: Callable[[int], object] | None = None) -> Array:
    """Return the logits of each image, shape (n, classes)."""
    logits = np.empty((len(images), network.layer_sizes[-1]), network.dtype)
    inputs = np.empty((min(BATCH, len(images)), images.shape[1]), network.dtype)
    trace = network.forward_cache(len(inputs))
    for start in range(0, len(images), BATCH):
        pixels = images[start : start + BATCH]
        if len(pixels) < len(trace.logits):
            trace = network.forward_cache(len(pixels))
        batch = inputs[: len(pixels)]
        np.divide(pixels, WHITE, out=batch)
        logits[start : start + len(pixels)] = network.forward(batch, trace).logits
        if on_batch:
            on_batch(len(pixels))
    return logits
