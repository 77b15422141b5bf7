"""`mnistnet explain` in a terminal and out of one: the story, its width, its plainness, its JSON, its errors."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from mnistnet.checkpoint import checkpoint
from mnistnet.checkpoint.checkpoint import Checkpoint
from mnistnet.cli import cli
from mnistnet.config.schema import Config
from mnistnet.data.datasets import Examples
from mnistnet.data.registry import FASHION_MNIST
from mnistnet.explain import batch_gradient
from mnistnet.util.number_format import short, times, unit
from mnistnet.util.text_drawing import Pen, paragraph
from tests.conftest import ROOT
from tests.explained import small
from tests.golden.screen import GOLDEN, screen, story
from tests.pictures import enlarged, png

HEADINGS = [
    "1. The example",
    "2. What the output layer wishes",
    "3. Three ways to",
    "4. All wishes added up, and passed back",
    "5. Which weights and biases matter most",
    "6. Only this example, or all of them",
]


def saved(path: Path, sizes: tuple[int, ...], activation: Any = "sigmoid", loss: Any = "quadratic") -> Path:
    config = Config(layer_sizes=sizes, activation=activation, loss=loss, seed=3)
    network = small(sizes, activation, loss, spread=0.3)
    best: checkpoint.Best = {"epoch": 0, "validation_accuracy": None, "chosen_by": "nobody"}
    path.parent.mkdir(parents=True, exist_ok=True)
    checkpoint.save(path, Checkpoint(config, network, 0, {}, best, {"name": "mnist", "sha256": {}}, "none", None))
    return path


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("network") / "small.npz", (784, 6, 5, 10))


@pytest.fixture(autouse=True)
def _short_walks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the 10,000 test images less often than the command does, except for the golden screen."""
    if "golden" not in request.node.name:
        monkeypatch.setattr(batch_gradient, "STEPS", (0, 3))


def run(*arguments: str | Path, data: Path = ROOT / "data") -> Result:
    words = [str(a) for a in arguments]
    return CliRunner().invoke(cli, ["explain", *words, "--data-dir", str(data), "--examples", "150"])


def test_the_screen_of_a_small_network_is_the_golden_one() -> None:
    assert screen() == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("sizes", "activation", "loss", "options"),
    [
        ((784, 6, 5, 10), "sigmoid", "quadratic", []),
        ((784, 40, 10), "relu", "cross_entropy", ["--neuron", "1:7", "--top", "3"]),
        ((784, 10), "tanh", "cross_entropy", []),
        ((784, *[12] * 8, 10), "tanh", "quadratic", ["--untrained", "--split", "train", "--label", "4"]),
    ],
)
def test_the_story_is_told_in_order_in_80_columns_of_plain_text(
    tmp_path: Path, sizes: tuple[int, ...], activation: str, loss: str, options: list[str]
) -> None:
    result = run("--index", "0", "--checkpoint", saved(tmp_path / "net.npz", sizes, activation, loss), *options)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert result.stdout.isascii()
    assert "\x1b" not in result.stdout
    assert "nan" not in result.stdout
    headings = [line for line in lines if line.endswith("---")]
    assert [h.startswith(expected) for h, expected in zip(headings, HEADINGS, strict=True)] == [True] * 6
    assert not [line for line in lines if line != line.rstrip()]


def test_large_layers_show_the_strongest_and_count_the_rest(tmp_path: Path) -> None:
    path = saved(tmp_path / "net.npz", (784, 40, 10), "relu", "cross_entropy")
    text = run("--index", "0", "--checkpoint", path, "--top", "3").stdout
    assert text.count("... and 37 more neurons") == 2
    assert "... and 37 more weights" in text
    assert len(re.findall(r"^  h1\.\d+ -> out \d", text, re.MULTILINE)) >= 2


def test_long_names_of_classes_and_neurons_fit_too() -> None:
    lines = str(story((784, 1100, 11, 10), FASHION_MNIST.labels)).split("\n")
    assert max(len(line) for text in lines for line in text.splitlines()) <= 80
    assert any("out T-shir" in line for line in lines)


def test_without_a_checkpoint_the_shipped_network_of_the_video_is_explained_and_named_on_stderr() -> None:
    saved(Path("runs/mine/best.npz"), (784, 10))
    result = run("--index", "3")
    assert result.exit_code == 0, result.output
    assert result.stderr == "using 3blue1brown, which comes with the package\n"


