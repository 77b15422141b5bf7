"""Photographs, lines of digits, and what is no digit: read by the network that comes with the package."""

import json
from io import BytesIO
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner, Result
from PIL import Image, ImageDraw, ImageFont

from mnistnet import pretrained
from mnistnet.checkpoint import checkpoint
from mnistnet.checkpoint.checkpoint import Checkpoint
from mnistnet.cli import cli
from mnistnet.data.datasets import Examples
from mnistnet.inference import ood
from mnistnet.inference.classifier import Classifier
from mnistnet.inference.evaluate import forward
from mnistnet.vision import reading
from tests.helpers import read_digit
from tests.photos import PHOTOS
from tests.pictures import SEVEN, Digit, inked, on_paper, png, saved

UNSEEN = np.arange(50_000, 50_200)


@pytest.fixture(scope="module")
def best() -> Checkpoint:
    return checkpoint.load(pretrained.path("best"))


@pytest.fixture(scope="module")
def clear(best: Checkpoint, mnist_train: Examples) -> Examples:
    """Return one digit of each class that the network is sure of."""
    few = mnist_train.take(UNSEEN)
    logits = np.sort(forward(best.network, few.images), axis=1)
    sure = (forward(best.network, few.images).argmax(axis=1) == few.labels) & (logits[:, -1] - logits[:, -2] > 3)
    return few.take(np.array([np.flatnonzero(sure & (few.labels == d))[0] for d in range(10)]))


def predict(*words: str | Path, given: bytes | None = None) -> Result:
    return CliRunner().invoke(cli, ["predict", *map(str, words)], input=given)


def said(*words: str | Path, given: bytes | None = None) -> Any:
    result = predict(*words, "--json", given=given)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


# --- Photographs ------------------------------------------------------------------------------------------------------


TINY = ("photo, small, on a table, in shadow", 160)  # a digit of 20 pixels in a dark corner


@pytest.mark.parametrize(("name", "width"), sorted({*product(PHOTOS, (480, 160))} - {TINY}))
def test_digits_in_photographs_are_read(name: str, width: int, best: Checkpoint, clear: Examples) -> None:
    random = np.random.default_rng(0)
    some = clear.take(np.array([2, 3, 7]) if width == 480 else np.array([4, 5]))
    photos = [PHOTOS[name](pixels.reshape(28, 28), random) for pixels in some.images]
    pixels = np.stack(
        [reading.digit_from_bytes(smaller(photo, width), name, Classifier.of(best).margin) for photo in photos]
    )
    assert forward(best.network, pixels).argmax(axis=1).tolist() == some.labels.tolist()


