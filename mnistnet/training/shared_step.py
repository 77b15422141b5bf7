"""What both ways to share a step among processes have in common: `share_rows.py` and `share_neurons.py`."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from mnistnet.nn.network import Network
from mnistnet.nn.optimizers import Optimizer
from mnistnet.training.data_loader import Batch
from mnistnet.training.process_pool import ProcessPool
from mnistnet.util.arrays import Array


@dataclass(eq=False)
class SharedStep(ABC):
    """Takes steps together with the other processes of a pool.

    `batch_sizes` are all that will come. `keep` is dropout's, for each hidden layer. `average`, if there is one,
    follows the network's parameters with this `decay`. The parameters, `average` and the optimizer's gradient and state
    must lie in shared memory, and so must batches that another process has made.
    """

    network: Network
    optimizer: Optimizer
    batch_sizes: Sequence[int]
    pool: ProcessPool
    keep: Sequence[float] = ()
    average: Array | None = None
    decay: float = 0.0

    @abstractmethod
    def __post_init__(self) -> None:
        """Make the memory that the steps need."""

    @abstractmethod
    def run(self, worker: int, batch: Batch, learning_rate: float = 0.0) -> None:
        """Do a worker's part of one step. The learning rate is worker 0's to say."""
