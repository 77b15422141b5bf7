"""The benchmarks do the work they claim to compare, and the page says what was measured."""

from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from benchmarks import bench, curves, report
from benchmarks.peers import PEERS, Mnistnet, MnistnetSteps, Textbook, why_not
from benchmarks.workers import Epoch, product_seconds
from benchmarks.workloads import WORKLOADS, Workload, order_of
from mnistnet.data.datasets import Examples
from tests.conftest import ROOT

RESULTS = report.read(report.RESULTS)
CURVES = report.read(report.CURVES)
PAGE = report.PAGE.read_text(encoding="utf-8")
STEPS = 20


def test_the_operations_of_a_workload_are_those_counted_by_hand() -> None:
    tiny = Workload("tiny", (3, 2, 5), "relu", "quadratic", "sgd", 1.0, 4)
    forward, by_weights, back = 2 * (3 * 2 + 2 * 5), 2 * (3 * 2 + 2 * 5), 2 * (2 * 5)
    assert tiny.operations == forward + by_weights + back
    assert WORKLOADS["wide"].operations == 4 * (784 * 800 + 800 * 800 + 800 * 10) + 2 * (800 * 800 + 800 * 10)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_textbook_and_our_shared_step_agree_in_float64(mnist_train: Examples, threads: int) -> None:
    workload = WORKLOADS["video-10"]
    few = mnist_train.take(np.arange(STEPS * workload.batch_size))
    peers = [make(workload, few.images, few.labels, "float64", threads) for make in (MnistnetSteps, Textbook)]
    order = order_of(1, len(few))
    costs = [peer.epoch(order) for peer in peers]
    assert costs[0] == pytest.approx(costs[1], rel=1e-12)
    assert bench.difference(*(peer.weights() for peer in peers)) < 1e-13
    start = workload.network()
    assert np.abs(peers[0].weights()[0] - start.weights[0]).max() > 1e-3


def test_our_loop_takes_the_batches_in_the_order_that_the_others_are_given(mnist_train: Examples) -> None:
    workload = WORKLOADS["video-10"]
    few = mnist_train.take(np.arange(205))
    ours = Mnistnet(workload, few.images, few.labels, "float32", 1)
    others = Textbook(workload, few.images, few.labels, "float32", 1)
    for epoch in (1, 2):
        order = order_of(epoch, len(few))
        assert ours.epoch(order) == pytest.approx(others.epoch(order), rel=1e-4)
    assert bench.difference(ours.weights(), others.weights()) < 1e-3


def test_bare_products_are_timed_for_full_batches_and_for_the_rest() -> None:
    assert product_seconds(WORKLOADS["video"], 250, 1) > 0


def test_a_peer_that_cannot_do_a_workload_says_why() -> None:
    done = {name: [peer for peer in PEERS if not why_not(peer, workload)] for name, workload in WORKLOADS.items()}
    assert all("mnistnet" in peers and "jax" in peers for peers in done.values())
    assert [name for name, peers in done.items() if "textbook" in peers] == ["video", "video-10"]
    assert [name for name, peers in done.items() if "scikit-learn" in peers] == ["classic", "wide", "deep"]


def test_epochs_that_others_disturbed_are_repeated_and_the_calmest_count() -> None:
    def measured(*others: float) -> bench.Measured:
        return bench.Measured(2, [Epoch(number, 0.1, 1, load) for number, load in enumerate(others)])

    assert not measured(0, 0, 0.9).done
    calm = measured(0, 0.9, 0, 0.05)
    assert calm.done
    assert [epoch.seconds for epoch in calm.counted] == [2, 3]
    busy = measured(0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)
    assert busy.done
    assert sorted(epoch.seconds for epoch in busy.counted) == [5, 6]


def test_a_run_of_some_rows_replaces_these_and_keeps_the_others_if_the_machine_is_the_same() -> None:
    def row(workload: str, peer: str, seconds: float = 1.0) -> dict[str, Any]:
        return {"workload": workload, "peer": peer, "median_s": seconds}

    old = {"about": {"commit": "a"}, "rows": [row("video", "jax"), row("wide", "mnistnet")], "absent": []}
    new = [row("video", "jax", 2.0), row("video", "mnistnet", 3.0)]
    absent = [{"workload": "wide", "peer": "textbook", "why": "no"}]
    both = bench.merged(old, {"commit": "a"}, new, absent)
    assert both["rows"] == [row("video", "mnistnet", 3.0), row("video", "jax", 2.0), row("wide", "mnistnet")]
    assert both["absent"] == absent
    assert bench.merged(old, {"commit": "b"}, new, absent)["rows"] == [both["rows"][0], both["rows"][1]]


