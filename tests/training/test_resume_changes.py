"""What may change when a run goes on, what may not, and runs that begin with given weights."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnistnet.checkpoint import checkpoint
from mnistnet.cli import TerminatedError
from mnistnet.config import loader as configs
from mnistnet.training import run as runs
from tests.helpers import run

SMALL = {
    "train_images": "600",
    "validation": "200",
    "batch_size": "50",
    "epochs": "2",
    "layer_sizes": "[784, 6, 10]",
    "threads": "1",
}


def sets(**values: str) -> list[str]:
    return [word for key, value in values.items() for word in ("--set", f"{key}={value}")]


@pytest.fixture(autouse=True)
def _data(mnist_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNISTNET_DATA_DIR", str(mnist_dir))


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    folder = tmp_path / "r"
    assert run("train", *sets(**SMALL), "--out", folder).exit_code == 0
    return folder


def rates(folder: Path) -> list[float]:
    return list(checkpoint.load(folder / "last.npz").metrics["learning_rate"])


def test_a_folder_alone_is_enough_to_go_on(begun: Path) -> None:
    before = (begun / "last.npz").read_bytes()
    result = run("train", "--out", begun, "--resume")
    assert result.exit_code == 0, result.output
    assert "is finished after epoch 2 of 2" in result.stderr
    assert (begun / "last.npz").read_bytes() == before


def test_more_epochs_extend_a_run_and_the_schedule_is_stretched_or_kept(begun: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    assert run("train", *sets(**SMALL | {"epochs": "4"}), "--out", whole).exit_code == 0
    result = run("train", "--out", begun, "--resume", *sets(epochs="4"))
    assert result.exit_code == 0, result.output
    assert "epochs was 2, is now 4; the schedule is stretched over 4 epochs" in result.stderr
    assert "--set schedule_epochs=2" in result.stderr
    assert len(rates(begun)) == 4
    assert rates(begun)[2:] == rates(whole)[2:]
    assert configs.load(begun / "config.yaml").epochs == 4

    kept = run("train", "--out", begun, "--resume", *sets(epochs="5", schedule_epochs="4"))
    assert "the schedule is stretched" not in kept.stderr
    assert rates(begun)[4] == 0  # where one_cycle ends


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("learning_rate", "0.002"),
        ("batch_size", "100"),
        ("threads", "2"),
        ("early_stopping", "{patience: 3}"),
        ("schedule", "constant"),
        ("weight_decay", "0.1"),
    ],
)
def test_what_does_not_change_the_network_or_the_data_may_change_and_is_said(begun: Path, key: str, value: str) -> None:
    result = run("train", "--out", begun, "--resume", *sets(**{"epochs": "3", key: value}))
    assert result.exit_code == 0, result.output
    assert "goes on with another config: " in result.stderr
    assert f"{key} was " in result.stderr
    assert checkpoint.load(begun / "last.npz").epoch == 3
    again = run("train", "--out", begun, "--resume")
    assert "another config" not in again.stderr


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("layer_sizes", "[784, 7, 10]"),
        ("seed", "1"),
        ("validation", "100"),
        ("optimizer", "sgd"),
        ("loss", "quadratic"),
    ],
)
def test_what_changes_the_network_or_the_data_may_not_change(begun: Path, key: str, value: str) -> None:
    before = {path.name: path.read_bytes() for path in begun.glob("*.*")}
    result = run("train", "--out", begun, "--resume", *sets(**{key: value}))
    assert result.exit_code == 2
    assert f"cannot resume with another config ({key} was " in result.stderr
    assert {path.name: path.read_bytes() for path in begun.glob("*.*")} == before


def test_the_advice_of_a_team_that_cannot_go_on_works(tmp_path: Path) -> None:
    folder = tmp_path / "r"
    assert run("train", *sets(**SMALL | {"threads": "auto"}), "--out", folder).exit_code == 0
    result = run("train", *sets(**SMALL | {"threads": "1"}), "--out", folder, "--resume")
    assert result.exit_code == 0, result.output


def test_a_run_begins_with_given_weights_and_with_their_networks_shape(begun: Path, tmp_path: Path) -> None:
    given = checkpoint.load(begun / "best.npz").network
    out = tmp_path / "next"
    first = run("train", "--from", begun, "--out", out, *sets(epochs="0"))
    assert first.exit_code == 0, first.output
    found = checkpoint.load(out / "best.npz")
    assert np.array_equal(found.network.parameters, given.parameters)
    assert found.config.layer_sizes == (784, 6, 10)
    more = run("train", "--out", out, "--resume", *sets(epochs="1"))
    assert more.exit_code == 0, more.output
    assert not np.array_equal(checkpoint.load(out / "last.npz").network.parameters, given.parameters)

    for words, said in (
        (sets(layer_sizes="[784, 5, 10]"), "its layer_sizes is (784, 6, 10)"),
        (sets(activation="tanh"), "its activation is relu"),
        (["--resume"], "choose one"),
    ):
        refused = run("train", "--from", begun, "--out", tmp_path / "other", *words)
        assert refused.exit_code == 2
        assert said in refused.stderr
    assert not (tmp_path / "other").exists()


def test_a_run_of_given_weights_that_dies_before_its_first_epoch_goes_on_with_them(
    begun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(self: runs.Run, *arguments: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(runs.Run, "epochs", die)
        assert run("train", "--from", begun, "--out", tmp_path / "next").exit_code == 130
    assert run("train", "--out", tmp_path / "next", "--resume", *sets(epochs="0")).exit_code == 0
    given, found = (checkpoint.load(path / "best.npz").network for path in (begun, tmp_path / "next"))
    assert np.array_equal(given.parameters, found.parameters)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, TerminatedError])
def test_a_stop_while_a_run_is_opened_names_the_epochs_that_are_safe(
    begun: Path, monkeypatch: pytest.MonkeyPatch, stop: type[BaseException]
) -> None:
    def interrupted(*arguments: Any, **options: Any) -> Any:
        raise stop

    monkeypatch.setattr(runs, "open_run", interrupted)
    result = run("train", "--out", begun, "--resume")
    assert result.exit_code == (130 if stop is KeyboardInterrupt else 143)
    assert f"stopped: epoch 2 is safe in {begun / 'last.npz'}" in result.stderr
    assert os.fspath(begun) in result.stderr


def test_train_alone_and_the_default_config_are_one_training() -> None:
    assert configs.load(None) == configs.load(Path("default"))
