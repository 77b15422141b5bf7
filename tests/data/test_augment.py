"""Distortions go where their settings say, never wrap an image, and are the same for the same random numbers."""

import gc
from math import cos, floor, pi, radians, sin, sqrt
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnistnet.data import bilinear
from mnistnet.data.augment import (
    GREY,
    Augment,
    Augmenter,
    Bytes,
    Ciresan2010,
    Default,
    Simard2003,
    affine,
    b_splines,
    contact_sheet,
)
from mnistnet.data.bilinear import BilinearReader
from mnistnet.util.arrays import Array

PRESETS = [Default(), Simard2003(), Ciresan2010()]
CENTRE = 14 * 28 + 14


class AtTheEnd(np.random.Generator):
    """Draws the upper end of every uniform range: all distortions at their largest."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        return np.full(size, high, np.float64)


def pictures(n: int, shape: tuple[int, int] = (28, 28), seed: int = 0) -> Bytes:
    return np.random.default_rng(seed).integers(0, 256, (n, shape[0] * shape[1]), dtype=np.uint8)


def distorted(
    setting: Augment,
    images: Bytes,
    shape: tuple[int, int] = (28, 28),
    random: np.random.Generator | None = None,
    labels: Bytes | None = None,
) -> Array:
    out = np.full(images.shape, np.nan, np.float32)
    Augmenter(setting, shape)(images, out, random or np.random.default_rng(1), labels)
    return out


def displacements(setting: Augment, n: int, calls: int = 1) -> Array:
    """Return where pixels of `calls` batches of `n` take their brightness from, less their own place."""
    augmenter, random = Augmenter(setting), np.random.default_rng(3)
    fields = [field.copy() for _ in range(calls) for _, field in augmenter.fields(n, random)]
    return np.concatenate(fields) - np.indices((28, 28)).reshape(2, -1)


def rms(values: Array) -> float:
    return float(np.sqrt(np.mean(values.astype(np.float64) ** 2)))


def reference(image: Bytes, y: float, x: float) -> float:
    """Return the brightness at one place, pixel by pixel, black outside."""
    height, width = image.shape
    total = 0.0
    for row in (floor(y), floor(y) + 1):
        for column in (floor(x), floor(x) + 1):
            if 0 <= row < height and 0 <= column < width:
                total += float(image[row, column]) * (1 - abs(y - row)) * (1 - abs(x - column))
    return total / 255


@pytest.mark.parametrize("shape", [(28, 28), (5, 9), (1, 4)])
def test_without_distortion_inputs_are_exactly_pixels_over_255(shape: tuple[int, int]) -> None:
    images = pictures(400, shape)
    assert np.array_equal(distorted(Augment(), images, shape), images.astype(np.float32) / np.float32(255))


def test_a_shift_by_whole_pixels_moves_the_image_and_fills_with_black() -> None:
    images = pictures(3)
    expected = np.zeros((3, 28, 28), np.float32)
    expected[:, 3:, 3:] = images.reshape(3, 28, 28)[:, :-3, :-3] / np.float32(255)
    assert np.array_equal(distorted(Augment(shift=3), images, random=AtTheEnd()), expected.reshape(3, -1))


def test_a_quarter_turn_is_anticlockwise_about_the_centre() -> None:
    images = pictures(3)
    turned = distorted(Augment(rotation=90), images, random=AtTheEnd()).reshape(3, 28, 28)
    assert np.allclose(turned, np.rot90(images.reshape(3, 28, 28), axes=(1, 2)) / 255, atol=1e-4)


def test_a_blob_goes_where_scaling_then_shearing_then_turning_then_shifting_takes_it() -> None:
    image = np.zeros((28, 28), np.uint8)
    image[7:10, 16:19] = 255  # around 8, 17: up and to the right of the centre at 13.5, 13.5
    up, right = (13.5 - 8) * 1.2, (17 - 13.5) * 1.2
    right += 0.25 * up
    angle = radians(30)
    up, right = up * cos(angle) + right * sin(angle), right * cos(angle) - up * sin(angle)
    setting = Augment(scale=0.2, shear=0.25, rotation=30, shift=2)
    moved = distorted(setting, image.reshape(1, -1), random=AtTheEnd()).reshape(28, 28)
    centre = [float((moved * index).sum() / moved.sum()) for index in np.indices((28, 28))]
    assert centre == pytest.approx([13.5 - up + 2, 13.5 + right + 2], abs=0.1)


def test_an_affine_map_undoes_its_distortion() -> None:
    scale, shift = np.array([[0.8], [1.25]]), np.array([[2.0], [-3.0]])
    (rows, columns) = affine(np.array([0.0]), np.array([0.0]), scale, shift)[0]
    assert rows == pytest.approx([-2 / 0.8, 1 / 0.8, 0])
    assert columns == pytest.approx([3 / 1.25, 0, 1 / 1.25])


def test_brightness_between_pixels_is_that_of_a_slow_reference() -> None:
    height, width = shape = (5, 7)
    images, random = pictures(4, shape), np.random.default_rng(2)
    sides = np.array([[height], [width]])
    places = random.uniform(-3, sides + 3, (4, 2, height * width)).astype(np.float32)
    places[0] = np.rint(places[0])
    places[1, :, :4] = [[-1, height, height - 1, -0.5], [-1, width, width - 1, width - 0.5]]
    out = np.empty((4, height * width), np.float32)
    BilinearReader(shape)(images, places.copy(), out)
    for image, (ys, xs), row in zip(images.reshape(4, *shape), places, out, strict=True):
        assert row == pytest.approx([reference(image, y, x) for y, x in zip(ys, xs, strict=True)], abs=1e-5)


@pytest.mark.parametrize("far", [-1.0, 28.0, -1e9, 1e9])
@pytest.mark.parametrize("axis", [0, 1])
def test_outside_an_image_all_is_black_whatever_its_neighbours_in_the_batch_hold(far: float, axis: int) -> None:
    reader = BilinearReader((28, 28))
    images = np.full((reader.rows, 784), 255, np.uint8)
    places = np.broadcast_to(np.indices((28, 28)).reshape(2, -1), (reader.rows, 2, 784)).astype(np.float32)
    places[:, axis] = far
    out = np.full(images.shape, np.nan, np.float32)
    reader(images, places, out)
    assert not out.any()


def test_the_displacement_at_the_centre_is_that_of_simard_2003() -> None:
    bent = displacements(Simard2003(), 4000)
    assert rms(bent[:, :, CENTRE]) == pytest.approx(34 / (2 * 4 * sqrt(3 * pi)), rel=0.03)
    assert rms(bent[:, :, CENTRE]) == pytest.approx(1.38, rel=0.03)
    assert rms(bent[:, :, 0]) == pytest.approx(1.38 / 2, rel=0.15)  # half of the noise is missing on either axis


def test_the_displacement_at_the_centre_is_that_of_ciresan_2010() -> None:
    bending = msgspec.structs.replace(Ciresan2010(), rotation=0.0, scale=0.0, shear=0.0)
    assert rms(displacements(bending, 100, calls=40)[:, :, CENTRE]) == pytest.approx(1.10, rel=0.03)


def test_the_grid_displaces_the_centre_of_the_default_by_half_its_amplitude() -> None:
    bending = Augment(amplitude=Default().amplitude)
    assert rms(displacements(bending, 4000)[:, :, CENTRE]) == pytest.approx(1.10, rel=0.03)


@pytest.mark.parametrize(
    "setting",
    [
        *PRESETS,
        Augment(rotation=10),
        Augment(scale=0.1),
        Augment(shear=0.1),
        Augment(shift=1),
        Augment(alpha=30),
        Augment(amplitude=2),
    ],
    ids=str,
)
def test_every_image_is_distorted_in_its_own_way_and_in_another_one_next_time(setting: Augment) -> None:
    images = np.repeat(pictures(1), 20, axis=0)
    augmenter, random = Augmenter(setting), np.random.default_rng(1)
    outs = np.empty((2, 20, 784), np.float32)
    for out in outs:
        augmenter(images, out, random)
    assert len(np.unique(outs.reshape(40, 784), axis=0)) == 40


def test_the_grid_bends_an_image_that_is_not_square_along_its_own_rows_and_columns() -> None:
    height, width = shape = (12, 30)
    ((_, places),) = Augmenter(Augment(amplitude=2, grid=4), shape).fields(5, np.random.default_rng(1))
    bent = (places - np.indices(shape).reshape(2, -1)).reshape(10, height, width)
    # B C B^T of a 4 x 4 grid has rank 4 as a picture, which no other order of its pixels has.
    assert np.linalg.matrix_rank(bent, tol=1e-3).tolist() == [4] * 10


def test_of_two_alphas_each_image_draws_its_own_between_them() -> None:
    strengths = [rms(image) for image in displacements(Augment(alpha=(0, 60)), 200)]
    assert min(strengths) < 0.1 * max(strengths)  # of one alpha, the weakest has a third of the strongest


@settings(deadline=None, database=None)
@given(st.integers(1, 40), st.integers(4, 12))
def test_b_splines_add_up_to_one_and_follow_their_control_points(side: int, grid: int) -> None:
    values = b_splines(side, grid)
    assert values.min() >= 0
    assert values.sum(axis=0) == pytest.approx(np.ones(side), abs=1e-6)
    # Control points on a slope give that slope.
    assert np.arange(grid) @ values == pytest.approx(np.linspace(1, grid - 2, side), abs=1e-5)


@pytest.mark.parametrize(("labels", "degrees"), [([1, 7], 7.5), ([0, 2, 3, 4, 5, 6, 8, 9], 15.0), (None, 15.0)])
def test_ciresan_2010_turns_and_shears_ones_and_sevens_half_as_far(labels: list[int] | None, degrees: float) -> None:
    known = None if labels is None else np.array(labels, np.uint8)
    n = 3 if known is None else len(known)

    def field(**changes: float) -> Array:
        setting = msgspec.structs.replace(Ciresan2010(), scale=0.0, alpha=0.0, **changes)
        ((_, places),) = Augmenter(setting).fields(n, AtTheEnd(), known)
        return places.copy()

    turned, sheared = field(shear=0.0), field(rotation=0.0)
    step = turned[:, :, 1] - turned[:, :, 0]  # what a step to the right is in the original
    assert np.degrees(np.arctan2(step[:, 0], step[:, 1])) == pytest.approx(np.full(n, degrees), abs=0.01)
    slant = sheared[:, 1, 28] - sheared[:, 1, 0]  # columns for one row
    assert np.degrees(np.arctan(slant)) == pytest.approx(np.full(n, degrees), abs=0.2)


@pytest.mark.parametrize("setting", PRESETS, ids=lambda setting: type(setting).__name__)
def test_the_size_of_a_block_changes_nothing(setting: Augment, monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = pictures(50), np.arange(50, dtype=np.uint8) % 10
    whole = distorted(setting, images, labels=labels)
    monkeypatch.setattr(bilinear, "BLOCK_PIXELS", 7 * 900)
    # Matrix products of other sizes may round otherwise.
    assert np.allclose(distorted(setting, images, labels=labels), whole, atol=1e-4)


@pytest.mark.parametrize("setting", PRESETS, ids=lambda setting: type(setting).__name__)
def test_parts_do_together_what_one_would_do_alone(setting: Augment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bilinear, "BLOCK_PIXELS", 7 * 900)
    images, labels = pictures(50), np.arange(50, dtype=np.uint8) % 10
    together = np.full(images.shape, np.nan, np.float32)
    for part in range(3):
        Augmenter(setting)(images, together, np.random.default_rng(0), labels, part, 3)
    alone = np.empty_like(together)
    Augmenter(setting)(images, alone, np.random.default_rng(0), labels)
    assert np.array_equal(together, alone)


def spans(largest: float, least: float = 0.0) -> st.SearchStrategy[float | tuple[float, float]]:
    one = st.floats(least, largest)
    return one | st.tuples(one, one)


@settings(max_examples=60, deadline=None, database=None)
@given(
    setting=st.builds(
        Augment,
        rotation=st.floats(0, 180),
        scale=spans(0.9),
        shear=st.floats(0, 2),
        shift=st.floats(0, 1000),
        halved=st.sampled_from([(), (1, 7)]),
        alpha=spans(10_000),
        sigma=spans(100, 0.5),
        grid=st.integers(4, 12),
        amplitude=st.floats(0, 1000),
    ),
    shape=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    n=st.integers(1, 5),
    seed=st.integers(0, 2**32),
)
def test_any_setting_gives_brightness_and_the_same_for_the_same_random_numbers(
    setting: Augment, shape: tuple[int, int], n: int, seed: int
) -> None:
    images, labels = pictures(n, shape, seed), np.arange(n, dtype=np.uint8)
    before = images.copy()
    first, second = (distorted(setting, images, shape, np.random.default_rng(seed), labels) for _ in range(2))
    assert first.tobytes() == second.tobytes()
    assert ((first >= 0) & (first <= 1)).all()
    assert np.array_equal(images, before)


def test_a_reused_augmenter_remembers_nothing_of_the_last_batch() -> None:
    augmenter = Augmenter(Default())
    outs = np.empty((2, 5, 784), np.float32)
    augmenter(pictures(5), outs[0], np.random.default_rng(1))
    augmenter(pictures(300, seed=9), np.empty((300, 784), np.float32), np.random.default_rng(2))
    augmenter(pictures(5), outs[1], np.random.default_rng(1))
    assert outs[0].tobytes() == outs[1].tobytes()


def test_a_config_names_a_preset_and_changes_what_it_names() -> None:
    def section(**values: object) -> Augment:
        return msgspec.convert(values, Default | Simard2003 | Ciresan2010)

    assert section(name="simard2003", rotation=10) == Simard2003(rotation=10.0)
    assert section(name="ciresan2010", sigma=[4, 5], alpha=36) == Ciresan2010(sigma=(4.0, 5.0), alpha=36.0)
    wrong: list[dict[str, object]] = [
        {"name": "simard"},
        {"rotation": 3},
        {"name": "default", "angle": 3},
        {"name": "default", "grid": 3},
        {"name": "default", "scale": [0.1, 0.2, 0.3]},
        {"name": "default", "scale": [0.1, 2]},
    ]
    for values in wrong:
        with pytest.raises(msgspec.ValidationError):
            section(**values)
    gc.collect()  # which some unions of types do not survive in msgspec


def test_a_contact_sheet_shows_each_image_before_its_copies() -> None:
    images = pictures(2, (5, 6))
    sheet = contact_sheet(Augmenter(Augment(), (5, 6)), images, np.random.default_rng(1), copies=3)
    line = [np.pad(image.reshape(5, 6), ((0, 1), (0, 1)), constant_values=GREY) for image in images]
    assert sheet.dtype == np.uint8
    assert np.array_equal(sheet, np.block([[line[0]] * 4, [line[1]] * 4]))
    bent = contact_sheet(Augmenter(Default(), (5, 6)), images, np.random.default_rng(1), copies=3)
    assert np.array_equal(bent[:, :6], sheet[:, :6])
    assert not np.array_equal(bent[:, 7:14], sheet[:, 7:14])


def test_a_contact_sheet_distorts_each_copy_as_its_label_asks() -> None:
    image, setting = pictures(1), Augment(rotation=40, halved=(7,))
    sheet = contact_sheet(Augmenter(setting), np.repeat(image, 2, axis=0), AtTheEnd(), np.array([7, 3], np.uint8), 2)
    for row, degrees in ((0, 20), (1, 40)):
        turned = distorted(Augment(rotation=degrees), image, random=AtTheEnd()).reshape(28, 28)
        for copy in (1, 2):
            shown = sheet[29 * row : 29 * row + 28, 29 * copy : 29 * copy + 28]
            assert np.array_equal(shown, np.rint(turned * 255))