def test_the_network_is_explained_as_the_label_wishes(network: Path, mnist_test: Examples) -> None:
    own = json.loads(run("--index", "1", "--checkpoint", network, "--json").stdout)
    assert own["label"] == own["true_label"] == mnist_test.labels[1] == 2
    other = json.loads(run("--index", "1", "--checkpoint", network, "--json", "--label", "5").stdout)
    assert (other["label"], other["true_label"]) == (5, 2)
    assert other["target"] == np.eye(10)[5].tolist()
    assert other["three_ways"]["neuron"] == 5
    assert "it should read a 5." in run("--index", "1", "--checkpoint", network, "--label", "5").stdout.replace(
        "\n", " "
    )


def test_a_picture_is_explained_as_what_it_is_read_as_unless_told(network: Path, mnist_test: Examples) -> None:
    Path("two.png").write_bytes(png(255 - enlarged(mnist_test.images[1].reshape(28, 28), 10)))
    text = run("two.png", "--checkpoint", network).stdout.replace("\n", " ")
    answer = re.search(r"reads this as an? (\d). The picture has no label", text)
    assert answer is not None
    assert f"Three ways to raise one neuron: out {answer[1]} " in text
    told = json.loads(run("two.png", "--checkpoint", network, "--json", "--label", "2", "--neuron", "1:4").stdout)
    assert (told["file"], told["true_label"], told["label"]) == ("two.png", None, 2)
    assert told["prediction"] == int(answer[1])
    assert (told["three_ways"]["layer"], told["three_ways"]["neuron"]) == (1, 4)


def test_untrained_explains_the_first_weights_of_a_seed(network: Path) -> None:
    def first_bias(*options: str) -> Any:
        found = json.loads(run("--index", "0", "--checkpoint", network, "--json", *options).stdout)
        return found["layers"][-1]["bias_gradient"], found["seed"], found["untrained"]

    untrained = first_bias("--untrained")
    assert untrained[1:] == (3, True)  # the seed in its config
    assert untrained == first_bias("--untrained", "--seed", "3")
    assert untrained[0] != first_bias("--untrained", "--seed", "4")[0]
    assert untrained[0] != first_bias()[0]


def test_every_key_of_the_json_is_documented(network: Path) -> None:
    page = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    section = page.partition("## `explain --json`")[2].partition("\n## ")[0]
    documented = set(re.findall(r"`(\w+)`", section))
    seen: set[str] = set()

    def collect(value: Any) -> None:
        if isinstance(value, dict):
            seen.update(value)
            value = list(value.values())
        if isinstance(value, list):
            for part in value:
                collect(part)

    collect(json.loads(run("--index", "0", "--checkpoint", network, "--json").stdout))
    assert {"label", "wishes", "layers", "heeded", "measured"} <= seen
    assert not seen - documented


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--index", "10000"], 2, "--index 10000: expected 0 to 9,999, the test images of mnist"),
        (["--index", "-1"], 2, "--index -1: expected 0 to 9,999"),
        (["--index", "60000", "--split", "train"], 2, "expected 0 to 59,999, the train images of mnist"),
        (["two.png", "--index", "0"], 2, "expected either a picture file or --index N, found both"),
        ([], 2, "expected either a picture file or --index N, found neither"),
        (["--index", "0", "--label", "10"], 2, "label 10: expected 0 to 9"),
        (["--index", "0", "--label", "-1"], 2, "label -1: expected 0 to 9"),
        (["--index", "0", "--neuron", "10"], 2, "neuron 10: layer 3 has neurons 0 to 9"),
        (["--index", "0", "--neuron", "1:6"], 2, "neuron 6: layer 1 has neurons 0 to 5"),
        (["--index", "0", "--neuron", "4:0"], 2, "layer 4: expected 1 to 3"),
        (["--index", "0", "--neuron", "two"], 2, "--neuron two: expected the number of an output neuron such as 3"),
        (["none.png"], 1, "none.png: cannot be read: no such file"),
        (["tiny.png"], 1, "tiny.png: expected at least 3x8 pixels, found 5x5"),
    ],
)
def test_a_mistake_is_one_line_and_an_exit_code(network: Path, arguments: list[str], code: int, words: str) -> None:
    Path("tiny.png").write_bytes(png(np.zeros((5, 5))))
    result = run(*arguments, "--checkpoint", network)
    assert result.exit_code == code
    assert result.stderr.startswith("mnistnet: error: ")
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


