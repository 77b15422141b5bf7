"""Backpropagation tells the truth: gradients against central differences, by hand, and per example."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnistnet.nn.activations import ACTIVATIONS
from mnistnet.nn.layer_buffers import Gradients
from mnistnet.nn.losses import LOSSES
from mnistnet.nn.network import Network, parameter_count
from mnistnet.util.arrays import Array
from mnistnet.util.rng import Use, generator

DEPTHS = [(6, 4), (6, 5, 4), (6, 5, 5, 4)]


def network_and_batch(
    sizes: tuple[int, ...], activation: str, loss: str, examples: int = 7, seed: int = 0
) -> tuple[Network, Array, Array]:
    random = generator(seed, Use.INIT)
    network = Network(sizes, activation, loss, np.float64)
    network.parameters[...] = random.normal(0, 0.7, network.parameters.shape)
    target = np.eye(sizes[-1])[random.integers(sizes[-1], size=examples)]
    return network, random.random((examples, sizes[0])), target


def cost(network: Network, inputs: Array, target: Array) -> float:
    """Return the cost as it is printed: the mean over examples."""
    logits = network.forward(inputs, network.forward_cache(len(inputs))).logits
    return float(network.loss.costs(logits, target).mean())


def gradient(network: Network, inputs: Array, target: Array) -> Gradients:
    cache = network.forward(inputs, network.forward_cache(len(inputs)))
    return network.backward(cache, target, network.gradients(len(inputs)))


def central_differences(network: Network, inputs: Array, target: Array, width: float = 1e-6) -> Array:
    result = np.empty_like(network.parameters)
    for i, value in enumerate(network.parameters.copy()):
        network.parameters[i] = value + width
        above = cost(network, inputs, target)
        network.parameters[i] = value - width
        below = cost(network, inputs, target)
        network.parameters[i] = value
        result[i] = (above - below) / (2 * width)
    return result


@pytest.mark.parametrize(("activation", "loss", "sizes"), [*product(ACTIVATIONS, LOSSES, DEPTHS)])
def test_every_gradient_equals_the_slope_of_the_printed_cost(
    activation: str, loss: str, sizes: tuple[int, ...]
) -> None:
    network, inputs, target = network_and_batch(sizes, activation, loss)
    found = gradient(network, inputs, target).flat
    measured = central_differences(network, inputs, target)
    assert np.linalg.norm(found - measured) / np.linalg.norm(measured) < 1e-7


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_hold_for_targets_that_are_not_one_hot(loss: str) -> None:
    network, inputs, target = network_and_batch((6, 5, 4), "tanh", loss)
    smoothed = 0.9 * target + 0.1 / 4
    found, measured = gradient(network, inputs, smoothed).flat, central_differences(network, inputs, smoothed)
    assert np.linalg.norm(found - measured) / np.linalg.norm(measured) < 1e-7


@pytest.mark.parametrize(("activation", "loss"), [*product(ACTIVATIONS, LOSSES)])
def test_with_weights_every_gradient_is_the_slope_of_the_weighted_cost(activation: str, loss: str) -> None:
    network, inputs, target = network_and_batch((6, 5, 4), activation, loss)
    weights = np.array([0.0, 0.25, 1, 1, 2, 4, 20])[:, None]
    cache = network.forward(inputs, network.forward_cache(7))
    found = network.backward(cache, target, network.gradients(7), weights)
    singles = [gradient(network, inputs[i : i + 1], target[i : i + 1]) for i in range(7)]
    measured = sum(
        weights[i, 0] / 7 * central_differences(network, inputs[i : i + 1], target[i : i + 1]) for i in range(7)
    )
    assert np.linalg.norm(found.flat - measured) / np.linalg.norm(measured) < 1e-7
    for row, single in enumerate(singles):
        for whole, own in zip(found.activations, single.activations, strict=True):
            if own is not None and whole is not None:
                assert whole[row] == pytest.approx(weights[row, 0] / 7 * own[0], rel=1e-9)


@given(
    sizes=st.lists(st.integers(1, 6), min_size=2, max_size=4).map(tuple),
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    loss=st.sampled_from(sorted(LOSSES)),
    examples=st.integers(1, 9),
    seed=st.integers(0, 1000),
)
@settings(max_examples=60, deadline=None)
def test_the_mean_of_what_single_examples_want_is_the_batch_gradient(
    sizes: tuple[int, ...], activation: str, loss: str, examples: int, seed: int
) -> None:
    network, inputs, target = network_and_batch(sizes, activation, loss, examples, seed)
    singles = [gradient(network, inputs[i : i + 1], target[i : i + 1]).flat for i in range(examples)]
    assert np.abs(np.mean(singles, axis=0) - gradient(network, inputs, target).flat).max() < 1e-12


@pytest.mark.parametrize("loss", LOSSES)
def test_rows_of_deltas_and_activation_derivatives_are_each_examples_share_of_the_mean(loss: str) -> None:
    network, inputs, target = network_and_batch((6, 5, 4), "sigmoid", loss, examples=3)
    batch, single = gradient(network, inputs, target), gradient(network, inputs[1:2], target[1:2])
    for whole, own in zip(batch.deltas, single.deltas, strict=True):
        assert whole[1] == pytest.approx(own[0] / 3, rel=1e-12)
    for whole_d, own_d in zip(batch.activations, single.activations, strict=True):
        if own_d is not None and whole_d is not None:
            assert whole_d[1] == pytest.approx(own_d[0] / 3, rel=1e-12)


def test_dc_da_is_what_nudging_an_activation_does_and_is_absent_at_a_cross_entropy_output() -> None:
    network, inputs, target = network_and_batch((3, 2, 2), "sigmoid", "quadratic", examples=1)
    found = gradient(network, inputs, target)
    cache = network.forward(inputs, network.forward_cache(1))
    hidden, width = cache.activations[1][0].copy(), 1e-6

    def cost_of(activations: Array) -> float:
        z = activations @ network.weights[1].T + network.biases[1]
        return float(network.loss.costs(z[None], target)[0])

    assert found.activations[0] is not None
    for neuron in range(2):
        step = np.eye(2)[neuron] * width
        slope = (cost_of(hidden + step) - cost_of(hidden - step)) / (2 * width)
        assert found.activations[0][0, neuron] == pytest.approx(slope, rel=1e-7)
    assert found.activations[1] is not None
    assert found.activations[1][0] == pytest.approx(2 * (cache.activations[2][0] - target[0]))
    network, inputs, target = network_and_batch((3, 2, 2), "sigmoid", "cross_entropy")
    assert gradient(network, inputs, target).activations[-1] is None


def test_one_example_through_a_network_of_three_neurons_worked_out_by_hand() -> None:
    # One input 1, hidden neuron with weight 0 and bias 0, output neuron with weight 2 and bias -1; target 1.
    #   hidden: z = 0, a = 1/2.        output: z = 2/2 - 1 = 0, a = 1/2.      cost (1/2 - 1)^2 = 1/4
    #   output: dC/da = 2 (1/2 - 1) = -1, delta = -1 * 1/4 = -1/4, dC/dw = delta * 1/2 = -1/8, dC/db = -1/4
    #   hidden: dC/da = 2 * -1/4 = -1/2, delta = -1/2 * 1/4 = -1/8, dC/dw = -1/8 * 1 = -1/8, dC/db = -1/8
    network = Network((1, 1, 1), "sigmoid", "quadratic", np.float64)
    network.weights[1][...], network.biases[1][...] = 2, -1
    one = np.ones((1, 1))
    assert cost(network, one, one) == 0.25
    found = gradient(network, one, one)
    assert found.flat.tolist() == [-0.125, -0.125, -0.125, -0.25]
    assert [delta.item() for delta in found.deltas] == [-0.125, -0.25]
    assert [d.item() for d in found.activations if d is not None] == [-0.5, -1.0]


def test_the_videos_network_has_13002_parameters_and_views_share_the_flat_vector() -> None:
    network = Network((784, 16, 16, 10), "sigmoid", "quadratic")
    assert network.parameters.size == parameter_count((784, 16, 16, 10)) == 13_002
    assert "784-16-16-10" in repr(network)
    assert "13,002 parameters" in repr(network)
    assert [w.shape for w in network.weights] == [(16, 784), (16, 16), (10, 16)]
    network.weights[1][2, 3] = 7
    network.biases[2][9] = 8
    assert network.parameters[16 * 784 + 2 * 16 + 3] == 7
    assert network.parameters[-1] == 8
    assert network.weight_count == 13_002 - 42


@pytest.mark.parametrize(("activation", "variance"), [("relu", 2 / 400), ("sigmoid", 2 / 500), ("tanh", 2 / 500)])
def test_first_weights_follow_he_for_relu_and_glorot_else_with_zero_biases(activation: str, variance: float) -> None:
    network = Network((400, 100, 10), activation, "cross_entropy")
    network.initialise(generator(0, Use.INIT))
    assert network.weights[0].var() == pytest.approx(variance, rel=0.03)
    assert network.weights[1].var() == pytest.approx(2 / 110, rel=0.15)
    assert not any(bias.any() for bias in network.biases)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("activation", "loss"), [*product(ACTIVATIONS, LOSSES)])
def test_the_core_keeps_the_dtype_it_is_given(dtype: type, activation: str, loss: str) -> None:
    network = Network((6, 5, 4), activation, loss, dtype)
    network.initialise(generator(0, Use.INIT))
    cache = network.forward(np.ones((2, 6), dtype), network.forward_cache(2))
    gradients = network.backward(cache, np.eye(4, dtype=dtype)[:2], network.gradients(2))
    arrays = [*cache.activations, cache.logits, *gradients.deltas, gradients.flat]
    assert {a.dtype for a in arrays} == {np.dtype(dtype)}
    assert network.loss.costs(cache.logits, np.eye(4, dtype=dtype)[:2]).dtype == dtype
