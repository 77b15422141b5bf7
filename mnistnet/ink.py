"""From the brightness of a sheet to the 28x28 that MNIST's makers would have drawn: white ink on black.

Five steps: which of dark and light is the paper; how dark is each pixel against the paper around it; which of the
dark shapes are the digit (specks and ruled lines are not); strokes as wide as MNIST's; 20x20, centred by mass.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from mnistnet.functions import Array
from mnistnet.morphology import Bytes, Indices, Mask, as_bytes, expanded, extent, pool_factor, pooled, shapes, square
from mnistnet.paper import LEAST_SIDE, WINDOWS, filtered, out_of_grain, scaled
from mnistnet.ruling import without_lines

SIDE, BOX = 28, 20  # pixels: an MNIST image, and the box its digit was scaled into
WORKING_SIDE = 160  # pixels that the digit's longer side has while its strokes are measured: 8 for one of the box
THINNEST, THICKEST = 1.8, 3.6  # pixels of stroke width in the box; nine tenths of MNIST's digits lie between
LEAST_PHOTO = 480  # pixels; in a smaller picture a narrow window shows nothing but edges
WINDOW_STROKES = 2.2  # a window must be so many strokes wide for the strokes in it to be trusted
AT_EDGE = 0.2  # what a shape counts that touches the picture's edge, against one that does not
MORE = 1.25  # by so much a stroke is thicker or longer in a wider window if in the narrow one a part of it was missed
LEAST_LENGTH = 3.0  # strokes' widths that a digit is long at least; a blot is shorter
LEAST_SIZE = 0.012  # of the picture's longer side: what a digit has at least
SMOOTH = 1.0  # pixels at the working size, radius of the blur that takes off grain
EMPTY, FULL = 0.2, 0.95  # of the pen's usual darkness: no ink up to there, nothing but ink from there
EDGE = 0.4  # of full ink: where the digit is cropped


def is_like_mnist(grey: Array) -> bool:
    """Whether a picture is as MNIST's makers left theirs: 28x28, white on black, as large as the box, centred."""
    if grey.shape != (SIDE, SIDE) or grey.max() < 0.98:
        return False
    rows, columns = extent(grey > 0)
    if max(rows.stop - rows.start, columns.stop - columns.start) not in (BOX - 1, BOX):
        return False
    # All 70,000 have their centre of mass within half a pixel of 14, counting pixels from 0.
    return all(abs(centre - SIDE / 2) < 0.55 for centre in _centre_of_mass(grey))


@dataclass(frozen=True)
class Sheet:
    """A sheet with its ink found. `darkness` against the paper around, 0 paper to 1 black; `mask`: what is dark enough.

    `digit` is the main shape's part of the mask, `window` the width in pixels of what passed for a stroke, `contrast`
    the difference in brightness between the digit and what is around it.
    """

    darkness: Array
    mask: Mask
    digit: Mask
    window: float
    contrast: float


def find_digit(grey: Array) -> Bytes | None:
    """Return the digit on a sheet, brightness 0 to 1, as MNIST would hold it, (28, 28); None for a blank sheet."""
    sheet = find_ink(grey)
    return None if sheet is None else as_mnist(inked(sheet.darkness, sheet.digit))


