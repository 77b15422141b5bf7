"""Losses: the cost of the output layer, its activation and its delta side by side, keyed by the config's word."""

from abc import ABC, abstractmethod

import numpy as np

from mnistnet.nn.activations import Sigmoid, glorot
from mnistnet.util.arrays import Array, ignore_fp_errors


class Loss(ABC):
    """A cost of the output layer, together with the activation that belongs to it.

    The pair is one choice because the delta of the output layer is the derivative of both together.
    `target` holds one row an example: 1 at the digit's own neuron, 0 elsewhere.
    """

    weight_scale = staticmethod(glorot)

    @staticmethod
    @abstractmethod
    def output(z: Array, out: Array) -> None:
        """Write the output activations for the weighted sums z, shape (n, classes)."""

    @staticmethod
    @abstractmethod
    def costs(z: Array, target: Array) -> Array:
        """Return the cost of each example, shape (n,): finite for every finite z."""

    @staticmethod
    @abstractmethod
    def delta(a: Array, target: Array, scale: Array, out: Array, d_activation: Array | None) -> None:
        """Write `scale`, 0-d, times dC/dz of each example into `out`, and dC/da into `d_activation` if there is one."""

    has_activation_derivative: bool


class Quadratic(Loss):
    """The video's cost (chapter 2): the sum over the output neurons of (a - y)^2, after a sigmoid."""

    has_activation_derivative = True

    @staticmethod
    def output(z: Array, out: Array) -> None:
        """Write the sigmoid of z."""
        Sigmoid.value(z, out)

    @staticmethod
    @ignore_fp_errors
    def costs(z: Array, target: Array) -> Array:
        """Return the sum of squared differences of each row."""
        difference = np.empty_like(z)
        Sigmoid.value(z, difference)
        difference -= target
        costs: Array = np.einsum("ij,ij->i", difference, difference)
        return costs

    @staticmethod
    def delta(a: Array, target: Array, scale: Array, out: Array, d_activation: Array | None) -> None:
        """Write dC/da = 2 (a - y), and the delta 2 (a - y) a (1 - a), both times `scale`."""
        assert d_activation is not None
        np.subtract(a, target, d_activation)
        np.add(d_activation, d_activation, d_activation)
        np.multiply(d_activation, scale, d_activation)
        Sigmoid.derivative(a, out)
        np.multiply(out, d_activation, out)


class CrossEntropy(Loss):
    """Minus the logarithm of the probability that a softmax gives to the right digit.

    Softmax and logarithm are one step (log-sum-exp), so a probability of 0 costs much but stays finite. Their
    joint delta is a - y (Bishop 2006, eq. 4.109). dC/da alone is infinite at a = 0 and is not offered.
    """

    has_activation_derivative = False

    @staticmethod
    def output(z: Array, out: Array) -> None:
        """Write softmax(z), shifted by each row's largest z so that no exponential overflows."""
        np.subtract(z, np.maximum.reduce(z, axis=1, keepdims=True), out)
        np.exp(out, out)
        np.divide(out, np.add.reduce(out, axis=1, keepdims=True), out)

    @staticmethod
    @ignore_fp_errors
    def costs(z: Array, target: Array) -> Array:
        """Return log(sum e^z) - z . y of each row (the rows of `target` sum to 1)."""
        shifted = z - np.maximum.reduce(z, axis=1, keepdims=True)
        right: Array = np.einsum("ij,ij->i", shifted, target)
        np.exp(shifted, shifted)
        costs: Array = np.log(np.add.reduce(shifted, axis=1)) - right
        return costs

    @staticmethod
    def delta(a: Array, target: Array, scale: Array, out: Array, d_activation: Array | None) -> None:
        """Write (a - y) times `scale`."""
        np.subtract(a, target, out)
        np.multiply(out, scale, out)


LOSSES: dict[str, type[Loss]] = {"quadratic": Quadratic, "cross_entropy": CrossEntropy}
