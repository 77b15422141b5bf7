"""The same training as `loop.py`'s, with each step shared among processes. Used where that pays.

There are two ways to share a step. By rows (`share_rows.py`), each process works out the gradient of some examples of
the batch, and all gradients are added up. By neuron (`share_neurons.py`), each works on some neurons of every layer
with all examples, and no gradient is added up. Large layers are shared by neuron, small ones by rows: see `by_neurons`.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from types import TracebackType
from typing import Any

from mnistnet.config.schema import Config
from mnistnet.data.datasets import Examples
from mnistnet.nn.network import Network, parameter_count
from mnistnet.nn.optimizers import Optimizer
from mnistnet.training.data_loader import Batch, DataLoader
from mnistnet.training.metrics import MetricsAccumulator
from mnistnet.training.process_pool import ProcessPool, possible_size
from mnistnet.training.share_neurons import StepByNeurons
from mnistnet.training.share_rows import StepByRows
from mnistnet.training.shared_step import SharedStep
from mnistnet.training.state import State, batch_size
from mnistnet.util import system

WORTH_A_PROCESS = 2**19  # multiplications in a step's largest matrix product; see docs/experiments.md
MIN_ROWS = 32  # of the batch, or neurons of the largest hidden layer, that are worth a process
BY_NEURONS = 3_000  # parameters for each example of the batch, from which on neurons are shared


def workers_for(config: Config, examples: int) -> int:
    """Return how many processes share each step: the config's `threads`, or for "auto" as many as pay."""
    size = batch_size(config, examples)
    wanted = num_workers(config.layer_sizes, size) if config.threads == "auto" else config.threads
    return possible_size(min(wanted, size))


def blas_threads_for(config: Config) -> int:
    """Return how many threads the matrix library may use: one where processes share steps, else what `threads` says.

    "auto" is one there too: two are 1.4 times as fast on a calm machine, and many times slower beside another program.
    """
    return 1 if system.CAN_SHARE_STEPS or config.threads == "auto" else config.threads


def num_workers(layer_sizes: Sequence[int], batch_size: int) -> int:
    """Return among how many processes such steps are best shared: one a processor, if each has enough to do."""
    largest = batch_size * max(a * b for a, b in pairwise(layer_sizes))
    shared = max(layer_sizes[1:-1]) if by_neurons(layer_sizes, batch_size) else batch_size
    return max(1, min(system.processors(), largest // WORTH_A_PROCESS, shared // MIN_ROWS))


def by_neurons(layer_sizes: Sequence[int], batch_size: int) -> bool:
    """Return whether a step's neurons are better shared than the rows of its batch.

    By rows, gradients travel between the caches: a number for each parameter. By neuron, activations do: one for each
    neuron and example. Processes meet more often then, which large layers make up for.
    """
    return len(layer_sizes) > 2 and parameter_count(tuple(layer_sizes)) >= BY_NEURONS * batch_size


def parallel_step(
    network: Network, optimizer: Optimizer, batch_sizes: Sequence[int], pool: ProcessPool, **settings: Any
) -> SharedStep:
    """Return what takes steps with the processes of a pool, in the way that suits the network; see `SharedStep`."""
    share = StepByNeurons if by_neurons(network.layer_sizes, max(batch_sizes)) else StepByRows
    return share(network, optimizer, batch_sizes, pool, **settings)


class ParallelTrainer:
    """Trains as `SerialTrainer` does, sharing each step among `workers` processes, of which this is the first."""

    def __init__(self, state: State, train: Examples, workers: int) -> None:
        config, network = state.config, state.network
        self.state, self.batch_size = state, batch_size(config, len(train))
        self.steps = -(-len(train) // self.batch_size)  # an epoch
        self._pool = ProcessPool(workers)
        self.metrics = MetricsAccumulator(network, self._pool.size)
        self._step = parallel_step(
            network,
            state.optimizer,
            [size for size in (self.batch_size, len(train) % self.batch_size) if size],
            self._pool,
            keep=[1 - share for share in config.dropout_shares],
            average=state.average.parameters if state.average else None,
            decay=config.weight_averaging,
        )
        by_rows = isinstance(self._step, StepByRows)
        self._loader = DataLoader(train, config, self.batch_size, self._pool.size, self._pool.barrier, by_rows=by_rows)

    def __enter__(self) -> "ParallelTrainer":
        self._pool.start(self._help)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pool.__exit__(kind, error, traceback)

    def epoch(self, number: int, learning_rate: Callable[[int], float]) -> Iterator[Batch]:
        """Take a step for each batch of an epoch, which counts from 1, and yield the batch. Raises DivergedError.

        The other processes may begin the next step meanwhile, but cannot move the parameters before this one joins in.
        """
        self._pool.begin(number)
        yield from self._epoch(0, number, learning_rate)
        self._pool.end()
        self.state.check(self.metrics.diverged, self.steps)

    def _help(self, worker: int, number: float) -> None:
        for _ in self._epoch(worker, int(number), lambda step: 0.0):
            pass

    def _epoch(self, worker: int, number: int, learning_rate: Callable[[int], float]) -> Iterator[Batch]:
        step = 0
        for superbatch in self._loader.superbatches(number, worker):
            if worker == 0:
                self.state.check(self.metrics.diverged, self.steps)  # in a superbatch that all are done with
            for batch in superbatch.batches:
                self._step.run(worker, batch, learning_rate(step))
                step += 1
                yield batch
            self.metrics.add(superbatch.all, superbatch.steps, self.batch_size, worker)
