"""`mnistnet plot`: each picture is drawn, has its size and content, and is the same every time."""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from mnistnet.checkpoint import checkpoint
from mnistnet.cli import cli
from mnistnet.cli.plot import command
from mnistnet.data.datasets import Examples
from mnistnet.data.registry import FASHION_MNIST
from mnistnet.inference import calibration
from mnistnet.inference.evaluate import Evaluation, evaluate
from mnistnet.inference.misclassified import most_confident_errors
from mnistnet.nn.network import Network
from mnistnet.plots.confusion import DARKEST, draw_confusion
from mnistnet.plots.curves import Curve, accuracy_range
from mnistnet.plots.misclassified import draw_misclassified
from mnistnet.plots.sweep import BEST, TOP, Scale, draw_sweep, is_top
from mnistnet.plots.weights import draw_weights, strongest
from tests.experiments.test_sweep import entry

SMALL = ["train_images=1000", "validation=200", "layer_sizes=[784,9,10]", "epochs=3"]
Invoke = Callable[..., Result]


@pytest.fixture
def run(mnist_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    monkeypatch.setenv("MNISTNET_DATA_DIR", str(mnist_dir))
    return lambda *words: CliRunner().invoke(cli, list(map(str, words)))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, mnist_dir: Path) -> Path:
    folder = tmp_path_factory.mktemp("plots") / "run"
    words = [word for text in SMALL for word in ("--set", text)]
    result = CliRunner().invoke(cli, ["train", *words, "--out", str(folder), "--plot", "--data-dir", str(mnist_dir)])
    assert result.exit_code == 0, result.output
    assert f"curves: {folder / 'curves.png'}\n" in result.stdout
    return folder


