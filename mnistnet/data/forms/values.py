"""From numbers of any type to bytes, by one rule for every form.

Whole numbers from 0 to 255 are brightness. Floating-point numbers that lie between 0 and 1 in the whole data set are
multiplied by 255; others from 0 to 255 are rounded. Anything else is refused.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mnistnet.errors import DataError
from mnistnet.util.arrays import Array

ROWS = 4096  # converted at a time, so that floats of all images need not fit into memory twice
QMNIST_COLUMNS = 8


def as_bytes(parts: Sequence[tuple[Array, str]]) -> list[npt.NDArray[np.uint8]]:
    """Return the images of each part, with the name that errors call it, as uint8. Raises DataError."""
    ranges = [_range(values, name) for values, name in parts]
    top = max((high for _, high in ranges), default=0.0)
    for (low, high), (values, name) in zip(ranges, parts, strict=True):
        if low < 0 or high > 255:
            raise DataError(
                f"{name}: expected pixels from 0 (black) to 255 (white), or floats from 0 to 1, found {values.dtype} "
                f"from {low:g} to {high:g}"
            )
    found = []
    for values, _ in parts:
        if values.dtype.kind == "b":
            found.append(values.astype(np.uint8) * np.uint8(255))
        elif values.dtype.kind == "f":
            found.append(_rounded(values, 255.0 if top <= 1 else 1.0))
        else:
            found.append(values.astype(np.uint8, copy=False))
    return found


def as_labels(values: Array, name: str, *, qmnist: bool = False) -> npt.NDArray[np.uint8]:
    """Return labels as uint8 of shape (n,). Raises DataError.

    A single column is allowed; one-hot rows become their class; with `qmnist` the first of eight columns counts.
    """
    if qmnist and values.ndim == 2 and values.shape[1] == QMNIST_COLUMNS:
        values = values[:, 0]
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim == 2 and values.dtype.kind in "biuf" and _is_one_hot(values):
        values = values.argmax(axis=1)
    if values.ndim != 1:
        raise DataError(f"{name}: expected a label for each image, found an array of shape {values.shape}")
    if values.dtype.kind not in "biuf":
        raise DataError(f"{name}: expected labels from 0 to 255, found {values.dtype}")
    if values.dtype.kind == "f" and not np.array_equal(values, np.rint(values)):
        raise DataError(f"{name}: expected labels from 0 to 255, found a number that is not whole, or not a number")
    if values.size and not (values.min() >= 0 and values.max() <= 255):
        raise DataError(f"{name}: expected labels from 0 to 255, found {values.min():g} to {values.max():g}")
    return values.astype(np.uint8)


def _range(values: Array, name: str) -> tuple[float, float]:
    if values.dtype.kind not in "biuf":
        raise DataError(f"{name}: expected numbers, found {values.dtype}")
    if not values.size:
        return 0.0, 0.0
    low, high = float(values.min()), float(values.max())  # NaN if any value is
    if not (np.isfinite(low) and np.isfinite(high)):
        raise DataError(f"{name}: holds pixels that are not finite numbers (NaN or infinity)")
    return low, high


def _rounded(values: Array, factor: float) -> npt.NDArray[np.uint8]:
    result = np.empty(values.shape, np.uint8)
    for start in range(0, len(values), ROWS):
        rows = slice(start, start + ROWS)
        result[rows] = np.rint(values[rows].astype(np.float64) * factor)
    return result


def _is_one_hot(values: Array) -> bool:
    return bool(((values == 0) | (values == 1)).all() and (values.sum(axis=1) == 1).all())
