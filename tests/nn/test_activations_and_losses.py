"""Activations and losses stay finite and right where numbers get extreme."""

import numpy as np
import pytest

from mnistnet.nn.activations import ACTIVATIONS
from mnistnet.nn.losses import LOSSES
from mnistnet.nn.network import Network
from mnistnet.util.arrays import Array, ignore_fp_errors

EXTREME = np.array([-1e4, -100.0, -88.8, -20.0, 0.0, 20.0, 88.8, 100.0, 1e4])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_finite_and_in_range_for_extreme_sums(name: str, dtype: type) -> None:
    network = Network((1, 9, 2), name, "cross_entropy", dtype)
    network.weights[0][:, 0] = EXTREME
    cache = ignore_fp_errors(network.forward)(np.ones((1, 1), dtype), network.forward_cache(1))
    a = cache.activations[1][0]
    assert np.isfinite(a).all()
    assert (np.diff(a) >= 0).all()
    if name == "sigmoid":
        assert a[[0, 4, -1]].tolist() == [0, 0.5, 1]
        assert 0 < a[3] < 1e-8


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", LOSSES)
def test_costs_are_finite_at_probability_zero_and_one(name: str, dtype: type) -> None:
    z: Array = np.array([[1e4, -1e4], [1e4, -1e4], [0, 0]], dtype)
    target: Array = np.array([[1, 0], [0, 1], [0, 1]], dtype)
    costs = LOSSES[name].costs(z, target)
    assert costs.tolist() == pytest.approx([0, 2, 0.5] if name == "quadratic" else [0, 2e4, np.log(2)])


def test_softmax_sums_to_one_and_ignores_a_common_shift() -> None:
    z, out, shifted = np.array([[1.0, 2.0, 3.0]]), np.empty((1, 3)), np.empty((1, 3))
    LOSSES["cross_entropy"].output(z, out)
    LOSSES["cross_entropy"].output(z + 1000, shifted)
    assert out.sum() == pytest.approx(1)
    assert out == pytest.approx(shifted)
    assert out[0] == pytest.approx(np.exp([1, 2, 3]) / np.exp([1, 2, 3]).sum())


def test_weights_that_overflow_end_as_a_cost_that_is_not_finite() -> None:
    network = Network((2, 2, 2), "relu", "cross_entropy")
    network.parameters[...] = 1e30
    cache = ignore_fp_errors(network.forward)(np.ones((1, 2), np.float32), network.forward_cache(1))
    assert not np.isfinite(network.loss.costs(cache.logits, np.eye(2, dtype=np.float32)[:1])).any()
