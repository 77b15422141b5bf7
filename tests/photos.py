"""Photographs of digits on paper, made from MNIST digits: what phones, lamps, hands, tables and notebooks do.

Each maker takes a digit (uint8, 28x28, white on black) and a random generator, and returns the bytes of a JPEG.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from tests.pictures import RESAMPLING, Digit, Maker, enlarged, saved

Colour = tuple[float, float, float]
Floats = npt.NDArray[np.float64]
Random = np.random.Generator

WIDTH, HEIGHT = 480, 640
BLACK, BLUE, PENCIL, RED = (0.12, 0.12, 0.14), (0.15, 0.22, 0.6), (0.5, 0.5, 0.52), (0.75, 0.15, 0.15)
WHITE, WARM, COLD = (0.85, 0.85, 0.84), (0.86, 0.76, 0.58), (0.7, 0.78, 0.85)
WOOD, SKIN = (0.36, 0.24, 0.15), (0.72, 0.5, 0.4)


@dataclass(frozen=True)
class Scene:
    """What stands on the paper, how the paper lies, and what the camera makes of it."""

    pen: Colour = BLACK
    paper: Colour = WHITE
    size: tuple[int, int] = (150, 280)  # pixels, from and to: side of the digit's 28x28
    ink: Callable[[Digit, float], Floats] = field(default=lambda digit, scale: enlarged(digit, scale) / 255)
    print: Callable[[ImageDraw.ImageDraw, Random], object] | None = None  # what is printed on the paper
    lying: float = 0  # how far the paper's corners are from the picture's, of its width; beyond them is a table
    light: Callable[[Random], Floats] | None = None
    over: Callable[[ImageDraw.ImageDraw, Random], object] | None = None  # what is in front of the paper
    blur: float = 0.8
    motion: int = 0
    noise: float = 4
    quality: int = 70

    def __call__(self, digit: Digit, random: Random) -> bytes:
        """Return the photograph."""
        sheet = Image.new("RGB", (WIDTH, HEIGHT), _rgb(self.paper))
        if self.print:
            self.print(ImageDraw.Draw(sheet), random)
        page = np.asarray(sheet, float) / 255 * (1 - self._ink(digit, random) * (1 - np.array(self.pen)))
        if self.lying:
            page = _on_table(page, self.lying, random)
        if self.over:
            front = Image.fromarray((page * 255).astype(np.uint8))
            self.over(ImageDraw.Draw(front), random)
            page = np.asarray(front, float) / 255
        if self.light:
            page = page * self.light(random)[:, :, None]
        return self._exposed(page, random)

    def _ink(self, digit: Digit, random: Random) -> Floats:
        ink = np.zeros((HEIGHT, WIDTH, 1))
        scale = random.uniform(*self.size) / 28
        drawn = self.ink(digit, scale)
        height, width = drawn.shape
        # Somewhere in the middle: where people put what they photograph.
        top = int((HEIGHT - height) * random.uniform(0.35, 0.65))
        left = int((WIDTH - width) * random.uniform(0.35, 0.65))
        ink[top : top + height, left : left + width, 0] = drawn
        return ink

    def _exposed(self, page: Floats, random: Random) -> bytes:
        photo = Image.fromarray((np.clip(page, 0, 1) * 255).astype(np.uint8)).filter(
            ImageFilter.GaussianBlur(self.blur)
        )
        shot = np.asarray(photo, float)
        if self.motion:
            shot = np.mean([np.roll(shot, shift, axis=1) for shift in range(self.motion)], axis=0)
        shot = np.clip(shot + random.normal(0, self.noise, shot.shape), 0, 255)
        return saved(Image.fromarray(shot.astype(np.uint8)), "JPEG", quality=self.quality)


def _rgb(colour: Colour) -> tuple[int, int, int]:
    red, green, blue = (round(255 * part) for part in colour)
    return red, green, blue


def _on_table(page: Floats, far: float, random: Random) -> Floats:
    """Return the page as a quadrangle seen at an angle, on a table of planks."""
    corners = np.array([(0, 0), (0, HEIGHT), (WIDTH, HEIGHT), (WIDTH, 0)], float)
    inward = (np.array([WIDTH / 2, HEIGHT / 2]) - corners) * random.uniform(0.6 * far, 1.4 * far, (4, 1)) * 2
    seen = corners + inward
    # The projective map from what is seen to the page: eight unknowns, two equations a corner.
    rows, right = [], []
    for (x, y), (u, v) in zip(seen, corners, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        right += [u, v]
    terms = np.linalg.solve(np.array(rows), np.array(right)).tolist()
    paper = Image.fromarray((page * 255).astype(np.uint8))
    cover = Image.new("L", paper.size, 255)
    how = Image.Transform.PERSPECTIVE, terms, RESAMPLING.BILINEAR
    laid, where = paper.transform(paper.size, *how), np.asarray(cover.transform(paper.size, *how), float) / 255
    grain = random.normal(0, 0.02, (HEIGHT, 1, 1)) + random.normal(0, 0.01, (HEIGHT, WIDTH, 1))
    table = np.array(WOOD) + grain
    result: Floats = np.asarray(laid, float) / 255 * where[:, :, None] + table * (1 - where[:, :, None])
    return result


def lamp(random: Random) -> Floats:
    """Return a lamp's light from one side, and the corners darker as lenses make them."""
    rows, columns = np.indices((HEIGHT, WIDTH)) / max(HEIGHT, WIDTH)
    x, y = random.uniform(-0.2, 0.9), random.uniform(-0.2, 1)
    near = 1 / (1 + 1.2 * ((columns - x) ** 2 + (rows - y) ** 2))
    edge = 1 - 0.5 * ((columns - 0.375) ** 2 + (rows - 0.5) ** 2)
    return np.asarray(near / near.max() * edge)


