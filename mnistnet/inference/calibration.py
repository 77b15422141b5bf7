"""Honest confidences: softmax of the output layer's weighted sums, divided by one temperature fitted on validation.

A network trained to the end is surer than it is right. Dividing its logits by a temperature changes no prediction
and corrects that (Guo et al. 2017, "On Calibration of Modern Neural Networks", section 4.2).
"""

from dataclasses import dataclass
from math import exp, log

import numpy as np
import numpy.typing as npt

from mnistnet.nn.losses import CrossEntropy
from mnistnet.util.arrays import Array

MIN_TEMPERATURE, MAX_TEMPERATURE = 0.02, 50.0
Z = 1.96  # standard deviations to either side of a mean: 95 % of a normal distribution
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

    low, high = log(MIN_TEMPERATURE), log(MAX_TEMPERATURE)
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


@dataclass(frozen=True)
class Reliability:
    """Answers gathered by how sure they were, in bins of equal width from 0 to 1: arrays with an entry a bin.

    `counts`; `confidence`, mean of a bin, and `accuracy`, the share that was right, both nan in an empty bin; `low` and
    `high`, the 95 % interval of that share (Wilson's). `gap` is the expected calibration error: the mean over all
    answers of the distance between their bin's confidence and accuracy.
    """

    counts: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64]
    accuracy: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    gap: float


def reliability(confidence: Array, right: npt.NDArray[np.bool_], bins: int = 10) -> Reliability:
    """Return how often answers of such confidences, shape (n,), were right."""
    places = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    counts = np.bincount(places, minlength=bins)
    with np.errstate(invalid="ignore"):
        sure = np.bincount(places, confidence, bins) / counts
        share = np.bincount(places, right, bins) / counts
        low, high = _wilson(share, counts)
    gap = float(np.nansum(np.abs(sure - share) * counts) / len(confidence))
    return Reliability(counts, sure, share, low, high, gap)


def _wilson(share: npt.NDArray[np.float64], n: npt.NDArray[np.int64]) -> tuple[Array, Array]:
    """Return the bounds of Wilson's 95 % interval of a share among n; nan where n is 0."""
    n = np.where(n > 0, n, 1)
    centre, half = share + Z**2 / (2 * n), Z * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return (centre - half) / (1 + Z**2 / n), (centre + half) / (1 + Z**2 / n)


def answering(confidence: Array, right: npt.NDArray[np.bool_]) -> tuple[Array, Array]:
    """Return the share answered, rising to 1 from the surest answer on, and the share of those that is wrong."""
    order = np.argsort(-confidence, kind="stable")
    number = np.arange(1, len(order) + 1)
    return number / len(order), np.cumsum(~right[order]) / number
