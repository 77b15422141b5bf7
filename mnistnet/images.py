"""From a picture file to the 28x28 that the network was trained on.

What a file is (format, size) is checked before anything is decoded; then it becomes grey, upright and at most four
million pixels; `mnistnet.ink` finds the digit. A picture that is already as in MNIST comes through unchanged.
"""

import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, UnidentifiedImageError

from mnistnet import ink
from mnistnet.errors import ImageError
from mnistnet.files import reason
from mnistnet.functions import Array
from mnistnet.morphology import as_bytes

SIDE = ink.SIDE
LARGEST_FILE = 100 << 20  # bytes
MOST_PIXELS = 25_000_000  # decoded at most
WORKING_PIXELS = 4_000_000  # kept, in grey, for what follows
STRIP_PIXELS = 1_000_000  # converted at a time
MOST_PIXELS_OF = {"WEBP": 16_000_000}  # its decoder holds four copies of a picture
SMALLEST = 8  # pixels a side
MOST_SLENDER = 40  # times as long as wide
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "PPM", "TIFF")
FULL_SCALES = (1, 255, 1023, 4095, 16383, 65535)  # white, in pictures of 1 to 16 bits that are kept in 16 or more

_SILENCE = threading.Lock()  # stderr is the whole process's


def read_digit(path: Path) -> npt.NDArray[np.uint8]:
    """Return the digit in a picture file as MNIST would hold it, shape (784,). Raises ImageError, naming the file."""
    try:
        with path.open("rb") as stream:
            content = stream.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {reason(error)}") from None
    except ValueError:  # a null character in the name
        raise ImageError(f"{str(path)!r}: not a file name") from None
    return digit_from_bytes(content, str(path))


def digit_from_bytes(content: bytes, name: str) -> npt.NDArray[np.uint8]:
    """Return the digit in the bytes of a picture file; `name` is what errors call it. Raises ImageError."""
    grey = read_grey(content, name)
    for page in (grey, 1 - grey):
        if ink.is_like_mnist(page):
            return as_bytes(page * 255).ravel()
    digit = ink.find_digit(grey)
    if digit is None:
        raise ImageError(f"{name}: the picture is blank: no ink stands out from the paper")
    return digit.ravel()


def read_grey(content: bytes, name: str) -> Array:
    """Return brightness, 0 black to 1 white, float32 (rows, columns), upright, on white where it is transparent."""
    if not content:
        raise ImageError(f"{name}: the file is empty")
    if len(content) > LARGEST_FILE:
        raise ImageError(f"{name}: expected a picture of at most {LARGEST_FILE >> 20} MiB")
    with _one_sentence(name), Image.open(BytesIO(content), formats=FORMATS) as image:
        width, height = image.size
        most = min(MOST_PIXELS, MOST_PIXELS_OF.get(image.format or "", MOST_PIXELS))
        if width * height > most:
            raise ImageError(f"{name}: expected at most {most // 1_000_000} million pixels, found {width}x{height}")
        if min(width, height) < SMALLEST:
            raise ImageError(f"{name}: expected at least {SMALLEST}x{SMALLEST} pixels, found {width}x{height}")
        if max(width, height) > MOST_SLENDER * min(width, height):
            raise ImageError(f"{name}: expected at most {MOST_SLENDER} times as long as wide, found {width}x{height}")
        if image.format in ("JPEG", "MPO"):  # MPO is a JPEG with more pictures after the first
            # JPEG can be decoded at 1/2, 1/4 or 1/8 of its size, the next larger than what is asked for.
            scale = min(1.0, (WORKING_PIXELS / (width * height)) ** 0.5)
            image.draft("L", (int(width * scale), int(height * scale)))
        with _libraries_silent() if image.format == "TIFF" else nullcontext():
            image.load()
        return np.ascontiguousarray(_upright(_grey(image), _orientation(image)))


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


@contextmanager
def _libraries_silent() -> Iterator[None]:
    """Keep what libtiff writes past Python, straight to stderr, from the user, whom one sentence of ours will do."""
    with _SILENCE:
        try:
            stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        except OSError:  # there is no stderr to keep it from
            yield
            return
        try:
            os.dup2(nowhere, 2)
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            os.close(nowhere)


def _grey(image: Image.Image) -> Array:
    if image.mode.startswith(("I", "F")):
        return _wide_grey(image)
    factor = _factor(*image.size)
    if "transparency" in image.info or image.mode in ("LA", "RGBA", "PA", "La", "RGBa"):
        pairs = [_on_white(strip, factor) for strip in _strips(image)]
        on_white, cover = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
        # White strokes on a transparent sheet vanish on white paper; there the drawing is what is not transparent.
        return 1 - cover if np.ptp(on_white) < ink.LEAST_CONTRAST < np.ptp(cover) else on_white
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
    if orientation in (5, 6, 7, 8):
        page = page.T
    if orientation in (2, 3, 6, 7):
        page = page[:, ::-1]
    if orientation in (3, 4, 7, 8):
        page = page[::-1]
    return page
