"""`mnistnet plot mistakes`: a gallery of the most confident errors."""

from collections.abc import Sequence
from math import ceil
from pathlib import Path

from mnistnet.inference.misclassified import Misclassified
from mnistnet.plots import GREY, figure

COLUMNS = 8
WRONG, RIGHT = "#A84400", "#00573F"  # darker than the colours of lines, for text


def draw_misclassified(
    mistakes: Sequence[Misclassified], labels: tuple[str, ...], shape: tuple[int, int], title: str, path: Path
) -> None:
    """Draw images with their prediction, its confidence, and the true class."""
    columns = min(COLUMNS, max(4, len(mistakes)))
    rows = max(1, ceil(len(mistakes) / columns))
    small = max(map(len, labels)) > 6
    with figure(path, 1.22 * columns, 1.8 * rows + 0.5) as drawing:
        drawing.set_layout_engine("constrained", hspace=0.09)
        grid = drawing.subplots(rows, columns, squeeze=False)
        for axes in grid.flat:
            axes.set_axis_off()
        for axes, mistake in zip(grid.flat, mistakes, strict=False):
            axes.imshow(mistake.image.reshape(shape), cmap="gray_r", vmin=0, vmax=255)
            size = 7.0 if small else 8.5
            style = {"ha": "center", "transform": axes.transAxes}
            axes.text(
                0.5,
                1.05,
                f"{labels[mistake.predicted]}? {_sure(mistake.confidence)}",
                fontsize=size,
                color=WRONG,
                **style,
            )
            axes.text(0.5, -0.17, f"is {labels[mistake.true]}", fontsize=size, weight="bold", color=RIGHT, **style)
            axes.text(0.5, -0.33, f"no. {mistake.index}", fontsize=6.5, color=GREY, **style)
        drawing.suptitle(title, x=0.01, ha="left", weight="bold", fontsize=10)


def _sure(confidence: float) -> str:
    """Return a confidence in per cent, never 100 %."""
    return f"{min(100 * confidence, 99.9):.1f} %"
