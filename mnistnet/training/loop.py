"""The training loop: epochs of steps downhill. Yields one result an epoch and prints nothing."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import msgspec
import numpy as np
import numpy.typing as npt

from mnistnet.config.schema import Config
from mnistnet.data.datasets import Examples
from mnistnet.errors import ConfigError, DivergedError
from mnistnet.inference.evaluate import evaluate, silent_neurons
from mnistnet.nn import optimizers
from mnistnet.nn.network import Network
from mnistnet.nn.optimizers import Optimizer
from mnistnet.training.data_loader import DataLoader
from mnistnet.training.metrics import MetricsAccumulator
from mnistnet.training.parallel import TrainStep, num_workers
from mnistnet.training.process_pool import ProcessPool, one_blas_thread, possible_size
from mnistnet.util.arrays import Array
from mnistnet.util.rng import Use, generator
from mnistnet.util.shared_memory import shared_zeros

ONE_SIDED = 0.9  # the share of one class, or of silent neurons, above which a warning is due
SAMPLE = 500  # images looked at to find silent neurons


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


@dataclass(frozen=True)
class EpochResult:
    """An epoch's metrics, the seconds it took, and sentences about anything that looks wrong."""

    metrics: EpochMetrics
    seconds: float
    warnings: tuple[str, ...]


@dataclass
class State:
    """A training as it stands between two epochs: all that continuing needs."""

    config: Config
    network: Network
    optimizer: Optimizer
    gradient: Array
    average: Network | None = None
    history: list[EpochMetrics] = field(default_factory=list)

    @property
    def epoch(self) -> int:
        """How many epochs are done."""
        return len(self.history)

    @property
    def result(self) -> Network:
        """The network to use: the average of the steps so far, where the config asks for it, else the last one."""
        return self.average or self.network

    @property
    def best_epoch(self) -> int:
        """The epoch of the highest validation accuracy, the earliest of equals; the last one without validation."""
        scores = [m.validation_accuracy for m in self.history]
        known = [score for score in scores if score is not None]
        return scores.index(max(known)) + 1 if known else self.epoch

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or early stopping has ended the training."""
        return self.epoch >= self.config.epochs or self.stopped_early

    @property
    def stopped_early(self) -> bool:
        """Whether `validation_loss` has gone the config's patience without a new low."""
        if self.config.early_stopping is None:
            return False
        losses = [m.validation_loss for m in self.history if m.validation_loss is not None]
        if not losses:
            return False
        return len(losses) - 1 - losses.index(min(losses)) >= self.config.early_stopping.patience


def start(config: Config) -> State:
    """Return the state before the first epoch: weights drawn from the seed, an optimizer at rest."""
    network = Network(config.layer_sizes, config.activation, config.loss)
    network.initialise(generator(config.seed, Use.INIT))
    return attach_optimizer(config, network)


def attach_optimizer(config: Config, network: Network) -> State:
    """Return a state for a network, with the config's optimizer at rest."""
    network.share()
    gradient = shared_zeros(network.parameters.shape, network.dtype)
    settings = msgspec.to_builtins(config.optimizer)
    make = optimizers.OPTIMIZERS[settings.pop("name")]
    optimizer = make(network.parameters, gradient, network.weight_count, weight_decay=config.weight_decay, **settings)
    average = None
    if config.weight_averaging:
        average = Network(config.layer_sizes, config.activation, config.loss)
        average.share()
        average.parameters[...] = network.parameters
    return State(config, network, optimizer, gradient, average)


def fit(
    state: State,
    train: Examples,
    validation: Examples | None,
    on_progress: Callable[[int], object] | None = None,
) -> Iterator[EpochResult]:
    """Train until the state is finished, yielding after each epoch; `on_progress(n)` hears of each n examples done.

    Between two results the state may be saved. Raises ConfigError when a batch is larger than the training set,
    DivergedError when cost or weights stop being finite numbers, WorkerError when processes that share the steps end.
    """
    config = state.config
    check_batch_size(config, len(train))
    batch_size = len(train) if config.batch_size == "all" else config.batch_size
    sample = (validation or train).images[:SAMPLE]
    told: set[str] = set()
    with (
        one_blas_thread(),
        ProcessPool(workers_for(config, len(train))) as team,
        DataLoader(train, config, batch_size, team) as feeder,
    ):
        epoch = _Epoch(state, feeder, team, len(train))
        team.start(epoch.learn)
        while not state.finished:
            began = time.perf_counter()
            order = generator(config.seed, Use.SHUFFLE, state.epoch + 1).permutation(len(train))
            loss, accuracy, predicted = epoch.run(order, on_progress)
            scores = evaluate(state.result, validation) if validation else None
            metrics = EpochMetrics(
                state.epoch + 1,
                loss,
                accuracy,
                scores.loss if scores else None,
                scores.accuracy if scores else None,
                epoch.learning_rate,
            )
            warnings = _warnings(predicted, silent_neurons(state.network, sample), config)
            state.history.append(metrics)
            seconds = time.perf_counter() - began
            yield EpochResult(metrics, seconds, tuple(w for w in warnings if w not in told))
            told.update(warnings)


