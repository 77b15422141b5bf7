"""The training loop, plain: read it after `nn/network.py`. Yields one result an epoch and prints nothing.

`SerialTrainer` takes all steps in this process; it is what runs with one worker, and where processes cannot be forked.
`parallel.py` takes the same steps with several processes, behind the same methods.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType

import numpy as np

from mnistnet.data.datasets import WHITE, Examples
from mnistnet.inference.evaluate import evaluate
from mnistnet.training.averaging import ParameterAverage
from mnistnet.training.data_loader import Batch, DataLoader
from mnistnet.training.metrics import EpochMetrics, MetricsAccumulator, chance, is_stuck, silent_neurons, warnings
from mnistnet.training.parallel import ParallelTrainer, blas_threads_for, workers_for
from mnistnet.training.process_pool import blas_threads
from mnistnet.training.state import State, batch_size, epoch_size, with_non_digits
from mnistnet.training.state import start as start  # `start` and `fit` are used together
from mnistnet.util.arrays import ignore_fp_errors

SAMPLE = 500  # images looked at to find silent neurons

LearningRate = Callable[[int], float]
"""The learning rate of each step of an epoch, counted from 0."""


class SerialTrainer:
    """Trains in this process, batch after batch."""

    def __init__(self, state: State, train: Examples) -> None:
        config, network = state.config, state.network
        self.batch_size = batch_size(config, len(train))
        self.steps = -(-len(train) // self.batch_size)  # an epoch
        self.loader, self.metrics = DataLoader(train, config, self.batch_size), MetricsAccumulator(network)
        self.state = state
        sizes = {self.batch_size, len(train) % self.batch_size or self.batch_size}  # the last batch may be smaller
        self.memory = {size: (network.forward_cache(size), network.gradients(size, state.gradient)) for size in sizes}
        for cache, _ in self.memory.values():
            cache.keep = [1 - share for share in config.dropout_shares]
        self.average = state.average and ParameterAverage(
            network.parameters, state.average.parameters, config.weight_averaging
        )

    def epoch(self, number: int, learning_rate: LearningRate) -> Iterator[Batch]:
        """Take a step for each batch of an epoch, which counts from 1, and yield the batch. Raises DivergedError."""
        for superbatch in self.loader.superbatches(number):  # all examples, shuffled anew
            for step, batch in enumerate(superbatch.batches, superbatch.steps):
                self.step(batch, learning_rate(step))
                yield batch
            self.metrics.add(superbatch.all, superbatch.steps, self.batch_size)
            self.state.check(self.metrics.diverged, self.steps)

    @ignore_fp_errors
    def step(self, batch: Batch, learning_rate: float) -> None:
        """Learn from a batch: forward, backward, and against the gradient."""
        network, optimizer = self.state.network, self.state.optimizer
        cache, gradients = self.memory[len(batch)]
        cache.masks = batch.masks
        network.forward(batch.inputs, cache)
        batch.logits[...] = cache.logits  # the costs are computed from them later, many at once
        network.backward(cache, batch.targets, gradients, batch.weights)
        optimizer.step(learning_rate)
        if self.average:
            self.average.update(optimizer.steps)

    def __enter__(self) -> "SerialTrainer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.loader.__exit__(kind, error, traceback)


Trainer = SerialTrainer | ParallelTrainer


@dataclass(frozen=True)
class EpochResult:
    """An epoch's metrics, the seconds it took, and sentences about anything that looks wrong."""

    metrics: EpochMetrics
    seconds: float
    warnings: tuple[str, ...]


def make_trainer(state: State, train: Examples) -> Trainer:
    """Return what takes the steps: this process alone, or several where that pays or the config says so.

    It visits `train`, and drawings of no digit besides where the config asks for them. Raises ConfigError.
    """
    images = with_non_digits(state.config, train)
    workers = workers_for(state.config, len(images))
    return SerialTrainer(state, images) if workers == 1 else ParallelTrainer(state, images, workers)


def fit(
    state: State, train: Examples, validation: Examples | None, on_progress: Callable[[int], object] | None = None
) -> Iterator[EpochResult]:
    """Train until the state is finished, yielding after each epoch; `on_progress(n)` is called after every n examples.

    Between two results the state may be saved. Raises ConfigError when a batch is larger than the training set,
    DivergedError when cost or weights stop being finite numbers, WorkerError when processes that share the steps end.
    """
    config, seen = state.config, set[str]()
    guessing = chance(train.labels, balanced=config.class_weights is not None)
    sample = np.divide((validation or train).images[:SAMPLE], WHITE, dtype=state.network.dtype)
    with blas_threads(blas_threads_for(config)), make_trainer(state, train) as trainer:
        while not state.finished:
            began, number, length = time.perf_counter(), state.epoch + 1, 1 / trainer.steps

            def learning_rate(step: int, done: int = state.epoch, length: float = length) -> float:
                total = config.schedule_epochs or config.epochs
                return config.learning_rate * config.schedule.factor(done + step * length, total, length)

            trainer.metrics.clear()
            for batch in trainer.epoch(number, learning_rate):
                if on_progress:
                    on_progress(len(batch))
            if not np.isfinite(state.network.parameters).all():
                state.check(trainer.steps, trainer.steps)
            totals, scores = trainer.metrics, evaluate(state.result, validation) if validation else None
            metrics = EpochMetrics(
                epoch=number,
                loss=totals.cost / epoch_size(config, train),
                train_accuracy=totals.correct / len(train),
                validation_loss=scores.loss if scores else None,
                validation_accuracy=scores.accuracy if scores else None,
                learning_rate=learning_rate(trainer.steps - 1),
            )
            state.history.append(metrics)
            silent, stuck = silent_neurons(state.network, sample), is_stuck(state.history, guessing)
            found = warnings(totals.predicted, silent, config.activation, stuck=stuck)
            yield EpochResult(metrics, time.perf_counter() - began, tuple(w for w in found if w not in seen))
            seen.update(found)
