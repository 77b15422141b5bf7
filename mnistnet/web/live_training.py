"""A training that a visitor watches: each request continues it for a moment and returns what the page draws.

The steps are those of `training/loop.py`, in the same order from the same first weights, but without batches prepared
ahead, so that thirty trainings fit into the memory of one.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mnistnet.checkpoint import checkpoint as checkpoints
from mnistnet.checkpoint.checkpoint import Checkpoint, Origin
from mnistnet.config.schema import Config
from mnistnet.data.datasets import WHITE, Examples
from mnistnet.errors import DivergedError, UsageError
from mnistnet.inference.evaluate import evaluate
from mnistnet.nn.layer_buffers import ForwardCache, Gradients, parameter_views
from mnistnet.nn.network import parameter_count
from mnistnet.training.metrics import silent_neurons
from mnistnet.training.state import batch_size, blas_description, start
from mnistnet.util.arrays import Array, ignore_fp_errors
from mnistnet.util.rng import Use, generator

HELD_OUT = 2000  # training images that are never learned from
ROWS = 1000  # images of a batch computed together
SAMPLE = 200  # held-out images that detect silent neurons
SHOWN = 16  # neurons of the first layer whose weights are shown
POINTS = 40  # costs that are reported at a time, at most
BINS = 21  # of a histogram
PIXELS = 784
MAX_PARAMETERS = 300_000
BYTES = 8 << 20  # what a training takes, reckoned generously
WINDOW = 2000  # images that the training accuracy is over

PLAIN = {"schedule": {"name": "constant"}, "weight_decay": 0.0, "validation": 0}
"""The config's other keys: plain steps without extras."""

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Twist:
    """Ways to spoil a training, as lessons."""

    zero_start: bool = False
    shuffle: bool = True
    wrong_labels: float = 0.0


