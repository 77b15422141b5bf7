"""Who computes the trials on other machines: the workers of a Dask cluster that is there (the extra `sweep`).

Only as many trials are handed over as there are threads to run them. Dask blames a worker's death on everything that
was handed to it and not reported yet, so a trial that waits in a worker's queue would have its neighbour blamed.
"""

import asyncio
import logging
import socket
import time
import uuid
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import msgspec

from mnistnet.errors import SweepError
from mnistnet.experiments.sweep import trial
from mnistnet.experiments.sweep.trial import Job, Score
from mnistnet.util.atomic_files import reason

if TYPE_CHECKING:
    from distributed import Client, Future

log = logging.getLogger(__name__)

PATIENCE = 4.0  # seconds to wait for a scheduler to answer, and again for its first worker
GLANCE = 1.0  # seconds between two looks at who is there
SCHEMES = ("tcp", "tls", "ws", "wss")


def require() -> None:
    """Raise SweepError unless Dask is installed."""
    if find_spec("distributed") is None:
        raise SweepError("--scheduler needs Dask, which is not installed: pip install 'mnistnet[sweep]'")


@contextmanager
def cluster_at(address: str) -> Iterator["Client"]:
    """Give a client of the cluster whose scheduler has this address. Raises SweepError, within 10 seconds."""
    from distributed import Client

    with _quiet():
        try:
            # Dask's client would try again and again where nobody listens, and wait for ever where somebody is silent.
            socket.create_connection(_host_and_port(address), PATIENCE).close()
            asyncio.run(asyncio.wait_for(_shake_hands(address), PATIENCE))
            client = Client(address, timeout=PATIENCE, set_as_default=False)
        except (OSError, ValueError, RuntimeError) as error:
            why = reason(error) if isinstance(error, OSError) else " ".join(str(error).split())
            raise SweepError(
                f"--scheduler {address}: no Dask scheduler answers there ({why[:200] or 'timed out'}); start one with "
                "`dask scheduler`, which prints its address, such as tcp://host:8786"
            ) from None
        with client:
            yield client


async def _shake_hands(address: str) -> None:
    """See that who listens there speaks Dask's language. Raises OSError and ValueError."""
    from distributed.comm import connect

    comm = await connect(address, timeout=PATIENCE)
    comm.abort()


def _host_and_port(address: str) -> tuple[str, int]:
    """Split an address such as tcp://host:8786, whose tcp:// may be left out. Raises ValueError."""
    scheme, mark, rest = address.partition("://")
    host, _, port = (rest if mark else scheme).rpartition(":")
    if (mark and scheme not in SCHEMES) or not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError("expected tcp://HOST:PORT")
    return host.strip("[]"), int(port)


def scores(client: "Client", jobs: Sequence[Job], until: float | None = None) -> Generator[Score, None, None]:
    """Run jobs and yield how each ended, in the order in which they end; after `until` (of time.monotonic) start none.

    Raises SweepError where no worker can run them, or the scheduler is lost. Closing this abandons what is running.
    """
    crew = _Crew(client, jobs[0])
    waiting = list(reversed(jobs))
    running: dict[Future, Job] = {}
    try:
        while running or (waiting and not trial.is_over(until)):
            crew.look()
            while waiting and len(running) < crew.threads and not trial.is_over(until):
                job = waiting.pop()
                running[crew.submit(job)] = job
            for future in crew.finished():
                if future not in running:
                    continue  # it was stranded, and is with other workers now
                job = running.pop(future)
                score = _score(job, future)
                if score.outcome == "refused":
                    crew.refuse(score.worker, score.error or "")
                    waiting.append(job)
                else:
                    yield score
            for future in crew.stranded(list(running)):
                waiting.append(running.pop(future))
    finally:
        for future in running:
            future.cancel(force=True)


