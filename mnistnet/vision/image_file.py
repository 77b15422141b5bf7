"""From the bytes of a picture file to its pixels: upright, reduced to four million, on white where transparent.

Format and size are checked before anything is decoded, and decoding is bounded in time and memory.
"""

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, UnidentifiedImageError, features

from mnistnet.errors import ImageError
from mnistnet.util import system
from mnistnet.util.arrays import Array
from mnistnet.util.atomic_files import open_regular, reason
from mnistnet.vision.background import MIN_CONTRAST
from mnistnet.vision.colour import luminance

Pixels = npt.NDArray[Any]
MAX_FILE = 100 << 20  # bytes
WORKING_PIXELS = 4_000_000  # of the reduced picture
STRIP_PIXELS = 1_000_000  # converted at a time
MAX_SECONDS, MAX_MEGABYTES = 8, 280  # that decoding takes at most, with the file itself
MAX_PIXELS = 250_000_000  # of a JPEG, which is reduced while it is decoded
MAX_DECODED = 200_000_000  # bytes that other pictures take when they are decoded
BYTES_OF = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2}  # a pixel, in Pillow's memory; 4 in other modes
MAX_PIXELS_OF = {"WEBP": 16_000_000, "AVIF": 25_000_000, "HEIF": 50_000_000}  # decoders that hold several copies
MIN_SIDE_PIXELS, MIN_LONGER_SIDE = 3, 8  # pixels a side
MAX_ASPECT_RATIO = 40  # times as long as wide
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "PPM", "TIFF")
MORE_FORMATS = ("AVIF", "HEIC")  # with a Pillow or an extra that reads them
HEIC_BRANDS, AVIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"), (b"avif", b"avis")
SIDEWAYS = (5, 6, 7, 8)  # EXIF's orientations of pictures that lie on their side
FULL_SCALES = (1, 255, 1023, 4095, 16383, 65535)  # white, in pictures of 1 to 16 bits that are kept in 16 or more

SIZES = struct.Struct("<4I?")  # rows, columns, width, height, whether in colours


@dataclass(frozen=True)
class Decoded:
    """A picture upright and reduced: `pixels`, uint8 (rows, columns, 3) in colours or float32 (rows, columns) in grey.

    Grey is 0 for black to 1 for white. `size`: width and height of the file's picture, held upright.
    """

    pixels: Pixels
    size: tuple[int, int]


def read_file(path: Path) -> bytes:
    """Return a file's bytes, or a few more than are allowed. Raises ImageError, naming the file."""
    try:
        with open_regular(path.resolve()) as stream:
            return stream.read(MAX_FILE + 1)
    except OSError as error:
        raise ImageError(f"{path}: cannot be read: {reason(error)}") from None
    except ValueError:  # a null character in the name
        raise ImageError(f"{str(path)!r}: not a file name") from None


def read_grey(content: bytes, name: str) -> Array:
    """Return luminance, 0 black to 1 white, float32 (rows, columns), upright, on white where it is transparent."""
    pixels = decoded(content, name).pixels
    return luminance(pixels) if pixels.ndim == 3 else pixels


def decoded(content: bytes, name: str) -> Decoded:
    """Return the picture in a file's bytes. Raises ImageError, which calls the file `name`.

    Where processes can be forked, a child decodes it, within MAX_SECONDS and MAX_MEGABYTES.
    """
    if not content:
        raise ImageError(f"{name}: the file is empty")
    if len(content) > MAX_FILE:
        raise ImageError(f"{name}: expected a picture of at most {MAX_FILE >> 20} MiB")
    Image.preinit()  # imported here, once, instead of in every child
    if not system.CAN_FORK:
        return _decode(content, name)
    from mnistnet.util import bounded

    def work() -> bytes:
        found = _decode(content, name)
        shape = found.pixels.shape
        return SIZES.pack(shape[0], shape[1], *found.size, found.pixels.ndim == 3) + found.pixels.tobytes()

    try:
        sent = bounded.call(work, ImageError, MAX_SECONDS, MAX_MEGABYTES - (len(content) >> 20))
    except bounded.RefusedWorkError as error:
        raise ImageError(str(error)) from None
    except bounded.LimitError as error:
        raise ImageError(f"{name}: to decode it {error}; save it again, as PNG or JPEG") from None
    rows, columns, width, height, coloured = SIZES.unpack_from(sent)
    kind, shape = (np.uint8, (rows, columns, 3)) if coloured else (np.float32, (rows, columns))
    return Decoded(np.frombuffer(sent, kind, offset=SIZES.size).reshape(shape), (width, height))


