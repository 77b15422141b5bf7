"""Drawn images look like MNIST's own to a network, are the same for the same seed, and join only such images."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnistnet.config import loader
from mnistnet.config.schema import Config
from mnistnet.data.datasets import Examples
from mnistnet.data.drawn import digits, non_digits
from mnistnet.errors import ConfigError
from mnistnet.inference.calibration import probabilities
from mnistnet.inference.evaluate import forward
from mnistnet.training.loop import fit, start
from mnistnet.training.state import epoch_size, split_for, with_drawn_digits, with_non_digits
from mnistnet.vision.morphology import extent


@settings(max_examples=20, deadline=None)
@given(n=st.integers(1, 700), seed=st.integers(0, 2**32))
def test_every_drawn_digit_fills_mnists_box_about_its_centre_of_mass(n: int, seed: int) -> None:
    drawn = digits.draw_digits(n, np.random.default_rng(seed))
    counts = np.bincount(drawn.labels, minlength=10)[list(digits.FORMS)]
    assert len(drawn) == n
    assert counts.sum() == n
    assert counts.max() - counts.min() <= 1
    for pixels in drawn.images.reshape(-1, 28, 28):
        assert pixels.max() == 255
        assert size(pixels) in (19, 20)  # as in MNIST, where a faint edge may round to black
        assert is_centred(pixels)


@settings(max_examples=10, deadline=None)
@given(n=st.integers(0, 300), seed=st.integers(0, 2**32))
def test_every_non_digit_lies_in_mnists_box_about_its_centre_of_mass_and_has_no_class(n: int, seed: int) -> None:
    drawn = non_digits.draw_non_digits(n, np.random.default_rng(seed))
    assert len(drawn) == n
    assert (drawn.labels == 10).all()
    strokes = n - n // 4  # before the filled shapes, which need not reach their box's sides
    for number, pixels in enumerate(drawn.images.reshape(-1, 28, 28)):
        assert pixels.max() > 100
        assert size(pixels) <= 20
        assert number >= strokes or is_centred(pixels)


def size(pixels: npt.NDArray[np.uint8]) -> int:
    rows, columns = extent(pixels > 0)
    return int(max(rows.stop - rows.start, columns.stop - columns.start))


def is_centred(pixels: npt.NDArray[np.uint8]) -> bool:
    for axis, side in enumerate(extent(pixels > 0)):
        centre = pixels.sum(axis=1 - axis) @ np.arange(28) / pixels.sum()
        if abs(centre - 14) > 0.5 + 1e-9 and side.start > 0 and side.stop < 28:
            return False
    return True


def test_a_network_learns_to_be_unsure_of_non_digits_which_count_as_no_mistakes() -> None:
    examples = digits.draw_digits(1000, np.random.default_rng(0))
    others = non_digits.draw_non_digits(300, np.random.default_rng(1))
    sure = {}
    for count in (0, 600):
        words = ["epochs=8", "validation=0", f"non_digits={count}", "threads=1", "batch_size=32"]
        state, seen = start(loader.load(overrides=words)), list[int]()
        for result in fit(state, examples, None, seen.append):
            accuracy = result.metrics.train_accuracy
        assert sum(seen) == 8 * epoch_size(state.config, examples) == 8 * (1000 + count)
        assert accuracy > 0.97  # of the digits
        sure[count] = float((probabilities(forward(state.result, others.images), None).max(axis=1) > 0.9).mean())
    assert sure[0] > 0.3
    assert sure[600] < 0.05


def test_drawn_digits_depend_on_the_seed_alone_and_held_out_images_on_no_drawn_ones() -> None:
    images = np.random.default_rng(0).integers(0, 256, (50, 784), dtype=np.uint8)
    examples = Examples(images, (np.arange(50) % 10).astype(np.uint8))
    config = loader.load(overrides=["validation=20", "drawn_digits=30"])
    (train, held_out), (again, _) = split_for(config, examples), split_for(config, examples)
    plain, same = split_for(loader.load(overrides=["validation=20"]), examples)
    other, _ = split_for(loader.load(overrides=["validation=20", "drawn_digits=30", "seed=1"]), examples)
    assert len(train) == 60
    assert train.images.tobytes() == again.images.tobytes()
    assert train.images[:30].tobytes() == plain.images.tobytes()
    assert held_out is not None
    assert same is not None
    assert held_out.images.tobytes() == same.images.tobytes()
    assert train.images[30:].tobytes() != other.images[30:].tobytes()


@pytest.mark.parametrize(
    "changes",
    [
        ["dataset=fashion_mnist"],
        ["dataset=./mine", "layer_sizes=[100, 10]"],
        ["dataset=./mine", "layer_sizes=[784, 3]"],
    ],
)
def test_digits_are_not_drawn_for_other_data(changes: list[str], tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    for key in ("drawn_digits", "non_digits"):
        file.write_text(f"{key}: 5\n")
        with pytest.raises(ConfigError, match=rf"config\.yaml:1: {key}: expected 0, since only images of 28x28"):
            loader.load(file, changes)


@pytest.mark.parametrize(("key", "join"), [("drawn_digits", with_drawn_digits), ("non_digits", with_non_digits)])
def test_drawn_images_join_only_images_of_their_size(key: str, join: Callable[[Config, Examples], Examples]) -> None:
    wide = Examples(np.zeros((3, 784), np.uint8), np.zeros(3, np.uint8), (14, 56))
    config = loader.load(overrides=[f"{key}=5"])
    with pytest.raises(
        ConfigError, match=f"{key}: expected 0, since drawn ones have 28x28 pixels and the others 14x56"
    ):
        join(config, wide)
