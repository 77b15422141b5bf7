"""One process at a time in a folder: a lock that the operating system frees when its holder ends, however it ends.

A note beside it has the holder's process number, for the message to a process that is refused.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock

from mnistnet.errors import RunError
from mnistnet.util.atomic_files import atomic_write, lives, open_regular, reason

LOCK, OWNER = ".lock", ".lock.pid"
PATIENCE = 1.0  # seconds to wait for the holder's note


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock. Raises RunError where another process holds it, or the folder cannot be used."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        open_regular(folder / LOCK, os.O_RDWR | os.O_CREAT).close()  # FileLock would follow a link
        lock = filelock.FileLock(folder / LOCK)
        lock.acquire(blocking=False)
    except filelock.Timeout:
        raise RunError(
            f"{folder}: {_owner(folder / OWNER)} is training in this folder; wait for it, or choose another with --out"
        ) from None
    except OSError as error:
        raise RunError(f"{folder}: cannot be used for a run: {reason(error)}; choose another with --out") from None
    try:
        with suppress(OSError), atomic_write(folder / OWNER) as stream:
            stream.write(f"{os.getpid()}\n".encode())
        yield
    finally:
        with suppress(OSError):
            (folder / OWNER).unlink()
        lock.release()


def _owner(note: Path) -> str:
    """Return the holder of a lock.

    A process writes its note right after it gets the lock. Until then, the note is missing, empty, or that of a killed
    process, so wait a little.
    """
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with suppress(OSError, ValueError):
            with open_regular(note) as stream:
                number = int(stream.read(100))
            if lives(number):
                return f"process {number}"
        time.sleep(0.02)
    return "another process"
