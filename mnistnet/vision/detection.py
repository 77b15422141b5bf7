"""Finds the digit on a sheet, and whether it is dark on light or light on dark.

A sheet is seen through windows of several widths (`background.py`): shapes narrower than the window and darker than the
paper in it count as ink. In a narrow window these include a shadow's edge, or the gap between paper and frame; in a
wide one a shadow, or the table beside the paper. A stroke is ink in all of them. So the windows vote for the shapes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image, ImageFilter

from mnistnet.util.arrays import Array
from mnistnet.vision.background import MIN_CONTRAST, MIN_SIDE, NOISE, WINDOWS, filtered, grain, out_of_grain, scaled
from mnistnet.vision.morphology import (
    Indices,
    Mask,
    expanded,
    extent,
    hysteresis,
    labelled,
    pool_factor,
    pooled,
    shapes,
    square,
    stroke_width,
)
from mnistnet.vision.ruled_lines import without_frames, without_lines, without_long_lines

SEARCH_SIDE = 640  # pixels of the picture in which the digit is looked for
MIN_PHOTO = 100  # pixels; in a smaller picture a narrow window shows nothing but edges
MAX_SHAPES = 4  # of one window that take part
SAME = 0.6  # overlap over union of two boxes that hold the same shape
LIGHT_STROKE = 0.4  # of the ink's threshold: the lightest stroke that touches a dark one
SOLID, BLOCK_INK = 0.97, 0.5  # of a rectangle's sides, and of it, that are dark where it is a sheet of its own
LINE_LENGTH = 1.8  # times a digit's height: no stroke of one is as long
LINE_WIDTH = 0.6  # times a stroke: printed lines are thinner than what is written on them
PEN_WINDOW = 4.0  # strokes' widths: the window for a sheet whose pen is known
WINDOW_STROKES = 2.2  # strokes' widths: the narrowest window whose strokes are trusted
MIN_LENGTH = 3.0  # strokes' widths that a digit is long at least; a blot is shorter
MAX_WIDE, MAX_TALL = 1.5, 8  # times its height, its width: a word, a pen beside the digit
THIN = 0.04  # of a digit's length: a stroke as thin as that or less, such as a frame's, counts the less
MIN_SIZE = 0.012  # of the picture's longer side: what a digit has at least
AT_EDGE = 0.2  # weight of a shape that touches the picture's edge
LIGHT_INK = 0.6  # weight of a light shape on dark: most are lit paper or a loop's inside, few are chalk
DOUBTFUL = 0.5  # weight of a shape that is a blot, too thick for its window, or too wide or tall
MIN_DIGIT_LIKENESS = 0.4  # with less there is no digit; then the widest window alone says whether the sheet is blank
SIMILAR = 0.05  # of boxes' overlaps, added up: a difference that does not count
LONGER = 0.2  # power of a shape's length, as a share of the picture's, with which it counts
EVEN, MAX_EVEN = 0.02, 6.0  # of black to white, the spread of paper that is as even as any; contrasts in spreads


@dataclass(frozen=True)
class Sheet:
    """A sheet with its ink found. `darkness` against the paper around, 0 paper to 1 black; `mask`: where it is ink;
    `digit`: the part of the mask that is the digit."""

    darkness: Array
    mask: Mask
    digit: Mask

    @cached_property
    def stroke(self) -> float:
        """Return the width of the digit's strokes in pixels."""
        return stroke_width(self.digit)


@dataclass(frozen=True)
class _Seen:
    """A shape seen through one window: its box as shares of the picture, and how much it looks like a pen's."""

    sheet: Sheet
    window: float
    light: bool
    box: tuple[float, float, float, float]
    likeness: float