def find_ink(grey: Array) -> Sheet | None:
    """Tell ink from paper, with the narrowest window that the strokes found in it fit into; None for a blank sheet.

    Narrow windows see no shadow, no table beside the paper; wide ones are for thick strokes, as in a cropped digit.
    """
    # In a few pixels all is edges, which would pass for grain.
    factor = -(-LEAST_SIDE // max(grey.shape))
    grey = np.clip(scaled(grey, factor, Image.Resampling.BICUBIC), 0, 1)
    for share in WINDOWS[:-1]:
        if max(grey.shape) >= LEAST_PHOTO:
            found = [(_ink_in(page, share), page) for page in (grey, 1 - grey)]
            sheets = [(sheet, page) for sheet, page in found if sheet is not None and _fits(sheet)]
            if sheets:
                sheet, page = max(sheets, key=lambda pair: _standing_out(pair[0]))
                if not _is_part(sheet, _ink_in(page, 2 * share)):
                    return sheet
    return _ink_in(dark_on_light(grey), WINDOWS[-1])


def _ink_in(page: Array, share: float) -> Sheet | None:
    """Return the ink of a page with light paper, whose strokes are narrower than `share` of it."""
    darkness, threshold = out_of_grain(page, share)
    if threshold is None:
        return None
    darkness = without_lines(darkness, threshold)
    mask = without_specks(darkness > threshold)
    digit = main_shape(mask)
    if digit is None:
        return None
    height, width = darkness.shape
    page = np.asarray(Image.fromarray(page).resize((width, height), Image.Resampling.BOX))
    contrast = abs(float(page[digit].mean() - np.median(page[_around(digit)])))
    return Sheet(darkness, mask, digit, share * max(height, width), contrast)


def _around(digit: Mask) -> tuple[slice, ...]:
    """Return the digit's rows and columns with half its length on each side: most of that is paper.

    Around a gap between strokes it is paper too, as light as the gap itself.
    """
    margin = _length(digit) // 2
    return tuple(slice(max(0, side.start - margin), side.stop + margin) for side in extent(digit))


def _fits(sheet: Sheet) -> bool:
    """Whether the window is well wider than the digit's strokes, and the digit longer than a blot."""
    stroke = stroke_width(sheet.digit)
    return WINDOW_STROKES * stroke <= sheet.window and LEAST_LENGTH * stroke <= _length(sheet.digit)


def _is_part(sheet: Sheet, wider: Sheet | None) -> bool:
    """Whether a window of twice the width shows a digit with thicker or longer strokes, of which this one is a part."""
    if wider is None or not _fits(wider):
        return False
    scale = wider.digit.shape[0] / sheet.digit.shape[0]
    apart = any(
        one.start * scale > other.stop or other.start > one.stop * scale
        for one, other in zip(extent(sheet.digit), extent(wider.digit), strict=True)
    )
    sizes = ((measure(wider.digit), measure(sheet.digit) * scale) for measure in (stroke_width, _length))
    return not apart and any(large > MORE * small for large, small in sizes)


def _standing_out(sheet: Sheet) -> float:
    """Return how long a digit is and how it contrasts, to tell strokes from the gaps between them: never more so."""
    edges = sheet.digit[[0, -1]].any() or sheet.digit[:, [0, -1]].any()
    size = _length(sheet.digit) / max(sheet.digit.shape)
    return float(size**2 * sheet.contrast * (AT_EDGE if edges else 1))


def _length(digit: Mask) -> int:
    return int(max(side.stop - side.start for side in extent(digit)))


def dark_on_light(grey: Array) -> Array:
    """Return the picture with light paper. The margin is paper; ink differs from it more than paper itself does."""
    margin = max(1, max(grey.shape) // 20)
    inner = np.zeros(grey.shape, bool)
    inner[margin:-margin, margin:-margin] = True
    paper = np.median(grey[~inner])
    smooth = filtered(grey, ImageFilter.BoxBlur(1))
    return grey if paper - smooth.min() >= smooth.max() - paper else 1 - grey


def without_specks(mask: Mask) -> Mask:
    """Return the dark pixels with at least two dark neighbours, as all have in a line of a single pixel."""
    padded = np.pad(mask, 1).astype(np.uint8)
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    result: Mask = mask & (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:] > 2)
    return result


def main_shape(mask: Mask) -> Mask | None:
    """Return the digit's pixels among the dark ones: the main shape and its broken-off strokes. None if only specks.

    A shape that touches the picture's edge counts less than one that does not: a table, a finger, a neighbour.
    """
    factor = pool_factor(mask)
    small = pooled(mask, factor)
    found = shapes(small)
    height, width = small.shape

    def at_edge(piece: tuple[Indices, ...]) -> bool:
        return bool(((piece[0] == 0) | (piece[0] == height - 1) | (piece[1] == 0) | (piece[1] == width - 1)).any())

    def weight(piece: tuple[Indices, ...]) -> float:
        return len(piece[0]) * (AT_EDGE if at_edge(piece) else 1.0)

    if not found:
        return None
    main = max(found, key=weight)
    size = max(np.ptp(main[0]), np.ptp(main[1])) + 1
    if size < max(6 / factor, LEAST_SIZE * max(small.shape)):
        return None
    keep = np.zeros(small.shape, bool)
    reach = [(index.min() - 0.4 * size, index.max() + 0.4 * size) for index in main]
    for piece in found:
        near = all(low <= index.mean() <= high for index, (low, high) in zip(piece, reach, strict=True))
        if piece is main or (near and len(piece[0]) >= 0.04 * len(main[0]) and at_edge(piece) <= at_edge(main)):
            keep[piece] = True
    digit = expanded(keep, factor, mask.shape) & mask
    # Specks that happen to be neighbours cover little of their extent; a stroke, thin as it may be, runs through it.
    return digit if np.count_nonzero(digit) >= size * factor / 2 else None


def inked(darkness: Array, digit: Mask) -> Array:
    """Return how much ink lies on each pixel, 0 to 1, cropped to the digit, whose longer side is then WORKING_SIDE.

    Ink begins a little above the paper, so that its grain is none, and is full a little below the pen's usual darkness.
    Outside of the digit's shape only its soft edge counts.
    """
    rows, columns = extent(digit)
    size = max(rows.stop - rows.start, columns.stop - columns.start)
    margin = max(1, size // 10)
    window = tuple(slice(max(0, s.start - margin), s.stop + margin) for s in (rows, columns))
    shape, near = digit[window], square(digit[window], 2 * margin + 1, np.logical_or)
    scale = WORKING_SIDE / size
    smooth = scaled(darkness[window] * near, scale, Image.Resampling.BICUBIC)
    smooth = _blurred(smooth, SMOOTH)
    pen = np.average(smooth, weights=scaled(shape.astype(np.float32), scale, Image.Resampling.BILINEAR))
    ink = np.clip((smooth / pen - EMPTY) / (FULL - EMPTY), 0, 1)
    cropped: Array = ink[extent(ink > EDGE)]
    return cropped


def _blurred(values: Array, radius: float) -> Array:
    return filtered(np.clip(values, 0, 1), ImageFilter.GaussianBlur(radius))


def as_mnist(ink: Array) -> Bytes:
    """Scale into 20x20 keeping proportions, and centre by mass in 28x28, as the MNIST page describes."""
    digit = with_usual_strokes(Image.fromarray(as_bytes(ink * 255)))
    small = np.asarray(_resized(digit, BOX), np.float32)
    return _centred(small * (255 / max(small.max(), 1)))


def with_usual_strokes(digit: Image.Image) -> Image.Image:
    """Widen strokes thinner than MNIST's and narrow thicker ones, at the working size."""
    unit = WORKING_SIDE / BOX
    width = stroke_width(np.asarray(digit) > 127) / unit
    change = (np.clip(width, THINNEST, THICKEST) - width) * unit / 2
    step = round(abs(float(change)))
    if not step:
        return digit
    wide = np.pad(np.asarray(digit), step + 1)
    changed = square(wide, 2 * step + 1, np.maximum if change > 0 else np.minimum)
    return Image.fromarray(changed[extent(changed > 0)]) if changed.any() else digit


def stroke_width(mask: Mask) -> float:
    """Estimate the width of a pen's strokes in pixels: twice the area over the length of the outline."""
    padded = np.pad(mask, 1)
    outline = np.count_nonzero(padded[1:] != padded[:-1]) + np.count_nonzero(padded[:, 1:] != padded[:, :-1])
    # A slanted edge counts its steps in both directions; over all directions that is 4 / pi too much.
    return float(2 * np.count_nonzero(mask) / max(outline * np.pi / 4, 1))


def _resized(digit: Image.Image, longest: int) -> Image.Image:
    scale = longest / max(digit.size)
    return digit.resize((max(1, round(digit.width * scale)), max(1, round(digit.height * scale))), Image.Resampling.BOX)


def _centred(digit: Array) -> Bytes:
    """Lay a digit of at most 20x20 into 28x28 so that its centre of mass is at 14, to the nearest pixel."""
    top, left = (
        int(min(max(np.floor(SIDE / 2 - centre + 0.5), 0), SIDE - side))
        for centre, side in zip(_centre_of_mass(digit), digit.shape, strict=True)
    )
    canvas = np.zeros((SIDE, SIDE), np.uint8)
    canvas[top : top + digit.shape[0], left : left + digit.shape[1]] = as_bytes(digit)
    return canvas


def _centre_of_mass(values: Array) -> tuple[float, float]:
    total = values.sum()
    rows, columns = (np.arange(size) for size in values.shape)
    return float(values.sum(axis=1) @ rows / total), float(values.sum(axis=0) @ columns / total)
