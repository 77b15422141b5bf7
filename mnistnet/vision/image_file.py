"""From a picture file to the 28x28 that the network was trained on.

What a file is (format, size) is checked before anything is decoded; then it becomes grey, upright and at most four
million pixels; `detection.py` finds the digit. A picture that is already as in MNIST comes through unchanged.
"""

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, UnidentifiedImageError

from mnistnet.errors import ImageError
from mnistnet.util import system
from mnistnet.util.arrays import Array
from mnistnet.util.atomic_files import open_regular, reason
from mnistnet.vision import normalize, segmentation
from mnistnet.vision.background import MIN_CONTRAST
from mnistnet.vision.detection import Sheet, find_ink
from mnistnet.vision.morphology import Mask, as_bytes, extent
from mnistnet.vision.segmentation import Box

SIDE = normalize.SIDE
MAX_FILE = 100 << 20  # bytes
MAX_PIXELS = 25_000_000  # decoded at most
WORKING_PIXELS = 4_000_000  # kept, in grey, for what follows
STRIP_PIXELS = 1_000_000  # converted at a time
MAX_SECONDS, MAX_MEGABYTES = 4, 280  # that decoding takes at most, with the file itself
MAX_PIXELS_OF = {"WEBP": 16_000_000}  # its decoder holds four copies of a picture
MIN_SIDE_PIXELS = 8  # pixels a side
MAX_ASPECT_RATIO = 40  # times as long as wide
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "PPM", "TIFF")
LYING = (5, 6, 7, 8)  # EXIF's orientations of pictures that lie on their side
FULL_SCALES = (1, 255, 1023, 4095, 16383, 65535)  # white, in pictures of 1 to 16 bits that are kept in 16 or more

SIZES = struct.Struct("<4I")  # rows, columns, width, height


@dataclass(frozen=True)
class Reading:
    """A picture on its way to the network: as `given`, brightness 0 to 1; its `ink`, 0 to 1; and its digits.

    `pixels`: uint8 (n, 784), one row a digit, from left to right; `boxes`: where each is, in pixels of the picture
    held upright: left, top, right, bottom. `others`: whether there are more digits than were asked for.
    """

    given: Array
    ink: Array
    pixels: npt.NDArray[np.uint8]
    boxes: list[Box]
    others: bool = False


def read_file(path: Path) -> bytes:
    """Return a file's bytes, or a few more than are allowed. Raises ImageError, naming the file."""
    try:
        with open_regular(path.resolve()) as stream:
            return stream.read(MAX_FILE + 1)
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {reason(error)}") from None
    except ValueError:  # a null character in the name
        raise ImageError(f"{str(path)!r}: not a file name") from None


def read_digit(path: Path) -> npt.NDArray[np.uint8]:
    """Return the digit in a picture file as MNIST would hold it, shape (784,). Raises ImageError, naming the file."""
    return digit_from_bytes(read_file(path), str(path))


def digit_from_bytes(content: bytes, name: str) -> npt.NDArray[np.uint8]:
    """Return the digit in the bytes of a picture file; `name` is what errors call it. Raises ImageError."""
    pixels: npt.NDArray[np.uint8] = reading(content, name).pixels[0]
    return pixels


def reading(content: bytes, name: str) -> Reading:
    """Return the one digit in the bytes of a picture file. Raises ImageError, which calls the file `name`."""
    grey, size = _decoded(content, name)
    for page in (grey, 1 - grey):
        if normalize.is_like_mnist(page):
            return Reading(grey, page, as_bytes(page * 255).reshape(1, -1), [_box(*extent(page > 0), grey, size)])
    sheet = _inked(grey, name)
    pixels = normalize.as_mnist(normalize.inked(sheet.darkness, sheet.digit))
    box = _box(*extent(sheet.digit), sheet.digit, size)
    others = segmentation.holds_several(sheet)
    return Reading(grey, _shown(sheet, sheet.digit), pixels.reshape(1, -1), [box], others)


