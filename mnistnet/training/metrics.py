"""The metrics of an epoch: cost, accuracy and predicted classes, and warnings that follow from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, sqrt

import numpy as np
import numpy.typing as npt

from mnistnet.nn.network import Network
from mnistnet.training.data_loader import Batch, partition
from mnistnet.util.arrays import Array, ignore_fp_errors
from mnistnet.util.shared_memory import shared_zeros

ONE_SIDED = 0.9  # the share of one class, or of neurons that cannot learn, above which a warning is due
EPOCHS_AT_CHANCE = 3
ROWS = 384  # looked at together: enough to be quick, few enough to need next to no memory


@dataclass(frozen=True)
class EpochMetrics:
    """What one epoch measured; the same in every run of the same config. Accuracies are fractions of 1.

    `loss` and `train_accuracy` are means over the epoch's batches, each measured before its step, of the very cost
    that is descended. `learning_rate` is that of the last step. Validation figures are None without validation.
    """

    epoch: int
    loss: float
    train_accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    learning_rate: float


class MetricsAccumulator:
    """Adds up costs and answers from the logits that steps leave behind, superbatch by superbatch.

    So a step need not stop for it. Each of `workers` processes adds some of the rows, in shared memory.
    """

    def __init__(self, network: Network, workers: int = 1) -> None:
        self._loss, self._workers = network.loss, workers
        self._costs, self._correct = shared_zeros(workers, np.float64), shared_zeros(workers, np.int64)
        self._predicted = shared_zeros((workers, network.layer_sizes[-1]), np.int64)
        self._diverged = shared_zeros(workers, np.int64)

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
        """The first step of the epoch, from 1, in which a cost was not a finite number, or 0."""
        found = self._diverged[self._diverged > 0]
        return int(found.min()) if found.size else 0

    def clear(self) -> None:
        """Start at zero."""
        for counts in (self._costs, self._correct, self._predicted, self._diverged):
            counts[...] = 0

    def add(self, examples: Batch, steps: int, batch_size: int, worker: int = 0) -> None:
        """Add one worker's part of a superbatch, before which the epoch had so many steps of so many examples."""
        own = partition(slice(0, len(examples)), worker, self._workers)
        for start in range(own.start, own.stop, ROWS):
            some = examples.rows(slice(start, min(start + ROWS, own.stop)))
            costs = self._loss.costs(some.logits, some.targets)
            if some.weights is not None:
                costs *= some.weights[:, 0]
            total = float(costs.sum(dtype=np.float64))
            if not isfinite(total):
                first = start + int(np.isfinite(costs).argmin())
                self._diverged[worker] = 1 + steps + first // batch_size
                return
            answers = some.logits.argmax(axis=1)
            self._costs[worker] += total
            self._correct[worker] += np.count_nonzero(answers == some.labels)
            self._predicted[worker] += np.bincount(answers, minlength=self._predicted.shape[1])


def warnings(
    predicted: npt.NDArray[np.int64], silent: Sequence[float], activation: str, *, stuck: bool = False
) -> list[str]:
    """Return a sentence for each sign that the network is not learning.

    `predicted`: how often each class was predicted. `silent`: of each hidden layer the share of neurons that cannot
    learn from any image. `stuck`: whether several epochs were no better than chance.
    """
    found = []
    if stuck:
        found.append(
            f"for {EPOCHS_AT_CHANCE} epochs the network has been right no more often than by always answering the most "
            "frequent class: it is not learning; another learning_rate, optimizer: adam, activation: relu or fewer "
            "layers usually help"
        )
    if predicted.max() / predicted.sum() > ONE_SIDED:
        found.append(
            f"over {ONE_SIDED:.0%} of the predictions are one class ({predicted.argmax()}): the network is not "
            "learning; a lower learning_rate usually helps, or a higher one if the loss hardly moves"
        )
    for layer, share in enumerate(silent, 1):
        if share > ONE_SIDED:
            what = "dead (never active)" if activation == "relu" else "saturated (their derivative is zero)"
            found.append(
                f"over {ONE_SIDED:.0%} of the neurons of hidden layer {layer} are {what} and cannot learn; "
                "a lower learning_rate or smaller first steps (schedule.warmup) help"
            )
    return found


def chance(labels: npt.NDArray[np.uint8], *, balanced: bool = False) -> float:
    """Return the accuracy that always answering the most frequent class reaches, luck included (three deviations).

    `balanced`: that of answering any class, as a network does that learns all classes alike and has learned nothing.
    """
    counts = np.bincount(labels)
    share = 1 / np.count_nonzero(counts) if balanced else float(counts.max()) / len(labels)
    return share + 3 * sqrt(share * (1 - share) / len(labels))


def is_stuck(history: Sequence[EpochMetrics], chance: float) -> bool:
    """Return whether the last epochs were no better than chance, which a single one may be."""
    last = history[-EPOCHS_AT_CHANCE:]
    return len(last) == EPOCHS_AT_CHANCE and all(metrics.train_accuracy <= chance for metrics in last)


@ignore_fp_errors
def silent_neurons(network: Network, inputs: Array) -> list[float]:
    """Return for each hidden layer the share of neurons whose f'(z) is near zero for all inputs (n, pixels)."""
    cache = network.forward(inputs, network.forward_cache(len(inputs)))
    shares = []
    for activations in cache.activations[1:-1]:
        derivative = np.empty_like(activations)
        network.activation.derivative(activations, out=derivative)
        shares.append(float(np.mean(np.abs(derivative).max(axis=0) < 1e-4)))
    return shares
