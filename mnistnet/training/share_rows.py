"""A step shared by rows: each process works out the gradient of its rows of the batch.

When all have, each adds the others' to its own for a part of the parameters, and moves these. So processes meet twice
a step and are else on their own; what travels between their caches is weights and gradients, never images.
"""

from mnistnet.nn.layer_buffers import ForwardCache, Gradients
from mnistnet.training.averaging import ParameterAverage
from mnistnet.training.data_loader import Batch, partition
from mnistnet.training.shared_step import SharedStep
from mnistnet.util.arrays import ignore_fp_errors
from mnistnet.util.shared_memory import shared_zeros


class StepByRows(SharedStep):
    """Takes steps with each process in memory of its own."""

    def __post_init__(self) -> None:
        network, optimizer, pool, average = self.network, self.optimizer, self.pool, self.average
        self._rate = shared_zeros(1, float)
        gradient = optimizer.gradient
        vectors = [gradient, *(shared_zeros(gradient.shape, gradient.dtype) for _ in range(1, pool.size))]
        self._memory: list[dict[int, tuple[ForwardCache, Gradients]]] = [{} for _ in vectors]
        for worker, flat in enumerate(vectors):
            for size in self.batch_sizes:
                rows = partition(slice(0, size), worker, pool.size)
                cache = network.forward_cache(rows.stop - rows.start)
                cache.keep = self.keep
                self._memory[worker][size] = cache, network.gradients(rows.stop - rows.start, flat, size)
        shares = [partition(slice(0, gradient.size), worker, pool.size) for worker in range(pool.size)]
        self._blocks = [optimizer.blocks(share, vectors[1:]) for share in shares]
        self._averages = (
            None
            if average is None
            else [ParameterAverage(network.parameters[share], average[share], self.decay) for share in shares]
        )

    @ignore_fp_errors
    def run(self, worker: int, batch: Batch, learning_rate: float = 0.0) -> None:
        """Do a worker's part of one step. The learning rate is worker 0's to say."""
        network, optimizer, own = self.network, self.optimizer, batch.part(worker, self.pool.size)
        cache, gradients = self._memory[worker][len(batch)]
        cache.masks = own.masks
        network.forward(own.inputs, cache)
        own.logits[...] = cache.logits
        network.backward(cache, own.targets, gradients, own.weights)
        if worker == 0:
            self._rate[0] = learning_rate
        self.pool.barrier(worker)  # all gradients are known, and the learning rate
        optimizer.steps += 1  # every process counts for itself
        optimizer.apply(self._blocks[worker], optimizer.step_constants(optimizer.steps, float(self._rate[0])))
        if self._averages:
            self._averages[worker].update(optimizer.steps)
        self.pool.barrier(worker)  # all parameters have moved
