"""The networks that come with the package: there at once, as good as promised, and told apart from files."""

import json
from math import cos, sin
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from mnistnet import pretrained
from mnistnet.checkpoint import checkpoint
from mnistnet.data import registry
from mnistnet.data.datasets import Examples
from mnistnet.inference.evaluate import evaluate
from tests.conftest import ROOT
from tests.helpers import run
from tests.pictures import png

PROMISED = {"best": 0.994, "3blue1brown": 0.95}


@pytest.mark.parametrize("name", pretrained.NAMES)
def test_a_shipped_network_keeps_its_promise_on_the_test_images(name: str, mnist_test: Examples) -> None:
    shipped = checkpoint.load(pretrained.path(name))
    assert evaluate(shipped.network, mnist_test).accuracy >= PROMISED[name]


@pytest.mark.parametrize("name", pretrained.NAMES)
def test_a_shipped_network_is_small_calibrated_and_says_what_made_it(name: str) -> None:
    path = pretrained.path(name)
    shipped = checkpoint.load(path)
    assert path.stat().st_size <= 8_000_000
    assert shipped.temperature is not None
    assert shipped.training is None
    assert shipped.dataset["sha256"] == {file.name: file.sha256 for file in registry.MNIST.files}


def test_the_video_s_network_has_the_video_s_layers() -> None:
    shipped = checkpoint.load(pretrained.path("3blue1brown"))
    assert shipped.config.layer_sizes == (784, 16, 16, 10)
    assert (shipped.config.activation, shipped.config.loss) == ("sigmoid", "quadratic")


def test_a_picture_is_read_right_after_installation(tmp_path: Path) -> None:
    result = run("predict", ROOT / "docs" / "two.png", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["digit"] == 2
    assert result.stderr == "using best, which comes with the package\n"


FOREIGN: dict[str, list[list[tuple[float, float]]]] = {
    "1 with a short flag": [[(170, 120), (200, 90), (200, 300)]],
    "1 with a flag": [[(125, 150), (200, 90), (200, 300)]],
    "1 with a long flag": [[(110, 190), (200, 90), (190, 300)]],
    "1 with a flag and a foot": [[(140, 150), (200, 90), (200, 300)], [(150, 300), (250, 300)]],
    "7 with a bar": [[(110, 100), (220, 95), (160, 300)], [(130, 195), (240, 190)]],
    "7 without": [[(110, 100), (220, 95), (160, 300)]],
    "4 small and closed": [[(200, 300), (200, 90), (130, 165), (200, 180)]],
    "0 with a slash": [[(200 + 60 * cos(t / 5), 195 + 105 * sin(t / 5)) for t in range(33)], [(140, 280), (260, 110)]],
}
"""Strokes of digits as much of the world writes them, which are few in MNIST."""


def test_digits_as_much_of_the_world_writes_them_are_read(tmp_path: Path) -> None:
    for name, strokes in FOREIGN.items():
        page = Image.new("L", (400, 400), 240)
        for stroke in strokes:
            ImageDraw.Draw(page).line(stroke, fill=30, width=18, joint="curve")
        page.save(tmp_path / f"{name}.png")
    result = run("predict", *(f"{name}.png" for name in FOREIGN), "--json")
    read = [json.loads(line) for line in result.stdout.splitlines()]
    assert {each["file"]: each["digit"] for each in read} == {f"{name}.png": int(name[0]) for name in FOREIGN}


def test_a_word_names_the_shipped_network_and_a_path_the_file(tmp_path: Path, mnist_dir: Path) -> None:
    assert run("info", "3blue1brown").exit_code == 0
    Path("3blue1brown").write_text("not a checkpoint")
    assert run("info", "3blue1brown").exit_code == 0
    assert run("info", "./3blue1brown").exit_code == 1


def test_the_networks_are_read_from_the_package_and_not_from_the_folder_one_stands_in(
    tmp_path: Path, mnist_test: Examples
) -> None:
    (tmp_path / "digit.png").write_bytes(png(mnist_test.images[0].reshape(28, 28)))
    assert run("predict", "digit.png").exit_code == 0
