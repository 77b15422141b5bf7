"""A run's folder: who may use it, what is in it when, and what survives when something goes wrong."""

import csv
import errno
import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnistnet.checkpoint import checkpoint
from mnistnet.checkpoint.find import newest_run
from mnistnet.config import loader as configs
from mnistnet.config.schema import Config
from mnistnet.data import registry
from mnistnet.data.datasets import Examples, Store
from mnistnet.errors import CheckpointError, ConfigError, DataError, DivergedError, RunError, UsageError
from mnistnet.training import loop
from mnistnet.training import run as runs
from mnistnet.training.run import Summary
from mnistnet.util.atomic_files import atomic_write

FILES = ["best.npz", "config.yaml", "last.npz", "metrics.csv"]


@dataclass(frozen=True)
class SmallStore(Store):
    """The first images of MNIST, so that a run takes a moment."""

    train: Examples | None = None
    test: Examples | None = None

    def ensure(self) -> list[Any]:
        return []

    def examples(self, part: str) -> Examples:
        found = self.train if part == "train" else self.test
        if found is None:
            raise DataError("no such files")
        return found


@pytest.fixture(scope="session")
def store(mnist_train: Examples, mnist_test: Examples, mnist_dir: Path) -> SmallStore:
    few = np.arange(500)
    return SmallStore(registry.MNIST, mnist_dir, train=mnist_train.take(few), test=mnist_test.take(few))


def config(*overrides: str) -> Config:
    small = ["layer_sizes=[784, 4, 10]", "validation=100", "epochs=3", "batch_size=50", "weight_decay=0.01"]
    return configs.load(None, [*small, "schedule=one_cycle", "learning_rate=0.01", *overrides])


def train(folder: Path, wish: Config, store: Store, **options: Any) -> Summary:
    with runs.open_run(folder, wish, store, **options) as run:
        for _ in run.epochs():
            pass
        return run.finish()


def train_until(folder: Path, wish: Config, store: Store, epoch: int, **options: Any) -> None:
    """Stop a training, as if by Ctrl-C, right after an epoch."""
    with suppress(KeyboardInterrupt), runs.open_run(folder, wish, store, **options) as run:
        for result in run.epochs():
            if result.metrics.epoch == epoch:
                raise KeyboardInterrupt


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def contents(folder: Path) -> dict[str, bytes]:
    """Return what two equal runs must have in common, byte for byte."""
    files = {name: (folder / name).read_bytes() for name in FILES}
    files["metrics.csv"] = b"\n".join(line.rpartition(b",")[0] for line in files["metrics.csv"].splitlines())
    return files


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture(scope="session")
def unbroken(tmp_path_factory: pytest.TempPathFactory, store: SmallStore) -> dict[str, bytes]:
    """Return the files of a run of `config()` that nothing disturbed."""
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    train(folder, config(), store)
    return contents(folder)


# What a run leaves


def test_a_run_leaves_four_files_that_agree_with_each_other(tmp_path: Path, store: SmallStore) -> None:
    folder = tmp_path / "deep" / "run"
    summary = train(folder, config(), store)
    assert visible(folder) == FILES
    assert configs.load(folder / "config.yaml") == config()
    last, best = (
        checkpoint.load(folder / "last.npz", training=True),
        checkpoint.load(folder / "best.npz", training=True),
    )
    assert (last.epoch, best.epoch) == (3, summary.best_epoch)
    assert best.training == {}
    assert best.temperature is not None
    assert best.best == last.best
    accuracies = last.metrics["validation_accuracy"]
    assert best.epoch == accuracies.index(max(accuracies)) + 1
    assert best.dataset == {"name": "mnist", "sha256": store.hashes()}
    rows = table(folder)
    assert list(rows[0]) == [*last.metrics, "seconds"]
    for name, column in last.metrics.items():
        assert [float(row[name]) for row in rows] == column
    assert all(float(row["seconds"]) >= 0 for row in rows)
    assert summary.test.total == 500


def test_without_validation_best_is_the_last_epoch_and_says_so(tmp_path: Path, store: SmallStore) -> None:
    summary = train(tmp_path, config("validation=0"), store)
    best = checkpoint.load(tmp_path / "best.npz")
    assert summary.best_epoch == best.epoch == 3
    assert best.best == {"epoch": 3, "validation_accuracy": None, "chosen_by": "last epoch"}
    assert best.metrics["validation_loss"] == [None] * 3
    assert best.temperature is None
    assert [row["validation_accuracy"] for row in table(tmp_path)] == [""] * 3
    last = checkpoint.load(tmp_path / "last.npz")
    assert np.array_equal(best.network.parameters, last.network.parameters)


