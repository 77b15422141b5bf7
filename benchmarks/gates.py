"""Trains the configs that promise an accuracy, over their seeds, and fails where the promise is not kept.

    python -m benchmarks.gates [--full]

Each training is a process of its own, as a user would type it; the time is that of the whole process.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Gate:
    """A config, how many seeds are averaged, and the mean test accuracy that it promises."""

    config: str
    seeds: int
    accuracy: float


GATES = [Gate("speedrun", 10, 0.98), Gate("quick_best", 3, 0.993)]
FULL = [Gate("best", 3, 0.9955)]


def train(config: str, seed: int, folder: Path) -> tuple[float, float]:
    """Return the test accuracy and the seconds of one training."""
    words = ["train", "--config", str(ROOT / "configs" / f"{config}.yaml"), "--set", f"seed={seed}"]
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "mnistnet", *words, "--out", str(folder), "--json", "--quiet"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    seconds = time.perf_counter() - began
    return json.loads(done.stdout.splitlines()[-1])["test_accuracy"], seconds


def passes(gate: Gate) -> bool:
    """Train a config over its seeds, print what came of it, and return whether its promise is kept."""
    with tempfile.TemporaryDirectory() as folder:
        runs = [train(gate.config, seed, Path(folder) / str(seed)) for seed in range(gate.seeds)]
    accuracies, seconds = zip(*runs, strict=True)
    mean = statistics.fmean(accuracies)
    kept = mean >= gate.accuracy
    print(
        f"{gate.config}: {100 * mean:.3f} % (n = {gate.seeds}, {100 * min(accuracies):.2f} to "
        f"{100 * max(accuracies):.2f} %; promised {100 * gate.accuracy:g} %) in {statistics.median(seconds):.2f} s "
        f"({min(seconds):.2f} to {max(seconds):.2f} s): {'kept' if kept else 'NOT KEPT'}",
        flush=True,
    )
    return kept


def main() -> None:
    """Check all gates; with --full those that take hours too."""
    results = [passes(gate) for gate in GATES + (FULL if "--full" in sys.argv[1:] else [])]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
