"""`mnistnet compare`: the trainer's own trajectories, measured while the clock stands; their plane; what is shown."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mnistnet import plots
from mnistnet.cli.compare_report import report_lines
from mnistnet.config import loader as configs
from mnistnet.config.schema import Config
from mnistnet.data.datasets import Examples, split
from mnistnet.errors import UsageError
from mnistnet.experiments import compare, trajectory
from mnistnet.experiments.compare import Comparison
from mnistnet.experiments.loss_surface import fit_plane, survey
from mnistnet.experiments.trajectory import Entry, follow
from mnistnet.inference.evaluate import evaluate
from mnistnet.nn.network import Network
from mnistnet.plots.comparison import draw_comparison
from mnistnet.training import loop
from mnistnet.util.extras import install_command
from tests import helpers
from tests.conftest import ROOT

SMALL = ["train_images=400", "validation=100", "layer_sizes=[784,10]", "optimizer=sgd", "schedule=constant"]
TIMES = {"seconds", "steps_per_second", "cost_after_1_second"}


def config(*overrides: str) -> Config:
    return configs.load(None, [*SMALL, *overrides])


def entry(examples: Examples, config: Config, name: str = "it") -> Entry:
    limit = None if config.train_images == "all" else config.train_images
    return Entry(name, config, *split(examples, config.validation, limit, config.seed))


def run(*args: str | Path) -> Result:
    return helpers.run("compare", *args)


def options(mnist_dir: Path, *overrides: str) -> list[str | Path]:
    return [*(word for text in (*SMALL, *overrides) for word in ("--set", text)), "--data-dir", mnist_dir]


def lines(comparison: Comparison, rich: bool = False) -> list[str]:
    return "\n".join(report_lines(comparison, rich)).splitlines()


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_times(inner) for key, inner in value.items() if key not in TIMES}
    return [without_times(inner) for inner in value] if isinstance(value, list) else value


@pytest.fixture
def some(mnist_train: Examples) -> Examples:
    return mnist_train.take(np.arange(1000))


@pytest.fixture(scope="module")
def pair(mnist_train: Examples) -> Comparison:
    """Return the careful man and the drunk man, who see as many images each."""
    named = [
        ("careful", config("batch_size=all", "epochs=60", "learning_rate=0.5")),
        ("drunk", config("batch_size=5", "epochs=10", "learning_rate=0.05")),
    ]
    return compare.compare(named, mnist_train.take(np.arange(1000)))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "one.yaml"
    path.write_text("batch_size: 40\n")
    return path


@pytest.mark.parametrize(
    "overrides",
    [
        ["batch_size=70", "schedule=cosine"],
        ["layer_sizes=[784,20,10]", "optimizer=adam", "dropout=0.2", "label_smoothing=0.1", "weight_averaging=0.9"],
        ["batch_size=all", "augment=default"],
        ["batch_size=70", "drawn_digits=20", "non_digits=90"],
        ["batch_size=all", "non_digits=90"],
    ],
)
def test_a_walk_of_some_epochs_ends_with_the_weights_that_training_ends_with(
    some: Examples, overrides: list[str]
) -> None:
    one = entry(some, config("epochs=3", *overrides))
    state = loop.start(one.config)
    last = list(loop.fit(state, one.train, one.validation))[-1].metrics
    done = follow(one, one.config.seed, 50, None)
    assert np.array_equal(done.path[-1], state.network.parameters)
    assert done.steps == state.optimizer.steps
    assert (done.epochs, done.diverged) == (3, False)
    assert done.snapshots[-1].validation_accuracy == last.validation_accuracy


def test_the_same_command_gives_the_same_json_but_for_the_seconds(file: Path, mnist_dir: Path) -> None:
    command = [file, "--over", "batch_size=20,all", "--epochs", "3", "--json", *options(mnist_dir)]
    one, other = (run(*command) for _ in range(2))
    assert one.exit_code == 0, one.output
    assert without_times(json.loads(one.stdout)) == without_times(json.loads(other.stdout))


def test_the_json_has_the_documented_keys_and_adds_up(file: Path, mnist_dir: Path) -> None:
    result = run(file, "--over", "batch_size=20,all", "--epochs", "3", "--json", *options(mnist_dir))
    found = json.loads(result.stdout)
    text = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    section = text.partition("## `compare --json`")[2].partition("\n## ")[0]
    documented = set(re.findall(r"`(\w+)`", section))
    for part in (found, found["landscape"], *found["walks"], found["walks"][0]["looks"][0], found["walks"][0]["path"]):
        assert set(part) <= documented
    drunk, careful = found["walks"]
    assert (drunk["name"], careful["name"]) == ("batch_size=20", "batch_size=all")
    assert (drunk["steps"], drunk["epochs"], drunk["train_images"]) == (60, 3, 400)
    assert (careful["steps"], careful["batch_size"]) == (3, 400)
    assert drunk["config"]["batch_size"] == 20
    assert [look["step"] for look in careful["looks"]] == careful["path"]["steps"] == [0, 1, 2, 3]
    assert careful["looks"][0]["batch_cost"] is None
    assert careful["looks"][1]["batch_cost"] == pytest.approx(careful["looks"][0]["train_cost"], rel=1e-5)
    assert set(drunk["stretch"]) <= documented
    assert (drunk["stretch"]["steps"], careful["stretch"]["steps"]) == (31, 2)
    assert careful["angle"] == {"images": 400, "first": 0, "last": 0}
    assert 0 < drunk["angle"]["first"] < drunk["angle"]["last"] <= 90
    assert np.array(found["landscape"]["costs"]).shape == (25, 25)
    assert 0 < sum(found["landscape"]["shares"]) <= 1 + 1e-9


def test_all_start_from_the_same_weights_and_so_from_the_same_cost(pair: Comparison) -> None:
    careful, drunk = pair.trajectories
    assert np.array_equal(careful.path[0], drunk.path[0])
    assert careful.snapshots[0] == drunk.snapshots[0]


def test_seeds_vary_the_order_and_not_the_first_weights_of_one_network(some: Examples) -> None:
    named = [(seed, config("epochs=1", f"seed={seed}")) for seed in ("1", "2")]
    one, other = compare.compare(named, some).trajectories
    assert np.array_equal(one.path[0], other.path[0])
    assert not np.array_equal(one.path[-1], other.path[-1])


def test_the_careful_man_walks_straighter_than_the_drunk_man(pair: Comparison) -> None:
    careful, drunk = (done.path_length / done.displacement for done in pair.trajectories)
    assert 1 <= careful < 0.7 * drunk


def test_walked_is_the_length_of_every_step(pair: Comparison) -> None:
    careful = pair.trajectories[0]
    assert careful.path_steps == tuple(range(61))
    steps = np.linalg.norm(np.diff(careful.path.astype(np.float64), axis=0), axis=1)
    assert careful.path_length == pytest.approx(steps.sum(), rel=1e-5)


def test_the_stretch_holds_each_step_from_the_middle_on_until_there_are_enough(pair: Comparison) -> None:
    careful, drunk = pair.trajectories
    assert np.array_equal(careful.stretch, careful.path[29:])
    walked, came = careful.stretch_lengths
    steps = np.linalg.norm(np.diff(careful.path[29:], axis=0), axis=1)
    assert walked == pytest.approx(steps.sum(), rel=1e-5)
    assert came == pytest.approx(np.linalg.norm(careful.path[60] - careful.path[29]), rel=1e-5)
    assert len(drunk.stretch) == trajectory.STRETCH + 1
    walked, came = drunk.stretch_lengths
    assert walked > 2 * came


def test_different_networks_each_have_their_own_weights_and_no_common_plane(some: Examples) -> None:
    named = [(sizes, config("epochs=1", f"layer_sizes={sizes}")) for sizes in ("[784,10]", "[784,12,10]")]
    comparison = compare.compare(named, some)
    assert comparison.landscape is None
    for done in comparison.trajectories:
        state = loop.start(done.entry.config)
        assert np.array_equal(done.path[0], state.network.parameters)
    assert "different networks" in "\n".join(lines(comparison))
    assert compare.as_json(comparison)["walks"][0]["path"] is None


@pytest.mark.parametrize("batch_size", ["30", "all"])
def test_seconds_end_a_walk_but_not_before_one_epoch(some: Examples, batch_size: str) -> None:
    done = follow(entry(some, config(f"batch_size={batch_size}", "schedule=cosine")), 0, 50, 1e-9)
    assert done.epochs == 1
    assert done.snapshots[-1].step == done.steps


def test_looking_around_stops_the_clock(some: Examples, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def tick() -> float:
        nonlocal now
        now += 1
        return now

    def slow(*arguments: Any) -> Any:
        nonlocal now
        now += 1_000_000
        return evaluate(*arguments)

    monkeypatch.setattr(trajectory, "time", SimpleNamespace(perf_counter=tick))
    monkeypatch.setattr(trajectory, "evaluate", slow)
    done = follow(entry(some, config("epochs=3")), 0, 50, None)
    assert 0 < done.seconds < 1000
    assert [snapshot.seconds for snapshot in done.snapshots] == sorted(snapshot.seconds for snapshot in done.snapshots)


@pytest.mark.parametrize("points", [6, 40])
def test_a_long_walk_keeps_a_bounded_number_of_points_the_first_and_the_last(some: Examples, points: int) -> None:
    done = follow(entry(some, config("batch_size=1", "epochs=8")), 0, points, None)
    assert done.steps == 3200
    assert points / 2 < len(done.path_steps) <= 2 * points + 2
    assert (done.path_steps[:2], done.path_steps[-1]) == ((0, 1), done.steps)
    assert all(a < b for a, b in pairwise(done.path_steps))


def test_the_cost_after_a_second_lies_between_the_looks_around_it(pair: Comparison) -> None:
    snapshots = [
        replace(snapshot, seconds=float(snapshot.step), train_cost=10.0 - snapshot.step)
        for snapshot in pair.trajectories[0].snapshots[:3]
    ]
    done = replace(pair.trajectories[0], snapshots=tuple(snapshots))
    assert done.cost_after(1.5) == pytest.approx(8.5)
    assert done.cost_after(2.5) is None


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 9), st.integers(1, 9), st.integers(2, 40), st.integers(0, 1000))
def test_the_plane_is_that_of_numpys_svd_and_keeps_distances_within_it(
    first: int, second: int, size: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    paths = [random.normal(size=(count, size)).cumsum(axis=0).astype(np.float32) for count in (first, second)]
    plane = fit_plane(paths)
    points = np.concatenate(paths).astype(np.float64)
    centred = points - points.mean(axis=0)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    expected, found = centred @ axes[:2].T, np.concatenate(plane.paths)
    assert [len(path) for path in plane.paths] == [first, second]
    assert np.linalg.norm(found[:, None] - found, axis=2) == pytest.approx(
        np.linalg.norm(expected[:, None] - expected, axis=2), abs=1e-5 * sizes[0]
    )
    assert plane.shares == pytest.approx(sizes[:2] ** 2 / (sizes**2).sum(), abs=1e-9)
    assert (points - plane.centre) @ plane.axes.T == pytest.approx(found, abs=1e-6 * sizes[0])


@pytest.mark.parametrize("path", [np.zeros((3, 5)), np.outer(np.arange(4.0), np.ones(5))])
def test_points_on_a_line_or_in_one_place_have_coordinates_too(path: Any) -> None:
    plane = fit_plane([path.astype(np.float32)])
    assert np.isfinite(plane.axes).all()
    assert np.ptp(plane.paths[0], axis=0) == pytest.approx([np.linalg.norm(path[-1] - path[0]), 0], abs=1e-6)


def test_the_landscape_holds_the_cost_at_each_point_of_a_grid_around_all_paths(
    pair: Comparison, some: Examples
) -> None:
    plane = fit_plane([done.path for done in pair.trajectories])
    network, few = Network((784, 10), "relu", "cross_entropy"), some.take(np.arange(50))
    ground = survey(network, plane, few, lambda share: None)
    points = np.concatenate(plane.paths)
    assert (points > [ground.x[0], ground.y[0]]).all()
    assert (points < [ground.x[-1], ground.y[-1]]).all()
    network.parameters[...] = plane.centre + ground.x[3] * plane.axes[0] + ground.y[20] * plane.axes[1]
    assert ground.costs[20, 3] == pytest.approx(evaluate(network, few).loss, rel=1e-5)


def test_a_training_that_diverges_ends_there_and_the_others_go_on(file: Path, mnist_dir: Path, tmp_path: Path) -> None:
    wild = options(mnist_dir, "layer_sizes=[784,20,20,10]")
    result = run(file, "--over", "learning_rate=0.1,1e9", "--epochs", "2", "--plot", tmp_path / "a.png", *wild)
    assert result.exit_code == 0, result.output
    assert re.search(r"learning_rate=1e9 diverged after step \d", result.stdout)
    assert (tmp_path / "a.png").stat().st_size > 10_000


def test_over_makes_a_config_of_each_value_and_leaves_commas_in_brackets_alone(file: Path, mnist_dir: Path) -> None:
    over = "layer_sizes=[784, 10],[784,9,10]"
    result = run(file, "--over", over, "--epochs", "1", "--json", *options(mnist_dir))
    assert result.exit_code == 0, result.output
    trajectories = json.loads(result.stdout)["walks"]
    assert [each["config"]["layer_sizes"] for each in trajectories] == [[784, 10], [784, 9, 10]]
    assert [each["config"]["batch_size"] for each in trajectories] == [40, 40]


def test_more_images_are_said_to_narrow_the_gap_between_known_and_new(some: Examples) -> None:
    named = [
        (str(n), config("epochs=30", f"train_images={n}", "batch_size=20", "learning_rate=0.1")) for n in (20, 800)
    ]
    text = " ".join(lines(compare.compare(named, some)))
    assert re.search(r"After learning from 20 images the network reads 100\.0 % of them and [\d.]+ % of images", text)
    assert re.search(r"gap between the two shrinks from [\d.]+ points to [\d.]+", text)


def test_columns_of_the_tables_do_not_touch(pair: Comparison) -> None:
    long = replace(pair.trajectories[1], steps=188_770, epochs=18_877.0, seconds=1234.5)
    row = next(
        line for line in lines(replace(pair, trajectories=(pair.trajectories[0], long))) if line.startswith("  drunk")
    )
    assert row.split()[:4] == ["drunk", "188,770", "18,877", "1234.5"]


def test_too_few_steps_to_learn_few_images_are_not_taken_for_learning_by_heart(some: Examples) -> None:
    named = [
        (str(n), config("epochs=3", f"train_images={n}", "batch_size=20", "learning_rate=0.02")) for n in (20, 800)
    ]
    text = " ".join(lines(compare.compare(named, some)))
    assert "3 steps were not enough to learn even so few; --seconds gives each the same time." in text
    assert "by heart" not in text


def test_the_screen_fits_80_columns_and_tells_of_both_men_with_their_numbers(
    pair: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = lines(pair)
    assert max(map(len, plain)) <= 80
    assert all(line.isascii() for line in plain)
    text = " ".join(plain)
    assert "The careful man, careful, averages over all 400 images before each step: 60 steps" in text
    assert "The drunk man, drunk, looks at 5." in text
    assert re.search(r"off by \d+ degrees at first, and by \d+", text)
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(encoding="utf-8"))
    rich = [re.sub(r"\x1b\[\d+m", "", line) for line in lines(pair, rich=True)]
    assert max(map(len, rich)) <= 80
    assert any("█" in line and "▁" in line for line in rich)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["none.yaml", "one.yaml"], 2, "none.yaml: cannot be read: no such file"),
        (["one.yaml"], 2, "expected two configs or more, or one and --over"),
        ([], 2, "Missing argument 'CONFIG...'"),
        (["one.yaml", "other.yaml"], 2, "expected configs of one data set, found mnist in one and kmnist in other"),
        (["one.yaml", "one.yaml", "--seconds", "0"], 2, "--seconds 0: expected more than 0"),
        (["one.yaml", "one.yaml", "--seconds", "nan"], 2, "--seconds nan: expected more than 0"),
        (["one.yaml", "one.yaml", "--seconds", "1", "--epochs", "1"], 2, "choose one"),
        (["one.yaml", "one.yaml", "--set", "epochs=0"], 2, "one.yaml: epochs is 0"),
        (["one.yaml", "--over", "epochs"], 2, "--over epochs: expected KEY=V1,V2,..."),
        (["one.yaml", "--over", "epochs=1,,2"], 2, "--over epochs=1,,2: expected KEY=V1,V2,..."),
        (["one.yaml", "--over", "epoch=1,2"], 2, "--set epoch=1: "),
        (["one.yaml", "other.yaml", "--over", "epochs=1,2"], 2, "--over makes several configs of one, found 2"),
        (["one.yaml", "--over", "batch_size=10,999999"], 2, "batch_size=999999: batch_size: expected at most"),
        (["one.yaml", "one.yaml", "--plot", "a.jpg"], 2, "a.jpg: expected a file name that ends in .png"),
        (["one.yaml", "one.yaml", "--plot", "no/a.png"], 1, "no/a.png: cannot be written: there is no folder no"),
    ],
)
def test_a_mistake_is_one_sentence_before_anything_is_trained(
    arguments: list[str], code: int, words: str, file: Path, mnist_dir: Path
) -> None:
    file.with_name("other.yaml").write_text("dataset: kmnist\n")
    result = run(*arguments, "--data-dir", mnist_dir)
    assert result.exit_code == code
    assert words in result.stderr
    assert result.stdout == ""


def test_ctrl_c_ends_a_comparison_with_130_and_no_traceback(file: Path, mnist_dir: Path) -> None:
    command = [sys.executable, "-m", "mnistnet", "compare", str(file), str(file), "--seconds", "1000"]
    child = subprocess.Popen([*command, "--data-dir", str(mnist_dir)], stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    assert child.stderr.readline().startswith("comparing ")
    os.kill(child.pid, signal.SIGINT)
    _, rest = child.communicate(timeout=60)
    assert child.returncode == 130
    assert rest.strip() == ""


def test_the_figure_has_its_size_and_all_lines_in_it(pair: Comparison, tmp_path: Path) -> None:
    draw_comparison(pair, tmp_path / "walk.png")
    with Image.open(tmp_path / "walk.png") as picture:
        assert picture.size == (1680, 1376)
        pixels = np.asarray(picture.convert("RGB"))
    assert 0.5 < (pixels == 255).all(axis=2).mean() < 0.95
    for colour in ("#0072B2", "#D55E00"):
        wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        inked = (pixels == wanted).all(axis=2)
        # In each of the four panels.
        assert all(part.sum() > 50 for half in np.array_split(inked, 2) for part in np.array_split(half, 2, axis=1))


def test_figures_for_print_are_the_same_bytes_every_time(pair: Comparison, tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg", "c.pdf"):
        draw_comparison(pair, tmp_path / name)
    one, other, third = (path.read_bytes() for path in sorted(tmp_path.iterdir()))
    assert one.startswith(b"<?xml")
    assert one == other
    assert third.startswith(b"%PDF")


@pytest.mark.parametrize(
    "change",
    [
        lambda c: replace(c, landscape=None),
        lambda c: replace(c, landscape=replace(c.landscape, costs=np.full((25, 25), np.inf))),
        lambda c: replace(c, landscape=replace(c.landscape, costs=np.zeros((25, 25)))),
    ],
    ids=["no plane", "nothing to compute", "level ground"],
)
def test_a_figure_without_contours_is_drawn_all_the_same(
    pair: Comparison, tmp_path: Path, change: Callable[[Comparison], Comparison]
) -> None:
    draw_comparison(change(pair), tmp_path / "walk.png")
    assert (tmp_path / "walk.png").stat().st_size > 10_000


def test_styles_differ_in_colour_and_in_dashes_too() -> None:
    styles = [style for style, _ in zip(plots.line_styles(), range(28), strict=False)]
    assert len({str(style) for style in styles}) == 28
    assert len({str(style["linestyle"]) for style in styles[:4]}) == 4


def test_without_matplotlib_the_extra_is_named_before_anything_is_trained(
    file: Path, mnist_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = run(file, file, "--plot", "walk.png", "--seconds", "1000", "--data-dir", mnist_dir)
    assert result.exit_code == 1
    assert result.stderr == (
        f"mnistnet: error: figures need matplotlib, which is not installed: `{install_command('plot')}` adds it\n"
    )


def test_matplotlib_is_imported_for_figures_only(file: Path, mnist_dir: Path) -> None:
    code = "import sys\nfrom mnistnet.__main__ import main\ntry: main()\nfinally: print('matplotlib' in sys.modules)"
    quick = [str(word) for word in options(mnist_dir, "epochs=1")]
    done = subprocess.run(
        [sys.executable, "-c", code, "compare", str(file), str(file), *quick],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "False"


def test_check_takes_what_can_be_compared() -> None:
    compare.check([("a", config()), ("b", config("epochs=0"))], 1.0)
    with pytest.raises(UsageError):
        compare.check([("a", config()), ("b", config("epochs=0"))], None)
