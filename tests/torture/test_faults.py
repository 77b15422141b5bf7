"""Promise 2: whatever fails while files are written, the old file or the new one is there, and one line says so."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from mnistnet.checkpoint import checkpoint
from tests.torture import real
from tests.torture.counts import counts
from tests.torture.tally import Tally

SMALL = real.settings(train_images=300, validation=100, epochs=2, layer_sizes="[784, 4, 10]", batch_size=50)
PLAIN = re.compile(r"mnistnet: (?:error|warning): \S.*")


def rows(what: str, folder: Path, share: int, *arguments: str) -> list[dict[str, Any]]:
    """Return a row for each `share`-th fault, tried by two processes at once."""

    def half(number: int) -> list[dict[str, Any]]:
        own = folder / str(number)
        own.mkdir()
        command = [sys.executable, "-m", "tests.torture.faults", what, str(own), str(number), str(2 * share)]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, env=real.one_thread())
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    with ThreadPoolExecutor(2) as pool:
        return [row for part in pool.map(half, (0, share)) for row in part]


def said_properly(row: dict[str, Any]) -> bool:
    """Return whether the end of the process was announced as it should be."""
    lines = row["output"].splitlines()
    if row["error"] is None:
        return bool(row["code"] == -signal.SIGKILL)
    errors = [line for line in lines if line.startswith("mnistnet: error")]
    if any("Traceback" in line or "internal" in line for line in lines) or row["code"] not in (0, 1):
        return False
    # A failure that costs nothing (of the table, of the note which process holds the lock) is no error.
    return len(errors) == row["code"] and all(PLAIN.fullmatch(line) for line in errors)


@counts(1, 1)
def test_saving_with_any_call_failing_leaves_the_old_checkpoint_or_the_new(
    tmp_path: Path, count: int, tally: Tally
) -> None:
    found = rows("save", tmp_path, count)
    lost = [
        row
        for row in found
        if not said_properly(row)
        or row["left"] not in ("old", "new")
        or (row["code"] == 0 and row["left"] != "new")
        or (row["code"] == 1 and f"{tmp_path}" not in row["output"])
    ]
    calls = max(row["at"] for row in found)
    tally.add(2, "a call fails, or the process ends in it, while a checkpoint is saved", len(found), len(lost))
    assert not lost
    assert len(found) == 3 * calls
    assert {row["left"] for row in found} == {"old", "new"}, "after the rename it is the new one"


@counts(50, 1)
def test_training_with_any_call_failing_keeps_what_was_good_and_resumes_to_the_same_bytes(
    tmp_path: Path, mnist_dir: Path, count: int, tally: Tally
) -> None:
    found = rows("train", tmp_path, count, *SMALL, "--data-dir", str(mnist_dir))
    lost = [row for row in found if not (said_properly(row) and row["loads"] and row["equal"])]
    tally.add(2, "a call fails, or the process ends in it, anywhere in a training", len(found), len(lost))
    assert not lost
    assert len(found) > 4


# Obstacles that are real: no call of Python's is replaced here.


def interrupted_by(
    folder: Path, data: Path, obstacle: Callable[[], object], wrap: tuple[str, ...] = ()
) -> tuple[int, str]:
    """Train until an epoch is on disk, put the obstacle in the way, and return the exit code and stderr."""
    command = [*wrap, *real.train(folder, data, *SMALL, "--set", "epochs=4000")]
    with real.started(command) as process:
        real.wait_for(lambda: (folder / "last.npz").exists(), process)
        obstacle()
        _, error = process.communicate(timeout=60)
    return process.returncode, error


def without_root() -> tuple[str, ...]:
    """Return what to put before a command so that permissions count for it."""
    if os.geteuid():
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("root may write everywhere, and there is no setpriv to give that up")
    return ("setpriv", "--bounding-set=-all", "--inh-caps=-all")


def checked(tally: Tally, what: str, code: int, error: str, folder: Path, safe: Path) -> None:
    """Note an obstacle, and assert that it ended in one line that names the file, with the last epoch safe."""
    lines = [line for line in error.splitlines() if line.startswith("mnistnet: error")]
    good = code == 1 and len(lines) == 1 and str(folder) in lines[0] and "Traceback" not in error
    good = good and checkpoint.load(safe / "last.npz", training=True).epoch >= 1
    tally.add(2, what, 1, int(not good))
    assert good, error


@counts(1, 1)
def test_permission_that_is_lost_during_a_training(tmp_path: Path, mnist_dir: Path, count: int, tally: Tally) -> None:
    folder = tmp_path / "run"
    try:
        code, error = interrupted_by(folder, mnist_dir, lambda: folder.chmod(0o500), without_root())
    finally:
        folder.chmod(0o700)
    checked(tally, "permission to write is lost during a training", code, error, folder, folder)
    assert "permission denied" in error


@counts(1, 1)
def test_a_folder_that_is_moved_away_during_a_training(
    tmp_path: Path, mnist_dir: Path, count: int, tally: Tally
) -> None:
    folder, moved = tmp_path / "run", tmp_path / "moved"
    code, error = interrupted_by(folder, mnist_dir, lambda: folder.rename(moved))
    checked(tally, "the folder is moved away during a training", code, error, folder, moved)
    assert "no such file or directory" in error


@counts(1, 1)
def test_a_disk_that_fills_up_during_a_training_and_has_space_again(
    tmp_path: Path, mnist_dir: Path, count: int, tally: Tally
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    size = "1m"
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)], capture_output=True
    )
    if not mounted or mounted.returncode:
        pytest.skip("a small disk cannot be mounted here: that needs root and mount")
    try:
        folder = disk / "run"

        def fill() -> None:
            with (disk / "filler").open("wb") as stream:
                try:
                    while True:
                        os.write(stream.fileno(), bytes(4096))
                except OSError:
                    pass

        code, error = interrupted_by(folder, mnist_dir, fill)
        checked(tally, "a disk of 1 MB fills up during a training", code, error, folder, folder)
        assert "no space left on device" in error
        (disk / "filler").unlink()
        epoch = checkpoint.load(folder / "last.npz").epoch
        shorter = [*SMALL, "--set", "epochs=4000", "--resume", "--json"]
        with real.started(real.train(folder, mnist_dir, *shorter)) as process:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["epoch"] == epoch + 1
            process.kill()
            process.communicate()
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


@counts(1, 1)
def test_a_table_that_cannot_be_written_any_more_costs_nothing_but_the_table(
    tmp_path: Path, mnist_dir: Path, count: int, tally: Tally
) -> None:
    longer = [*SMALL, "--set", "epochs=100"]
    real.run(real.train(tmp_path / "whole", mnist_dir, *longer))
    folder = tmp_path / "run"
    with real.started(real.train(folder, mnist_dir, *longer)) as process:
        real.wait_for(lambda: (folder / "last.npz").exists(), process)
        (folder / "metrics.csv").rename(folder / "moved")
        (folder / "metrics.csv").mkdir()
        _, error = process.communicate(timeout=60)
    same = [
        (folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes() for name in ("best.npz", "last.npz")
    ]
    lost = not (process.returncode == 0 and all(same) and error.count("metrics.csv: cannot be written") == 1)
    tally.add(2, "metrics.csv cannot be written any more", 1, int(lost))
    assert not lost, error
