"""Workers on other machines: those of a Dask cluster (the extra `sweep`), through its client's executor."""

import asyncio
import logging
import socket
import time
from collections.abc import Collection, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mnistnet.errors import SweepError
from mnistnet.experiments.sweep import trial
from mnistnet.experiments.sweep.trial import Job, Score
from mnistnet.util.atomic_files import reason
from mnistnet.util.extras import install_command

if TYPE_CHECKING:
    from distributed import Client
    from distributed.security import Security

log = logging.getLogger(__name__)

PATIENCE = 4.0  # seconds to wait for a scheduler to answer, and again for its first worker
NOISY = ("distributed", "tornado", "asyncio")
SCHEMES = ("tcp", "tls", "ws", "wss")


def require() -> None:
    """Raise SweepError unless Dask is installed."""
    if find_spec("distributed") is None:
        raise SweepError(f"--scheduler needs Dask, which is not installed: `{install_command('sweep')}` adds it")


@contextmanager
def cluster_at(address: str, tls: tuple[Path | None, Path | None, Path | None]) -> Iterator["Client"]:
    """Provide a client of the cluster whose scheduler has this address. Raises SweepError, within 10 seconds.

    `tls`: the files of the authority, of our certificate and of its key; None: what Dask's own configuration says.
    """
    from distributed import Client
    from distributed.security import Security

    given = dict(zip(("tls_ca_file", "tls_client_cert", "tls_client_key"), map(_text, tls), strict=True))
    with _quiet():
        try:
            security = Security(**{name: file for name, file in given.items() if file})
            # Dask's client would retry for ever where nobody listens, and wait for ever where no answer comes.
            socket.create_connection(_host_and_port(address), PATIENCE).close()
            asyncio.run(asyncio.wait_for(_shake_hands(address, security), PATIENCE))
            client = Client(address, timeout=PATIENCE, set_as_default=False, security=security)
        except (OSError, ValueError, RuntimeError, TypeError) as error:
            why = reason(error) if isinstance(error, OSError) else " ".join(str(error).split())
            raise SweepError(
                f"--scheduler {address}: no Dask scheduler answers there ({why[:200] or 'timed out'}); start one with "
                "`dask scheduler`, which prints its address, such as tcp://host:8786"
            ) from None
        with client:
            yield client


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


async def _shake_hands(address: str, security: "Security") -> None:
    """Check that a Dask scheduler listens there. Raises OSError and ValueError."""
    from distributed.comm import connect

    comm = await connect(address, timeout=PATIENCE, **security.get_connection_args("client"))
    comm.abort()


def _host_and_port(address: str) -> tuple[str, int]:
    """Split an address such as tcp://host:8786, whose tcp:// may be left out. Raises ValueError."""
    scheme, mark, rest = address.partition("://")
    host, _, port = (rest if mark else scheme).rpartition(":")
    if (mark and scheme not in SCHEMES) or not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError("expected tcp://HOST:PORT")
    return host.strip("[]"), int(port)


class ClusterWorkers:
    """The workers of a cluster that may run trials like `sample`. They may come and go."""

    def __init__(self, client: "Client", sample: Job) -> None:
        self._client, self._executor = client, client.get_executor(pure=False)
        self._refused: set[str] = set()
        self._assigned = dict[Future[Score], set[str]]()
        self._stranded = set[Future[Score]]()
        self._lost_since: float | None = None
        self._threads: dict[str, int] = {}
        self._inspect(sample)

    def count(self) -> int:
        """Return how many threads can run trials now; cancel jobs whose workers have all gone.

        Raises SweepError when the scheduler is gone, or no worker is left to use.
        """
        if self._client.status != "running":
            self._lost_since = self._lost_since or time.monotonic()
            if self._client.status == "closed" or time.monotonic() - self._lost_since > PATIENCE:
                raise _lost()
            return 0
        self._lost_since = None
        workers = self._client.scheduler_info(n_workers=-1)["workers"]
        self._threads = {address: worker["nthreads"] for address, worker in workers.items()}
        if self._threads and self._refused.issuperset(self._threads):
            raise SweepError("no worker is left that can run trials: all were refused, for the reasons above")
        for future, addresses in self._assigned.items():
            if not addresses & self._threads.keys() and future.cancel():
                self._stranded.add(future)
        return sum(self._threads[address] for address in self._usable())

    def submit(self, job: Job) -> "Future[Score]":
        """Submit a job to Dask, for any worker that was not refused."""
        chosen = self._usable()
        limit = {"workers": chosen} if self._refused else {}
        future: Future[Score] = self._executor.submit(_run, job, **limit)
        if self._refused:
            self._assigned[future] = set(chosen)
        return future

    def score(self, job: Job, future: "Future[Score]") -> Score | None:
        """Return how a job ended; None if its worker refused it or went away. Raises SweepError if the scheduler
        did."""
        from distributed import KilledWorker

        self._assigned.pop(future, None)
        try:
            score = future.result()
        except CancelledError:
            if future not in self._stranded:
                raise _lost() from None
            return None
        except KilledWorker as error:
            worker = error.last_worker.address
            why = "KilledWorker: each worker that ran it died, perhaps for lack of memory"
            return Score(key=job.key, outcome="killed", worker=worker, error=why)
        except Exception as error:  # an unexpected error of one trial must not stop the others
            return trial.failed(job, error)
        if score.outcome != "refused":
            return score
        self._refuse(score.worker, score.error or "")
        return None

    def abandon(self, futures: "Collection[Future[Score]]") -> None:
        """Cancel what is running: no worker begins it any more."""
        for future in futures:
            future.cancel()
        self._executor.shutdown(wait=False)

    def _usable(self) -> list[str]:
        return [address for address in self._threads if address not in self._refused]

    def _refuse(self, worker: str, why: str) -> None:
        """Stop using a worker."""
        if worker not in self._refused:
            log.warning("worker %s is not used: %s", worker, why)
        self._refused.add(worker)

    def _inspect(self, sample: Job) -> None:
        """Ask each worker whether it can run such jobs, and wait for the first answer. Raises SweepError."""
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
                self._refuse(worker, f"it has another mnistnet than {sample.mnistnet}, or none")
            elif isinstance(answer, Exception):
                self._refuse(worker, f"{type(answer).__name__}: {' '.join(str(answer).split())[:200]}")
            elif answer:
                self._refuse(worker, answer)
        self.count()


def _run(job: Job) -> Score:
    """Run a job on a worker: with one BLAS thread as long as this process lives, since its threads may run several."""
    from distributed import get_worker
    from threadpoolctl import threadpool_limits

    threadpool_limits(1, user_api="blas")
    return msgspec.structs.replace(trial.run(job), worker=get_worker().address)


def _lost() -> SweepError:
    return SweepError("the scheduler is gone; finished trials are kept: continue with --resume")


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide Dask's log lines and tracebacks from the user, who gets a sentence instead."""
    # Dask gives many of its loggers a level of their own.
    names = [name for name in logging.root.manager.loggerDict if name.partition(".")[0] in NOISY]
    loggers = [logging.getLogger(name) for name in (*NOISY, *names)]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
