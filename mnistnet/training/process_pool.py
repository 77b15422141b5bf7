"""Processes that each do a part of the same work, and wait for each other often.

Threads would be slower: two that call NumPy for a few microseconds at a time wait for Python's lock after each call.
Forked processes have a lock each. They see the same arrays (`util/shared_memory.py`) and wait at a barrier made of
eventfds: counters in the kernel, which a process adds to or takes from in half a microsecond.

The matrix library works with one thread meanwhile: its own threads wait for each other in every product, in busy
loops, and lose ten times what they gain when another program runs.
"""

import gc
import logging
import os
import select
import signal
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any

from mnistnet.errors import WorkerError
from mnistnet.util import system
from mnistnet.util.shared_memory import shared_zeros

log = logging.getLogger(__name__)

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
TRIES = 100  # reads before sleeping, about a tenth of a millisecond: to be woken takes half as long
PATIENCE = 5  # seconds without a sign of the others, after which one looks whether they are stopped
MAX_ARGUMENTS = 8  # of a piece of work

Work = Callable[..., object]


def blas_threads(count: int) -> AbstractContextManager[Any]:
    """Let the matrix library use so many threads inside a `with` block."""
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(count, user_api="blas")
    return limits


def one_blas_thread() -> AbstractContextManager[Any]:
    """Keep the matrix library to one thread inside a `with` block."""
    return blas_threads(1)


def possible_size(wanted: int) -> int:
    """Return how many processes a pool can have here, of so many."""
    return wanted if system.CAN_SHARE_STEPS else 1


class ProcessPool:
    """`size` processes, of which the one that makes the pool is number 0. Use it in a `with` block.

    What the others write is seen by all in shared memory only. Arrays and objects that they need must exist when the
    pool starts.
    """

    def __init__(self, size: int) -> None:
        self.size = possible_size(size)
        self._work: Work = lambda part: None
        self._workers: list[tuple[int, int]] = []  # process number, and what is readable once it has ended
        self._events: list[int] = []
        self._others: list[list[int]] = []  # for each process, the events of all but itself
        self._ends: list[int] = []  # of a pipe that closes for the others when this process ends
        self._waiting: select.poll | None = None
        self._numbers = shared_zeros(1 + MAX_ARGUMENTS, float)
        self._told = False

    def __enter__(self) -> "ProcessPool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # They hold nothing but this memory, so they can be killed at any moment.
        for process, end in self._workers:
            with suppress(ProcessLookupError, ChildProcessError):  # where a shell ignores the death of children
                os.kill(process, signal.SIGKILL)
                os.waitpid(process, 0)
            os.close(end)
        for descriptor in (*self._events, *self._ends):
            os.close(descriptor)
        self._workers, self._events, self._ends = [], [], []

    def start(self, work: Work) -> None:
        """Start the other processes; each does its part of `work(part, *numbers)` at each `run`. Raises WorkerError."""
        self._work = work
        if self.size == 1:
            return
        try:
            self._events = [os.eventfd(0, os.EFD_NONBLOCK | os.EFD_SEMAPHORE) for _ in range(self.size)]
            self._others = [[e for e in self._events if e != own] for own in self._events]
            self._ends = list(os.pipe())
            for part in range(1, self.size):
                self._fork(part)
        except OSError as error:
            raise WorkerError(
                f"cannot start {self.size - 1} more processes to share the work with: {error.strerror}; "
                "train with one: --resume --set threads=1"
            ) from None
        self._watch(self._events[0], *(end for _, end in self._workers))

    def run(self, *numbers: float) -> None:
        """Do a piece of work together, and return when all have done their part. Raises WorkerError."""
        self.begin(*numbers)
        self._work(0, *numbers)
        self.end()

    def begin(self, *numbers: float) -> None:
        """Let the other processes begin a piece of work. The caller does part 0 of it, then calls `end`."""
        self._numbers[0], self._numbers[1 : 1 + len(numbers)] = len(numbers), numbers
        self.barrier(0)

    def end(self) -> None:
        """Return when the other processes have done their part. Raises WorkerError."""
        self.barrier(0)

    def barrier(self, part: int) -> None:
        """Return when all parts have called this as often as `part` has. Raises WorkerError where one never will."""
        if self.size == 1:
            return
        for event in self._others[part]:
            os.eventfd_write(event, 1)
        # Each process takes one count from every other at a barrier. One that is early for the next barrier adds a
        # second, which may be taken in place of another's; but it could only leave this one when all had come.
        for _ in range(self.size - 1):
            self._wait(self._events[part])

    def _wait(self, event: int) -> None:
        assert self._waiting is not None
        while True:
            for _ in range(TRIES):
                try:
                    os.eventfd_read(event)
                    return
                except BlockingIOError:
                    pass
            ready = [descriptor for descriptor, _ in self._waiting.poll(1000 * PATIENCE)]
            if not ready:
                self._tell_of_the_stopped()
            elif event not in ready:
                raise self._worker_error(ready[0])

    def _tell_of_the_stopped(self) -> None:
        """Say once that a process that shares the work does not go on, if it is stopped."""
        stopped = [str(process) for process, _ in self._workers if _is_stopped(process)]
        if stopped and not self._told:
            self._told = True
            log.warning(
                "waiting for process %s, which shares the work and is stopped; `kill -CONT %s` lets it go on",
                *(", ".join(stopped), " ".join(stopped)),
            )

    def _worker_error(self, end: int) -> WorkerError:
        """Return an error that says why nobody is at the other end."""
        words = os.read(end, 4096).decode(errors="replace")
        return WorkerError(
            f"a process that shared the work has ended ({words or 'it was killed'}): "
            "go on from the last epoch with --resume, if need be with one process: --resume --set threads=1"
        )

    def _watch(self, *descriptors: int) -> None:
        self._waiting = select.poll()
        for descriptor in descriptors:
            self._waiting.register(descriptor, select.POLLIN)

    def _fork(self, part: int) -> None:
        end, own = os.pipe()
        with warnings.catch_warnings():
            # Python warns where other threads run: one might hold a lock that the fork would wait for. A worker only
            # computes; NumPy, its matrix library and Python take care of their own locks.
            warnings.simplefilter("ignore", DeprecationWarning)
            process = os.fork()
        if process == 0:
            try:
                self._serve(part, own)
            finally:
                os._exit(1)
        os.close(own)
        self._workers.append((process, end))

    def _serve(self, part: int, own: int) -> None:
        """Do a part whenever asked, until the process that started the pool ends."""
        try:
            for number in SIGNALS:
                signal.signal(number, signal.SIG_IGN)  # the first process decides what is to be done
            gc.disable()  # what is garbage here may be of use in the first process
            alive = self._ends[0]
            _close_all_but(alive, own, *self._events)
            self._watch(self._events[part], alive)
            while True:
                self.barrier(part)
                self._work(part, *self._numbers[1 : 1 + int(self._numbers[0])].tolist())
                self.barrier(part)
        except WorkerError:
            pass
        except BaseException as error:  # whatever it is, the first process must know
            os.write(own, repr(error).encode()[:4096])


def _is_stopped(process: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in ("T", "t")
    return False


def _close_all_but(*kept: int) -> None:
    """Close everything else that is open: files, locks and connections of another process would live on here."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in {0, 1, 2}.difference(kept):
        os.dup2(nothing, standard)
    for before, after in pairwise([*sorted({0, 1, 2, *kept}), min(os.sysconf("SC_OPEN_MAX"), 2**16)]):
        os.closerange(before + 1, after)