def line_reading(content: bytes, name: str) -> Reading:
    """Return all digits on the line in the bytes of a picture file, from left to right. Raises ImageError."""
    grey, size = _decoded(content, name)
    if any(normalize.is_like_mnist(page) for page in (grey, 1 - grey)):
        return reading(content, name)
    sheet = _inked(grey, name)
    found = segmentation.digits_on(sheet)
    if not found:
        raise ImageError(f"{name}: no digits on a line were found; without --line one digit is read")
    pixels = np.stack([normalize.as_mnist(digit).ravel() for digit, _ in found])
    boxes = [_box(slice(t, b), slice(le, r), sheet.digit, size) for _, (le, t, r, b) in found]
    return Reading(grey, _shown(sheet, sheet.mask), pixels, boxes)


def _inked(grey: Array, name: str) -> Sheet:
    sheet = find_ink(grey)
    if sheet is None:
        raise ImageError(f"{name}: the picture is blank: no ink stands out from the paper")
    return sheet


def _shown(sheet: Sheet, mask: Mask) -> Array:
    return np.where(mask, np.clip(sheet.darkness / max(float(sheet.darkness[mask].max()), 0.01), 0, 1), 0)


def _box(rows: slice, columns: slice, found_in: Array | Mask, size: tuple[int, int]) -> Box:
    """Return the box (left, top, right, bottom) in a picture of `size` (width, height)."""
    across, down = size[0] / found_in.shape[1], size[1] / found_in.shape[0]
    left, right = (round(end * across) for end in (columns.start, columns.stop))
    top, bottom = (round(end * down) for end in (rows.start, rows.stop))
    return left, top, right, bottom


def read_grey(content: bytes, name: str) -> Array:
    """Return brightness, 0 black to 1 white, float32 (rows, columns), upright, on white where it is transparent."""
    return _decoded(content, name)[0]


def _decoded(content: bytes, name: str) -> tuple[Array, tuple[int, int]]:
    """Return brightness as `read_grey` does, and the picture's own width and height, held upright.

    Where processes can be forked, a child decodes it, within MAX_SECONDS and MAX_MEGABYTES.
    """
    if not content:
        raise ImageError(f"{name}: the file is empty")
    if len(content) > MAX_FILE:
        raise ImageError(f"{name}: expected a picture of at most {MAX_FILE >> 20} MiB")
    Image.preinit()  # here, so that not every child must import what reads the usual formats
    if not system.CAN_FORK:
        return _decode(content, name)
    from mnistnet.util import bounded

    def work() -> bytes:
        grey, size = _decode(content, name)
        return SIZES.pack(*grey.shape, *size) + grey.tobytes()

    try:
        sent = bounded.call(work, ImageError, MAX_SECONDS, MAX_MEGABYTES - (len(content) >> 20))
    except bounded.RefusedWorkError as error:
        raise ImageError(str(error)) from None
    except bounded.LimitError as error:
        raise ImageError(f"{name}: to decode it {error}; save it anew, as PNG or JPEG") from None
    rows, columns, width, height = SIZES.unpack_from(sent)
    return np.frombuffer(sent, np.float32, offset=SIZES.size).reshape(rows, columns), (width, height)


def _decode(content: bytes, name: str) -> tuple[Array, tuple[int, int]]:
    with _one_sentence(name), Image.open(BytesIO(content), formats=FORMATS) as image:
        width, height = image.size
        most = min(MAX_PIXELS, MAX_PIXELS_OF.get(image.format or "", MAX_PIXELS))
        if width * height > most:
            raise ImageError(f"{name}: expected at most {most // 1_000_000} million pixels, found {width}x{height}")
        if min(width, height) < MIN_SIDE_PIXELS:
            raise ImageError(
                f"{name}: expected at least {MIN_SIDE_PIXELS}x{MIN_SIDE_PIXELS} pixels, found {width}x{height}"
            )
        if max(width, height) > MAX_ASPECT_RATIO * min(width, height):
            raise ImageError(
                f"{name}: expected at most {MAX_ASPECT_RATIO} times as long as wide, found {width}x{height}"
            )
        if image.format in ("JPEG", "MPO"):  # MPO is a JPEG with more pictures after the first
            # JPEG can be decoded at 1/2, 1/4 or 1/8 of its size, the next larger than what is asked for.
            scale = min(1.0, (WORKING_PIXELS / (width * height)) ** 0.5)
            image.draft("L", (int(width * scale), int(height * scale)))
        image.load()
        orientation = _orientation(image)
        size = (height, width) if orientation in LYING else (width, height)
        return np.ascontiguousarray(_upright(_grey(image), orientation)), size


