"""Writes the figures of results.json and curves.json into docs/benchmarks.md and its pictures. Nobody types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks import scaling
from benchmarks.bench import OURS, RESULTS, TRAINING
from benchmarks.machine import ROOT, sentence, title
from benchmarks.peers import PEERS
from benchmarks.workloads import WORKLOADS

CURVES = ROOT / "benchmarks" / "curves.json"
PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
SCALING_BEGIN, SCALING_END = "<!-- scaling: begin -->", "<!-- scaling: end -->"
ADAM = {name for name, workload in WORKLOADS.items() if workload.optimizer == "adam"}
DISTURBED = "other programs were at work during some of the epochs that count"
EPSILON = (
    "its Adam adds epsilon before the square root is corrected for the first steps; in the float64 proof each step is "
    "given the epsilon that makes it the paper's, in the timed epochs it is left as it is"
)


def main() -> None:
    """Rewrite the page and draw its pictures."""
    from benchmarks.charts import draw_ratios, draw_scaling

    results, curves = read(RESULTS), read(CURVES)
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), results, curves), encoding="utf-8")
    draw_ratios(results, PAGE.with_name("benchmarks.png"))
    draw_scaling(curves, PAGE.with_name("scaling.png"))


def read(path: Path) -> dict[str, Any]:
    """Return what a file of figures holds."""
    figures: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return figures


def page(text: str, results: dict[str, Any], curves: dict[str, Any]) -> str:
    """Return the page with these figures in place of the old ones."""
    text = replace_between(text, BEGIN, END, tables(results))
    return replace_between(text, SCALING_BEGIN, SCALING_END, scaling.text(curves))


def replace_between(page: str, begin: str, end: str, text: str) -> str:
    """Return the page with `text` between two marks that stand there once each. Raises ValueError where they do not."""
    if page.count(begin) != 1 or page.count(end) != 1 or page.index(begin) > page.index(end):
        raise ValueError(f"expected {begin!r} and, after it, {end!r} once each in the page; put them where figures go")
    head, _, rest = page.partition(begin)
    _, _, tail = rest.partition(end)
    return f"{head}{begin}\n\n{text}\n\n{end}{tail}"


def tables(results: dict[str, Any]) -> str:
    """Return all tables, with their footnotes, and each machine."""
    notes = Notes()
    machines = results["machines"]
    parts = [
        _ratios(machines, notes),
        _trainings(machines, notes),
        *(_measured(machine, notes) for machine in machines),
    ]
    return "\n\n".join([*parts, str(notes)])


class Notes:
    """Footnotes, numbered in the order in which they are first needed."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def mark(self, text: str) -> str:
        """Return the mark of a footnote."""
        if text not in self._texts:
            self._texts.append(text)
        return f"<sup>{self._texts.index(text) + 1}</sup>"

    def __str__(self) -> str:
        return "<br>\n".join(f"<sup>{number}</sup> {text}." for number, text in enumerate(self._texts, 1))


def _ratios(machines: list[dict[str, Any]], notes: Notes) -> str:
    peers = [p for p in list(PEERS)[1:] if any(row["peer"] == p for machine in machines for row in machine["rows"])]
    bare = notes.mark("the same matrix products through `np.matmul` and nothing else, as a part of our time")
    lines = []
    for workload in WORKLOADS:
        for machine in machines:
            rows = {row["peer"]: row for row in machine["rows"] if row["workload"] == workload}
            if not rows:
                continue
            why = {row["peer"]: row["why"] for row in machine["absent"] if row["workload"] == workload}
            cells = [_ratio(rows.get(peer), why.get(peer, "not measured"), notes) for peer in peers]
            share = f"{rows[OURS]['bare_share']:.2f}" if OURS in rows else "–"
            lines.append([workload, title(machine["about"]), *cells, share])
    head = ["workload", "processor", *peers, f"bare products{bare}"]
    return f"Epoch time relative to mnistnet's (above 1: mnistnet is faster):\n\n{table(head, lines)}"


def _ratio(row: dict[str, Any] | None, why: str, notes: Notes) -> str:
    if row is None:
        return "–" + notes.mark(why)
    text = f"{row['ratio']:.2f}" if row["valid"] else f"not valid ({row['ratio']:.2f})"
    return text + (notes.mark(DISTURBED) if row.get("disturbed") else "")


def _trainings(machines: list[dict[str, Any]], notes: Notes) -> str:
    rows = {
        (row["workload"], title(machine["about"]), row["peer"]): row
        for machine in machines
        for row in machine["rows"]
        if "training_s" in row
    }
    peers = [peer for peer in PEERS if any(peer == who for _, _, who in rows)]
    lines = []
    for workload, machine in dict.fromkeys((workload, machine) for workload, machine, _ in rows):
        cells = [_training(rows.get((workload, machine, peer)), notes) for peer in peers]
        lines.append([workload, machine, *cells])
    return (
        f"Seconds of a whole training of {TRAINING} epochs, the first one and its compiling included, and their ratio "
        f"to mnistnet's:\n\n{table(['workload', 'processor', *peers], lines)}"
    )


def _training(row: dict[str, Any] | None, notes: Notes) -> str:
    if row is None:
        return "–"
    text = f"{row['training_s']:.2f}" + ("" if row["peer"] == OURS else f" ({row['training_ratio']:.2f})")
    return text + (notes.mark(DISTURBED) if row["training_disturbed"] else "")


def _measured(machine: dict[str, Any], notes: Notes) -> str:
    """Return what was measured on one machine beside ratios, under its name."""
    heading = f"### {title(machine['about'])}"
    if "source" in machine:
        return f"{heading}\n\n{machine['source']}"
    names = ["workload", "peer", "median s", "best ... worst", "first epoch s", "images/s", "GFLOP/s", "peak MB"]
    names += ["weights differ by", "cost of the first epoch"]
    lines = [
        [
            row["workload"],
            row["peer"] + (notes.mark(EPSILON) if row["peer"] == "scikit-learn" and row["workload"] in ADAM else ""),
            f"{row['median_s']:.3f}",
            f"{row['best_s']:.3f} ... {row['worst_s']:.3f}, n = {row['epochs']}",
            f"{row['first_epoch_s']:.2f}",
            f"{row['samples_per_s']:,}",
            f"{row['gflops']:.1f}",
            f"{row['peak_mb']:,}",
            f"{row['float64_difference']:.0e}" if row["peer"] != OURS else "",
            f"{row['first_epoch_cost']:.5f}" + ("" if row["valid"] else ": **not the same work**"),
        ]
        for row in machine["rows"]
    ]
    return f"{heading}\n\n{table(names, lines)}\n\n{sentence(machine['about'])}"


def table(head: list[str], lines: list[list[str]]) -> str:
    """Return a table of a page."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *lines])


if __name__ == "__main__":
    main()