class LiveTraining:
    """One training by a config, on images of `train`, evaluated on `held_out`.

    `learning_rate` may be changed at any time. One caller at a time: hold `lock`.
    """

    def __init__(self, config: Config, train: Examples, held_out: Examples, twist: Twist) -> None:
        self.config, self.learning_rate, self.lock = config, config.learning_rate, threading.Lock()
        self._train, self._held_out, self._twist = _with_wrong_labels(train, config, twist), held_out, twist
        self.on_step: Callable[[Array], object] = lambda parameters: None  # called with the weights after each step
        self.state = start(config)
        if twist.zero_start:
            self.state.network.parameters[...] = 0
        self.batch_size = batch_size(config, len(train))
        self._targets = np.eye(config.layer_sizes[-1], dtype=np.float32)
        self._buffers: dict[int, tuple[Array, ForwardCache, Gradients]] = {}
        self._part = np.zeros_like(self.state.gradient)
        self._batches = self._endless()
        self.steps, self.seconds = 0, 0.0
        self._costs: list[float] = []
        self._right: list[tuple[int, int]] = []

    @property
    def steps_an_epoch(self) -> int:
        """Number of steps in an epoch."""
        return -(-len(self._train) // self.batch_size)

    def advance(self, seconds: float, steps: int | None = None) -> None:
        """Take steps for so long, or so many if that is less. Raises DivergedError."""
        began, last = time.perf_counter(), None if steps is None else self.steps + steps
        while self.steps != last:
            self._step(next(self._batches))
            if time.perf_counter() - began >= seconds:
                break
        self.seconds += time.perf_counter() - began
        if not np.isfinite(self.state.network.parameters).all():
            self._diverged()

    def checkpoint(self, origin: Origin) -> bytes:
        """Return the network as it is now, as the bytes of a checkpoint that `eval` reads."""
        epoch = self.steps // self.steps_an_epoch
        stream = BytesIO()
        kept = Checkpoint(
            config=self.config,
            network=self.state.network,
            epoch=epoch,
            metrics={},
            best={"epoch": epoch, "validation_accuracy": None, "chosen_by": "the visitor of a page"},
            dataset=origin,
            blas=blas_description(),
            threads=1,
        )
        checkpoints.write(stream, kept)
        return stream.getvalue()

    def scores(self) -> dict[str, Any]:
        """Return the accuracy over the last training images, and the evaluation on the held-out ones."""
        scores = evaluate(self.state.network, self._held_out)
        seen, right = (sum(pair[i] for pair in self._right) for i in (0, 1))
        return {
            "train_accuracy": right / seen if seen else None,
            "held_out_accuracy": scores.accuracy,
            "held_out_cost": scores.loss,
            "confusion": scores.confusion.tolist(),
        }

    def report(self) -> dict[str, Any]:
        """Return what the page draws: figures, first weights, histograms, the confusion matrix. Raises DivergedError.

        `costs` are means over the steps since the last report, [step, cost] each; the last one is of the last step.
        """
        network = self.state.network
        sample = np.divide(self._held_out.images[:SAMPLE], WHITE, dtype=network.dtype)
        silent, weights = silent_neurons(network, sample), network.weights[0][:SHOWN]
        scale = float(np.abs(weights).max()) or 1.0
        costs, self._costs = self._costs, []
        return {
            "step": self.steps,
            "epoch": self.steps / self.steps_an_epoch,
            "steps_an_epoch": self.steps_an_epoch,
            "seconds": self.seconds,
            "learning_rate": self.learning_rate,
            "costs": _thinned(costs, self.steps),
            **self.scores(),
            "stuck": self._stuck(silent),
            "first_weights": np.rint(127 * weights / scale).astype(np.int8).tobytes(),
            "first_weights_scale": scale,
            "layers": [
                {"weights": _histogram(weight), "gradients": _histogram(gradient), "silent": share}
                for weight, gradient, share in zip(
                    network.weights,
                    parameter_views(network.layer_sizes, self.state.gradient)[0],
                    [*silent, None],
                    strict=True,
                )
            ],
        }

    def _stuck(self, silent: Sequence[float]) -> str | None:
        """Return the reason why no step can help any more, None if one can."""
        dead = [layer for layer, share in enumerate(silent, 1) if share == 1]
        if not self.steps or not dead:
            return None
        return (
            f"Stuck: all neurons of hidden layer {dead[-1]} are silent: the slope of their function is about 0 there, "
            "so nudges hardly get through. Start over with a lower learning rate."
        )

    def _endless(self) -> Iterator[Indices]:
        """Yield the indices of each step's images, epoch after epoch."""
        epoch = 0
        while True:
            epoch += 1
            count = len(self._train)
            order = np.arange(count)
            if self._twist.shuffle:
                order = generator(self.config.seed, Use.SHUFFLE, epoch).permutation(count)
            for first in range(0, count, self.batch_size):
                yield order[first : first + self.batch_size]

    @ignore_fp_errors
    def _step(self, batch: Indices) -> None:
        network, gradient = self.state.network, self.state.gradient
        cost, right = 0.0, 0
        for first in range(0, len(batch), ROWS):
            some = batch[first : first + ROWS]
            inputs, cache, gradients = self._memory(len(some), len(batch))
            labels = self._train.labels[some]
            np.divide(self._train.images[some], WHITE, out=inputs)
            network.forward(inputs, cache)
            targets = self._targets[labels]
            network.backward(cache, targets, gradients)
            if len(batch) > ROWS:  # a gradient is a sum over examples
                np.add(self._part if first else 0, gradients.flat, out=self._part)
            cost += float(network.loss.costs(cache.logits, targets).sum(dtype=np.float64))
            right += int(np.count_nonzero(cache.logits.argmax(axis=1) == labels))
        if len(batch) > ROWS:
            gradient[...] = self._part
        self.state.optimizer.step(self.learning_rate)
        self.on_step(network.parameters)
        self.steps += 1
        if not np.isfinite(cost):
            self._diverged()
        self._costs.append(cost / len(batch))
        self._right.append((len(batch), right))
        while sum(pair[0] for pair in self._right[1:]) >= WINDOW:
            del self._right[0]

    def _memory(self, rows: int, of: int) -> tuple[Array, ForwardCache, Gradients]:
        """Return memory for so many rows of a batch, made once."""
        if rows not in self._buffers:
            network = self.state.network
            inputs = np.empty((rows, network.layer_sizes[0]), np.float32)
            gradients = network.gradients(rows, self.state.gradient, of)
            self._buffers[rows] = inputs, network.forward_cache(rows), gradients
        self._buffers[rows][2].scale[...] = 1 / of
        return self._buffers[rows]

    def _diverged(self) -> None:
        raise DivergedError(
            f"the training diverged at step {self.steps:,}: its numbers have grown too large to compute with; start "
            "over with a lower learning rate"
        )


def split(train: Examples) -> tuple[Examples, Examples]:
    """Split the images into training and held-out ones:

    HELD_OUT, or a tenth if there are few. These are spread evenly over the files, whose last images are easier than the
    first.
    """
    apart = np.zeros(len(train), bool)
    apart[np.linspace(0, len(train) - 1, min(HELD_OUT, len(train) // 10)).astype(np.intp)] = True
    return train.take(np.flatnonzero(~apart)), train.take(np.flatnonzero(apart))


def of(parts: tuple[Examples, Examples], config: Config, images: int | Literal["all"], twist: Twist) -> LiveTraining:
    """Return a training on so many of the first images of a split. Raises UsageError and ConfigError."""
    train, held_out = parts
    if images != "all" and images > len(train):
        raise UsageError(f"images: expected at most {len(train):,}, found {images:,}")
    if parameter_count(config.layer_sizes) > MAX_PARAMETERS:
        raise UsageError(f"this page trains networks of at most {MAX_PARAMETERS:,} weights and biases")
    learned = slice(None if images == "all" else images)
    return LiveTraining(config, Examples(train.images[learned], train.labels[learned]), held_out, twist)


def _with_wrong_labels(train: Examples, config: Config, twist: Twist) -> Examples:
    """Return the examples, a share of them with labels drawn at random."""
    if not twist.wrong_labels:
        return train
    random, labels = generator(config.seed, Use.SHUFFLE), train.labels.copy()
    wrong = random.random(len(labels)) < twist.wrong_labels
    labels[wrong] = random.integers(0, config.layer_sizes[-1], int(wrong.sum()))
    return Examples(train.images, labels)


def _thinned(costs: list[float], last: int) -> list[tuple[int, float]]:
    """Return means of neighbouring costs, each with the step that it ends at."""
    if not costs:
        return []
    ends = np.unique(np.linspace(0, len(costs), min(POINTS, len(costs)) + 1).astype(int))
    return [(last - len(costs) + int(end), float(np.mean(costs[start:end]))) for start, end in pairwise(ends)]


def _histogram(values: Array) -> dict[str, Any]:
    """Return counts in bins of equal width around zero, to the largest size on either side."""
    largest = float(np.abs(values).max()) or 1.0
    counts, _ = np.histogram(values, BINS, (-largest, largest))
    return {"largest": largest, "counts": counts.tolist()}
