"""What many tests do: run a command in this process, take the first images of a set."""

from pathlib import Path

import numpy as np
from click.testing import CliRunner, Result

from mnistnet.cli import cli
from mnistnet.data.datasets import Examples


def run(*words: str | Path) -> Result:
    """Run `mnistnet` with these words; what it printed and its exit code are in the result."""
    return CliRunner().invoke(cli, [str(word) for word in words])


def some(examples: Examples, count: int, start: int = 0) -> Examples:
    """Return `count` images from the front of a set, or from `start` on."""
    return examples.take(np.arange(start, start + count))
