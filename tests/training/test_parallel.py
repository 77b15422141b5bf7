"""A step shared among processes is the step that one would take: nothing twice, nothing left out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnistnet.nn.network import Network
from mnistnet.nn.optimizers import OPTIMIZERS
from mnistnet.training.data_loader import Batch, partition
from mnistnet.training.parallel import MIN_ROWS, WORTH_A_PROCESS, ParallelStep, num_workers
from mnistnet.training.process_pool import ProcessPool
from mnistnet.util.rng import Use, generator
from mnistnet.util.shared_memory import shared_zeros

SIZES = (9, 7, 5, 4)


@given(st.integers(0, 50), st.integers(0, 200), st.integers(1, 9))
def test_shares_are_next_to_each_other_and_alike(start: int, n: int, parts: int) -> None:
    found = [partition(slice(start, start + n), part, parts) for part in range(parts)]
    assert [i for share in found for i in range(share.start, share.stop)] == list(range(start, start + n))
    lengths = [share.stop - share.start for share in found]
    assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize("workers", [1, 2, 3, 5])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_processes_take_the_step_that_one_would_take(name: str, workers: int) -> None:
    random = generator(0, Use.INIT)
    alone, together = (Network(SIZES, "tanh", "cross_entropy", np.float64) for _ in range(2))
    alone.parameters[...] = together.parameters[...] = random.normal(0, 0.5, alone.parameters.shape)
    gradients = {size: alone.gradients(size) for size in (12, 5)}
    together.use_parameters(shared_zeros(alone.parameters.shape, np.float64))
    together.parameters[...] = alone.parameters
    flat = shared_zeros(together.parameters.shape, np.float64)
    optimizer = OPTIMIZERS[name](together.parameters, flat, together.weight_count, weight_decay=0.1, zeros=shared_zeros)
    own = np.zeros_like(flat)
    expected = OPTIMIZERS[name](alone.parameters, own, alone.weight_count, weight_decay=0.1)
    inputs, targets, logits = (shared_zeros((12, columns), np.float64) for columns in (9, 4, 4))
    everything = Batch(inputs, np.zeros(12, np.uint8), targets, (), logits)
    with ProcessPool(workers) as pool:
        step = ParallelStep(together, optimizer, flat, [12, 5], pool)
        pool.start(lambda worker, n: step.run(worker, everything.rows(slice(0, int(n))), 0.1))
        for size in (12, 12, 5, 12):
            inputs[:size], targets[:size] = random.random((size, 9)), np.eye(4)[random.integers(4, size=size)]
            cache = alone.forward(inputs[:size], alone.forward_cache(size))
            own[...] = alone.backward(cache, targets[:size], gradients[size]).flat
            expected.step(0.1)
            pool.run(size)
            assert np.allclose(logits[:size], cache.logits, rtol=1e-12, atol=1e-14)
    assert np.allclose(together.parameters, alone.parameters, rtol=1e-11, atol=1e-13)


def test_the_learning_rate_is_the_first_workers_to_say() -> None:
    network = Network(SIZES, "tanh", "cross_entropy", np.float64)
    network.use_parameters(shared_zeros(network.parameters.shape, np.float64))
    flat = shared_zeros(network.parameters.shape, np.float64)
    optimizer = OPTIMIZERS["sgd"](network.parameters, flat, network.weight_count)
    shapes = ((4, 9), (4, 4), (4, 4))
    inputs, targets, logits = (shared_zeros(shape, np.float64) for shape in shapes)
    batch = Batch(inputs, np.zeros(4, np.uint8), targets, (), logits)
    targets[:, 1] = 1
    with ProcessPool(2) as pool:
        step = ParallelStep(network, optimizer, flat, [4], pool)
        pool.start(lambda worker: step.run(worker, batch, 0.5 if worker == 0 else 0.0))
        pool.run()
    # With all weights 0 each output is 1/4, so each bias of the output moves by the rate times (y - 1/4).
    assert network.biases[-1] == pytest.approx([-0.125, 0.375, -0.125, -0.125])


def test_small_steps_stay_with_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(4)), raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    assert num_workers((784, 16, 16, 10), 10) == 1  # measured, it would not pay
    assert num_workers((784, 16, 16, 10), 100) == 2
    assert num_workers((784, 128, 10), 128) == 4
    assert num_workers((WORTH_A_PROCESS, 10), MIN_ROWS) == 1