def shadow(random: Random) -> Floats:
    """Return lamplight with the shadow of a hand and a phone across it, its edge soft or nearly sharp."""
    dark = Image.new("L", (WIDTH, HEIGHT), 255)
    pen = ImageDraw.Draw(dark)
    left, top = random.uniform(0.2, 0.7) * WIDTH, random.uniform(0.2, 0.7) * HEIGHT
    slope = random.uniform(-0.3, 0.3) * WIDTH
    pen.polygon([(left, HEIGHT), (left + slope, top), (WIDTH, top + slope), (WIDTH, HEIGHT)], fill=140)
    soft = dark.filter(ImageFilter.GaussianBlur(random.uniform(5, 25)))
    return np.asarray(soft, float) / 255 * lamp(random)


def lines(pen: ImageDraw.ImageDraw, random: Random) -> None:
    """Print a notebook's lines and its red margin."""
    gap, start, tilt = random.uniform(28, 40), random.uniform(10, 40), random.uniform(-8, 8)
    for y in np.arange(start - 10, HEIGHT + 10, gap):
        pen.line((0, y, WIDTH, y + tilt), fill=(150, 170, 210), width=2)
    pen.line((60, 0, 60 - tilt, HEIGHT), fill=(220, 130, 130), width=2)


def squares(pen: ImageDraw.ImageDraw, random: Random) -> None:
    """Print squared paper."""
    gap, tilt = random.uniform(22, 34), random.uniform(-6, 6)
    for y in np.arange(-10, HEIGHT + 10, gap):
        pen.line((0, y, WIDTH, y + tilt), fill=(175, 190, 215), width=1)
    for x in np.arange(-10, WIDTH + 10, gap):
        pen.line((x, 0, x - tilt, HEIGHT), fill=(175, 190, 215), width=1)


def rings(pen: ImageDraw.ImageDraw, random: Random) -> None:
    """Print lines, and punch holes with a wire through them along one edge."""
    lines(pen, random)
    for y in range(20, HEIGHT, 45):
        pen.ellipse((10, y, 26, y + 16), fill=(60, 55, 50))
        pen.line((0, y + 8, 18, y + 8), fill=(120, 120, 125), width=4)


def writing(pen: ImageDraw.ImageDraw, random: Random) -> None:
    """Print a few lines of text at the top of the page, as on a form."""
    words = "Please write one digit below"
    for number in range(3):
        at = (random.uniform(30, 60), 40 + 30 * number)
        pen.text(at, words, font=ImageFont.load_default(22), fill=(70, 70, 75))


def pencil_beside(pen: ImageDraw.ImageDraw, random: Random) -> None:
    """Lay the pen itself on the paper, along the digit's right."""
    x, lean = random.uniform(0.82, 0.92) * WIDTH, random.uniform(-30, 30)
    pen.line((x, 0.25 * HEIGHT, x + lean, 0.75 * HEIGHT), fill=(180, 130, 30), width=16)
    pen.line((x, 0.25 * HEIGHT, x + lean * 0.1, 0.3 * HEIGHT), fill=(40, 40, 40), width=10)


def frame(pen: ImageDraw.ImageDraw, random: Random) -> None:
    """Print the box of a form around where the digit stands."""
    edge = random.uniform(0.08, 0.16) * WIDTH
    pen.rectangle((edge, edge, WIDTH - edge, HEIGHT - edge), outline=(90, 90, 95), width=3)


