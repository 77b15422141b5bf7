"""Ruled and squared paper: finding the lines from edge to edge, and taking them out from under the ink."""

import numpy as np

from mnistnet.util.arrays import Array
from mnistnet.vision.morphology import Indices, Mask, expanded, opened, pool_factor, pooled, slide

LINE_LENGTH, LINE_COVER = 50, 0.5  # a ruled line is so many times longer than thick, and so much of it is seen
MAX_TILT = 0.1  # of a ruled line, rows a column


def without_lines(darkness: Array, threshold: float) -> Array:
    """Return the darkness with ruled lines, across and down, taken out; strokes that cross them stay."""
    across = _without_rows(darkness, darkness > threshold)
    return _without_rows(across.T, threshold < across.T).T


def _without_rows(darkness: Array, mask: Mask) -> Array:
    """Take out lines from edge to edge. What crosses a line is taller than the line, so on lines the darkness is
    opened upright: at each pixel the darkest that an upright stick reaches which is longer than lines are thick.
    """
    thickest = mask.shape[1] // LINE_LENGTH
    if not thickest:
        return darkness
    thin = mask & ~opened(mask, 2 * (thickest // 2) + 3)
    lines, number = ruled_rows(thin)
    if not number:
        return darkness
    thickness = lines.sum() / number / lines.any(axis=0).sum()
    stick = 2 * round(thickness / 2) + 5
    near = slide(lines, 5, np.logical_or)
    result: Array = np.where(near, opened(darkness, stick), darkness)
    return result


def ruled_rows(thin: Mask) -> tuple[Mask, int]:
    """Return the pixels on lines that run from the left edge to the right, tilted a little perhaps, and how many lines.

    For each tilt the picture is sheared by it. Where the rows differ most, full ones and empty ones, lines are level
    (Postl 1986); there a row that is mostly dark from edge to edge is a line.
    """
    factor = pool_factor(thin)
    small = pooled(thin, factor)
    height, width = small.shape
    rows, columns = np.nonzero(small)
    if len(rows) < LINE_COVER * width:
        return np.zeros_like(thin), 0

    def level(tilt: float) -> Indices:
        sheared: Indices = (rows - np.rint(tilt * (columns - width / 2)).astype(np.intp)) % height
        return sheared

    levels = [level(tilt) for tilt in np.linspace(-MAX_TILT, MAX_TILT, 41)]
    best = max(levels, key=lambda row: float((np.bincount(row) ** 2).sum()))
    straight = np.zeros_like(small)
    straight[best, columns] = True
    reach = slide(straight, 3, np.logical_or)
    lines = (reach.mean(axis=1) > LINE_COVER) & reach[:, :2].any(axis=1) & reach[:, -2:].any(axis=1)
    on_line = np.zeros_like(small)
    on_line[rows, columns] = lines[best]
    return expanded(on_line, factor, thin.shape) & thin, int(np.count_nonzero(lines[1:] & ~lines[:-1]) + lines[0])
