"""From a picture file to the 28x28 of each of its digits, as MNIST's makers would have drawn them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from mnistnet.errors import ImageError
from mnistnet.util.arrays import Array
from mnistnet.vision.colour import separating
from mnistnet.vision.detection import Sheet, block, find_ink
from mnistnet.vision.image_file import decoded
from mnistnet.vision.morphology import as_bytes, extent
from mnistnet.vision.normalize import is_like_mnist
from mnistnet.vision.segmentation import Box, Digit, Judge, digit_of, is_clutter, page_of

NARROW = 12  # pixels: a picture with a side so short gets a margin
MIN_TURNED = 4  # digits needed to decide whether a page is upright
NONSENSE, SENSE = 0.4, 0.8  # shares of sure digits: a page below the first is turned, if that reaches the second

Window = tuple[slice, slice]


@dataclass(frozen=True)
class Reading:
    """A picture prepared for the network: as `given`, brightness 0 to 1; its `ink`, 0 to 1; and its digits.

    `pixels`: uint8 (n, 784), one row a digit, in reading order; `boxes`: where each is, in pixels of the picture held
    upright: left, top, right, bottom; `rows`: the number of the row that each stands in. `left_out`: boxes of what is
    as large as a digit and was not read. `others`: whether there are more digits than were asked for. `doubtful`:
    whether the picture looks like no digit on paper, whatever the network says. `turned`: by how many degrees,
    counterclockwise, the page was turned to be read.
    """

    given: Array
    ink: Array
    pixels: npt.NDArray[np.uint8]
    boxes: list[Box]
    rows: list[int]
    left_out: list[Box] = field(default_factory=list)
    others: bool = False
    doubtful: bool = False
    turned: int = 0


def undecided(images: npt.NDArray[np.uint8]) -> Array:
    """Judge all images alike, without a network."""
    return np.zeros(len(images))


def digit_from_bytes(content: bytes, name: str, judge: Judge = undecided) -> npt.NDArray[np.uint8]:
    """Return the digit in the bytes of a picture file; `name` is what errors call it. Raises ImageError."""
    pixels: npt.NDArray[np.uint8] = reading(content, name, judge).pixels[0]
    return pixels


def reading(content: bytes, name: str, judge: Judge = undecided, *, page: bool = False) -> Reading:
    """Return the digit in the bytes of a picture file, or with `page` all digits, row by row.

    Raises ImageError, which calls the file `name`.
    """
    picture = decoded(content, name)
    grey = separating(picture.pixels) if picture.pixels.ndim == 3 else picture.pixels
    for whole in (grey, 1 - grey):
        if is_like_mnist(whole):
            rows, columns = extent(whole > 0)
            box = columns.start, rows.start, columns.stop, rows.stop
            return Reading(grey, whole, as_bytes(whole * 255).reshape(1, -1), [box], [0])
    if not page:
        digit, number, sheet, window = _one(grey, name, judge)
        found = _reading(grey, sheet, window, picture.size, [[digit]])
        return replace(found, others=number > 1, doubtful=number > 1 or is_clutter(sheet, digit.box))
    return _page(grey, name, judge, picture.size)


def _one(grey: Array, name: str, judge: Judge) -> tuple[Digit, int, Sheet, Window]:
    sheet, window = _sheet(grey, name)
    return *digit_of(sheet, judge), sheet, window


def _page(grey: Array, name: str, judge: Judge, size: tuple[int, int]) -> Reading:
    """Return all digits of a page; where few are sure, those of the page turned to where most are."""
    upright = _page_as_held(grey, name, judge, size)
    if upright is None:
        raise ImageError(f"{name}: no row of digits was found; without --page one digit is read")
    if len(upright.pixels) < MIN_TURNED or _share_sure(upright, judge) > NONSENSE:
        return upright
    best = upright
    for turns in (1, 2, 3):
        turned_size = size if turns == 2 else size[::-1]
        try:
            turned = _page_as_held(np.ascontiguousarray(np.rot90(grey, turns)), name, judge, turned_size)
        except ImageError:
            continue
        if turned and len(turned.pixels) >= MIN_TURNED and _share_sure(turned, judge) > _share_sure(best, judge):
            best = replace(turned, turned=90 * turns)
    if _share_sure(best, judge) < SENSE:
        return upright
    return replace(
        best,
        boxes=[_turned_back(box, best.turned // 90, size) for box in best.boxes],
        left_out=[_turned_back(box, best.turned // 90, size) for box in best.left_out],
    )


def _page_as_held(grey: Array, name: str, judge: Judge, size: tuple[int, int]) -> Reading | None:
    sheet, window = _sheet(grey, name)
    found = page_of(sheet, judge)
    return _reading(grey, sheet, window, size, found.rows, found.left_out) if found.rows else None


def _share_sure(page: Reading, judge: Judge) -> float:
    return float((judge(page.pixels) > 0).mean())


def _turned_back(box: Box, turns: int, size: tuple[int, int]) -> Box:
    """Return a box on a page turned counterclockwise by quarter turns as a box on the page as it was, of a size."""
    left, top, right, bottom = box
    width, height = size
    if turns == 1:
        return width - bottom, left, width - top, right
    if turns == 2:
        return width - right, height - bottom, width - left, height - top
    return (top, height - right, bottom, height - left) if turns == 3 else box


def _sheet(grey: Array, name: str) -> tuple[Sheet, Window]:
    """Return a picture's sheet, and its box: all of it, or a dark square on a white page, as in plots."""
    # A digit of a few columns that is cropped to its ink has paper only in its corners.
    margin = max(grey.shape) // 2 if min(grey.shape) < NARROW else 0
    paper = float(np.median(grey[[0, 0, -1, -1], [0, -1, 0, -1]]))
    sheet = find_ink(np.pad(grey, margin, constant_values=paper))
    whole = slice(-margin, grey.shape[0] + margin), slice(-margin, grey.shape[1] + margin)
    if sheet is None:
        raise ImageError(f"{name}: the picture is blank: no ink stands out from the paper")
    inside = block(sheet)
    if inside is None:
        return sheet, whole
    rows, columns = (
        slice(round(part.start * scale), round(part.stop * scale))
        for part, scale in zip(inside, np.divide(grey.shape, sheet.mask.shape), strict=True)
    )
    inner = find_ink(grey[rows, columns])
    return (inner, (rows, columns)) if inner is not None else (sheet, whole)


