"""Trainings with extreme numbers: whatever is finite ends with a checkpoint that can be read, resumed and drawn."""

import json
from pathlib import Path

import pytest

from mnistnet.checkpoint import checkpoint
from mnistnet.checkpoint.checkpoint import Checkpoint
from mnistnet.errors import PlotError
from mnistnet.plots.curves import curve
from tests.helpers import run

SMALL = [
    word
    for setting in ("train_images=600", "validation=200", "batch_size=50", "epochs=2", "weight_decay=0")
    for word in ("--set", setting)
]


@pytest.mark.parametrize(
    "settings",
    [
        ["optimizer={name: adam, beta2: 0}", "layer_sizes=[784, 10]", "learning_rate=100"],
        ["optimizer={name: adam, beta2: 0}", "layer_sizes=[784, 30, 10]", "learning_rate=0.001"],
        ["optimizer={name: adam, beta2: 0}", "learning_rate=1e6", "layer_sizes=[784, 10]"],
        ["optimizer=sgd", "learning_rate=1e5", "layer_sizes=[784, 10]", "schedule=constant"],
        ["optimizer=sgd", "learning_rate=1e9", "layer_sizes=[784, 10]", "loss=quadratic"],
        ["learning_rate=1.2e-38", "layer_sizes=[784, 5, 10]"],
    ],
)
def test_a_training_that_stays_finite_ends_with_its_checkpoint_and_resumes(
    mnist_dir: Path, settings: list[str]
) -> None:
    words = [word for setting in settings for word in ("--set", setting)]
    options: list[str | Path] = ["--data-dir", mnist_dir, "--out", "run"]
    result = run("train", *SMALL, *words, *options)
    assert result.exit_code == 0, result.output
    loaded = checkpoint.load(Path("run/best.npz"))
    assert loaded.temperature is not None
    again = run("train", *SMALL, *words, *options, "--resume", "--json")
    assert again.exit_code == 0, again.output
    assert json.loads(again.stdout)["best_epoch"] == loaded.best["epoch"]
    assert run("eval", "run", "--data-dir", mnist_dir).exit_code == 0
    assert run("plot", "curves", "run").exit_code == 0


@pytest.fixture(scope="module")
def trained(mnist_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder = tmp_path_factory.mktemp("extremes") / "run"
    assert run("train", *SMALL, "--data-dir", mnist_dir, "--out", folder).exit_code == 0
    return checkpoint.load(folder / "best.npz")


@pytest.mark.parametrize(
    "column", ["loss", "train_accuracy", "validation_loss", "validation_accuracy", "learning_rate"]
)
@pytest.mark.parametrize("values", [None, [None, None], [-1.0, 0.5], [1e300, 0.5], [2, 2], [0.0, 0.0]])
def test_curves_of_any_header_are_drawn_or_refused_in_one_line(
    trained: Checkpoint, tmp_path: Path, column: str, values: list[float | None] | None
) -> None:
    metrics = {**trained.metrics, column: values}
    if values is None:
        del metrics[column]
    for epoch in (0, 1):
        forged = checkpoint.Checkpoint(
            **{**vars(trained), "metrics": metrics, "best": {**trained.best, "epoch": epoch}}
        )
        path = tmp_path / f"forged-{epoch}.npz"
        checkpoint.save(path, forged)
        assert run("info", path).exit_code == 0
        result = run("plot", "curves", path, "-o", tmp_path / "curves.png")
        assert result.exit_code in (0, 1)
        if result.exit_code:
            assert "internal error" not in result.stderr
            with pytest.raises(PlotError, match=column):
                curve("it", forged)


def test_a_network_that_stays_at_chance_for_epochs_is_said_not_to_learn(mnist_dir: Path) -> None:
    """Five sigmoid layers with plain gradient descent: no class has nine tenths of the answers, and none is right."""
    shallow = ["layer_sizes=[784, 30, 10]", "activation=sigmoid", "optimizer=sgd", "learning_rate=0.1", "epochs=4"]
    shallow += ["schedule=constant", "train_images=2000"]
    for config, times in (([*shallow, "layer_sizes=[784, 100, 100, 100, 100, 100, 10]"], 1), (shallow, 0)):
        words = [word for setting in config for word in ("--set", setting)]
        said = run("train", *words, "--out", f"run-{times}", "--data-dir", mnist_dir).stderr
        assert said.count("for 3 epochs the network has been right no more often than by always answering") == times
