"""The figure of `mnistnet compare`: costs and accuracies of trainings, and their paths over contours of the cost."""

from collections.abc import Sequence
from itertools import cycle, product
from math import ceil, floor, log10
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mnistnet.experiments.compare import MIN_COST, Comparison
from mnistnet.experiments.loss_surface import LossSurface, stretch_in_plane
from mnistnet.experiments.trajectory import Trajectory
from mnistnet.plots import GREY, MARKERS, figure, line_styles
from mnistnet.plots.curves import COSTS
from mnistnet.util.arrays import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INSET = 0.36  # of its picture's width and height
SMALL = 0.1  # of the picture's width: a smaller path is shown enlarged


def draw_comparison(comparison: Comparison, path: Path) -> None:
    """Draw trajectories: cost against steps and seconds, accuracy against seconds, paths over contours of the cost.

    Trainings with two kinds of cost: each kind against seconds.
    """
    with figure(path, 10.5, 8.6) as drawing:
        layout = drawing.add_gridspec(2, 6)
        left, right = (drawing.add_subplot(layout[0, part]) for part in (slice(0, 3), slice(3, 6)))
        accuracy, plane, stretch = (drawing.add_subplot(layout[1, 2 * n : 2 * n + 2]) for n in range(3))
        trajectories = comparison.trajectories
        losses = list(dict.fromkeys(trajectory.entry.config.loss for trajectory in trajectories))
        if len(losses) == 1:
            _costs(left, trajectories)
            _against_seconds(right, trajectories, "train_cost")
            _as_costs(right, "Cost against seconds")
        else:  # figures of two kinds of cost cannot be compared, so each has axes of its own
            for axes, loss in zip((left, right), losses, strict=True):
                _against_seconds(axes, trajectories, "train_cost", loss=loss)
                _as_costs(axes, f"{COSTS[loss]} against seconds")
        _accuracies(accuracy, trajectories)
        _paths(plane, comparison)
        _stretches(stretch, trajectories)
        lines = accuracy.get_lines()[: len(trajectories)]
        drawing.legend(lines, list(map(_title, trajectories)), loc="outside upper center", ncols=2)


def _title(trajectory: Trajectory) -> str:
    return (
        f"{trajectory.entry.name}: {trajectory.entry.batch_size:,} images a step, path length "
        f"{_distance(trajectory.path_length)}, displacement {_distance(trajectory.displacement)}"
    )


def _distance(length: float) -> str:
    return f"{length:,.0f}" if 100 <= length < 1e6 else f"{length:.3g}"


def _costs(axes: "Axes", trajectories: Sequence[Trajectory]) -> None:
    for trajectory, style in zip(trajectories, line_styles(), strict=False):
        axes.plot(
            [snapshot.step for snapshot in trajectory.snapshots],
            [snapshot.train_cost for snapshot in trajectory.snapshots],
            **style,
        )
    axes.set(xscale="symlog", xlim=(0, None), xlabel="steps")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    _as_costs(axes, "Cost against steps")


