"""From a digit's ink to the 28x28 that MNIST's makers would have drawn: white on black.

Strokes as wide as MNIST's, scaled into 20x20 in proportion, centred by mass. `detection.py` finds the ink.
"""

import numpy as np
from PIL import Image, ImageFilter

from mnistnet.util.arrays import Array
from mnistnet.vision.background import filtered, scaled
from mnistnet.vision.morphology import Bytes, Mask, as_bytes, extent, square, stroke_width

SIDE, BOX = 28, 20  # pixels: an MNIST image, and the box its digit was scaled into
WORKING_SIDE = 160  # pixels of the digit's longer side while its strokes are measured: 8 for one of the box
THINNEST, THICKEST = 1.8, 3.6  # pixels of stroke width in the box; nine tenths of MNIST's digits lie between
SMOOTH = 1.0  # pixels at the working size, radius of the blur that removes grain
EMPTY, FULL = 0.2, 0.95  # of the pen's usual darkness: no ink below the first, full ink above the second
PEN_REACH = 25  # pixels at the working size, odd: the neighbourhood whose darkest pixel is the pen's darkness
UNEVEN = 1.25  # times the darkness around: a pen that varies more was pressed lightly
LIGHTEST = 0.4  # of the pen's usual darkness: lighter strokes stay lighter
EDGE = 0.4  # of full ink: where the digit is cropped


def is_like_mnist(grey: Array) -> bool:
    """Whether a picture is like MNIST's: 28x28, white on black, as large as the box, centred."""
    if grey.shape != (SIDE, SIDE) or grey.max() < 0.98:
        return False
    rows, columns = extent(grey > 0)
    if max(rows.stop - rows.start, columns.stop - columns.start) not in (BOX - 1, BOX):
        return False
    # All 70,000 have their centre of mass within half a pixel of 14, counting pixels from 0.
    return all(abs(centre - SIDE / 2) < 0.55 for centre in _centre_of_mass(grey))


def inked(darkness: Array, digit: Mask) -> Array:
    """Return how much ink lies on each pixel, 0 to 1, cropped to the digit, whose longer side is then WORKING_SIDE.

    Ink begins a little above the paper's darkness, because of grain, and is full a little below the pen's usual
    darkness. Outside of the digit's shape only its soft edge counts.
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
    ink = np.clip((smooth / np.minimum(pen, _pen_around(smooth, pen)) - EMPTY) / (FULL - EMPTY), 0, 1)
    cropped: Array = ink[extent(ink > EDGE)]
    return cropped


def _pen_around(smooth: Array, pen: float) -> Array:
    """Return the darkness of the pen around each pixel, which varies with its pressure."""
    around = filtered(square(np.clip(smooth, 0, 1), PEN_REACH, np.maximum), ImageFilter.BoxBlur(PEN_REACH // 2))
    return np.maximum(around * UNEVEN, LIGHTEST * pen)


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


def _resized(digit: Image.Image, longest: int) -> Image.Image:
    scale = longest / max(digit.size)
    return digit.resize((max(1, round(digit.width * scale)), max(1, round(digit.height * scale))), Image.Resampling.BOX)


def _centred(digit: Array) -> Bytes:
    """Place a digit of at most 20x20 in 28x28 so that its centre of mass is at 14, to the nearest pixel."""
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
