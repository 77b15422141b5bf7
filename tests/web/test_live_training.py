"""Trainings that visitors watch: the steps of the real loop, what is reported, what is bounded, what is saved."""

import base64
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnistnet.checkpoint import checkpoint
from mnistnet.config import loader as configs
from mnistnet.config.schema import Config
from mnistnet.data.datasets import Examples
from mnistnet.errors import DivergedError, UsageError
from mnistnet.inference.evaluate import evaluate
from mnistnet.training import loop
from mnistnet.training.process_pool import one_blas_thread
from mnistnet.web import live_training
from mnistnet.web.live_training import LiveTraining, Twist
from mnistnet.web.sessions import ForgottenError, Kept
from tests.helpers import run, some

VIDEO = ["layer_sizes=[784, 16, 16, 10]", "activation=sigmoid", "loss=quadratic", "optimizer=sgd", "learning_rate=3"]


def config(*overrides: str) -> Config:
    return configs.load(None, [*VIDEO, "schedule=constant", "weight_decay=0", "validation=0", "threads=1", *overrides])


@pytest.fixture(scope="module")
def few(mnist_train: Examples) -> Examples:
    return some(mnist_train, 2500)


@pytest.mark.parametrize("batch", ["30", "100", "1500", "all"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_its_steps_are_those_of_the_training_loop(few: Examples, batch: str, optimizer: str) -> None:
    settings = config(f"batch_size={batch}", f"optimizer={optimizer}", "learning_rate=0.01", "epochs=2")
    live = LiveTraining(settings, few, some(few, 100), Twist())
    with one_blas_thread():  # as the page is served
        live.advance(60, 2 * live.steps_an_epoch)
    state = loop.start(settings)
    for _ in loop.fit(state, few, None):
        pass
    found, expected = live.state.network.parameters, state.network.parameters
    if batch in ("30", "100"):
        assert np.array_equal(found, expected)
    else:  # worked on in parts, whose sum differs in the last digits
        assert found == pytest.approx(expected, abs=1e-5)


def test_a_report_holds_what_is_drawn(few: Examples) -> None:
    held_out = some(few, 300, 2000)
    live = LiveTraining(config("batch_size=50"), some(few, 2000), held_out, Twist())
    live.advance(60, 60)
    report = live.report()
    assert (report["step"], report["epoch"], report["steps_an_epoch"]) == (60, 1.5, 40)
    assert len(report["costs"]) == live_training.POINTS
    assert all(before < after for (before, _), (after, _) in pairwise(report["costs"]))
    assert report["costs"][-1][0] == 60
    scores = evaluate(live.state.network, held_out)
    assert (report["held_out_accuracy"], report["held_out_cost"]) == (scores.accuracy, scores.loss)
    assert np.sum(report["confusion"]) == 300
    assert 0 < report["train_accuracy"] <= 1
    images = np.frombuffer(report["first_weights"], np.int8).reshape(16, 784)
    weights = live.state.network.weights[0]
    assert np.abs(images / 127 * report["first_weights_scale"] - weights).max() < report["first_weights_scale"] / 127
    assert [sum(layer["weights"]["counts"]) for layer in report["layers"]] == [784 * 16, 16 * 16, 160]
    assert live.report()["costs"] == []


def test_the_learning_rate_may_change_on_the_way(few: Examples) -> None:
    live = LiveTraining(config("batch_size=50"), few, some(few, 100), Twist())
    live.learning_rate = 1e-30
    before = live.state.network.parameters.copy()
    live.advance(60, 5)
    assert live.state.network.parameters == pytest.approx(before, abs=1e-25)
    live.learning_rate = 1.0
    live.advance(60, 1)
    assert not np.array_equal(before, live.state.network.parameters)


def test_a_training_that_diverges_says_so_and_what_to_do(few: Examples) -> None:
    live = LiveTraining(config("loss=cross_entropy", "activation=relu"), few, some(few, 100), Twist())
    live.learning_rate = 1e9
    with pytest.raises(DivergedError, match="start over with a lower learning rate"):
        live.advance(60, 500)


def test_zero_weights_stay_copies_of_one_another(few: Examples) -> None:
    live = LiveTraining(config(), few, some(few, 100), Twist(zero_start=True))
    live.advance(60, 20)
    first = live.state.network.weights[0]
    assert (first == first[0]).all()
    assert first.any()


def test_without_shuffling_the_batches_come_in_the_files_order(few: Examples) -> None:
    live = LiveTraining(config("batch_size=1000"), few, some(few, 100), Twist(shuffle=False))
    batches = [next(live._batches) for _ in range(4)]
    assert [(batch[0], batch[-1]) for batch in batches] == [(0, 999), (1000, 1999), (2000, 2499), (0, 999)]


def test_wrong_labels_are_a_share_of_all_and_the_visitors_own(few: Examples) -> None:
    before = few.labels.copy()
    live = LiveTraining(config(), few, some(few, 100), Twist(wrong_labels=0.5))
    wrong = float(np.mean(live._train.labels != before))
    assert 0.4 < wrong < 0.5  # a tenth of the drawn ones are right by chance
    assert (few.labels == before).all()


def test_images_kept_apart_are_spread_over_the_files_and_learned_by_nobody(mnist_train: Examples) -> None:
    train, held_out = live_training.split(mnist_train)
    assert (len(train), len(held_out)) == (len(mnist_train) - live_training.HELD_OUT, live_training.HELD_OUT)
    assert (held_out.images[0] == mnist_train.images[0]).all()
    assert (held_out.images[-1] == mnist_train.images[-1]).all()
    live = live_training.of((train, held_out), config(), 1000, Twist())
    assert live.steps_an_epoch == 1000 // 128 + 1
    for words, settings, images in (
        ("images: expected at most 58,000, found 59,000", config(), 59_000),
        ("at most 300,000 weights", config("layer_sizes=[784, 500, 10]"), 100),
    ):
        with pytest.raises(UsageError, match=words):
            live_training.of((train, held_out), settings, images, Twist())


def test_a_saved_network_is_read_by_eval_and_gives_the_same_accuracy(
    mnist_train: Examples, mnist_test: Examples, mnist_dir: Path
) -> None:
    live = live_training.of(live_training.split(mnist_train), config(), "all", Twist())
    live.advance(60, 600)
    shipped = checkpoint.load(Path(checkpoint.__file__).parent.parent / "pretrained" / "3blue1brown.npz")
    Path("saved.npz").write_bytes(live.checkpoint(shipped.dataset))
    expected = evaluate(live.state.network, mnist_test)
    assert expected.accuracy > 0.85
    assert f"({expected.correct:,} of 10,000)" in run("eval", "saved.npz", "--data-dir", mnist_dir).stdout


def test_things_are_kept_by_token_until_others_need_the_room_or_nobody_asks() -> None:
    now = [0.0]
    kept: Kept[int] = Kept("gone", lambda thing: 64 << 20, lambda: now[0])
    tokens = [kept.add(number) for number in range(4)]
    assert [kept.find(token) for token in tokens] == [0, 1, 2, 3]
    kept.find(tokens[0])
    kept.add(4)  # only four fit
    with pytest.raises(ForgottenError, match="gone"):
        kept.find(tokens[1])
    assert kept.find(tokens[0]) == 0
    now[0] = 4000
    with pytest.raises(ForgottenError):
        kept.find(tokens[0])
    assert len(kept) == 0


def test_the_page_begins_goes_on_adopts_saves_and_leaves(post: Any, mnist_test: Examples) -> None:
    settings = {"hidden": [12], "activation": "relu", "loss": "cross_entropy", "optimizer": "adam"}
    begun = post("begin", **settings, learning_rate=0.01, batch_size=50, images=5000)
    training, pixels = begun["training"], mnist_test.images[0].tobytes()
    assert (begun["step"], begun["reading"]) == (0, None)
    report = post("advance", training=training, steps=200, milliseconds=1000, pixels=pixels)
    while report["step"] < 200:
        report = post("advance", training=training, steps=200 - report["step"], milliseconds=1000, pixels=pixels)
    assert report["held_out_accuracy"] > 0.8
    assert report["reading"]["digit"] == 7
    adopted = post("adopt", training=training)
    assert adopted["layer_sizes"] == [784, 12, 10]
    thought = post("think", pixels=pixels, session=adopted["session"])
    assert thought["probabilities"] == pytest.approx(report["reading"]["probabilities"], abs=1e-5)
    assert thought["calibrated"] is False
    wish = post("wish", pixels=pixels, label=2, session=adopted["session"])
    assert "it should read a 2" in wish["steps"][0]["blocks"][0]["text"]
    Path("page.npz").write_bytes(base64.b64decode(post("save", training=training)["checkpoint"]))
    assert checkpoint.load(Path("page.npz")).config.layer_sizes == (784, 12, 10)
    post("leave", training=training)
    assert "start over" in post("advance", 410, training=training)["error"]
    assert (
        "images: expected at most"
        in post("begin", 400, **settings, learning_rate=1, batch_size=1, images=59_999)["error"]
    )
    huge = post("begin", **settings | {"optimizer": "sgd", "hidden": [16, 16]}, learning_rate=1e9, batch_size=128)
    assert "diverged at step" in post("advance", 422, training=huge["training"], steps=300, milliseconds=1000)["error"]
