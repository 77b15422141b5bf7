"""Writes the figures of reliability.json, which `make torture` leaves, into docs/reliability.md. Nobody types them."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.machine import ROOT
from benchmarks.report import replace_between

RESULTS = ROOT / "benchmarks" / "reliability.json"
PAGE = ROOT / "docs" / "reliability.md"
PLAIN = ("promise", "what", "tried", "lost", "largest", "slowest")  # columns, and which trials had the maxima
WORDS = {
    "taken": "{} accepted as still valid",
    "megabytes": "at most {} MB more than at rest",
    "seconds": "at most {} s",
    "held_seconds": "each for at most {} s",
    "processor_seconds": "{} s of the server's processor time",
    "ms_before": "a good request takes {} ms before (the median)",
    "ms_meanwhile": "{} ms meanwhile",
    "ms_afterwards": "{} ms afterwards",
    "configs": "{} configs",
    "where": "{}",
    "megabytes_at_20": "{} MB resident at epoch 20",
    "megabytes_at_end": "{} MB at the end",
    "files_at_20": "{} open files",
    "files_at_end": "{} at the end",
    "ms_an_epoch_at_20": "{} ms of processor time an epoch after epoch 20",
    "ms_an_epoch_at_end": "{} ms at the end",
}


def main() -> None:
    """Rewrite the page."""
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")


def page(text: str, results: dict[str, Any]) -> str:
    """Return the page with these figures in place of the old ones."""
    for promise in sorted({row["promise"] for row in results["rows"]}):
        rows = [row for row in results["rows"] if row["promise"] == promise]
        begin, end = (f"<!-- promise {promise}: {word} -->" for word in ("begin", "end"))
        text = replace_between(text, begin, end, table(rows))
    text = replace_between(text, "<!-- cost: begin -->", "<!-- cost: end -->", cost(results["cost"]))
    return replace_between(text, "<!-- machine: begin -->", "<!-- machine: end -->", machine(results["about"]))


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows of a promise as a table."""
    lines = ["| tried | how often | lost | also measured |", "| --- | ---: | ---: | --- |"]
    for row in rows:
        also = ", ".join(WORDS[key].format(row[key]) for key in row if key not in PLAIN)
        lines.append(f"| {row['what']} | {row['tried']:,} | {row['lost']:,} | {also} |")
    return "\n".join(lines)


def cost(figures: dict[str, Any]) -> str:
    """Return what the promises cost, as a sentence."""
    return (
        f"Saving a checkpoint of {figures['bytes'] / 1e6:.1f} MB takes {figures['save_ms']:.0f} ms, and "
        f"{figures['save_without_fsync_ms']:.0f} ms without `fsync`; hashing all of MNIST's files at the start of a "
        f"training takes {figures['hash_data_ms']:.0f} ms (the best of 15 each)."
    )


def machine(about: dict[str, Any]) -> str:
    """Return where the figures come from."""
    return (
        f"Made by `make torture` on {about['cores']} cores, {about['system']}, Python {about['python']}, "
        f"commit {about['commit']}."
    )


if __name__ == "__main__":
    main()
