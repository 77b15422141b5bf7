"""Who computes the trials on this machine: processes of the standard library, which open no port.

Each has a `ProcessPoolExecutor` of its own. A process that dies breaks its executor and no other's, so it is clear
whose trial it was: that one is tried again in a new process, and the others go on.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool

import msgspec

from mnistnet.errors import SweepError
from mnistnet.experiments.sweep import trial
from mnistnet.experiments.sweep.trial import Job, Score

ATTEMPTS = 2  # how many processes a trial may kill before it is given up
GLANCE = 1.0  # seconds between two looks at the time


def scores(jobs: Sequence[Job], workers: int, until: float | None = None) -> Generator[Score, None, None]:
    """Run jobs and yield how each ended, in the order in which they end; after `until` (of time.monotonic) start none.

    Raises SweepError where processes cannot be started. Closing this ends what is running.
    """
    before = set(multiprocessing.active_children())
    waiting, running, deaths = deque(jobs), dict[Future[Score], tuple[int, Job]](), Counter[str]()
    executors = [_executor() for _ in range(min(workers, len(jobs)))]
    idle = list(range(len(executors)))
    try:
        while running or (waiting and not trial.is_over(until)):
            while waiting and idle and not trial.is_over(until):
                slot, job = idle.pop(), waiting.popleft()
                try:
                    future = executors[slot].submit(_run, job)
                except BrokenProcessPool:  # its process died while it had nothing to do, so no trial is to blame
                    executors[slot].shutdown()
                    executors[slot] = _executor()
                    future = executors[slot].submit(_run, job)
                running[future] = slot, job
            for future in wait(running, GLANCE, FIRST_COMPLETED).done:
                slot, job = running.pop(future)
                idle.append(slot)
                try:
                    yield future.result()
                except BrokenProcessPool:
                    executors[slot].shutdown()
                    executors[slot] = _executor()
                    deaths[job.key] += 1
                    if deaths[job.key] < ATTEMPTS:
                        waiting.append(job)
                    else:
                        why = "each process that ran it was killed, perhaps for lack of memory"
                        yield Score(key=job.key, outcome="killed", error=why)
                except Exception as error:  # what a trial cannot explain itself is no reason to stop the others
                    yield trial.failed(job, error)
    except OSError as error:
        raise SweepError(f"the workers cannot be started: {error}") from None
    finally:
        for child in set(multiprocessing.active_children()) - before:
            child.kill()  # they write nothing, so they can end at any moment
        for executor in executors:
            executor.shutdown(cancel_futures=True)


def _executor() -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")  # libraries with threads do not survive a fork
    return ProcessPoolExecutor(1, context, _prepare, (os.getpid(),))


def _prepare(parent: int) -> None:
    """Leave Ctrl-C to the process that waits for this one, and end when that one has ended, however it did."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    if os.name == "posix":  # elsewhere a process keeps the number of its parent
        threading.Thread(target=watch, daemon=True).start()


def _run(job: Job) -> Score:
    return msgspec.structs.replace(trial.run(job), worker=f"process {os.getpid()}")
