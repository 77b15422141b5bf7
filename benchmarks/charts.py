"""The pictures of docs/benchmarks.md. Colours are Okabe & Ito's, told apart by colour-blind eyes; in print, where they
turn grey, the patterns of the bars and the marks and strokes of the lines tell the same.
"""

from __future__ import annotations

from pathlib import Path
from statistics import mean
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from benchmarks.machine import title
from benchmarks.workloads import WORKLOADS

BARS = {
    "pytorch": ("#0072B2", ""),
    "pytorch compiled": ("#56B4E9", "///"),
    "jax": ("#E69F00", "..."),
    "scikit-learn": ("#009E73", "\\\\\\"),
    "textbook": ("#CC79A7", "xxx"),
}
LINES = {"mnistnet": ("#D55E00", "o", "-"), "pytorch": ("#0072B2", "s", "--")}
LABELS = {
    "width": "neurons in the hidden layer",
    "batch": "images in a batch",
    "threads": "processors, on 784-800-800-10",
    "seconds": "seconds for 60,000 images",
    "peak_mb": "peak memory, MB",
    "gflops": "GFLOP/s of matrix products",
}
PANELS = [
    [("width", "seconds"), ("batch", "seconds"), ("threads", "seconds")],
    [("width", "peak_mb"), ("batch", "peak_mb"), ("width", "gflops")],
]

matplotlib.rcParams |= {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "hatch.linewidth": 0.5}


def draw_ratios(results: dict[str, Any], path: Path) -> None:
    """Draw each peer's time as a multiple of ours, a bar each, by workload; the machines side by side."""
    machines = results["machines"]
    figure = Figure(figsize=(4 * len(machines), 7), layout="constrained")
    ratios = [
        {(row["workload"], row["peer"]): row for row in machine["rows"] if row["peer"] in BARS} for machine in machines
    ]
    bars = [(workload, peer) for workload in WORKLOADS for peer in BARS if any((workload, peer) in x for x in ratios)]
    # A bar's place is the same on all machines; between two workloads there is a gap.
    places = {bar: i + 0.8 * list(WORKLOADS).index(bar[0]) for i, bar in enumerate(bars)}
    ticks = [mean(place for (name, _), place in places.items() if name == workload) for workload in WORKLOADS]
    panels = figure.subplots(1, len(machines), sharex=True, sharey=True, squeeze=False)[0]
    for axes, machine, rows in zip(panels, machines, ratios, strict=True):
        for (workload, peer), row in rows.items():
            (colour, hatch), ratio, place = BARS[peer], row["ratio"], places[workload, peer]
            axes.barh(place, ratio - 1, 0.85, left=1, color=colour, hatch=hatch, edgecolor="black", linewidth=0.6)
            text = f" {ratio:.2f}" if row["valid"] else f" {ratio:.2f} (not valid)"
            axes.text(max(ratio, 1), place, text, va="center")
        axes.axvline(1, color="black", linewidth=1.2)
        axes.set_xscale("log")
        axes.margins(x=0.12)
        axes.set_yticks(ticks, list(WORKLOADS))
        axes.tick_params("y", length=0)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_title(title(machine["about"]))
    panels[0].invert_yaxis()
    figure.supxlabel("time of an epoch, mnistnet = 1: to the right of the line mnistnet is faster", size="medium")
    handles = [Patch(facecolor=c, hatch=h, edgecolor="black", label=peer) for peer, (c, h) in BARS.items()]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(BARS), frameon=False)
    _save(figure, path)


def draw_scaling(curves: dict[str, Any], path: Path) -> None:
    """Draw time, memory and throughput over width, batch and threads, ours and PyTorch's."""
    figure = Figure(figsize=(10, 6), layout="constrained")
    for line, panels in zip(figure.subplots(2, 3), PANELS, strict=True):
        for axes, (curve, what) in zip(line, panels, strict=True):
            _curve(axes, [row for row in curves["rows"] if row["curve"] == curve], curve, what)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(LINES), frameon=False)
    _save(figure, path)


def _curve(axes: Any, rows: list[dict[str, Any]], curve: str, what: str) -> None:
    for peer, (colour, marker, style) in LINES.items():
        mine = [row for row in rows if row["peer"] == peer]
        values, heights = [row["value"] for row in mine], [row[what] for row in mine]
        axes.plot(values, heights, color=colour, marker=marker, linestyle=style, markersize=4, label=peer)
    if curve == "threads":
        axes.set_xticks(sorted({row["value"] for row in rows}))
    else:
        axes.set_xscale("log", base=4 if curve == "width" else 100)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.minorticks_off()
    if what == "seconds" and curve != "threads":
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")
    else:
        axes.set_ylim(bottom=0)
    axes.grid(color="0.9")
    axes.set_xlabel(LABELS[curve])
    axes.set_ylabel(LABELS[what])


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=150, metadata={"Software": None})
