"""The figures of docs/reliability.md: what is counted is printed, kept and shown, and what was lost is not left out."""

import json
from pathlib import Path

import pytest

from benchmarks import reliability
from tests.conftest import ROOT
from tests.torture.tally import PROMISES, Tally


def test_a_line_a_promise_says_what_was_tried_survived_and_lost() -> None:
    tally = Tally()
    tally.add(2, "a", 1000, 0)
    tally.add(2, "b", 500, 3)
    tally.add(1, "c", 7, 0)
    assert tally.lines() == [
        f"1. {PROMISES[1]}: tried 7, survived 7, lost 0",
        f"2. {PROMISES[2]}: tried 1,500, survived 1,497, lost 3",
    ]


def test_every_test_of_a_promise_that_is_named_on_the_page_is_there() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    for promise in PROMISES:
        assert f"## {promise}. " in page
    for path in (ROOT / "tests" / "torture").glob("test_*.py"):
        assert path.name == Path(__file__).name or f"tests/torture/{path.name}" in page


def test_the_page_shows_the_figures_that_are_kept_and_none_was_lost() -> None:
    results = json.loads(reliability.RESULTS.read_text(encoding="utf-8"))
    page = reliability.PAGE.read_text(encoding="utf-8")
    assert reliability.page(page, results) == page, "make torture writes both"
    assert {row["promise"] for row in results["rows"]} <= set(PROMISES)
    assert not [row for row in results["rows"] if row["lost"]]


def test_a_figure_that_the_page_has_no_words_for_is_noticed() -> None:
    row = {"promise": 1, "what": "a", "tried": 1, "lost": 0, "novel": 3}
    with pytest.raises(KeyError, match="novel"):
        reliability.table([row])
