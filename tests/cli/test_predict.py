"""`mnistnet predict`: what it prints where for pictures that can be read and for those that cannot."""

import csv
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from mnistnet.checkpoint import checkpoint
from mnistnet.cli import cli
from mnistnet.config.schema import Config
from mnistnet.data.datasets import Examples
from mnistnet.inference.evaluate import forward
from mnistnet.nn.network import Network
from tests.cli.test_cli import process
from tests.helpers import read_digit, run
from tests.pictures import SEVEN, on_paper, png, saved

NEW = {"dataset": {"name": "mnist", "sha256": {}}, "best": {"epoch": 0, "validation_accuracy": None, "chosen_by": ""}}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, mnist_dir: Path) -> Path:
    """Return the checkpoint of a network that reads most digits."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    few = [f"--set={word}" for word in ("train_images=8000", "validation=500", "epochs=2", "layer_sizes=[784,32,10]")]
    assert run("train", *few, "--out", folder, "--data-dir", mnist_dir).exit_code == 0
    return folder / "best.npz"


@pytest.fixture
def seven(tmp_path: Path) -> Path:
    (tmp_path / "seven.png").write_bytes(png(on_paper(SEVEN, 5)))
    return Path("seven.png")


def predict(trained: Path, *arguments: str | Path) -> Result:
    return run("predict", *arguments, "--checkpoint", trained)


def with_weights(path: Path, scale: float) -> Path:
    """Write a checkpoint whose every weight is `scale`, and return its path."""
    config = Config(layer_sizes=(784, 10), epochs=0)
    network = Network(config.layer_sizes, config.activation, config.loss)
    network.parameters[:] = scale
    made = checkpoint.Checkpoint(config=config, network=network, epoch=0, metrics={}, blas="", threads=1, **NEW)  # type: ignore[arg-type]
    checkpoint.save(path, made)
    return path


def test_a_line_says_the_digit_how_sure_it_is_and_what_comes_next(trained: Path, seven: Path) -> None:
    result = predict(trained, seven)
    assert result.exit_code == 0
    assert re.fullmatch(r"seven\.png: 7 \(\d+\.\d %\)   then \d \(\d+\.\d %\), \d \(\d+\.\d %\)\n", result.stdout)
    assert result.stderr == ""


def test_top_says_how_many_answers_are_shown_the_surest_first(trained: Path, seven: Path) -> None:
    assert re.fullmatch(r"seven\.png: 7 \(\d+\.\d %\)\n", predict(trained, seven, "--top", "1").stdout)
    every = predict(trained, seven, "--top", "99").stdout
    shares = [float(share) for share in re.findall(r"([\d.]+) %", every)]
    assert shares == sorted(shares, reverse=True)
    assert sorted(re.findall(r"(\d) \(", every)) == list("0123456789")
    assert predict(trained, seven, "--top", "0").exit_code == 2


def test_json_has_a_probability_for_each_digit_calibrated(trained: Path, seven: Path) -> None:
    said = json.loads(predict(trained, seven, "--json").stdout)
    assert {"file", "digit", "confidence", "probabilities"} <= set(said)
    assert said["file"] == "seven.png"
    assert said["digit"] == 7
    assert len(said["probabilities"]) == 10
    assert sum(said["probabilities"]) == pytest.approx(1)
    assert said["confidence"] == said["probabilities"][7] == max(said["probabilities"])
    loaded = checkpoint.load(trained)
    assert loaded.temperature is not None
    logits = forward(loaded.network, read_digit(seven)[None])[0].astype(float) / loaded.temperature
    assert said["probabilities"] == pytest.approx(np.exp(logits) / np.exp(logits).sum(), rel=1e-5)


def test_show_draws_what_the_network_sees(trained: Path, seven: Path) -> None:
    first, _, *drawing = predict(trained, seven, "--show").stdout.splitlines()
    assert first.startswith("seven.png: 7")
    pixels = read_digit(seven).reshape(28, 28)
    assert len(drawing) == 28
    third = 2 * (56 + 3)  # after the picture as given and its ink
    inked = [[letter != " " for letter in line[third:].ljust(56)[::2]] for line in drawing]
    assert np.array_equal(inked, pixels > 0)


def test_with_json_the_drawing_goes_to_stderr(trained: Path, seven: Path) -> None:
    result = predict(trained, seven, "--show", "--json")
    assert len(list(map(json.loads, result.stdout.splitlines()))) == 1
    assert len(result.stderr.splitlines()) == 29


def test_a_picture_that_cannot_be_read_does_not_keep_the_others_from_it(trained: Path, seven: Path) -> None:
    Path("bad.png").write_text("no picture")
    result = predict(trained, seven, "bad.png", "none.png", seven)
    assert result.exit_code == 1
    assert [line[:12] for line in result.stdout.splitlines()] == ["seven.png: 7"] * 2
    bad, none = result.stderr.splitlines()
    assert bad.startswith("mnistnet: error: bad.png: not a picture")
    assert none == "mnistnet: error: none.png: cannot be read: no such file or directory"


def test_as_json_a_bad_picture_is_an_object_with_its_error_in_its_place(trained: Path, seven: Path) -> None:
    Path("bad.png").write_bytes(b"")
    result = predict(trained, seven, "bad.png", seven, "--json")
    assert result.exit_code == 1
    first, bad, last = map(json.loads, result.stdout.splitlines())
    assert bad == {"file": "bad.png", "error": "bad.png: the file is empty"}
    assert first == last
    assert first["digit"] == 7
    assert result.stderr == ""


def test_as_a_process_it_reads_digits_it_has_not_learned(trained: Path, mnist_test: Examples) -> None:
    names = [f"{index}.png" for index in range(20)]
    for name, pixels in zip(names, mnist_test.images, strict=False):
        Path(name).write_bytes(png(on_paper(pixels.reshape(28, 28), 4)))
    done = process("predict", *names, "missing.png", "--checkpoint", trained, "--json")
    assert done.returncode == 1
    assert done.stderr == ""
    *said, error = map(json.loads, done.stdout.splitlines())
    right = [one["digit"] == label for one, label in zip(said, mnist_test.labels, strict=False)]
    assert len(right) == 20
    assert sum(right) >= 17
    assert error["file"] == "missing.png"


def test_a_name_that_is_not_unicode_can_be_printed(trained: Path, seven: Path) -> None:
    odd = os.fsdecode(b"\xff.png")
    shutil.copy(seven, odd)
    done = process("predict", odd, "--checkpoint", trained, env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(r"\udcff.png: 7")


def test_last_run_is_the_newest_run(trained: Path, seven: Path) -> None:
    for age, name in ((1000, "old"), (2000, "new"), (500, "older")):
        path = Path("runs") / name / "best.npz"
        path.parent.mkdir(parents=True)
        if name == "new":
            shutil.copy(trained, path)
        else:
            with_weights(path, 0)
        os.utime(path, (age, age))
    assert run("predict", seven, "--checkpoint", "last-run").stdout == predict(trained, seven).stdout


def test_without_a_word_the_network_that_is_used_is_named_on_stderr(seven: Path) -> None:
    assert run("predict", seven).stderr == "using best, which comes with the package\n"


def test_the_folder_of_a_run_names_its_best_network(trained: Path, seven: Path) -> None:
    assert predict(trained.parent, seven).stdout == predict(trained, seven).stdout


def test_a_missing_checkpoint_is_an_error_that_says_how_to_get_one(seven: Path) -> None:
    result = run("predict", seven, "--checkpoint", "last-run")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "train a network first with `mnistnet train`, or name a checkpoint" in result.stderr
    assert "none.npz: cannot be read: no such file" in predict(Path("none.npz"), seven).stderr
    assert "seven.png: not a checkpoint" in predict(seven, seven).stderr


def test_a_network_whose_answer_is_no_number_says_so(seven: Path) -> None:
    result = predict(with_weights(Path("huge.npz"), 3e38), seven, "--json")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "is not a finite number" in result.stderr


def test_a_checkpoint_without_a_temperature_answers_all_the_same(seven: Path) -> None:
    said = json.loads(predict(with_weights(Path("flat.npz"), 0), seven, "--json").stdout)
    assert said["probabilities"] == [0.1] * 10


def test_no_picture_at_all_is_wrong_usage(trained: Path) -> None:
    assert predict(trained).exit_code == 2


def test_an_empty_folder_is_named_and_the_others_are_read_all_the_same(trained: Path, seven: Path) -> None:
    Path("empty").mkdir()
    result = run("predict", "empty", seven, "--checkpoint", trained)
    assert result.exit_code == 1
    assert "empty: this folder holds no picture" in result.stderr
    assert result.stdout.startswith(f"{seven}: 7")


def test_two_pictures_on_standard_input_are_refused_and_neither_is_dropped_without_a_word(
    trained: Path, seven: Path
) -> None:
    def said(content: bytes) -> Any:
        words = ["predict", "-", "--checkpoint", str(trained)]
        return CliRunner().invoke(cli, words, input=content)

    picture = seven.read_bytes()
    jpeg = saved(Image.open(seven).convert("L"), "JPEG")
    assert said(picture).exit_code == said(jpeg).exit_code == 0
    for content in (picture * 2, jpeg * 2, picture + jpeg, jpeg + picture):
        assert said(content).exit_code == 1
        assert "standard input: holds more than one picture" in said(content).stderr


def test_csv_has_a_line_for_each_digit_and_one_for_each_error(trained: Path, seven: Path) -> None:
    Path("bad, or not.png").write_bytes(b"nothing")
    result = run("predict", seven, "bad, or not.png", "--csv", "--checkpoint", trained)
    assert result.exit_code == 1
    (good, bad) = csv.DictReader(result.stdout.splitlines())
    assert (good["file"], good["digit"], good["unsure"], good["error"]) == (str(seven), "7", "False", "")
    assert 0 < float(good["confidence"]) <= 1
    assert all(good[side] for side in ("left", "top", "right", "bottom"))
    assert (bad["file"], bad["digit"]) == ("bad, or not.png", "")
    assert "not a picture" in bad["error"]
    assert run("predict", seven, "--csv", "--json").exit_code == 2