@pytest.mark.parametrize("resume", [False, True])
def test_no_epochs_write_the_first_weights_once(tmp_path: Path, store: SmallStore, resume: bool) -> None:
    wish = config("epochs=0")
    summary = train(tmp_path, wish, store, resume=resume)
    best = checkpoint.load(tmp_path / "best.npz")
    assert summary.best_epoch == best.epoch == best.best["epoch"] == 0
    assert np.array_equal(best.network.parameters, loop.start(wish).network.parameters)
    before = contents(tmp_path)
    train(tmp_path, wish, store, resume=True)
    assert contents(tmp_path) == before


def test_early_stopping_finishes_a_run_for_good(tmp_path: Path, store: SmallStore) -> None:
    wish = config("early_stopping={patience: 2}", "epochs=500", "schedule=constant", "learning_rate=0.1")
    train(tmp_path, wish, store)
    losses = checkpoint.load(tmp_path / "last.npz").metrics["validation_loss"]
    assert len(losses) == losses.index(min(losses)) + 3 < 500
    with runs.open_run(tmp_path, wish, store, resume=True) as run:
        assert run.state.finished
        assert list(run.epochs()) == []


def test_a_diverged_training_leaves_the_last_good_epoch_and_names_it(tmp_path: Path, store: SmallStore) -> None:
    train_until(tmp_path, config(), store, 2)
    good = contents(tmp_path)
    # The network is made infinite from outside: a learning rate that does so in epoch 3 is hard to find
    with runs.open_run(tmp_path, config(), store, resume=True) as run:
        run.state.network.parameters[0] = np.inf
        run.state.network.weights[-1][:] = np.nan
        with pytest.raises(DivergedError, match=r"diverged in epoch 3.*; epoch 2 is safe in .*last\.npz$"):
            list(run.epochs())
    assert contents(tmp_path) == good
    assert checkpoint.load(tmp_path / "last.npz").epoch == 2


def test_a_training_that_diverges_at_once_promises_nothing(tmp_path: Path, store: SmallStore) -> None:
    wish = config("learning_rate=1e9", "optimizer=sgd", "schedule=constant")
    with runs.open_run(tmp_path, wish, store) as run, pytest.raises(DivergedError) as caught:
        list(run.epochs())
    assert "is safe" not in str(caught.value)
    assert not (tmp_path / "last.npz").exists()


# Whose folder it is


def test_a_second_run_in_the_same_folder_is_refused(tmp_path: Path, store: SmallStore) -> None:
    train(tmp_path, config(), store)
    before = contents(tmp_path)
    with pytest.raises(UsageError, match=r"already holds a run \(last\.npz, .*--resume.*--force.*--out"):
        train(tmp_path, config(), store)
    assert contents(tmp_path) == before


def test_a_run_that_appears_while_the_data_is_read_is_not_overwritten(tmp_path: Path, store: SmallStore) -> None:
    class SlowStore(SmallStore):
        def examples(self, part: str) -> Examples:
            if part == "train" and not (tmp_path / "last.npz").exists():
                train(tmp_path, config(), store)
            return super().examples(part)

    slow = SlowStore(store.spec, store.folder, train=store.train, test=store.test)
    with pytest.raises(UsageError, match="already holds a run"):
        train(tmp_path, config("seed=9"), slow)
    assert checkpoint.load(tmp_path / "last.npz").config.seed == 0


def test_force_starts_over(tmp_path: Path, store: SmallStore, unbroken: dict[str, bytes]) -> None:
    train(tmp_path, config("seed=3", "epochs=5"), store)
    train(tmp_path, config(), store, force=True)
    assert contents(tmp_path) == unbroken


@pytest.mark.parametrize(
    ("overrides", "data", "error"),
    [
        (("batch_size=401",), True, ConfigError),
        (("train_images=401",), True, ConfigError),
        (("validation=500",), True, ConfigError),
        ((), False, DataError),
    ],
)
def test_force_keeps_the_old_run_when_the_new_one_cannot_start(
    tmp_path: Path, store: SmallStore, overrides: tuple[str, ...], data: bool, error: type[Exception]
) -> None:
    train(tmp_path, config(), store)
    before = contents(tmp_path)
    with pytest.raises(error):
        train(tmp_path, config(*overrides), store if data else replace(store, train=None), force=True)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("options", [{}, {"resume": True}, {"force": True}])
