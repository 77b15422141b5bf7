"""A training as it stands between two epochs: the network, its optimizer, and what every epoch so far measured."""

from dataclasses import dataclass, field

import msgspec
import numpy as np

from mnistnet.config.schema import Config
from mnistnet.data.datasets import Examples, split
from mnistnet.data.drawn.added import added
from mnistnet.data.drawn.digits import draw_digits
from mnistnet.data.drawn.non_digits import draw_non_digits
from mnistnet.errors import ConfigError, DivergedError
from mnistnet.nn.network import Network
from mnistnet.nn.optimizers import OPTIMIZERS, Optimizer
from mnistnet.training.metrics import EpochMetrics
from mnistnet.util.arrays import Array
from mnistnet.util.rng import Use, generator
from mnistnet.util.shared_memory import shared_zeros

USUAL_RATE: dict[object, float] = {"adam": 0.01}
"""A learning rate by optimizer that most networks stand; of the others it is 1."""


@dataclass
class State:
    """All that continuing needs. The arrays lie in shared memory, so that several processes can share a step.

    `average`, if the config asks for it, follows the network's parameters: their mean over all steps until there have
    been 1 / (1 - weight_averaging), and from then on their exponential mean.
    """

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
        """The epoch of the highest validation accuracy, the earliest of equals; the last one without validation.

        Where the config says to keep the last one, that.
        """
        if self.config.keep == "last":
            return self.epoch
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

    def check(self, diverged_at: int, steps: int) -> None:
        """Raise DivergedError if in a step, from 1, of so many in this epoch the cost was not finite; 0: in none."""
        if diverged_at:
            usual = USUAL_RATE.get(self.config.optimizer.__struct_config__.tag, 1.0)
            lower = min(self.config.learning_rate / 10, usual)
            raise DivergedError(
                f"training diverged in epoch {self.epoch + 1}, step {diverged_at} of {steps}: the cost is no "
                f"longer a finite number; try a lower learning rate, such as --set learning_rate={lower:g}"
            )


def start(config: Config, weights: Network | None = None) -> State:
    """Return the state before the first epoch: weights drawn from the seed, or given; an optimizer at rest."""
    network = Network(config.layer_sizes, config.activation, config.loss)
    if weights is None:
        network.initialise(generator(config.seed, Use.INIT))
    else:
        network.parameters[...] = weights.parameters
    return attach_optimizer(config, network)


def attach_optimizer(config: Config, network: Network) -> State:
    """Return a state for a network, with the config's optimizer at rest."""
    network.use_parameters(_shared_copy(network.parameters))
    gradient = shared_zeros(network.parameters.shape, network.dtype)
    settings = msgspec.to_builtins(config.optimizer)
    make = OPTIMIZERS[settings.pop("name")]
    settings |= {"weight_decay": config.weight_decay, "zeros": shared_zeros}
    optimizer = make(network.parameters, gradient, network.weight_count, **settings)
    average = None
    if config.weight_averaging:
        average = Network(config.layer_sizes, config.activation, config.loss, network.dtype)
        average.use_parameters(_shared_copy(network.parameters))
    return State(config, network, optimizer, gradient, average)


def batch_size(config: Config, examples: int) -> int:
    """Return how many of so many training examples a step is based on.

    Raises ConfigError when a batch would hold more than all of them.
    """
    if config.batch_size == "all":
        return examples
    if config.batch_size > examples:
        raise ConfigError(
            f"batch_size: expected at most the {examples:,} training images, found {config.batch_size:,}; "
            "use `batch_size: all` for full-batch gradient descent"
        )
    return config.batch_size


def split_for(config: Config, examples: Examples) -> tuple[Examples, Examples | None]:
    """Divide the training files as a config says: the images to train on, and those held out. Raises ConfigError.

    Drawn digits stand after the images to train on.
    """
    limit = None if config.train_images == "all" else config.train_images
    train, validation = split(examples, config.validation, limit, config.seed)
    return with_drawn_digits(config, train), validation


def with_drawn_digits(config: Config, train: Examples) -> Examples:
    """Return images to train on with the config's drawn digits after them. Raises ConfigError."""
    if not config.drawn_digits:
        return train
    drawn = draw_digits(config.drawn_digits, generator(config.seed, Use.STROKES))
    return added(train, drawn, "drawn_digits")


def with_non_digits(config: Config, train: Examples) -> Examples:
    """Return what an epoch visits: the images to train on, and drawings of no digit after them. Raises ConfigError."""
    if not config.non_digits:
        return train
    drawn = draw_non_digits(config.non_digits, generator(config.seed, Use.NON_DIGITS))
    return added(train, drawn, "non_digits")


def epoch_size(config: Config, train: Examples) -> int:
    """Return how many images an epoch visits."""
    return len(train) + config.non_digits


def blas_description() -> str:
    """Return the matrix library in use, with version and kernel."""
    from threadpoolctl import threadpool_info

    for library in threadpool_info():
        if library.get("user_api") == "blas":
            words = (library.get("internal_api"), library.get("version"), library.get("architecture"))
            return " ".join(str(word) for word in words if word)
    return "unknown"


def _shared_copy(values: Array) -> Array:
    shared = shared_zeros(values.shape, values.dtype)
    shared[...] = np.asarray(values)
    return shared
