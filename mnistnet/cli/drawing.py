"""Drawing in a terminal: images, arrows, bars, numbers with a unit; in blocks and colour where the terminal can."""

import os
import sys
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from math import floor, log10

import click
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]

WIDTH = 80
BLOCKS, ASCII = " ░▒▓█", " .:-=+*#%@"
LINES = "─►◄│┌┐└┘"
UNITS = {
    6: "millions",
    3: "thousands",
    0: "",
    -3: "thousandths",
    -6: "millionths",
    -9: "billionths",
    -12: "trillionths",
}


def can_draw_blocks() -> bool:
    """Whether stdout's encoding has block characters and the terminal is more than a teletype."""
    if os.environ.get("TERM") == "dumb":
        return False
    try:
        (BLOCKS + LINES).encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def is_rich_terminal() -> bool:
    """Whether stdout is a terminal that shows colours and blocks, and nobody has asked for plain text (NO_COLOR)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and can_draw_blocks()


def digit_as_text(pixels: npt.NDArray[np.uint8], blocks: bool | None = None) -> str:
    """Return an image of 784 pixels as 28 lines; each pixel is two characters wide, which makes it square.

    `blocks` chooses between block characters and ASCII; by default what stdout can show.
    """
    ramp = BLOCKS if (can_draw_blocks() if blocks is None else blocks) else ASCII
    steps = np.rint(pixels.astype(float) / 255 * (len(ramp) - 1)).astype(int)
    # A pixel that is not quite black must not vanish.
    steps[(pixels > 0) & (steps == 0)] = 1
    rows = steps.reshape(28, 28)
    return "\n".join("".join(ramp[step] * 2 for step in row).rstrip() for row in rows)


def steps_as_text(given: Floats, ink: Floats, pixels: npt.NDArray[np.uint8], blocks: bool | None = None) -> str:
    """Return a picture as given, its ink, and each digit of 784 pixels that was made of it, side by side.

    The first two, 0 to 1, are shown on at most 28 columns; paper is drawn as it is, so its blackness is turned to ink.
    """
    panels = [("as given", _thumbnail(1 - given)), ("ink", _thumbnail(ink))]
    panels += [("what the network sees", digit.reshape(28, 28)) for digit in pixels]
    blank = np.zeros(28 * 28, np.uint8)
    columns = []
    for title, values in panels:
        full = blank.reshape(28, 28).copy()
        full[: values.shape[0], : values.shape[1]] = values
        width = 2 * values.shape[1]
        rows = [row.ljust(56)[:width] for row in digit_as_text(full.ravel(), blocks).split("\n")]
        width = max(width, len(title))
        columns.append([title.ljust(width), *(row.ljust(width) for row in rows)])
    return "\n".join("   ".join(row).rstrip() for row in zip(*columns, strict=True))


def _thumbnail(values: Floats) -> npt.NDArray[np.uint8]:
    """Return a picture of 0 to 1 reduced to fit 28x28; the darkest of what falls on a cell stays visible."""
    from PIL import Image

    scale = 28 / max(values.shape)
    size = max(1, round(values.shape[1] * scale)), max(1, round(values.shape[0] * scale))
    image = Image.fromarray(np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8))
    return np.asarray(image.resize(size, Image.Resampling.BOX))


@dataclass(frozen=True)
class Unit:
    """A power of ten in which a column of numbers is short."""

    exponent: int
    decimals: int

    @property
    def name(self) -> str:
        """The unit in a word, such as "thousandths"; empty for plain numbers."""
        return UNITS.get(self.exponent, f"1e{self.exponent}")

    @property
    def words(self) -> str:
        """How a table's head names the unit: " (in thousandths)", or nothing for plain numbers."""
        return f" (in {self.name})" if self.name else ""

    def __call__(self, value: float) -> str:
        """Return a number in this unit with its sign; "0" is zero, "." what is too small to be seen beside others."""
        if value == 0:
            return "0"
        text = f"{value / 10.0**self.exponent:+.{self.decimals}f}"
        return text if text.strip("+-0.") else "."

    def plain(self, value: float) -> str:
        """Return a number that is not negative in this unit, without a sign."""
        return self(value).lstrip("+")


def unit(values: Iterable[float], digits: int = 3) -> Unit:
    """Return the unit in which the largest of some numbers has so many digits."""
    top = max((abs(float(value)) for value in values), default=0.0)
    if top == 0:
        return Unit(0, digits - 1)
    magnitude = floor(log10(top))
    exponent = 3 * (magnitude // 3)
    return Unit(exponent, max(0, digits - 1 - (magnitude - exponent)))


def short(value: float, sign: str = "") -> str:
    """Return a number with three digits, such as 0.0123, 1.20e-07 or 32.0; `sign="+"` for a sign in any case."""
    return f"{value:{sign},.0f}" if abs(value) >= 1000 else f"{value:{sign}#.3g}".rstrip(".")


def times(ratio: float) -> str:
    """Return a ratio in words, with two or three digits: 1.4, 32, 125,000, 26 billion, over a thousand trillion."""
    if ratio >= 1e15:
        return "over a thousand trillion"
    for size, word in ((1e12, " trillion"), (1e9, " billion"), (1e6, " million"), (1, "")):
        if ratio >= size:
            return (f"{ratio / size:.2g}" if ratio < 10 * size else f"{float(f'{ratio / size:.3g}'):,.0f}") + word
    return f"{ratio:.2g}"


@dataclass(frozen=True)
class Pen:
    """Draws for one kind of terminal: `rich` in colours and blocks, else plain ASCII."""

    rich: bool

    def heading(self, text: str) -> str:
        """Return a heading with a line to the right margin."""
        line = f"{text} ".ljust(WIDTH, "─" if self.rich else "-")
        return click.style(line, bold=True) if self.rich else line

    def signed(self, text: str, value: float) -> str:
        """Colour a text by the sign of its number: blue up, red down, which the colour-blind can tell apart too."""
        if not self.rich or value == 0:
            return text
        return click.style(text, fg="bright_blue" if value > 0 else "bright_red")

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
