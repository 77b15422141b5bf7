"""What many tests do: run a command in this process, take the first images of a set."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from click.testing import CliRunner, Result

from mnistnet.cli import cli
from mnistnet.data.datasets import Examples
from mnistnet.vision import image_file, reading


def run(*words: str | Path) -> Result:
    """Run `mnistnet` with these words; what it printed and its exit code are in the result."""
    result = CliRunner().invoke(cli, [str(word) for word in words])
    escaped = r"\n" in result.stdout and not any("\n" in str(word) or "--json" in str(word) for word in words)
    assert not escaped, f"a line end was printed as if it were somebody else's:\n{result.stdout}"
    return result


def some(examples: Examples, count: int, start: int = 0) -> Examples:
    """Return `count` images from the front of a set, or from `start` on."""
    return examples.take(np.arange(start, start + count))


def read_digit(path: Path) -> npt.NDArray[np.uint8]:
    """Return the digit in a picture file in MNIST's form, shape (784,). Raises ImageError, naming the file."""
    return reading.digit_from_bytes(image_file.read_file(path), str(path))