def check_batch_size(config: Config, examples: int) -> None:
    """Raise ConfigError when a batch would hold more than all training examples."""
    if config.batch_size != "all" and config.batch_size > examples:
        raise ConfigError(
            f"batch_size: expected at most the {examples:,} training images, found {config.batch_size:,}; "
            "use `batch_size: all` for full-batch gradient descent"
        )


def stepper(state: State, team: ProcessPool, batch_size: int, examples: int) -> TrainStep:
    """Return what takes the steps of a training: for batches of this size, and a last one of what is left over."""
    return TrainStep(
        state.network,
        state.optimizer,
        state.gradient,
        [size for size in (batch_size, examples % batch_size) if size],
        team,
        keep=[1 - share for share in state.config.dropout_shares],
        average=state.average.parameters if state.average else None,
        decay=state.config.weight_averaging,
    )


class _Epoch:
    """Runs epochs of one training in workspaces that are made once."""

    def __init__(self, state: State, feeder: DataLoader, team: ProcessPool, examples: int) -> None:
        self.state, self.feeder, self.batch_size, self.examples = state, feeder, feeder.batch_size, examples
        self.steps = -(-examples // self.batch_size)
        self._length = 1 / self.steps  # of a step, in epochs
        self.learning_rate = 0.0
        self._order = shared_zeros(examples, np.intp)
        # A class's numbers lie together: to add up over classes is then three times as quick.
        self._logits = shared_zeros((state.network.layer_sizes[-1], feeder.rows), state.network.dtype).T
        self._tally = MetricsAccumulator(state.network, team.size)
        self._team, self._stepper = team, stepper(state, team, self.batch_size, examples)
        self._on_progress: Callable[[int], object] | None = None

    def run(
        self, order: npt.NDArray[np.intp], on_progress: Callable[[int], object] | None
    ) -> tuple[float, float, npt.NDArray[np.int64]]:
        """Visit all examples in this order; return mean cost, accuracy, and how often each class was predicted."""
        self._order[...], self._on_progress = order, on_progress
        self._tally.clear()
        self._team.run(self.state.epoch)
        self._check()
        if not np.isfinite(self.state.network.parameters).all():
            raise self._diverged(self.steps)
        return self._tally.cost / self.examples, self._tally.correct / self.examples, self._tally.predicted

    def learn(self, part: int, epoch: float) -> None:
        """Do a part of the next epoch, when so many are done. Raises DivergedError, in part 0."""
        done = 0
        for chunk in self.feeder.chunks(self._order, int(epoch) + 1, part):
            if part == 0:
                self._check()
            logits = self._logits[: len(chunk)]
            steps = range(done, done - (-len(chunk) // self.batch_size))
            rates = [self._learning_rate(epoch + step * self._length) for step in steps]
            self._stepper.walk(part, chunk.inputs, chunk.targets, chunk.masks, rates, logits)
            self.learning_rate, done = rates[-1], steps.stop
            self._tally.add(part, logits, chunk, steps.start, self.batch_size)
            if part == 0 and self._on_progress:
                self._on_progress(len(chunk))

    def _check(self) -> None:
        """Raise DivergedError if a cost was found that is not a finite number, in the chunk before or earlier."""
        if step := self._tally.diverged:
            raise self._diverged(step)

    def _learning_rate(self, epoch: float) -> float:
        config = self.state.config
        return config.learning_rate * config.schedule.factor(epoch, config.epochs, self._length)

    def _diverged(self, step: int) -> DivergedError:
        lower = self.state.config.learning_rate / 10
        return DivergedError(
            f"training diverged in epoch {self.state.epoch + 1}, step {step} of {self.steps}: the cost is no "
            f"longer a finite number; try a lower learning rate, such as --set learning_rate={lower:g}"
        )


def _warnings(predicted: npt.NDArray[np.int64], silent: list[float], config: Config) -> list[str]:
    """Return a sentence for each sign that the network is not learning."""
    found = []
    share = predicted.max() / predicted.sum()
    if share > ONE_SIDED:
        found.append(
            f"over {ONE_SIDED:.0%} of the predictions are one class ({predicted.argmax()}): the network is not "
            "learning; a lower learning_rate usually helps, or a higher one if the loss hardly moves"
        )
    for layer, part in enumerate(silent, 1):
        if part > ONE_SIDED:
            what = "dead (never active)" if config.activation == "relu" else "saturated (their derivative is zero)"
            found.append(
                f"over {ONE_SIDED:.0%} of the neurons of hidden layer {layer} are {what} and cannot learn; "
                "a lower learning_rate or smaller first steps (schedule.warmup) help"
            )
    return found


def workers_for(config: Config, examples: int) -> int:
    """Return how many processes share each step: the config's `threads`, or for "auto" as many as it is worth."""
    batch_size = examples if config.batch_size == "all" else config.batch_size
    wanted = num_workers(config.layer_sizes, batch_size) if config.threads == "auto" else config.threads
    return possible_size(min(wanted, batch_size))


def blas_description() -> str:
    """Return the matrix library in use, with version and kernel."""
    from threadpoolctl import threadpool_info

    for library in threadpool_info():
        if library.get("user_api") == "blas":
            words = (library.get("internal_api"), library.get("version"), library.get("architecture"))
            return " ".join(str(word) for word in words if word)
    return "unknown"
