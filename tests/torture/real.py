"""Real processes of mnistnet: what to type, and how to run, watch and stop them."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def mnistnet(*words: str | Path) -> list[str]:
    """Return the command line of `mnistnet ...` with this Python."""
    return [sys.executable, "-m", "mnistnet", *map(str, words)]


def settings(**values: object) -> list[str]:
    """Return --set options."""
    return [word for key, value in values.items() for word in ("--set", f"{key}={value}")]


def train(folder: Path, data: Path, *options: str) -> list[str]:
    """Return the command line of a training."""
    return mnistnet("train", "--out", folder, "--data-dir", data, *options)


def one_thread() -> dict[str, str]:
    """Return an environment in which NumPy starts no threads of its own, for processes that fork."""
    return os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def run(command: list[str], code: int | None = 0, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, which must be this exit code (None: any)."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, **options)
    assert code is None or done.returncode == code, done.stderr
    return done


@contextmanager
def started(command: list[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Start a command; what still runs at the end of the block is killed."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    with subprocess.Popen(command, text=True, **pipes) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 60) -> None:
    """Wait until the condition holds, while the process runs."""
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.005)
