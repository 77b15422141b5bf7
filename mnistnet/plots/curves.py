"""`mnistnet plot curves`: cost, accuracy and learning rate of runs, epoch by epoch."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mnistnet.checkpoint.checkpoint import Checkpoint
from mnistnet.errors import PlotError
from mnistnet.plots import GREY, figure, line_styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_FIGURES = {
    "loss": 1e39,
    "train_accuracy": 1,
    "validation_loss": 1e39,
    "validation_accuracy": 1,
    "learning_rate": 1e10,
}
FAR = 20  # times as large: then a logarithmic axis
COSTS = {"quadratic": "Quadratic cost", "cross_entropy": "Cross-entropy"}


@dataclass(frozen=True)
class Curve:
    """A run to draw: its name, its kind of cost, its metrics as columns with an entry for each epoch, and the best
    epoch.

    Missing values are nan.
    """

    name: str
    cost: str
    metrics: dict[str, npt.NDArray[np.float64]]
    best: int


def curve(name: str, checkpoint: Checkpoint) -> Curve:
    """Return the curve in a checkpoint's header. Raises PlotError where there is none that can be drawn."""
    if not checkpoint.epoch:
        raise PlotError(f"{name}: no epoch was trained, so there is nothing to draw")
    columns = {}
    for key, most in MAX_FIGURES.items():
        values = np.array(checkpoint.metrics.get(key) or [None], float)
        bad = ~((values >= 0) & (values <= most)) & ~(np.isnan(values) & key.startswith("validation"))
        if len(values) != checkpoint.epoch or bad.any():
            raise PlotError(
                f"{name}: its header has no {key} of 0 to {most:g} for each of its {checkpoint.epoch:,} epochs, so its "
                "curves cannot be drawn; expected a checkpoint of `mnistnet train`"
            )
        columns[key] = values
    config = checkpoint.config
    smoothing = f", label smoothing {config.label_smoothing:g}" if config.label_smoothing else ""
    return Curve(name, COSTS[config.loss] + smoothing, columns, checkpoint.best["epoch"])


def draw_curves(curves: Sequence[Curve], path: Path) -> None:
    """Draw runs over each other: bold lines for validation images, thin ones for training batches.

    Each kind of cost has axes of its own, since figures of two kinds cannot be compared.
    """
    kinds = list(dict.fromkeys(one.cost for one in curves))
    panels = 2 + len(kinds)
    columns = panels if panels == 3 else ceil(panels / 2)
    rows = ceil(panels / columns)
    with figure(path, 3.5 * columns + 1.75 * (columns == 2), 3.7 * rows + 0.22 * ((len(curves) + 1) // 2)) as drawing:
        *costs, accuracy, rate = [drawing.add_subplot(rows, columns, 1 + number) for number in range(panels)]
        for one, style in zip(curves, line_styles(), strict=False):
            _both(costs[kinds.index(one.cost)], one, "loss", "validation_loss", style, 1)
            _both(accuracy, one, "train_accuracy", "validation_accuracy", style, 100)
            rate.plot(_epochs(one), one.metrics["learning_rate"], **style)
        for axes, kind in zip(costs, kinds, strict=True):
            axes.set(title=kind, ylabel="mean cost of an image")
            if any((one.metrics["loss"] > 0).any() for one in curves if one.cost == kind):
                axes.set_yscale("log")
                _plain_logarithms(axes)
        accuracy.set(title="Accuracy", ylabel="accuracy (%)", ylim=accuracy_range(curves))
        rate.set(title="Learning rate", ylabel="at the epoch's last step")
        highest = [float(one.metrics["learning_rate"].max()) for one in curves]
        if max(highest) > FAR * min(highest) > 0:
            # Where a rate falls to zero, its last values do not matter.
            rate.set(yscale="log", ylim=(min(highest) / FAR, None))
            _plain_logarithms(rate, (1,))
        else:
            rate.set(ylim=(0, None if max(highest) else 1))
        for axes in (*costs, accuracy, rate):
            _along_epochs(axes, max(len(one.metrics["loss"]) for one in curves))
        _explain(accuracy, any(_known(one, "validation_accuracy") for one in curves))
        if len(curves) > 1:
            lines = rate.get_lines()
            drawing.legend(lines, [one.name for one in curves], loc="outside upper center", ncols=2)
        else:
            drawing.suptitle(curves[0].name, fontsize=9.5, color=GREY, x=0.01, ha="left")


def _epochs(one: Curve) -> list[int]:
    return list(range(1, len(one.metrics["loss"]) + 1))


def accuracy_range(curves: Sequence[Curve]) -> tuple[float, float]:
    """Return the range to show, in per cent, without the training of the first epochs, which begins at random."""
    shown = [one.metrics["validation_accuracy"] for one in curves]
    shown += [one.metrics["train_accuracy"][min(1, len(_epochs(one)) - 1) :] for one in curves]
    low, high = (100 * bound(np.concatenate(shown)) for bound in (np.nanmin, np.nanmax))
    margin = max(0.08 * (high - low), 0.05)
    return low - margin, high + margin


def _known(one: Curve, name: str) -> bool:
    return not bool(np.isnan(one.metrics[name]).all())


def _both(axes: "Axes", one: Curve, trained: str, validated: str, style: dict[str, Any], scale: float) -> None:
    """Plot the training figure thin and the validation figure bold, with a ring at the chosen epoch."""
    marker = "o" if len(_epochs(one)) == 1 else ""
    axes.plot(_epochs(one), scale * one.metrics[trained], **style | {"linewidth": 0.8}, marker=marker, markersize=3)
    if _known(one, validated):
        values = scale * one.metrics[validated]
        axes.plot(_epochs(one), values, **style)
        best = max(1, one.best)
        ring = {"marker": "o", "color": style["color"], "markerfacecolor": "white", "markersize": 6, "zorder": 3}
        axes.plot(best, values[best - 1], **ring)


def _along_epochs(axes: "Axes", last: int) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set(xlabel="epoch", xlim=(0.5, last + 0.5) if last < 10 else (0, last * 1.02))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))


def _plain_logarithms(axes: "Axes", steps: tuple[int, ...] = (1, 2, 5)) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.yaxis.set_major_locator(LogLocator(subs=steps))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def _explain(axes: "Axes", validated: bool) -> None:
    from matplotlib.lines import Line2D

    words = [(0.8, "", "training")]
    if validated:
        words = [(1.8, "", "validation"), *words, (0, "o", "best epoch")]
    handles = [
        Line2D([], [], color="black", linewidth=width, marker=marker, markerfacecolor="white", label=label)
        for width, marker, label in words
    ]
    axes.legend(handles=handles, loc="lower right")
