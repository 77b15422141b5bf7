"""The result of every reader, and the errors they share."""

import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mnistnet.data import idx
from mnistnet.errors import DataError
from mnistnet.util.atomic_files import reason

MAX_FILES = 10_000  # in a folder of IDX, CSV or NumPy files

OnRead = Callable[[str, int, int], object]
"""Called with what is done ("checking" or "reading" pictures), how many are done, and how many there are."""


@dataclass(frozen=True)
class ReadAs:
    """How data of your own is to be read:

    the config's keys of the same names. `pixels`: the network's inputs, None if there is no network yet.
    """

    pictures: str = "auto"
    orientation: str = "upright"
    invert: bool = False
    test_share: float = 0.15
    pixels: int | None = None


@dataclass(frozen=True)
class Part:
    """Images, uint8 of shape (n, rows, columns), and their labels, uint8 of shape (n,); `where` they were found."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
    where: str


@dataclass(frozen=True)
class Found:
    """A data set as found:

    its "train" part, and its "test" part if there is one. `form`: its kind of files, in words. `names`: of its classes,
    if the form has names. `remarks`: sentences about likely mistakes. `pictures`: how pictures were prepared, None if
    they were not. `emnist`: whether the files' names say so.
    """

    form: str
    parts: dict[str, Part]
    names: tuple[str, ...] | None = None
    remarks: list[str] = field(default_factory=list)
    pictures: str | None = None
    emnist: bool = False


def read_bytes(file: Path, limit: int = idx.MAX_BYTES) -> bytes:
    """Return a file's content. Raises DataError, naming it."""
    with reading(file):
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would never end
            what = "a folder" if stat.S_ISDIR(status.st_mode) else "a device or a pipe"
            raise DataError(f"{file}: expected a file, found {what}")
        if status.st_size > limit:
            raise DataError(f"{file}: larger than this program reads ({limit >> 20:,} MiB)")
        return file.read_bytes()


def listed(folder: Path) -> list[Path]:
    """Return a folder's entries, in order; none if it has far more than a data set. Raises DataError."""
    with reading(folder):
        found = list(islice(folder.iterdir(), MAX_FILES + 1))
    return sorted(found) if len(found) <= MAX_FILES else []


@contextmanager
def reading(file: Path) -> Iterator[None]:
    """Turn errors of the operating system into a DataError that names the file."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {reason(error)}") from None
    except ValueError as error:
        if "null" in str(error):  # a null character in the name
            raise DataError(f"{str(file)!r}: not a file name") from None
        raise
