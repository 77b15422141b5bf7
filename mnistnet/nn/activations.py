"""Activation functions: each value beside its derivative, in a table keyed by the config's word.

A function and its derivative drift apart when they live in two places, so here they share a class. All work on
whole batches, write into `out` so that a training step allocates nothing, and keep the dtype they get.
"""

from abc import ABC, abstractmethod
from math import sqrt

import numpy as np

from mnistnet.util.arrays import Array

# NumPy looks at a Python number anew in every call, and for small arrays that costs as much as the arithmetic.
ZERO, ONE = np.array(0, np.float32), np.array(1, np.float32)


class Activation(ABC):
    """A function f applied to each weighted sum z, giving the activation a = f(z)."""

    @staticmethod
    @abstractmethod
    def value(z: Array, out: Array) -> None:
        """Write f(z) into `out`, which may be `z` itself."""

    @staticmethod
    @abstractmethod
    def derivative(a: Array, out: Array) -> None:
        """Write f'(z) into `out`, computed from the activation a = f(z), which is all that the forward cache keeps."""

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
        np.negative(z, out)
        np.exp(out, out)
        np.add(out, ONE, out)
        np.reciprocal(out, out)

    @staticmethod
    def derivative(a: Array, out: Array) -> None:
        """Write a (1 - a)."""
        np.subtract(ONE, a, out)
        np.multiply(out, a, out)

    weight_scale = staticmethod(glorot)


class Tanh(Activation):
    """The hyperbolic tangent. Its derivative is 1 - a^2."""

    @staticmethod
    def value(z: Array, out: Array) -> None:
        """Write tanh(z)."""
        np.tanh(z, out)

    @staticmethod
    def derivative(a: Array, out: Array) -> None:
        """Write 1 - a^2."""
        np.multiply(a, a, out)
        np.subtract(ONE, out, out)

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
        np.greater(a, ZERO, out)

    @staticmethod
    def weight_scale(fan_in: int, fan_out: int) -> float:
        """Return sqrt(2 / fan_in): half the neurons are silent, so the others are louder (He et al. 2015, eq. 10)."""
        return sqrt(2.0 / fan_in)


ACTIVATIONS: dict[str, type[Activation]] = {"sigmoid": Sigmoid, "relu": Relu, "tanh": Tanh}