@pytest.mark.parametrize("words", [["--workloads", "vidoe"], ["--peers", "jax,tensorflow"]])
def test_a_name_that_is_not_known_is_told_with_those_that_are(words: list[str]) -> None:
    result = CliRunner().invoke(bench.main, words)
    assert result.exit_code == 2
    assert "expected some of" in result.output
    assert words[1].split(",")[-1] in result.output


def test_only_what_stands_between_the_marks_is_replaced() -> None:
    page = "before\n(a)\nold\n(b)\nafter\n"
    once = report.replace_between(page, "(a)", "(b)", "new")
    assert once == "before\n(a)\n\nnew\n\n(b)\nafter\n"
    assert report.replace_between(once, "(a)", "(b)", "new") == once


@pytest.mark.parametrize("page", ["", "(a)", "(b) (a)", "(a) (a) (b)", "(a) (b) (b)"])
def test_a_page_without_its_marks_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="once each"):
        report.replace_between(page, "(a)", "(b)", "new")


def test_the_page_holds_exactly_what_the_committed_figures_say() -> None:
    assert report.page(PAGE, RESULTS, CURVES) == PAGE


def test_the_page_says_so_where_a_row_is_not_valid() -> None:
    rows = [row | {"valid": row["peer"] != "jax"} for row in RESULTS["rows"]]
    text = report.tables(RESULTS | {"rows": rows})
    assert text.count("not valid") == text.count("**no**") == sum(row["peer"] == "jax" for row in rows) > 0


def test_every_workload_on_the_page_was_measured_with_every_peer_and_every_row_is_valid() -> None:
    rows = {(row["workload"], row["peer"]): row for row in RESULTS["rows"]}
    absent = {(row["workload"], row["peer"]) for row in RESULTS["absent"]}
    assert rows.keys() | absent == {(workload, peer) for workload in WORKLOADS for peer in PEERS}
    assert not rows.keys() & absent
    for place, row in rows.items():
        assert row["valid"], place
        assert row["float64_difference"] <= bench.WEIGHTS_AGREE
        ours = rows[row["workload"], "mnistnet"]
        assert row["first_epoch_cost"] == pytest.approx(ours["first_epoch_cost"], rel=bench.COSTS_AGREE)
        assert row["best_s"] <= row["median_s"] <= row["worst_s"]
        assert row["samples_per_s"] == pytest.approx(RESULTS["about"]["images"] / row["median_s"], rel=0.01)
    assert RESULTS["about"]["images"] == 60_000


def test_every_point_of_every_curve_was_measured() -> None:
    expected = {(p.curve, p.value, peer) for p in curves.points() for peer in ("mnistnet", "pytorch")}
    measured = {(row["curve"], row["value"], row["peer"]) for row in CURVES["rows"]}
    threads = {place for place in measured | expected if place[0] == "threads"}  # as many as the machine has cores
    assert measured - threads == expected - threads
    assert measured & threads >= {("threads", 1, "mnistnet"), ("threads", 1, "pytorch")}


@pytest.mark.parametrize("name", ["benchmarks.png", "scaling.png"])
def test_the_pictures_show_something_and_stand_on_the_page(name: str) -> None:
    assert f"]({name})" in PAGE
    with Image.open(ROOT / "docs" / name) as picture:
        assert picture.width >= 1000
        colours = picture.convert("RGB").resize((100, 100)).getcolors(10_000)
    assert colours is not None
    assert len(colours) > 50


def test_a_stopwatch_starts_with_the_first_chunk_and_ends_after_its_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(np.arange(100) / 2)  # half a second between any two looks at the clock
    monkeypatch.setattr("benchmarks.curves.time.perf_counter", lambda: float(next(now)))
    monkeypatch.setattr("benchmarks.curves.Watch", lambda: type("Calm", (), {"others": lambda self: 0.0})())
    stopwatch = curves.Stopwatch(1.0)
    for _ in range(2 * curves.SPANS):
        stopwatch(100)
    with pytest.raises(curves.Enough):
        stopwatch(100)
    assert [(span.images, span.seconds_an_image) for span in stopwatch.counted] == [(200, 0.005)] * curves.SPANS
