"""Writing files so that a crash leaves the old one or the new one, and hashing them."""

import errno
import glob
import os
import socket
import stat
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from mnistnet.errors import MnistnetError
from mnistnet.util import system

TEMPORARY = ".tmp"
REPLACE_TRIES, REPLACE_PAUSE = 100, 0.02  # and seconds between them, for files that are open elsewhere
_HOST = f"{zlib.crc32(socket.gethostname().encode()):08x}"  # process numbers are per machine, folders may be shared


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path`, and rename it to `path` when the block ends without an error.

    The bytes are on disk (fsync of the file, rename, fsync of the folder) before this returns. When the block
    fails, or is interrupted, `path` is as it was and the temporary file is gone; a crash leaves a file
    `.NAME.PROCESS.XXXX.tmp`, which the next writer of `path` clears, or `remove_temporaries`. Raises OSError.
    """
    for stray in path.parent.glob(f".{glob.escape(path.name)}.{_HOST}-*{TEMPORARY}"):
        _, owner, _ = stray.name.removesuffix(TEMPORARY).rsplit(".", 2)
        if not lives(int(owner.rpartition("-")[2])):
            with suppress(OSError):
                stray.unlink()
    temporary = path.with_name(f".{path.name}.{_HOST}-{os.getpid()}.{os.urandom(4).hex()}{TEMPORARY}")
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(file, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        _replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(path.parent)


def replace_file(path: Path, content: bytes, kind: type[MnistnetError]) -> None:
    """Write a file by `atomic_write`; on failure raise an error of this kind, which names file and reason."""
    try:
        with atomic_write(path) as stream:
            stream.write(content)
    except OSError as error:
        raise kind(f"{path}: cannot be written: {reason(error)}") from None


def remove_temporaries(folder: Path, name: str) -> None:
    """Delete temporary files of `name` that a crash left; call it only where no writer can be active."""
    for stray in folder.glob(f".{glob.escape(name)}.*{TEMPORARY}"):
        with suppress(OSError):
            stray.unlink()


def open_regular(path: Path, flags: int = os.O_RDONLY) -> BinaryIO:
    """Open a regular file:

    no link, pipe, device or folder. Raises OSError. For files in folders where only we should write: a link there would
    make us overwrite its target, a pipe would make us wait for ever.
    """
    kept = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if path.is_symlink():
        raise OSError(errno.ELOOP, "it is a link; expected a regular file", str(path))
    file = os.open(path, flags | kept, 0o666)
    kind = os.fstat(file).st_mode
    if not stat.S_ISREG(kind):
        os.close(file)
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        raise OSError(errno.EINVAL, "it is a device or a pipe; expected a regular file", str(path))
    return os.fdopen(file, "rb" if flags == os.O_RDONLY else "r+b")


def lives(process: int) -> bool:
    """Return whether there is a process of this number on this machine."""
    if not system.CAN_CHECK_PROCESSES:
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it belongs to another user
        return True
    return process > 0


def reason(error: OSError) -> str:
    """Return the operating system's message for an error, in lower case, without number and path."""
    words = error.strerror or str(error)
    return words[:1].lower() + words[1:]


def _replace(temporary: Path, path: Path) -> None:
    """Rename a file over another. Raises OSError.

    Windows refuses while another program, such as a virus scanner, has the old one open, which is usually short.
    """
    for _ in range(0 if system.REPLACES_OPEN_FILES else REPLACE_TRIES):
        with suppress(PermissionError):
            temporary.replace(path)
            return
        time.sleep(REPLACE_PAUSE)
    temporary.replace(path)


def _sync_folder(folder: Path) -> None:
    # Without this the rename itself may be lost in a power cut. Some systems cannot open a folder: no harm done.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