def _as_costs(axes: "Axes", title: str) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.set(title=title, ylabel="cost on training images", yscale="log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(_plainly)
    axes.yaxis.set_minor_formatter(NullFormatter())


def _accuracies(axes: "Axes", trajectories: Sequence[Trajectory]) -> None:
    _against_seconds(axes, trajectories, "validation_accuracy", 100)
    _against_seconds(axes, trajectories, "train_accuracy", 100, linewidth=0.8)
    axes.set(title="Accuracy", ylabel="accuracy (%)")
    bold, thin = axes.get_lines()[0], axes.get_lines()[len(trajectories)]
    words = ["validation", "training"]
    axes.legend([bold, thin], words, loc="best")


def _against_seconds(
    axes: "Axes", trajectories: Sequence[Trajectory], what: str, scale: float = 1, loss: str = "", **changes: Any
) -> None:
    """Plot a figure of the snapshots against time, on a scale from thousandths to tens of a second.

    With `loss`, plot only trainings with that one.
    """
    first = 0.5 * min(
        trajectory.snapshots[min(1, len(trajectory.snapshots) - 1)].seconds or 1e-3 for trajectory in trajectories
    )
    for trajectory, style in zip(trajectories, line_styles(), strict=False):
        if loss and trajectory.entry.config.loss != loss:
            continue
        times = [max(snapshot.seconds, first) for snapshot in trajectory.snapshots]
        known = [
            np.nan if (value := getattr(snapshot, what)) is None else scale * value for snapshot in trajectory.snapshots
        ]
        # Until its first step is done, a training stands where it began.
        axes.plot([times[0], *times[1:2], *times[1:]], [known[0], *known[0:1], *known[1:]], **style | changes)
    axes.set(xscale="log", xlim=(first, None), xlabel="seconds of training")
    axes.xaxis.set_major_formatter(_plainly)


def _plainly(value: float, _: float = 0) -> str:
    return f"{value:g}"


def _paths(axes: "Axes", comparison: Comparison) -> None:
    landscape = comparison.landscape
    axes.set_title("Paths (ring: first weights)")
    axes.grid(visible=False)
    if landscape is None:
        axes.text(0.5, 0.5, "different networks share no plane", ha="center", color=GREY, transform=axes.transAxes)
        axes.set(xticks=[], yticks=[])
        return
    paths = landscape.plane.paths
    _contours(axes, landscape)
    _tracks(axes, paths)
    first, second = 100 * landscape.plane.shares
    axes.set(xlabel=f"first principal component ({first:.0f} %)", ylabel=f"second ({second:.0f} %)", aspect="equal")
    shortest = min(paths, key=lambda points: float(np.ptp(points, axis=0).max()))
    if np.ptp(shortest, axis=0).max() < SMALL * np.ptp(landscape.x):
        _enlarge(axes, paths, shortest)


def _stretches(axes: "Axes", trajectories: Sequence[Trajectory]) -> None:
    """Draw each step of a stretch of each training. The smallest batches fill the picture; others may leave it."""
    count = max(len(trajectory.stretch) - 1 for trajectory in trajectories)
    smallest, reach = min(trajectory.entry.batch_size for trajectory in trajectories), 0.0
    for trajectory, style in zip(trajectories, line_styles(), strict=False):
        if len(trajectory.stretch) > 2:
            points = stretch_in_plane(trajectory.stretch)
            axes.plot(*points.T, **style | {"linewidth": 0.9, "linestyle": "-"})
            axes.plot(*points[-1], ".", color=style["color"])
            if trajectory.entry.batch_size == smallest:
                reach = max(reach, 1.1 * float(np.abs(points).max()))
    axes.plot(0, 0, "o", markersize=7, markerfacecolor="white", markeredgecolor="black", zorder=3)
    axes.set_title(f"{count:,} steps, one by one")
    axes.set(xlabel="from the middle; each in its own plane", aspect="equal")
    if reach:
        axes.set(xlim=(-reach, reach), ylim=(-reach, reach))


def _tracks(axes: "Axes", paths: Sequence[Array], **changes: Any) -> None:
    """Draw the paths, with a ring at the start and a mark at the end of each."""
    for points, style, marker in zip(paths, line_styles(), cycle(MARKERS), strict=False):
        axes.plot(*points.T, **style | changes, zorder=3)
        axes.plot(*points[-1], marker, color=style["color"], markersize=7, markeredgecolor="white", zorder=4)
    axes.plot(*paths[0][0], "o", markersize=8, markerfacecolor="white", markeredgecolor="black", zorder=2.5)


def _enlarge(axes: "Axes", paths: Sequence[Array], small: Array) -> None:
    """Show the surroundings of a path that is too short to be seen, enlarged, where there is room."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    corner, shape = np.array([left, bottom]), np.array([right - left, top - bottom])
    place = _room((np.concatenate(paths) - corner) / shape)
    inset = axes.inset_axes((*place, INSET, INSET))
    _tracks(inset, paths, marker=".", linewidth=1.2)
    low, high = small.min(axis=0), small.max(axis=0)
    half = shape * max((high - low) / shape) * 0.65
    (x, y), (width, height) = (low + high) / 2 - half, 2 * half
    inset.set(xlim=(x, x + width), ylim=(y, y + height), xticks=[], yticks=[])
    inset.spines[:].set_visible(True)
    inset.set_title(f"{INSET * shape[0] / width:.2g} times as large", fontsize=8, weight="normal", pad=2)
    axes.indicate_inset_zoom(inset, edgecolor="black")


def _room(points: Array) -> tuple[float, float]:
    """Return the lower left corner of the inset that covers the fewest points in the unit square."""
    places = list(product(np.linspace(0.02, 0.98 - INSET, 9), repeat=2))
    inside = [np.abs(points - place - INSET / 2).max(axis=1) < INSET / 2 + 0.05 for place in places]
    best = min(range(len(places)), key=lambda number: np.count_nonzero(inside[number]))
    return places[best]


def _contours(axes: "Axes", landscape: LossSurface) -> None:
    costs = np.maximum(landscape.costs, MIN_COST)
    finite = costs[np.isfinite(costs)]
    if not finite.size or not np.ptp(finite):
        return  # constant cost, or a training that diverged
    low, high = float(finite.min()), float(finite.max())
    levels, costs = _levels(low, high), np.where(np.isfinite(costs), costs, np.nan)
    x, y = landscape.x, landscape.y
    axes.contourf(x, y, costs, [0.999 * low, *levels, 1.001 * high], norm="log", cmap="Greys_r", alpha=0.22)
    lines = axes.contour(x, y, costs, levels, colors=GREY, linewidths=0.6)
    axes.clabel(lines, fontsize=8, fmt=_plainly)


def _levels(low: float, high: float) -> list[float]:
    """Return round costs for contours: enough to show the shape, few enough to be labelled."""
    from matplotlib.ticker import MaxNLocator

    decades = range(floor(log10(low)), ceil(log10(high)))
    steps = [step * 10.0**decade for decade in decades for step in (1, 1.5, 2, 3, 5, 7)]
    round_ones = [level for level in steps if low < level < high]
    if len(round_ones) >= 6:
        return round_ones
    return [float(level) for level in MaxNLocator(8).tick_values(low, high) if low < level < high]
