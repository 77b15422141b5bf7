"""Accuracy and time of the shipped configs, from benchmarks/gates.json, as text.

`mnistnet config --list`, README.md and docs/gates.md show them. A wheel has the file beside the configs.
"""

from functools import cache
from pathlib import Path
from statistics import fmean, median

import msgspec
from msgspec import Struct

from mnistnet.config import presets

QUIET = 0.1  # cores that other programs may use while a time is measured


class Run(Struct, frozen=True):
    """One training: test accuracy from 0 to 1, seconds from prompt to prompt, and the cores that others used.

    A training that was interrupted, or shared its processors with another one, has no `seconds`.
    """

    accuracy: float
    seconds: float | None = None
    others: float = 0.0


class Figures(Struct, frozen=True):
    """The results of a config over the seeds 0 to n - 1."""

    config: str
    runs: tuple[Run, ...]

    @property
    def mean(self) -> float:
        """The mean test accuracy, from 0 to 1."""
        return fmean(run.accuracy for run in self.runs)

    @property
    def accuracy(self) -> str:
        """The mean test accuracy, and the lowest and highest where there are several."""
        accuracies = [run.accuracy for run in self.runs]
        spread = f" ({100 * min(accuracies):.2f} to {100 * max(accuracies):.2f})" if len(accuracies) > 1 else ""
        return f"{100 * self.mean:.2f} %{spread}"

    @property
    def seconds(self) -> list[float]:
        """The time of each training that was timed."""
        return [run.seconds for run in self.runs if run.seconds is not None]

    @property
    def time(self) -> str:
        """The median time, with a star where other programs were at work."""
        return duration(median(self.seconds)) + ("*" if self.disturbed else "")

    @property
    def disturbed(self) -> bool:
        """Whether other programs were at work during a training, so that the time is too long."""
        return any(run.others > QUIET for run in self.runs)


class _File(Struct):
    rows: list[Figures]


def path() -> Path:
    """Return the file of figures: beside the configs in a wheel, in benchmarks/ in a checkout."""
    inside = presets.folder() / "gates.json"
    return inside if inside.is_file() else presets.folder().parent / "benchmarks" / "gates.json"


@cache
def all_figures() -> dict[str, Figures]:
    """Return the figures of each measured config, by name."""
    return {row.config: row for row in msgspec.json.decode(path().read_bytes(), type=_File).rows}


def duration(seconds: float) -> str:
    """Return a time as people say it: 3.1 s, 18 s, 2 min 44 s."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
