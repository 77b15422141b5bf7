"""One trial of a sweep: a training whose result depends only on its config and the data. Writes no files.

Workers on other machines call it by name. `refusal` checks that a worker has the same version and the same data.
"""

import hashlib
import time
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from mnistnet import __version__
from mnistnet.config import loader as configs
from mnistnet.config.schema import Config
from mnistnet.data.datasets import Examples, Store
from mnistnet.data.forms.found import ReadAs
from mnistnet.data.own_data import open_store
from mnistnet.errors import DivergedError, MnistnetError
from mnistnet.training import loop
from mnistnet.training.state import split_for


class Job(Struct, frozen=True):
    """What is sent to a worker. `dataset`: a name, or the path of data of your own, which all machines share.

    `data_dir`: where published data lies there; None: where the worker finds it by itself.
    """

    key: str
    config: dict[str, Any]
    dataset: str
    hashes: dict[str, str]
    data_dir: str | None
    mnistnet: str = __version__


class Score(Struct, frozen=True, kw_only=True):
    """How a trial ended. Figures are of the epoch with the highest validation accuracy, None unless it is `done`.

    `diverged` is a result like any other. `failed`: the error says why. `killed`: its workers died.
    `refused`: it was not tried; the error says why this worker cannot.
    """

    key: str
    outcome: Literal["done", "diverged", "failed", "killed", "refused"]
    validation_accuracy: float | None = None
    validation_loss: float | None = None
    best_epoch: int | None = None
    seconds: float = 0.0
    worker: str = ""
    error: str | None = None


def key_of(config: Config, hashes: dict[str, str]) -> str:
    """Return the name of a trial: 16 hexadecimal digits of the SHA-256 of its config and its data's hashes."""
    content = msgspec.json.encode([configs.to_mapping(config), hashes], order="sorted")
    return hashlib.sha256(content).hexdigest()[:16]


def run(job: Job) -> Score:
    """Train, and return how it ended. Every error a user can understand becomes part of the result."""
    began = time.perf_counter()
    sentence = refusal(job)
    if sentence:
        return Score(key=job.key, outcome="refused", error=sentence)
    config = configs.from_mapping(job.config)
    try:
        train, validation = _parts(config, job)
        state = loop.start(config)
        for _ in loop.fit(state, train, validation):
            pass
    except DivergedError as error:
        return Score(key=job.key, outcome="diverged", seconds=_since(began), error=str(error))
    except (MnistnetError, MemoryError, OSError) as error:
        sentence = str(error) or "not enough memory"
        return Score(key=job.key, outcome="failed", seconds=_since(began), error=sentence)
    best = state.history[state.best_epoch - 1]
    return Score(
        key=job.key,
        outcome="done",
        validation_accuracy=best.validation_accuracy,
        validation_loss=best.validation_loss,
        best_epoch=best.epoch,
        seconds=_since(began),
    )


def failed(job: Job, error: BaseException) -> Score:
    """Return the score of a job that ended with an unexpected error."""
    return Score(key=job.key, outcome="failed", error=f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")


def is_over(until: float | None) -> bool:
    """Return whether no more trials are to be started, after a time of time.monotonic; None: never."""
    return until is not None and time.monotonic() >= until


def refusal(job: Job) -> str | None:
    """Return the reason, in a sentence, why this process cannot run such a job, or None."""
    return _refusal(job.mnistnet, job.dataset, tuple(job.hashes.items()), job.data_dir, _read_as(job))


@lru_cache(maxsize=8)
def _refusal(
    version: str, dataset: str, hashes: tuple[tuple[str, str], ...], data_dir: str | None, read_as: ReadAs
) -> str | None:
    if version != __version__:
        return f"it has mnistnet {__version__}, and the sweep is of {version}"
    try:
        store = _store(dataset, data_dir, read_as)
    except MnistnetError as error:
        return f"it cannot read {dataset}: {error}"
    lacking = [name for name, state in store.states().items() if state in ("missing", "damaged")]
    if lacking:
        return f"it lacks {', '.join(lacking)} of {dataset} in {store.folder} (run `mnistnet download {dataset}` there)"
    if store.hashes() != dict(hashes):
        return f"its files of {dataset} in {store.folder} are others than the sweep's"
    return None


def _parts(config: Config, job: Job) -> tuple[Examples, Examples | None]:
    return split_for(config, _examples(job.dataset, job.data_dir, config.read_as))


@lru_cache(maxsize=1)
def _examples(dataset: str, data_dir: str | None, read_as: ReadAs) -> Examples:
    """Read the training files, once for all the trials that this process runs."""
    return _store(dataset, data_dir, read_as).examples("train")


def _store(dataset: str, data_dir: str | None, read_as: ReadAs) -> Store:
    return open_store(dataset, Path(data_dir) if data_dir else None, read_as=read_as)


def _read_as(job: Job) -> ReadAs:
    return configs.from_mapping(job.config).read_as


def _since(began: float) -> float:
    return round(time.perf_counter() - began, 3)
