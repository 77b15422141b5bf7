"""`mnistnet plot confusion`: what is taken for what."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mnistnet.inference.evaluate import Evaluation
from mnistnet.plots import GREY, figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import Rectangle

CELL = 0.52  # inches
MAX_NUMBERED = 30  # classes; with more, numbers in the cells would overlap


def draw_confusion(evaluation: Evaluation, labels: tuple[str, ...], title: str, path: Path) -> None:
    """Draw the table of true against predicted classes; the darker, the more often they were confused."""
    n, longest = len(labels), max(map(len, labels))
    cell = CELL if n <= MAX_NUMBERED else CELL * MAX_NUMBERED / n
    width, height = cell * n + 1.5 + 0.08 * longest, cell * n + 1.3 + (0.07 * longest if longest > 3 else 0)
    with figure(path, max(width, 4.2), max(height, 3.4)) as drawing:
        axes = drawing.subplots()
        counts = evaluation.confusion
        mistakes = np.where(np.eye(n, dtype=bool), np.nan, counts.astype(float))
        most = max(1.0, float(np.nanmax(mistakes)) if n > 1 else 1.0)
        axes.imshow(np.sqrt(mistakes), cmap="Oranges", vmin=0, vmax=1.25 * most**0.5)
        for at in range(n):
            axes.add_patch(_tile(at))
        if n <= MAX_NUMBERED:
            _numbers(axes, evaluation, most)
        tilt: dict[str, Any] = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"} if longest > 3 else {}
        axes.set_xticks(range(n), labels, **tilt)
        axes.set_yticks(range(n), labels)
        axes.tick_params(length=0)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        axes.set(xlabel="what the network says", ylabel="what it is")
        right = f"{100 * evaluation.accuracy:.2f} % right ({evaluation.correct:,} of {evaluation.total:,})"
        axes.set_title(f"{title}\n{right}", fontsize=10)


def _tile(at: int) -> "Rectangle":
    from matplotlib.patches import Rectangle

    return Rectangle((at - 0.5, at - 0.5), 1, 1, facecolor="#E4E9EE", edgecolor="none")


def _numbers(axes: "Axes", evaluation: Evaluation, most: float) -> None:
    """Write the counts into the cells, and behind each row how much of its class was found."""
    n = len(evaluation.confusion)
    for (true, said), count in np.ndenumerate(evaluation.confusion):
        if count:
            right = true == said
            dark = not right and count > 0.6 * most
            axes.text(
                said, true, str(count), ha="center", va="center", fontsize=8, color="white" if dark else "black",
                weight="bold" if right else "normal",
            )  # fmt: skip
    axes.text(n - 0.3, -0.75, "found", fontsize=8, color=GREY)
    for true, share in enumerate(evaluation.recall):
        if np.isfinite(share):
            axes.text(n - 0.3, true, f"{100 * share:.1f} %", va="center", fontsize=8, color=GREY)
