"""What is printed: nothing of others steers the terminal, and commands work when they are pasted."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mnistnet.cli import terminal
from mnistnet.errors import DivergedError
from mnistnet.util.printable import printable, printable_line
from tests.helpers import run

EVIL = "\x1b]0;owned\x07\x1b[2Jx\nmnistnet: all is well\r\x9b2J\u202e"
STEERING = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]")


@given(st.text())
def test_what_is_shown_of_any_text_is_one_line_that_steers_nothing(text: str) -> None:
    assert printable(text).replace("\u00a0", " ").isprintable()
    assert printable_line(f"\x1b[94m{text}\x1b[0m").count("\n") == 0
    assert not STEERING.search(re.sub(r"\x1b\[[0-9;]*m", "", printable_line(text)))


def test_plain_text_colours_and_other_alphabets_are_shown_as_they_are() -> None:
    assert printable("größe 3 → \u4e03") == "größe 3 → \u4e03"
    assert printable_line("\x1b[94m─►\x1b[0m") == "\x1b[94m─►\x1b[0m"
    assert printable("a\x1b[2Jb\nc") == r"a\x1b[2Jb\nc"


def evil_words(folder: Path) -> list[list[str]]:
    """Return commands into which others' words come from names, configs, sweeps and options."""
    name = EVIL.replace("/", "")
    (folder / f"{name}.png").write_bytes(b"no picture")
    (folder / f"{name}.yaml").write_text("epochs: many\n")
    (folder / "key.yaml").write_text(json.dumps({EVIL: 1}))
    (folder / "value.yaml").write_text(json.dumps({"activation": EVIL}))
    (folder / "dataset.yaml").write_text(json.dumps({"dataset": f"./{EVIL}"}))
    (folder / "sweep.yaml").write_text(json.dumps({"grid": {EVIL: [1]}}))
    (folder / "choice.yaml").write_text(json.dumps({"grid": {"activation": [EVIL]}}))
    (folder / f"{name}.npz").write_bytes(b"nothing")
    return [
        ["predict", f"{name}.png"],
        ["train", "--config", f"{name}.yaml"],
        ["train", "--config", "key.yaml"],
        ["train", "--config", "value.yaml"],
        ["train", "--config", "dataset.yaml"],
        ["train", "--set", EVIL],
        ["train", "--set", f"{EVIL}=1"],
        ["config", EVIL],
        ["sweep", "sweep.yaml"],
        ["sweep", "choice.yaml"],
        ["info", f"{name}.npz"],
        ["eval", f"{name}.npz"],
        ["eval", f"--{EVIL}"],
        ["download", EVIL],
        ["plot", "curves", f"{name}.npz"],
        [EVIL],
    ]


def test_control_characters_of_others_never_reach_the_terminal(tmp_path: Path) -> None:
    for words in evil_words(tmp_path):
        result = run(*words)
        assert result.exit_code in (1, 2), words
        assert not STEERING.search(result.output), (words, result.output)
        assert not [line for line in result.output.splitlines() if line.startswith("mnistnet: all is well")], words


def test_json_has_no_number_that_is_not_finite(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DivergedError, match="not a finite number"):
        terminal.echo_json({"loss": float("nan")})
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("how", ["path", "module", "name"])
def test_the_next_command_works_when_it_is_pasted(tmp_path: Path, mnist_dir: Path, how: str) -> None:
    program = Path(sys.executable).with_name("mnistnet")
    began = {"path": [str(program)], "module": [sys.executable, "-m", "mnistnet"], "name": ["mnistnet"]}[how]
    env = {**os.environ, "MNISTNET_DATA_DIR": str(mnist_dir)}
    if how == "name":
        env["PATH"] = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    out = "a run's folder"
    words = ["train", "--set", "epochs=1", "--set", "train_images=200", "--set", "validation=100", "--out", out]
    done = subprocess.run([*began, *words], env=env, capture_output=True, text=True, timeout=60, check=True)
    command = done.stdout.splitlines()[-1].removeprefix("next: ")
    assert shlex.split(command)[: len(began)] == began
    pasted = subprocess.run(command, shell=True, env=env, capture_output=True, text=True, timeout=60)
    assert pasted.returncode == 0, pasted.stderr
    assert "most frequent confusions" in pasted.stdout
