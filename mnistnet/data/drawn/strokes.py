"""Pen strokes as 28x28 images like MNIST's: runs of points become ink, scaled into 20x20 and centred by mass.

A stroke is a run of points in (row, column), and its ink is what lies within the pen's radius of it, with a soft edge.
Proportions are kept. Each shape is drawn for many images at once.
"""

import numpy as np
import numpy.typing as npt

from mnistnet.util.arrays import Array

SIDE, BOX = 28, 20  # pixels: an image, and the box that its ink is scaled into
PEN = 0.8, 1.7  # pixels in the box, radius; as wide as nine tenths of MNIST's strokes
EDGE = 0.8, 1.8  # pixels over which the ink of a stroke fades out
SLANT = -0.2, 0.4  # columns to the right for each row up
WIDTH = 0.75, 1.25  # times that of the form
CURVE_POINTS, ARC_POINTS = 5, 20  # enough to look smooth in 20 pixels
BLOCK = 256  # images whose ink is computed together: arrays near the cache's size

Bytes = npt.NDArray[np.uint8]
Stroke = npt.NDArray[np.float64]
"""The points of one stroke in each of n images, (n, points, 2); a shape is 1 high, and one that lacks it has a dot."""
Values = npt.NDArray[np.float64] | float
"""A number for each of n images, (n,), or one for all."""


def draw(strokes: list[Stroke], random: np.random.Generator) -> Bytes:
    """Return images (n, SIDE, SIDE) of such strokes, each written with a pen, slant and width of its own."""
    segments = _written(strokes, random)
    images = np.empty((len(segments), SIDE, SIDE), np.uint8)
    for start in range(0, len(segments), BLOCK):
        block = slice(start, start + BLOCK)
        images[block] = centred(_ink(segments[block], random))
    return images


def some(share: float, n: int, random: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Return for each of n images whether it is among the share that has something."""
    return random.random(n) < share


def curve(row: Values, column: Values, to_row: Values, to_column: Values, bend: Values = 0.0) -> Stroke:
    """Return a stroke from one place to another, its middle `bend` to the right of the straight way, seen ahead."""
    y, x, to_y, to_x, bend = (np.reshape(value, (-1, 1)) for value in (row, column, to_row, to_column, bend))
    t = np.linspace(0, 1, CURVE_POINTS)
    down, right = to_y - y, to_x - x
    aside = 4 * t * (1 - t) * bend / np.maximum(np.hypot(down, right), 1e-9)
    return np.stack(np.broadcast_arrays(y + down * t + right * aside, x + right * t - down * aside), axis=-1)


def arc(row: Values, column: Values, height: Values, width: Values, begin: float, end: float) -> Stroke:
    """Return a part of an ellipse about a place, from one angle to another in degrees, clockwise from the right."""
    y, x, height, width = (np.reshape(value, (-1, 1)) for value in (row, column, height, width))
    angle = np.radians(np.linspace(begin, end, ARC_POINTS))
    return np.stack(np.broadcast_arrays(y + height * np.sin(angle), x + width * np.cos(angle)), axis=-1)


def _written(strokes: list[Stroke], random: np.random.Generator) -> Array:
    """Return strokes as segments, begin and end (n, segments, 2, 2), slanted and widened as somebody writes."""
    n = max(map(len, strokes))
    pairs = [np.stack([stroke[:, :-1], stroke[:, 1:]], axis=2) for stroke in strokes]
    segments = np.concatenate([np.broadcast_to(pair, (n, *pair.shape[1:])) for pair in pairs], axis=1)
    slant, width = (random.uniform(*span, (n, 1, 1)) for span in (SLANT, WIDTH))
    segments[..., 1] = segments[..., 1] * width - segments[..., 0] * slant
    return segments


def _ink(segments: Array, random: np.random.Generator) -> Bytes:
    """Return the ink of pens of random width along segments, fitted into the box: uint8 (n, BOX, BOX)."""
    n = len(segments)
    radius, edge = random.uniform(*PEN, n), random.uniform(*EDGE, n)
    points = segments.reshape(n, -1, 2)
    low, high = points.min(axis=1), points.max(axis=1)
    scale = (BOX - 2 * radius) / (high - low).max(axis=1)
    fitted = (segments - ((low + high) / 2)[:, None, None]) * scale[:, None, None, None] + (BOX - 1) / 2
    begin, along = fitted[:, :, 0].astype(np.float32), (fitted[:, :, 1] - fitted[:, :, 0]).astype(np.float32)
    y, x = (axis.reshape(-1).astype(np.float32) for axis in np.indices((BOX, BOX)))
    down, right = y - begin[:, :, :1], x - begin[:, :, 1:]  # (n, segments, pixels)
    length = np.maximum((along**2).sum(axis=2, keepdims=True), np.float32(1e-9))
    nearest = np.clip((down * along[:, :, :1] + right * along[:, :, 1:]) / length, 0, 1)
    down -= nearest * along[:, :, :1]
    right -= nearest * along[:, :, 1:]
    distance = np.sqrt((down**2 + right**2).min(axis=1))
    ink = np.clip((radius[:, None] - distance) / edge[:, None] + 0.5, 0, 1)
    ink *= 255 / ink.max(axis=1, keepdims=True)
    rounded: Bytes = np.rint(ink).astype(np.uint8).reshape(n, BOX, BOX)
    return rounded


def centred(ink: Bytes) -> Bytes:
    """Return boxes laid into images (n, SIDE, SIDE), the ink's centre of mass in the middle, to the nearest pixel."""
    total, steps = ink.sum(axis=(1, 2)), np.arange(BOX)
    centres = ink.sum(axis=2) @ steps / total, ink.sum(axis=1) @ steps / total
    tops, lefts = (np.clip(np.floor(SIDE / 2 + 0.5 - centre), 0, SIDE - BOX).astype(int) for centre in centres)
    images = np.zeros((len(ink), SIDE, SIDE), np.uint8)
    for image, digit, top, left in zip(images, ink, tops, lefts, strict=True):
        image[top : top + BOX, left : left + BOX] = digit
    return images
