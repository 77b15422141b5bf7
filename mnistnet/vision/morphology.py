"""Operations on small pictures and masks: sliding windows, pooling, connected components.

The grey and the binary kind of mathematical morphology (Serra 1982), in NumPy.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mnistnet.util.arrays import Array

Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]

SMALL_SIDE = 256  # pixels of the small picture for shapes and lines


def opened(values: Array, length: int) -> Array:
    """Return the opening by an upright line of `length` (odd) pixels."""
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
    """Return the integer factor that reduces a mask to SMALL_SIDE."""
    return -(-int(max(mask.shape)) // SMALL_SIDE)


def pooled(mask: Mask, factor: int) -> Mask:
    """Return a mask reduced by an integer factor; a block is set if any of its pixels is."""
    rows, columns = (-side % factor for side in mask.shape)
    blocks: Mask = np.pad(mask, ((0, rows), (0, columns)))
    height, width = blocks.shape
    rows_of_blocks = blocks.reshape(height // factor, factor, width).any(axis=1)  # one axis at a time: 4 times faster
    return np.asarray(rows_of_blocks.reshape(height // factor, width // factor, factor).any(axis=2), bool)


def expanded(mask: Mask, factor: int, shape: tuple[int, ...]) -> Mask:
    """Undo `pooled`."""
    blocks = mask.repeat(factor, axis=0).repeat(factor, axis=1)
    return blocks[: shape[0], : shape[1]]


@dataclass(frozen=True)
class Labels:
    """The connected shapes of a mask: `image` has the number of its shape at each pixel, -1 outside of all.

    `boxes`: left, top, right, bottom of each, shape (n, 4); `sizes`: pixels of each, shape (n,).
    """

    image: npt.NDArray[np.int32]
    boxes: Indices
    sizes: Indices


def labelled(mask: Mask) -> Labels:
    """Return the connected shapes of a mask, corners counting as connections, in the order of their first pixels.

    Runs of pixels in a row are linked to those they touch in the next (Rosenfeld and Pfaltz 1966).
    """
    height, width = mask.shape
    padded = np.pad(mask, ((0, 0), (1, 1)))
    ends = np.flatnonzero(np.diff(padded.ravel())) + 1
    starts, stops = ends[::2], ends[1::2]
    # A run touches those in the next row that begin before its end and end after its start, corners included.
    first_below = np.searchsorted(stops, starts + width + 2, side="left")
    number = np.searchsorted(starts, stops + width + 2, side="right") - first_below
    one = np.repeat(np.arange(len(starts)), number)
    other = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number) + np.repeat(first_below, number)
    shape = _connected(len(starts), one, other)
    rows, left, right = starts // (width + 2), starts % (width + 2) - 1, stops % (width + 2) - 1
    image = np.full(mask.shape, -1, np.int32)
    image[mask] = np.repeat(shape, stops - starts)
    count = int(shape.max(initial=-1)) + 1
    boxes = np.tile(np.array([width, height, 0, 0], np.intp), (count, 1))
    np.minimum.at(boxes, shape, np.stack([left, rows, np.full_like(left, width), np.full_like(left, height)], axis=1))
    np.maximum.at(boxes, shape, np.stack([0 * left, 0 * left, right, rows + 1], axis=1))
    return Labels(image, boxes, np.bincount(shape, stops - starts, minlength=count).astype(np.intp))


def _connected(count: int, one: Indices, other: Indices) -> Indices:
    """Return the number of its connected component for each of `count` nodes, given pairs that are linked."""
    # Each node points to one of its component with a lower number, until all of a component point to its first.
    first = np.arange(count)
    while (first[one] != first[other]).any():
        low, high = np.minimum(first[one], first[other]), np.maximum(first[one], first[other])
        np.minimum.at(first, high, low)
        while (first != first[first]).any():
            first = first[first]
    return np.asarray(np.unique(first, return_inverse=True)[1], np.intp)


def hysteresis(values: Array, low: float, high: float) -> Mask:
    """Return the shapes above `low` that are above `high` somewhere (Canny 1986): light strokes with dark ones."""
    shapes = labelled(values > low)
    strong = np.zeros(len(shapes.sizes) + 1, bool)
    strong[shapes.image[values > high]] = True
    strong[-1] = False
    return np.asarray(strong[shapes.image], bool)


def shapes(mask: Mask) -> list[tuple[Indices, Indices]]:
    """Return the rows and columns of each connected shape, corners counting as connections, the largest first."""
    found = labelled(mask)
    rows, columns = np.nonzero(mask)
    order = np.argsort(found.image[mask], kind="stable")
    groups = np.split(order, np.cumsum(found.sizes)[:-1]) if len(found.sizes) else []
    return [(rows[group], columns[group]) for group in sorted(groups, key=len, reverse=True)]


def extent(mask: Mask) -> tuple[slice, slice]:
    """Return the rows and columns from the first to the last set pixel."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def stroke_width(mask: Mask) -> float:
    """Estimate the width of a pen's strokes in pixels: twice the area over the length of the outline."""
    padded = np.pad(mask, 1)
    outline = np.count_nonzero(padded[1:] != padded[:-1]) + np.count_nonzero(padded[:, 1:] != padded[:, :-1])
    # The outline counts the steps of slanted edges, on average 4 / pi too many.
    return float(2 * np.count_nonzero(mask) / max(outline * np.pi / 4, 1))


def as_bytes(values: Array) -> Bytes:
    """Round values of 0 to 255, which scaling may have overshot."""
    return np.asarray(np.rint(np.clip(values, 0, 255)), np.uint8)
