"""Pictures as people have them, made from MNIST digits: other polarities, sizes, papers, pens, formats.

Each maker takes a digit (uint8, 28x28, white on black) and a random generator, and returns the bytes of a file.
"""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

Digit = npt.NDArray[np.uint8]
Maker = Callable[[Digit, np.random.Generator], bytes]
RESAMPLING = Image.Resampling


def drawn_seven() -> Digit:
    """Return a seven of soft strokes, which looks different from each of the eight ways to hold a camera."""
    large = Image.new("L", (280, 280))
    ImageDraw.Draw(large).line([(80, 70), (190, 70), (130, 220)], fill=255, width=28, joint="curve")
    return np.asarray(large.resize((28, 28), RESAMPLING.BOX))


SEVEN = drawn_seven()


def likeness(one: Digit, other: Digit) -> float:
    """Return the correlation of two images' pixels: 1 for the same."""
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def png(values: npt.NDArray[Any]) -> bytes:
    """Return brightnesses 0 to 255 as a PNG."""
    return saved(Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8)))


def enlarged(digit: Digit, scale: float, how: Image.Resampling = RESAMPLING.BICUBIC) -> Digit:
    side = round(28 * scale)
    return np.asarray(Image.fromarray(digit).resize((side, side), how))


def on_paper(digit: Digit, scale: float = 10, paper: float = 255, pen: float = 0) -> npt.NDArray[np.float64]:
    """Return an enlarged digit as a pen would leave it on paper, brightness 0 to 255."""
    ink = enlarged(digit, scale) / 255
    return paper + (pen - paper) * ink


def on_sheet(page: npt.NDArray[Any], size: tuple[int, int], at: tuple[int, int]) -> npt.NDArray[Any]:
    """Return a white sheet of (width, height) with `page` laid on it at (left, top), cut off where it sticks out."""
    sheet = Image.new("L", size, 255)
    sheet.paste(Image.fromarray(np.rint(page).astype(np.uint8)), at)
    return np.asarray(sheet)


def noisy(page: npt.NDArray[Any], sigma: float, random: np.random.Generator) -> bytes:
    return png(page + random.normal(0, sigma, page.shape))