def _reading(
    grey: Array,
    sheet: Sheet,
    window: Window,
    size: tuple[int, int],
    rows: list[list[Digit]],
    left_out: Sequence[Box] = (),
) -> Reading:
    """Return the digits found on a sheet in a window of a picture, with boxes in pixels of the file's picture."""
    down, across = ((part.stop - part.start) / side for part, side in zip(window, sheet.mask.shape, strict=True))
    wide, high = size[0] / grey.shape[1], size[1] / grey.shape[0]

    def placed(box: Box) -> Box:
        left, right = (round((window[1].start + end * across) * wide) for end in box[::2])
        top, bottom = (round((window[0].start + end * down) * high) for end in box[1::2])
        return left, top, right, bottom

    return Reading(
        grey[max(0, window[0].start) : window[0].stop, max(0, window[1].start) : window[1].stop],
        _ink(sheet),
        np.stack([digit.pixels for row in rows for digit in row]),
        [placed(digit.box) for row in rows for digit in row],
        [number for number, row in enumerate(rows) for _ in row],
        [placed(box) for box in left_out],
    )


def _ink(sheet: Sheet) -> Array:
    """Return the darkness of the ink, 0 to 1, and 0 elsewhere, for display."""
    return np.where(sheet.mask, np.clip(sheet.darkness / max(float(sheet.darkness[sheet.mask].max()), 0.01), 0, 1), 0)
