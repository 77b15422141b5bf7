"""Activations and losses: each value beside its derivative, in tables keyed by the config's word.

A function and its derivative drift apart when they live in two places, so here they share a class. All work on
whole batches, write into `out` where the training loop needs to allocate nothing, and keep the dtype they get.
"""

from abc import ABC, abstractmethod
from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# NumPy looks at a Python number anew in every call, and for small arrays that costs as much as the arithmetic.
ZERO, ONE = np.array(0, np.float32), np.array(1, np.float32)

QUIETLY = np.errstate(over="ignore", invalid="ignore", divide="ignore")
"""Decorator for arithmetic whose overflow is looked for later: it ends as a cost that is not a finite number."""


class Activation(ABC):
    """A function f applied to each weighted sum z, giving the activation a = f(z)."""

    @staticmethod
    @abstractmethod
    def value(z: Array, out: Array) -> None:
        """Write f(z) into `out`, which may be `z` itself."""

    @staticmethod
    @abstractmethod
    def derivative(a: Array, out: Array) -> None:
        """Write f'(z) into `out`, computed from the activation a = f(z), which is all a trace keeps."""

    @staticmethod
    @abstractmethod
    def weight_scale(fan_in: int, fan_out: int) -> float:
        """Return the standard deviation with which the weights in front of this activation start."""


def glorot(fan_in: int, fan_out: int) -> float:
    """Return sqrt(2 / (fan_in + fan_out)), which keeps signals level both ways (Glorot & Bengio 2010, eq. 12)."""
    return sqrt(2.0 / (fan_in + fan_out))


class Sigmoid(Activation):
    """1 / (1 + e^-z), the video's "squishification" function (chapter 1). Its derivative is a (1 - a)."""

    @staticmethod
    def value(z: Array, out: Array) -> None:
        """Write 1 / (1 + e^-z). Where e^-z overflows to infinity the quotient is 0, which is right."""
        np.negative(z, out=out)
        np.exp(out, out=out)
        np.add(out, ONE, out=out)
        np.reciprocal(out, out=out)

    @staticmethod
    def derivative(a: Array, out: Array) -> None:
        """Write a (1 - a)."""
        np.subtract(ONE, a, out=out)
        np.multiply(out, a, out=out)

    weight_scale = staticmethod(glorot)


class Tanh(Activation):
    """The hyperbolic tangent. Its derivative is 1 - a^2."""

    @staticmethod
    def value(z: Array, out: Array) -> None:
        """Write tanh(z)."""
        np.tanh(z, out=out)

    @staticmethod
    def derivative(a: Array, out: Array) -> None:
        """Write 1 - a^2."""
        np.multiply(a, a, out=out)
        np.subtract(ONE, out, out=out)

    weight_scale = staticmethod(glorot)


class Relu(Activation):
    """max(0, z). Its derivative is 1 where the neuron is active and 0 where it is not."""

    @staticmethod
    def value(z: Array, out: Array) -> None:
        """Write max(0, z)."""
        np.maximum(z, ZERO, out=out)

    @staticmethod
    def derivative(a: Array, out: Array) -> None:
        """Write 1 where a > 0, else 0."""
        np.greater(a, ZERO, out=out)

    @staticmethod
    def weight_scale(fan_in: int, fan_out: int) -> float:
        """Return sqrt(2 / fan_in): half the neurons are silent, so the rest speak up (He et al. 2015, eq. 10)."""
        return sqrt(2.0 / fan_in)


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
    def delta(a: Array, target: Array, share: float, out: Array, d_activation: Array | None) -> None:
        """Write `share` times dC/dz of each example into `out`, and dC/da into `d_activation` if there is one."""

    has_activation_derivative: bool


class Quadratic(Loss):
    """The video's cost (chapter 2): the sum over the output neurons of (a - y)^2, after a sigmoid."""

    has_activation_derivative = True

    @staticmethod
    def output(z: Array, out: Array) -> None:
        """Write the sigmoid of z."""
        Sigmoid.value(z, out)

    @staticmethod
    @QUIETLY
    def costs(z: Array, target: Array) -> Array:
        """Return the sum of squared differences of each row."""
        difference = np.empty_like(z)
        Sigmoid.value(z, difference)
        difference -= target
        costs: Array = np.einsum("ij,ij->i", difference, difference)
        return costs

    @staticmethod
    def delta(a: Array, target: Array, share: float, out: Array, d_activation: Array | None) -> None:
        """Write dC/da = 2 (a - y), and the delta 2 (a - y) a (1 - a), both times `share`."""
        assert d_activation is not None
        np.subtract(a, target, out=d_activation)
        np.multiply(d_activation, 2 * share, out=d_activation)
        Sigmoid.derivative(a, out)
        np.multiply(out, d_activation, out=out)


class CrossEntropy(Loss):
    """Minus the logarithm of the probability that a softmax gives to the right digit.

    Softmax and logarithm are one step (log-sum-exp), so a probability of 0 costs much but stays finite. Their
    joint delta is a - y (Bishop 2006, eq. 4.109). dC/da alone is infinite at a = 0 and is not offered.
    """

    has_activation_derivative = False

    @staticmethod
    def output(z: Array, out: Array) -> None:
        """Write softmax(z), shifted by each row's largest z so that no exponential overflows."""
        np.subtract(z, np.maximum.reduce(z, axis=1, keepdims=True), out=out)
        np.exp(out, out=out)
        np.divide(out, np.add.reduce(out, axis=1, keepdims=True), out=out)

    @staticmethod
    @QUIETLY
    def costs(z: Array, target: Array) -> Array:
        """Return log(sum e^z) - z . y of each row (the rows of `target` sum to 1)."""
        shifted = z - np.maximum.reduce(z, axis=1, keepdims=True)
        right: Array = np.einsum("ij,ij->i", shifted, target)
        np.exp(shifted, out=shifted)
        costs: Array = np.log(np.add.reduce(shifted, axis=1)) - right
        return costs

    @staticmethod
    def delta(a: Array, target: Array, share: float, out: Array, d_activation: Array | None) -> None:
        """Write (a - y) times `share`."""
        np.subtract(a, target, out=out)
        np.multiply(out, share, out=out)


ACTIVATIONS: dict[str, type[Activation]] = {"sigmoid": Sigmoid, "relu": Relu, "tanh": Tanh}
LOSSES: dict[str, type[Loss]] = {"quadratic": Quadratic, "cross_entropy": CrossEntropy}
