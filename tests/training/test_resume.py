"""Real processes on real data: the same config makes the same bytes, however often a training is stopped."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mnistnet.checkpoint import checkpoint

EPOCHS = 25
SETTINGS = {
    "train_images": "2000",
    "validation": "500",
    "layer_sizes": "[784, 32, 10]",
    "optimizer": "adam",
    "schedule": "one_cycle",
    "weight_decay": "0.01",
    "weight_averaging": "0.99",
    "label_smoothing": "0.1",
    "dropout": "0.2",
    "augment": "default",
    "epochs": str(EPOCHS),
    "threads": "2",
}


def command(folder: Path, data: Path, *options: str) -> list[str]:
    settings = [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={value}")]
    where = ["--out", str(folder), "--data-dir", str(data)]
    return [sys.executable, "-m", "mnistnet", "train", *where, *settings, *options]


def finish(folder: Path, data: Path, *options: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command(folder, data, *options), capture_output=True, text=True, timeout=100)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def start(folder: Path, data: Path, *options: str) -> subprocess.Popen[str]:
    """Start a training, and return when its next epoch is on disk, in the middle of a later one."""

    def written() -> int | None:
        return (folder / "last.npz").stat().st_mtime_ns if (folder / "last.npz").exists() else None

    before = written()
    process = subprocess.Popen(
        command(folder, data, *options), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while written() == before:
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)
    return process


def contents(folder: Path) -> dict[str, bytes]:
    """Return what two runs of one config have in common, byte for byte: all but the seconds."""
    files = {name: (folder / name).read_bytes() for name in ("best.npz", "last.npz", "config.yaml", "metrics.csv")}
    files["metrics.csv"] = b"\n".join(line.rpartition(b",")[0] for line in files["metrics.csv"].splitlines())
    return files


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory, mnist_dir: Path) -> dict[str, bytes]:
    """Return the files of a run that nothing stopped."""
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    finish(folder, mnist_dir, "--quiet")
    return contents(folder)


def test_the_same_config_makes_the_same_bytes_twice(
    tmp_path: Path, mnist_dir: Path, unbroken: dict[str, bytes]
) -> None:
    finish(tmp_path / "run", mnist_dir, "--json")
    assert contents(tmp_path / "run") == unbroken


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_training_says_what_is_safe_and_goes_on_to_the_same_bytes(
    tmp_path: Path, mnist_dir: Path, unbroken: dict[str, bytes], number: signal.Signals, code: int
) -> None:
    folder = tmp_path / "a run"
    process = start(folder, mnist_dir)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == code
    safe = checkpoint.load(folder / "last.npz").epoch
    assert 1 <= safe < EPOCHS
    assert "Traceback" not in stderr
    assert re.search(rf"stopped: epoch {safe} is safe in .*last\.npz", stderr)
    assert "--resume" in stderr.rstrip().splitlines()[-1]
    assert not list(folder.glob(".*.tmp"))
    resumed = finish(folder, mnist_dir, "--resume", "--json")
    epochs = [json.loads(line).get("epoch") for line in resumed.stdout.splitlines()]
    assert epochs == [*range(safe + 1, EPOCHS + 1), None], "each epoch once"
    assert f"goes on after epoch {safe} of {EPOCHS}" in resumed.stderr
    assert contents(folder) == unbroken


def test_a_killed_training_goes_on_to_the_same_bytes_and_frees_its_folder(
    tmp_path: Path, mnist_dir: Path, unbroken: dict[str, bytes]
) -> None:
    folder = tmp_path / "run"
    safe = 0
    for _ in range(2):
        process = start(folder, mnist_dir, "--resume")
        process.kill()
        process.communicate(timeout=30)
        epoch = checkpoint.load(folder / "last.npz").epoch
        assert safe < epoch < EPOCHS
        safe = epoch
    finish(folder, mnist_dir, "--resume", "--quiet")
    assert contents(folder) == unbroken
    again = finish(folder, mnist_dir, "--resume", "--json")
    assert f"is finished after epoch {EPOCHS} of {EPOCHS}" in again.stderr
    assert len(again.stdout.splitlines()) == 1
    assert contents(folder) == unbroken


def test_a_second_process_in_the_same_folder_is_refused_and_the_first_goes_on(
    tmp_path: Path, mnist_dir: Path, unbroken: dict[str, bytes]
) -> None:
    folder = tmp_path / "run"
    first = start(folder, mnist_dir)
    first.send_signal(signal.SIGSTOP)  # so that it cannot end before the second one asks
    try:
        second = finish(folder, mnist_dir, "--resume", code=1)
    finally:
        first.send_signal(signal.SIGCONT)
    first.communicate(timeout=100)
    assert f"process {first.pid} is training in this folder" in second.stderr
    assert len(second.stderr.splitlines()) == 1
    assert first.returncode == 0
    assert contents(folder) == unbroken


def test_a_read_only_folder_ends_in_one_line(tmp_path: Path, mnist_dir: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    folder.chmod(0o500)
    words = command(folder, mnist_dir)
    if os.geteuid() == 0:  # root may write everywhere, unless it gives up that power
        if shutil.which("setpriv") is None:
            pytest.skip("root without setpriv")
        words = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *words]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=100)
    finally:
        folder.chmod(0o700)
    assert done.returncode == 1
    assert done.stderr == (
        f"mnistnet: error: {folder}: cannot be used for a run: permission denied; choose another with --out\n"
    )
