"""A page laid out in inches from its top left corner, and the shapes drawn on it: neurons, arrows, coloured tables.

Drawing moves the page's `y` down. At the end the page is as tall as its content, or is made to fit a sheet. The canvas,
the axes below all others, has inches for units, too, so that circles are round.
"""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mnistnet.explain.labels import MAX_ROWS, shown, strongest
from mnistnet.plots import COLOURS, GREY
from mnistnet.util.arrays import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

WIDTH, MARGIN = 10.5, 0.45
INNER = WIDTH - 2 * MARGIN
UP, DOWN = COLOURS[:2]
TICK_LABEL = 8  # points
LINE = 0.175  # of text, from one line to the next
RADIUS, SMALL = 0.2, 0.095  # of neurons with a number in them, and without
MAX_OUTPUTS = 10
REACH = 0.62  # of the longest arrow of a strip
GUTTER = 0.78  # at the left of a strip, for what its numbers are called
LUMINANCE = (0.2126, 0.7152, 0.0722)  # of red, green and blue light; 0.18 looks halfway to white
MINUS = re.compile(r"(?<![\w-])-(?=[\d.])")
SHAFT, HEAD = 0.045, 0.1  # of an arrow: half the width of its shaft, length and half the width of its head


def colour(value: float) -> str:
    """Return the colour of a number by its sign: up, down or neither."""
    return GREY if value == 0 else UP if value > 0 else DOWN


def minus(text: str) -> str:
    """Return a number's text with a minus as wide as a plus."""
    return text.replace("-", "−")


def brightness(activations: Array) -> Array:
    """Return how bright neurons are, from 0 to 1; activations beyond that, as of relu and tanh, are scaled to it."""
    low, high = min(0.0, float(activations.min())), max(1.0, float(activations.max()))
    bright: Array = (activations - low) / (high - low)
    return bright


