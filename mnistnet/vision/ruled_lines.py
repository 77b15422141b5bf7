"""Ruled paper, forms and tables: finds straight lines longer than any digit's, and removes them from under ink."""

import numpy as np

from mnistnet.util.arrays import Array
from mnistnet.vision.morphology import (
    Indices,
    Mask,
    expanded,
    labelled,
    opened,
    pool_factor,
    pooled,
    slide,
)

LINE_LENGTH, LINE_COVER = 50, 0.5  # of a ruled line: length over thickness, and the visible share
MAX_TILT = 0.1  # of a ruled line, rows a column
TILTS = 21  # tried for lines that do not reach the edges
FRAME_SIDE, FRAME_COVER, FRAME_SIDES = 0.1, 0.8, 3  # of its extent: how near its edge a frame's side runs, how much of
# it is seen, and how many of the four; a round 0 covers a half of each
FRAME_LENGTH = 0.75  # of a frame's extent: what is straight for so long is the frame's
FRAME_INK = 0.6  # of its extent: with more it is a block, not a frame
FRAME_THICKNESS = 0.06  # of its shorter side, at most: E and m have straight sides, too, but thicker ones
MIN_FRAME = 16  # pixels a side
MAX_CORNER = 5  # pixels of a speck where two sides met, besides their thickness


def without_lines(darkness: Array, threshold: float) -> Array:
    """Return the darkness without ruled lines, across and down; strokes that cross them stay."""
    across = _without_rows(darkness, darkness > threshold)
    return _without_rows(across.T, threshold < across.T).T


def _without_rows(darkness: Array, mask: Mask) -> Array:
    """Remove lines from edge to edge.

    A stroke that crosses a line is taller than the line, so on lines the darkness is opened by an upright line longer
    than their thickness.
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


def without_long_lines(darkness: Array, mask: Mask, length: float, thickest: float) -> Array:
    """Return the darkness without straight lines longer than `length` and no thicker than `thickest`, across and down.

    `mask` is where ink is.
    """
    across = _without_runs(darkness, mask, length, thickest)
    down = _without_runs(darkness.T, mask.T, length, thickest).T
    return darkness if across is darkness and down.base is darkness else np.minimum(across, down)


def without_frames(darkness: Array, mask: Mask) -> Array:
    """Return the darkness without the lines of boxes, combs and tables: shapes with straight sides where they end."""
    found = labelled(mask)
    result = darkness
    sides = found.boxes[:, 2:] - found.boxes[:, :2]
    for number in np.flatnonzero((sides >= MIN_FRAME).all(axis=1)):
        left, top, right, bottom = map(int, found.boxes[number])
        window = slice(top, bottom), slice(left, right)
        shape = found.image[window] == number
        thickness = _frame_thickness(shape)
        if thickness is None:
            continue
        if result is darkness:
            result = darkness.copy()
        height, width = shape.shape
        around = round(thickness) + 5  # or its sides would seem to go on beyond the window
        whole, frame = np.pad(darkness[window], around), np.pad(shape, around)
        across = _without_runs(whole, frame, FRAME_LENGTH * width, thickness)
        down = _without_runs(whole.T, frame.T, FRAME_LENGTH * height, thickness).T
        clean = np.minimum(across, down)
        clean[_corners(frame & (clean > 0.5 * whole), thickness)] = 0
        result[window] = clean[around:-around, around:-around]
    return result


def _corners(left: Mask, thickness: float) -> Mask:
    """Return the specks in what is left of a frame: at a corner each side looks like a stroke across the other."""
    if not left.any():
        return left
    found = labelled(left)
    sides = found.boxes[:, 2:] - found.boxes[:, :2]
    specks: Mask = left & (sides.max(axis=1) <= 2 * thickness + MAX_CORNER)[found.image]
    return specks


def _frame_thickness(shape: Mask) -> float | None:
    """Return the thickness of a frame's lines.

    A frame is a shape, cropped, with straight sides along its extent; None for others.
    """
    height, width = (max(2, round(FRAME_SIDE * side)) for side in shape.shape)
    bands = shape[:height], shape[-height:], shape[:, :width].T, shape[:, -width:].T
    covered = [band for band in bands if band.any(axis=0).mean() >= FRAME_COVER]
    if len(covered) < FRAME_SIDES or shape.mean() > FRAME_INK:
        return None
    thickness = min(float(np.median(band.sum(axis=0)[band.any(axis=0)])) for band in covered)
    return thickness if thickness <= FRAME_THICKNESS * min(shape.shape) else None


def _without_runs(darkness: Array, mask: Mask, length: float, thickest: float) -> Array:
    """Remove level lines of at least a length that are no thicker than `thickest`."""
    factor = max(1, round(thickest / 2))
    runs = _runs(pooled(mask, factor), max(3, round(length / factor)))
    if not runs.any():
        return darkness
    thin = mask & ~opened(mask, 2 * round(thickest / 2) + 5)
    lines = expanded(runs, factor, thin.shape) & thin
    if not lines.any():
        return darkness
    thickness = float(np.median(lines.sum(axis=0)[lines.any(axis=0)]))
    stick = 2 * round(min(thickness, thickest) / 2) + 5
    near = slide(lines, 5, np.logical_or)
    result: Array = np.where(near, opened(darkness, stick), darkness)
    return result


def _runs(mask: Mask, length: int) -> Mask:
    """Return the pixels on level runs of at least a length, tilted by up to MAX_TILT."""
    height, width = mask.shape
    rows, columns = np.nonzero(mask)
    result = np.zeros_like(mask)
    if length > width or len(rows) < length:
        return result
    for tilt in np.linspace(-MAX_TILT, MAX_TILT, TILTS):
        sheared = (rows - np.rint(tilt * (columns - width / 2)).astype(np.intp)) % height
        straight = np.zeros_like(mask)
        straight[sheared, columns] = True
        reach = slide(straight, 3, np.logical_or).T
        long = opened(reach, 2 * (length // 2) + 1).T
        result[rows, columns] |= long[sheared, columns]
    return result


def ruled_rows(thin: Mask) -> tuple[Mask, int]:
    """Return the pixels on lines that run from the left edge to the right, tilted a little perhaps, and how many lines.

    The picture is sheared by each tilt. Lines are level where the rows differ most (Postl 1986); there a row that is
    mostly dark from edge to edge is a line.
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