class _Crew:
    """The workers of a cluster that may run trials."""

    def __init__(self, client: "Client", sample: Job) -> None:
        self._client, self._session = client, uuid.uuid4().hex[:8]
        self._refused: set[str] = set()
        self._assigned: dict[str, set[str]] = {}
        self._submitted = 0
        self._done: SimpleQueue[Future] = SimpleQueue()
        self._lost_since: float | None = None
        self._workers: dict[str, int] = {}
        self._inspect(sample)

    @property
    def threads(self) -> int:
        """How many trials can run at the same time."""
        return sum(threads for address, threads in self._workers.items() if address not in self._refused)

    def look(self) -> None:
        """See which workers are there. Raises SweepError when the scheduler is gone, or no worker is left to use."""
        if self._client.status != "running":
            self._lost_since = self._lost_since or time.monotonic()
            if self._client.status == "closed" or time.monotonic() - self._lost_since > PATIENCE:
                raise _lost()
            return
        self._lost_since = None
        workers = self._client.scheduler_info(n_workers=-1)["workers"]
        self._workers = {address: worker["nthreads"] for address, worker in workers.items()}
        if self._workers and self._refused.issuperset(self._workers):
            raise SweepError("no worker is left that can run trials: all were refused, for the reasons above")

    def refuse(self, worker: str, why: str) -> None:
        """Use a worker no more."""
        if worker not in self._refused:
            log.warning("worker %s is not used: %s", worker, why)
        self._refused.add(worker)

    def submit(self, job: Job) -> "Future":
        """Hand a job over to Dask, which may give it to any worker that was not refused."""
        self._submitted += 1
        key = f"mnistnet-trial-{job.key}-{self._session}-{self._submitted}"
        chosen = [address for address in self._workers if address not in self._refused] if self._refused else None
        future = self._client.submit(_work, job, key=key, workers=chosen, pure=False)
        if chosen:
            self._assigned[key] = set(chosen)
        future.add_done_callback(self._done.put)
        return future

    def finished(self) -> list["Future"]:
        """Return the futures that have ended, after waiting a little for the first."""
        done: list[Future] = []
        with suppress(Empty):
            done.append(self._done.get(timeout=GLANCE))
            while True:
                done.append(self._done.get_nowait())
        return done

    def stranded(self, futures: list["Future"]) -> list["Future"]:
        """Return those that wait for workers which have all gone, cancelled."""
        found = [f for f in futures if f.key in self._assigned and not self._assigned[f.key] & self._workers.keys()]
        for future in found:
            future.cancel()
        return found

    def _inspect(self, sample: Job) -> None:
        """Ask each worker whether it may run such jobs, and wait a while for the first. Raises SweepError."""
        from distributed import TimeoutError as TooLate

        try:
            self._client.wait_for_workers(1, timeout=PATIENCE)
        except (TooLate, TimeoutError):
            raise SweepError(
                "the scheduler has no workers: start some with `dask worker ADDRESS`, on machines with mnistnet "
                "and its data"
            ) from None
        for worker, answer in self._client.run(trial.refusal, sample, on_error="return").items():
            if isinstance(answer, (ImportError, AttributeError)):
                self.refuse(worker, f"it has another mnistnet than {sample.mnistnet}, or none")
            elif isinstance(answer, Exception):
                self.refuse(worker, f"{type(answer).__name__}: {' '.join(str(answer).split())[:200]}")
            elif answer:
                self.refuse(worker, answer)
        self.look()


def _work(job: Job) -> Score:
    """Run a job on a worker: with one BLAS thread as long as this process lives, since its threads may run several."""
    from distributed import get_worker
    from threadpoolctl import threadpool_limits

    threadpool_limits(1, user_api="blas")
    return msgspec.structs.replace(trial.run(job), worker=get_worker().address)


def _score(job: Job, future: "Future") -> Score:
    """Return how a job ended, from the future that was to bring it. Raises SweepError when the scheduler was lost."""
    from distributed import KilledWorker

    if future.status in ("cancelled", "lost"):
        raise _lost()
    if future.status == "finished":
        score: Score = future.result()
        return score
    error: Any = future.exception()
    if isinstance(error, KilledWorker):
        worker = error.last_worker.address
        why = "KilledWorker: each worker that ran it died, perhaps for lack of memory"
        return Score(key=job.key, outcome="killed", worker=worker, error=why)
    return trial.failed(job, error)


def _lost() -> SweepError:
    return SweepError("the scheduler is gone; the trials that had ended are kept: go on with --resume")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's own log lines and tracebacks away from the user: what matters is said in sentences."""
    loggers = [logging.getLogger(name) for name in ("distributed", "tornado", "asyncio")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
