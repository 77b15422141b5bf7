"""`mnistnet plot sweep`: trials in parallel coordinates, and accuracy against each key."""

import json
from collections.abc import Sequence
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mnistnet.errors import PlotError
from mnistnet.experiments.sweep.journal import Entry
from mnistnet.plots import COLOURS, GREY, figure
from mnistnet.util.arrays import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BEST, TOP, OTHERS = "#000000", COLOURS[0], "#C6C6C6"  # the best trial, the best tenth, all others
COLUMNS = 4
MAX_CATEGORIES = 8  # different whole numbers of a key: up to so many get a place each


class Scale:
    """The places of a key's values on an axis from 0 to 1, and their labels."""

    def __init__(self, key: str, values: Sequence[Any]) -> None:
        self.key = key
        different = sorted({json.dumps(value): value for value in values}.values(), key=_order)
        numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in different)
        self._places: dict[str, float] | None = None
        if numbers and len(different) > (3 if any(isinstance(value, float) for value in different) else MAX_CATEGORIES):
            low, high = float(different[0]), float(different[-1])
            self.logarithmic = low > 0 and high / low > 10
            self._low, self._high = self._of(low), self._of(high)
            self.ticks = [(self.place(value), _words(value)) for value in self._round()]
        else:
            self.logarithmic = False
            last = len(different) - 1
            self._places = {json.dumps(v): n / last if last else 0.5 for n, v in enumerate(different)}
            self.ticks = [(self.place(value), _words(value)) for value in different]

    @property
    def is_continuous(self) -> bool:
        """Whether places between the values have a meaning."""
        return self._places is None

    def place(self, value: Any) -> float:
        """Return the place of a value."""
        if self._places is not None:
            return self._places[json.dumps(value)]
        return (self._of(float(value)) - self._low) / (self._high - self._low)

    def _of(self, value: float) -> float:
        return float(np.log10(value)) if self.logarithmic else value

    def _round(self) -> list[float]:
        """Return a few round values within the scale."""
        if not self.logarithmic:
            from matplotlib.ticker import MaxNLocator

            found = MaxNLocator(4).tick_values(self._low, self._high)
            return [float(value) for value in found if self._low <= value <= self._high]
        decades = range(int(np.floor(self._low)), int(np.ceil(self._high)) + 1)
        steps = (1, 3) if self._high - self._low < 2.5 else (1,)
        values = [step * 10.0**decade for decade in decades for step in steps]
        return [value for value in values if self._low <= np.log10(value) <= self._high]


