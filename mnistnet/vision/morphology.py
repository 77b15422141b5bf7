"""Operations on small pictures and masks: slide a window over them, shrink them, tell their shapes apart.

The grey and the binary kind of mathematical morphology (Serra 1982), in NumPy.
"""

import numpy as np
import numpy.typing as npt

from mnistnet.util.arrays import Array

Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]

SMALL_SIDE = 256  # pixels of the small picture in which shapes and lines are told apart


def opened(values: Array, length: int) -> Array:
    """Return the darkest that an upright stick of `length` (odd) reaches around each pixel."""
    return slide(slide(values, length, np.minimum), length, np.maximum)


def slide(values: Array, length: int, extreme: np.ufunc) -> Array:
    """Return the least or the greatest of `length` (odd) pixels one above the other, around each."""
    result: Array = np.pad(values, ((length // 2, length // 2), (0, 0)), mode="edge")
    reach = 1
    while reach < length:
        step = min(reach, length - reach)
        result = extreme(result[:-step], result[step:])
        reach += step
    return result


def square(values: Array, length: int, extreme: np.ufunc) -> Array:
    """Return the least or the greatest in a square of `length` (odd) around each pixel."""
    return slide(slide(values, length, extreme).T, length, extreme).T


def closed(values: Array, length: int) -> Array:
    """Return the darkest of the brightest in squares of `length` (odd): dark shapes narrower than that are filled."""
    return square(square(values, length, np.maximum), length, np.minimum)


def pool_factor(mask: Mask) -> int:
    """Return the whole factor that brings a mask to SMALL_SIDE."""
    return -(-int(max(mask.shape)) // SMALL_SIDE)


def pooled(mask: Mask, factor: int) -> Mask:
    """Return a mask reduced by a whole factor; a block is set if any of its pixels is."""
    rows, columns = (-side % factor for side in mask.shape)
    blocks: Mask = np.pad(mask, ((0, rows), (0, columns)))
    height, width = blocks.shape
    rows_of_blocks = blocks.reshape(height // factor, factor, width).any(axis=1)  # one axis at a time: 4 times faster
    return np.asarray(rows_of_blocks.reshape(height // factor, width // factor, factor).any(axis=2), bool)


def expanded(mask: Mask, factor: int, shape: tuple[int, ...]) -> Mask:
    """Undo `pooled`."""
    blocks = mask.repeat(factor, axis=0).repeat(factor, axis=1)
    return blocks[: shape[0], : shape[1]]


def shapes(mask: Mask) -> list[tuple[Indices, Indices]]:
    """Return the rows and columns of each connected shape, corners counting as connections, the largest first."""
    rows, columns = np.nonzero(mask)
    number = np.full(np.add(mask.shape, 2), -1)
    number[rows + 1, columns + 1] = np.arange(len(rows))
    pairs = []
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        neighbour = number[rows + 1 + down, columns + 1 + right]
        pairs.append(np.stack([np.flatnonzero(neighbour >= 0), neighbour[neighbour >= 0]]))
    one, other = np.concatenate(pairs, axis=1)
    # Each pixel points to one of its shape with a lower number, until all of a shape point to its first.
    first = np.arange(len(rows))
    while (first[one] != first[other]).any():
        low, high = np.minimum(first[one], first[other]), np.maximum(first[one], first[other])
        np.minimum.at(first, high, low)
        while (first != first[first]).any():
            first = first[first]
    order = np.argsort(first, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(first[order])) + 1) if len(order) else []
    return [(rows[group], columns[group]) for group in sorted(groups, key=len, reverse=True)]


def extent(mask: Mask) -> tuple[slice, slice]:
    """Return the rows and columns from the first to the last that hold anything."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def stroke_width(mask: Mask) -> float:
    """Estimate the width of a pen's strokes in pixels: twice the area over the length of the outline."""
    padded = np.pad(mask, 1)
    outline = np.count_nonzero(padded[1:] != padded[:-1]) + np.count_nonzero(padded[:, 1:] != padded[:, :-1])
    # A slanted edge counts its steps in both directions; over all directions that is 4 / pi too much.
    return float(2 * np.count_nonzero(mask) / max(outline * np.pi / 4, 1))


def as_bytes(values: Array) -> Bytes:
    """Round values of 0 to 255, which scaling may have overshot."""
    return np.asarray(np.rint(np.clip(values, 0, 255)), np.uint8)
