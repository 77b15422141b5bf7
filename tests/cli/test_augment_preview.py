"""`mnistnet augment-preview`: the picture shows what a training with that config would see."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from mnistnet.cli import cli
from mnistnet.cli.augment_preview import of_each_class
from mnistnet.config import loader as configs
from mnistnet.data.augment import Augmenter
from mnistnet.data.datasets import Examples
from mnistnet.data.drawn.digits import draw_digits
from mnistnet.util.rng import Use, generator
from tests.conftest import ROOT


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(cli, ["augment-preview", *map(str, words)])


def dots(path: Path) -> Any:
    with Image.open(path) as picture:
        return np.asarray(picture)


def cell(path: Path, row: int, column: int) -> Any:
    return dots(path)[29 * row : 29 * row + 28, 29 * column : 29 * column + 28].reshape(784)


def test_each_line_holds_a_digit_and_nine_copies_as_training_distorts_them(
    tmp_path: Path, mnist_dir: Path, mnist_train: Examples
) -> None:
    path = tmp_path / "sheet.png"
    words = ["--set", "augment=ciresan2010", "--set", "seed=3", "--count", "12", "--zoom", "1", "--json"]
    result = run("-o", path, *words, "--data-dir", mnist_dir)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told.pop("augment")["name"] == "ciresan2010"
    assert told == {"file": str(path), "images": 12, "drawn": 0, "non_digits": 0, "copies": 9}
    assert dots(path).shape == (12 * 29, 10 * 29)
    labels = [*range(10), 0, 1]
    seventh = np.flatnonzero(mnist_train.labels == 7)[0]
    assert np.array_equal(cell(path, 7, 0), mnist_train.images[seventh])
    second = np.flatnonzero(mnist_train.labels == 1)[1]
    assert np.array_equal(cell(path, 11, 0), mnist_train.images[second])

    settings = configs.load(None, ["augment=ciresan2010"]).augment
    assert settings is not None
    images = np.repeat([cell(path, row, 0) for row in range(12)], 9, axis=0)
    expected = np.empty(images.shape, np.float32)
    Augmenter(settings)(images, expected, generator(3, Use.AUGMENT, 1), np.repeat(labels, 9).astype(np.uint8))
    shown = [cell(path, row, column) for row in range(12) for column in range(1, 10)]
    assert np.array_equal(shown, np.rint(expected * 255))


def test_drawn_digits_stand_after_the_training_images(mnist_dir: Path) -> None:
    words = ["--set", "drawn_digits=3", "--set", "non_digits=2", "--count", "5", "--zoom", "1"]
    result = run("-o", "sheet.png", *words, "--data-dir", mnist_dir)
    assert (
        result.stdout
        == "sheet.png: 5 training images and 3 drawn digits and 2 non-digits, and 9 distorted copies beside each\n"
    )
    drawn = draw_digits(3, generator(0, Use.STROKES)).images
    assert np.array_equal([cell(Path("sheet.png"), row, 0) for row in (5, 6, 7)], drawn)


def test_without_a_config_the_default_is_drawn_as_the_documents_show_it(tmp_path: Path, mnist_dir: Path) -> None:
    result = run("--data-dir", mnist_dir)
    assert result.stdout == "augment-preview.png: 10 training images, and 9 distorted copies beside each\n"
    drawn, documented = (
        dots(path).astype(int) for path in (tmp_path / "augment-preview.png", ROOT / "docs/augment.png")
    )
    assert drawn.shape == documented.shape == (580, 580)
    assert abs(drawn - documented).max() <= 1  # on another machine sums may be rounded otherwise


def test_classes_take_turns() -> None:
    labels = np.array([1, 1, 0, 1, 2, 0], np.uint8)
    assert of_each_class(labels, 5).tolist() == [2, 0, 4, 5, 1]
    assert of_each_class(labels, 100).tolist() == [2, 0, 4, 5, 1, 3]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["-o", "sheet.jpg"], 2, "sheet.jpg: expected a file name that ends in .png"),
        (["-o", "nowhere/sheet.png"], 1, "nowhere/sheet.png: cannot be written: no such file or directory"),
        (["--set", "augment=null"], 2, "augment is null, so there is nothing to draw: try --set augment=default"),
        (["--set", "augment=wave"], 2, "--set augment=wave"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_no_file(
    words: list[str], code: int, message: str, tmp_path: Path, mnist_dir: Path
) -> None:
    result = run(*words, "--data-dir", mnist_dir)
    assert result.exit_code == code
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())
