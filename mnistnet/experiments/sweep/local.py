"""Workers on this machine: processes of the standard library, which open no port.

Each has a `ProcessPoolExecutor` of its own. A process that dies breaks only its own executor, so its trial is known and
runs again in a new process.
"""

import multiprocessing
import os
from collections import Counter
from collections.abc import Collection
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import msgspec

from mnistnet.errors import SweepError
from mnistnet.experiments.sweep import trial
from mnistnet.experiments.sweep.trial import Job, Score
from mnistnet.util.child import follow

ATTEMPTS = 2  # processes that may die of a trial before it counts as killed


class LocalWorkers:
    """A number of processes, each started when it is first needed."""

    def __init__(self, count: int) -> None:
        self._before = set(multiprocessing.active_children())
        self._executors = [_executor() for _ in range(count)]
        self._idle = list(range(count))
        self._slots = dict[Future[Score], int]()
        self._deaths = Counter[str]()

    def count(self) -> int:
        """Return how many processes there are."""
        return len(self._executors)

    def submit(self, job: Job) -> "Future[Score]":
        """Submit a job to an idle process. Raises SweepError where none can be started."""
        slot = self._idle.pop()
        try:
            try:
                future = self._executors[slot].submit(_run, job)
            except BrokenProcessPool:  # it died while idle, so no trial is to blame
                self._replace(slot)
                future = self._executors[slot].submit(_run, job)
        except OSError as error:
            raise SweepError(f"the workers cannot be started: {error}") from None
        self._slots[future] = slot
        return future

    def score(self, job: Job, future: "Future[Score]") -> Score | None:
        """Return how a job ended, None if its process died and another should try."""
        slot = self._slots.pop(future)
        self._idle.append(slot)
        try:
            return future.result()
        except BrokenProcessPool:
            self._replace(slot)
            self._deaths[job.key] += 1
            if self._deaths[job.key] < ATTEMPTS:
                return None
            return Score(
                key=job.key,
                outcome="killed",
                error="each process that ran it was killed, perhaps for lack of memory",
            )
        except Exception as error:  # an unexpected error of one trial must not stop the others
            return trial.failed(job, error)

    def abandon(self, futures: "Collection[Future[Score]]") -> None:
        """End all processes: they write nothing, so they can end at any moment."""
        for child in set(multiprocessing.active_children()) - self._before:
            child.kill()
        for executor in self._executors:
            executor.shutdown(cancel_futures=True)

    def _replace(self, slot: int) -> None:
        self._executors[slot].shutdown()
        self._executors[slot] = _executor()


def _executor() -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")  # libraries with threads do not survive a fork
    return ProcessPoolExecutor(1, context, follow, (os.getpid(),))


def _run(job: Job) -> Score:
    return msgspec.structs.replace(trial.run(job), worker=f"process {os.getpid()}")