def test_a_folder_in_use_is_refused_and_its_process_named(
    tmp_path: Path, store: SmallStore, options: dict[str, bool]
) -> None:
    with runs.open_run(tmp_path / "run", config(), store) as run:
        list(run.epochs())
        before = contents(tmp_path / "run")
        named = rf"process {os.getpid()} is training in this folder" if options else "already holds a run"
        with pytest.raises((RunError, UsageError), match=named):
            train(tmp_path / "run", config(), store, **options)
        assert contents(tmp_path / "run") == before


def test_a_lock_file_of_a_dead_process_does_not_block(tmp_path: Path, store: SmallStore) -> None:
    (tmp_path / ".lock").touch()
    (tmp_path / ".lock.pid").write_text("999999999\n")
    train(tmp_path, config(), store)
    assert visible(tmp_path) == FILES
    assert not (tmp_path / ".lock.pid").exists()


@pytest.mark.parametrize("note", [None, "", "999999999\n", "nonsense"])
def test_the_owner_of_a_lock_is_waited_for_where_its_note_is_not_yet_written(
    tmp_path: Path, store: SmallStore, note: str | None
) -> None:
    with runs.open_run(tmp_path, config(), store):
        (tmp_path / ".lock.pid").unlink()
        if note is not None:
            (tmp_path / ".lock.pid").write_text(note)
        late = threading.Timer(0.2, (tmp_path / ".lock.pid").write_text, [f"{os.getpid()}\n"])
        late.start()
        with pytest.raises(RunError, match=f"process {os.getpid()} is training in this folder"):
            train(tmp_path, config(), store, force=True)
        late.join()


def test_out_that_is_a_file_is_refused(tmp_path: Path, store: SmallStore) -> None:
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(RunError, match=r"cannot be used for a run: .*; choose another with --out"):
            train(folder, config(), store)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_name_that_is_too_long_is_refused(tmp_path: Path, store: SmallStore) -> None:
    with pytest.raises(RunError, match="cannot be used for a run: file name too long"):
        train(tmp_path / ("x" * 300), config(), store)


# Resuming


@pytest.mark.parametrize("folder", ["missing", "empty"])
def test_resume_where_there_is_no_run_starts_one(
    tmp_path: Path, store: SmallStore, unbroken: dict[str, bytes], folder: str
) -> None:
    (tmp_path / "empty").mkdir()
    train(tmp_path / folder, config(), store, resume=True)
    assert contents(tmp_path / folder) == unbroken


def test_resume_of_a_run_without_a_finished_epoch_starts_it_afresh(
    tmp_path: Path, store: SmallStore, unbroken: dict[str, bytes]
) -> None:
    with runs.open_run(tmp_path, config("epochs=9"), store):
        pass
    assert (tmp_path / "config.yaml").exists()
    train(tmp_path, config(), store, resume=True)
    assert contents(tmp_path) == unbroken


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_resume_repeats_no_finished_epoch_and_makes_the_same_bytes(
    tmp_path: Path, store: SmallStore, unbroken: dict[str, bytes], epoch: int
) -> None:
    train_until(tmp_path, config(), store, epoch)
    with runs.open_run(tmp_path, config(), store, resume=True) as run:
        assert run.resumed_epoch == epoch
        assert [result.metrics.epoch for result in run.epochs()] == list(range(epoch + 1, 4))
        run.finish()
    assert contents(tmp_path) == unbroken
    assert [row["epoch"] for row in table(tmp_path)] == ["1", "2", "3"]
    assert all(row["seconds"] for row in table(tmp_path) if int(row["epoch"]) != epoch)


def test_resume_of_a_finished_run_does_nothing_and_says_the_same(tmp_path: Path, store: SmallStore) -> None:
    first = train(tmp_path, config(), store)
    before = {name: (tmp_path / name).read_bytes() for name in FILES}
    with runs.open_run(tmp_path, config(), store, resume=True) as run:
        assert run.state.finished
        assert list(run.epochs()) == []
        again = run.finish()
    assert (again.best_epoch, again.test.correct) == (first.best_epoch, first.test.correct)
    assert {name: (tmp_path / name).read_bytes() for name in FILES} == before


def test_resume_with_another_config_is_refused_and_the_keys_named(tmp_path: Path, store: SmallStore) -> None:
    train_until(tmp_path, config(), store, 1)
    before = contents(tmp_path)
    with pytest.raises(UsageError) as caught:
        train(tmp_path, config("seed=5", "activation=tanh"), store, resume=True)
    message = str(caught.value)
    assert "activation was relu, is now tanh; seed was 0, is now 5" in message
    assert caught.value.exit_code == 2
    assert contents(tmp_path) == before