def signed_colours() -> "Colormap":
    """Return colours from falling, over white, to rising; the latter darker, so that they differ in grey too."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("signed", ["#E0600F", "#FBD9C2", "#FFFFFF", "#A9CDE6", "#00558C"])


class Page:
    """A page on a figure; `y` is where the free space begins."""

    def __init__(self, drawing: "Figure") -> None:
        drawing.set_layout_engine("none")
        self.y = 0.0
        self._drawing, self._boxes = drawing, list[tuple[Any, tuple[float, float, float, float]]]()
        self.canvas: Axes = drawing.add_axes((0, 0, 1, 1))
        self.canvas.set(xlim=(0, WIDTH))
        self.canvas.axis("off")
        self.signed = signed_colours()

    def finish(self) -> None:
        """Cut the page where it ends."""
        height = self.y
        self._drawing.set_size_inches(WIDTH, height)
        self.canvas.set(ylim=(height, 0))
        for axes, (left, top, wide, high) in self._boxes:
            axes.set_position((left / WIDTH, 1 - (top + high) / height, wide / WIDTH, high / height))

    def fit(self, width: float, height: float) -> None:
        """Make it a sheet of this size in inches, with its content as large as fits."""
        scale = min(width / WIDTH, height / self.y)
        aside, high = (width / scale - WIDTH) / 2, height / scale
        self._drawing.set_size_inches(width, height)
        self.canvas.set(xlim=(-aside, WIDTH + aside), ylim=(high, 0))
        for axes, (left, top, wide, tall) in self._boxes:
            axes.set_position(
                ((left + aside) * scale / width, 1 - (top + tall) / high, wide * scale / width, tall / high)
            )
            axes.tick_params(labelsize=scale * TICK_LABEL)
        _scale_artists(self._drawing, scale)

    def axes(self, left: float, top: float, width: float, height: float) -> "Axes":
        """Return axes in a box of the page."""
        axes: Axes = self._drawing.add_axes((0, 0, 1, 1), label=f"axes {len(self._boxes)}")
        self._boxes.append((axes, (left, top, width, height)))
        return axes

    def image(self, left: float, top: float, side: float, values: Array, **options: Any) -> None:
        """Show numbers of an image, in a square; one that is higher or wider fills a part of it."""
        axes = self.axes(left, top, side, side)
        axes.imshow(values, interpolation="nearest", **options)
        axes.set(xticks=[], yticks=[])
        axes.grid(visible=False)
        axes.spines[:].set_visible(True)
        axes.spines[:].set(color=GREY, linewidth=0.6)

    def signed_image(self, left: float, top: float, side: float, values: Array, largest: float) -> None:
        """Show numbers of an image in the colours of rising and falling."""
        self.image(left, top, side, values, cmap=self.signed, vmin=-largest, vmax=largest)

    def heading(self, text: str, left: float = MARGIN, right: float = WIDTH - MARGIN) -> None:
        """Write a heading with a line under it, and leave `y` below."""
        self.write(left, self.y + 0.14, text, size=12.5, weight="bold")
        self.canvas.plot([left, right], [self.y + 0.31, self.y + 0.31], color="black", linewidth=0.8)
        self.y += 0.46

    def write(self, x: float, y: float, text: str, **style: Any) -> None:
        """Write a line whose middle is at height y; it begins at x unless `ha` says otherwise."""
        options: dict[str, Any] = {"va": "center_baseline", "ha": "left", "size": 8.5}
        self.canvas.text(x, y, text, **options | style)

    def paragraph(self, text: str, left: float = MARGIN, width: float = INNER, size: float = 9.0) -> None:
        """Write text broken into lines, with typographic signs, and leave `y` below."""
        text = MINUS.sub("−", text.replace("->", "→")).replace(" %", "\u00a0%")
        for line in broken(text, size, width):
            self.write(left, self.y + LINE / 2, line, size=size)
            self.y += LINE * size / 9
        self.y += 0.08

    def neuron(self, x: float, y: float, radius: float, bright: float, text: str = "") -> None:
        """Draw a neuron as bright as its activation, with a number in it."""
        from matplotlib.patches import Circle

        face = str(round(float(bright), 3))
        self.canvas.add_patch(Circle((x, y), radius, facecolor=face, edgecolor="black", linewidth=0.8, zorder=3))
        if text:
            ink = "white" if bright < 0.45 else "black"
            self.write(x, y, minus(text), ha="center", size=7.5, color=ink, zorder=4)

    def arrow(self, x: float, y: float, across: float, down: float, ink: str) -> None:
        """Draw an arrow from a point; a short one is all head."""
        from matplotlib.patches import Polygon

        length = float(np.hypot(across, down))
        if length < 0.012:
            return
        along = np.array([across, down]) / length
        aside = along[::-1] * [-1, 1]
        head = min(HEAD, length)
        neck, tip, wing = along * (length - head), along * length, aside * head
        shaft = aside * min(SHAFT, head / 2)
        outline = np.array([shaft, neck + shaft, neck + wing, tip, neck - wing, neck - shaft, -shaft])
        self.canvas.add_patch(Polygon(outline + np.array([x, y]), facecolor=ink, edgecolor="black", linewidth=0.4))

    def bar(self, x: float, y: float, length: float, ink: str) -> None:
        """Draw a bar from a point to the right."""
        from matplotlib.patches import Rectangle

        self.canvas.add_patch(
            Rectangle((x, y - SHAFT), length, 2 * SHAFT, facecolor=ink, edgecolor="black", linewidth=0.4)
        )

    def cells(
        self, left: float, top: float, values: Array, texts: Sequence[Sequence[str]], size: tuple[float, float]
    ) -> None:
        """Draw a table of numbers from 1 down to -1, each on its colour, from a corner; `size`: of one cell."""
        from matplotlib.patches import Rectangle

        wide, high = size
        for (row, column), share in np.ndenumerate(values):
            x, y = left + column * wide, top + row * high
            face = self.signed((float(share) + 1) / 2)
            self.canvas.add_patch(Rectangle((x, y), wide, high, facecolor=face, edgecolor="white", linewidth=0.8))
            ink = "white" if np.dot(LUMINANCE, np.power(face[:3], 2.2)) < 0.18 else "black"
            self.write(x + wide / 2, y + high / 2, minus(texts[row][column]), ha="center", size=7.5, color=ink)

    def strip(
        self,
        left: float,
        names: Sequence[str],
        bright: Array,
        activations: Array,
        wishes: Array,
        rows: Sequence[tuple[str, Sequence[str]]],
    ) -> None:
        """Draw neurons in a row, each with its activation in it and its wish as an arrow, over a table of numbers."""
        middles = spread(len(names), left + GUTTER, WIDTH - MARGIN)
        largest = float(np.abs(wishes).max()) or 1.0
        above = max(0.0, float(wishes.max())) / largest * REACH
        below = max(0.0, -float(wishes.min())) / largest * REACH
        radius = min(RADIUS, (middles[-1] - middles[0]) / max(1, len(names) - 1) / 2 - 0.03)
        self.y += 0.22
        for x, name in zip(middles, names, strict=True):
            self.write(x, self.y - 0.12, name, ha="center", size=10 if len(name) < 3 else 7.5, weight="bold")
        middle = self.y + above + radius
        for x, light, activation, wish in zip(middles, bright, activations, wishes, strict=True):
            self.neuron(x, middle, radius, light, f"{activation:.2f}" if abs(activation) < 10 else f"{activation:.0f}")
            length = float(wish) / largest * REACH
            self.arrow(x, middle - radius if wish > 0 else middle + radius, 0, -length, colour(float(wish)))
        self.y = middle + radius + below + 0.12
        for label, texts in rows:
            name, _, words = label.partition(" (")
            self.write(left, self.y + 0.1, name, size=8, color=GREY)
            if words:
                self.write(left, self.y + 0.23, words.rstrip(")"), size=7, color=GREY)
            for x, text in zip(middles, texts, strict=True):
                self.write(x, self.y + 0.1, minus(text), ha="center", size=8)
            self.y += 0.36 if words else 0.24


def _scale_artists(drawing: "Figure", scale: float) -> None:
    """Scale texts and lines, whose sizes are in points whatever the figure's size."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.text import Text

    for text in drawing.findobj(Text):
        text.set_fontsize(scale * float(text.get_fontsize()))
    for line in drawing.findobj(Line2D):
        line.set(linewidth=scale * line.get_linewidth(), markersize=scale * line.get_markersize())
        line.set_markeredgewidth(scale * float(line.get_markeredgewidth()))
    for patch in drawing.findobj(Patch):
        patch.set_linewidth(scale * patch.get_linewidth())


def broken(text: str, size: float, width: float) -> list[str]:
    """Return the lines of a text that are no wider than so many inches, as its font is drawn."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font, lines = FontProperties(family="DejaVu Sans", size=size), [""]
    for word in text.split(" "):  # not at spaces that must not break
        longer = f"{lines[-1]} {word}".strip()
        wide, _, _ = text_to_path.get_text_width_height_descent(longer, font, ismath=False)
        if wide > 72 * width and lines[-1]:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def spread(count: int, left: float, right: float) -> list[float]:
    """Return the middles of equally wide columns between two edges."""
    wide = (right - left) / count
    return [left + (number + 0.5) * wide for number in range(count)]


def few(values: Array) -> list[int]:
    """Return which neurons of a layer are drawn: all of a small layer, in order; of a large one the strongest."""
    return shown(values, MAX_ROWS)


def few_outputs(values: Array) -> list[int]:
    """Return which output neurons are drawn side by side: up to ten, the strongest, in order."""
    return sorted(strongest(values, MAX_OUTPUTS))
