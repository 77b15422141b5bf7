"""The training loop: what it visits, what it yields, what it allocates, when it stops and what it warns of."""

import tracemalloc

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from mnistnet.config import loader as configs
from mnistnet.config.schema import Config
from mnistnet.data.datasets import Examples, split
from mnistnet.errors import ConfigError, DivergedError
from mnistnet.inference.calibration import fit_temperature, probabilities
from mnistnet.inference.evaluate import evaluate
from mnistnet.nn.losses import CrossEntropy
from mnistnet.nn.network import Network
from mnistnet.training import loop
from mnistnet.training.data_loader import DataLoader
from mnistnet.training.loop import EpochResult
from mnistnet.training.metrics import EpochMetrics
from mnistnet.training.state import State
from mnistnet.util import system
from mnistnet.util.arrays import Array
from mnistnet.util.rng import Use, generator
from tests.helpers import some


def config(*overrides: str) -> Config:
    return configs.load(None, ["validation=0", "schedule=constant", "weight_decay=0", *overrides])


def fit(state: State, train: Examples, validation: Examples | None = None) -> list[EpochResult]:
    return list(loop.fit(state, train, validation))


def test_twenty_images_are_learned_by_heart(mnist_train: Examples) -> None:
    state = loop.start(config("epochs=60", "batch_size=5"))
    few = some(mnist_train, 20)
    results = fit(state, few)
    assert results[-1].metrics.train_accuracy == 1
    assert evaluate(state.network, few).accuracy == 1


@pytest.mark.parametrize(("activation", "loss"), [("sigmoid", "quadratic"), ("tanh", "cross_entropy")])
def test_other_activations_and_losses_learn_too(mnist_train: Examples, activation: str, loss: str) -> None:
    wish = config(f"activation={activation}", f"loss={loss}", "epochs=150", "batch_size=5", "learning_rate=0.01")
    state = loop.start(wish)
    fit(state, some(mnist_train, 20))
    assert evaluate(state.network, some(mnist_train, 20)).accuracy == 1


def test_every_epoch_visits_each_example_once_in_another_order_with_its_own_target(mnist_train: Examples) -> None:
    few = some(mnist_train, 5000)
    with DataLoader(few, config(), 300) as loader:
        orders = [generator(0, Use.SHUFFLE, epoch).permutation(len(few)) for epoch in (1, 2)]
        for epoch, order in enumerate(orders, 1):
            found = [(s.all.inputs.copy(), s.all.targets.copy()) for s in loader.superbatches(epoch)]
            inputs, targets = (np.concatenate(column) for column in zip(*found, strict=True))
            assert np.array_equal(inputs, (few.images[order] / 255).astype(np.float32))
            assert np.array_equal(targets, np.eye(10)[few.labels[order]])
        assert not np.array_equal(orders[0], orders[1])


def test_rows_that_share_a_batch_in_one_epoch_are_parted_in_the_next() -> None:
    first, second = (generator(3, Use.SHUFFLE, epoch).permutation(1000).reshape(-1, 10) for epoch in (1, 2))
    together = {frozenset(batch) for batch in first.tolist()}
    assert not together & {frozenset(batch) for batch in second.tolist()}


def test_the_last_partial_batch_counts_by_its_size(mnist_train: Examples) -> None:
    # A rate too small to move anything: the epoch's means must equal an evaluation over the same 130 examples.
    few = some(mnist_train, 130)
    state = loop.start(config("epochs=1", "batch_size=50", "learning_rate=1e-12"))
    metrics = fit(state, few)[0].metrics
    scores = evaluate(state.network, few)
    assert metrics.loss == pytest.approx(scores.loss, rel=1e-6)
    assert metrics.train_accuracy == scores.accuracy
    assert state.optimizer.steps == 3


def test_full_batch_takes_one_step_an_epoch_which_is_the_mean_gradient(mnist_train: Examples) -> None:
    few = some(mnist_train, 3000)
    wish = config("epochs=2", "batch_size=all", "optimizer=sgd", "learning_rate=0.5")
    state = loop.start(wish)
    by_hand = loop.start(wish).network
    inputs, targets = (few.images / 255).astype(np.float32), np.eye(10, dtype=np.float32)[few.labels]
    for _ in range(2):
        cache = by_hand.forward(inputs, by_hand.forward_cache(len(few)))
        by_hand.parameters -= 0.5 * by_hand.backward(cache, targets, by_hand.gradients(len(few))).flat
    fit(state, few)
    assert state.optimizer.steps == 2
    assert state.network.parameters == pytest.approx(by_hand.parameters, abs=2e-6)