def test_resume_starts_from_the_config_file_the_run_wrote(
    tmp_path: Path, store: SmallStore, unbroken: dict[str, bytes]
) -> None:
    train_until(tmp_path, config(), store, 1)
    train(tmp_path, configs.load(tmp_path / "config.yaml"), store, resume=True)
    assert contents(tmp_path) == unbroken


def test_a_best_network_without_a_last_one_is_not_trained_over(tmp_path: Path, store: SmallStore) -> None:
    train(tmp_path, config(), store)
    (tmp_path / "last.npz").unlink()
    with pytest.raises(UsageError, match=r"holds best\.npz of epoch \d but no last\.npz"):
        train(tmp_path, config("seed=2"), store, resume=True)
    assert (tmp_path / "best.npz").exists()


@pytest.mark.parametrize("name", ["last.npz", "best.npz"])
@pytest.mark.parametrize("damage", [b"", b"not a checkpoint", None])
def test_resume_of_a_damaged_run_is_refused_before_it_trains(
    tmp_path: Path, store: SmallStore, name: str, damage: bytes | None
) -> None:
    train_until(tmp_path, config(), store, 2)
    path = tmp_path / name
    if damage is None and name == "last.npz":
        path.write_bytes((tmp_path / "best.npz").read_bytes())
    elif damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)
    with pytest.raises(CheckpointError) as caught:
        train(tmp_path, config(), store, resume=True)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_checkpoint_of_another_optimizer_or_without_its_steps_is_refused(tmp_path: Path, store: SmallStore) -> None:
    train_until(tmp_path, config(), store, 1)
    saved = checkpoint.load(tmp_path / "last.npz", training=True)
    assert saved.training is not None
    moments = dict(saved.training)
    for wrong in (
        {"training": {key: value for key, value in moments.items() if "first" not in key}},
        {"training": {key: value for key, value in moments.items() if "steps" not in key}},
        {"training": moments | {"optimizer.steps": np.array(-1)}},
        {"training": moments | {"optimizer.velocity": moments["optimizer.first_moment"]}},
        {"metrics": {key: value for key, value in saved.metrics.items() if key != "loss"}},
    ):
        checkpoint.save(tmp_path / "last.npz", replace(saved, **wrong))
        with pytest.raises(CheckpointError, match="does not hold what resuming needs"):
            train(tmp_path, config(), store, resume=True)


def test_resuming_with_another_matrix_library_is_said(
    tmp_path: Path, store: SmallStore, caplog: pytest.LogCaptureFixture
) -> None:
    train_until(tmp_path, config(), store, 1)
    saved = checkpoint.load(tmp_path / "last.npz", training=True)
    checkpoint.save(tmp_path / "last.npz", replace(saved, blas="slowblas 0.1"))
    with caplog.at_level(logging.WARNING):
        train(tmp_path, config(), store, resume=True)
    assert "was written with slowblas 0.1" in caplog.text


# What survives when something goes wrong


class StopError(BaseException):
    """The process ends here, as far as the test is concerned."""


def saves(monkeypatch: pytest.MonkeyPatch, on_save: Callable[[int, Path, Callable[[], None]], None]) -> None:
    """Let `on_save(number, path, really_save)` stand in for saving a checkpoint."""
    real, count = checkpoint.save, 0

    def save(path: Path, wanted: checkpoint.Checkpoint) -> None:
        nonlocal count
        count += 1
        on_save(count, path, lambda: real(path, wanted))

    monkeypatch.setattr(checkpoint, "save", save)


@pytest.mark.parametrize("after", [False, True])
def test_stopped_before_or_after_any_write_a_resumed_run_makes_the_same_bytes(
    tmp_path: Path, store: SmallStore, unbroken: dict[str, bytes], after: bool
) -> None:
    for stop in range(1, 100):
        folder = tmp_path / str(stop)

        def on_save(number: int, path: Path, really_save: Callable[[], None], stop: int = stop) -> None:
            if number != stop or after:
                really_save()
            if number == stop:
                raise StopError

        with pytest.MonkeyPatch.context() as patch:
            saves(patch, on_save)
            try:
                train(folder, config(), store)
            except StopError:
                pass
            else:
                break
        train(folder, config(), store, resume=True)
        assert contents(folder) == unbroken
    assert stop > 4, "at least a best, three lasts and a calibrated best are written"


