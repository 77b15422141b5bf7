"""Draws what is no digit, so that a network learns to be unsure of it (outlier exposure, Hendrycks et al. 2019).

Half are letters and signs, the others scribbles and filled shapes. They have no class: the network learns to call every
class equally likely. Letters that somebody may write as a digit are left out, such as B, I, O, S, Z, b, g, l, q and y.
"""

import numpy as np

from mnistnet.data.augment import gaussian
from mnistnet.data.datasets import Examples
from mnistnet.data.drawn.strokes import BOX, SIDE, Bytes, Stroke, centred, curve, draw

# Each is a letter or sign; each pair of digits is a point, column and row of a grid 5 wide and 7 high.
LETTERS = """
06 20 46|14 34, 41 30 10 01 05 16 36 45, 40 00 06 46|03 33, 40 00 06|03 33, 41 30 10 01 05 16 36 45 43 23,
00 06|40 46|03 43, 40 45 36 16 05, 00 06|40 03 46, 00 06 46, 06 00 23 40 46, 06 00 46 40, 06 00 30 41 42 33 03,
06 00 30 41 42 33 03|23 46, 00 40|20 26, 00 04 16 36 44 40, 00 26 40, 00 16 22 36 40, 00 46|40 06, 00 23 40|23 26,
02 11 31 42 46|43 13 04 05 16 36 45, 40 46|43 33 13 04 05 16 36 45, 03 43 42 31 11 02 04 15 35 44, 40 30 21 26|03 33,
00 06|04 13 33 44 46, 00 06|30 03 36, 03 06|03 13 24 26|24 33 44 46, 03 06|04 13 33 44 46, 03 06|04 13 33,
20 25 36|02 42, 02 05 16 36 45 42|45 46, 02 16 24 36 42, 02 46|42 06, 01 10 30 41 42 24 25|26, 20 26|03 43,
20 26|01 45|05 41, 02 42|04 44, 10 16|30 36|02 42|04 44, 06 40|01 11 12 02 01|35 45 46 36 35, 40 03 46, 00 43 06,
00 40 46 06 00, 06 20 46 06, 20 43 26 03 20, 03 43|31 43 35
"""
NO_DIGIT = 10  # the label after the last digit's
JITTER = 0.04  # of a letter's height, the standard deviation of its points
STROKES = 3, 8  # of a scribble, from and up to below
SMOOTHNESS = 0.7, 3.5  # pixels, the sigma of the noise whose hills are filled shapes


def draw_non_digits(n: int, random: np.random.Generator) -> Examples:
    """Return `n` images of 28x28 pixels, labelled NO_DIGIT: first letters and signs, then scribbles, then shapes."""
    quarter = n // 4
    images = np.concatenate([letters(n - 2 * quarter, random), scribbles(quarter, random), shapes(quarter, random)])
    return Examples(images.reshape(n, SIDE * SIDE), np.full(n, NO_DIGIT, np.uint8))


def letters(n: int, random: np.random.Generator) -> Bytes:
    """Return images (n, SIDE, SIDE) of the LETTERS in turn, half of them with round corners."""
    images = np.empty((n, SIDE, SIDE), np.uint8)
    for number, form in enumerate(FORMS):
        count = len(range(number, n, len(FORMS)))
        written = [stroke + random.normal(0, JITTER, (count, *stroke.shape)) for stroke in form]
        half = count // 2
        rounded = draw([_rounded(stroke[:half]) for stroke in written], random)
        images[number :: len(FORMS)] = np.concatenate([rounded, draw([stroke[half:] for stroke in written], random)])
    return images


def scribbles(n: int, random: np.random.Generator) -> Bytes:
    """Return images (n, SIDE, SIDE) of three to seven curves each, from anywhere to anywhere."""
    images = np.empty((n, SIDE, SIDE), np.uint8)
    counts = random.integers(*STROKES, n)
    for count in range(*STROKES):
        places = np.flatnonzero(counts == count)
        ends = random.random((count, 4, len(places)))
        bends = random.normal(0, 0.2, (count, len(places)))
        images[places] = draw([curve(a, b, c, d, bend) for (a, b, c, d), bend in zip(ends, bends, strict=True)], random)
    return images


def shapes(n: int, random: np.random.Generator) -> Bytes:
    """Return images (n, SIDE, SIDE) of filled shapes with a texture, half of them symmetric, as clothes and cars are.

    A shape is where smooth noise, lowered towards the edges, is above a level.
    """
    y, x = np.indices((BOX, BOX)) / (BOX - 1) * 2 - 1
    images = np.empty((n, BOX, BOX), np.uint8)
    for image in images:
        smooth = gaussian(BOX, random.uniform(*SMOOTHNESS)).astype(float)
        hills = smooth @ random.normal(size=(BOX, BOX)) @ smooth
        if random.random() < 0.5:
            hills += hills[:, ::-1]
        hills = (hills - hills.mean()) / hills.std() - 1.2 * (y**2 + x**2)
        edge = np.clip((hills - np.quantile(hills, random.uniform(0.4, 0.8))) * random.uniform(1, 8), 0, 1)
        angle, waves = random.uniform(0, np.pi), random.uniform(2, 20)
        stripes = np.sin(waves * (y * np.cos(angle) + x * np.sin(angle)))
        texture = 1 + random.uniform(0, 0.4) * stripes + random.normal(0, random.uniform(0, 0.2), (BOX, BOX))
        filled = np.maximum(edge * texture, 0)
        image[...] = filled * (random.uniform(150, 255) / filled.max())
    return centred(images)


def _parsed(line: str) -> list[Stroke]:
    """Return the strokes of a letter, each (points, 2), 1 high."""
    return [np.array([(int(point[1]), int(point[0])) for point in stroke.split()]) / 6 for stroke in line.split("|")]


def _rounded(stroke: Stroke) -> Stroke:
    """Return an open stroke with its corners cut twice (Chaikin 1974)."""
    closed = np.abs(stroke[:, 0] - stroke[:, -1]).max(initial=0) < 4 * JITTER
    for _ in range(0 if closed or stroke.shape[1] < 3 else 2):
        before, after = stroke[:, :-1], stroke[:, 1:]
        cut = np.stack([0.75 * before + 0.25 * after, 0.25 * before + 0.75 * after], axis=2)
        middle = cut.reshape(len(stroke), -1, 2)[:, 1:-1]
        stroke = np.concatenate([stroke[:, :1], middle, stroke[:, -1:]], axis=1)
    return stroke


FORMS = [_parsed(line) for line in LETTERS.split(",")]
