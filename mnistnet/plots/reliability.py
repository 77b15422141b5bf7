"""`mnistnet plot doubts`: the reliability diagram and the error-reject curve."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mnistnet.inference.calibration import answering, probabilities, reliability
from mnistnet.plots import COLOURS, GREY, figure
from mnistnet.util.arrays import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN, RAW, *_ = COLOURS
MIN_ANSWERS = 5  # answers in a bin: a share of fewer means nothing


def draw_reliability(
    logits: Array, labels: npt.NDArray[np.uint8], temperature: float | None, title: str, path: Path
) -> None:
    """Draw accuracy against confidence, and the errors left when the least confident answers are rejected."""
    right = logits.argmax(axis=1) == labels
    shown = probabilities(logits, temperature).max(axis=1)
    with figure(path, 9.2, 4.9) as drawing:
        layout = drawing.add_gridspec(2, 2, height_ratios=(3.2, 1))
        sure, crowd = drawing.add_subplot(layout[0, 0]), drawing.add_subplot(layout[1, 0])
        _reliability_diagram(sure, "calibrated" if temperature else "not calibrated", shown, right, SHOWN, "o")
        if temperature is not None:
            raw = probabilities(logits, None).max(axis=1)
            _reliability_diagram(sure, "before calibration", raw, right, RAW, "s")
        sure.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        sure.set(title="Reliability diagram", ylabel="accuracy", xlim=(0, 1.02), ylim=(0, 1.02))
        words: dict[str, Any] = {
            "rotation": 45,
            "rotation_mode": "anchor",
            "transform_rotates_text": True,
            "fontsize": 8,
        }
        sure.text(0.05, 0.09, "perfectly calibrated", color=GREY, va="bottom", **words)
        sure.legend(loc="lower right")
        counts = reliability(shown, right).counts
        crowd.bar(np.arange(0.05, 1, 0.1), counts, width=0.092, color=SHOWN)
        crowd.set(xlabel="confidence", ylabel="answers", yscale="log", xlim=(0, 1.02), ylim=(0.5, None))
        crowd.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        _error_reject_curve(drawing.add_subplot(layout[:, 1]), shown, right)
        drawing.suptitle(title, x=0.01, ha="left", fontsize=9.5, color=GREY)


def _reliability_diagram(
    axes: "Axes", name: str, confidence: Array, right: npt.NDArray[np.bool_], colour: str, marker: str
) -> None:
    bins = reliability(confidence, right)
    enough = bins.counts >= MIN_ANSWERS
    x, y = bins.confidence[enough], bins.accuracy[enough]
    errors = np.maximum([y - bins.low[enough], bins.high[enough] - y], 0)
    label = f"{name}: ECE {100 * bins.gap:.2f} %"
    axes.errorbar(x, y, errors, color=colour, marker=marker, markersize=5, linewidth=1.4, elinewidth=1, label=label)


def _error_reject_curve(axes: "Axes", confidence: Array, right: npt.NDArray[np.bool_]) -> None:
    """Draw the errors left among the answers against the share that is rejected."""
    answered, wrong = answering(confidence, right)
    axes.plot(100 * (1 - answered), 100 * wrong, color=SHOWN)
    for share in (0.01, 0.02, 0.05, 0.1):
        at = round((1 - share) * len(answered)) - 1
        if at >= 0:
            axes.plot(100 * (1 - answered[at]), 100 * wrong[at], "o", color=SHOWN, markersize=5)
            axes.annotate(
                f"{100 * share:.0f} % rejected: {100 * wrong[at]:.2f} % errors",
                (100 * share, 100 * wrong[at]), (7, 5), textcoords="offset points", fontsize=8,
            )  # fmt: skip
    axes.set(title="Error-reject curve", xlabel="rejected, the least confident first (%)")
    axes.set(ylabel="errors among the answers left (%)", xlim=(-0.4, 20), ylim=(0, None))
