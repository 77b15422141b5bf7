"""Sheets of digits as people fill them in, made from MNIST digits: rows, grids, tables, forms, screens, colours, pens.

Each maker takes rows of digits (uint8, 28x28, white on black) and a random generator, and returns a picture. `SHEETS`
are the makers for several digits, `SINGLES` those for one; `NON_DIGITS` make files without any.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

from tests.pictures import RESAMPLING, Digit, enlarged, inked, saved

Rows = Sequence[Sequence[Digit]]
Random = np.random.Generator
SheetMaker = Callable[[Rows, Random], Image.Image]
SingleMaker = Callable[[Digit, Random], Image.Image]
Pages = npt.NDArray[np.float64]


def cover(digit: Digit, height: int) -> Pages:
    """Return the ink of a digit, cropped to it, 0 to 1, so many pixels high."""
    cropped = digit[inked(digit)]
    width = max(1, round(height * cropped.shape[1] / cropped.shape[0]))
    return np.asarray(Image.fromarray(cropped).resize((width, height), RESAMPLING.BICUBIC), float) / 255


def laid_out(
    rows: Rows,
    random: Random,
    height: int = 60,
    gap: float = 0.5,
    lead: float = 0.7,
    slope: float = 0.0,
    margin: int = 50,
    cell: bool = False,
) -> tuple[Pages, list[list[tuple[int, int, int, int]]]]:
    """Return the ink of rows of digits, and the cell (left, top, right, bottom) of each.

    `gap` and `lead` are in heights of a digit, between digits and between rows; `slope` is rows down a column.
    """
    pitch, step = round(height * (0.8 + gap)), round(height * (1 + lead))
    most = max(map(len, rows))
    ink = np.zeros((2 * margin + step * len(rows) + round(abs(slope) * pitch * most), 2 * margin + pitch * most))
    boxes = []
    for number, row in enumerate(rows):
        line = []
        for place, digit in enumerate(row):
            drawn = cover(digit, round(height * (1 if cell else random.uniform(0.85, 1.1))))
            down = slope * pitch * place if slope >= 0 else -slope * pitch * (most - 1 - place)
            cell_left, cell_top = margin + place * pitch, margin + number * step + round(down)
            top = cell_top + (step - drawn.shape[0]) // 2
            left = cell_left + (pitch - drawn.shape[1]) // 2
            part = ink[top : top + drawn.shape[0], left : left + drawn.shape[1]]
            np.maximum(part, drawn[: part.shape[0], : part.shape[1]], out=part)
            line.append((cell_left, cell_top, cell_left + pitch, cell_top + step))
        boxes.append(line)
    return ink, boxes


def on_grey(ink: Pages, paper: float = 235, pen: float = 40) -> Image.Image:
    return Image.fromarray(np.clip(paper + (pen - paper) * ink, 0, 255).astype(np.uint8))


def grid(rows: Rows, random: Random) -> Image.Image:
    return on_grey(laid_out(rows, random)[0])


def tight_grid(rows: Rows, random: Random) -> Image.Image:
    return on_grey(laid_out(rows, random, gap=0.2, lead=0.35)[0])


def slanted(rows: Rows, random: Random) -> Image.Image:
    return on_grey(laid_out(rows, random, slope=float(random.choice([-0.12, 0.12])))[0])


def vignette(rows: Rows, random: Random) -> Image.Image:
    """Darken the corners to three tenths, as cheap lenses do."""
    ink = laid_out(rows, random, margin=25, lead=0.9)[0]
    y, x = (np.linspace(-1, 1, side) for side in ink.shape)
    light = 1 - 0.35 * (y[:, None] ** 2 + x[None] ** 2)
    page = np.asarray(on_grey(ink, 220, 35), float) * light + random.normal(0, 3, ink.shape)
    return Image.fromarray(np.clip(page, 0, 255).astype(np.uint8))


def table(rows: Rows, random: Random) -> Image.Image:
    """Rule a line around each cell."""
    ink, boxes = laid_out(rows, random, gap=0.5, lead=0.6, cell=True)
    page = on_grey(ink)
    for line in boxes:
        for box in line:
            ImageDraw.Draw(page).rectangle(box, outline=90, width=2)
    return page


def comb(rows: Rows, random: Random) -> Image.Image:
    """Draw the comb of a form under each row: a line below, and teeth of half the height."""
    ink, boxes = laid_out(rows, random, gap=0.2, lead=0.8, cell=True)
    page = on_grey(ink)
    draw = ImageDraw.Draw(page)
    for line in boxes:
        low = line[0][3] - 12
        draw.line((line[0][0], low, line[-1][2], low), fill=80, width=2)
        for left in [box[0] for box in line] + [line[-1][2]]:
            draw.line((left, low - 30, left, low), fill=80, width=2)
    return page


def boxes(rows: Rows, random: Random) -> Image.Image:
    """Print a box of its own around each digit, tilted a little, as scanners leave forms."""
    ink, cells = laid_out(rows, random, gap=0.6, lead=0.7, cell=True)
    page = on_grey(ink)
    for line in cells:
        for left, top, right, bottom in line:
            ImageDraw.Draw(page).rectangle((left + 5, top + 5, right - 5, bottom - 5), outline=60, width=2)
    return page.rotate(float(random.uniform(-2, 2)), RESAMPLING.BILINEAR, fillcolor=235)


def underlined(rows: Rows, random: Random) -> Image.Image:
    """Write each row on a line that does not reach the edge of the paper."""
    ink, cells = laid_out(rows, random, lead=0.7, cell=True)
    page = on_grey(ink)
    for line in cells:
        low = line[0][3] - 19
        ImageDraw.Draw(page).line((line[0][0] - 10, low, line[-1][2] + 10, low), fill=80, width=2)
    return page


SHEETS: dict[str, SheetMaker] = {
    "grid": grid,
    "tight grid": tight_grid,
    "slanted rows": slanted,
    "dark corners": vignette,
    "table": table,
    "comb": comb,
    "boxes": boxes,
    "underlined": underlined,
}


def _page(digit: Digit, side: int = 240, height: int = 130) -> Pages:
    """Return the ink of one digit in the middle of a square."""
    drawn, ink = cover(digit, height), np.zeros((side, side))
    top, left = (side - drawn.shape[0]) // 2, max(0, (side - drawn.shape[1]) // 2)
    ink[top : top + drawn.shape[0], left : left + drawn.shape[1]] = drawn[:, :side]
    return ink


def touching_box(digit: Digit, random: Random) -> Image.Image:
    """Write over the lower side of a printed box."""
    page = on_grey(_page(digit))
    low = 185 - int(random.integers(6, 24))
    ImageDraw.Draw(page).rectangle((45, 40, 195, low), outline=90, width=3)
    return page


def plotted(digit: Digit, random: Random) -> Image.Image:
    """Save as plotting programs do: the light digit in a dark square with ticks, on a white page."""
    square = Image.fromarray(enlarged(digit, 10, RESAMPLING.NEAREST))
    page = Image.new("L", (480, 400), 255)
    page.paste(square, (120, 60))
    draw = ImageDraw.Draw(page)
    draw.rectangle((119, 59, 400, 340), outline=0)
    for tick in range(0, 280, 50):
        draw.line((115, 60 + tick, 119, 60 + tick), fill=0)
        draw.text((95, 54 + tick), str(tick // 10), fill=0)
        draw.line((120 + tick, 340, 120 + tick, 345), fill=0)
        draw.text((116 + tick, 348), str(tick // 10), fill=0)
    return page


def window(digit: Digit, random: Random) -> Image.Image:
    """Return the screen of a drawing program: a title bar with its buttons, a border, and the drawing."""
    page = Image.new("RGB", (420, 360), (240, 240, 240))
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 0, 419, 30), fill=(40, 60, 110))
    draw.text((10, 9), "Drawing", fill=(255, 255, 255))
    for left in (340, 366, 392):
        draw.rectangle((left, 8, left + 14, 22), outline=(255, 255, 255))
    draw.rectangle((0, 0, 419, 359), outline=(40, 60, 110), width=4)
    page.paste(on_grey(_page(digit, 280, 170), 255, 0), (70, 55))
    return page


COLOURS = {
    "red on green": ((230, 30, 30), (60, 110, 60)),
    "blue on black": ((0, 0, 255), (0, 0, 0)),
    "red on purple": ((200, 0, 0), (90, 30, 110)),
    "yellow on white": ((255, 255, 0), (255, 255, 255)),
    "pink on grey": ((225, 120, 170), (150, 150, 150)),
    "green on orange": ((90, 160, 60), (235, 120, 30)),
}


def coloured(digit: Digit, random: Random) -> Image.Image:
    """Write with a pen that differs from the paper in hue far more than in brightness."""
    pen, paper = list(COLOURS.values())[int(random.integers(len(COLOURS)))]
    ink = _page(digit)[:, :, None]
    page = (1 - ink) * np.array(paper) + ink * np.array(pen)
    page += random.normal(0, 3, page.shape)
    return Image.fromarray(np.clip(page, 0, 255).astype(np.uint8))


def uneven(digit: Digit, random: Random) -> Image.Image:
    """Press the upper half of a stroke lightly, a third as dark as the rest."""
    ink = _page(digit)
    pressed = np.clip((np.arange(240) - random.uniform(95, 125)) / 8, 0.36, 1)[:, None]
    return on_grey(ink * pressed, 250, 30)


def broken(digit: Digit, random: Random) -> Image.Image:
    """Lift the pen for a moment: a gap of 5 to 9 pixels across the digit."""
    ink = _page(digit)
    y, x = np.indices(ink.shape) - 120.0
    angle = random.uniform(0, np.pi)
    ink[np.abs(np.cos(angle) * y + np.sin(angle) * x - random.uniform(-15, 15)) < random.uniform(2.5, 4.5)] = 0
    return on_grey(ink)


def blurred_in_the_corner(digit: Digit, random: Random) -> Image.Image:
    """Photograph a digit in a corner that is dark: the light falls to a third there."""
    ink = np.zeros((300, 400))
    drawn = cover(digit, 90)[:, :115]
    ink[185:275, 275 : 275 + drawn.shape[1]] = drawn
    y, x = np.indices(ink.shape) / 400
    light = 1 - 0.75 * np.clip(np.hypot(y - 0.3, x - 0.4) - 0.25, 0, None) / 0.5
    page = np.asarray(on_grey(ink, 225, 40), float) * light + random.normal(0, 3, ink.shape)
    return Image.fromarray(np.clip(page, 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(1))


SINGLES: dict[str, SingleMaker] = {
    "over a box's side": touching_box,
    "from a plotting program": plotted,
    "window of a program": window,
    "colour in hue alone": coloured,
    "uneven pen": uneven,
    "broken strokes": broken,
    "in a dark corner": blurred_in_the_corner,
}


def letter(random: Random) -> bytes:
    """Print a letter or a sign that looks like no digit, slanted a little."""
    sheet = Image.new("L", (220, 220), 255)
    sign = str(random.choice(list("ACEFGHKMNPRTUVWXYadefhkmnprtuvwxyLJ&%#@?")))
    font = ImageFont.load_default(int(random.integers(50, 130)))
    ImageDraw.Draw(sheet).text((110, 110), sign, font=font, anchor="mm", fill=0)
    slant = 1, float(random.uniform(-0.25, 0.25)), 0, float(random.uniform(-0.1, 0.1)), 1, 0
    sheet = sheet.transform(sheet.size, Image.Transform.AFFINE, slant, RESAMPLING.BILINEAR, fillcolor=255)
    return saved(sheet.filter(ImageFilter.GaussianBlur(float(random.uniform(0, 2)))))


def scribble(random: Random) -> bytes:
    """Draw a few strokes at random."""
    sheet = Image.new("L", (200, 200), 255)
    for _ in range(int(random.integers(2, 6))):
        points = [tuple(random.uniform(40, 160, 2)) for _ in range(int(random.integers(2, 5)))]
        ImageDraw.Draw(sheet).line(points, fill=20, width=int(random.integers(5, 14)), joint="curve")
    return saved(sheet)


OUTLINES = {
    "shirt": "9,4 12,6 16,6 19,4 26,8 24,13 20,11 20,25 8,25 8,11 4,13 2,8",
    "trousers": "9,3 19,3 21,25 15,25 14,10 13,25 7,25",
    "shoe": "3,15 8,12 14,13 20,10 25,9 25,20 3,20",
    "boot": "14,3 22,3 22,24 3,24 4,18 14,14",
    "bag": "4,10 9,10 10,4 18,4 19,10 24,10 25,24 3,24",
    "dress": "11,3 17,3 16,10 21,25 7,25 12,10",
    "car": "2,16 6,16 9,11 19,11 22,16 26,17 26,21 2,21",
}


def silhouette(random: Random) -> bytes:
    """Draw clothes or a car, light on dark or dark on light, of 28x28 pixels or ten times that."""
    outline = str(random.choice(list(OUTLINES.values())))
    sheet = Image.new("L", (224, 224))
    points = [
        tuple(8 * float(number) + float(random.normal(0, 6)) for number in pair.split(",")) for pair in outline.split()
    ]
    ImageDraw.Draw(sheet).polygon(points, fill=int(random.integers(130, 255)))
    small = np.asarray(sheet.resize((28, 28), RESAMPLING.BOX), float) * (1 + random.normal(0, 0.12, (28, 28)))
    page = Image.fromarray(np.clip(small, 0, 255).astype(np.uint8))
    if random.random() < 0.5:
        page = page.resize((280, 280), RESAMPLING.BICUBIC)
    return saved(page if random.random() < 0.5 else ImageOps.invert(page))


NON_DIGITS: dict[str, Callable[[Random], bytes]] = {"letters": letter, "scribbles": scribble, "silhouettes": silhouette}
