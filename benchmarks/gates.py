"""Trains the configs that promise an accuracy, over their seeds, and fails where a promise is not kept.

    python -m benchmarks.gates                     # all that take minutes, into benchmarks/gates.json and docs/gates.md
    python -m benchmarks.gates --full              # `best` too, which takes an hour and a half
    python -m benchmarks.gates --only speedrun

Each training is a process of its own, as a user would type it, and its time is that of the whole process: start-up,
data and test included. Whoever has PyTorch also sees how long importing it takes, in turn with `speedrun`. A config
whose data is neither here nor can be fetched is left out, which is said: `fashion`, where there is no network.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import click
from msgspec import convert

from benchmarks.machine import ROOT, about, title
from benchmarks.pairs import Ended, in_turn, run
from benchmarks.quiet import wait_for_calm
from benchmarks.report import read, replace_between, table
from mnistnet.config import loader as configs
from mnistnet.config.figures import Figures
from mnistnet.data import datasets
from mnistnet.data.registry import DATASETS
from mnistnet.errors import MnistnetError

RESULTS = ROOT / "benchmarks" / "gates.json"
PAGE = ROOT / "docs" / "gates.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
IMPORT = ("-c", "import torch")


@dataclass(frozen=True)
class Gate:
    """A config, how many seeds are averaged, and the mean test accuracy that it promises."""

    config: str
    seeds: int
    accuracy: float


GATES = (
    Gate("default", 5, 0.98),
    Gate("speedrun", 10, 0.98),
    Gate("3blue1brown", 5, 0.95),
    Gate("quick_99", 3, 0.99),
    Gate("fashion", 3, 0.895),
    Gate("nielsen", 3, 0.98),
    Gate("full_batch", 1, 0.87),
    Gate("best", 3, 0.995),
)
LONG = ("best",)

Row = dict[str, Any]


@click.command()
@click.option("--full", is_flag=True, help=f"Those that take an hour or more too: {', '.join(LONG)}.")
@click.option(
    "--only", multiple=True, type=click.Choice([gate.config for gate in GATES]), help="Only this (repeatable)."
)
@click.option("--pairs", type=click.IntRange(0), default=10, help="How often importing PyTorch is timed.")
@click.option("--patience", default=30.0, help="Seconds to wait before a training while other programs compute.")
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS, help="File to write.")
def main(full: bool, only: tuple[str, ...], pairs: int, patience: float, results: Path) -> None:
    """Check the promises and keep what was measured; `python -m benchmarks.front_page` shows it on the pages."""
    chosen = [gate for gate in GATES if (gate.config in only if only else full or gate.config not in LONG)]
    found = read(results) if results.exists() else {"rows": [], "imports": None}
    kept = []
    for gate in chosen:
        if reason := missing(configs.load(config_file(gate.config)).dataset):
            print(
                f"{gate.config}: not trained, for its data is not here and could not be fetched ({reason})", flush=True
            )
            continue
        row = measured(gate, patience)
        kept.append(row["kept"])
        print(describe(row), flush=True)
        rows = {old["config"]: old for old in found["rows"]} | {gate.config: row}
        found["rows"] = [rows[each.config] for each in GATES if each.config in rows]
        _keep(results, found)
    if pairs and any(gate.config == "speedrun" for gate in chosen):
        if importlib.util.find_spec("torch"):
            found["imports"] = beside_torch(pairs, patience)
            _keep(results, found)
        else:
            print("importing PyTorch was not timed: it is not installed (pip install -e '.[bench]')")
    print(f"\n{text(found)}")
    sys.exit(0 if all(kept) else 1)


def page(page: str, found: Row) -> str:
    """Return the page with these figures."""
    return replace_between(page, BEGIN, END, text(found))


def config_file(config: str) -> Path:
    """Return the file of a config."""
    return ROOT / "configs" / f"{config}.yaml"


def missing(dataset: str) -> str | None:
    """Return why a data set is neither here nor can be fetched; None where it is here."""
    try:
        with contextlib.chdir(ROOT):  # where a training looks for it
            datasets.store(DATASETS[dataset]).ensure()
    except MnistnetError as error:
        return " ".join(str(error).split())
    return None


def training(config: str, seed: int, folder: str) -> list[str]:
    """Return the command that trains a config with a seed, as a user would type it."""
    words = ["train", "--config", str(config_file(config)), "--set", f"seed={seed}"]
    return [sys.executable, "-m", "mnistnet", *words, "--out", f"{folder}/{seed}", "--json", "--quiet"]


def measured(gate: Gate, patience: float) -> Row:
    """Train a config over its seeds; return what came of it, and whether its promise is kept."""
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(gate.seeds):
            if patience:
                wait_for_calm(patience, 1.0)
            ended = run(training(gate.config, seed, folder))
            accuracy = json.loads(ended.output.splitlines()[-1])["test_accuracy"]
            runs.append({"seed": seed, "accuracy": accuracy, **_times(ended)})
    kept = convert({"config": gate.config, "runs": runs}, Figures).mean >= gate.accuracy
    return {"config": gate.config, "promised": gate.accuracy, "kept": kept, "runs": runs, "about": _about()}


def beside_torch(pairs: int, patience: float) -> Row:
    """Time `speedrun` and `import torch` in turn."""
    with tempfile.TemporaryDirectory() as folder:
        commands = [*training("speedrun", 0, folder), "--force"], [sys.executable, *IMPORT]
        timed = [[ended.seconds for ended in pair] for pair in in_turn(*commands, pairs, patience)]
    return {"seconds": timed, "about": _about()}


def describe(row: Row) -> str:
    """Return a line about a config."""
    return f"{row['config']}: {', '.join(_cells(row)[1:])}"


def text(found: Row) -> str:
    """Return all that was measured, as a page shows it."""
    head = ["config", "seeds", "test accuracy", "promised", "seconds", "CPU seconds", "promise"]
    parts = [table(head, [_cells(row) for row in found["rows"]])]
    if found["imports"]:
        ours, theirs = zip(*found["imports"]["seconds"], strict=True)
        ratios = sorted(one / other for one, other in found["imports"]["seconds"])
        parts.append(
            f'`speedrun` took {median(ours):.2f} s, `python -c "import torch"` in turn {median(theirs):.2f} s: '
            f"{median(ratios):.2f} of it, pair by pair (n = {len(ratios)}, {ratios[0]:.2f} to {ratios[-1]:.2f})."
        )
    if any(convert(row, Figures).disturbed for row in found["rows"]):
        parts.append("\\* Other programs were at work meanwhile; on a machine of its own it takes less.")
    for sentence in dict.fromkeys(_machine(row["about"]) for row in found["rows"]):
        configs = [f"`{row['config']}`" for row in found["rows"] if _machine(row["about"]) == sentence]
        parts.append(f"{', '.join(configs)}: {sentence}")
    return "\n\n".join(parts)


def _cells(row: Row) -> list[str]:
    found = convert(row, Figures)
    seconds, processors = found.seconds, [one["cpu_seconds"] for one in row["runs"] if "cpu_seconds" in one]
    return [
        f"`{found.config}`",
        f"{len(found.runs)}",
        found.accuracy,
        f"{100 * row['promised']:g} %",
        f"{median(seconds):.1f} ({min(seconds):.1f} to {max(seconds):.1f})" + ("\\*" if found.disturbed else ""),
        f"{median(processors):.1f}",
        "kept" if row["kept"] else "**not kept**",
    ]


def _times(ended: Ended) -> Row:
    names = ("seconds", "cpu_seconds", "others")
    return {name: round(getattr(ended, name), 3) for name in names}


def _about() -> Row:
    known = about(60_000)
    kept = {name: known[name] for name in ("commit", "machine", "cores", "system", "python", "blas")}
    return kept | {name: known["versions"][name] for name in ("numpy", "torch")}


def _machine(about: Row) -> str:
    torch = f", PyTorch {about['torch']}" if about["torch"] else ""
    return (
        f"{title(about)}, {about['system']}; Python {about['python']}, "
        f"NumPy {about['numpy']} with {about['blas']}{torch}; commit {about['commit']}."
    )


def _keep(path: Path, found: Row) -> None:
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
