"""From a picture file to the 28x28 that MNIST's makers would have drawn: white ink on black, 20x20, centred by mass.

Files are read in two steps: what they are (format, size) is checked before anything is decoded, then grey, polarity,
crop, scale, centre. A picture that is already as in MNIST comes through unchanged.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter, ImageOps, UnidentifiedImageError

from mnistnet.errors import ImageError
from mnistnet.files import reason
from mnistnet.functions import Array

SIDE, BOX = 28, 20  # pixels: an MNIST image, and the box its digit was scaled into
LARGEST_FILE = 100 << 20  # bytes
MOST_PIXELS = 25_000_000  # decoded at most
WORKING_PIXELS = 4_000_000  # kept, in grey, for what follows
SMALLEST = 8  # pixels a side
WORKING_SIDE = 200  # of a digit, before it is scaled into its box
LEAST_CONTRAST = 0.12  # between ink and paper, of full black to white; less is a blank sheet
THINNEST = 1.6  # pixels of stroke width in the box; MNIST's strokes are rarely thinner
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "PPM", "TIFF")


def read_digit(path: Path) -> npt.NDArray[np.uint8]:
    """Return the digit in a picture file as MNIST would hold it, shape (784,). Raises ImageError, naming the file."""
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {reason(error)}") from None
    return digit_from_bytes(content, str(path))


def digit_from_bytes(content: bytes, name: str) -> npt.NDArray[np.uint8]:
    """Return the digit in the bytes of a picture file; `name` is what errors call it. Raises ImageError."""
    if not content:
        raise ImageError(f"{name}: the file is empty")
    if len(content) > LARGEST_FILE:
        raise ImageError(f"{name}: expected a picture of at most {LARGEST_FILE >> 20} MiB")
    with _one_sentence(name), Image.open(BytesIO(content), formats=FORMATS) as image:
        width, height = image.size
        if width * height > MOST_PIXELS:
            raise ImageError(
                f"{name}: expected at most {MOST_PIXELS // 1_000_000} million pixels, found {width}x{height}"
            )
        if min(width, height) < SMALLEST:
            raise ImageError(f"{name}: expected at least {SMALLEST}x{SMALLEST} pixels, found {width}x{height}")
        grey = _grey(image)
    if is_like_mnist(grey):
        return _as_bytes(grey * 255).ravel()
    ink = find_ink(grey)
    if ink is None:
        raise ImageError(f"{name}: the picture is blank: no ink stands out from the paper")
    return as_mnist(ink).ravel()


@contextmanager
def _one_sentence(name: str) -> Iterator[None]:
    """Turn whatever Pillow raises about a bad file into one ImageError."""
    try:
        with warnings.catch_warnings():
            # Pillow warns about oddities in metadata that do not matter here, and about bombs, which are refused.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError(f"{name}: not a picture, or of a kind not read here ({', '.join(FORMATS)})") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageError(f"{name}: expected at most {MOST_PIXELS // 1_000_000} million pixels") from None
    except Exception as error:  # Pillow's readers raise what their formats make them raise
        words = " ".join(str(error).split())[:120]
        raise ImageError(f"{name}: a damaged picture ({words or type(error).__name__})") from None


def _grey(image: Image.Image) -> Array:
    """Return brightness, 0 black to 1 white, float32 (rows, columns), upright, on white where it is transparent."""
    if image.format == "JPEG":
        scale = (image.width * image.height / WORKING_PIXELS) ** 0.5
        if scale > 2:
            image.draft("L", (int(image.width / scale), int(image.height / scale)))
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith(("I", "F")):
        return _wide_grey(upright)
    if "transparency" in upright.info or upright.mode in ("LA", "RGBA", "PA", "La", "RGBa"):
        colours, alpha = _reduced(upright.convert("RGBA")).convert("LA").split()
        grey, cover = (np.asarray(band, np.float32) / 255 for band in (colours, alpha))
        on_white = grey * cover + (1 - cover)
        # White strokes on a transparent sheet vanish on white paper; there the drawing is what is not transparent.
        return 1 - cover if np.ptp(on_white) < LEAST_CONTRAST < np.ptp(cover) else on_white
    return np.asarray(_reduced(upright.convert("L")), np.float32) / 255


def _wide_grey(image: Image.Image) -> Array:
    """Return the brightness of a picture with 16 bits or more a pixel."""
    values = np.asarray(image, np.float32)
    step = int(np.ceil((values.size / WORKING_PIXELS) ** 0.5))
    values = np.nan_to_num(values[::step, ::step])
    top = values.max(initial=0.0)
    full = next((full for full in (1.0, 255.0, 65535.0) if top <= full), top)
    grey: Array = np.clip(values / full, 0, 1)
    return grey


def _reduced(image: Image.Image) -> Image.Image:
    factor = int(np.ceil((image.width * image.height / WORKING_PIXELS) ** 0.5))
    return image.reduce(factor) if factor > 1 else image


def is_like_mnist(grey: Array) -> bool:
    """Whether a picture is as MNIST's makers left theirs: 28x28, light on black, in the box, centred by mass."""
    if grey.shape != (SIDE, SIDE) or np.median(_border(grey)) > 0.02 or grey.max() < 0.5:
        return False
    rows, columns = np.flatnonzero(grey.any(axis=1)), np.flatnonzero(grey.any(axis=0))
    if max(np.ptp(rows), np.ptp(columns)) >= BOX + 1:
        return False
    middle = (SIDE - 1) / 2
    return all(abs(centre - middle) < 1.5 for centre in _centre_of_mass(grey))


