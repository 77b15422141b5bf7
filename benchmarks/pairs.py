"""Times whole commands, from the prompt to the prompt, and two of them in turn: A B A B ...

A machine's speed drifts. Of two commands that take turns both meet the same moments, and the ratio of each pair says
more than two averages do.
"""

from __future__ import annotations

import resource
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.machine import ROOT
from benchmarks.quiet import Watch, wait_for_calm


@dataclass(frozen=True)
class Ended:
    """A command that is done: what it printed, its time, that of all its threads, and the cores that others used."""

    output: str
    seconds: float
    cpu_seconds: float
    others: float


def run(command: Sequence[str]) -> Ended:
    """Run a command to its end. Raises CalledProcessError where it fails."""
    watch, before, began = Watch(), _children(), time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    seconds, cpu = time.perf_counter() - began, _children() - before
    return Ended(done.stdout, seconds, cpu, max(0.0, watch.others() - cpu / seconds))


def in_turn(one: Sequence[str], other: Sequence[str], pairs: int, patience: float) -> Iterator[tuple[Ended, Ended]]:
    """Yield both commands' ends, pair by pair; a first one, in which files come into memory, does not count."""
    for number in range(pairs + 1):
        if patience:
            wait_for_calm(patience, 0.3)
        pair = run(one), run(other)
        if number:
            yield pair


def _children() -> float:
    """Return the processor time of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