def crumpled(random: Random) -> Floats:
    """Return the light on paper that has been crumpled: flat pieces, each turned to the lamp in its own way."""
    rows, columns = np.indices((HEIGHT, WIDTH))
    centres = random.uniform((0, 0), (HEIGHT, WIDTH), (25, 2))
    nearest = np.argmin([(rows - y) ** 2 + (columns - x) ** 2 for y, x in centres], axis=0)
    light = Image.fromarray((255 * random.uniform(0.8, 1, 25)[nearest]).astype(np.uint8))
    return np.asarray(light.filter(ImageFilter.GaussianBlur(3)), float) / 255 * lamp(random)


def finger(pen: ImageDraw.ImageDraw, random: Random) -> None:
    """Hold the paper at its lower or its right edge."""
    x, y = (WIDTH, random.uniform(0.3, 0.9) * HEIGHT) if random.random() < 0.5 else (random.uniform(0, WIDTH), HEIGHT)
    pen.ellipse((x - 60, y - 60, x + 60, y + 60), fill=_rgb(SKIN))


def felt_tip(digit: Digit, scale: float) -> Floats:
    """Draw with a pen twice as wide as MNIST's."""
    page = Image.fromarray(enlarged(digit, scale))
    return np.asarray(page.filter(ImageFilter.MaxFilter(2 * round(scale * 0.5) + 1)), float) / 255


def ballpoint(digit: Digit, scale: float) -> Floats:
    """Draw with a pen of a third of MNIST's width or less."""
    from tests.pictures import thinned

    line = Image.fromarray(thinned(enlarged(digit, scale) > 127).astype(np.uint8) * 255)
    return np.asarray(line.filter(ImageFilter.MaxFilter(3)), float) / 255


def rough(digit: Digit, scale: float) -> Floats:
    """Draw with a pencil, which leaves the paper's hollows white."""
    ink = enlarged(digit, scale) / 255
    hollows = np.random.default_rng(digit.tobytes()[::7].count(0)).random(ink.shape)
    return np.asarray(ink * (0.6 + 0.4 * hollows))


PHOTOS: dict[str, Maker] = {
    "photo, lamplight": Scene(paper=WARM, light=lamp),
    "photo, a shadow across it": Scene(light=shadow, pen=BLUE),
    "photo, blue ballpoint": Scene(pen=BLUE, ink=ballpoint, light=lamp),
    "photo, pencil": Scene(pen=PENCIL, ink=rough, light=lamp),
    "photo, felt-tip": Scene(ink=felt_tip, paper=COLD, light=shadow),
    "photo, red pen": Scene(pen=RED, paper=WARM, light=lamp),
    "photo, notebook": Scene(pen=BLUE, print=lines, light=lamp),
    "photo, squared notebook": Scene(pen=BLUE, print=squares, light=shadow),
    "photo, notebook with rings": Scene(print=rings, light=lamp),
    "photo, sheet on a table": Scene(lying=0.08, light=lamp),
    "photo, lines, on a table, at an angle": Scene(lying=0.15, print=lines, light=lamp, pen=BLUE),
    "photo, a finger in it": Scene(over=finger, light=shadow),
    "photo, small digit": Scene(size=(60, 90), light=lamp),
    "photo, small, on a table, in shadow": Scene(size=(80, 110), lying=0.15, light=shadow, pen=BLUE, paper=WARM),
    "photo, out of focus": Scene(blur=5, light=lamp),
    "photo, shaken": Scene(motion=12, light=lamp),
    "photo, in the dusk": Scene(light=lambda random: 0.3 * lamp(random), noise=8),
    "photo, below print": Scene(print=writing, light=lamp),
    "photo, a pen beside it": Scene(over=pencil_beside, light=lamp, pen=BLUE),
    "photo, in a form's box": Scene(print=frame, light=shadow, size=(150, 220)),
    "photo, crumpled": Scene(light=crumpled, pen=BLUE),
    "photo, chalk on a board": Scene(paper=(0.16, 0.24, 0.2), pen=(5.0, 3.6, 4.2), light=lamp),
}


def photo(name: str, digit: Digit, random: Random) -> bytes:
    """Return a photograph of the kind that PHOTOS calls `name`."""
    return PHOTOS[name](digit, random)


def mosaic(photos: list[bytes], columns: int) -> Any:
    """Return many photographs as one image, to be looked at."""
    from io import BytesIO

    tiles = [Image.open(BytesIO(content)).convert("RGB").resize((WIDTH // 3, HEIGHT // 3)) for content in photos]
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * WIDTH // 3, rows * HEIGHT // 3))
    for number, tile in enumerate(tiles):
        sheet.paste(tile, (number % columns * (WIDTH // 3), number // columns * (HEIGHT // 3)))
    return sheet
