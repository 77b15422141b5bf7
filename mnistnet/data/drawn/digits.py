"""Draws digits in forms that many people write and MNIST has few of: a 1 with a flag, a 7 with a bar, ..."""

from collections.abc import Callable

import numpy as np

from mnistnet.data.datasets import Examples
from mnistnet.data.drawn.strokes import SIDE, Stroke, arc, curve, draw, some


def draw_digits(n: int, random: np.random.Generator) -> Examples:
    """Return `n` drawn digits of 28x28 pixels, the FORMS in turn."""
    labels = np.resize(np.array(list(FORMS), np.uint8), n)
    images = np.zeros((n, SIDE, SIDE), np.uint8)
    for digit, form in FORMS.items():
        places = np.flatnonzero(labels == digit)
        images[places] = draw(form(len(places), random), random)
    return Examples(images.reshape(n, -1), labels)


def _zeros(n: int, random: np.random.Generator) -> list[Stroke]:
    """An oval and a slash, within it or beyond."""
    length, angle = random.uniform(0.35, 0.75, n), np.radians(random.uniform(20, 60, n))
    row, column = length * np.cos(angle), length * np.sin(angle)
    return [arc(0, 0, 0.5, random.uniform(0.25, 0.5, n), 0, 360), curve(row, -column, -row, column)]


def _ones(n: int, random: np.random.Generator) -> list[Stroke]:
    """A stem, a flag of 15 to 60 % of it at 20 to 65 degrees to it, and under a third of them a foot."""
    length, angle = random.uniform(0.15, 0.6, n), np.radians(random.uniform(20, 65, n))
    left, right = random.uniform(0.12, 0.4, (2, n)) * some(1 / 3, n, random)
    stem = curve(0, 0, 1, 0, random.normal(0, 0.03, n))
    flag = curve(0, 0, length * np.cos(angle), -length * np.sin(angle), random.normal(0, 0.06, n) * length)
    return [stem, flag, curve(1, -left, 1, right)]


def _fours(n: int, random: np.random.Generator) -> list[Stroke]:
    """A stem, and a stroke down and across it: half of them closed at the top, and half end at the stem."""
    closed, ends = random.random((2, n)) < 0.5
    cross, width = random.uniform(np.where(closed, 0.25, 0.5), 0.75, n), random.uniform(0.3, 0.7, n)
    begin = np.where(closed, 0, random.uniform(0.3, 1, n)) * width
    top = np.where(closed, 0, random.uniform(0, 0.4, n)) * cross
    stem = curve(top, 0, 1, random.normal(0, 0.04, n), random.normal(0, 0.03, n))
    down = curve(0, -begin, cross, -width, random.normal(0, 0.05, n))
    beyond = np.where(ends, 0, random.uniform(0, 0.3, n))
    return [stem, down, curve(cross, -width, cross + random.uniform(-0.1, 0.3, n) * width, beyond)]


def _sevens(n: int, random: np.random.Generator) -> list[Stroke]:
    """A bar and a stem that leans; half of them crossed, and a third with a hook where the pen began."""
    width, lean = random.uniform(0.4, 0.9, n), random.uniform(0.05, 0.5, n)
    below = random.uniform(-0.2, 0.25, n) * width  # where the pen began, seen from where it turned
    stem = curve(0, 0, 1, -lean, random.normal(0.04, 0.05, n))
    bar = curve(below, -width, 0, 0, random.normal(0, 0.05, n))
    hook = curve(below, -width, below + random.uniform(0.05, 0.2, n) * some(1 / 3, n, random), -width)
    at, tilt = random.uniform(0.35, 0.6, n), random.uniform(-0.15, 0.15, n)
    left, right = random.uniform(0.1, 0.35, (2, n)) * some(0.5, n, random)
    crossing = curve(at + tilt * left, -lean * at - left, at - tilt * right, -lean * at + right)
    return [stem, bar, hook, crossing]


def _nines(n: int, random: np.random.Generator) -> list[Stroke]:
    """A loop and a tail, half of them straight, half curled."""
    height, width = random.uniform(0.18, 0.32, n), random.uniform(0.12, 0.32, n)
    end = width + random.uniform(-0.3, 0.05, n)
    back = random.uniform(0.1, 0.5, n) * some(0.5, n, random)
    loop = arc(height, 0, height, width, -40, 330)
    tail = curve(0.8 * height, width, 1, end, random.normal(0, 0.05, n))
    return [loop, tail, curve(1, end, 1 - random.uniform(0, 0.6, n) * back, end - back, -0.3 * back)]


FORMS: dict[int, Callable[[int, np.random.Generator], list[Stroke]]] = {
    0: _zeros,
    1: _ones,
    4: _fours,
    7: _sevens,
    9: _nines,
}
