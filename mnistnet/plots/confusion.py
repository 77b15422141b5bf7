"""`mnistnet plot confusion`: the confusion matrix."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mnistnet.inference.evaluate import Evaluation
from mnistnet.plots import GREY, figure
from mnistnet.util.arrays import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import Rectangle

CELL = 0.52  # inches
MAX_NUMBERED = 30  # classes; with more, numbers in the cells would overlap
DARKEST = 0.1  # shares up to this have a colour of their own; the same in every picture, so that they compare
TICKS = (0.001, 0.01, 0.03, 0.1)


def draw_confusion(evaluation: Evaluation, labels: tuple[str, ...], title: str, path: Path) -> None:
    """Draw the confusion matrix; the darker a cell, the larger the share of the true class that was misclassified.

    The scale of the colours is always the same.
    """
    n, longest = len(labels), max(map(len, labels))
    cell = CELL if n <= MAX_NUMBERED else CELL * MAX_NUMBERED / n
    width, height = cell * n + 1.5 + 0.08 * longest, cell * n + 2.0 + (0.07 * longest if longest > 3 else 0)
    with figure(path, max(width, 4.2), max(height, 3.4)) as drawing:
        axes = drawing.subplots()
        counts = evaluation.confusion
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        mistakes = np.sqrt(np.where(np.eye(n, dtype=bool), np.nan, shares))  # the root tells small shares apart
        image = axes.imshow(mistakes, interpolation="nearest", cmap="Oranges", vmin=0, vmax=1.12 * DARKEST**0.5)
        bar = drawing.colorbar(image, ax=axes, location="bottom", shrink=0.5, aspect=30, pad=0.02, extend="max")
        bar.set_ticks([share**0.5 for share in TICKS], labels=[f"{100 * share:g} %" for share in TICKS])
        bar.set_label("share of the true class", fontsize=8, color=GREY)
        bar.ax.tick_params(labelsize=8)
        for at in range(n):
            axes.add_patch(_tile(at))
        if n <= MAX_NUMBERED:
            _numbers(axes, evaluation, shares)
        tilt: dict[str, Any] = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if longest > 3 else {}
        axes.set_xticks(range(n), labels, **tilt)
        axes.set_yticks(range(n), labels)
        axes.tick_params(length=0)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        axes.set(xlabel="predicted class", ylabel="true class")
        right = f"accuracy {100 * evaluation.accuracy:.2f} % ({evaluation.correct:,} of {evaluation.total:,})"
        axes.set_title(f"Confusion matrix: {title}\n{right}", fontsize=10)


def _tile(at: int) -> "Rectangle":
    from matplotlib.patches import Rectangle

    return Rectangle((at - 0.5, at - 0.5), 1, 1, facecolor="#E4E9EE", edgecolor="none")


def _numbers(axes: "Axes", evaluation: Evaluation, shares: Array) -> None:
    """Write the counts into the cells, and the recall at the end of each row."""
    n = len(evaluation.confusion)
    for (true, said), count in np.ndenumerate(evaluation.confusion):
        if count:
            right = true == said
            dark = not right and shares[true, said] > 0.5 * DARKEST
            axes.text(
                said, true, str(count), ha="center", va="center", fontsize=8, color="white" if dark else "black",
                weight="bold" if right else "normal",
            )  # fmt: skip
    axes.text(n - 0.3, -0.75, "recall", fontsize=8, color=GREY)
    for true, share in enumerate(evaluation.recall):
        if np.isfinite(share):
            axes.text(n - 0.3, true, f"{100 * share:.1f} %", va="center", fontsize=8, color=GREY)
