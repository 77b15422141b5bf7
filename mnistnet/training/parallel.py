"""The same training as `loop.py`'s, with each step shared among processes. Used where that pays.

Each process works out the gradient of its rows of the batch. When all have, each adds the others' to its own for a
part of the parameters, and moves these. So processes meet twice a step and are else on their own; what travels between
their caches is weights and gradients, never images.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from types import TracebackType
from typing import NamedTuple

from mnistnet.config.schema import Config
from mnistnet.data.datasets import Examples
from mnistnet.nn.layer_buffers import ForwardCache, Gradients
from mnistnet.nn.network import Network
from mnistnet.nn.optimizers import Optimizer
from mnistnet.training.averaging import ParameterAverage
from mnistnet.training.data_loader import Batch, DataLoader, partition
from mnistnet.training.metrics import MetricsAccumulator
from mnistnet.training.process_pool import ProcessPool, possible_size
from mnistnet.training.state import State, batch_size
from mnistnet.util import system
from mnistnet.util.arrays import Array, ignore_fp_errors
from mnistnet.util.shared_memory import shared_zeros

WORTH_A_PROCESS = 2**19  # multiplications in a step's largest matrix product; see docs/experiments.md
MIN_ROWS = 32


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
    return max(1, min(system.processors(), largest // WORTH_A_PROCESS, batch_size // MIN_ROWS))


class _Rows(NamedTuple):
    """Which rows of a batch a worker takes, and where it leaves its results."""

    rows: slice
    cache: ForwardCache
    gradients: Gradients


class ParallelStep:
    """Takes steps together with the other processes of a pool, each in memory of its own.

    `batch_sizes` are all that will come. `keep` is dropout's, for each hidden layer. `average`, if there is one,
    follows the network's parameters. `gradient`, `average` and the network's parameters must lie in shared memory, and
    so must batches that another process has made.
    """

    def __init__(
        self,
        network: Network,
        optimizer: Optimizer,
        gradient: Array,
        batch_sizes: Sequence[int],
        pool: ProcessPool,
        *,
        keep: Sequence[float] = (),
        average: Array | None = None,
        decay: float = 0.0,
    ) -> None:
        self._network, self._optimizer, self._pool = network, optimizer, pool
        self._rate = shared_zeros(1, float)
        others = [shared_zeros(gradient.shape, gradient.dtype) for _ in range(1, pool.size)]
        self._rows: list[dict[int, _Rows]] = [{} for _ in range(pool.size)]
        for worker, flat in enumerate((gradient, *others)):
            for size in batch_sizes:
                rows = partition(slice(0, size), worker, pool.size)
                n = rows.stop - rows.start
                cache = network.forward_cache(n)
                cache.keep = keep
                self._rows[worker][size] = _Rows(rows, cache, network.gradients(n, flat, size))
        shares = [partition(slice(0, gradient.size), worker, pool.size) for worker in range(pool.size)]
        self._blocks = [optimizer.blocks(share, others) for share in shares]
        self._averages = (
            None
            if average is None
            else [ParameterAverage(network.parameters[share], average[share], decay) for share in shares]
        )

    @ignore_fp_errors
    def run(self, worker: int, batch: Batch, learning_rate: float = 0.0) -> None:
        """Do a worker's part of one step. The learning rate is worker 0's to say."""
        network, optimizer = self._network, self._optimizer
        rows, cache, gradients = self._rows[worker][len(batch)]
        own = batch.rows(rows)
        cache.masks = own.masks
        network.forward(own.inputs, cache)
        own.logits[...] = cache.logits
        network.backward(cache, own.targets, gradients, own.weights)
        if worker == 0:
            self._rate[0] = learning_rate
        self._pool.barrier(worker)  # all gradients are known, and the learning rate
        optimizer.steps += 1  # every process counts for itself
        optimizer.apply(self._blocks[worker], optimizer.step_constants(optimizer.steps, float(self._rate[0])))
        if self._averages:
            self._averages[worker].update(optimizer.steps)
        self._pool.barrier(worker)  # all parameters have moved


class ParallelTrainer:
    """Trains as `SerialTrainer` does, sharing each step among `workers` processes, of which this is the first."""

    def __init__(self, state: State, train: Examples, workers: int) -> None:
        config, network = state.config, state.network
        self.state, self.batch_size = state, batch_size(config, len(train))
        self.steps = -(-len(train) // self.batch_size)  # an epoch
        self._pool = ProcessPool(workers)
        self.metrics = MetricsAccumulator(network, self._pool.size)
        self._loader = DataLoader(train, config, self.batch_size, self._pool.size, self._pool.barrier)
        self._step = ParallelStep(
            network,
            state.optimizer,
            state.gradient,
            [size for size in (self.batch_size, len(train) % self.batch_size) if size],
            self._pool,
            keep=[1 - share for share in config.dropout_shares],
            average=state.average.parameters if state.average else None,
            decay=config.weight_averaging,
        )

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