def draw_sweep(entries: Sequence[Entry], title: str, path: Path) -> None:
    """Draw each trial as a line through its values, and accuracy against each key. Raises PlotError."""
    done = [entry for entry in entries if entry.validation_accuracy is not None]
    if not done:
        raise PlotError(f"{title}: no trial is finished, so there is nothing to draw")
    keys = list(dict.fromkeys(key for entry in done for key in entry.values))
    done = [entry for entry in done if all(key in entry.values for key in keys)] or done
    keys = [key for key in keys if all(key in entry.values for entry in done)]
    scales = [Scale(key, [entry.values[key] for entry in done]) for key in keys]
    accuracies = 100 * np.array([entry.validation_accuracy for entry in done], float)
    rows = ceil(len(keys) / COLUMNS)
    with figure(path, 9.6, 3.4 + 2.7 * rows) as drawing:
        layout = drawing.add_gridspec(1 + rows, min(COLUMNS, max(len(keys), 1)), height_ratios=[1.25] + [1] * rows)
        top = drawing.add_subplot(layout[0, :])
        _lines(top, scales, done, accuracies)
        lost = sum(entry.outcome == "diverged" for entry in entries)
        top.set_title(f"{title}: {len(done):,} trials" + (f", and {lost:,} that diverged" if lost else ""))
        for number, scale in enumerate(scales):
            axes = drawing.add_subplot(layout[1 + number // COLUMNS, number % COLUMNS])
            _points(axes, scale, done, accuracies)
            if number % COLUMNS == 0:
                axes.set_ylabel("validation accuracy (%)")


def is_top(accuracies: Array) -> Array:
    """Return which trials are the best tenth, rounded up."""
    chosen: Array = np.zeros(len(accuracies), bool)
    chosen[np.argsort(-accuracies, kind="stable")[: ceil(len(accuracies) / 10)]] = True
    return chosen


def _lines(axes: "Axes", scales: Sequence[Scale], entries: Sequence[Entry], accuracies: Array) -> None:
    """Draw parallel coordinates: an axis a key, the last one for the accuracy."""
    from matplotlib.ticker import MaxNLocator

    low, high = float(accuracies.min()), float(accuracies.max())
    span = (high - low) or 1.0
    bend = np.linspace(0, 1, 30)
    ease = bend * bend * (3 - 2 * bend)
    top = is_top(accuracies)
    for at in np.argsort(accuracies, kind="stable"):  # the best are drawn last, over the others
        entry = entries[at]
        stops = [scale.place(entry.values[scale.key]) for scale in scales] + [(accuracies[at] - low) / span]
        x = np.concatenate([number + bend for number in range(len(stops) - 1)])
        y = np.concatenate([a + (b - a) * ease for a, b in pairwise(stops)])
        best = at == int(accuracies.argmax())
        if best:
            style: dict[str, Any] = {"color": BEST, "linewidth": 2.6, "label": "best"}
        elif top[at]:
            style = {"color": TOP, "linewidth": 1.8, "linestyle": (0, (5, 1.5)), "label": "best tenth"}
        else:
            style = {"color": OTHERS, "linewidth": 0.9, "label": "others"}
        axes.plot(x, y, **style)
    handles = {str(line.get_label()): line for line in axes.get_lines()}
    axes.legend([*handles.values()][::-1], [*handles][::-1], loc="lower right", bbox_to_anchor=(1, 1.0), ncols=3)
    for number, scale in enumerate(scales):
        axes.axvline(number, color=GREY, linewidth=1)
        for place, words in scale.ticks:
            axes.text(number - 0.02, place, words, ha="right", va="center", fontsize=8, zorder=5, bbox=_halo())
    axes.axvline(len(scales), color=GREY, linewidth=1)
    for value in MaxNLocator(5).tick_values(low, high):
        if low <= value <= high:
            axes.text(len(scales) + 0.02, (value - low) / span, f"{value:g} %", va="center", fontsize=8)
    axes.set_xticks(range(len(scales) + 1), [*(scale.key for scale in scales), "validation accuracy"])
    axes.set(yticks=[], ylim=(-0.06, 1.06), xlim=(-0.3, len(scales) + 0.25))
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.grid(visible=False)


def _halo() -> dict[str, Any]:
    return {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.8}


def _points(axes: "Axes", scale: Scale, entries: Sequence[Entry], accuracies: Array) -> None:
    """Draw the accuracy against one key; points that would hide each other stand side by side."""
    places = np.array([scale.place(entry.values[scale.key]) for entry in entries])
    if not scale.is_continuous:
        # The same order every time, no randomness: by accuracy, fanned out.
        ranks = np.argsort(np.argsort(accuracies, kind="stable"), kind="stable")
        places = places + 0.05 * ((ranks % 5) - 2) / 2 / max(1, len(scale.ticks) - 1)
    top, best = is_top(accuracies), int(accuracies.argmax())
    axes.scatter(places[~top], accuracies[~top], s=24, color="#9A9A9A", edgecolor="white", linewidth=0.5)
    axes.scatter(places[top], accuracies[top], s=34, color=TOP, edgecolor="white", linewidth=0.5, marker="D")
    axes.scatter(places[best], accuracies[best], s=110, facecolor="none", edgecolor=BEST, linewidth=1.4)
    axes.set_xticks([place for place, _ in scale.ticks], [words for _, words in scale.ticks])
    if max(len(words) for _, words in scale.ticks) * len(scale.ticks) > 26:
        axes.tick_params(axis="x", labelrotation=30)
    axes.set(xlabel=scale.key + (" (logarithmic)" if scale.logarithmic else ""), xlim=(-0.12, 1.12))


def _order(value: Any) -> tuple[bool, float, str]:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return not number, float(value) if number else 0.0, json.dumps(value)


def _words(value: Any) -> str:
    """Return a value as it is written on an axis, cut to what has room."""
    if isinstance(value, float):
        return f"{value:g}"
    text = value if isinstance(value, str) else json.dumps(value).replace('"', "")
    return text if len(text) <= 20 else f"{text[:18]}..."
