"""A training recorded step by step: the path of its weights, its cost and its accuracy.

The steps are those of training, so N epochs end with the same weights. The clock stops while cost and accuracy are
measured.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from math import inf, sqrt

import numpy as np

from mnistnet.config.schema import Config
from mnistnet.data.datasets import Examples
from mnistnet.errors import DivergedError
from mnistnet.inference.evaluate import evaluate
from mnistnet.nn.network import Network
from mnistnet.training.data_loader import Batch
from mnistnet.training.loop import Trainer, make_trainer
from mnistnet.training.process_pool import one_blas_thread
from mnistnet.training.state import State, attach_optimizer, epoch_size
from mnistnet.util.arrays import Array, ignore_fp_errors
from mnistnet.util.rng import Use, generator

SAMPLE = 5000  # training images that cost and accuracy are measured on
STRETCH, STRETCH_BYTES = 200, 2**24  # steps that are kept one by one, and how much memory they may take
MIDDLE = 0.5  # of the training, where they begin
SNAPSHOTS = 40  # how many measurements, as `_Spacing` counts

Progress = Callable[[float], object]


@dataclass(frozen=True)
class Entry:
    """An entry of a comparison: a name, a config, and the images for training and validation."""

    name: str
    config: Config
    train: Examples
    validation: Examples | None

    @property
    def batch_size(self) -> int:
        """Number of images in a step."""
        return epoch_size(self.config, self.train) if self.config.batch_size == "all" else self.config.batch_size

    @property
    def steps_an_epoch(self) -> int:
        """Number of steps in an epoch."""
        return -(-epoch_size(self.config, self.train) // self.batch_size)


@dataclass(frozen=True)
class Snapshot:
    """What is measured at one step. Accuracies are fractions of 1.

    - `seconds`: of training so far.
    - `batch_cost`: mean training cost of the batches since the snapshot before, each before its step; None
      before the first step.
    - `train_cost`, `train_accuracy`: over up to 5,000 of its training images, the same ones each time.
    - `validation_accuracy`: over all its validation images; None without any.
    """

    step: int
    seconds: float
    batch_cost: float | None
    train_cost: float
    train_accuracy: float
    validation_accuracy: float | None


@dataclass(frozen=True)
class Trajectory:
    """A finished training.

    - `steps`, `epochs` (whole and part), `seconds` of training, and whether it `diverged` and ended there.
    - `path_length`: the length of all its steps, one after the other. `displacement`: from first weights to last.
    - `snapshots`: measured on its way, the first weights first, the last ones last unless it diverged.
    - `stretch`: the parameters before and after each of some steps in the middle, shape (steps + 1, parameters).
    - `path_steps`: the steps at which the parameters were kept; `path`: those, shape (path_steps, parameters).
    """

    entry: Entry
    steps: int
    epochs: float
    seconds: float
    diverged: bool
    path_length: float
    displacement: float
    snapshots: tuple[Snapshot, ...]
    path_steps: tuple[int, ...]
    path: Array
    stretch: Array

    @property
    def stretch_lengths(self) -> tuple[float, float]:
        """Path length and displacement of the stretch."""
        steps = np.linalg.norm(np.diff(self.stretch, axis=0), axis=1)
        return float(steps.sum()), float(np.linalg.norm(self.stretch[-1] - self.stretch[0]))

    def cost_after(self, seconds: float) -> float | None:
        """Return the cost after so much training, interpolated between two snapshots; None if it took less."""
        times = [snapshot.seconds for snapshot in self.snapshots]
        if seconds > times[-1]:
            return None
        return float(np.interp(seconds, times, [snapshot.train_cost for snapshot in self.snapshots]))


def follow(
    entry: Entry, seed: int, points: int, seconds: float | None, on_progress: Progress | None = None
) -> Trajectory:
    """Train from the first weights of `seed`, for the config's epochs or for `seconds`, but one epoch at least.

    With `seconds` the learning-rate schedule runs over as many epochs as fit. The path gets `points` to 2 * `points`
    points. `on_progress(share)` is called with the share done. Raises ConfigError.
    """
    config = entry.config
    network = Network(config.layer_sizes, config.activation, config.loss)
    network.initialise(generator(seed, Use.INIT))
    state, clock, diverged = attach_optimizer(config, network), _Clock(), False
    limit = _Limit(config.epochs, entry.steps_an_epoch, seconds)
    with one_blas_thread(), make_trainer(state, entry.train) as trainer:
        recorder = _Recorder(state, entry, points)
        clock.go_on()
        try:
            for batch in _steps(trainer, limit, clock):
                with clock.stopped():
                    share = limit.share(state.optimizer.steps, clock.seconds)
                    recorder.record(batch.logits, batch.targets, clock.seconds, share)
                    if on_progress:
                        on_progress(share)
                if share >= 1:
                    break
        except DivergedError:
            diverged = True
    return recorder.close(diverged)


def _steps(trainer: Trainer, limit: "_Limit", clock: "_Clock") -> Iterator[Batch]:
    """Yield each batch after its step, without end."""
    config, length = trainer.state.config, 1 / trainer.steps
    for epoch in count():

        def learning_rate(step: int, epoch: int = epoch) -> float:
            at = epoch + step * length
            total = config.schedule_epochs or limit.epochs(at, clock.seconds)
            return config.learning_rate * config.schedule.factor(at, total, length)

        yield from trainer.epoch(epoch + 1, learning_rate)


class _Clock:
    """Measures training time."""

    def __init__(self) -> None:
        self._before = 0.0
        self._since: float | None = None

    @property
    def seconds(self) -> float:
        """Seconds it has been running."""
        return self._before + (time.perf_counter() - self._since if self._since else 0.0)

    def go_on(self) -> None:
        """Start or continue."""
        self._since = time.perf_counter()

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Pause inside a `with` block."""
        self._before, self._since = self.seconds, None
        yield
        self.go_on()