def test_a_hundred_steps_of_the_loop_allocate_less_than_64_kib_at_any_time(mnist_train: Examples) -> None:
    state = loop.start(config("epochs=2", "batch_size=100", "layer_sizes=[784, 100, 10]"))
    peaks, held = [], []

    def measure(_: int) -> None:
        now, peak = tracemalloc.get_traced_memory()
        held.append(now)
        peaks.append(peak)
        tracemalloc.reset_peak()

    epochs = loop.fit(state, some(mnist_train, 12_000), None, measure)
    next(epochs)
    peaks.clear()
    held.clear()
    tracemalloc.start()
    try:
        next(epochs)
    finally:
        tracemalloc.stop()
    # 120 steps in six superbatches. The epoch holds its order, drawn before the first of them.
    assert len(peaks) == 120
    assert max(peaks[20:]) - min(held[20:]) < 64 * 1024


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(mnist_train: Examples) -> None:
    def train(seed: int) -> bytes:
        state = loop.start(config("epochs=2", f"seed={seed}"))
        fit(state, some(mnist_train, 1000))
        return state.network.parameters.tobytes()

    assert train(1) == train(1)
    assert train(1) != train(2)


def test_a_rate_far_too_high_stops_with_epoch_step_and_advice(mnist_train: Examples) -> None:
    state = loop.start(config("optimizer=sgd", "learning_rate=1e9", "layer_sizes=[784, 50, 50, 10]"))
    with pytest.raises(DivergedError, match=r"epoch 1, step [2-9] of 16: .* lower learning rate, .*=1$"):
        fit(state, some(mnist_train, 2000))
    assert state.epoch == 0


def test_weights_that_leave_the_finite_numbers_in_the_last_step_stop_training_too(mnist_train: Examples) -> None:
    state = loop.start(config("optimizer=sgd", "learning_rate=1e9", "batch_size=all"))
    state.network.biases[0][...] = 1e30
    with pytest.raises(DivergedError):
        fit(state, some(mnist_train, 50))


def test_one_sided_predictions_are_warned_of_once(mnist_train: Examples) -> None:
    zeros = Examples(mnist_train.images[:200], np.zeros(200, np.uint8))
    results = fit(loop.start(config("epochs=3", "learning_rate=0.01")), zeros)
    assert len([w for r in results for w in r.warnings if "predictions are one class (0)" in w]) == 1


def test_dead_hidden_neurons_are_warned_of_with_their_layer(mnist_train: Examples) -> None:
    state = loop.start(config("epochs=1", "layer_sizes=[784, 20, 20, 10]"))
    state.network.biases[1][...] = -100
    warnings = fit(state, some(mnist_train, 200))[0].warnings
    assert any("hidden layer 2 are dead" in w for w in warnings)
    assert not any("hidden layer 1" in w for w in warnings)


def test_a_healthy_training_warns_of_nothing(mnist_train: Examples) -> None:
    assert not any(r.warnings for r in fit(loop.start(config("epochs=2")), some(mnist_train, 3000)))


def test_a_batch_larger_than_the_training_set_is_refused_with_the_way_out(mnist_train: Examples) -> None:
    with pytest.raises(ConfigError, match="at most the 50 training images, found 51; use `batch_size: all`"):
        fit(loop.start(config("batch_size=51")), some(mnist_train, 50))


def with_validation(losses: list[float], accuracies: list[float], *overrides: str) -> State:
    state = loop.start(configs.load(None, overrides))
    pairs = enumerate(zip(losses, accuracies, strict=True), 1)
    state.history.extend(EpochMetrics(n, 0.1, 0.9, loss, accuracy, 0.1) for n, (loss, accuracy) in pairs)
    return state


def test_the_best_epoch_is_the_earliest_of_the_highest_validation_accuracy() -> None:
    assert with_validation([3, 2, 1], [0.5, 0.7, 0.7]).best_epoch == 2


def test_a_config_that_keeps_the_last_epoch_does_not_ask_which_was_best() -> None:
    assert with_validation([3, 2, 1], [0.5, 0.7, 0.6], "keep=last").best_epoch == 3


def test_early_stopping_waits_its_patience_for_a_lower_validation_loss() -> None:
    patience = "early_stopping.patience=2"
    assert not with_validation([3, 2, 2.5], [0, 0, 0], patience).stopped_early
    assert with_validation([3, 2, 2.5, 2.0], [0, 0, 0, 0], patience).stopped_early
    assert not with_validation([3, 2, 2.5, 1.9], [0, 0, 0, 0], patience).stopped_early
    assert not with_validation([3, 2, 2.5, 2.5, 2.5], [0] * 5).stopped_early


def test_training_ends_early_when_the_validation_loss_rises(mnist_train: Examples) -> None:
    wish = configs.load(None, ["validation=5", "epochs=50", "early_stopping.patience=3", "batch_size=19"])
    noise = Examples(mnist_train.images[:100], generator(0, Use.INIT).integers(10, size=100).astype(np.uint8))
    train, validation = split(noise, 5, None, 0)
    state = loop.start(wish)
    results = fit(state, train, validation)
    assert 4 <= len(results) < 50
    losses = [r.metrics.validation_loss or 0 for r in results]
    assert losses.index(min(losses)) == len(losses) - 4


