"""From a sheet to MNIST's drawing of the digit: each step does what it says, and digits survive what people do."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from mnistnet.config import loader as configs
from mnistnet.data.datasets import Examples
from mnistnet.inference.evaluate import forward
from mnistnet.nn.network import Network
from mnistnet.training import loop
from mnistnet.vision import background, detection, morphology, normalize, ruled_lines
from mnistnet.vision.morphology import Mask
from mnistnet.vision.reading import digit_from_bytes
from tests.pictures import DEGRADATIONS, SEVEN, Digit, likeness, on_paper, on_sheet, png

Grey = npt.NDArray[np.float32]
PAGE = on_paper(SEVEN, 5).astype(np.uint8)
LARGE = {"enlarged 40 times", "enlarged 40 times in blocks", "small on a large sheet"}
masks = st.builds(
    lambda seed, height, width, share: np.random.default_rng(seed).random((height, width)) < share,
    st.integers(0, 2**32 - 1),
    st.integers(1, 12),
    st.integers(1, 12),
    st.sampled_from([0.0, 0.2, 0.4, 0.6, 1.0]),
)


def read(content: bytes) -> Digit:
    return digit_from_bytes(content, "it")


def find_digit(grey: npt.NDArray[np.floating]) -> Digit | None:
    """Return the digit on a sheet as MNIST would hold it; None for a blank sheet."""
    sheet = detection.find_ink(grey.astype(np.float32))
    return None if sheet is None else normalize.as_mnist(normalize.inked(sheet.darkness, sheet.digit))


def found(grey: npt.NDArray[np.floating]) -> Digit:
    digit = find_digit(grey)
    assert digit is not None
    return digit


def grey(page: npt.NDArray[np.generic]) -> Grey:
    shades: Grey = np.asarray(page, np.float32) / np.float32(255)
    return shades


def drawn(height: int, width: int, draw: Callable[[ImageDraw.ImageDraw], object]) -> Mask:
    """Return a mask with what was drawn on it."""
    sheet = Image.new("L", (width, height))
    draw(ImageDraw.Draw(sheet))
    return np.asarray(sheet) > 0


# --- However it was drawn ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def known(mnist_train: Examples) -> tuple[Network, Examples]:
    """Return a small network, trained for a second, and a digit of each class that it reads well and never saw."""
    state = loop.start(configs.load(None, ["epochs=3", "layer_sizes=[784, 64, 10]", "validation=0"]))
    list(loop.fit(state, mnist_train.take(np.arange(15_000)), None))
    unseen = mnist_train.take(np.arange(50_000, 51_000))
    logits = np.sort(forward(state.network, unseen.images), axis=1)
    right = forward(state.network, unseen.images).argmax(axis=1) == unseen.labels
    sure = right & (logits[:, -1] - logits[:, -2] > 5)
    return state.network, unseen.take(np.array([np.flatnonzero(sure & (unseen.labels == d))[0] for d in range(10)]))


@pytest.mark.parametrize("degradation", DEGRADATIONS)
def test_digits_are_still_read_and_still_look_alike(degradation: str, known: tuple[Network, Examples]) -> None:
    network, examples = known
    count = 4 if degradation in LARGE else 10
    random = np.random.default_rng(0)
    originals = examples.images[:count]
    pixels = np.stack([read(DEGRADATIONS[degradation](p.reshape(28, 28), random)) for p in originals])
    right = np.count_nonzero(forward(network, pixels).argmax(axis=1) == examples.labels[:count])
    assert right >= count - 1
    assert np.mean([likeness(*pair) for pair in zip(pixels, originals, strict=True)]) > 0.7


@settings(max_examples=25, deadline=None, database=None, derandomize=True)
@given(st.integers(0, 260), st.integers(0, 160), st.booleans())
def test_it_does_not_matter_where_on_the_sheet_the_digit_stands(left: int, top: int, inverted: bool) -> None:
    sheet = on_sheet(PAGE, (400, 300), (left, top))
    assert likeness(read(png(255 - sheet if inverted else sheet)), read(png(PAGE))) > 0.99


@pytest.mark.parametrize("scale", [0.4, 0.7, 1.5, 2, 3.3, 7, 14, 30])
def test_it_does_not_matter_how_large_the_digit_is(scale: float) -> None:
    assert likeness(read(png(on_paper(SEVEN, scale))), read(png(PAGE))) > (0.96 if scale > 1 else 0.9)


@pytest.mark.parametrize(("paper", "pen"), [(255, 0), (0, 255), (255, 200), (90, 20), (100, 220), (128, 160)])
def test_it_does_not_matter_which_of_paper_and_pen_is_darker(paper: int, pen: int) -> None:
    assert likeness(read(png(on_paper(SEVEN, 5, paper, pen))), read(png(PAGE))) > 0.99


def test_what_is_found_is_as_mnist_would_hold_it(known: tuple[Network, Examples]) -> None:
    for pixels in known[1].images:
        digit = found(grey(on_paper(pixels.reshape(28, 28), 6)))
        rows, columns = morphology.extent(digit > 0)
        assert max(rows.stop - rows.start, columns.stop - columns.start) == 20
        assert digit.max() == 255
        assert normalize.is_like_mnist(grey(digit))


# --- Is it MNIST's already? -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda digit: 1 - digit,
        lambda digit: np.roll(digit, 2, axis=0),
        lambda digit: np.roll(digit, 2, axis=1),
        lambda digit: digit * 0.9,
        lambda digit: digit * 0,
        lambda digit: np.pad(digit, 1),
        lambda digit: np.maximum(digit, np.eye(28)),
        lambda digit: np.pad(digit[::2, ::2], 7),
    ],
    ids=["inverted", "low", "aside", "grey", "black", "larger", "out of its box", "half its size"],
)
def test_a_picture_that_is_not_quite_as_in_mnist_is_not_taken_for_it(change: Callable[[Grey], Grey]) -> None:
    digit = grey(found(grey(PAGE)))
    assert normalize.is_like_mnist(digit)
    assert not normalize.is_like_mnist(np.asarray(change(digit), np.float32))


# --- Paper ------------------------------------------------------------------------------------------------------------


def test_the_margin_tells_the_paper_even_where_ink_covers_more_than_half() -> None:
    page = np.ones((100, 100), np.float32)
    page[8:-8, 8:-8] = 0.1
    assert np.allclose(detection.dark_on_light(page), page)
    assert np.allclose(detection.dark_on_light(1 - page), page)


def test_grey_paper_under_a_white_pen_becomes_light_paper_under_a_dark_one() -> None:
    page = np.full((100, 100), 0.4, np.float32)
    page[40:60, 30:70] = 1
    assert np.allclose(detection.dark_on_light(page), 1 - page)


def test_a_glint_is_not_taken_for_a_white_pen() -> None:
    page = np.full((100, 100), 0.6, np.float32)
    page[40:60, 30:70] = 0.3
    page[20, 20] = 1
    assert np.array_equal(detection.dark_on_light(page), page)


@pytest.mark.parametrize("light", [1.0, 0.5, "slope", "bow"])
def test_ink_is_as_dark_against_its_paper_whatever_the_light(light: float | str) -> None:
    across = np.linspace(-1, 1, 200, dtype=np.float32)[None]
    brightness = {"slope": 0.65 + 0.3 * across, "bow": 0.9 - 0.1 * across**2}.get(str(light), light)
    drawing = np.ones((200, 200), np.float32)
    drawing[60:140, 90:110] = 0.25
    darkness = background.against_paper(drawing * np.asarray(brightness, np.float32))
    assert np.abs(darkness[drawing == 1]).max() < 0.1
    assert np.abs(darkness[drawing < 1] - 0.75).max() < 0.1


def test_strokes_are_not_paper_and_shadows_are() -> None:
    page = np.ones((200, 200), np.float32)
    page[50:150, 80:110] = 0
    assert background.local_paper(page)[100, 95] > 0.9
    page[:, 100:] *= 0.5  # the shadow covers half of the sheet
    assert background.local_paper(page)[100, 180] == pytest.approx(0.5, abs=0.05)


def test_the_paper_slopes_as_the_lighter_pixels_do_though_ink_in_light_is_lighter_than_paper_in_shade() -> None:
    rows, columns = np.indices((60, 80))
    slope = (0.95 - 0.004 * rows - 0.005 * columns).astype(np.float32)
    page = slope.copy()
    page[10:50, 5:35] *= np.float32(0.75)
    assert page[10, 5] > slope[-1, -1] + 0.3
    assert np.abs(background._upper_plane(page) - slope).max() < 0.02


def test_grain_and_glints_do_not_lift_the_paper() -> None:
    page = np.random.default_rng(0).normal(0.8, 0.08, (200, 200)).clip(0, 1).astype(np.float32)
    page[100:103, 100:103] = 1
    assert np.abs(background.local_paper(page) - 0.8).max() < 0.07


# --- How dark is ink --------------------------------------------------------------------------------------------------


def test_ink_must_stand_out_from_the_paper_and_from_its_grain() -> None:
    sheet = np.zeros((100, 100), np.float32)
    assert background.ink_threshold(sheet) is None
    sheet[40:60, 40:60] = background.MIN_CONTRAST - 0.01
    assert background.ink_threshold(sheet) is None
    sheet[40:60, 40:60] = background.MIN_CONTRAST + 0.01
    threshold = background.ink_threshold(sheet)
    assert threshold is not None
    assert threshold < background.MIN_CONTRAST
    grain = np.random.default_rng(0).normal(0, 0.05, sheet.shape).astype(np.float32)
    assert find_digit(1 - sheet) is not None
    assert find_digit(np.clip(0.8 - sheet + grain, 0, 1)) is None


def test_the_threshold_is_nearer_to_the_paper_than_to_the_pen() -> None:
    sheet = np.zeros((100, 100), np.float32)
    sheet[40:60, 40:60] = 0.8
    sheet[60:90, 40:60] = 0.2  # a smudge larger than the stroke does not make the pen lighter
    assert background.ink_threshold(sheet) == pytest.approx(0.32)


@pytest.mark.parametrize("case", ["plain", "as white as can be", "blurred"])
def test_the_papers_grain_is_estimated_from_whichever_side_shows_it(case: str) -> None:
    noise = np.random.default_rng(0).normal(0, 0.04, (300, 300))
    if case == "as white as can be":
        noise = np.maximum(noise, 0)
    if case == "blurred":
        noise = (noise + np.roll(noise, 1, 1) + np.roll(noise, 2, 1) + np.roll(noise, 3, 1)) / 2
    least = 0.4 if case == "as white as can be" else 0.8  # with half of it cut off, too little, but far from none
    assert least < background.grain(noise.astype(np.float32)) / 0.04 < 1.2


@pytest.mark.parametrize("side", [60, 150, 300])
@pytest.mark.parametrize("sigma", [0.03, 0.06, 0.12])
def test_a_sheet_of_strong_grain_is_blank(side: int, sigma: float) -> None:
    sheet = np.random.default_rng(0).normal(0.7, sigma, (side, side)).clip(0, 1)
    assert find_digit(sheet) is None


# --- Which of the dark is the digit -----------------------------------------------------------------------------------


def test_specks_of_one_or_two_pixels_go_and_the_thinnest_line_stays() -> None:
    mask = np.zeros((20, 20), bool)
    mask[2, 2] = mask[5, 5] = mask[5, 6] = True
    mask[10, 3:17] = True
    mask[np.arange(12, 19), np.arange(5, 12)] = True
    kept = detection.without_specks(mask)
    assert not kept[:8].any()
    assert kept[10, 4:16].all()
    assert kept[np.arange(13, 18), np.arange(6, 11)].all()


def digit_and(*others: tuple[int, int, int, int], side: int = 200) -> tuple[Mask, Mask]:
    """Return a mask of an upright bar in the middle with other boxes (left, top, right, bottom), and the bar alone."""
    bar = drawn(side, side, lambda pen: pen.rectangle((95, 60, 104, 139), fill=1))

    def draw_others(pen: ImageDraw.ImageDraw) -> None:
        for box in others:
            pen.rectangle(box, fill=1)

    return bar | drawn(side, side, draw_others), bar


def main_shape(mask: Mask) -> Mask:
    shape = next(detection.main_shapes(mask), None)
    assert shape is not None
    return shape


def test_a_broken_off_stroke_belongs_to_the_digit() -> None:
    whole, _ = digit_and((110, 60, 140, 68))
    assert np.array_equal(main_shape(whole), whole)


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ((10, 10, 40, 18), "far away"),
        ((110, 60, 114, 64), "too small"),
        ((110, 130, 118, 149), "runs off the picture"),
        ((0, 0, 15, 199), "larger, at the edge"),
        ((0, 190, 199, 199), "a table below"),
    ],
)
def test_what_is_not_of_the_digit_is_left_out(other: tuple[int, int, int, int], why: str) -> None:
    whole, bar = digit_and(other, side=150 if why == "runs off the picture" else 200)
    assert np.array_equal(main_shape(whole), bar)


def test_a_digit_that_touches_the_edge_is_read_where_there_is_no_other() -> None:
    mask = drawn(100, 100, lambda pen: pen.rectangle((45, 0, 55, 60), fill=1))
    assert np.array_equal(main_shape(mask), mask)


@pytest.mark.parametrize("side", [100, 1000])
def test_only_specks_are_no_digit(side: int) -> None:
    mask = np.zeros((side, side), bool)
    assert not list(detection.main_shapes(mask))
    mask[50:54, 50:54] = True
    assert not list(detection.main_shapes(mask))


def test_specks_that_happen_to_be_neighbours_are_no_stroke_and_the_thinnest_line_is() -> None:
    specks, line = np.zeros((2, 1024, 1024), bool)
    specks[300:700:4, 500] = True  # one shape once it is reduced to a quarter
    line[300:700, 500] = True
    assert np.array_equal(morphology.pooled(specks, 4), morphology.pooled(line, 4))
    assert not list(detection.main_shapes(specks))
    assert np.array_equal(main_shape(line), line)


def test_ink_is_none_on_grain_and_full_where_the_pen_was() -> None:
    stroke = drawn(120, 120, lambda pen: pen.rectangle((50, 20, 69, 99), fill=1))
    grain = np.random.default_rng(0).normal(0, 0.03, stroke.shape)
    covered = normalize.inked((0.6 * stroke + grain).astype(np.float32), stroke)
    assert covered.shape == (normalize.WORKING_SIDE, normalize.WORKING_SIDE // 4)
    assert (covered[5:-5, 5:-5] == 1).mean() > 0.95
    assert covered.min() >= 0


def test_a_speck_in_the_digits_corner_is_not_inked() -> None:
    angle = drawn(120, 120, lambda pen: pen.line([(30, 20), (30, 99), (99, 99)], fill=1, width=6))
    speck = drawn(120, 120, lambda pen: pen.rectangle((70, 40, 74, 44), fill=1))
    clean, both = (normalize.inked(mask.astype(np.float32), angle) for mask in (angle, angle | speck))
    assert np.array_equal(clean, both)


# --- Strokes, box, centre ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [4, 10, 20])
@pytest.mark.parametrize("shape", ["upright", "slanted", "ring"])
def test_the_width_of_strokes_is_measured(width: int, shape: str) -> None:
    draw: dict[str, Callable[[ImageDraw.ImageDraw], object]] = {
        "upright": lambda pen: pen.line((100, 10, 100, 190), fill=1, width=width),
        "slanted": lambda pen: pen.line((20, 30, 180, 150), fill=1, width=width),
        "ring": lambda pen: pen.ellipse((20, 20, 180, 180), outline=1, width=width),
    }
    # The two halves of 4 / pi: an upright edge is taken for longer, one at 45 degrees for shorter than it is.
    assert morphology.stroke_width(drawn(200, 200, draw[shape])) == pytest.approx(width, rel=0.3)


def test_thin_strokes_are_widened_thick_ones_narrowed_and_mnists_left_alone() -> None:
    unit = normalize.WORKING_SIDE / normalize.BOX

    def width_after(width: int) -> float:
        ring = drawn(160, 160, lambda pen: pen.ellipse((0, 0, 159, 159), outline=1, width=width))
        digit = Image.fromarray(ring.astype(np.uint8) * 255)
        changed = normalize.with_usual_strokes(digit)
        assert (changed is digit) == (normalize.THINNEST < morphology.stroke_width(ring) / unit < normalize.THICKEST)
        return morphology.stroke_width(np.asarray(changed) > 127) / unit

    assert width_after(4) == pytest.approx(normalize.THINNEST, abs=0.35)
    assert width_after(22) == pytest.approx(22 / unit, abs=0.35)
    assert normalize.THINNEST < width_after(50) < normalize.THICKEST + 0.25  # a square narrows slanted strokes more


def test_a_digit_fills_the_box_in_proportion_and_its_mass_is_in_the_middle() -> None:
    wedge = drawn(160, 80, lambda pen: pen.polygon([(0, 0), (79, 0), (0, 159)], fill=1))
    image = normalize.as_mnist(wedge * np.float32(0.6))
    rows, columns = morphology.extent(image > 0)
    assert image.max() == 255
    assert rows.stop - rows.start == 20
    assert columns.stop - columns.start == pytest.approx(10, abs=1)
    assert all(abs(centre - 14) <= 0.5 for centre in normalize._centre_of_mass(grey(image)))
    assert abs(columns.start + columns.stop - 28) > 2  # by its extent it is not


def test_a_digit_with_all_its_mass_on_one_side_stays_inside_the_picture() -> None:
    heavy = np.full((20, 20), 1.0, np.float32)
    heavy[:, 0] = 255
    canvas = normalize._centred(heavy)
    assert np.count_nonzero(canvas) == 400


# --- Ruled paper ------------------------------------------------------------------------------------------------------


def ruled_page(tilt: float, line: float) -> tuple[Grey, Mask, Mask]:
    """Return darkness with soft lines from edge to edge and two bars upright across them, and where either is."""

    def draw_lines(pen: ImageDraw.ImageDraw) -> None:
        for y in (40, 80, 120):
            pen.line((0, y, 199, y + 199 * tilt), fill=1, width=2)

    def draw_bars(pen: ImageDraw.ImageDraw) -> None:
        pen.rectangle((90, 55, 101, 150), fill=1)
        pen.rectangle((130, 72, 141, 88), fill=1)

    lines, bars = drawn(200, 200, draw_lines), drawn(200, 200, draw_bars)
    soft = normalize._blurred(lines.astype(np.float32), 0.6) * np.float32(line)
    return np.maximum(soft, bars * np.float32(0.9)), lines, bars


@pytest.mark.parametrize("upright", [False, True])
@pytest.mark.parametrize("tilt", [0, 0.03, -0.09])
@pytest.mark.parametrize("line", [0.4, 0.9])
def test_ruled_lines_go_and_what_crosses_them_stays(upright: bool, tilt: float, line: float) -> None:
    darkness, lines, bars = ruled_page(tilt, line)
    if upright:
        darkness, lines, bars = darkness.T, lines.T, bars.T
    clean = ruled_lines.without_lines(darkness, 0.2)
    assert (clean[lines & ~bars] > 0.2).mean() < 0.06
    assert (clean[~bars] > 0.1).mean() < 0.01
    assert (clean[bars] > 0.8).mean() > 0.98
    assert (clean <= darkness).all()


def test_a_stroke_that_does_not_reach_both_edges_is_no_ruled_line() -> None:
    darkness = drawn(200, 200, lambda pen: pen.line((20, 100, 180, 100), fill=1, width=2)).astype(np.float32)
    assert np.array_equal(ruled_lines.without_lines(darkness, 0.2), darkness)


def test_a_bar_as_thick_as_a_pen_is_no_ruled_line() -> None:
    darkness = drawn(200, 200, lambda pen: pen.line((0, 100, 199, 100), fill=1, width=12)).astype(np.float32)
    assert np.array_equal(ruled_lines.without_lines(darkness, 0.2), darkness)


def test_in_a_picture_narrower_than_a_line_is_long_nothing_is_a_line() -> None:
    darkness = np.zeros((90, ruled_lines.LINE_LENGTH - 1), np.float32)
    darkness[30] = 1
    assert np.array_equal(ruled_lines.without_lines(darkness, 0.2), darkness)


def test_lines_are_counted_and_a_dotted_one_counts_while_half_of_it_shows() -> None:
    thin = np.zeros((100, 100), bool)
    thin[[0, 20, 60]] = True
    thin[60, 10:90:4] = False
    assert ruled_lines.ruled_rows(thin)[1] == 3
    thin[60, 10:80] = False
    lines, number = ruled_lines.ruled_rows(thin)
    assert number == 2
    assert lines[[0, 20]].all()
    assert not lines[60].any()


# --- Operations on masks ----------------------------------------------------------------------------------------------


@given(masks, st.sampled_from([1, 3, 5, 9]), st.booleans())
@settings(max_examples=100, deadline=None, database=None)
def test_sliding_a_window_finds_the_extremes_in_it(mask: Mask, length: int, least: bool) -> None:
    values = mask.astype(np.float32) + np.random.default_rng(0).random(mask.shape, np.float32)
    extreme, reach = (np.minimum if least else np.maximum), length // 2
    expected = [extreme.reduce(values[max(0, y - reach) : y + reach + 1]) for y in range(len(values))]
    assert np.array_equal(morphology.slide(values, length, extreme), expected)
    both = [
        extreme.reduce(np.array(expected)[:, max(0, x - reach) : x + reach + 1], axis=1) for x in range(mask.shape[1])
    ]
    assert np.array_equal(morphology.square(values, length, extreme), np.array(both).T)


def test_opening_keeps_what_a_stick_fits_into() -> None:
    column = np.array([0, 1, 1, 0, 1, 1, 1, 0, 0, 1, 0], np.float32)[:, None]
    assert morphology.opened(column, 3)[:, 0].tolist() == [0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0]


@given(masks, st.integers(1, 5))
@settings(max_examples=100, deadline=None, database=None)
def test_a_pooled_mask_expands_to_the_blocks_that_hold_anything(mask: Mask, factor: int) -> None:
    wide = morphology.expanded(morphology.pooled(mask, factor), factor, mask.shape)
    for y, x in np.ndindex(mask.shape):
        top, left = y - y % factor, x - x % factor
        assert wide[y, x] == mask[top : top + factor, left : left + factor].any()


@pytest.mark.parametrize(("side", "factor"), [(10, 1), (256, 1), (257, 2), (2000, 8)])
def test_a_mask_is_pooled_to_the_small_side(side: int, factor: int) -> None:
    assert morphology.pool_factor(np.zeros((5, side), bool)) == factor


@given(masks)
@settings(max_examples=200, deadline=None, database=None)
def test_shapes_are_what_can_be_reached_by_the_eight_neighbours(mask: Mask) -> None:
    left, expected = {(int(y), int(x)) for y, x in np.argwhere(mask)}, []
    while left:
        todo = [left.pop()]
        shape = set(todo)
        while todo:
            y, x = todo.pop()
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            shape |= near
            todo.extend(near)
        expected.append(shape)
    shapes = morphology.shapes(mask)
    assert [len(rows) for rows, _ in shapes] == sorted(map(len, expected), reverse=True)
    found = [frozenset(zip(rows.tolist(), columns.tolist(), strict=True)) for rows, columns in shapes]
    assert set(found) == set(map(frozenset, expected))


def test_a_spiral_is_one_shape_and_dots_are_many() -> None:
    spiral = np.zeros((101, 101), bool)
    for ring in range(0, 50, 2):
        spiral[ring, ring : 101 - ring] = spiral[100 - ring, ring : 101 - ring] = True
        spiral[ring : 101 - ring, 100 - ring] = spiral[ring + 2 : 101 - ring, ring] = True
        spiral[ring + 2, ring : ring + 3] = True
    assert len(morphology.shapes(spiral)) == 1
    assert len(morphology.shapes((np.indices((60, 60)) % 2 == 0).all(axis=0))) == 900


def test_bytes_are_rounded_and_what_overshoots_is_cut_off() -> None:
    assert morphology.as_bytes(np.array([-3, 0.4, 0.6, 254.6, 300])).tolist() == [0, 0, 1, 255, 255]