def find_ink(grey: Array) -> Array | None:
    """Return how much ink lies on each pixel, 0 to 1, whatever the polarity; None for a blank sheet."""
    threshold = _otsu(grey)
    light = grey > threshold
    if light.all() or not light.any():
        return None
    levels = float(np.median(grey[~light])), float(np.median(grey[light]))
    paper_is_light = np.mean(_border(light)) > 0.5
    paper, pen = reversed(levels) if paper_is_light else levels
    if abs(paper - pen) < LEAST_CONTRAST:
        return None
    # From a quarter of the way between paper and pen, so that the grain of the paper is no ink, up to the pen.
    ink: Array = np.clip(((grey - paper) / (pen - paper) - 0.25) / 0.65, 0, 1)
    return ink


def as_mnist(ink: Array) -> npt.NDArray[np.uint8]:
    """Crop, scale into 20x20 keeping proportions, and centre by mass in 28x28, as the MNIST page describes."""
    rows, columns = np.flatnonzero((ink > 0.5).any(axis=1)), np.flatnonzero((ink > 0.5).any(axis=0))
    crop = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    digit = Image.fromarray(_as_bytes(crop * 255))
    longest = max(digit.size)
    if longest > WORKING_SIDE:
        digit = _resized(digit, WORKING_SIDE)
        longest = WORKING_SIDE
    width = _stroke_width(np.asarray(digit) > 127) * BOX / longest
    if width < THINNEST:
        grow = round((THINNEST - width) * longest / BOX / 2)
        if grow:
            digit = ImageOps.expand(digit, grow).filter(ImageFilter.MaxFilter(2 * grow + 1))
    small = np.asarray(_resized(digit, BOX), np.float32)
    small *= 255 / max(small.max(), 1)
    return _centred(small)


def _resized(digit: Image.Image, longest: int) -> Image.Image:
    scale = longest / max(digit.size)
    size = tuple(max(1, round(side * scale)) for side in digit.size)
    return digit.resize((size[0], size[1]), Image.Resampling.BICUBIC)


def _stroke_width(mask: npt.NDArray[np.bool_]) -> float:
    """Estimate the width of a pen's strokes in pixels: twice the area over the length of the outline."""
    padded = np.pad(mask, 1)
    outline = np.count_nonzero(padded[1:] != padded[:-1]) + np.count_nonzero(padded[:, 1:] != padded[:, :-1])
    # A slanted edge counts its steps in both directions; over all directions that is 4 / pi too much.
    return float(2 * np.count_nonzero(mask) / max(outline * np.pi / 4, 1))


def _centred(digit: Array) -> npt.NDArray[np.uint8]:
    """Lay a digit of at most 20x20 into 28x28 so that its centre of mass is in the middle, to the nearest pixel."""
    height, width = digit.shape
    centre = _centre_of_mass(digit)
    middle = (SIDE - 1) / 2
    top = min(max(round(middle - centre[0]), 0), SIDE - height)
    left = min(max(round(middle - centre[1]), 0), SIDE - width)
    canvas = np.zeros((SIDE, SIDE), np.uint8)
    canvas[top : top + height, left : left + width] = _as_bytes(digit)
    return canvas


def _centre_of_mass(values: Array) -> tuple[float, float]:
    total = values.sum()
    rows, columns = (np.arange(size) for size in values.shape)
    return float(values.sum(axis=1) @ rows / total), float(values.sum(axis=0) @ columns / total)


def _as_bytes(values: Array) -> npt.NDArray[np.uint8]:
    """Round values of 0 to 255, which scaling may have overshot."""
    return np.asarray(np.rint(np.clip(values, 0, 255)), np.uint8)


def _border(values: Array) -> Array:
    return np.concatenate([values[0], values[-1], values[1:-1, 0], values[1:-1, -1]])


def _otsu(grey: Array) -> float:
    """Return the threshold that divides dark from light with the least variance within both (Otsu 1979)."""
    counts, edges = np.histogram(grey, bins=256, range=(0, 1))
    centres = (edges[:-1] + edges[1:]) / 2
    weight = np.cumsum(counts)
    mean = np.cumsum(counts * centres)
    other = weight[-1] - weight
    with np.errstate(divide="ignore", invalid="ignore"):
        between = weight * other * (mean / weight - (mean[-1] - mean) / other) ** 2
    # Any threshold in an empty gap between two peaks is as good as another: take the middle of the gap.
    best = np.flatnonzero(np.isclose(between, np.nanmax(np.nan_to_num(between)), rtol=1e-6))
    return float(edges[1:][best].mean()) if len(best) else 0.5
