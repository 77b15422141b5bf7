"""Each optimizer takes the step that the textbook gives, on numbers worked out by hand."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnistnet.nn import optimizers
from mnistnet.nn.optimizers import BLOCK, OPTIMIZERS, Adam, Momentum, Nesterov, Optimizer, adam_step
from mnistnet.util.arrays import Array


def two_steps(name: str, **settings: Any) -> list[Array]:
    """Take a step with gradient (1, -2, 3) and one with (2, 0, -1), at rate 0.1, from (1, 2, 3); two are weights."""
    parameters, gradient = np.array([1.0, 2.0, 3.0]), np.zeros(3)
    optimizer = OPTIMIZERS[name](parameters, gradient, 2, **settings)
    positions = []
    for values in ([1.0, -2.0, 3.0], [2.0, 0.0, -1.0]):
        gradient[...] = values
        optimizer.step(0.1)
        positions.append(parameters.copy())
    return positions


def test_sgd_goes_against_the_gradient() -> None:
    first, second = two_steps("sgd")
    assert first == pytest.approx([0.9, 2.2, 2.7])
    assert second == pytest.approx([0.7, 2.2, 2.8])


def test_momentum_keeps_a_share_of_its_velocity() -> None:
    # v = (1, -2, 3), then 0.5 v + g = (2.5, -1, 0.5)
    first, second = two_steps("momentum", momentum=0.5)
    assert first == pytest.approx([0.9, 2.2, 2.7])
    assert second == pytest.approx([0.65, 2.3, 2.65])


def test_nesterov_looks_half_a_step_ahead() -> None:
    # g + 0.5 v = (1.5, -3, 4.5), then with v = (2.5, -1, 0.5): (3.25, -0.5, -0.75)
    first, second = two_steps("nesterov", momentum=0.5)
    assert first == pytest.approx([0.85, 2.3, 2.55])
    assert second == pytest.approx([0.525, 2.35, 2.625])


def test_adam_takes_the_papers_steps() -> None:
    # beta1 = 0.5, beta2 = 0.75, epsilon = 1.
    # Step 1: m^ = g, v^ = g^2: each moves by 0.1 g / (|g| + 1).
    # Step 2: m = (0.5 * 0.5 g1 + 0.5 g2), m^ = m / 0.75; v = 0.75 * 0.25 g1^2 + 0.25 g2^2, v^ = v / 0.4375.
    #   first number:  m^ = 1.25 / 0.75,  v^ = (0.1875 + 1) / 0.4375 = 2.7142857, root 1.6475090
    #   second number: m^ = -0.5 / 0.75,  v^ = 0.75 / 0.4375 = 1.7142857, root 1.3093073
    #   third number:  m^ = 0.25 / 0.75,  v^ = (1.6875 + 0.25) / 0.4375 = 4.4285714, root 2.1044171
    first, second = two_steps("adam", beta1=0.5, beta2=0.75, epsilon=1.0)
    assert first == pytest.approx([0.95, 2 + 0.2 / 3, 3 - 0.3 / 4])
    moved = [1.25 / 0.75 / 2.6475090, -0.5 / 0.75 / 2.3093073, 0.25 / 0.75 / 3.1044171]
    assert second == pytest.approx(first - 0.1 * np.array(moved), rel=1e-7)


@given(st.floats(0, 0.99), st.floats(0, 0.9999), st.floats(1e-8, 1), st.integers(0, 2**32))
def test_adam_agrees_with_the_papers_lines(beta1: float, beta2: float, epsilon: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    start, gradient = random.normal(size=5), np.zeros(5)
    w, m, v = start.copy(), np.zeros(5), np.zeros(5)
    optimizer = Adam(start, gradient, 5, beta1=beta1, beta2=beta2, epsilon=epsilon)
    for t in range(1, 6):
        gradient[...] = random.normal(size=5)
        w, m, v = adam_step(w, gradient, m, v, t, 0.01, beta1, beta2, epsilon)
        optimizer.step(0.01)
    assert start == pytest.approx(w, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_decay_shrinks_weights_by_rate_times_decay_and_leaves_biases_alone(name: str) -> None:
    plain, decayed = two_steps(name)[0], two_steps(name, weight_decay=0.5)[0]
    start = np.array([1.0, 2.0, 3.0])
    assert plain - decayed == pytest.approx(0.1 * 0.5 * start * [1, 1, 0])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_blocks_cover_every_parameter_once(name: str) -> None:
    size, weights = 2 * BLOCK + 5, BLOCK + 3
    parameters, gradient = np.zeros(size), np.ones(size)
    optimizer = OPTIMIZERS[name](parameters, gradient, weights, weight_decay=0.1)
    optimizer.step(0.1)
    optimizer.step(0.1)
    assert np.unique(parameters[:weights]).size == 1
    assert np.unique(parameters[weights:]).size == 1
    assert (parameters < 0).all()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_restored_optimizer_goes_on_to_the_same_bytes(name: str) -> None:
    def fresh(parameters: Array) -> tuple[Optimizer, Array]:
        gradient = np.zeros_like(parameters)
        return OPTIMIZERS[name](parameters, gradient, 50, weight_decay=0.01), gradient

    random = np.random.default_rng(0)
    gradients = random.normal(size=(6, 60)).astype(np.float32)
    one = random.normal(size=60).astype(np.float32)
    optimizer, gradient = fresh(one)
    for values in gradients[:3]:
        gradient[...] = values
        optimizer.step(0.1)
    two = one.copy()
    other, other_gradient = fresh(two)
    other.restore({key: value.copy() for key, value in optimizer.state.items()}, optimizer.steps)
    for values in gradients[3:]:
        gradient[...] = other_gradient[...] = values
        optimizer.step(0.1)
        other.step(0.1)
    assert one.tobytes() == two.tobytes()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_descends_a_bowl(name: str) -> None:
    position, gradient = np.array([3.0, -2.0]), np.zeros(2)
    optimizer = OPTIMIZERS[name](position, gradient, 2)
    for _ in range(500):
        gradient[...] = position * [1.0, 10.0]
        optimizer.step(0.02)
    assert np.abs(position).max() < 0.02


@pytest.mark.parametrize("make", [Momentum, Nesterov, Adam])
def test_moments_without_gradients_end_at_zero_and_never_among_subnormal_numbers(
    make: type[Optimizer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dead neuron's moments shrink with each step; processors are a hundred times slower with subnormal numbers."""
    found = []
    for every in (optimizers.FLUSH_EVERY, 10**9):
        monkeypatch.setattr(optimizers, "FLUSH_EVERY", every)
        random = np.random.default_rng(0)
        w, g = random.normal(0, 0.05, 4000).astype(np.float32), np.zeros(4000, np.float32)
        optimizer = make(w, g, 3000, weight_decay=0.05)
        small = 0
        for step in range(3000):
            g[...] = random.normal(0, 1e-3, 4000) if step < 100 else 0
            g[2000:2100] = 1e-4 * random.normal(0, 1, 100)  # some go on
            optimizer.step(0.01)
            small += sum(int(np.count_nonzero((m != 0) & (np.abs(m) < 1.2e-38))) for m in optimizer.state.values())
        found.append((w.copy(), small))
    (flushed, none), (plain, many) = found
    assert none == 0 < many
    assert np.array_equal(flushed, plain)


def test_with_a_tiny_epsilon_the_second_moment_keeps_every_normal_number() -> None:
    w, g = np.zeros(4, np.float32), np.full(4, 1e-18, np.float32)
    optimizer = Adam(w, g, 4, epsilon=1e-30)
    for _ in range(128):
        optimizer.step(0.01)
    assert (optimizer.state["second_moment"] > 1e-36).all()