def smaller(photo: bytes, width: int) -> bytes:
    """Return a photograph as it is sent by phone: reduced to a width in pixels."""
    with Image.open(BytesIO(photo)) as large:
        if large.width == width:
            return photo
        return saved(large.resize((width, large.height * width // large.width)), "JPEG", quality=85)


@pytest.mark.parametrize(
    ("strokes", "digit"),
    [
        ([[(60, 60), (140, 60), (90, 160)], [(80, 110), (130, 110)]], 7),  # crossed
        ([[(92, 65), (105, 50), (105, 160)]], 1),  # with a serif
        ([[(60, 60), (100, 60), (130, 80), (100, 105), (130, 130), (100, 160), (60, 155)]], 3),
        (
            [[(135, 50), (80, 50)], [(80, 62), (78, 95), (115, 95), (130, 125), (110, 155), (70, 155)]],
            5,
        ),  # its bar apart
    ],
    ids=["crossed seven", "one with a serif", "three", "broken five"],
)
def test_digits_as_people_write_them_elsewhere_are_read(strokes: list[list[tuple[int, int]]], digit: int) -> None:
    sheet = Image.new("L", (200, 210), 235)
    for stroke in strokes:
        ImageDraw.Draw(sheet).line(stroke, fill=40, width=9, joint="curve")
    Path("digit.png").write_bytes(saved(sheet))
    assert said("digit.png")["digit"] == digit
    assert said("digit.png", "--line")["text"] == str(digit)


# --- Lines ------------------------------------------------------------------------------------------------------------


def row(digits: npt.NDArray[np.uint8], gap: int, scale: int = 6) -> npt.NDArray[np.float64]:
    """Return digits on paper, one after the other with so many pixels between their ink."""
    parts = []
    for pixels in digits:
        digit: Digit = pixels.reshape(28, 28)
        columns = inked(digit)[1]
        page = on_paper(digit, scale, 240, 30)
        parts += [page[:, columns.start * scale : columns.stop * scale], np.full((28 * scale, gap), 240.0)]
    return np.pad(np.hstack(parts[:-1]), 40, constant_values=240)


@pytest.mark.parametrize("light", [1.0, -1.0])
def test_a_line_of_digits_is_read_from_left_to_right(light: float, clear: Examples) -> None:
    order = np.array([2, 0, 3, 6, 8])
    page = row(clear.images[order], 24)
    Path("line.png").write_bytes(png(page if light > 0 else 255 - page))
    result = said("line.png", "--line")
    assert result["text"] == "20368"
    assert result["file"] == "line.png"
    boxes = [digit["box"] for digit in result["digits"]]
    assert [digit["digit"] for digit in result["digits"]] == [2, 0, 3, 6, 8]
    assert all(set(digit) == {"digit", "confidence", "unsure", "row", "box"} for digit in result["digits"])
    assert all(one[2] <= other[0] for one, other in pairwise(boxes))
    height, width = page.shape
    assert all(0 <= left < right <= width and 0 <= top < bottom <= height for left, top, right, bottom in boxes)
    assert predict("line.png", "--line").stdout.startswith("line.png: 20368   (2 ")


def test_a_pen_beside_a_line_of_digits_is_not_read(clear: Examples) -> None:
    page = np.pad(row(clear.images[[2, 0, 3]], 24), ((0, 0), (0, 60)), constant_values=240)
    page[10:-10, -40:-30] = 60
    Path("line.png").write_bytes(png(page))
    assert said("line.png", "--line")["text"] == "203"


def test_digits_that_touch_are_cut_where_they_are_thin(clear: Examples) -> None:
    bars = np.zeros((28, 28), np.uint8)
    bars[4:24, 12:16] = 255
    page = row(np.stack([clear.images[0], clear.images[0]]), 10)
    page[118:124, 40 : page.shape[1] - 40] = 30  # a thin stroke from one to the other
    Path("touching.png").write_bytes(png(page))
    assert len(said("touching.png", "--line")["digits"]) == 2


def test_a_picture_of_several_digits_without_line_gets_a_hint(clear: Examples) -> None:
    Path("line.png").write_bytes(png(row(clear.images[[2, 3]], 24)))
    result = predict("line.png")
    assert result.exit_code == 0
    assert "line.png: holds more than one digit? --page reads them all" in result.stderr
    Path("one.png").write_bytes(png(on_paper(SEVEN, 6)))
    assert "--page" not in predict("one.png").stderr


# --- What is no digit -------------------------------------------------------------------------------------------------


def test_most_letters_are_unsure_and_nearly_all_digits_are_not(best: Checkpoint, mnist_test: Examples) -> None:
    few = mnist_test.images[:1000]
    ones = np.ones(len(few))
    assert ood.unsure(best.network, few, (28, 28), ones, best.ood_threshold).mean() < 0.07
    letters = []
    for letter in "EFGHKMNPRWXaehkmrwx":
        sheet = Image.new("L", (120, 120), 255)
        ImageDraw.Draw(sheet).text((60, 60), letter, font=ImageFont.load_default(70), anchor="mm", fill=0)
        letters.append(reading.digit_from_bytes(saved(sheet), letter, Classifier.of(best).margin))
    assert ood.unsure(best.network, np.stack(letters), (28, 28), ones[: len(letters)], best.ood_threshold).mean() > 0.9


def test_what_is_unsure_is_said_without_a_percentage() -> None:
    sheet = Image.new("L", (200, 200), 255)
    ImageDraw.Draw(sheet).text((100, 100), "W", font=ImageFont.load_default(120), anchor="mm", fill=0)
    Path("letter.png").write_bytes(saved(sheet))
    assert said("letter.png")["unsure"] is True
    result = predict("letter.png")
    assert result.stdout.startswith("letter.png: unsure")
    assert "%" not in result.stdout


def test_without_a_threshold_only_low_confidence_is_unsure(best: Checkpoint, clear: Examples) -> None:
    shares = np.array([0.7, 0.8])
    assert ood.unsure(best.network, clear.images[:2], (28, 28), shares, None).tolist() == [True, False]


def test_views_move_an_image_and_bring_nothing_in_from_the_other_side() -> None:
    image = np.arange(784, dtype=np.uint16).reshape(28, 28)
    left = np.append(image.ravel(), 9999)[ood.views((28, 28))[0]].reshape(28, 28)
    assert np.array_equal(left[:, :-1], image[:, 1:])
    assert (left[:, -1] == 9999).all()
    assert len(ood.views((28, 28))) == 10


# --- Where pictures come from, and what is shown of them --------------------------------------------------------------


def test_a_folder_a_pattern_and_standard_input_are_read() -> None:
    folder = Path("scans")
    folder.mkdir()
    content = png(on_paper(SEVEN, 5))
    for name in ("b.png", "a.PNG", "notes.txt"):
        (folder / name).write_bytes(content)
    lines = [json.loads(line) for line in predict("scans", "--json").stdout.splitlines()]
    assert [(line["file"], line["digit"]) for line in lines] == [("scans/a.PNG", 7), ("scans/b.png", 7)]
    assert len(predict("scans/*.png", "--json").stdout.splitlines()) == 1
    assert said("-", given=content)["digit"] == 7
    assert "standard input: the file is empty" in predict("-", given=b"").stderr


def test_a_folder_without_pictures_and_a_pattern_that_fits_nothing_are_error_lines() -> None:
    Path("empty").mkdir()
    result = predict("empty", "none*.png")
    assert result.exit_code == 1
    errors = [line for line in result.stderr.splitlines() if "error" in line]
    assert [line.split(": ")[2] for line in errors] == ["empty", "none*.png"]


def test_show_has_three_drawings_side_by_side_and_save_input_writes_the_last() -> None:
    Path("seven.png").write_bytes(png(on_paper(SEVEN, 5)))
    head, *rows = predict("seven.png", "--show", "--save-input", "seen.png").stdout.splitlines()[1:]
    assert head.split("  ")[0] == "as given"
    assert "ink" in head
    assert head.endswith("what the network sees")
    assert len(rows) == 28
    with Image.open("seen.png") as seen:
        assert seen.size == (28, 28)
        assert np.array_equal(np.asarray(seen), read_digit(Path("seven.png")).reshape(28, 28))


def test_save_input_takes_one_picture_and_a_png() -> None:
    Path("seven.png").write_bytes(png(on_paper(SEVEN, 5)))
    assert predict("seven.png", "seven.png", "--save-input", "seen.png").exit_code == 2
    assert predict("seven.png", "--save-input", "seen.jpg").exit_code == 2
    assert "cannot be written" in predict("seven.png", "--save-input", "no/such/folder.png").stderr