def on_a_terminal(network: Path, **variables: str) -> str:
    """Return what the command prints on a terminal of its own."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "mnistnet", "explain", "--index", "0", "--examples", "100"]
    command += ["--checkpoint", str(network), "--data-dir", str(ROOT / "data")]
    environment = {**os.environ, "TERM": "xterm-256color", "LINES": "1000", "PYTHONIOENCODING": "utf-8", **variables}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL, env=environment) as process:
        os.close(theirs)
        received = bytearray()
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # Linux's way to say that the other end is closed
                break
            if not part:
                break
            received += part
    os.close(ours)
    assert process.returncode == 0
    return received.decode().replace("\r\n", "\n")


def test_on_a_terminal_there_are_colours_and_blocks_within_80_columns(network: Path) -> None:
    text = on_a_terminal(network)
    assert "█" in text
    assert "►" in text
    assert "\x1b[94m" in text
    visible = re.sub(r"\x1b\[\d*m", "", text)
    assert max(map(len, visible.splitlines())) <= 80


@pytest.mark.parametrize("variable", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"PYTHONIOENCODING": "ascii"}])
def test_a_terminal_that_wants_or_can_no_more_gets_what_a_pipe_gets(network: Path, variable: dict[str, str]) -> None:
    text = on_a_terminal(network, **variable)
    assert text.isascii()
    assert "\x1b" not in text
    assert "--->" in text


def test_arrows_are_proportional_to_what_they_stand_for() -> None:
    pen = Pen(rich=False)
    assert pen.arrow(1.0, 1.0, 4) == "    |--->"
    assert pen.arrow(-0.5, 1.0, 4) == "  <-|"
    assert pen.arrow(0.05, 1.0, 4) == "    |"
    assert pen.arrow(0.0, 0.0, 4) == "    |"
    assert pen.bar(0.5, 1.0, 4) == "##"


@pytest.mark.parametrize(
    ("values", "words", "written"),
    [
        ([1.5, -0.25, 0, 0.001], "", ["+1.50", "-0.25", "0", "."]),
        ([0.0123, -0.0001], " (in thousandths)", ["+12.3", "-0.1"]),
        ([2.5e-7], " (in billionths)", ["+250"]),
        ([4e-20], " (in 1e-21)", ["+40.0"]),
        ([12345.0], " (in thousands)", ["+12.3"]),
        ([0.0], "", ["0"]),
    ],
)
def test_numbers_of_a_table_share_a_unit_with_three_digits(values: list[float], words: str, written: list[str]) -> None:
    found = unit(values)
    assert found.words == words
    assert [found(value) for value in values] == written


def test_numbers_in_sentences_are_short() -> None:
    assert [short(v) for v in (0.5, 0.0123456, 1.2e-7, 32, 4321)] == ["0.500", "0.0123", "1.20e-07", "32.0", "4,321"]
    assert short(0.5, "+") == "+0.500"
    assert [times(r) for r in (0.678, 1.44, 32, 257, 124_577, 2.6e10, 3e15)] == [
        *("0.68", "1.4", "32", "257", "125,000", "26 billion", "over a thousand trillion")
    ]
    assert paragraph("a " * 39 + "10 %").splitlines()[1] == "10 %"


def test_one_section_can_be_shown_alone_as_it_stands_in_the_whole_report(network: Path) -> None:
    words = ("--index", "1", "--checkpoint", network)
    whole, part = run(*words).stdout, run(*words, "--section", "4", "--section", "2").stdout
    assert [line[:2] for line in part.splitlines() if line.endswith("---")] == ["2.", "4."]
    assert all(section in whole for section in part.split("\n\n4."))
    assert run(*words, "--section", "7").exit_code == 2


def test_a_terminal_too_small_gets_a_pager_with_colours_and_a_larger_one_does_not(network: Path) -> None:
    paged = on_a_terminal(network, PAGER="sed s/^/paged:/", LINES="24", LESS="-R")
    assert all(line.startswith("paged:") for line in paged.splitlines())
    whole = on_a_terminal(network, PAGER="sed s/^/paged:/", LINES="1000")
    assert "paged:" not in whole
    assert re.sub(r"\x1b\[\d*m|paged:", "", paged).strip() == re.sub(r"\x1b\[\d*m", "", whole).strip()