class _Limit:
    """How long to train: the config's epochs, or `seconds` if given, but at least one epoch."""

    def __init__(self, epochs: int, steps_an_epoch: int, seconds: float | None) -> None:
        self._epochs, self._steps_an_epoch, self._seconds = epochs, steps_an_epoch, seconds

    def epochs(self, epoch: float, seconds: float) -> float:
        """Return the estimated number of epochs."""
        if self._seconds is None:
            return self._epochs
        return max(1.0, epoch * self._seconds / seconds) if epoch else inf

    def share(self, step: int, seconds: float) -> float:
        """Return how much of the training is done, from 0 to 1."""
        if self._seconds is None:
            return step / (self._epochs * self._steps_an_epoch)
        return min(1.0, seconds / self._seconds, step / self._steps_an_epoch)


class _Spacing:
    """Decides which steps to keep: at first each; then at growing distances, `points` to each factor of
    e^12 = 160,000; and from a twelfth of the training on evenly, `points` to the whole. So about 2 `points` at most.
    """

    GROWTH = 12

    def __init__(self, points: int) -> None:
        self._points, self._next = points, 1

    def is_due(self, step: int, share: float) -> bool:
        """Return whether to keep this step, after which `share` of the training is done; the last one is always
        kept."""
        if step < self._next and share < 1:
            return False
        self._next = step + max(1, int(step * min(self.GROWTH, 1 / share) / self._points))
        return True


class _Recorder:
    """Records a training: its path, and a snapshot at some of its steps."""

    def __init__(self, state: State, entry: Entry, points: int) -> None:
        self._state, self._entry = state, entry
        chosen = np.linspace(0, len(entry.train) - 1, min(SAMPLE, len(entry.train))).astype(np.intp)
        self._sample = entry.train.take(chosen)
        self._to_measure, self._to_keep = _Spacing(SNAPSHOTS), _Spacing(points)
        self._here: Array = state.network.parameters.copy()
        self._moved = np.empty_like(self._here)
        self._steps, self._seconds, self._path_length = 0, 0.0, 0.0
        self._costs: list[float] = []
        self._snapshots = [self._snapshot()]
        self._path_steps, self._path = [0], [self._here.copy()]
        self._stretch: list[Array] = []
        self._stretch_points = 1 + min(STRETCH, STRETCH_BYTES // self._here.nbytes)

    @ignore_fp_errors
    def record(self, logits: Array, targets: Array, seconds: float, share: float) -> None:
        """Record one step, before which the batch had these logits. Raises DivergedError."""
        parameters = self._state.network.parameters
        np.subtract(parameters, self._here, out=self._moved)
        length = sqrt(float(np.dot(self._moved, self._moved)))
        cost = float(self._state.network.loss.costs(logits, targets).mean(dtype=np.float64))
        if not (length < inf and cost < inf):
            raise DivergedError("cost or weights are no longer finite numbers")
        if share >= MIDDLE and len(self._stretch) < self._stretch_points:
            if not self._stretch:
                self._stretch.append(self._here.copy())
            self._stretch.append(parameters.copy())
        self._here[...] = parameters
        self._steps, self._seconds = self._steps + 1, seconds
        self._path_length += length
        self._costs.append(cost)
        if self._to_keep.is_due(self._steps, share):
            self._keep()
        if self._to_measure.is_due(self._steps, share):
            self._snapshots.append(self._snapshot())

    def close(self, diverged: bool) -> Trajectory:
        """Return the trajectory."""
        if self._path_steps[-1] != self._steps:
            self._keep()
        return Trajectory(
            entry=self._entry,
            steps=self._steps,
            epochs=self._steps / self._entry.steps_an_epoch,
            seconds=self._seconds,
            diverged=diverged,
            path_length=self._path_length,
            displacement=float(np.linalg.norm(self._path[-1] - self._path[0])),
            snapshots=tuple(self._snapshots),
            path_steps=tuple(self._path_steps),
            path=np.stack(self._path),
            stretch=np.stack(self._stretch or [self._here]),
        )

    def _keep(self) -> None:
        self._path_steps.append(self._steps)
        self._path.append(self._here.copy())

    def _snapshot(self) -> Snapshot:
        network, validation = self._state.result, self._entry.validation
        train = evaluate(network, self._sample)
        batch_cost = float(np.mean(self._costs)) if self._costs else None
        self._costs.clear()
        known = evaluate(network, validation).accuracy if validation else None
        return Snapshot(self._steps, self._seconds, batch_cost, train.loss, train.accuracy, known)