def test_best_is_written_before_last(tmp_path: Path, store: SmallStore, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    def on_save(number: int, path: Path, really_save: Callable[[], None]) -> None:
        order.append(path.name)
        really_save()

    saves(monkeypatch, on_save)
    with runs.open_run(tmp_path, config("validation=0"), store) as run:
        list(run.epochs())
    assert order == ["best.npz", "last.npz"] * 3


def test_strays_of_a_crash_are_cleared_and_other_files_stay(tmp_path: Path, store: SmallStore) -> None:
    train_until(tmp_path, config(), store, 1)
    for name in (".last.npz.12345678.tmp", ".best.npz.0.tmp", ".metrics.csv.a.tmp", ".config.yaml.b.tmp"):
        (tmp_path / name).write_bytes(b"half a file")
    (tmp_path / "notes.tmp").write_text("mine")
    train(tmp_path, config(), store, resume=True)
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".tmp") == ["notes.tmp"]


def test_a_full_disk_ends_in_one_line_and_the_last_good_epoch_goes_on(
    tmp_path: Path, store: SmallStore, unbroken: dict[str, bytes]
) -> None:
    resource = pytest.importorskip("resource", reason="needs a limit on the size of files")
    train_until(tmp_path, config(), store, 1)
    room = (tmp_path / "best.npz").stat().st_size + 5000
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with runs.open_run(tmp_path, config(), store, resume=True) as run:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
        try:
            with pytest.raises(CheckpointError) as caught:
                list(run.epochs())
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert f"{tmp_path / 'last.npz'}: cannot be written: file too large" in str(caught.value)
    assert f"epoch 1 is safe in {tmp_path / 'last.npz'}" in str(caught.value)
    assert checkpoint.load(tmp_path / "last.npz").epoch == 1
    train(tmp_path, config(), store, resume=True)
    assert contents(tmp_path) == unbroken


def test_a_folder_that_goes_away_ends_in_one_line(tmp_path: Path, store: SmallStore) -> None:
    folder = tmp_path / "run"
    with runs.open_run(folder, config(), store) as run:
        epochs = run.epochs()
        next(epochs)
        folder.rename(tmp_path / "moved")
        with pytest.raises(CheckpointError, match=r"\.npz: cannot be written: no such file or directory"):
            next(epochs)
    assert checkpoint.load(tmp_path / "moved" / "last.npz").epoch == 1


def test_a_table_that_cannot_be_written_costs_nothing_but_the_table(
    tmp_path: Path,
    store: SmallStore,
    unbroken: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "run").mkdir()

    def refuse(path: Path) -> Any:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with runs.open_run(tmp_path / "run", config(), store) as run, monkeypatch.context() as patch:
        (tmp_path / "run" / "metrics.csv").unlink()
        patch.setattr("mnistnet.training.metrics_csv.atomic_write", refuse)
        for result in run.epochs():
            if result.metrics.epoch == 2:
                patch.setattr("mnistnet.training.metrics_csv.atomic_write", atomic_write)  # the disk is well again
        run.finish()
    assert caplog.text.count("metrics.csv: cannot be written: input/output error; training goes on") == 1
    assert contents(tmp_path / "run") == unbroken


@pytest.mark.parametrize("damage", [b"", b"epoch,loss\n1,", b"\xff\xfe\x00", b'a,"b', b"epoch,seconds\n7,1\n,\n"])
def test_a_damaged_table_is_made_whole_by_resume(
    tmp_path: Path, store: SmallStore, unbroken: dict[str, bytes], damage: bytes
) -> None:
    train_until(tmp_path, config(), store, 2)
    (tmp_path / "metrics.csv").write_bytes(damage)
    train(tmp_path, config(), store, resume=True)
    assert contents(tmp_path) == unbroken


def test_rows_after_the_resumed_epoch_are_dropped(
    tmp_path: Path, store: SmallStore, unbroken: dict[str, bytes]
) -> None:
    train_until(tmp_path, config(), store, 1)
    with (tmp_path / "metrics.csv").open("a") as stream:
        stream.write("2,9,9,9,9,9,9\n3,9,9,9,9,9,9\n")
    train(tmp_path, config(), store, resume=True)
    assert contents(tmp_path) == unbroken


# The newest run


def test_the_newest_run_is_the_one_whose_best_was_written_last(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="train a network first"):
        newest_run(tmp_path / "runs")
    for age, name in enumerate(["b", "a", "c"]):
        (tmp_path / "runs" / name).mkdir(parents=True)
        path = tmp_path / "runs" / name / "best.npz"
        path.touch()
        os.utime(path, ns=(10**18 - age, 10**18 - age))
    (tmp_path / "runs" / "empty").mkdir()
    (tmp_path / "runs" / "file").touch()
    (tmp_path / "runs" / "dangling").mkdir()
    (tmp_path / "runs" / "dangling" / "best.npz").symlink_to("nowhere")
    assert newest_run(tmp_path / "runs") == tmp_path / "runs" / "b" / "best.npz"
