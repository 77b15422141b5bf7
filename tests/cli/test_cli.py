"""The command line: what it prints where, its JSON, its exit codes; in this process and as a real one."""

import ctypes
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnistnet import __version__
from mnistnet.checkpoint import checkpoint
from mnistnet.cli import COMMANDS, TerminatedError, _signals_as_exceptions
from tests.helpers import run

SMALL = [
    "--set",
    "train_images=3000",
    "--set",
    "validation=500",
    "--set",
    "epochs=3",
    "--set",
    "layer_sizes=[784,32,10]",
]


def process(*args: str | Path, **options: Any) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "mnistnet", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, **options)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, mnist_dir: Path) -> Path:
    """Return the folder of a run of three epochs on 3,000 images."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    result = run("train", *SMALL, "--out", folder, "--data-dir", mnist_dir)
    assert result.exit_code == 0, result.output
    return folder


def test_training_prints_a_line_an_epoch_and_what_to_type_next(tmp_path: Path, mnist_dir: Path) -> None:
    result = run("train", *SMALL, "--out", tmp_path / "run", "--data-dir", mnist_dir)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    pattern = r"epoch \d/3  loss \d\.\d{4}  train \d\d\.\d %  val \d\d\.\d %  lr [\d.e-]+  \d+\.\d\d s"
    assert [bool(re.fullmatch(pattern, line)) for line in lines[:3]] == [True] * 3
    assert re.fullmatch(
        r"best epoch \d \(validation \d\d\.\d\d %\): test accuracy \d\d\.\d\d % \([\d,]+ of 10,000\) in [\d.]+ s",
        lines[3],
    )
    assert lines[4] == f"next: mnistnet eval {tmp_path / 'run' / 'best.npz'} --confusion"
    assert sorted(p.name for p in (tmp_path / "run").iterdir() if not p.name.startswith(".")) == [
        "best.npz",
        "config.yaml",
        "last.npz",
        "metrics.csv",
    ]


def test_training_as_json_is_an_object_an_epoch_and_one_for_the_end(tmp_path: Path, mnist_dir: Path) -> None:
    result = process("train", *SMALL, "--out", tmp_path / "run", "--data-dir", mnist_dir, "--json")
    assert result.returncode == 0, result.stderr
    *epochs, last = map(json.loads, result.stdout.splitlines())
    assert [e["epoch"] for e in epochs] == [1, 2, 3]
    for key in ("loss", "train_accuracy", "validation_loss", "validation_accuracy", "learning_rate", "seconds"):
        assert all(isinstance(e[key], float) for e in epochs)
    assert all(0.5 < e["validation_accuracy"] <= 1 for e in epochs)
    assert set(last) == {"best_epoch", "test_accuracy", "test_correct", "test_total", "seconds", "checkpoint"}
    assert last["test_total"] == 10_000
    assert last["test_accuracy"] == last["test_correct"] / 10_000
    assert last["checkpoint"] == str(tmp_path / "run" / "best.npz")


def test_without_validation_images_the_figures_are_null_and_the_last_epoch_is_best(
    tmp_path: Path, mnist_dir: Path
) -> None:
    options = [*SMALL, "--set", "validation=0", "--out", str(tmp_path / "run"), "--data-dir", str(mnist_dir)]
    *epochs, last = map(json.loads, run("train", *options, "--json").stdout.splitlines())
    assert [(e["validation_loss"], e["validation_accuracy"]) for e in epochs] == [(None, None)] * 3
    assert last["best_epoch"] == 3
    assert checkpoint.load(tmp_path / "run" / "best.npz").best["chosen_by"] == "last epoch"
    text = run("train", *options, "--force").stdout
    assert "val" not in text.splitlines()[0]


def test_no_epochs_keeps_the_first_weights(tmp_path: Path, mnist_dir: Path) -> None:
    result = run("train", *SMALL, "--set", "epochs=0", "--out", tmp_path / "run", "--data-dir", mnist_dir)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("first weights, untrained: test accuracy")
    assert checkpoint.load(tmp_path / "run" / "best.npz").epoch == 0


def test_quiet_prints_only_the_result(tmp_path: Path, mnist_dir: Path) -> None:
    result = run("train", *SMALL, "--quiet", "--out", tmp_path / "run", "--data-dir", mnist_dir)
    assert [line.split()[0] for line in result.output.splitlines()] == ["best", "next:"]


def test_the_runs_folder_is_named_after_the_config_file(tmp_path: Path, mnist_dir: Path) -> None:
    (tmp_path / "tiny.yaml").write_text("epochs: 1\ntrain_images: 500\nlayer_sizes: [784, 10]\n")
    assert run("train", "--config", "tiny.yaml", "--data-dir", mnist_dir).exit_code == 0
    assert (tmp_path / "runs" / "tiny" / "best.npz").exists()
    assert run("eval", "last-run", "--data-dir", mnist_dir).stdout.startswith("runs/tiny/best.npz on mnist test")


def test_resume_and_force_together_are_wrong_usage(tmp_path: Path) -> None:
    result = run("train", "--resume", "--force")
    assert result.exit_code == 2
    assert "choose one" in result.stderr


def test_a_diverging_run_ends_with_one_line_and_code_1(tmp_path: Path, mnist_dir: Path) -> None:
    wild = ["--set", "learning_rate=1e9", "--set", "optimizer=sgd", "--set", "layer_sizes=[784,50,50,10]"]
    result = process("train", *SMALL, *wild, "--quiet", "--out", tmp_path / "run", "--data-dir", mnist_dir)
    assert result.returncode == 1
    assert re.fullmatch(r"mnistnet: error: training diverged in epoch 1, step \d+ of 24: .*\n", result.stderr)


def test_eval_as_json_adds_up(trained: Path, mnist_dir: Path) -> None:
    result = json.loads(run("eval", trained / "best.npz", "--json", "--data-dir", mnist_dir).stdout)
    assert set(result) == {"dataset", "split", "correct", "total", "accuracy", "loss", "confusion"}
    confusion = np.array(result["confusion"])
    assert confusion.shape == (10, 10)
    assert confusion.sum() == result["total"] == 10_000
    assert confusion.trace() == result["correct"]
    assert result["accuracy"] == result["correct"] / result["total"]
    assert confusion.sum(axis=1)[:3].tolist() == [980, 1135, 1032]


def test_eval_prints_each_class_and_the_most_frequent_confusions(trained: Path, mnist_dir: Path) -> None:
    text = run("eval", trained, "--confusion", "--data-dir", mnist_dir).stdout
    assert re.search(r"accuracy \d\d\.\d\d % \([\d,]+ of 10,000\), cost \d\.\d{4}", text)
    assert re.search(r"^ +0 +980 +\d\d\.\d % +\d\d\.\d %$", text, re.MULTILINE)
    assert re.search(r"^ +\d taken for \d: \d+$", text, re.MULTILINE)
    assert "true below, predicted across" in text


def test_eval_of_the_validation_split_repeats_what_training_saw(trained: Path, mnist_dir: Path) -> None:
    saved = checkpoint.load(trained / "best.npz")
    options = ("--json", "--data-dir", mnist_dir)
    result = json.loads(run("eval", trained, "--split", "validation", *options).stdout)
    assert result["total"] == 500
    assert result["accuracy"] == saved.best["validation_accuracy"]
    assert json.loads(run("eval", trained, "--split", "train", *options).stdout)["total"] == 3000


def test_info_describes_the_network_its_training_and_its_data(trained: Path) -> None:
    text = run("info", trained).stdout
    for words in ("784-32-10 neurons", "25,450 parameters", "relu hidden layers", "validation_accuracy", "440fcabf"):
        assert words in text
    header = json.loads(run("info", trained, "--json").stdout)
    assert header["format"] == 1
    assert len(header["sha256"]) == 64
    assert header["config"]["layer_sizes"] == [784, 32, 10]


def test_config_prints_yaml_that_loads_and_a_schema(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text(run("config", "--set", "epochs=7").stdout)
    assert run("config", "my.yaml").stdout == run("config", "--set", "epochs=7").stdout
    assert json.loads(run("config", "--schema").stdout)["title"] == "mnistnet config"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["train", "--config", "none.yaml"], 2, "none.yaml: cannot be read: no such file"),
        (["train", "--set", "epochs=x"], 2, "--set epochs=x: epochs: expected a whole number"),
        (["config", "--set", "loss=mse"], 2, "loss: expected one of "),
        (["eval", "none.npz"], 1, "none.npz: cannot be read: no such file"),
        (["eval", "last-run"], 1, "train a network first with `"),
        (["info", "."], 1, ".: cannot be read: is a directory"),
        (["predict", "a.png"], 1, "a.png: cannot be read: no such file"),
        (["download", "mnsit"], 2, "dataset: expected one of mnist, kmnist, fashion_mnist, or the path of data of"),
        (["eval"], 2, "Missing argument"),
        (["evil"], 2, "No such command 'evil'"),
        (["train", "--fast"], 2, "No such option"),
    ],
)
def test_a_mistake_is_one_sentence_and_a_documented_exit_code(arguments: list[str], code: int, words: str) -> None:
    result = process(*arguments)
    assert result.returncode == code
    assert words in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_that_a_library_makes_an_error_of_is_still_a_signal(
    monkeypatch: pytest.MonkeyPatch, number: int, code: int
) -> None:
    def fail(*_: object) -> None:
        try:
            os.kill(os.getpid(), number)
        except BaseException:
            raise ImportError("cannot initialise") from None

    monkeypatch.setattr("mnistnet.config.loader.load", fail)
    result = run("config")
    assert (result.exit_code, result.output) == (code, "")


def test_an_unforeseen_error_is_one_line_that_asks_for_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("something\nodd")

    monkeypatch.setattr("mnistnet.config.loader.load", fail)
    result = run("config")
    assert result.exit_code == 1
    assert "internal error, please report it (ZeroDivisionError: something odd)" in result.stderr


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_help_text_ends_with_examples_or_the_way_on(command: str) -> None:
    text = run(*command.split(), "--help").stdout
    assert ("Examples:\n    mnistnet " in text) == bool(command)
    assert "\n\n\n" not in text
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("group", ["", "plot"])
def test_without_a_command_the_help_is_shown_line_by_line(group: str) -> None:
    result = run(*group.split())
    assert result.exit_code == 2
    assert result.stderr == run(*group.split(), "--help").stdout


def modules_after(*words: str) -> set[str]:
    """Return the modules that a command line has imported when it ends."""
    code = "import sys\nfrom mnistnet.__main__ import main\ntry: main()\nfinally: print(*sorted(sys.modules), sep=',')"
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split(","))


def test_help_and_version_import_nothing_heavy() -> None:
    for option in ("--help", "--version"):
        modules = modules_after(option)
        assert "click" in modules
        assert not modules & {"numpy", "yaml", "msgspec", "PIL", "requests", "tqdm"}


def test_a_training_imports_nothing_that_only_downloads_pictures_or_bars_need(mnist_dir: Path) -> None:
    modules = modules_after("train", "--set", "epochs=1", "--set", "train_images=200", "--data-dir", str(mnist_dir))
    assert "mnistnet.training.run" in modules
    assert not modules & {"PIL", "requests", "urllib3", "tqdm", "mnistnet.vision"}


def test_version_names_the_program() -> None:
    assert process("--version").stdout == f"mnistnet {__version__}\n"


def test_a_reader_that_goes_away_is_no_traceback(trained: Path, tmp_path: Path) -> None:
    with (tmp_path / "errors").open("w") as errors:
        info = subprocess.Popen(
            [sys.executable, "-m", "mnistnet", "info", str(trained)], stdout=subprocess.PIPE, stderr=errors
        )
        assert info.stdout is not None
        info.stdout.close()
        assert info.wait(60) == 1
    assert (tmp_path / "errors").read_text() == ""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_stopped_in_its_first_epoch_says_so(tmp_path: Path, mnist_dir: Path, number: int, code: int) -> None:
    command = [sys.executable, "-m", "mnistnet", "train", "--set", "epochs=1000", "--data-dir", str(mnist_dir)]
    training = subprocess.Popen([*command, "--set", "batch_size=1"], stderr=subprocess.PIPE, text=True)
    assert training.stderr is not None
    assert training.stderr.readline().startswith("Network 784-128-10")
    os.kill(training.pid, number)
    _, rest = training.communicate(timeout=60)
    assert training.returncode == code
    assert "stopped: no epoch was finished; continue with\n" in rest
    again = [*command[:4], "--data-dir", str(mnist_dir), *command[4:6], "--set", "batch_size=1", "--resume"]
    assert shlex.split(rest.rstrip().splitlines()[-1]) == again


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_that_python_would_ignore_in_a_callback_from_c_is_not_lost(number: int, code: int) -> None:
    heard: list[int] = []
    callback = ctypes.CFUNCTYPE(None)(lambda: signal.raise_signal(number))
    with _signals_as_exceptions(heard):
        callback()
        with pytest.raises((KeyboardInterrupt, TerminatedError)):
            time.sleep(5)
    assert heard == [code, code]


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_is_closed_leads_nowhere(closed: str, tmp_path: Path) -> None:
    line = f"'{sys.executable}' -m mnistnet config {closed}"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stderr) == (0, "")
    assert bool(done.stdout) == (">&-" not in closed.replace("2>&-", ""))
