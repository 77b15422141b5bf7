"""Measures the experiments of docs/lesson.md, and writes what came of them into it.

    python -m benchmarks.lesson

Each is a training of the page's view of learning, by the same code, with the seeds 0 to 4; accuracies are of the 2,000
training images that are kept apart there. No test image is read.
"""

import statistics
from typing import Any, NamedTuple

from benchmarks.machine import ROOT
from benchmarks.report import replace_between
from mnistnet.config import loader as configs
from mnistnet.data import datasets
from mnistnet.data.datasets import Examples
from mnistnet.data.registry import MNIST
from mnistnet.errors import DivergedError
from mnistnet.training.process_pool import one_blas_thread
from mnistnet.web import live_training
from mnistnet.web.live_training import Twist

PAGE = ROOT / "docs" / "lesson.md"
SEEDS = range(5)
VIDEO: dict[str, Any] = {
    "layer_sizes": [784, 16, 16, 10],
    "activation": "sigmoid",
    "loss": "quadratic",
    "optimizer": {"name": "sgd"},
    "learning_rate": 3.0,
    "batch_size": 100,
    **live_training.PLAIN,
}


class Trial(NamedTuple):
    """A row of an experiment: what it is called, what is different from the video's preset, and for how long.

    `epochs` is None where only `seconds` end it.
    """

    name: str
    settings: dict[str, Any]
    epochs: int | None
    twist: Twist = Twist()
    seconds: float = 60.0


EXPERIMENTS: dict[str, tuple[Trial, ...]] = {
    "rate": tuple(Trial(f"{rate:g}", {"learning_rate": rate}, 1) for rate in (0.03, 0.3, 3.0, 30.0, 300.0)),
    "zero": (Trial("random", {}, 3), Trial("all zero", {}, 3, Twist(zero_start=True))),
    "batch": (
        *(Trial(f"{size}", {"batch_size": size}, None, seconds=1.0) for size in (1, 10, 100, 1000)),
        Trial("all 58,000", {"batch_size": "all"}, None, seconds=1.0),
    ),
    "labels": (Trial("as they are", {}, 10), Trial("a tenth at random", {}, 10, Twist(wrong_labels=0.1))),
    "depth": tuple(
        Trial(
            f"{layers} x 16, {activation}",
            {"layer_sizes": [784, *[16] * layers, 10], "activation": activation, "learning_rate": rate},
            3,
        )
        for activation, rate in (("sigmoid", 3.0), ("relu", 0.3))
        for layers in (1, 2, 4)
    ),
}


def main() -> None:
    """Measure all, and rewrite the tables."""
    store = datasets.store(MNIST, ROOT / "data")
    parts, text = live_training.split(store.examples("train")), PAGE.read_text(encoding="utf-8")
    with one_blas_thread():
        for name, trials in EXPERIMENTS.items():
            rows = [_row(trial, parts) for trial in trials]
            table = "\n".join(["| | accuracy: mean (lowest to highest) | steps |", "| --- | --- | --- |", *rows])
            print(f"{name}\n{table}\n")
            text = replace_between(text, f"<!-- {name}: begin -->", f"<!-- {name}: end -->", table)
    PAGE.write_text(text, encoding="utf-8")


def _row(trial: Trial, parts: tuple[Examples, Examples]) -> str:
    ended = [_accuracy(trial, seed, parts) for seed in SEEDS]
    known = [accuracy for accuracy, _ in ended if accuracy is not None]
    steps = statistics.median(steps for _, steps in ended)
    if not known:
        return f"| {trial.name} | diverged, all {len(ended)} | {steps:,.0f} |"
    shown = f"{100 * statistics.mean(known):.1f} % ({100 * min(known):.1f} to {100 * max(known):.1f})"
    lost = f", {len(ended) - len(known)} diverged" if len(known) < len(ended) else ""
    return f"| {trial.name} | {shown}{lost} | {steps:,.0f} |"


def _accuracy(trial: Trial, seed: int, parts: tuple[Examples, Examples]) -> tuple[float | None, int]:
    """Return the accuracy on the images kept apart, None where the training diverged, and the steps taken."""
    config = configs.from_mapping({**VIDEO, **trial.settings, "seed": seed})
    live = live_training.of(parts, config, "all", trial.twist)
    try:
        live.advance(trial.seconds, trial.epochs and trial.epochs * live.steps_an_epoch)
        return live.report()["held_out_accuracy"], live.steps
    except DivergedError:
        return None, live.steps


if __name__ == "__main__":
    main()
