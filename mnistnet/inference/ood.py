"""Out-of-distribution detection: is it a digit at all?

A digit moved or slanted a little is the same digit, and a network is as sure of it as before; what only happens to look
like one is not. `max_logit_score` is the mean over such views of the largest logit (the score of Hendrycks et al. 2022,
"Scaling out-of-distribution detection", averaged). Below what nearly all validation digits reach (`fit_threshold`), an
answer is unsure. The threshold belongs to the network and stands in its checkpoint.
"""

from functools import lru_cache
from math import isfinite

import numpy as np
import numpy.typing as npt

from mnistnet.inference.evaluate import forward
from mnistnet.nn.network import Network
from mnistnet.util.arrays import Array

SHARE_UNSURE = 0.02  # of validation images
MIN_CONFIDENCE = 0.75  # three to one; besides the threshold, and where a checkpoint has none
MAX_FITTED = 2000  # validation images; enough for a small share of them
# Linear maps about the centre, then a shift in pixels: four shifts, two turns, two sizes, two slants.
_TURN = 0.21  # radians, 12 degrees
MAPS = [
    *((1.0, 0.0, 0.0, 1.0, dy, dx) for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0))),
    *((np.cos(a), -np.sin(a), np.sin(a), np.cos(a), 0, 0) for a in (_TURN, -_TURN)),
    *((size, 0.0, 0.0, size, 0, 0) for size in (0.88, 1.12)),
    *((1.0, 0.0, slant, 1.0, 0, 0) for slant in (0.25, -0.25)),
]


@lru_cache(maxsize=8)
def views(shape: tuple[int, int]) -> npt.NDArray[np.intp]:
    """Return for each view and pixel of an image of rows x columns which of its pixels is shown there.

    The number after the last pixel's stands for black, outside of the image.
    """
    rows, columns = shape
    y, x = np.indices(shape) - np.array([(rows - 1) / 2, (columns - 1) / 2])[:, None, None]
    tables = []
    for yy, yx, xy, xx, dy, dx in MAPS:
        row = np.rint(yy * y + yx * x + dy + (rows - 1) / 2).astype(np.intp)
        column = np.rint(xy * y + xx * x + dx + (columns - 1) / 2).astype(np.intp)
        inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
        tables.append(np.where(inside, row * columns + column, rows * columns).ravel())
    return np.stack(tables)


def max_logit_score(network: Network, images: npt.NDArray[np.uint8], shape: tuple[int, int]) -> Array:
    """Return the mean over views of the largest logit, shape (n,), for images (n, rows * columns) of this shape."""
    tables = views(shape)
    seen = np.pad(images, ((0, 0), (0, 1)))[:, tables].reshape(-1, tables.shape[1])
    largest = forward(network, seen).max(axis=1).reshape(-1, len(tables))
    result: Array = np.asarray(largest.mean(axis=1, dtype=np.float64))
    return result


def fit_threshold(network: Network, images: npt.NDArray[np.uint8], shape: tuple[int, int]) -> float | None:
    """Return the score that all but SHARE_UNSURE of validation images reach.

    None without images in two dimensions, or where a shifted image is too much for a network of huge weights.
    """
    if min(shape) < 2 or not len(images):
        return None
    with np.errstate(all="ignore"):
        threshold = float(np.quantile(max_logit_score(network, images[:MAX_FITTED], shape), SHARE_UNSURE))
    return round(threshold, 6) if isfinite(threshold) else None


def unsure(
    network: Network,
    images: npt.NDArray[np.uint8],
    shape: tuple[int, int],
    confidences: Array,
    threshold: float | None,
) -> npt.NDArray[np.bool_]:
    """Return for each image whether its answer should not be relied on."""
    doubtful = np.asarray(confidences < MIN_CONFIDENCE, bool)
    if threshold is None or min(shape) < 2:
        return doubtful
    return doubtful | (max_logit_score(network, images, shape) < threshold)
