"""The benchmarks do the work they claim to compare, and the page says what was measured."""

import re
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from benchmarks import bench, curves, report
from benchmarks.machine import processor
from benchmarks.peers import PEERS, Mnistnet, MnistnetSteps, Textbook, why_not
from benchmarks.workers import Epoch, product_seconds
from benchmarks.workloads import WORKLOADS, Workload, order_of
from mnistnet.data.datasets import Examples
from tests.conftest import ROOT

RESULTS = report.read(bench.RESULTS)
MEASURED = [machine for machine in RESULTS["machines"] if "source" not in machine]
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


def test_a_whole_training_is_the_first_twelve_epochs_however_disturbed() -> None:
    epochs = [Epoch(number, 0.1, 1, 0.9) for number in range(bench.TRAINING)]
    assert bench.Measured(2, epochs).training == sum(range(12))
    assert bench.Measured(2, [*epochs, Epoch(100, 0.1, 1, 0)]).training == sum(range(12))
    assert bench.Measured(2, epochs[1:]).training is None
    assert {name for name, epochs in bench.EPOCHS.items() if 1 + epochs >= bench.TRAINING} >= {"classic", "wide"}


def test_a_run_of_some_rows_replaces_these_and_keeps_this_code_s_others_and_other_machines() -> None:
    def row(workload: str, peer: str, seconds: float = 1.0) -> dict[str, Any]:
        return {"workload": workload, "peer": peer, "median_s": seconds}

    def machine(name: str, commit: str) -> dict[str, Any]:
        return {"machine": name, "cores": 2, "commit": commit}

    rows = [row("video", "jax"), row("wide", "mnistnet")]
    other = {"about": machine("B", "a"), "rows": [row("video", "jax", 9.0)], "absent": []}
    old = {"machines": [other, {"about": machine("A", "a"), "rows": rows, "absent": []}]}
    new = [row("video", "jax", 2.0), row("video", "mnistnet", 3.0)]
    absent = [{"workload": "wide", "peer": "textbook", "why": "no"}]
    both = bench.merged(old, machine("A", "a"), new, absent)["machines"]
    assert both[0]["rows"] == [row("video", "mnistnet", 3.0), row("video", "jax", 2.0), row("wide", "mnistnet")]
    assert both[0]["absent"] == absent
    assert both[1:] == [other]
    later = bench.merged(old, machine("A", "b"), new, absent)["machines"]
    assert later == [{"about": machine("A", "b"), "rows": both[0]["rows"][:2], "absent": absent}, other]
    assert [each["about"]["machine"] for each in bench.merged(old, machine("C", "a"), new, absent)["machines"]] == [
        *("C", "B", "A")
    ]


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        ("cpu family\t: 26\nmodel\t\t: 2\nmodel name\t: AMD EPYC\n\nmodel\t: 9\n", "AMD EPYC (family 26, model 2)"),
        ("cpu family\t: 6\nmodel\t\t: 143\nmodel name\t: Intel(R) Xeon(R) 8481C\n", "Intel(R) Xeon(R) 8481C"),
        ("model name\t: ARM\n", "ARM"),
    ],
)
def test_a_processor_s_name_without_a_number_is_told_with_its_family_and_model(info: str, expected: str) -> None:
    assert processor(info) == expected


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
    machines = [
        machine | {"rows": [row | {"valid": row["peer"] != "jax"} for row in machine["rows"]]}
        for machine in RESULTS["machines"]
    ]
    text = report.tables({"machines": machines})
    jax = [sum(row["peer"] == "jax" for row in machine["rows"]) for machine in machines]
    assert text.count("not valid") == sum(jax) > 0
    assert text.count("**not the same work**") == sum(jax) - sum(
        count for count, machine in zip(jax, machines, strict=True) if "source" in machine
    )


def test_every_row_that_was_measured_is_valid_and_stands_beside_ours_and_the_other_frameworks() -> None:
    whole = []
    for machine in MEASURED:
        rows = {(row["workload"], row["peer"]): row for row in machine["rows"]}
        absent = {(row["workload"], row["peer"]) for row in machine["absent"]}
        workloads = {workload for workload, _ in rows}
        assert rows.keys() >= {(workload, peer) for workload in workloads for peer in ("mnistnet", "pytorch", "jax")}
        assert not rows.keys() & absent
        for place, row in rows.items():
            assert row["valid"], place
            assert row["float64_difference"] <= bench.WEIGHTS_AGREE
            ours = rows[row["workload"], "mnistnet"]
            assert row["first_epoch_cost"] == pytest.approx(ours["first_epoch_cost"], rel=bench.COSTS_AGREE)
            assert row["best_s"] <= row["median_s"] <= row["worst_s"]
            assert row["samples_per_s"] == pytest.approx(machine["about"]["images"] / row["median_s"], rel=0.01)
        assert machine["about"]["images"] == 60_000
        every = {(workload, peer) for workload in WORKLOADS for peer in PEERS.keys() - {"pytorch flushed"}}
        whole.append(rows.keys() | absent >= every)
    assert any(whole)


def test_whole_trainings_are_those_of_all_frameworks_and_as_long_as_their_epochs() -> None:
    found = [row for machine in MEASURED for row in machine["rows"] if "training_s" in row]
    ours = {row["workload"]: row["training_s"] for row in found if row["peer"] == "mnistnet"}
    assert "classic" in ours
    for workload, seconds in ours.items():
        rows = {row["peer"]: row for row in found if row["workload"] == workload}
        assert rows.keys() >= {"pytorch", "jax"}
        for row in rows.values():
            assert row["training_ratio"] == pytest.approx(row["training_s"] / seconds, rel=0.01)
            assert row["training_s"] >= row["first_epoch_s"] + 11 * row["best_s"] - 0.01


def test_ratios_that_were_only_reported_say_where_they_come_from() -> None:
    for machine in RESULTS["machines"]:
        if machine not in MEASURED:
            assert machine["about"]["commit"] in machine["source"]
            assert machine["source"] in PAGE
            assert all(row.keys() == {"workload", "peer", "ratio", "valid"} for row in machine["rows"])


def test_who_is_faster_is_said_by_figures_alone() -> None:
    """No page says by hand that a peer is faster or slower: a machine measured later might contradict it."""
    generated = re.compile(r"<!-- (\w+): begin -->.*?<!-- \1: end -->", re.DOTALL)
    claim = re.compile(r"(PyTorch|JAX|scikit-learn)[^.|]*\b(faster|slower|ahead|behind|nowhere)\b", re.IGNORECASE)
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "configs").glob("*.yaml"))):
        text = generated.sub("", path.read_text(encoding="utf-8"))
        assert not claim.search(text), (path.name, claim.search(text))


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
