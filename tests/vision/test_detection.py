"""Which shape on a sheet is the digit: by votes of windows of several widths, and by what a pen's strokes look like."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from mnistnet.util.arrays import Array
from mnistnet.vision import detection
from mnistnet.vision.detection import Sheet, find_ink, main_shapes
from mnistnet.vision.morphology import Mask, extent
from mnistnet.vision.ruled_lines import without_frames

Box = tuple[int, int, int, int]
SIDE = 240
STROKES = [((90, 80), (150, 80)), ((150, 80), (110, 160))]  # a seven, from column 85 to 155 and row 75 to 165


def sheet(paper: int = 220, pen: int = 40) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    page = Image.new("L", (SIDE, SIDE), paper)
    draw = ImageDraw.Draw(page)
    for stroke in STROKES:
        draw.line(stroke, fill=pen, width=10)
    return page, draw


def found(page: Image.Image) -> Box:
    """Return the box of what is taken for the digit: left, top, right, bottom, in pixels of the page."""
    result = find_ink(np.asarray(page, np.float32) / 255)
    assert result is not None
    rows, columns = extent(result.digit)
    scale = SIDE / result.digit.shape[0]
    left, top, right, bottom = (round(scale * end) for end in (columns.start, rows.start, columns.stop, rows.stop))
    return left, top, right, bottom


def is_the_seven(box: Box) -> bool:
    return all(abs(one - other) <= 8 for one, other in zip(box, (85, 75, 155, 165), strict=True))


@pytest.mark.parametrize(
    "draw",
    [
        lambda draw: None,
        lambda draw: draw.rectangle((20, 20, 220, 220), outline=60, width=2),  # a form's box
        lambda draw: draw.line((200, 60, 205, 200), fill=60, width=9),  # the pen beside it, longer than the digit
        lambda draw: draw.line((40, 16, 200, 16), fill=60, width=9),  # a word, from afar
        lambda draw: [draw.ellipse((4, y, 14, y + 10), fill=50) for y in range(10, 230, 30)],  # a notebook's holes
        lambda draw: draw.polygon([(170, 0), (240, 0), (240, 240), (215, 240)], fill=70),  # a table beside the paper
    ],
    ids=["nothing", "frame", "pen", "word", "holes", "table"],
)
@pytest.mark.parametrize("inverted", [False, True])
def test_the_digit_is_found_beside_other_dark_shapes(draw: object, inverted: bool) -> None:
    page, pen = sheet()
    assert callable(draw)
    draw(pen)
    assert is_the_seven(found(Image.fromarray(255 - np.asarray(page)) if inverted else page))


def test_a_shadows_edge_through_the_digit_is_not_a_part_of_it() -> None:
    light = np.ones((SIDE, SIDE), np.float32)
    light[:, 120:] = 0.55
    page = Image.fromarray((np.asarray(sheet()[0]) * light).astype(np.uint8))
    assert is_the_seven(found(page))


def test_the_inside_of_a_loop_in_shadow_is_not_taken_for_a_light_digit() -> None:
    page, light = Image.new("L", (SIDE, SIDE), 200), Image.new("L", (SIDE, SIDE), 255)
    for loop in ((92, 60, 148, 116), (86, 108, 154, 180)):
        ImageDraw.Draw(page).ellipse(loop, outline=30, width=22)
    ImageDraw.Draw(light).polygon([(100, SIDE), (120, 100), (SIDE, 80), (SIDE, SIDE)], fill=110)
    shadow = np.asarray(light.filter(ImageFilter.GaussianBlur(3)), np.float32) / 255
    assert found(Image.fromarray((np.asarray(page) * shadow).astype(np.uint8))) == pytest.approx((86, 60, 155, 181))


def test_strokes_as_thick_as_the_widest_window_only_fits_are_found_whole() -> None:
    page = Image.new("L", (SIDE, SIDE), 230)
    ImageDraw.Draw(page).line(((120, 20), (120, 220)), fill=30, width=60)
    assert found(page) == pytest.approx((90, 20, 150, 220), abs=4)


def test_nothing_stands_out_on_an_even_slope() -> None:
    slope = np.tile(np.linspace(1, 0.35, SIDE, dtype=np.float32), (SIDE, 1))
    assert find_ink(slope) is None


def test_a_shape_comes_with_its_near_smaller_ones_and_then_alone() -> None:
    mask = np.zeros((100, 100), bool)
    mask[20:80, 40:50] = True  # the main stroke
    mask[20:30, 55:75] = True  # a bar beside it
    together, alone, bar = list(main_shapes(mask))[:3]
    assert np.array_equal(together, mask)
    assert np.array_equal(alone, _only(mask, slice(40, 50)))
    assert np.array_equal(bar, _only(mask, slice(55, 75)))  # whose part a larger one is not


def _only(mask: Mask, columns: slice) -> Mask:
    result = np.zeros_like(mask)
    result[:, columns] = mask[:, columns]
    return result


def test_of_what_windows_show_of_a_shape_the_most_usual_is_taken() -> None:
    def seen(window: float, right: float, pixels: int = 2) -> detection._Seen:
        empty: Array = np.zeros((pixels, 1), np.float32)
        return detection._Seen(Sheet(empty, empty > 0, empty > 0), window, False, (0.2, 0.2, 0.6, right), 1.0)

    cut, whole, wide, blurred = seen(0.06, 0.5), seen(0.12, 0.6), seen(0.2, 0.6), seen(0.4, 0.8)
    assert detection._representative([cut, whole, wide, blurred]) is wide
    assert detection._representative([cut]) is cut
    reduced = seen(0.4, 0.6, pixels=1)
    assert detection._representative([cut, whole, wide, reduced]) is wide


@pytest.mark.parametrize("degrees", [-2, -1, 0, 1, 2])
@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_of_a_frame_nothing_is_left_not_even_its_corners(degrees: int, width: int) -> None:
    page = Image.new("L", (120, 140))
    draw = ImageDraw.Draw(page)
    draw.line((50, 50, 70, 90), fill=255, width=7)
    stroke = np.asarray(page.rotate(degrees, Image.Resampling.BILINEAR), float) / 255
    draw.rectangle((20, 20, 100, 120), outline=255, width=width)
    darkness = np.asarray(page.rotate(degrees, Image.Resampling.BILINEAR), float) / 255
    clean = without_frames(darkness, darkness > 0.4)
    assert np.array_equal(clean > 0.4, stroke > 0.4)
