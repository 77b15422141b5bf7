"""Sheets, forms, colours and uneven pens: all digits are read in reading order, and nothing vanishes without a word."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from benchmarks import field
from mnistnet import pretrained
from mnistnet.checkpoint import checkpoint
from mnistnet.cli import cli
from mnistnet.data.datasets import Examples
from mnistnet.errors import ImageError
from mnistnet.inference.classifier import Classifier
from mnistnet.inference.evaluate import forward
from mnistnet.vision import colour, morphology
from tests.pictures import Digit, saved
from tests.sheets import COLOURS, NON_DIGITS, SHEETS, SINGLES, grid


@pytest.fixture(scope="module")
def best() -> Classifier:
    return Classifier.of(checkpoint.load(pretrained.path("best")))


@pytest.fixture(scope="module")
def clear(best: Classifier, mnist_train: Examples) -> list[list[Digit]]:
    """Return for each class three digits that the network is sure of."""
    few = mnist_train.take(np.arange(55_000, 55_400))
    sure = (forward(best.network, few.images).argmax(axis=1) == few.labels) & (best.margin(few.images) > 0.8)
    widths = (few.images.reshape(-1, 28, 28) > 0).any(axis=1).sum(axis=1)
    usual = sure & (widths <= 18)  # of the 20 that a digit is high: no tails into its neighbours
    return [
        [few.images[n].reshape(28, 28) for n in np.flatnonzero(usual & (few.labels == digit))[:3]]
        for digit in range(10)
    ]


def text_of(classifier: Classifier, page: Image.Image) -> str:
    read = classifier.prepare(saved(page), "page", page=True)
    digits = [str(each.digit) for each in classifier.answers(read)]
    return "/".join("".join(d for d, r in zip(digits, read.rows, strict=True) if r == row) for row in set(read.rows))


def rows_of(clear: list[list[Digit]], text: str) -> list[list[Digit]]:
    return [[clear[int(letter)][place % 3] for place, letter in enumerate(row)] for row in text.split("/")]


@pytest.mark.parametrize("kind", SHEETS)
@pytest.mark.parametrize("text", ["2350/6748", "43/38/29"])
def test_rows_of_digits_are_read_in_reading_order(
    kind: str, text: str, best: Classifier, clear: list[list[Digit]]
) -> None:
    assert text_of(best, SHEETS[kind](rows_of(clear, text), np.random.default_rng(3))) == text


@pytest.mark.parametrize("kind", SINGLES)
def test_one_digit_is_read_from_forms_screens_and_bad_pens(
    kind: str, best: Classifier, clear: list[list[Digit]]
) -> None:
    random, found = np.random.default_rng(1), ""
    for digit in (2, 3, 5, 6):
        read = best.prepare(saved(SINGLES[kind](clear[digit][0], random)), kind)
        found += str(best.answers(read)[0].digit)
    assert found == "2356"


@pytest.mark.parametrize("name", COLOURS)
def test_ink_that_differs_in_hue_alone_stands_out(name: str) -> None:
    pen, paper = COLOURS[name]
    page = np.full((60, 80, 3), paper, np.uint8)
    page[20:40, 35:40] = pen
    grey = colour.separating(page)
    assert grey[0, 0] - grey[30, 37] > 0.2  # darker than the paper
    assert 0 <= grey.min() <= grey.max() <= 1


def test_black_on_white_is_read_by_luminance() -> None:
    page = np.full((60, 80, 3), 240, np.uint8)
    page[20:40, 35:40] = (20, 30, 25)
    assert np.array_equal(colour.separating(page), colour.luminance(page))


def test_a_light_stroke_counts_where_it_touches_a_dark_one() -> None:
    values = np.zeros((9, 20), np.float32)
    values[4, 2:8], values[4, 8:12] = 0.3, 0.9
    values[4, 14:18] = 0.3
    assert morphology.hysteresis(values, 0.2, 0.5).sum(axis=0).tolist() == [0] * 2 + [1] * 10 + [0] * 8


def said(*words: str) -> Any:
    result = CliRunner().invoke(cli, ["predict", *words])
    assert result.exit_code == 0, result.output
    return result


@pytest.mark.parametrize("option", ["--page", "--line"])
def test_the_command_prints_a_line_for_each_row_and_json_has_row_and_box(option: str, clear: list[list[Digit]]) -> None:
    grid(rows_of(clear, "234/572"), np.random.default_rng(0)).save("rows.png")
    lines = said("rows.png", option).stdout.splitlines()
    assert [line.split("   (")[0] for line in lines] == ["rows.png: 234", "rows.png: 572"]
    answer = json.loads(said("rows.png", option, "--json").stdout)
    assert answer["text"] == "234\n572"
    assert [digit["row"] for digit in answer["digits"]] == [0, 0, 0, 1, 1, 1]
    tops = [digit["box"][1] for digit in answer["digits"]]
    assert max(tops[:3]) < min(tops[3:])
    assert (answer["left_out"], answer["turned"]) == ([], 0)


def test_one_digit_of_many_is_unsure_and_the_others_are_mentioned(clear: list[list[Digit]]) -> None:
    grid(rows_of(clear, "2/5"), np.random.default_rng(0)).save("rows.png")
    result = said("rows.png", "--json")
    assert json.loads(result.stdout)["unsure"]
    assert "holds more than one digit? --page reads them all" in result.stderr


@pytest.mark.parametrize("turns", [1, 2])
def test_a_page_on_its_side_is_turned_and_says_so(turns: int, best: Classifier, clear: list[list[Digit]]) -> None:
    upright = grid(rows_of(clear, "2345/5274"), np.random.default_rng(0))
    straight = best.prepare(saved(upright), "page", page=True)
    turned = best.prepare(saved(upright.rotate(-90 * turns, expand=True)), "page", page=True)
    assert turned.turned == 90 * turns
    assert len(turned.boxes) == 8
    assert np.array_equal(turned.pixels, straight.pixels)
    width, height = upright.size
    left, top, right, bottom = straight.boxes[0]
    boxes = {
        1: (height - bottom, left, height - top, right),
        2: (width - right, height - bottom, width - left, height - top),
    }
    assert turned.boxes[0] == pytest.approx(boxes[turns], abs=2)


def test_a_digit_that_the_edge_cuts_in_two_is_named(best: Classifier, clear: list[list[Digit]]) -> None:
    whole = grid(rows_of(clear, "834"), np.random.default_rng(0))
    left, top, right, bottom = best.prepare(saved(whole), "whole", page=True).boxes[0]
    whole.crop(((left + right) // 2, 0, *whole.size)).save("edge.png")
    result = said("edge.png", "--page", "--json")
    answer = json.loads(result.stdout)
    assert answer["text"] == "34"
    (box,) = answer["left_out"]
    assert box[0] == 0
    assert top - 6 < box[1] < box[3] < bottom + 6
    assert box[2] < (right - left) // 2 + 6
    assert "left out what touches the edge" in result.stderr


def test_most_of_what_is_no_digit_is_unsure_or_refused(best: Classifier) -> None:
    random, sure = np.random.default_rng(0), 0
    for number in range(18):
        content = list(NON_DIGITS.values())[number % len(NON_DIGITS)](random)
        try:
            sure += not best.answers(best.prepare(content, "it"))[0].unsure
        except ImageError:
            continue
    assert sure <= 2


def test_a_folder_is_scored_by_kind_writer_and_error(
    best: Classifier, clear: list[list[Digit]], tmp_path: Path
) -> None:
    grid(rows_of(clear, "3"), np.random.default_rng(0)).save(tmp_path / "ann_1.png")
    grid(rows_of(clear, "24/57"), np.random.default_rng(0)).save(tmp_path / "ann_2.png")
    Image.new("L", (60, 60), 255).save(tmp_path / "bob_1.png")
    (tmp_path / "labels.csv").write_text("file,digits\nann_1.png,3\nann_2.png,24/57\nbob_1.png,8\n", "utf-8")
    pictures = field.read_labels(tmp_path)
    answers = [field.predict(best, picture) for picture in pictures]
    assert [answer.digits for answer in answers] == ["3", "24/57", ""]
    assert field.score(pictures, answers) == {"single": [1, 2, 0, 0], "sheet": [1, 1, 0, 0]}
    assert field.by_writer(pictures, answers) == {"ann": [2, 2], "bob": [0, 1]}
    assert [field.error_kind(*pair) for pair in zip(pictures, answers, strict=True)] == ["right", "right", "refused"]
    assert field.contact_sheet(pictures, answers).size == (8 * field.TILE, field.TILE + 14)
    baseline = field.BASELINES["Otsu, crop, 20x20, centre of mass"](best, pictures[0])
    assert baseline.digits == "3"
    with Image.open(BytesIO(saved(field.contact_sheet(pictures, answers)))) as image:
        assert image.getextrema() != ((255, 255),) * 3


def test_each_step_can_be_taken_out(best: Classifier) -> None:
    assert [name for name, answers in field.ablated(best, [])] == list(field.ABLATIONS)
