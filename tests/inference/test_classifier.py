"""A classifier answers for images of any shape, and never with a threshold that was not made for them."""

import json
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from mnistnet import pretrained
from mnistnet.checkpoint import checkpoint
from mnistnet.checkpoint.checkpoint import Checkpoint, Origin
from mnistnet.config.schema import Config
from mnistnet.errors import UsageError
from mnistnet.inference import ood
from mnistnet.inference.classifier import Classifier, check_alike
from mnistnet.nn.network import Network
from mnistnet.util.rng import Use, generator
from tests.helpers import run


def own_network(shape: tuple[int, int], *, named: bool = True) -> Checkpoint:
    """Return a checkpoint of a network for images of one's own, with a threshold."""
    sizes = (shape[0] * shape[1], 6, 3)
    network = Network(sizes, "relu", "cross_entropy")
    network.initialise(generator(0, Use.INIT))
    origin = Origin(name="own", sha256={})
    if named:
        origin |= Origin(name="own", sha256={}, labels=["a", "b", "c"], shape=list(shape))
    config = Config(dataset="./own", layer_sizes=sizes)
    shipped = checkpoint.load(pretrained.path("best"))
    return replace(shipped, config=config, network=network, dataset=origin, ood_threshold=-1e6)


@pytest.mark.parametrize("shape", [(8, 8), (5, 9), (16, 49), (49, 16)])
@pytest.mark.parametrize("named", [True, False])
def test_predict_reads_pictures_for_a_network_of_any_shape_that_has_a_threshold(
    shape: tuple[int, int], named: bool, tmp_path: Path
) -> None:
    checkpoint.save(tmp_path / "own.npz", own_network(shape, named=named))
    Image.fromarray(np.arange(100 * 80, dtype=np.uint32).reshape(100, 80).astype(np.uint8)).save(tmp_path / "p.png")
    result = run("predict", tmp_path / "p.png", "--checkpoint", tmp_path / "own.npz", "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["label"] in (("a", "b", "c") if named else ("0", "1", "2"))


@pytest.mark.parametrize("shape", [(28, 28), (16, 49), (3, 5)])
def test_views_shift_rows_and_columns_of_the_real_shape(shape: tuple[int, int]) -> None:
    image = np.arange(1, shape[0] * shape[1] + 1).reshape(shape)
    seen = np.append(image.ravel(), 0)[ood.views(shape)].reshape(-1, *shape)
    assert np.array_equal(seen[0][:, :-1], image[:, 1:])  # by a column
    assert not seen[0][:, -1].any()
    assert np.array_equal(seen[2][:-1], image[1:])  # by a row
    assert not seen[2][-1].any()


def test_a_threshold_is_fitted_to_images_of_any_shape_with_rows_and_columns() -> None:
    network = own_network((16, 49)).network
    images = generator(0, Use.SPLIT).integers(0, 256, (200, 784), np.uint8)
    threshold = ood.fit_threshold(network, images, (16, 49))
    assert threshold is not None
    below = ood.max_logit_score(network, images, (16, 49)) < threshold
    assert below.mean() == pytest.approx(ood.SHARE_UNSURE, abs=0.006)
    assert ood.fit_threshold(network, images, (1, 784)) is None


def test_a_classifier_of_a_changed_network_forgets_what_was_fitted_to_the_old_one() -> None:
    best = Classifier.of(checkpoint.load(pretrained.path("best")))
    assert best.calibrated
    changed = best.with_network(best.network)
    assert (changed.calibrated, changed.temperature, changed.threshold) == (False, None, None)


@pytest.mark.parametrize("clothes_first", [False, True])
def test_eval_refuses_to_average_networks_of_different_data_sets_before_it_fetches_any(
    clothes_first: bool, tmp_path: Path
) -> None:
    shipped = checkpoint.load(pretrained.path("3blue1brown"))
    other = replace(shipped, config=msgspec.structs.replace(shipped.config, dataset="fashion_mnist"))
    checkpoint.save(tmp_path / "clothes.npz", other)
    both: list[str | Path] = ["3blue1brown", tmp_path / "clothes.npz"]
    result = run("eval", *(both[::-1] if clothes_first else both), "--data-dir", tmp_path / "empty")
    assert result.exit_code == 2
    assert "same data set and classes: found" in result.stderr
    assert "mnist (0, 1" in result.stderr
    assert "fashion_mnist (T-shirt" in result.stderr
    assert not (tmp_path / "empty").exists()


def test_networks_for_images_of_as_many_pixels_in_another_shape_are_not_averaged() -> None:
    with pytest.raises(UsageError, match=r"\./own with 16x49 pixels and \./own with 28x28 pixels"):
        check_alike([Classifier.of(own_network(shape)) for shape in ((16, 49), (28, 28))])
