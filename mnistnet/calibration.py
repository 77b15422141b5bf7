"""Honest confidences: softmax of the output layer's weighted sums, divided by one temperature fitted on validation.

A network trained to the end is surer than it is right. Dividing its logits by a temperature changes no prediction
and mends that (Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2).
"""

from math import exp, log

import numpy as np
import numpy.typing as npt

from mnistnet.functions import Array, CrossEntropy

COLDEST, HOTTEST = 0.02, 50.0
_GOLDEN = (5**0.5 - 1) / 2


def probabilities(logits: Array, temperature: float | None) -> Array:
    """Return softmax(logits / temperature), float64, shape (n, classes); None means 1, uncalibrated."""
    z = np.asarray(logits, np.float64) / (temperature or 1.0)
    result = np.empty_like(z)
    CrossEntropy.output(z, out=result)
    return result


def fit_temperature(logits: Array, labels: npt.NDArray[np.uint8]) -> float:
    """Return the temperature with the least mean -log(probability of the right class) over these examples.

    The mean has one minimum along log(temperature), which golden-section search brackets to 6 digits.
    """
    z = np.asarray(logits, np.float64)
    target = np.eye(z.shape[1])[labels]

    def cost(log_temperature: float) -> float:
        return float(CrossEntropy.costs(z / exp(log_temperature), target).mean())

    low, high = log(COLDEST), log(HOTTEST)
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    cost_left, cost_right = cost(left), cost(right)
    while high - low > 1e-6:
        if cost_left <= cost_right:
            high, right, cost_right = right, left, cost_left
            left = high - _GOLDEN * (high - low)
            cost_left = cost(left)
        else:
            low, left, cost_left = left, right, cost_right
            right = low + _GOLDEN * (high - low)
            cost_right = cost(right)
    return round(exp((low + high) / 2), 6)