def find_ink(grey: Array) -> Sheet | None:
    """Return the sheet with the likeliest digit; None for a blank sheet. `grey`: brightness 0 to 1."""
    # A picture of few pixels is all edges, which look like grain.
    factor = -(-MIN_SIDE // max(grey.shape))
    grey = np.clip(scaled(grey, factor, Image.Resampling.BICUBIC), 0, 1)
    if max(grey.shape) >= MIN_PHOTO:
        small = scaled(grey, min(1.0, SEARCH_SIDE / max(grey.shape)), Image.Resampling.BOX)
        elected = _elected(small)
        if elected is not None:
            return _with_fitting_window(elected, grey)
    return next(_inks(dark_on_light(grey), WINDOWS[-1]), None)


def _with_fitting_window(elected: _Seen, grey: Array) -> Sheet:
    """Return a shape found in a reduced picture as the large one has it, through the window that fits its pen.

    Only strokes are narrower than this window, so shadows, tables and dark corners count as paper.
    """
    share = PEN_WINDOW * elected.sheet.stroke / max(elected.sheet.mask.shape)
    for window in (min(max(share, WINDOWS[0]), WINDOWS[-1]), elected.window):
        found = _ink(1 - grey if elected.light else grey, window, LIGHT_STROKE)
        if found is not None:
            darkness, mask = found
            digit = _resized(elected.sheet.digit, mask.shape)
            if np.count_nonzero(digit & mask) >= SAME * np.count_nonzero(digit):
                clean = _without_lines_longer_than(digit & mask, darkness, mask)
                return Sheet(clean[0], clean[1], digit & clean[1])
    return elected.sheet


def _without_lines_longer_than(digit: Mask, darkness: Array, mask: Mask) -> tuple[Array, Mask]:
    """Return darkness and mask without lines so long that no digit as large as this one has them."""
    found = labelled(mask)
    top, bottom = found.boxes[np.unique(found.image[digit]), 1::2].T
    clean = without_long_lines(darkness, mask, LINE_LENGTH * (bottom - top).max(), LINE_WIDTH * stroke_width(digit))
    if clean is darkness:
        return darkness, mask
    left = without_specks(mask & (clean > 0.5 * darkness))
    return (clean, left) if (left & digit).any() else (darkness, mask)


def _resized(mask: Mask, shape: tuple[int, ...]) -> Mask:
    return np.asarray(Image.fromarray(mask).resize((shape[1], shape[0]), Image.Resampling.NEAREST))


def block(sheet: Sheet) -> tuple[slice, slice] | None:
    """Return the inside of a solid rectangle mistaken for the digit: a sheet on the sheet. None for a digit."""
    stick = 2 * (max(side.stop - side.start for side in extent(sheet.digit)) // 40) + 1
    solid = square(square(sheet.digit, stick, np.logical_and), stick, np.logical_or)  # without ticks and other lines
    if not solid.any():
        return None
    rows, columns = extent(solid)
    shape = sheet.digit[rows, columns]
    height, width = shape.shape
    band = max(1, min(height, width) // 25)
    sides = shape[:band], shape[-band:], shape[:, :band], shape[:, -band:]
    full = min(side.mean() for side in sides) > SOLID and BLOCK_INK < shape.mean() < SOLID
    if not full or max(height, width) > 2 * min(height, width):
        return None
    return slice(rows.start + band, rows.stop - band), slice(columns.start + band, columns.stop - band)


def _elected(grey: Array) -> _Seen | None:
    """Return the shape that the windows vote for, None where none looks like strokes."""
    groups: list[list[_Seen]] = []
    for share in WINDOWS:
        for light in (False, True):
            _vote(groups, _shapes_seen(grey, share, light))
    group = max(groups, key=_score, default=[])
    return _representative(group) if any(one.likeness >= MIN_DIGIT_LIKENESS for one in group) else None


def _shapes_seen(grey: Array, share: float, light: bool) -> list[_Seen]:
    return [_seen(sheet, grey, share, light) for sheet in _inks(1 - grey if light else grey, share)]


def _vote(groups: list[list[_Seen]], seen: list[_Seen]) -> None:
    """Add the shapes seen through one window to the groups of the same shapes from other windows."""
    for one in seen:
        for group in groups:
            new_here = group[-1].window != one.window and group[-1].light == one.light
            if new_here and _overlap(one.box, group[0].box) >= SAME:
                group.append(one)
                break
        else:
            groups.append([one])


def _score(group: list[_Seen]) -> float:
    """Return votes times likeness: a long shape of dark strokes on even paper, not at the edge of the picture."""
    top, left, bottom, right = _representative(group).box
    likely = len(group) * (LIGHT_INK if group[0].light else 1)
    return float(likely * max(bottom - top, right - left) ** LONGER * max(one.likeness for one in group))


def _representative(group: list[_Seen]) -> _Seen:
    """Return the shape that is most like the others; among equals the sharpest, from the widest window.

    A narrow window may show a thick stroke's outline only, a wide one may add a shadow's edge or lose a thin stroke;
    and where a window mistakes a shadow for grain, it sees a reduced page.
    """
    alike = [sum(_overlap(one.box, other.box) for other in group) for one in group]
    candidates = [one for one, much in zip(group, alike, strict=True) if much > max(alike) - SIMILAR]
    return max(candidates, key=lambda one: (one.sheet.digit.size, one.window))


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """Return intersection over union of two boxes."""
    height, width = (min(one[i + 2], other[i + 2]) - max(one[i], other[i]) for i in (0, 1))
    both = max(height, 0) * max(width, 0)
    areas = ((box[2] - box[0]) * (box[3] - box[1]) for box in (one, other))
    return both / (sum(areas) - both)


def _seen(sheet: Sheet, grey: Array, share: float, light: bool) -> _Seen:
    height, width = sheet.digit.shape
    rows, columns = extent(sheet.digit)
    box = rows.start / height, columns.start / width, rows.stop / height, columns.stop / width
    tall, wide, stroke = rows.stop - rows.start, columns.stop - columns.start, sheet.stroke
    length = max(tall, wide)
    page = np.asarray(Image.fromarray(grey).resize((width, height), Image.Resampling.BOX))
    likeness = _evenness(sheet.digit, page)
    unlikely = (
        WINDOW_STROKES * stroke > share * max(height, width),
        MIN_LENGTH * stroke > length,
        wide > MAX_WIDE * tall or tall > MAX_TALL * wide,
    )
    likeness *= DOUBTFUL ** sum(unlikely) * min(1.0, stroke / (THIN * length)) ** 0.5
    return _Seen(sheet, share, light, box, likeness * (AT_EDGE if _touches_edge(sheet.digit) else 1))


def _evenness(digit: Mask, page: Array) -> float:
    """Return the contrast of the ink to its surroundings, in spreads of those: paper is even, a table is not."""
    length = max(side.stop - side.start for side in extent(digit))
    around = tuple(slice(max(0, side.start - length // 2), side.stop + length // 2) for side in extent(digit))
    ink, values = digit[around], page[around]
    paper = values[~square(ink, 2 * max(1, length // 25) + 1, np.logical_or)]
    if not paper.size:
        return 0.0
    return min(abs(float(np.median(paper) - values[ink].mean())) / (float(paper.std()) + EVEN), MAX_EVEN)


def _inks(page: Array, share: float) -> Iterator[Sheet]:
    """Yield the ink of a page with light paper, in strokes narrower than `share` of it, once for each likely shape."""
    found = _ink(page, share)
    if found is not None:
        yield from (Sheet(*found, digit) for digit in main_shapes(found[1]))


def _ink(page: Array, share: float, lightest: float = 1.0) -> tuple[Array, Mask] | None:
    """Return the darkness of a page with light paper and the mask of its ink, None for a blank one.

    `lightest`: share of the threshold above which pixels that touch a darker stroke count as ink.
    """
    darkness, threshold = out_of_grain(page, share)
    if threshold is None:
        return None
    darkness = without_lines(darkness, threshold)
    darkness = without_frames(darkness, darkness > threshold)
    if lightest == 1:
        return darkness, without_specks(darkness > threshold)
    low = max(lightest * threshold, min(threshold, NOISE * grain(darkness)), MIN_CONTRAST / 2)
    darkness = without_lines(darkness, low)  # whose edges are lighter than the pen's
    return darkness, without_specks(hysteresis(darkness, low, threshold))


def dark_on_light(grey: Array) -> Array:
    """Return the picture with light paper. The margin is paper; ink differs from it more than paper itself does."""
    margin = max(1, max(grey.shape) // 20)
    inner = np.zeros(grey.shape, bool)
    inner[margin:-margin, margin:-margin] = True
    paper = np.median(grey[~inner])
    smooth = filtered(grey, ImageFilter.BoxBlur(1))
    return grey if paper - smooth.min() >= smooth.max() - paper else 1 - grey


def without_specks(mask: Mask) -> Mask:
    """Return the dark pixels with at least two dark neighbours, which even a line of single pixels has."""
    padded = np.pad(mask, 1).astype(np.uint8)
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    result: Mask = mask & (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:] > 2)
    return result


def main_shapes(mask: Mask) -> Iterator[Mask]:
    """Yield the pixels of each shape that may be a digit, the main one first:

    with its likely strokes, then alone. A shape that touches the picture's edge counts less: it may be a table, a
    finger, a neighbour.
    """
    factor = pool_factor(mask)
    small = pooled(mask, factor)
    pieces = [_Piece(rows, columns, small.shape) for rows, columns in shapes(small)]
    for main in sorted(pieces, key=lambda piece: piece.weight, reverse=True)[:MAX_SHAPES]:
        if main.length < max(6 / factor, MIN_SIZE * max(small.shape)):
            continue
        strokes = [piece for piece in pieces if piece.is_broken_off(main)]
        for together in ([main, *strokes], [main]) if strokes else ([main],):
            keep = np.zeros(small.shape, bool)
            for piece in together:
                keep[piece.at] = True
            digit = expanded(keep, factor, mask.shape) & mask
            # Neighbouring specks cover little of their extent; a stroke, however thin, runs through it.
            if np.count_nonzero(digit) >= main.length * factor / 2:
                yield digit


class _Piece:
    """A connected shape of a small mask."""

    def __init__(self, rows: Indices, columns: Indices, shape: tuple[int, ...]) -> None:
        self.at = rows, columns
        self._size = len(rows)
        self._low, self._high = np.array([rows.min(), columns.min()]), np.array([rows.max(), columns.max()])
        self._centre = np.array([rows.mean(), columns.mean()])
        self._at_edge = bool((self._low == 0).any() or (self._high == np.array(shape) - 1).any())
        self.length = int((self._high - self._low).max()) + 1
        self.weight = self._size * (AT_EDGE if self._at_edge else 1.0)

    def is_broken_off(self, main: "_Piece") -> bool:
        """Whether this is near another shape, and large enough to be a stroke of it."""
        reach = 0.4 * main.length
        near = (main._low - reach <= self._centre).all() and (self._centre <= main._high + reach).all()
        return (
            self is not main
            and bool(near)
            and 0.04 * main._size <= self._size <= main._size
            and self._at_edge <= main._at_edge
        )


def _touches_edge(digit: Mask) -> bool:
    return bool(digit[[0, -1]].any() or digit[:, [0, -1]].any())
