"""Writes the figures of benchmarks/results.json into the marked place in docs/benchmarks.md. Nobody types them."""

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results.json"
PAGE = RESULTS.parent.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"


def table(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    about = results["about"]
    lines = [
        "| workload | peer | median s an epoch | best ... worst | peer / mnistnet | same work |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in results["rows"]:
        spread = f"{row['best_s']:.3f} ... {row['worst_s']:.3f}, n = {row['epochs']}"
        valid = "yes" if row["valid"] else "**no**"
        lines.append(
            f"| {row['workload']} | {row['peer']} | {row['median_s']:.3f} | {spread} | {row['ratio']:.2f} | {valid} |"
        )
    machine = (
        f"{about['machine']}, {about['system']}; Python {about['python']}, NumPy {about['numpy']} ({about['blas']}), "
        f"PyTorch {about['torch']}; {about['threads']} threads each, {about['images']:,} images an epoch, seed "
        f"{about['seed']}, commit {about['commit']}."
    )
    return "\n".join([*lines, "", machine])


def write_table() -> None:
    """Replace what stands between the marks in docs/benchmarks.md."""
    text = PAGE.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    PAGE.write_text(f"{head}{BEGIN}\n\n{table(results)}\n\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    write_table()