@contextmanager
def _one_sentence(name: str) -> Iterator[None]:
    """Turn whatever Pillow raises about a bad file into one ImageError."""
    try:
        with warnings.catch_warnings():
            # Pillow warns about oddities in metadata that do not matter here, and about bombs, which are refused.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except (ImageError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise ImageError(f"{name}: not a picture, or of a kind not read here ({', '.join(FORMATS)})") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageError(f"{name}: expected at most {MAX_PIXELS // 1_000_000} million pixels") from None
    except Exception as error:  # Pillow's readers raise what their formats make them raise
        words = " ".join(str(error).split())[:120]
        raise ImageError(f"{name}: a damaged picture ({words or type(error).__name__})") from None


def _grey(image: Image.Image) -> Array:
    if image.mode.startswith(("I", "F")):
        return _wide_grey(image)
    factor = _factor(*image.size)
    if "transparency" in image.info or image.mode in ("LA", "RGBA", "PA", "La", "RGBa"):
        pairs = [_on_white(strip, factor) for strip in _strips(image)]
        on_white, cover = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
        # White strokes on a transparent sheet vanish on white paper; there the drawing is what is not transparent.
        return 1 - cover if np.ptp(on_white) < MIN_CONTRAST < np.ptp(cover) else on_white
    return np.concatenate([_unit(strip.convert("L").reduce(factor)) for strip in _strips(image)])


def _strips(image: Image.Image) -> Iterator[Image.Image]:
    """Cut a picture into strips, from top to bottom: a converted copy of all of a large one takes 100 MB and more."""
    width, height = image.size
    factor = _factor(width, height)
    rows = factor * max(1, STRIP_PIXELS // (width * factor))
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(top + rows, height)))
        strip.info = image.info  # newer versions leave out what they hold to be true of the whole picture only
        yield strip


def _on_white(strip: Image.Image, factor: int) -> tuple[Array, Array]:
    """Return the brightness of a strip on white paper, and how much of the paper is covered, reduced by a factor."""
    colours, alpha = strip.convert("RGBA").reduce(factor).convert("LA").split()
    grey, cover = _unit(colours), _unit(alpha)
    return grey * cover + (1 - cover), cover


def _wide_grey(image: Image.Image) -> Array:
    """Return the brightness of a picture with 16 bits or more a pixel, whose white the file may not name."""
    factor, means = _factor(*image.size), []
    for strip in _strips(image):
        values = np.asarray(strip)
        height, width = (side - side % factor for side in values.shape)
        blocks = values[:height, :width].reshape(height // factor, factor, width // factor, factor)
        means.append(blocks.mean(axis=(1, 3), dtype=np.float32))
    grey = np.nan_to_num(np.concatenate(means))
    top = grey.max()
    white = next((white for white in FULL_SCALES if top <= white), top)
    result: Array = np.clip(grey / white, 0, 1)
    return result


def _unit(image: Image.Image) -> Array:
    return np.asarray(image, np.float32) / 255


def _factor(width: int, height: int) -> int:
    """Return the whole factor that brings a picture to WORKING_PIXELS."""
    return int(np.ceil((width * height / WORKING_PIXELS) ** 0.5))


def _orientation(image: Image.Image) -> int:
    """Return which way up the camera was held, from 1 to 8 as EXIF counts; 1, upright, where it does not say."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # EXIF is full of surprises, and the pixels are fine without it
        return 1


def _upright(page: Array, orientation: int) -> Array:
    if orientation in LYING:
        page = page.T
    if orientation in (2, 3, 6, 7):
        page = page[:, ::-1]
    if orientation in (3, 4, 7, 8):
        page = page[::-1]
    return page
