"""Drawn digits look like MNIST's own to a network, are the same for the same seed, and join only such images."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnistnet.config import loader
from mnistnet.data import strokes
from mnistnet.data.datasets import Examples
from mnistnet.errors import ConfigError
from mnistnet.training.state import split_for
from mnistnet.vision.morphology import extent


@settings(max_examples=20, deadline=None)
@given(n=st.integers(1, 700), seed=st.integers(0, 2**32))
def test_every_drawn_digit_fills_mnists_box_about_its_centre_of_mass(n: int, seed: int) -> None:
    drawn = strokes.draw_digits(n, np.random.default_rng(seed))
    counts = np.bincount(drawn.labels, minlength=10)[list(strokes.FORMS)]
    assert len(drawn) == n
    assert counts.sum() == n
    assert counts.max() - counts.min() <= 1
    for pixels in drawn.images.reshape(-1, 28, 28):
        rows, columns = extent(pixels > 0)
        longest = max(rows.stop - rows.start, columns.stop - columns.start)
        assert pixels.max() == 255
        assert longest in (19, 20)  # as in MNIST, where a faint edge may round to black
        for axis, side in enumerate((rows, columns)):
            centre = pixels.sum(axis=1 - axis) @ np.arange(28) / pixels.sum()
            at_the_edge = side.start == 0 or side.stop == 28
            assert abs(centre - 14) <= 0.5 + 1e-9 or at_the_edge


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
    file.write_text("drawn_digits: 5\n")
    with pytest.raises(ConfigError, match=r"config\.yaml:1: drawn_digits: expected 0, since only images of 28x28"):
        loader.load(file, changes)


def test_drawn_digits_join_only_images_of_their_size() -> None:
    wide = Examples(np.zeros((3, 784), np.uint8), np.zeros(3, np.uint8), (14, 56))
    with pytest.raises(ConfigError, match="28x28 pixels and the others 14x56"):
        strokes.with_drawn(wide, 5, np.random.default_rng(0))
