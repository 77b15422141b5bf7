"""Trainings side by side: the steps of each alone, the same first weights, the same time, and the paths they took."""

import base64
from typing import Any

import numpy as np
import pytest

from mnistnet import pretrained
from mnistnet.data.datasets import Examples
from mnistnet.errors import DivergedError
from mnistnet.web import live_training, race
from mnistnet.web.live_training import LiveTraining, Twist
from mnistnet.web.race import Path, Race
from tests.helpers import some
from tests.web.test_live_training import config


@pytest.fixture(scope="module")
def parts(mnist_train: Examples) -> tuple[Examples, Examples]:
    return live_training.split(some(mnist_train, 2000))


def trainings(parts: tuple[Examples, Examples], *overrides: str) -> list[LiveTraining]:
    batches = ("1", "100", "all")
    return [live_training.of(parts, config(f"batch_size={batch}", *overrides), "all", Twist()) for batch in batches]


def test_each_takes_the_steps_it_would_take_alone_for_about_the_same_time(parts: tuple[Examples, Examples]) -> None:
    together, alone = trainings(parts), trainings(parts)
    begun = Race(together, parts[1])
    begun.advance(0.5, None)
    begun.survey()  # takes some steps too
    found = begun.report()
    for one, other, told in zip(together, alone, found, strict=True):
        assert told["step"] == one.steps > 0
        other.advance(60, one.steps)
        assert (one.state.network.parameters == other.state.network.parameters).all()
    assert [told["batch_size"] for told in found] == [1, 100, 1800]
    assert found[0]["step"] > found[1]["step"] > found[2]["step"]


def test_a_path_is_as_long_as_its_steps_and_keeps_a_bounded_number_of_points_in_their_order() -> None:
    path, parameters, random = Path(np.zeros(3, np.float32)), np.zeros(3, np.float32), np.random.default_rng(1)
    walked = 0.0
    for step in range(1, 1001):
        moved = random.normal(size=3).astype(np.float32)
        moved[0] = 1.0
        parameters += moved
        walked += float(np.linalg.norm(moved))
        path.add(parameters)
        assert len(path.points) < 2 * race.POINTS
        assert [point[0] for point in path.points] == sorted(point[0] for point in path.points)
        assert path.until_now()[-1][0] == step
    assert path.length == pytest.approx(walked, rel=1e-5)
    assert path.displacement == pytest.approx(np.linalg.norm(parameters), rel=1e-6)
    assert len(path.points) >= race.POINTS
    assert (path.points[0] == 0).all()


def test_the_survey_shows_all_paths_on_the_same_ground_and_every_step_of_a_stretch(
    parts: tuple[Examples, Examples],
) -> None:
    begun = Race(trainings(parts), parts[1])
    begun.advance(0.2, None)
    found = begun.survey()
    firsts = [path[0] for path in found["paths"]]
    assert firsts[0] == pytest.approx(firsts[1], abs=1e-6)
    assert firsts[0] == pytest.approx(firsts[2], abs=1e-6)
    assert np.shape(found["costs"]) == (race.GRID, race.GRID)
    assert np.ptp(found["costs"]) > 0
    assert len(found["stretches"][0]) == race.STRETCH + 1
    assert all(stretch[0] == [0, 0] for stretch in found["stretches"])


def test_one_that_diverges_stays_where_it_is_and_all_of_them_end_it(parts: tuple[Examples, Examples]) -> None:
    wild = trainings(parts, "loss=cross_entropy", "activation=relu", "learning_rate=1e9")
    begun = Race([wild[1], trainings(parts)[2]], parts[1])
    begun.advance(0.3, None)
    assert [told["diverged"] for told in begun.report()] == [True, False]
    assert np.isfinite(begun.survey()["paths"][1]).all()
    begun = Race(trainings(parts, "loss=cross_entropy", "activation=relu", "learning_rate=1e9")[1:], parts[1])
    with pytest.raises(DivergedError, match="all of these trainings diverged; start over with a lower learning rate"):
        begun.advance(60, None)


def test_the_page_begins_a_race_goes_on_surveys_and_leaves(post: Any) -> None:
    settings = {"hidden": [8], "activation": "sigmoid", "loss": "quadratic", "optimizer": "sgd", "images": 1000}
    begun = post("race", **settings, learning_rate=1, batch_sizes=[10, "all"])
    assert [told["batch_size"] for told in begun["trainings"]] == [10, 1000]
    token = begun["training"]
    assert post("together", training=token, milliseconds=50)["trainings"][0]["step"] > 0
    assert len(post("survey", training=token)["paths"]) == 2
    post("leave", training=token)
    assert "start over" in post("together", 410, training=token)["error"]
    post("race", 400, **settings, learning_rate=1, batch_sizes=[10])
    large = post("race", 400, **settings | {"hidden": [128]}, learning_rate=1, batch_sizes=[10, 100])
    assert large["error"] == "side by side, networks may have at most 30,000 weights and biases"


def test_a_checkpoint_of_another_data_set_or_none_at_all_is_refused(post: Any) -> None:
    content = base64.b64encode(pretrained.path("best").read_bytes()).decode()
    loaded = post("load", checkpoint=content, name="mine.npz")
    assert (loaded["name"], loaded["layer_sizes"][0]) == ("mine.npz", 784)
    assert post("think", pixels=bytes(784), session=loaded["session"])["calibrated"] is False
    assert "mine.npz: not a checkpoint" in post("load", 400, checkpoint=content[:4000], name="mine.npz")["error"]
    assert "at most 12,582,912 bytes" in post("load", 413, checkpoint="A" * (12 << 20))["error"]