def inked(digit: Digit) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(digit.any(axis=1)), np.flatnonzero(digit.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def cropped(digit: Digit, scale: int = 5) -> bytes:
    rows, columns = inked(digit)
    page = on_paper(digit, scale)
    return png(page[rows.start * scale : rows.stop * scale, columns.start * scale : columns.stop * scale])


def thinned(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return the one-pixel middle line of each stroke (Zhang and Suen 1984)."""
    mask = np.pad(mask, 1)
    changed = True
    while changed:
        changed = False
        for first in (True, False):
            p = [np.roll(mask, shift, (0, 1)) for shift in _AROUND]
            around = sum(q.astype(np.int8) for q in p)
            turns = sum((~p[i] & p[(i + 1) % 8]).astype(np.int8) for i in range(8))
            north, east, south, west = p[0], p[2], p[4], p[6]
            if first:
                free = ~(north & east & south) & ~(east & south & west)
            else:
                free = ~(north & east & west) & ~(north & south & west)
            gone = mask & (around >= 2) & (around <= 6) & (turns == 1) & free
            changed |= bool(gone.any())
            mask = mask & ~gone
    return mask[1:-1, 1:-1]


_AROUND = [(1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1)]  # north, then clockwise


def with_pen(digit: Digit, width: int, side: int = 200) -> bytes:
    """Draw the digit's middle line with a round pen of `width` pixels on white paper of side x side."""
    scale = side * 0.7 / 28
    line = thinned(enlarged(digit, scale) > 127)
    ink = Image.new("L", (side, side), 255)
    offset = (side - line.shape[0]) // 2
    pen = ImageDraw.Draw(ink)
    for y, x in np.argwhere(line) + offset:
        if width == 1:
            ink.putpixel((int(x), int(y)), 0)
        else:
            r = width / 2
            pen.ellipse((x - r, y - r, x + r, y + r), fill=0)
    return saved(ink)


def dusty(digit: Digit, random: np.random.Generator) -> bytes:
    page = Image.fromarray(on_paper(digit).astype(np.uint8))
    draw = ImageDraw.Draw(page)
    for _ in range(6):
        x, y = random.integers(0, 280, 2)
        r = random.integers(1, 4)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=int(random.integers(0, 100)))
    return saved(page)


def ruled(digit: Digit, line: int, pen: int, squared: bool = False, tilt: float = 0) -> bytes:
    """Return a digit on paper with lines of brightness `line`, `tilt` rows lower at the right edge."""
    sheet = Image.new("L", (400, 400), 245)
    draw = ImageDraw.Draw(sheet)
    for y in range(15, 400, 45):
        draw.line((0, y, 400, y + tilt), fill=line, width=2)
        if squared:
            draw.line((y, 0, y, 400), fill=line, width=2)
    page = np.asarray(sheet) / 245 * np.pad(on_paper(digit, 10, 245, pen), 60, constant_values=245)
    return png(page)


def shaded(digit: Digit) -> bytes:
    page = on_paper(digit) / 255
    return png(page * np.linspace(255, 140, page.shape[1]))


def shadowed(digit: Digit) -> bytes:
    """Return a digit with the shadow of a hand over the lower right."""
    page = on_paper(digit, pen=40)
    light = Image.new("L", (280, 280), 255)
    ImageDraw.Draw(light).ellipse((120, 130, 420, 430), fill=120)
    return png(page * (np.asarray(light.filter(ImageFilter.GaussianBlur(8))) / 255))


def transparent(digit: Digit, stroke: int) -> bytes:
    """Return strokes of one brightness whose alpha alone shows the digit."""
    cover = Image.fromarray(enlarged(digit, 5))
    level = Image.new("L", cover.size, stroke)
    return saved(Image.merge("RGBA", (level, level, level, cover)))


def cmyk(digit: Digit) -> bytes:
    return saved(Image.fromarray(on_paper(digit, 5).astype(np.uint8)).convert("RGB").convert("CMYK"), "JPEG")


def jpeg(page: npt.NDArray[Any], quality: int) -> bytes:
    return saved(Image.fromarray(page.astype(np.uint8)).convert("RGB"), "JPEG", quality=quality)


def exif_rotated(digit: Digit, orientation: int = 6) -> bytes:
    """Return a JPEG that lies on its side and says so."""
    turns = {1: 0, 6: 1, 3: 2, 8: 3}[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    page = np.rot90(on_paper(digit, 5), turns).astype(np.uint8)
    return saved(Image.fromarray(page), "JPEG", exif=exif)


def blurred(page: npt.NDArray[Any], radius: float) -> bytes:
    return saved(Image.fromarray(page.astype(np.uint8)).filter(ImageFilter.GaussianBlur(radius)))


def thickened(digit: Digit, grow: int) -> bytes:
    """Return a digit of 10 times the size whose strokes are `grow` pixels wider on either side."""
    page = Image.fromarray(on_paper(digit).astype(np.uint8))
    for _ in range(grow):
        page = page.filter(ImageFilter.MinFilter(3))
    return saved(page)


def sixteen_bit(digit: Digit) -> bytes:
    return saved(Image.fromarray((65535 - on_paper(digit, 5, 0, 65535)).astype(np.uint16)))


def one_bit(digit: Digit, scale: float) -> bytes:
    return saved(Image.fromarray(on_paper(digit, scale).astype(np.uint8)).point(lambda v: 255 * (v > 127)).convert("1"))


def palette(digit: Digit) -> bytes:
    page = Image.fromarray(on_paper(digit, 5).astype(np.uint8)).convert("RGB")
    return saved(page.quantize(16), "GIF")


DEGRADATIONS: dict[str, Maker] = {
    "as it is": lambda digit, random: png(digit),
    "inverted": lambda digit, random: png(255 - digit),
    "enlarged 3 times": lambda digit, random: png(enlarged(digit, 3)),
    "enlarged 10 times": lambda digit, random: png(enlarged(digit, 10)),
    "enlarged 40 times": lambda digit, random: png(enlarged(digit, 40)),
    "enlarged 3 times in blocks": lambda digit, random: png(enlarged(digit, 3, RESAMPLING.NEAREST)),
    "enlarged 10 times in blocks": lambda digit, random: png(enlarged(digit, 10, RESAMPLING.NEAREST)),
    "enlarged 40 times in blocks": lambda digit, random: png(enlarged(digit, 40, RESAMPLING.NEAREST)),
    "half the size": lambda digit, random: png(enlarged(digit, 0.5)),
    "in the corner of a sheet": lambda digit, random: png(on_sheet(on_paper(digit, 2), (300, 200), (240, 140))),
    "small on a large sheet": lambda digit, random: png(on_sheet(on_paper(digit, 2), (1500, 1000), (1000, 200))),
    "touching an edge": lambda digit, random: png(on_paper(digit, 5)[inked(digit)[0].start * 5 :]),
    "cropped to its ink": lambda digit, random: cropped(digit),
    "white on transparent": lambda digit, random: transparent(digit, 255),
    "black on transparent": lambda digit, random: transparent(digit, 0),
    "16 bits": lambda digit, random: sixteen_bit(digit),
    "1 bit, 10 times": lambda digit, random: one_bit(digit, 10),
    "1 bit, 3 times": lambda digit, random: one_bit(digit, 3),
    "palette GIF": lambda digit, random: palette(digit),
    "CMYK JPEG": lambda digit, random: cmyk(digit),
    "JPEG quality 30": lambda digit, random: jpeg(on_paper(digit, 5), 30),
    "turned, with EXIF": lambda digit, random: exif_rotated(digit, 6),
    "noise 10": lambda digit, random: noisy(on_paper(digit), 10, random),
    "noise 25": lambda digit, random: noisy(on_paper(digit), 25, random),
    "noise 10 in 28x28": lambda digit, random: noisy(digit, 10, random),
    "noise 25 in 28x28": lambda digit, random: noisy(digit, 25, random),
    "shaded 255 to 140": lambda digit, random: shaded(digit),
    "a hand's shadow": lambda digit, random: shadowed(digit),
    "blur 4 of 280": lambda digit, random: blurred(on_paper(digit), 4),
    "blur 8 of 280": lambda digit, random: blurred(on_paper(digit), 8),
    "thick pen": lambda digit, random: thickened(digit, 5),
    "marker": lambda digit, random: thickened(digit, 9),
    "one-pixel line": lambda digit, random: with_pen(digit, 1),
    "4-pixel line": lambda digit, random: with_pen(digit, 4),
    "12-pixel line": lambda digit, random: with_pen(digit, 12),
    "24-pixel line": lambda digit, random: with_pen(digit, 24),
    "pencil": lambda digit, random: png(on_paper(digit, 10, 240, 170)),
    "pencil, noise 10": lambda digit, random: noisy(on_paper(digit, 10, 240, 170), 10, random),
    "dust": dusty,
    "faint ruled lines": lambda digit, random: ruled(digit, 205, 40),
    "ruled lines": lambda digit, random: ruled(digit, 140, 60),
    "tilted ruled lines": lambda digit, random: ruled(digit, 140, 60, tilt=12),
    "squared paper": lambda digit, random: ruled(digit, 170, 60, squared=True),
    "phone": lambda digit, random: jpeg(
        np.clip(
            on_paper(digit, 20, 200, 60) * np.linspace(1.1, 0.6, 560)[:, None] + random.normal(0, 8, (560, 560)), 0, 255
        ),
        60,
    ),
}
