"""Draws digits as strokes, in forms that many people write and MNIST has few of: a 1 with a flag, a 7 with a bar, ...

A stroke is a run of points in (row, column), and its ink is what lies within the pen's radius of it, with a soft edge.
The digit is scaled into 20x20 keeping proportions and laid into 28x28 with its centre of mass in the middle, as
MNIST's makers did. Each form is drawn for many digits at once.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from mnistnet.data.datasets import Examples
from mnistnet.errors import ConfigError
from mnistnet.util.arrays import Array

SIDE, BOX = 28, 20  # pixels: an image, and the box that its digit is scaled into
PEN = 0.8, 1.7  # pixels in the box, radius; as wide as nine tenths of MNIST's strokes
EDGE = 0.8, 1.8  # pixels over which the ink of a stroke fades out
SLANT = -0.2, 0.4  # columns to the right for each row up
WIDTH = 0.75, 1.25  # times that of the form
CURVE_POINTS, ARC_POINTS = 5, 20  # enough to look smooth in 20 pixels
BLOCK = 256  # digits whose ink is computed together: arrays near the cache's size

Bytes = npt.NDArray[np.uint8]
Stroke = npt.NDArray[np.float64]
"""The points of one stroke in each of n digits, (n, points, 2); a digit is 1 high, and one that lacks it has a dot."""
Values = npt.NDArray[np.float64] | float
"""A number for each of n digits, (n,), or one for all."""


def draw_digits(n: int, random: np.random.Generator) -> Examples:
    """Return `n` drawn digits of 28x28 pixels, the FORMS in turn."""
    labels = np.resize(np.array(list(FORMS), np.uint8), n)
    images = np.zeros((n, SIDE, SIDE), np.uint8)
    for digit, form in FORMS.items():
        places = np.flatnonzero(labels == digit)
        segments = _written(form(len(places), random), random)
        for start in range(0, len(places), BLOCK):
            block = slice(start, start + BLOCK)
            images[places[block]] = _centred(_ink(segments[block], random))
    return Examples(images.reshape(n, -1), labels)


def with_drawn(examples: Examples, n: int, random: np.random.Generator) -> Examples:
    """Return examples with `n` drawn ones after them. Raises ConfigError unless they have 28x28 pixels."""
    if examples.shape != (SIDE, SIDE):
        shape = "{}x{}".format(*examples.shape)
        raise ConfigError(f"drawn_digits: expected 0, since drawn ones have 28x28 pixels and the others {shape}")
    drawn = draw_digits(n, random)
    images, labels = np.concatenate([examples.images, drawn.images]), np.concatenate([examples.labels, drawn.labels])
    return Examples(images, labels, examples.shape)


def _zeros(n: int, random: np.random.Generator) -> list[Stroke]:
    """An oval and a slash, within it or beyond."""
    length, angle = random.uniform(0.35, 0.75, n), np.radians(random.uniform(20, 60, n))
    row, column = length * np.cos(angle), length * np.sin(angle)
    return [_arc(0, 0, 0.5, random.uniform(0.25, 0.5, n), 0, 360), _curve(row, -column, -row, column)]


def _ones(n: int, random: np.random.Generator) -> list[Stroke]:
    """A stem, a flag of 15 to 60 % of it at 20 to 65 degrees to it, and under a third of them a foot."""
    length, angle = random.uniform(0.15, 0.6, n), np.radians(random.uniform(20, 65, n))
    left, right = random.uniform(0.12, 0.4, (2, n)) * _some(1 / 3, n, random)
    stem = _curve(0, 0, 1, 0, random.normal(0, 0.03, n))
    flag = _curve(0, 0, length * np.cos(angle), -length * np.sin(angle), random.normal(0, 0.06, n) * length)
    return [stem, flag, _curve(1, -left, 1, right)]


def _fours(n: int, random: np.random.Generator) -> list[Stroke]:
    """A stem, and a stroke down and across it: half of them closed at the top, and half end at the stem."""
    closed, ends = random.random((2, n)) < 0.5
    cross, width = random.uniform(np.where(closed, 0.25, 0.5), 0.75, n), random.uniform(0.3, 0.7, n)
    begin = np.where(closed, 0, random.uniform(0.3, 1, n)) * width
    top = np.where(closed, 0, random.uniform(0, 0.4, n)) * cross
    stem = _curve(top, 0, 1, random.normal(0, 0.04, n), random.normal(0, 0.03, n))
    down = _curve(0, -begin, cross, -width, random.normal(0, 0.05, n))
    beyond = np.where(ends, 0, random.uniform(0, 0.3, n))
    return [stem, down, _curve(cross, -width, cross + random.uniform(-0.1, 0.3, n) * width, beyond)]


def _sevens(n: int, random: np.random.Generator) -> list[Stroke]:
    """A bar and a stem that leans; half of them crossed, and a third with a hook where the pen began."""
    width, lean = random.uniform(0.4, 0.9, n), random.uniform(0.05, 0.5, n)
    below = random.uniform(-0.2, 0.25, n) * width  # where the pen began, seen from where it turned
    stem = _curve(0, 0, 1, -lean, random.normal(0.04, 0.05, n))
    bar = _curve(below, -width, 0, 0, random.normal(0, 0.05, n))
    hook = _curve(below, -width, below + random.uniform(0.05, 0.2, n) * _some(1 / 3, n, random), -width)
    at, tilt = random.uniform(0.35, 0.6, n), random.uniform(-0.15, 0.15, n)
    left, right = random.uniform(0.1, 0.35, (2, n)) * _some(0.5, n, random)
    crossing = _curve(at + tilt * left, -lean * at - left, at - tilt * right, -lean * at + right)
    return [stem, bar, hook, crossing]


def _nines(n: int, random: np.random.Generator) -> list[Stroke]:
    """A loop and a tail, half of them straight, half curled."""
    height, width = random.uniform(0.18, 0.32, n), random.uniform(0.12, 0.32, n)
    end = width + random.uniform(-0.3, 0.05, n)
    back = random.uniform(0.1, 0.5, n) * _some(0.5, n, random)
    loop = _arc(height, 0, height, width, -40, 330)
    tail = _curve(0.8 * height, width, 1, end, random.normal(0, 0.05, n))
    return [loop, tail, _curve(1, end, 1 - random.uniform(0, 0.6, n) * back, end - back, -0.3 * back)]


FORMS: dict[int, Callable[[int, np.random.Generator], list[Stroke]]] = {
    0: _zeros,
    1: _ones,
    4: _fours,
    7: _sevens,
    9: _nines,
}


def _some(share: float, n: int, random: np.random.Generator) -> npt.NDArray[np.bool_]:
    return random.random(n) < share


def _curve(row: Values, column: Values, to_row: Values, to_column: Values, bend: Values = 0.0) -> Stroke:
    """Return a stroke from one place to another, its middle `bend` to the right of the straight way, seen ahead."""
    y, x, to_y, to_x, bend = (np.reshape(value, (-1, 1)) for value in (row, column, to_row, to_column, bend))
    t = np.linspace(0, 1, CURVE_POINTS)
    down, right = to_y - y, to_x - x
    aside = 4 * t * (1 - t) * bend / np.maximum(np.hypot(down, right), 1e-9)
    return np.stack(np.broadcast_arrays(y + down * t + right * aside, x + right * t - down * aside), axis=-1)


def _arc(row: Values, column: Values, height: Values, width: Values, begin: float, end: float) -> Stroke:
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


def _centred(ink: Bytes) -> Bytes:
    """Return boxes laid into images (n, SIDE, SIDE), the ink's centre of mass in the middle, to the nearest pixel."""
    total, steps = ink.sum(axis=(1, 2)), np.arange(BOX)
    centres = ink.sum(axis=2) @ steps / total, ink.sum(axis=1) @ steps / total
    tops, lefts = (np.clip(np.floor(SIDE / 2 + 0.5 - centre), 0, SIDE - BOX).astype(int) for centre in centres)
    images = np.zeros((len(ink), SIDE, SIDE), np.uint8)
    for image, digit, top, left in zip(images, ink, tops, lefts, strict=True):
        image[top : top + BOX, left : left + BOX] = digit
    return images
