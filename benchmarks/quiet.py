"""Whether other programs work on this machine at the same time: what they take, a measurement shows as ours.

A peer suffers from that unequally. Libraries whose threads wait for each other in busy loops, as PyTorch's do, become
ten times slower when one of two cores is taken, and a comparison made then would flatter whoever needs one thread.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from mnistnet.config.figures import QUIET

STAT = Path("/proc/stat")
CALM = QUIET  # cores that others may be using
TICKS = 0.03  # seconds by which the system's count may be off


class Watch:
    """Tells how many cores' worth of work others have done since it was made; nothing where there is no /proc/stat."""

    def __init__(self) -> None:
        self._began, self._own, self._all = time.perf_counter(), _own_seconds(), _busy_seconds()

    def others(self) -> float:
        """Return what all processes but this one and its helpers have used, in cores: 1.0 is one all the time."""
        own, everything = _own_seconds() - self._own, _busy_seconds() - self._all
        return max(0.0, everything - own - TICKS) / (time.perf_counter() - self._began)


def wait_for_calm(patience: float, rest: float) -> None:
    """Rest, and go on resting while others are at work, for at most `patience` seconds."""
    until = time.perf_counter() + patience
    while True:
        watch = Watch()
        time.sleep(rest)
        if watch.others() <= CALM or time.perf_counter() >= until:
            return


def helpers() -> list[Path]:
    """Return where the system tells of this process's children."""
    tasks = Path("/proc/self/task").glob("*/children")
    return [Path("/proc") / child for task in tasks for child in task.read_text(encoding="ascii").split()]


def _own_seconds() -> float:
    """Return the processor time of this process and its children."""
    ticks = 0
    for helper in helpers():
        fields = (helper / "stat").read_text(encoding="ascii").rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def _busy_seconds() -> float:
    """Return the time that all cores together have been at work, or were taken away by the machine's owner."""
    if not STAT.exists():
        return 0.0
    user, nice, system, _, _, irq, softirq, steal = map(int, STAT.read_text(encoding="ascii").split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
