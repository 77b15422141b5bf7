"""Work on untrusted input, in a child process with a limit of memory and time.

A file of a few kilobytes can ask its decoder for gigabytes, or for minutes. The child is a fork, which costs a
millisecond or two; exceeding a limit ends only the child.
"""

import os
import resource
import select
import signal
import struct
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

LENGTH = struct.Struct("<cQ")
PATIENCE = 4  # clock time per processor time that a child may take, on a busy machine
DONE, REFUSED, NO_MEMORY = b"d", b"r", b"m"


class RefusedWorkError(Exception):
    """The message of an error that the work raised."""


class LimitError(Exception):
    """The work exceeded its limits; the message continues after "it"."""


def call(work: Callable[[], bytes], refused: type[Exception], seconds: int, megabytes: int) -> bytes:
    """Return the result of `work`, done in a child process with limits on processor time and additional memory.

    Raises RefusedWorkError with the words of an error of type `refused`, LimitError where a limit is reached.
    """
    ours, theirs = os.pipe()
    with warnings.catch_warnings():
        # Python warns if other threads run: one might hold a lock that the child waits for, until its time is up.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            _limit(seconds, megabytes)
            _answer(theirs, work, refused)
        finally:
            os._exit(0)
    os.close(theirs)
    try:
        kind, content = _received(ours, child, seconds * PATIENCE)
    finally:
        os.close(ours)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        with suppress(ChildProcessError):  # where a shell ignores SIGCHLD
            os.waitpid(child, 0)
    if kind == REFUSED:
        raise RefusedWorkError(content.decode())
    if kind == NO_MEMORY:
        raise LimitError(f"takes more than {megabytes} MB of memory")
    if kind != DONE:
        raise LimitError(f"takes more than {seconds} s, or too much memory")
    return content


def _limit(seconds: int, megabytes: int) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * os.sysconf("SC_PAGE_SIZE") + (megabytes << 20)
    for what, limit in ((resource.RLIMIT_AS, most), (resource.RLIMIT_CPU, seconds), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(what)
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(what, (limit, limit))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGXCPU):
        signal.signal(number, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)  # libraries write past Python, straight to stderr
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)


def _answer(pipe: int, work: Callable[[], bytes], refused: type[Exception]) -> None:
    try:
        kind, content = DONE, work()
    except refused as error:
        kind, content = REFUSED, str(error).encode(errors="replace")
    except MemoryError:
        kind, content = NO_MEMORY, b""
    with os.fdopen(pipe, "wb") as stream:
        stream.write(LENGTH.pack(kind, len(content)))
        stream.write(content)


def _received(pipe: int, child: int, seconds: float) -> tuple[bytes, bytes]:
    """Return the child's answer, empty if the child or the time ends before it is complete."""
    deadline, found, wanted = time.monotonic() + seconds, bytearray(), LENGTH.size
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    while len(found) < wanted:
        # Other threads fork, too, and their children hold this pipe open, so an end of file cannot be relied on.
        if not poll.poll(50):
            if time.monotonic() > deadline or not _lives(child):
                return b"", b""
            continue
        part = os.read(pipe, 1 << 20)
        if not part:
            return b"", b""
        found += part
        if len(found) >= LENGTH.size:
            wanted = LENGTH.size + LENGTH.unpack_from(found)[1]
    return LENGTH.unpack_from(found)[0], bytes(found[LENGTH.size :])


def _lives(child: int) -> bool:
    try:
        return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:
        return False
