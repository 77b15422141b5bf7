"""Runs trials on whatever workers there are: processes of this machine (`local.py`), or a cluster's (`cluster.py`).

Both submit jobs to a `concurrent.futures.Executor`, only as many as can run: the job of a worker that died is blamed,
so no job may wait in its queue.
"""

import time
from collections import deque
from collections.abc import Collection, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Protocol

from mnistnet.experiments.sweep import trial
from mnistnet.experiments.sweep.trial import Job, Score

POLL = 1.0  # seconds between two checks of workers and time


class Workers(Protocol):
    """Runs trials."""

    def count(self) -> int:
        """Return how many trials can run at the same time, now. Raises SweepError when nobody is left."""
        ...

    def submit(self, job: Job) -> "Future[Score]":
        """Start a job. Raises SweepError."""
        ...

    def score(self, job: Job, future: "Future[Score]") -> Score | None:
        """Return how a job ended whose future is done; None if it is to be run again. Raises SweepError."""
        ...

    def abandon(self, futures: "Collection[Future[Score]]") -> None:
        """End what is still running."""
        ...


def scores(workers: Workers, jobs: Sequence[Job], until: float | None = None) -> Generator[Score, None, None]:
    """Run jobs and yield how each ended, in the order in which they end; after `until` (of time.monotonic) start none.

    Raises SweepError where nobody can run them. Closing this ends what is running.
    """
    waiting, running = deque(jobs), dict[Future[Score], Job]()
    try:
        while running or (waiting and not trial.is_over(until)):
            count = workers.count()
            while waiting and len(running) < count and not trial.is_over(until):
                job = waiting.popleft()
                running[workers.submit(job)] = job
            if not running:
                time.sleep(POLL)
            for future in wait(running, POLL, FIRST_COMPLETED).done:
                job = running.pop(future)
                score = workers.score(job, future)
                if score is None:
                    waiting.append(job)
                else:
                    yield score
    finally:
        workers.abandon(running)
