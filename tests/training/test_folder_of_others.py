"""A run's and a sweep's folder in which somebody has put links and pipes: refused in one line, nothing overwritten."""

import os
from pathlib import Path

import pytest

from tests.helpers import run

SMALL = ["--set", "train_images=200", "--set", "validation=100", "--set", "epochs=1", "--set", "layer_sizes=[784,5,10]"]
PRECIOUS = b"precious\nhalf a line"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "target").write_bytes(PRECIOUS)
    (tmp_path / "s.yaml").write_text("config: base.yaml\ngrid: {activation: [relu]}\n")
    (tmp_path / "base.yaml").write_text("train_images: 200\nvalidation: 100\nepochs: 1\nlayer_sizes: [784, 10]\n")
    home = tmp_path / "out"
    home.mkdir()
    return home


@pytest.mark.parametrize("kind", ["link", "pipe"])
@pytest.mark.parametrize("name", [".lock", ".lock.pid", "metrics.csv", "config.yaml", "last.npz", "best.npz"])
def test_a_run_overwrites_nothing_through_a_link_and_waits_for_no_pipe(
    folder: Path, mnist_dir: Path, kind: str, name: str
) -> None:
    _put(folder / name, kind)
    result = run("train", *SMALL, "--out", folder, "--data-dir", mnist_dir, "--force")
    _assert_safe(folder, result.exit_code, result.stderr)


@pytest.mark.parametrize("kind", ["link", "pipe"])
@pytest.mark.parametrize("name", [".lock", ".lock.pid", "sweep.jsonl", "best.yaml"])
@pytest.mark.parametrize("option", ["--resume", "--force"])
def test_a_sweep_overwrites_nothing_through_a_link_and_waits_for_no_pipe(
    folder: Path, mnist_dir: Path, kind: str, name: str, option: str
) -> None:
    _put(folder / name, kind)
    result = run("sweep", "s.yaml", "--out", folder, "--data-dir", mnist_dir, "--jobs", "1", option)
    _assert_safe(folder, result.exit_code, result.stderr)


def _put(path: Path, kind: str) -> None:
    if kind == "link":
        path.symlink_to(path.parent.parent / "target")
    else:
        os.mkfifo(path)


def _assert_safe(folder: Path, code: int, said: str) -> None:
    """The command either did its work beside the target or refused in one line."""
    assert (folder.parent / "target").read_bytes() == PRECIOUS
    assert code == 0 or ("mnistnet: error: " in said.splitlines()[-1] and "Traceback" not in said), said


def test_a_picture_that_is_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    result = run("predict", "pipe.png")
    assert result.exit_code == 1
    assert "pipe.png: cannot be read: it is a device or a pipe" in result.stderr
