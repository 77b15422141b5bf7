"""A step shared among processes is the step that one would take: nothing twice, nothing left out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnistnet.nn.network import Network
from mnistnet.nn.optimizers import OPTIMIZERS
from mnistnet.training.parallel import MIN_ROWS, WORTH_A_PART, TrainStep, num_workers, partition
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


@pytest.mark.parametrize("parts", [1, 2, 3, 5])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_processes_take_the_step_that_one_would_take(name: str, parts: int) -> None:
    random = generator(0, Use.INIT)
    alone, together = (Network(SIZES, "tanh", "cross_entropy", np.float64) for _ in range(2))
    alone.parameters[...] = together.parameters[...] = random.normal(0, 0.5, alone.parameters.shape)
    gradients = {size: alone.gradients(size) for size in (12, 5)}
    together.share()
    flat = shared_zeros(together.parameters.shape, np.float64)
    optimizer = OPTIMIZERS[name](together.parameters, flat, together.weight_count, weight_decay=0.1)
    own = np.zeros_like(flat)
    expected = OPTIMIZERS[name](alone.parameters, own, alone.weight_count, weight_decay=0.1)
    inputs, target, logits = (shared_zeros((12, columns), np.float64) for columns in (9, 4, 4))
    with ProcessPool(parts) as team:
        stepper = TrainStep(together, optimizer, flat, [12, 5], team)
        team.start(lambda part, n: stepper.walk(part, inputs[: int(n)], target[: int(n)], (), [0.1], logits[: int(n)]))
        for size in (12, 12, 5, 12):
            inputs[:size], target[:size] = random.random((size, 9)), np.eye(4)[random.integers(4, size=size)]
            trace = alone.forward(inputs[:size], alone.forward_cache(size))
            own[...] = alone.backward(trace, target[:size], gradients[size]).flat
            expected.step(0.1)
            team.run(size)
            assert np.allclose(logits[:size], trace.logits, rtol=1e-12, atol=1e-14)
    assert np.allclose(together.parameters, alone.parameters, rtol=1e-11, atol=1e-13)


def test_the_average_is_a_plain_mean_first_and_an_exponential_one_later() -> None:
    network = Network((2, 1), "relu", "quadratic", np.float64)
    flat, average = np.zeros(3), np.zeros(3)
    optimizer = OPTIMIZERS["sgd"](network.parameters, flat, 2)
    seen = []
    with ProcessPool(1) as team:
        stepper = TrainStep(network, optimizer, flat, [1], team, average=average, decay=0.75)
        for _ in range(6):
            stepper.walk(0, np.ones((1, 2)), np.ones((1, 1)), (), [1.0], np.empty((1, 1)))
            seen.append(network.parameters.copy())
            if len(seen) <= 4:
                assert np.allclose(average, np.mean(seen, axis=0))
    expected = np.mean(seen[:4], axis=0)
    for values in seen[4:]:
        expected = 0.75 * expected + 0.25 * values
    assert np.allclose(average, expected)


def test_small_steps_stay_with_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(4)), raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    assert num_workers((784, 16, 16, 10), 10) == 1  # measured, it would not pay
    assert num_workers((784, 16, 16, 10), 100) == 2
    assert num_workers((784, 128, 10), 128) == 4
    assert num_workers((WORTH_A_PART, 10), MIN_ROWS) == 1
