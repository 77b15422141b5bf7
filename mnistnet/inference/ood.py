"""Is it a digit at all? A digit moved or slanted a little is the same digit, and a network is as sure of it as before;
what only happens to look like one is not.

`evidence` is the mean weight of evidence (the largest logit) over such views. Below what nearly all validation digits
reach (`fit_threshold`), an answer is unsure. The threshold belongs to the network and stands in its checkpoint.
"""

import numpy as np
import numpy.typing as npt

from mnistnet.inference.evaluate import forward
from mnistnet.nn.network import Network
from mnistnet.util.arrays import Array

SIDE = 28
SHARE_UNSURE = 0.02  # of validation digits
MIN_CONFIDENCE = 0.5  # where a checkpoint has no threshold, and besides it
MAX_FITTED = 2000  # validation digits; enough for their fiftieth part
# Linear maps about the centre, then a shift in pixels: four shifts, two turns, two sizes, two slants.
_TURN = 0.21  # radians, 12 degrees
MAPS = [
    *((1.0, 0.0, 0.0, 1.0, dy, dx) for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0))),
    *((np.cos(a), -np.sin(a), np.sin(a), np.cos(a), 0, 0) for a in (_TURN, -_TURN)),
    *((size, 0.0, 0.0, size, 0, 0) for size in (0.88, 1.12)),
    *((1.0, 0.0, slant, 1.0, 0, 0) for slant in (0.25, -0.25)),
]


def _sources() -> npt.NDArray[np.intp]:
    """Return for each view and pixel the number of the pixel it shows; SIDE * SIDE is black, outside of the image."""
    y, x = np.indices((SIDE, SIDE)) - (SIDE - 1) / 2
    tables = []
    for yy, yx, xy, xx, dy, dx in MAPS:
        rows = np.rint(yy * y + yx * x + dy + (SIDE - 1) / 2).astype(np.intp)
        columns = np.rint(xy * y + xx * x + dx + (SIDE - 1) / 2).astype(np.intp)
        inside = (rows >= 0) & (rows < SIDE) & (columns >= 0) & (columns < SIDE)
        tables.append(np.where(inside, rows * SIDE + columns, SIDE * SIDE).ravel())
    return np.stack(tables)


SOURCES = _sources()


def evidence(network: Network, images: npt.NDArray[np.uint8]) -> Array:
    """Return the mean over views of the largest logit, shape (n,), for images of 784 pixels."""
    padded = np.pad(images, ((0, 0), (0, 1)))
    views = [forward(network, padded[:, source]).max(axis=1) for source in SOURCES]
    result: Array = np.asarray(np.mean(views, axis=0, dtype=np.float64))
    return result


def fit_threshold(network: Network, images: npt.NDArray[np.uint8]) -> float | None:
    """Return the evidence that all but SHARE_UNSURE of validation images reach; None where images have other sizes."""
    if images.shape[1] != SIDE * SIDE or not len(images):
        return None
    return round(float(np.quantile(evidence(network, images[:MAX_FITTED]), SHARE_UNSURE)), 6)


def unsure(
    network: Network, images: npt.NDArray[np.uint8], confidences: Array, threshold: float | None
) -> npt.NDArray[np.bool_]:
    """Return for each image whether its answer should not be relied on."""
    doubtful = np.asarray(confidences < MIN_CONFIDENCE, bool)
    return doubtful if threshold is None else doubtful | (evidence(network, images) < threshold)
