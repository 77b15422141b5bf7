"""Drawing with text: images, arrows, bars, paragraphs; in blocks and colour where the terminal can."""

import os
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]

WIDTH = 80
BLOCKS, ASCII = " ░▒▓█", " .:-=+*#%@"
LINES = "─►◄│┌┐└┘"


def can_draw_blocks() -> bool:
    """Whether stdout's encoding has block characters and the terminal is not a dumb one."""
    if os.environ.get("TERM") == "dumb":
        return False
    try:
        (BLOCKS + LINES).encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def is_rich_terminal() -> bool:
    """Whether stdout is a terminal with colours and blocks, and NO_COLOR is not set."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and can_draw_blocks()


def digit_as_text(pixels: npt.NDArray[np.uint8], blocks: bool | None = None, shape: tuple[int, int] = (28, 28)) -> str:
    """Return an image of rows x columns (`shape`) as lines; each pixel is two characters wide, which makes it square.

    `blocks` chooses between block characters and ASCII; by default what stdout can show. Of an image too large for the
    terminal only every n-th pixel is drawn.
    """
    ramp = BLOCKS if (can_draw_blocks() if blocks is None else blocks) else ASCII
    steps = np.rint(pixels.astype(float) / 255 * (len(ramp) - 1)).astype(int)
    # A pixel that is not quite black must stay visible.
    steps[(pixels > 0) & (steps == 0)] = 1
    rows = steps.reshape(shape)[:: every(shape), :: every(shape)]
    return "\n".join("".join(ramp[step] * 2 for step in row).rstrip() for row in rows)


def every(shape: tuple[int, int]) -> int:
    """Return n such that an image of this shape fits the terminal when every n-th pixel is drawn."""
    return -(-2 * shape[1] // WIDTH)


def steps_as_text(
    given: Floats,
    ink: Floats,
    pixels: npt.NDArray[np.uint8],
    shape: tuple[int, int] = (28, 28),
    blocks: bool | None = None,
) -> str:
    """Return a picture as given, its ink, and each image of rows x columns (`shape`) made of it, side by side.

    The first two, 0 to 1, are shown on at most 28 columns; paper is drawn as it is, so its blackness is turned to ink.
    """
    panels = [("as given", _thumbnail(1 - given)), ("ink", _thumbnail(ink))]
    panels += [("what the network sees", image.reshape(shape)) for image in pixels]
    texts = [[title, *digit_as_text(values.ravel(), blocks, values.shape).split("\n")] for title, values in panels]
    columns = []
    for text, (_, values) in zip(texts, panels, strict=True):
        width = max(2 * values.shape[1], len(text[0]))
        columns.append([row.ljust(width) for row in text])
    return "\n".join("   ".join(row).rstrip() for row in zip_longest(*columns, fillvalue=""))


def _thumbnail(values: Floats) -> npt.NDArray[np.uint8]:
    """Return a picture of 0 to 1 reduced to fit 28x28; the darkest of what falls on a cell stays visible."""
    from PIL import Image

    scale = 28 / max(values.shape)
    size = max(1, round(values.shape[1] * scale)), max(1, round(values.shape[0] * scale))
    image = Image.fromarray(np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8))
    return np.asarray(image.resize(size, Image.Resampling.BOX))


@dataclass(frozen=True)
class Pen:
    """Draws for one kind of terminal: `rich` in colours and blocks, else plain ASCII."""

    rich: bool

    def heading(self, text: str) -> str:
        """Return a heading with a line to the right margin."""
        line = f"{text} ".ljust(WIDTH, "─" if self.rich else "-")
        return _styled(line, 1) if self.rich else line

    def signed(self, text: str, value: float) -> str:
        """Colour a text by the sign of its number: blue up, red down, which the colour-blind can tell apart too."""
        if not self.rich or value == 0:
            return text
        return _styled(text, 94 if value > 0 else 91)

    def framed(self, lines: list[str], width: int) -> list[str]:
        """Return lines with a frame around them, two columns and two lines larger."""
        across, side, corners = ("─", "│", "┌┐└┘") if self.rich else ("-", "|", "++++")
        top = f"{corners[0]}{across * width}{corners[1]}"
        bottom = f"{corners[2]}{across * width}{corners[3]}"
        return [top, *(f"{side}{line:<{width}}{side}" for line in lines), bottom]

    def arrow(self, value: float, largest: float, half: int = 12) -> str:
        """Return an arrow from the middle of 2 * half + 1 columns, right for up, left for down.

        The largest is `half` long and the others in proportion; one that is too short to be drawn is left out.
        """
        length = round(half * abs(value) / largest) if largest else 0
        line, right, left, middle = ("─", "►", "◄", "│") if self.rich else ("-", ">", "<", "|")
        shaft = line * (length - 1)
        tip = (f"{shaft}{right}" if value > 0 else f"{left}{shaft}") if length else ""
        tip = self.signed(tip, value)
        return f"{' ' * half}{middle}{tip}" if value > 0 else f"{' ' * (half - length)}{tip}{middle}"

    def bar(self, value: float, largest: float, width: int = 20) -> str:
        """Return a bar in proportion to a number that is not negative."""
        length = round(width * value / largest) if largest else 0
        return ("█" if self.rich else "#") * length


def paragraph(text: str) -> str:
    """Return text broken into lines that fit the terminal."""
    together = " ".join(text.split()).replace(" %", "\u00a0%").replace(" -> ", "\u00a0->\u00a0")
    return textwrap.fill(together, WIDTH, break_on_hyphens=False).replace("\u00a0", " ")


def columns(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Return a table's row: the first cell to the left, the others to the right."""
    first, *others = zip(cells, widths, strict=True)
    return "  " + f"{first[0]:<{first[1]}}" + "".join(f"{cell:>{width}}" for cell, width in others)


def _styled(text: str, code: int) -> str:
    """Return a text in one of the terminal's styles: 1 bold, 91 bright red, 94 bright blue."""
    return f"\x1b[{code}m{text}\x1b[0m"
