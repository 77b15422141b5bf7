"""docs/pictures.md shows what was measured, of every kind of picture that the tests know."""

import json
from typing import Any

from benchmarks import field, pictures
from tests.photos import PHOTOS
from tests.pictures import DEGRADATIONS

RESULTS: dict[str, Any] = json.loads(pictures.RESULTS.read_text(encoding="utf-8"))
RIGHT = {row["name"]: row["right"] / row["of"] for row in RESULTS["rows"]}


def test_the_page_shows_the_committed_figures() -> None:
    assert pictures.table(RESULTS) in pictures.PAGE.read_text(encoding="utf-8")


def test_every_kind_of_picture_was_measured() -> None:
    assert RIGHT.keys() >= {*DEGRADATIONS, *PHOTOS}


def test_pictures_are_read_as_well_as_promised() -> None:
    assert abs(RESULTS["test_as_png"]["right"] - RESULTS["test"]) <= 10  # of 10,000: 0.1 points
    assert RIGHT["other people's digits, 8x8"] >= 0.94
    assert RESULTS["honesty"]["calibration_error"] <= 0.01
    clean = RESULTS["themselves"] / RESULTS["about"]["count"]
    assert min(RIGHT[name] for name in DEGRADATIONS) >= clean - 0.05
    assert min(RIGHT[name] for name in PHOTOS) >= 0.85


def test_the_page_shows_the_counts_of_the_field() -> None:
    results = json.loads(field.RESULTS.read_text(encoding="utf-8"))
    assert field.table(results) in field.PAGE.read_text(encoding="utf-8")
    assert results["ablation"].keys() == field.ABLATIONS.keys()
    right, total = results["readers"]["predict"]["single"][:2]
    assert right > results["readers"]["Otsu, crop, 20x20, centre of mass"]["single"][0]
    assert right >= 0.97 * total