def pixels(path: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def words_in(path: Path) -> str:
    """Return the text of an SVG: matplotlib draws letters as paths, and leaves the words in comments."""
    return "\n".join(re.findall(r"<!-- (.*?) -->", path.read_text(encoding="utf-8"), re.DOTALL)).replace("&#45;", "-")


def has(picture: np.ndarray[Any, Any], colour: str) -> int:
    return int((picture == [int(colour[i : i + 2], 16) for i in (1, 3, 5)]).all(axis=2).sum())


def test_training_with_plot_draws_the_curves_that_plot_curves_draws(trained: Path, run: Invoke) -> None:
    before = (trained / "curves.png").read_bytes()
    result = run("plot", "curves", trained)
    assert (result.exit_code, result.stdout) == (0, f"{trained / 'curves.png'}\n")
    assert (trained / "curves.png").read_bytes() == before
    picture = pixels(trained / "curves.png")
    assert picture.shape == (627, 1680, 3)
    assert has(picture, "#0072B2") > 500


@pytest.mark.parametrize("kind", ["confusion", "mistakes", "weights", "doubts"])
def test_a_picture_goes_beside_the_run_and_is_the_same_every_time(kind: str, trained: Path, run: Invoke) -> None:
    seen = set()
    for _ in range(2):
        result = run("plot", kind, trained)
        assert (result.exit_code, result.stdout) == (0, f"{trained / kind}.png\n"), result.output
        seen.add((trained / f"{kind}.png").read_bytes())
    assert len(seen) == 1
    picture = pixels(trained / f"{kind}.png")
    assert 500 < picture.shape[0] < 1500
    assert 600 < picture.shape[1] < 2000
    assert (picture[:5] == 255).mean() > 0.5  # it fits: nothing is cut off at the top
    assert 0.01 < (picture < 128).mean() < 0.9


def test_a_network_by_name_is_drawn_into_this_folder(run: Invoke, tmp_path: Path) -> None:
    result = run("plot", "weights", "3blue1brown")
    assert result.stdout == "3blue1brown-weights.png\n"
    assert pixels(tmp_path / "3blue1brown-weights.png").shape[0] > 500


def test_the_curves_name_the_runs_and_the_epochs(trained: Path, run: Invoke) -> None:
    result = run("plot", "curves", trained, "3blue1brown", "-o", "c.svg")
    assert result.exit_code == 0, result.output
    text = words_in(Path("c.svg"))
    for words in ("Accuracy", "Learning rate", "validation", "training", "best epoch", "3blue1brown"):
        assert words in text


def test_each_kind_of_cost_has_axes_of_its_own(trained: Path, run: Invoke) -> None:
    for runs, kinds in (
        ([trained, "3blue1brown"], ["Cross-entropy", "Quadratic cost"]),
        ([trained, trained], ["Cross-entropy"]),
        ([trained, "best"], ["Cross-entropy", "Cross-entropy, label smoothing 0.1"]),
    ):
        assert run("plot", "curves", *runs, "-o", "c.svg").exit_code == 0
        lines = words_in(Path("c.svg")).split("\n")
        assert [line.strip() for line in lines if re.match(r" ?(Cross-entropy|Quadratic)", line)] == kinds


def test_the_accuracies_are_shown_where_the_lines_are() -> None:
    def rising(*accuracies: float) -> Curve:
        values = np.array(accuracies)
        known = {"validation_accuracy": values, "train_accuracy": values - np.eye(1, len(values))[0] / 2}
        return Curve("a", "Cross-entropy", {**known, "loss": values}, 1)

    low, high = accuracy_range([rising(0.9, 0.96), rising(0.95, 0.98)])
    assert 88 < low < 90  # and not at 40 %, where the first epoch's training is
    assert 98 < high < 99
    assert accuracy_range([rising(0.9)])[0] < 40  # but where there is no other


def test_the_confusion_has_the_counts_of_the_evaluation(trained: Path, run: Invoke) -> None:
    assert run("plot", "confusion", trained / "best.npz", "-o", "c.svg").exit_code == 0
    text = words_in(Path("c.svg")).split("\n")
    table = np.array(json.loads(run("eval", trained, "--json").stdout)["confusion"])
    assert all(str(count) in text for count in table.flat if count)
    assert "true class" in text


def test_the_colours_of_two_confusion_matrices_mean_the_same(tmp_path: Path) -> None:
    share, others = 0.1, (0, 0.6)  # of the first class, and of the second
    colour = matplotlib.colormaps["Oranges"](share**0.5 / (1.12 * DARKEST**0.5))
    for number, other in enumerate(others):
        table = np.array([[900, 100], [1000 * other, 1000 - 1000 * other]], np.int64) * (number + 1)
        draw_confusion(Evaluation(0.0, table, np.zeros((1, 1))), ("a", "b"), "t", tmp_path / "c.png")
        near = np.abs(pixels(tmp_path / "c.png") - 255 * np.array(colour[:3])).max(axis=2) < 3  # of 256 shades
        assert near.sum() > 1000


def test_pictures_of_every_format_are_what_their_name_says(trained: Path, run: Invoke) -> None:
    for suffix, start in (("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")):
        assert run("plot", "weights", trained, "-o", f"w.{suffix}").exit_code == 0
        assert Path(f"w.{suffix}").read_bytes().startswith(start)
    ET.parse("w.svg")


def test_the_surest_mistakes_come_first_and_are_mistakes(trained: Path, mnist_test: Examples) -> None:
    loaded = checkpoint.load(trained / "best.npz")
    evaluation = evaluate(loaded.network, mnist_test)
    found = most_confident_errors(evaluation, mnist_test, loaded.temperature, 20)
    assert len(found) == 20
    confidences = calibration.probabilities(evaluation.logits, loaded.temperature)
    assert [m.confidence for m in found] == sorted((m.confidence for m in found), reverse=True)
    for mistake in found:
        assert mistake.true == mnist_test.labels[mistake.index] != mistake.predicted
        assert mistake.confidence == confidences[mistake.index, mistake.predicted]
        assert np.array_equal(mistake.image, mnist_test.images[mistake.index])
    wrong = evaluation.logits.argmax(axis=1) != mnist_test.labels
    assert found[0].confidence == confidences[wrong].max()


def test_reliability_counts_bins_and_knows_how_little_few_answers_say() -> None:
    confidence = np.array([0.05, 0.95, 0.95, 1.0, 0.55])
    right = np.array([False, True, True, False, True])
    bins = calibration.reliability(confidence, right)
    assert bins.counts.tolist() == [1, 0, 0, 0, 0, 1, 0, 0, 0, 3]
    assert bins.accuracy[[0, 5, 9]].tolist() == [0, 1, 2 / 3]
    assert bins.confidence[9] == pytest.approx((0.95 + 0.95 + 1) / 3)
    assert np.isnan(bins.accuracy[1])
    assert bins.gap == pytest.approx((0.05 + 0.45 + 3 * (2.9 / 3 - 2 / 3)) / 5)
    # Wilson's interval for 2 of 3, as tables give it.
    assert (bins.low[9], bins.high[9]) == (pytest.approx(0.2077, abs=1e-3), pytest.approx(0.9385, abs=1e-3))


def test_the_more_a_network_leaves_unanswered_the_less_of_it_is_counted() -> None:
    answered, wrong = calibration.answering(np.array([0.5, 0.9, 0.7]), np.array([False, True, True]))
    assert answered.tolist() == [1 / 3, 2 / 3, 1]
    assert wrong.tolist() == [0, 0, 1 / 3]


def test_names_of_classes_and_other_image_sizes_are_drawn(tmp_path: Path) -> None:
    labels, shape = FASHION_MNIST.labels, (6, 9)
    random = np.random.default_rng(0)
    images = random.integers(0, 255, (200, 54), dtype=np.uint8)
    examples = Examples(images, random.integers(0, 10, 200).astype(np.uint8))
    network = Network((54, 10), "relu", "cross_entropy")
    network.initialise(random)
    evaluation = evaluate(network, examples)
    draw_confusion(evaluation, labels, "t", tmp_path / "c.svg")
    draw_misclassified(most_confident_errors(evaluation, examples, None, 9), labels, shape, "t", tmp_path / "m.svg")
    draw_weights(network, strongest(network, 64), labels, shape, "t", tmp_path / "w.svg")
    for name in ("c.svg", "w.svg"):
        assert all(label in words_in(tmp_path / name) for label in labels)
    assert "is " in words_in(tmp_path / "m.svg")


def test_a_table_of_very_many_classes_or_without_a_mistake_is_drawn(tmp_path: Path) -> None:
    for table in (np.eye(34, dtype=np.int64), 5 * np.eye(2, dtype=np.int64)):
        labels = tuple(str(n) for n in range(len(table)))
        draw_confusion(Evaluation(0.0, table, np.zeros((1, 1))), labels, "t", tmp_path / "c.png")
        assert pixels(tmp_path / "c.png").shape[0] < 3000
    draw_misclassified([], labels, (28, 28), "none", tmp_path / "m.png")
    assert pixels(tmp_path / "m.png").size


def test_the_strongest_neurons_are_those_with_the_largest_weights() -> None:
    network = Network((4, 5, 2), "relu", "cross_entropy")
    network.weights[0][...] = np.array([3, 1, 5, 2, 4])[:, None]
    assert strongest(network, 3).tolist() == [0, 2, 4]
    assert strongest(network, 99).tolist() == [0, 1, 2, 3, 4]


def test_a_sweeps_picture_shows_its_keys_and_is_the_same_every_time(run: Invoke) -> None:
    folder = Path("sweeps") / "s"
    folder.mkdir(parents=True)
    rates = np.geomspace(0.001, 0.1, 12).round(5)
    entries = [
        entry(0.9 - abs(np.log10(rate) + 2) / 10, seed, "done", learning_rate=float(rate), activation=word, batch=size)
        for rate in rates
        for seed, word, size in ((0, "relu", 16), (1, "tanh", 32))
    ]
    entries.append(entry(None, 0, "diverged", learning_rate=9.0, activation="relu", batch=16))
    lines = [json.dumps(one.as_json()) for one in entries]
    (folder / "sweep.jsonl").write_text("\n".join(lines) + "\n")
    assert run("plot", "sweep", folder).stdout == f"{folder / 'sweep.png'}\n"
    first = (folder / "sweep.png").read_bytes()
    assert run("plot", "sweep", folder / "sweep.jsonl").exit_code == 0
    assert (folder / "sweep.png").read_bytes() == first
    assert run("plot", "sweep", folder, "-o", "s.svg").exit_code == 0
    text = words_in(Path("s.svg"))
    for words in ("learning_rate (logarithmic)", "activation", "relu", "tanh", "24 trials, and 1 that diverged"):
        assert words in text
    assert "best tenth" in text
    picture = pixels(folder / "sweep.png")
    assert has(picture, BEST) > 500
    assert has(picture, TOP) > 500
    assert is_top(np.array([0.1, 0.9, 0.2])).tolist() == [False, True, False]
    assert is_top(np.linspace(0, 1, 25)).sum() == 3
    draw_sweep([entry(0.5, 0, "done", x=None)], "one", Path("one.png"))


def test_a_scale_orders_numbers_by_size_and_other_values_by_kind() -> None:
    few = Scale("k", [16, 128, 16, 32])
    assert [few.place(value) for value in (16, 32, 128)] == [0, 0.5, 1]
    many = Scale("k", [0.001, 0.01, 0.1, 1.0, 0.05])
    assert many.logarithmic
    assert many.place(0.01) == pytest.approx(1 / 3)
    mixed = Scale("k", [[784, 10], None, "relu", True])
    assert sorted(mixed.place(value) for value in ([784, 10], None, "relu", True)) == pytest.approx(
        [0, 1 / 3, 2 / 3, 1]
    )


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["curves", "none"], 1, "none: cannot be read: no such file"),
        (["weights", "3blue1brown", "-o", "w.gif"], 2, "w.gif: expected a file name that ends in .png, .svg or .pdf"),
        (["weights", "3blue1brown", "-o", "no/w.png"], 1, "there is no folder no"),
        (["sweep", "none"], 1, "none: cannot be read: no such file"),
        (["curves"], 2, "Missing argument"),
        (["cruves", "best"], 2, "No such command 'cruves'"),
    ],
)
def test_a_mistake_is_one_sentence(words: list[str], code: int, message: str, run: Invoke) -> None:
    result = run("plot", *words)
    assert result.exit_code == code
    assert message in result.stderr
    assert result.stdout == ""


def test_an_untrained_run_has_no_curves(trained: Path, run: Invoke, tmp_path: Path) -> None:
    loaded = checkpoint.load(trained / "best.npz")
    none: dict[str, list[Any]] = {name: [] for name in loaded.metrics}
    best = {**loaded.best, "epoch": 0}
    checkpoint.save(tmp_path / "new.npz", replace(loaded, epoch=0, metrics=none, best=best))  # type: ignore[arg-type]
    result = run("plot", "curves", "new.npz")
    assert result.exit_code == 1
    assert "no epoch was trained, so there is nothing to draw" in result.stderr


@pytest.mark.parametrize("name", sorted(command.commands))
def test_each_picture_is_documented_and_its_help_ends_with_an_example(name: str, run: Invoke) -> None:
    from tests.conftest import ROOT

    text = run("plot", name, "--help").stdout
    assert f"Examples:\n    mnistnet plot {name} " in text
    page = (ROOT / "docs" / "plots.md").read_text(encoding="utf-8")
    assert f"mnistnet plot {name} " in page
    assert f"plots/{name}.png)" in page