def test_evaluation_sums_over_all_examples_with_a_partial_last_batch(mnist_test: Examples) -> None:
    network = Network((784, 16, 10), "sigmoid", "quadratic")
    network.initialise(generator(0, Use.INIT))
    few = some(mnist_test, 2345)
    result = evaluate(network, few)
    cache = network.forward((few.images / 255).astype(np.float32), network.forward_cache(len(few)))
    output, target = cache.activations[-1].astype(float), np.eye(10)[few.labels]
    assert result.loss == pytest.approx(((output - target) ** 2).sum(axis=1).mean(), rel=1e-6)
    assert result.total == 2345
    assert result.correct == np.count_nonzero(output.argmax(axis=1) == few.labels)
    assert result.confusion.sum(axis=1).tolist() == np.bincount(few.labels, minlength=10).tolist()


def test_precision_and_recall_of_a_class_never_seen_are_no_number() -> None:
    network = Network((4, 3), "relu", "cross_entropy")
    network.biases[0][:] = [1, 0, -1]
    result = evaluate(network, Examples(np.zeros((4, 4), np.uint8), np.array([0, 0, 0, 1], np.uint8)))
    assert result.confusion.tolist() == [[3, 0, 0], [1, 0, 0], [0, 0, 0]]
    assert result.precision.tolist() == pytest.approx([0.75, np.nan, np.nan], nan_ok=True)
    assert result.recall.tolist() == pytest.approx([1, 0, np.nan], nan_ok=True)
    assert result.confusions() == [(1, 0, 1)]


def test_a_network_too_large_to_compute_with_is_refused_by_evaluation(mnist_test: Examples) -> None:
    network = Network((784, 16, 10), "relu", "cross_entropy")
    network.parameters[...] = 1e30
    with pytest.raises(DivergedError, match="not a finite number"):
        evaluate(network, some(mnist_test, 10))


@pytest.mark.parametrize("true_temperature", [0.5, 1.0, 3.0])
def test_the_fitted_temperature_is_the_one_that_made_the_labels(true_temperature: float) -> None:
    random = np.random.default_rng(0)
    z = random.normal(0, 3, (20_000, 10))
    shares = probabilities(z, true_temperature)
    labels = (shares.cumsum(axis=1) < random.random((20_000, 1))).sum(axis=1).clip(0, 9).astype(np.uint8)
    assert fit_temperature(z, labels) == pytest.approx(true_temperature, rel=0.04)


def test_temperature_changes_confidence_and_no_prediction() -> None:
    z = np.random.default_rng(1).normal(0, 3, (100, 10))
    plain, cooled = probabilities(z, None), probabilities(z, 2.0)
    assert np.array_equal(plain.argmax(axis=1), cooled.argmax(axis=1))
    assert (cooled.max(axis=1) < plain.max(axis=1)).all()
    assert cooled.sum(axis=1) == pytest.approx(1)


def test_split_takes_the_same_validation_images_whatever_is_learned_from(mnist_train: Examples) -> None:
    few = some(mnist_train, 1000)
    train, validation = split(few, 200, None, seed=5)
    fewer, same = split(few, 200, 300, seed=5)
    assert validation is not None
    assert same is not None
    assert (len(train), len(validation), len(fewer)) == (800, 200, 300)
    assert np.array_equal(validation.images, same.images)

    def keys(examples: Examples) -> set[bytes]:
        return {image.tobytes() for image in examples.images}

    assert keys(fewer) < keys(train)
    assert not keys(train) & keys(validation)
    assert keys(train) | keys(validation) == keys(few)
    _, other = split(few, 200, None, seed=6)
    assert other is not None
    assert not np.array_equal(other.images, validation.images)


@pytest.mark.parametrize(
    ("validation", "train_images", "words"),
    [(100, None, "validation: expected fewer than the 100"), (20, 81, "train_images: expected at most 80")],
)
def test_a_split_that_asks_for_too_much_says_how_much_there_is(
    mnist_train: Examples, validation: int, train_images: int | None, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        split(some(mnist_train, 100), validation, train_images, 0)


def test_cross_entropy_is_what_training_reports(mnist_train: Examples) -> None:
    few = some(mnist_train, 64)
    state = loop.start(config("epochs=1", "batch_size=all"))
    before: Array = state.network.parameters.copy()
    reported = fit(state, few)[0].metrics.loss
    state.network.parameters[...] = before
    cache = state.network.forward((few.images / 255).astype(np.float32), state.network.forward_cache(64))
    expected = CrossEntropy.costs(cache.logits, np.eye(10, dtype=np.float32)[few.labels]).mean()
    assert reported == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("threads", "expected"), [("auto", 1), ("2", 2)])
def test_where_steps_cannot_be_shared_the_matrix_library_has_the_threads_that_the_config_asks_for(
    threads: str, expected: int, mnist_train: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "CAN_SHARE_STEPS", False)
    config = configs.load(None, ["epochs=1", "validation=0", f"threads={threads}"])
    seen = set[int]()

    def look(_: int) -> None:
        seen.update(library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas")

    with threadpool_limits(3, user_api="blas"):
        list(loop.fit(loop.start(config), some(mnist_train, 256), None, look))
        assert seen == {expected}
        seen.clear()
        look(0)
        assert seen == {3}  # as it was before
