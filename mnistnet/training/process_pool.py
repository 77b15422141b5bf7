"""Processes that do the parts of the same work at the same time, and meet often.

Threads would do if they were not in each other's way: two that call NumPy for a few microseconds at a time wait for
Python's lock after each call. Forked processes have a lock each. They see the same arrays (mnistnet/memory.py), and
a meeting is a bell: a counter in the kernel, which a process adds to or takes from in half a microsecond.

The matrix library works with one thread meanwhile: its own threads meet in every product, wait for each other in busy
loops, and lose ten times what they gain when another program runs.
"""

import gc
import os
import select
import signal
import sys
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from itertools import pairwise
from types import TracebackType
from typing import Any

from mnistnet.errors import WorkerError
from mnistnet.util.shared_memory import shared_zeros

CAN_FORK = sys.platform == "linux" and hasattr(os, "eventfd")  # elsewhere libraries do not survive a fork
TRIES = 100  # looks at a bell before sleeping, about a tenth of a millisecond: to be woken takes half as long
MAX_ARGUMENTS = 8  # numbers that a piece of work may be told

Work = Callable[..., object]


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def one_blas_thread() -> AbstractContextManager[Any]:
    """Keep the matrix library to one thread inside a `with` block."""
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(1, user_api="blas")
    return limits


def possible_size(wanted: int) -> int:
    """Return how many processes a team can have here, of so many."""
    return wanted if CAN_FORK else 1


class ProcessPool:
    """As many processes as there are parts; the one that makes the team does part 0. Use it in a `with` block.

    What helpers write is seen by all in shared memory only. Arrays and objects that they are to know must exist
    when the team starts.
    """

    def __init__(self, size: int) -> None:
        self.size = possible_size(size)
        self._work: Work = lambda part: None
        self._helpers: list[tuple[int, int]] = []  # process number, and what is readable once it has ended
        self._bells: list[int] = []
        self._ends: list[int] = []  # of a pipe that closes for the helpers when this process ends
        self._waiting: select.poll | None = None
        self._numbers = shared_zeros(1 + MAX_ARGUMENTS, float)

    def __enter__(self) -> "ProcessPool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # They hold nothing but this memory, so there is nothing to ask them for before they go.
        for process, end in self._helpers:
            with suppress(ProcessLookupError, ChildProcessError):  # where a shell ignores the death of children
                os.kill(process, signal.SIGKILL)
                os.waitpid(process, 0)
            os.close(end)
        for descriptor in (*self._bells, *self._ends):
            os.close(descriptor)
        self._helpers, self._bells, self._ends = [], [], []

    def start(self, work: Work) -> None:
        """Start the helpers, who wait for `run` to do their part of `work(part, *numbers)`. Raises WorkerError."""
        self._work = work
        if self.size == 1:
            return
        try:
            self._bells = [os.eventfd(0, os.EFD_NONBLOCK | os.EFD_SEMAPHORE) for _ in range(self.size)]
            self._ends = list(os.pipe())
            for part in range(1, self.size):
                self._fork(part)
        except OSError as error:
            raise WorkerError(
                f"cannot start {self.size - 1} more processes to share the work with: {error.strerror}; "
                "train with one: --set threads=1"
            ) from None
        self._watch(self._bells[0], *(end for _, end in self._helpers))

    def run(self, *numbers: float) -> None:
        """Do a piece of work together, and return when all have done their part. Raises WorkerError."""
        self.begin(*numbers)
        self._work(0, *numbers)
        self.end()

    def begin(self, *numbers: float) -> None:
        """Let the helpers begin a piece of work. Whoever calls this does part 0 of it, then calls `end`."""
        self._numbers[0], self._numbers[1 : 1 + len(numbers)] = len(numbers), numbers
        self.barrier(0)

    def end(self) -> None:
        """Return when the helpers have done their part. Raises WorkerError."""
        self.barrier(0)

    def barrier(self, part: int) -> None:
        """Return when all parts have called this as often as `part` has. Raises WorkerError where one never will."""
        if self.size == 1:
            return
        for other, bell in enumerate(self._bells):
            if other != part:
                os.eventfd_write(bell, 1)
        # Each hears every other one once a meeting. Who is early for the next one rings twice, and may be heard in
        # place of another; but it could only leave this one because that other had come too.
        for _ in range(self.size - 1):
            self._hear(self._bells[part])

    def _hear(self, bell: int) -> None:
        assert self._waiting is not None
        while True:
            for _ in range(TRIES):
                try:
                    os.eventfd_read(bell)
                    return
                except BlockingIOError:
                    pass
            ready = [descriptor for descriptor, _ in self._waiting.poll()]
            if bell not in ready:
                raise self._left_alone(ready[0])

    def _left_alone(self, end: int) -> WorkerError:
        """Return an error that says why nobody is at the other end."""
        words = os.read(end, 4096).decode(errors="replace")
        return WorkerError(
            f"a process that shared the work has ended ({words or 'it was killed'}): "
            "go on from the last epoch with --resume, if need be with one process: --set threads=1"
        )

    def _watch(self, *descriptors: int) -> None:
        self._waiting = select.poll()
        for descriptor in descriptors:
            self._waiting.register(descriptor, select.POLLIN)

    def _fork(self, part: int) -> None:
        end, own = os.pipe()
        with warnings.catch_warnings():
            # Python warns where other threads run: one might hold a lock that the fork would wait for. A helper only
            # computes; NumPy, its matrix library and Python take care of their own locks.
            warnings.simplefilter("ignore", DeprecationWarning)
            process = os.fork()
        if process == 0:
            try:
                self._help(part, own)
            finally:
                os._exit(1)
        os.close(own)
        self._helpers.append((process, end))

    def _help(self, part: int, own: int) -> None:
        """Do a part whenever asked, until the process that started the team ends."""
        try:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)  # it is for the other to decide what is to be done
            gc.disable()  # what is garbage here may be of use there
            alive = self._ends[0]
            _let_go_of_all_but(alive, own, *self._bells)
            self._watch(self._bells[part], alive)
            while True:
                self.barrier(part)
                self._work(part, *self._numbers[1 : 1 + int(self._numbers[0])].tolist())
                self.barrier(part)
        except WorkerError:
            pass
        except BaseException as error:  # whatever it is, the other is to hear of it
            os.write(own, repr(error).encode()[:4096])


def _let_go_of_all_but(*kept: int) -> None:
    """Close everything else that is open: files, locks and connections of another process would live on here."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in {0, 1, 2}.difference(kept):
        os.dup2(nothing, standard)
    for before, after in pairwise([*sorted({0, 1, 2, *kept}), min(os.sysconf("SC_OPEN_MAX"), 2**16)]):
        os.closerange(before + 1, after)