def _decode(content: bytes, name: str) -> Decoded:
    with _one_sentence(name), Image.open(BytesIO(content), formats=_formats(content, name)) as image:
        width, height = image.size
        reduced = image.format in ("JPEG", "MPO")  # MPO is a JPEG with more pictures after the first
        most = MAX_PIXELS if reduced else min(MAX_PIXELS, MAX_DECODED // BYTES_OF.get(image.mode, 4))
        most = min(most, MAX_PIXELS_OF.get(image.format or "", most))
        if width * height > most:
            raise ImageError(
                f"{name}: expected at most {most // 1_000_000} million pixels, found {width}x{height}; save it smaller"
                + ("" if reduced else ", or as JPEG")
            )
        if min(width, height) < MIN_SIDE_PIXELS or max(width, height) < MIN_LONGER_SIDE:
            raise ImageError(
                f"{name}: expected at least {MIN_SIDE_PIXELS}x{MIN_LONGER_SIDE} pixels, found {width}x{height}"
            )
        if max(width, height) > MAX_ASPECT_RATIO * min(width, height):
            raise ImageError(
                f"{name}: expected at most {MAX_ASPECT_RATIO} times as long as wide, found {width}x{height}"
            )
        if reduced:
            # JPEG can be decoded at 1/2, 1/4 or 1/8 of its size, the next larger than what is asked for.
            scale = min(1.0, (WORKING_PIXELS / (width * height)) ** 0.5)
            image.draft(None, (int(width * scale), int(height * scale)))
        image.load()
        orientation = _orientation(image)
        size = (height, width) if orientation in SIDEWAYS else (width, height)
        return Decoded(np.ascontiguousarray(_upright(_pixels(image), orientation)), size)


def _formats(content: bytes, name: str) -> tuple[str, ...]:
    """Return Pillow's readers to try; those for photographs of phones only if the file names their format."""
    brand = content[8:12] if content[4:8] == b"ftyp" else b""
    if brand in AVIF_BRANDS:
        if not features.check("avif"):
            raise ImageError(
                f"{name}: an AVIF picture, which the installed Pillow does not read; save it as PNG or JPEG"
            )
        return ("AVIF",)
    if brand in HEIC_BRANDS:
        try:
            from pillow_heif import register_heif_opener
        except ImportError:
            raise ImageError(
                f"{name}: a HEIC photograph; to read these, pip install 'mnistnet[heic]', or save it as JPEG"
            ) from None
        register_heif_opener()
        return ("HEIF",)
    return FORMATS


@contextmanager
def _one_sentence(name: str) -> Iterator[None]:
    """Turn any error of Pillow about a bad file into one ImageError."""
    usual, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, MAX_PIXELS
    try:
        with warnings.catch_warnings():
            # Pillow warns about odd metadata, which does not matter here, and about bombs, which are refused.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    except (ImageError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise ImageError(
            f"{name}: not a picture, or of a kind not read here ({', '.join((*FORMATS, *MORE_FORMATS))})"
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ImageError(f"{name}: expected at most {MAX_PIXELS // 1_000_000} million pixels") from None
    except Exception as error:  # Pillow's readers raise errors of many kinds
        words = " ".join(str(error).split())[:120]
        raise ImageError(f"{name}: a damaged picture ({words or type(error).__name__})") from None
    finally:
        Image.MAX_IMAGE_PIXELS = usual


def _pixels(image: Image.Image) -> Pixels:
    if image.mode.startswith(("I", "F")):
        return _wide_grey(image)
    factor = _factor(*image.size)
    if "transparency" in image.info or image.mode in ("LA", "RGBA", "PA", "La", "RGBa"):
        pairs = [_on_white(strip, factor) for strip in _strips(image)]
        on_white, cover = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
        # White strokes on a transparent sheet would vanish on white paper, so there the opaque pixels are the drawing.
        return 1 - cover if np.ptp(on_white) < 255 * MIN_CONTRAST and np.ptp(cover) > MIN_CONTRAST else on_white
    if image.mode in ("1", "L"):
        return np.concatenate([_unit(strip.convert("L").reduce(factor)) for strip in _strips(image)])
    return np.concatenate([np.asarray(strip.convert("RGB").reduce(factor)) for strip in _strips(image)])


def _strips(image: Image.Image) -> Iterator[Image.Image]:
    """Cut a picture into strips, from top to bottom: converting a large one at once would take 100 MB and more."""
    width, height = image.size
    factor = _factor(width, height)
    rows = factor * max(1, STRIP_PIXELS // (width * factor))
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(top + rows, height)))
        strip.info = image.info  # newer versions drop metadata of the whole picture
        yield strip


def _on_white(strip: Image.Image, factor: int) -> tuple[Pixels, Array]:
    """Return the colours of a strip on white paper, and how much of the paper is covered, reduced by a factor."""
    reduced = strip.convert("RGBA").reduce(factor)
    sheet = Image.new("RGBA", reduced.size, "white")
    return np.asarray(Image.alpha_composite(sheet, reduced).convert("RGB")), _unit(reduced.getchannel("A"))


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
    """Return the integer factor that reduces a picture to WORKING_PIXELS."""
    return int(np.ceil((width * height / WORKING_PIXELS) ** 0.5))


def _orientation(image: Image.Image) -> int:
    """Return EXIF's orientation, from 1 to 8; 1, upright, where there is none."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # damaged EXIF does not make the pixels unusable
        return 1


def _upright(page: Pixels, orientation: int) -> Pixels:
    if orientation in SIDEWAYS:
        page = page.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        page = page[:, ::-1]
    if orientation in (3, 4, 7, 8):
        page = page[::-1]
    return page
