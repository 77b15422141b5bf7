"""Writes the figures of results.json and curves.json into docs/benchmarks.md and its pictures. Nobody types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks import scaling
from benchmarks.machine import ROOT, sentence
from benchmarks.peers import PEERS

RESULTS = ROOT / "benchmarks" / "results.json"
CURVES = ROOT / "benchmarks" / "curves.json"
PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
SCALING_BEGIN, SCALING_END = "<!-- scaling: begin -->", "<!-- scaling: end -->"
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
    """Return all tables, with their footnotes and the machine."""
    notes = Notes()
    parts = [_ratios(results, notes), _seconds(results["rows"]), _proof(results["rows"], notes)]
    return "\n\n".join([*parts, str(notes), sentence(results["about"])])


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


def _ratios(results: dict[str, Any], notes: Notes) -> str:
    rows = {(row["workload"], row["peer"]): row for row in results["rows"]}
    why = {(row["workload"], row["peer"]): row["why"] for row in results["absent"]}
    ours = [row for row in results["rows"] if row["peer"] == "mnistnet"]
    peers = [peer for peer in list(PEERS)[1:] if any(row["peer"] == peer for row in results["rows"])]
    lines = [[row["workload"], *(_ratio(row["workload"], peer, rows, why, notes) for peer in peers)] for row in ours]
    bare = notes.mark("the same matrix products through `np.matmul` and nothing else, as a part of our time")
    shares = [f"{row['bare_share']:.2f}" for row in ours]
    cells = table(
        ["peer / mnistnet", *peers, f"bare products{bare}"], [[*a, b] for a, b in zip(lines, shares, strict=True)]
    )
    return f"Epoch time relative to mnistnet's (above 1: mnistnet is faster):\n\n{cells}"


def _ratio(workload: str, peer: str, rows: dict[Any, Any], why: dict[Any, str], notes: Notes) -> str:
    row = rows.get((workload, peer))
    if row is None:
        return "–" + notes.mark(why.get((workload, peer), "not measured"))
    text = f"{row['ratio']:.2f}" if row["valid"] else f"not valid ({row['ratio']:.2f})"
    disturbed = "other programs were at work during some of the epochs that count"
    return text + (notes.mark(disturbed) if row["disturbed"] else "")


def _seconds(rows: list[dict[str, Any]]) -> str:
    head = ["workload", "peer", "median s", "best ... worst", "first epoch s", "images/s", "GFLOP/s", "peak MB"]
    lines = [
        [
            row["workload"],
            row["peer"],
            f"{row['median_s']:.3f}",
            f"{row['best_s']:.3f} ... {row['worst_s']:.3f}, n = {row['epochs']}",
            f"{row['first_epoch_s']:.2f}",
            f"{row['samples_per_s']:,}",
            f"{row['gflops']:.1f}",
            f"{row['peak_mb']:,}",
        ]
        for row in rows
    ]
    return f"Seconds an epoch; the first one, which does not count, is where a peer compiles:\n\n{table(head, lines)}"


def _proof(rows: list[dict[str, Any]], notes: Notes) -> str:
    head = ["workload", "peer", "weights differ by", "cost of the first epoch", "same work"]
    lines = []
    for row in rows:
        mark = notes.mark(EPSILON) if row["peer"] == "scikit-learn" and row["workload"] in ("classic", "wide") else ""
        difference = f"{row['float64_difference']:.0e}" if row["peer"] != "mnistnet" else ""
        same = "yes" if row["valid"] else "**no**"
        lines.append([row["workload"], row["peer"] + mark, difference, f"{row['first_epoch_cost']:.5f}", same])
    return f"That it was the same work:\n\n{table(head, lines)}"


def table(head: list[str], lines: list[list[str]]) -> str:
    """Return a table of a page."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *lines])


if __name__ == "__main__":
    main()
