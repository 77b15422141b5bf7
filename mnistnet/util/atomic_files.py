"""Writing files so that a crash leaves the old one or the new one, and hashing them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from mnistnet.errors import MnistnetError

TEMPORARY = ".tmp"


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path`, and put it in the place of `path` when the block ends well.

    The bytes are on disk (fsync of the file, rename, fsync of the folder) before this returns. When the block
    fails, or is interrupted, `path` is as it was and the temporary file is gone; a crash leaves a file
    `.NAME.XXXX.tmp`, which `remove_temporaries` clears. Raises OSError.
    """
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}{TEMPORARY}")
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(file, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(path.parent)


def replace_file(path: Path, content: bytes, kind: type[MnistnetError]) -> None:
    """Write a file by `atomic_write`; where that fails, raise an error of this kind, which names file and reason."""
    try:
        with atomic_write(path) as stream:
            stream.write(content)
    except OSError as error:
        raise kind(f"{path}: cannot be written: {reason(error)}") from None


def remove_temporaries(folder: Path, name: str) -> None:
    """Delete what a crash in `atomic_write` left of the file `name`; call it only where no writer can be active."""
    for stray in folder.glob(f".{name}.*{TEMPORARY}"):
        with suppress(OSError):
            stray.unlink()


def reason(error: OSError) -> str:
    """Return the operating system's words for an error, in lower case, without number and path."""
    words = error.strerror or str(error)
    return words[:1].lower() + words[1:]


def _sync_folder(folder: Path) -> None:
    # Without this the rename itself may be lost in a power cut. Some systems cannot open a folder: no harm done.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
