"""Several digits on one line: which shapes belong to one digit, where touching ones are cut, from left to right."""

from itertools import pairwise

import numpy as np

from mnistnet.util.arrays import Array
from mnistnet.vision.detection import Sheet
from mnistnet.vision.morphology import Mask, expanded, extent, pool_factor, pooled, shapes
from mnistnet.vision.normalize import inked

TOWERING = 1.8  # times the height of the likeliest digit: what is no digit beside it
TALL = 0.4  # of the tallest shape's height: what a shape has at least that may be a digit of its own
SPECK = 0.04  # of the tallest shape's height: what is smaller both ways is dirt
SHARED = 0.5  # of the narrower shape's columns: shapes above one another by so much are strokes of one digit
NEAR = 0.25  # of the tallest shape's height: how far a broken-off stroke may be from its digit
WIDE = 1.25  # of its height: a shape that is wider holds more than one digit
USUAL = 0.7  # of its height: how wide a digit is, with its share of the gap
THIN = 0.7  # of the shape's mean ink a column: touching digits are joined by no more

Box = tuple[int, int, int, int]
Piece = tuple[Mask, slice, slice]


def digits_on(sheet: Sheet) -> list[tuple[Array, Box]]:
    """Return the ink of each digit on a sheet, as `normalize.inked` does, and its box: left, top, right, bottom."""
    factor = pool_factor(sheet.mask)
    masks = [expanded(small, factor, sheet.mask.shape) & sheet.mask for small in _digits(sheet)]
    result = []
    for mask in masks:
        if mask.any():
            rows, columns = extent(mask)
            result.append((inked(sheet.darkness, mask), (columns.start, rows.start, columns.stop, rows.stop)))
    return result


def holds_several(sheet: Sheet) -> bool:
    """Whether there is more than one digit's worth of shapes, alike in height and side by side."""
    digits = [extent(mask) for mask in _digits(sheet)]
    heights = [rows.stop - rows.start for rows, _ in digits]
    tops = [rows.start for rows, _ in digits]
    return len(digits) > 1 and min(heights) > 0.6 * max(heights) and max(tops) - min(tops) < 0.5 * max(heights)


def _digits(sheet: Sheet) -> list[Mask]:
    """Return a mask for each digit, from left to right, reduced to the small side."""
    factor = pool_factor(sheet.mask)
    mask = pooled(sheet.mask, factor)
    pieces = [_piece(mask.shape, found) for found in shapes(mask)]
    # What runs off the picture is no digit, unless all do; nor is what towers over the likeliest one: a pen, a frame.
    inner = [piece for piece in pieces if not _at_edge(piece[0])] or pieces
    rows, _ = extent(pooled(sheet.digit, factor))
    inner = [piece for piece in inner if _height(piece) <= TOWERING * (rows.stop - rows.start)]
    if not inner:
        return []
    tallest = max(_height(piece) for piece in inner)
    large = [piece for piece in inner if _height(piece) >= TALL * tallest]
    small = [p for p in inner if _height(p) < TALL * tallest and max(_height(p), _width(p)) > SPECK * tallest]
    digits = _joined(large)
    for stroke in small:
        _add_to_nearest(digits, stroke, NEAR * tallest)
    return [part for digit in sorted(digits, key=lambda d: extent(d)[1].start) for part in _cut(digit)]


def _piece(shape: tuple[int, ...], found: tuple[np.ndarray, np.ndarray]) -> Piece:
    mask = np.zeros(shape, bool)
    mask[found] = True
    rows, columns = extent(mask)
    return mask, rows, columns


def _height(piece: Piece) -> int:
    return int(piece[1].stop - piece[1].start)


def _width(piece: Piece) -> int:
    return int(piece[2].stop - piece[2].start)


def _at_edge(mask: Mask) -> bool:
    return bool(mask[[0, -1]].any() or mask[:, [0, -1]].any())


def _joined(pieces: list[Piece]) -> list[Mask]:
    """Join shapes that stand above one another: the parts of a broken stroke."""
    digits: list[Mask] = []
    for mask, _, columns in sorted(pieces, key=_width, reverse=True):
        for number, digit in enumerate(digits):
            other = extent(digit)[1]
            shared = min(columns.stop, other.stop) - max(columns.start, other.start)
            if shared > SHARED * min(columns.stop - columns.start, other.stop - other.start):
                digits[number] = digit | mask
                break
        else:
            digits.append(mask)
    return digits


def _add_to_nearest(digits: list[Mask], stroke: Piece, reach: float) -> None:
    """Give a small stroke, such as a five's bar, to the digit it is nearest to, unless it is far from all."""
    where = np.argwhere(stroke[0])

    def distance(digit: Mask) -> float:
        rows, columns = extent(digit)
        low, high = np.array([rows.start, columns.start]), np.array([rows.stop - 1, columns.stop - 1])
        outside = np.maximum(np.maximum(low - where, where - high), 0)
        return float(np.hypot(*outside.T).min())

    nearest = min(range(len(digits)), key=lambda number: distance(digits[number]))
    if distance(digits[nearest]) <= reach:
        digits[nearest] = digits[nearest] | stroke[0]


def _cut(digit: Mask) -> list[Mask]:
    """Cut a shape too wide for one digit at its thinnest columns; a wide digit without such ones stays whole."""
    rows, columns = extent(digit)
    height, width = rows.stop - rows.start, columns.stop - columns.start
    if width <= WIDE * height:
        return [digit]
    number = max(2, round(width / (USUAL * height)))
    ink = digit[:, columns].sum(axis=0)
    cuts = []
    for place in (width * np.arange(1, number) / number).astype(int):
        reach = max(1, width // (2 * number) - height // 8)
        first = max(0, place - reach)
        near = ink[first : place + reach + 1]
        if near.min() <= THIN * ink.mean():
            # Of equally thin columns the one in the middle of the joint.
            cuts.append(first + int(np.median(np.flatnonzero(near == near.min()))))
    parts = []
    for start, stop in pairwise([0, *sorted(set(cuts)), width]):
        part = np.zeros_like(digit)
        part[:, columns.start + start : columns.start + stop] = digit[:, columns.start + start : columns.start + stop]
        parts.append(part)
    return [part for part in parts if part.any()]
