"""A run's folder: who may write into it, where it stands, what is kept after each epoch, how it ends.

    config.yaml    the resolved config, loadable again
    metrics.csv    a row an epoch
    last.npz       the network after the last finished epoch, with all that resuming needs
    best.npz       the network of the best epoch

`best.npz` is written before `last.npz`: whatever moment a crash picks, the pair belongs together after `--resume`,
which starts from `last.npz` and does any epoch that is not in it again, with the same result.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mnistnet.checkpoint import checkpoint
from mnistnet.checkpoint.checkpoint import Checkpoint
from mnistnet.checkpoint.find import BEST as BEST
from mnistnet.config import loader as configs
from mnistnet.config.schema import Config
from mnistnet.data.datasets import Examples, Store
from mnistnet.errors import CheckpointError, DivergedError, RunError, UsageError
from mnistnet.inference.classifier import Classifier
from mnistnet.inference.evaluate import Evaluation, evaluate
from mnistnet.nn.network import Network
from mnistnet.nn.schedules import Constant, Step
from mnistnet.training import loop
from mnistnet.training.loop import EpochResult
from mnistnet.training.metrics import EpochMetrics
from mnistnet.training.metrics_csv import MetricsCsv
from mnistnet.training.parallel import blas_threads_for, workers_for
from mnistnet.training.process_pool import one_blas_thread
from mnistnet.training.state import State, attach_optimizer, batch_size, blas_description, epoch_size, split_for, start
from mnistnet.util.atomic_files import reason, remove_temporaries, replace_file
from mnistnet.util.locks import locked

log = logging.getLogger(__name__)

CONFIG, METRICS, LAST = "config.yaml", "metrics.csv", "last.npz"
METRIC_NAMES = tuple(EpochMetrics.__dataclass_fields__)
COLUMNS = (*METRIC_NAMES, "seconds")
MAY_CHANGE = {
    "learning_rate",
    "schedule",
    "schedule_epochs",
    "batch_size",
    "epochs",
    "weight_decay",
    "early_stopping",
    "threads",
}
"""The keys that may change when a run is resumed: all but those that decide what is learned, and by which network."""


@dataclass(frozen=True)
class Summary:
    """How a run ended: the epoch that was chosen, and its evaluation on the test images."""

    best_epoch: int
    test: Evaluation
    checkpoint: Path


class Run:
    """One training in one folder, held by a lock for as long as it is open. Get one from `open_run`."""

    def __init__(self, folder: Path, state: State, train: Examples, validation: Examples | None, store: Store) -> None:
        self.folder, self.state, self.store = folder, state, store
        self.train, self.validation = train, validation
        self.resumed_epoch = state.epoch
        self.blas, self.threads = blas_description(), _threads(state.config, train)
        self.table = MetricsCsv(folder / METRICS, COLUMNS)
        self._columns: dict[str, list[Any]] = {name: [] for name in METRIC_NAMES}

    @property
    def best(self) -> Path:
        """The file that holds the chosen network."""
        return self.folder / BEST

    @property
    def safe_epoch(self) -> int:
        """The last epoch on disk, 0 if there is none: read from there, since an interruption picks its moment."""
        return safe_epoch(self.folder)

    def epochs(self, on_progress: Callable[[int], object] | None = None) -> Iterator[EpochResult]:
        """Train what is left to train; each epoch is on disk before it is yielded.

        Raises DivergedError, CheckpointError, ConfigError.
        """
        try:
            for result in loop.fit(self.state, self.train, self.validation, on_progress):
                self.keep()
                self.table.add(asdict(result.metrics) | {"seconds": round(result.seconds, 3)})
                yield result
        except (DivergedError, CheckpointError) as error:
            epoch = self.safe_epoch
            safe = f"; epoch {epoch} is safe in {self.folder / LAST}" if epoch else ""
            raise type(error)(f"{error}{safe}") from None

    def finish(self) -> Summary:
        """Calibrate the chosen network on the validation images, and read the test images, once."""
        best = checkpoint.load(self.best)
        if self.validation and best.temperature is None:
            fitted = Classifier.of(best).fitted(self.validation)
            best = replace(best, temperature=fitted.temperature, ood_threshold=fitted.threshold)
            try:
                checkpoint.save(self.best, best)
            except CheckpointError as error:
                raise CheckpointError(f"{error}; training is done and safe: --resume ends it") from None
        test = evaluate(best.network, self.store.examples("test"))
        return Summary(best.epoch, test, self.best)

    def keep(self) -> None:
        """Write the network as it is now, with all that resuming needs. Raises CheckpointError."""
        now = self._checkpoint()
        if self.state.best_epoch == self.state.epoch:
            checkpoint.save(self.best, now)
        optimizer = self.state.optimizer
        moments = {f"optimizer.{name}": values for name, values in optimizer.state.items()}
        steps = np.array(optimizer.steps, np.int64)
        raw = {"raw": self.state.network.parameters} if self.state.average else {}
        checkpoint.save(self.folder / LAST, replace(now, training={"optimizer.steps": steps, **moments, **raw}))

    @property
    def _chooses(self) -> bool:
        return self.validation is not None and self.state.config.keep == "best"

    def _checkpoint(self) -> Checkpoint:
        history, chosen = self.state.history, self.state.best_epoch
        for name, column in self._columns.items():
            column.extend(getattr(metrics, name) for metrics in history[len(column) :])
        score = history[chosen - 1].validation_accuracy if chosen else None
        return Checkpoint(
            config=self.state.config,
            network=self.state.result,
            parameters="averaged" if self.state.average else "raw",
            epoch=self.state.epoch,
            metrics=self._columns,
            best={
                "epoch": chosen,
                "validation_accuracy": score,
                "chosen_by": "validation_accuracy" if self._chooses else "last epoch",
            },
            dataset=checkpoint.origin(self.store),
            blas=self.blas,
            threads=self.threads,
        )


def _threads(config: Config, train: Examples) -> int:
    """Return how many processes, or threads of the matrix library, take each step together."""
    return max(workers_for(config, epoch_size(config, train)), blas_threads_for(config))


def safe_epoch(folder: Path) -> int:
    """Return the last epoch of the run in a folder that is on disk, 0 if there is none."""
    try:
        return checkpoint.load(folder / LAST).epoch
    except CheckpointError:
        return 0


@contextmanager
def open_run(
    folder: Path,
    config: Config,
    store: Store,
    *,
    resume: bool = False,
    force: bool = False,
    weights: Network | None = None,
) -> Iterator[Run]:
    """Open the folder of a run: a new one, or with `resume` the one that is there, or with `force` in its place.

    A new one begins with `weights`, or with random ones. One that is resumed may have another config in the keys
    MAY_CHANGE, which is said in a warning.

    Raises UsageError for a folder that holds a run already, or another run than the one to resume; RunError where
    the folder cannot be used or another process is training in it; and what reading data and checkpoints raises.
    """
    _refuse_present(folder, resume or force)  # before the data is read, for an early answer
    configs.check_layer_sizes(config, store.spec)
    store.ensure()
    train, validation = split_for(config, store.examples("train"))
    store.warn()
    batch_size(config, epoch_size(config, train))  # now, while an older run in the folder is still whole
    threads = _threads(config, train)
    with locked(folder), one_blas_thread():
        _refuse_present(folder, resume or force)  # again: another process may just have ended a run here
        for name in (CONFIG, METRICS, LAST, BEST):
            remove_temporaries(folder, name)
        state = _resumed(folder, config, store, threads) if resume else None
        if is_new := state is None:
            state = start(config, weights)
            _clear(folder)
        run = Run(folder, state, train, validation, store)
        if is_new:
            if weights or not config.epochs:
                run.keep()  # before the config: --resume then never begins with other weights
            replace_file(folder / CONFIG, configs.to_yaml(config).encode(), RunError)
        run.table.start([asdict(metrics) for metrics in state.history])
        yield run


def _refuse_present(folder: Path, allowed: bool) -> None:
    """Raise UsageError where the folder holds a run, unless that is allowed."""
    try:
        present = [name for name in (LAST, BEST, METRICS, CONFIG) if (folder / name).exists()]
    except OSError as error:
        raise RunError(f"{folder}: cannot be used for a run: {reason(error)}; choose another with --out") from None
    if present and not allowed:
        raise UsageError(
            f"{folder} already holds a run ({', '.join(present)}): continue it with --resume, start over with --force, "
            "or choose another folder with --out"
        )


def _clear(folder: Path) -> None:
    """Clear an older run away."""
    try:
        for name in (LAST, BEST, METRICS, CONFIG):
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"{folder}: cannot be written: {reason(error)}; choose another folder with --out") from None


def _resumed(folder: Path, config: Config, store: Store, threads: int) -> State | None:
    """Return the state in `last.npz`, or None where there is none yet."""
    path = folder / LAST
    if not path.exists():
        _refuse_to_lose_best(folder, config)
        return None
    saved = _load(path, training=True)
    changed = configs.differences(saved.config, config)
    if keys := [key for key in changed if key not in MAY_CHANGE]:
        raise UsageError(
            f"{folder}: cannot resume with another config ({_changes(saved.config, config, keys)}): "
            "leave --config out to use the run's own, or start over with --force or in another folder with --out"
        )
    if saved.dataset["sha256"] != store.hashes():
        raise UsageError(
            f"{folder}: cannot resume, since {store.folder} holds other files than this run has learned from: "
            "put those back, or start over with --force or in another folder with --out"
        )
    state = attach_optimizer(config, saved.network)
    arrays = {name.removeprefix("optimizer."): a for name, a in (saved.training or {}).items()}
    steps = int(arrays.pop("steps", np.array(-1)))
    raw = arrays.pop("raw", None)
    if state.average and raw is not None:
        state.network.parameters[...] = raw
    if (
        steps < 0
        or bool(state.average) == (raw is None)
        or arrays.keys() != state.optimizer.state.keys()
        or saved.metrics.keys() != set(METRIC_NAMES)
    ):
        raise CheckpointError(f"{path}: does not hold what resuming needs; is it a best.npz under another name?")
    state.optimizer.restore(arrays, steps)
    if changed:
        _change_config(folder, saved.config, config, changed)
    rows = zip(*(saved.metrics[name] for name in METRIC_NAMES), strict=True)
    state.history.extend(EpochMetrics(*row) for row in rows)
    _load(folder / BEST)  # now, rather than at the end of a long training that cannot use it
    here = blas_description(), threads
    if here != (saved.blas, saved.threads):
        log.warning(
            "%s was written with %s, threads %s; here it is %s, threads %s: figures may differ in their last digits",
            *(path, saved.blas, saved.threads, *here),
        )
    return state


def _changes(old: Config, new: Config, keys: Sequence[str]) -> str:
    theirs, ours = configs.to_mapping(old), configs.to_mapping(new)
    return "; ".join(f"{key} was {theirs[key]}, is now {ours[key]}" for key in keys)


def _change_config(folder: Path, old: Config, new: Config, changed: Sequence[str]) -> None:
    """Write the config that a run goes on with, and say what is different. Raises RunError."""
    said = f"{folder}: goes on with another config: {_changes(old, new, changed)}"
    if "epochs" in changed and not new.schedule_epochs and not isinstance(new.schedule, Constant | Step):
        before = old.schedule_epochs or old.epochs
        said += (
            f"; the schedule is stretched over {new.epochs} epochs (with --set schedule_epochs={before} it stays as it "
            "was, and the learning rate at its end)"
        )
    log.warning("%s", said)
    replace_file(folder / CONFIG, configs.to_yaml(new).encode(), RunError)


def _refuse_to_lose_best(folder: Path, config: Config) -> None:
    """Raise UsageError where starting afresh would replace a chosen network by another one.

    A run that was stopped between its first two writes leaves a `best.npz` of epoch 1, which it will make again.
    """
    if not (folder / BEST).exists():
        return
    best = _load(folder / BEST)
    if best.epoch > 1 or best.config != config:
        raise UsageError(
            f"{folder} holds {BEST} of epoch {best.epoch} but no {LAST} to continue from: "
            "start over with --force, or choose another folder with --out"
        )


def _load(path: Path, *, training: bool = False) -> Checkpoint:
    try:
        return checkpoint.load(path, training=training)
    except CheckpointError as error:
        raise CheckpointError(
            f"{error}; the run cannot go on: start over with --force, or elsewhere with --out"
        ) from None
