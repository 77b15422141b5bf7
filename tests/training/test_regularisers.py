"""Dropout, label smoothing, weight averaging, augmentation: the mathematics of each, and what a training keeps."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from mnistnet.checkpoint import checkpoint
from mnistnet.config import loader as configs
from mnistnet.config.schema import Config
from mnistnet.data import datasets, registry
from mnistnet.data.datasets import Examples
from mnistnet.errors import ConfigError
from mnistnet.inference.evaluate import evaluate
from mnistnet.nn.activations import ACTIVATIONS
from mnistnet.nn.losses import LOSSES
from mnistnet.nn.network import Network
from mnistnet.training import loop
from mnistnet.training import run as runs
from mnistnet.training.data_loader import DataLoader, balanced, draw_mask, smoothed
from mnistnet.util.arrays import Array
from mnistnet.util.rng import Use, generator


def config(*overrides: str) -> Config:
    return configs.load(None, ["validation=0", *overrides])


def chunk_of(examples: Examples, settings: Config, epoch: int = 1) -> tuple[Array, Array, list[Array]]:
    with DataLoader(examples, settings, 50) as loader:
        chunk = next(iter(loader.superbatches(epoch))).all
        return chunk.inputs.copy(), chunk.targets.copy(), [mask.copy() for mask in chunk.masks]


@pytest.mark.parametrize(("activation", "loss"), [*product(ACTIVATIONS, LOSSES)])
def test_with_dropout_every_gradient_is_the_slope_of_the_cost_of_the_thinned_network(
    activation: str, loss: str
) -> None:
    random, sizes, keep = generator(1, Use.INIT), (6, 5, 5, 4), (0.6, 0.8)
    network = Network(sizes, activation, loss, np.float64)
    network.parameters[...] = random.normal(0, 0.7, network.parameters.shape)
    inputs, target = random.random((7, 6)), np.eye(4)[random.integers(4, size=7)]
    cache = network.forward_cache(7)
    cache.keep, cache.masks = keep, [(random.random((7, 5)) < share) / share for share in keep]

    def cost() -> float:
        return float(network.loss.costs(network.forward(inputs, cache).logits, target).mean())

    found = network.backward(network.forward(inputs, cache), target, network.gradients(7)).flat
    measured = np.empty_like(found)
    for i, value in enumerate(network.parameters.copy()):
        network.parameters[i] = value + 1e-6
        above = cost()
        network.parameters[i] = value - 1e-6
        measured[i] = (above - cost()) / 2e-6
        network.parameters[i] = value
    assert np.linalg.norm(found - measured) / np.linalg.norm(measured) < 1e-7


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_mask_drops_its_share_and_keeps_the_mean_activation(share: float) -> None:
    mask = np.empty((1000, 200), np.float32)
    draw_mask(mask, share, np.random.default_rng(0))
    assert set(np.unique(mask)) == {np.float32(0), np.float32(1 / (1 - share))}
    # Five standard deviations of the mean of 200,000 independent draws.
    assert abs((mask == 0).mean() - share) < 5 * np.sqrt(share * (1 - share) / mask.size)
    assert mask.mean() == pytest.approx(1, abs=5 * np.sqrt(share / (1 - share) / mask.size))


def test_masks_belong_to_hidden_layers_and_depend_on_seed_and_epoch_alone(mnist_train: Examples) -> None:
    few = mnist_train.take(np.arange(100))
    settings = config("layer_sizes=[784, 20, 30, 10]", "dropout=[0.5, 0]")
    first, again, later = (chunk_of(few, settings, epoch)[2] for epoch in (1, 1, 2))
    assert [mask.shape for mask in first] == [(100, 20), (100, 30)]
    assert (first[1] == 1).all()
    assert np.array_equal(first[0], again[0])
    assert not np.array_equal(first[0], later[0])


def test_a_dropout_list_must_fit_the_hidden_layers() -> None:
    with pytest.raises(ConfigError, match="dropout: expected one number, or a list with one for each of the 1 hidden"):
        config("dropout=[0.5, 0.5]")


def test_smoothing_takes_a_share_from_the_label_and_deals_it_out_evenly(mnist_train: Examples) -> None:
    assert np.allclose(smoothed(np.eye(4, dtype=np.float32), 0.2)[1], [0.05, 0.85, 0.05, 0.05])
    few = mnist_train.take(np.arange(100))
    _, targets, _ = chunk_of(few, config("label_smoothing=0.1"))
    assert np.allclose(targets.sum(axis=1), 1)
    order = generator(0, Use.SHUFFLE, 1).permutation(100)
    assert np.allclose(targets[np.arange(100), few.labels[order]], 0.91)


def test_the_loss_of_an_epoch_is_the_smoothed_cost_that_is_descended(mnist_train: Examples) -> None:
    # A rate too small to move anything: the epoch's loss must equal the cost of the first weights.
    few = mnist_train.take(np.arange(130))
    state = loop.start(config("label_smoothing=0.3", "learning_rate=1e-12", "epochs=1"))
    targets = smoothed(np.eye(10, dtype=np.float32), 0.3)[few.labels]
    expected = state.network.loss.costs(evaluate(state.network, few).logits, targets).mean()
    (result,) = loop.fit(state, few, None)
    assert result.metrics.loss == pytest.approx(float(expected), rel=1e-5)


def test_balanced_weights_give_each_class_the_same_say_and_are_1_on_average() -> None:
    labels = np.array([0] * 90 + [1] * 9 + [3], np.uint8)
    weights = balanced(labels, 5)
    assert weights[:, 0] == pytest.approx([100 / 3 / 90, 100 / 3 / 9, 0, 100 / 3, 0])
    assert weights[labels].mean() == pytest.approx(1)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_training_with_balanced_classes_descends_the_weighted_cost(mnist_train: Examples, threads: int) -> None:
    few = mnist_train.take(np.arange(640))
    settings = config(
        "class_weights=balanced", "learning_rate=1e-12", "epochs=1", "batch_size=64", f"threads={threads}"
    )
    state = loop.start(settings)
    costs = state.network.loss.costs(evaluate(state.network, few).logits, np.eye(10, dtype=np.float32)[few.labels])
    (result,) = loop.fit(state, few, None)
    expected = (costs * balanced(few.labels, 10)[few.labels, 0]).mean()
    assert abs(float(expected) - float(costs.mean())) > 1e-3  # the weights matter
    assert result.metrics.loss == pytest.approx(float(expected), rel=1e-5)


def test_balanced_classes_are_learned_where_a_rare_one_is_else_overlooked(mnist_train: Examples) -> None:
    frequent, rare = (np.flatnonzero(mnist_train.labels == label) for label in (1, 7))
    learn = mnist_train.take(np.concatenate([frequent[:1000], rare[:10]]))
    judge = mnist_train.take(rare[1000:2000])
    right = {}
    for words in ("null", "balanced"):
        settings = config(f"class_weights={words}", "layer_sizes=[784,8,10]", "epochs=3", "optimizer=sgd", "threads=1")
        state = loop.start(settings)
        assert len(list(loop.fit(state, learn, None))) == 3
        right[words] = evaluate(state.network, judge).accuracy
    assert right["null"] < 0.1
    assert right["balanced"] > 0.4


def test_augmentation_is_new_in_every_epoch_and_the_same_in_every_run(mnist_train: Examples) -> None:
    few, settings = mnist_train.take(np.arange(100)), config("augment=default")
    first, again, later = (chunk_of(few, settings, epoch)[0] for epoch in (1, 1, 2))
    plain, _, _ = chunk_of(few, config())
    assert np.array_equal(first, again)
    assert not np.array_equal(first, later)
    assert not np.array_equal(first, plain)


def test_a_run_with_averaging_keeps_scores_and_resumes_the_averaged_network(mnist_dir: Path, tmp_path: Path) -> None:
    settings = configs.load(
        None, ["train_images=1000", "validation=500", "epochs=3", "weight_averaging=0.9", "layer_sizes=[784, 16, 10]"]
    )
    store = datasets.store(registry.MNIST, mnist_dir)
    with runs.open_run(tmp_path / "run", settings, store) as run:
        *_, last = run.epochs()
        assert run.validation is not None
        averaged = evaluate(run.state.result, run.validation).accuracy
        assert last.metrics.validation_accuracy == averaged
        assert not np.array_equal(run.state.network.parameters, run.state.result.parameters)
    saved = checkpoint.load(tmp_path / "run" / "last.npz", training=True)
    assert saved.parameters == "averaged"
    assert np.array_equal(saved.network.parameters, run.state.result.parameters)
    assert saved.training is not None
    assert np.array_equal(saved.training["raw"], run.state.network.parameters)


@pytest.mark.parametrize(
    "options",
    [
        ["dropout=0.3"],
        ["dropout=[0.2, 0.5]", "layer_sizes=[784, 16, 12, 10]"],
        ["label_smoothing=0.1"],
        ["weight_averaging=0.9"],
        ["weight_decay=0.1"],
        ["augment=default"],
        ["augment=simard2003"],
        ["augment=ciresan2010"],
        ["drawn_digits=50"],
    ],
    ids=lambda options: options[0],
)
def test_each_alone_changes_the_weights_and_goes_on_to_the_same_bytes_after_a_stop(
    options: list[str], mnist_dir: Path, tmp_path: Path
) -> None:
    base = ["train_images=300", "validation=100", "epochs=2", "layer_sizes=[784, 16, 10]"]
    settings, store = configs.load(None, base + options), datasets.store(registry.MNIST, mnist_dir)

    def train(name: str, epochs: int, settings: Config = settings) -> tuple[bytes, ...]:
        with runs.open_run(tmp_path / name, settings, store, resume=True) as run:
            for _ in zip(range(epochs), run.epochs(), strict=False):
                pass
        return tuple((tmp_path / name / file).read_bytes() for file in (runs.BEST, runs.LAST))

    unbroken, stopped = train("unbroken", 2), train("stopped", 1)
    assert unbroken != stopped
    assert train("stopped", 1) == unbroken
    shape = [option for option in options if option.startswith("layer_sizes")]
    train("without", 2, configs.load(None, base + shape))
    with_it, without = (checkpoint.load(tmp_path / name / runs.LAST).network for name in ("unbroken", "without"))
    assert not np.array_equal(with_it.parameters, without.parameters)


def test_annealed_distortion_shrinks_linearly_over_the_last_epochs() -> None:
    settings = config("epochs=10", "augment={name: ciresan2010, anneal: 0.5}").augment
    assert settings is not None
    assert [round(settings.strength(epoch, 10), 9) for epoch in range(1, 12)] == [*[1] * 6, 0.8, 0.6, 0.4, 0.2, 0]


@pytest.mark.parametrize("name", ["default", "ciresan2010"])
def test_the_last_epoch_of_an_annealed_training_shows_images_almost_as_they_are(
    name: str, mnist_train: Examples
) -> None:
    few = mnist_train.take(np.arange(50))

    def change(words: str, epoch: int) -> float:
        settings = config("epochs=100", f"augment={words}")
        order = generator(0, Use.SHUFFLE, epoch).permutation(len(few))
        return float(np.abs(chunk_of(few, settings, epoch)[0] - few.images[order] / np.float32(255)).mean())

    annealed = f"{{name: {name}, anneal: 0.5}}"
    assert change(annealed, 50) == change(name, 50)
    assert change(annealed, 75) < 0.8 * change(name, 75)
    assert change(annealed, 100) < 0.1 * change(name, 100)
