"""A step shared among threads is the step that one would take: nothing twice, nothing left out."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnistnet.network import Network, parameter_count
from mnistnet.optimizers import OPTIMIZERS
from mnistnet.randomness import Use, generator
from mnistnet.steps import LEAST_ROWS, WORTH_A_THREAD, Stepper, Team, shares, worthwhile_threads

SIZES = (9, 7, 5, 4)


@given(st.lists(st.integers(1, 40), min_size=2, max_size=5), st.integers(1, 6))
def test_every_parameter_belongs_to_exactly_one_share(sizes: list[int], parts: int) -> None:
    owners = np.zeros(parameter_count(tuple(sizes)), int)
    neurons = [np.zeros(size, int) for size in sizes[1:]]
    for share in shares(tuple(sizes), parts):
        owners[share.weights] += 1
        owners[share.biases] += 1
        for layer, run in share.runs:
            neurons[layer][run] += 1
    assert (owners == 1).all()
    assert all((layer == 1).all() for layer in neurons)


def test_shares_of_a_wide_network_hold_about_as_many_weights_each() -> None:
    weights = [share.weights.stop - share.weights.start for share in shares((784, 800, 800, 10), 3)]
    assert max(weights) - min(weights) <= 2 * 800


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_threads_take_the_step_that_one_would_take(name: str, threads: int) -> None:
    random = generator(0, Use.INIT)
    alone, together = (Network(SIZES, "tanh", "cross_entropy", np.float64) for _ in range(2))
    alone.parameters[...] = together.parameters[...] = random.normal(0, 0.5, alone.parameters.shape)
    gradients = {size: alone.gradients(size) for size in (12, 5)}
    flat = np.zeros_like(together.parameters)
    optimizer = OPTIMIZERS[name](together.parameters, flat, together.weight_count, weight_decay=0.1)
    own = np.zeros_like(flat)
    expected = OPTIMIZERS[name](alone.parameters, own, alone.weight_count, weight_decay=0.1)
    with Team(threads) as team:
        stepper = Stepper(together, optimizer, flat, [12, 5], team)
        for size in (12, 12, 5, 12):
            inputs, target = random.random((size, 9)), np.eye(4)[random.integers(4, size=size)]
            trace = alone.forward(inputs, alone.trace(size))
            own[...] = alone.backward(trace, target, gradients[size]).flat
            expected.step(0.1)
            logits = np.empty_like(target)
            stepper.run(inputs, target, (), [0.1], logits)
            assert np.allclose(logits, trace.logits, rtol=1e-12, atol=1e-14)
    assert np.allclose(together.parameters, alone.parameters, rtol=1e-11, atol=1e-13)


def test_the_average_is_a_plain_mean_first_and_an_exponential_one_later() -> None:
    network = Network((2, 1), "relu", "quadratic", np.float64)
    flat, average = np.zeros(3), np.zeros(3)
    optimizer = OPTIMIZERS["sgd"](network.parameters, flat, 2)
    seen = []
    with Team(1) as team:
        stepper = Stepper(network, optimizer, flat, [1], team, average=average, decay=0.75)
        for _ in range(6):
            stepper.run(np.ones((1, 2)), np.ones((1, 1)), (), [1.0], np.empty((1, 1)))
            seen.append(network.parameters.copy())
            if len(seen) <= 4:
                assert np.allclose(average, np.mean(seen, axis=0))
    expected = np.mean(seen[:4], axis=0)
    for values in seen[4:]:
        expected = 0.75 * expected + 0.25 * values
    assert np.allclose(average, expected)


def test_what_goes_wrong_in_a_thread_reaches_the_caller_and_the_team_ends() -> None:
    def fail(part: int) -> None:
        if part == 2:
            raise ZeroDivisionError("in part 2")

    before = threading.active_count()
    with Team(3) as team:
        with pytest.raises(ZeroDivisionError, match="in part 2"):
            team.run(fail)
        done: list[int] = []
        team.run(done.append)
        assert sorted(done) == [0, 1, 2]
    for thread in threading.enumerate():
        if thread.name.startswith("mnistnet-step"):
            thread.join(timeout=5)
    assert threading.active_count() <= before


def test_threads_meet_as_often_as_they_like_and_nobody_goes_ahead() -> None:
    arrived: list[int] = []

    def walk(part: int) -> None:
        for number in range(200):
            arrived.append(number)
            team.meet(part)
            assert arrived.count(number) == 3

    with Team(3) as team:
        team.run(walk)


def test_who_waits_for_a_thread_that_fails_is_not_left_waiting() -> None:
    def fail(part: int) -> None:
        if part == 1:
            raise ZeroDivisionError("in part 1")
        team.meet(part)

    with Team(3) as team:
        with pytest.raises(ZeroDivisionError, match="in part 1"):
            team.run(fail)
        team.run(team.meet)


def test_small_steps_stay_with_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(4)), raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    assert worthwhile_threads((784, 16, 16, 10), 100) == 1
    assert worthwhile_threads((784, 128, 10), 128) == 1  # `default` and `speedrun`: measured, it would not pay
    assert worthwhile_threads((784, 800, 800, 10), 128) == 4
    assert worthwhile_threads((WORTH_A_THREAD, 10), LEAST_ROWS) == 1
