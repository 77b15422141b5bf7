"""From a picture file to the image that a network takes, prepared as its data set asks: as digits, or scaled.

For MNIST, `reading.py` scales and centres a digit as MNIST's makers did. For other data sets the whole picture is
taken: in grey, light on dark, scaled to fit, in the middle. One that has the right size is unchanged.
"""

import numpy as np
from PIL import Image

from mnistnet.util.arrays import Array
from mnistnet.vision.image_file import read_grey
from mnistnet.vision.morphology import as_bytes
from mnistnet.vision.reading import Reading, reading, undecided
from mnistnet.vision.segmentation import Judge


def reading_for(
    pictures: str, shape: tuple[int, int], content: bytes, name: str, judge: Judge = undecided, *, page: bool = False
) -> Reading:
    """Return what a network sees in a picture's bytes: as "digits" one of them, or all of a `page`; else the whole.

    Raises ImageError, which calls the file `name`.
    """
    if pictures == "digits":
        return reading(content, name, judge, page=page)
    grey = read_grey(content, name)
    bright = light_on_dark(grey)
    height, width = grey.shape
    return Reading(grey, bright, as_bytes(fitted(bright, shape) * 255).reshape(1, -1), [(0, 0, width, height)], [0])


def light_on_dark(grey: Array) -> Array:
    """Return a picture, 0 black to 1 white, inverted if its edge is rather white."""
    edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    return 1 - grey if np.median(edge) > 0.5 else grey


def fitted(grey: Array, shape: tuple[int, int]) -> Array:
    """Return a picture scaled to fit into `shape` (rows, columns), padded with black, float32 from 0 to 1."""
    if grey.shape == shape:
        return grey
    scale = min(wanted / side for wanted, side in zip(shape, grey.shape, strict=True))
    rows, columns = (max(1, min(w, round(scale * side))) for w, side in zip(shape, grey.shape, strict=True))
    method = Image.Resampling.BOX if scale < 1 else Image.Resampling.BILINEAR
    small = np.asarray(Image.fromarray(np.ascontiguousarray(grey, np.float32)).resize((columns, rows), method))
    result = np.zeros(shape, np.float32)
    top, left = (shape[0] - rows) // 2, (shape[1] - columns) // 2
    result[top : top + rows, left : left + columns] = np.clip(small, 0, 1)
    return result
