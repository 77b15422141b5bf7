"""From the ink on a sheet to its digits: shapes become digits, digits become rows.

Geometry proposes readings; where there are two, both are drawn in MNIST's form and the network decides which looks more
like digits (over-segmentation and recognition, Casey and Lecolinet 1996).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from mnistnet.util.arrays import Array
from mnistnet.vision.detection import Sheet
from mnistnet.vision.morphology import Mask, expanded, extent, labelled, pooled
from mnistnet.vision.normalize import as_mnist, inked

TALL, TOWERING = 0.45, 1.9  # of a digit's height: what a shape has at least that is one, and at most
SPECK = 0.06  # of a digit's height: what is smaller both ways is dirt
MAX_CONTACT = 2.5  # widths of the pen, of a digit's pixels at the picture's edge
BAR = 0.3  # of its length: how wide a straight bar is at most
PRINTED = 0.5  # of the pen's width: what is straight and thinner was printed
NEAR = 0.25  # of a digit's height: how far a broken-off stroke may be from its digit
APART = 0.3  # of a digit's height: tall shapes farther apart are never strokes of one digit
SHARED = 0.5  # of the narrower shape's columns: shapes above one another by so much may be strokes of one digit
MAX_JOINED = 1.4  # of a digit's height: what strokes of one digit reach together
WIDE = 1.2  # of its height: a shape that is wider may hold more than one digit
USUAL = 0.7  # of its height: how wide a digit is, with its share of the gap
MAX_PARTS = 12  # of a shape that is cut
SURER = 1.0  # of the network's largest output: how much a joined or cut reading must be ahead
MAX_CUT_OFF, LEAST_SHARE = 2, 0.3  # of a digit's sides at the picture's edge; of the sheet's ink that is the digit's
MAX_SHAPES = 2000  # that are looked at; beyond them a picture is a texture

Box = tuple[int, int, int, int]
Judge = Callable[[npt.NDArray[np.uint8]], Array]
"""Returns for images (n, 784) how much like a digit each is, above 0 if surely one."""


@dataclass(frozen=True)
class Piece:
    """Ink in a box of the pooled sheet: one shape, some of them, or a part of one."""

    left: int
    top: int
    mask: Mask

    @property
    def height(self) -> int:
        """Number of rows."""
        return int(self.mask.shape[0])

    @property
    def width(self) -> int:
        """Number of columns."""
        return int(self.mask.shape[1])

    @property
    def right(self) -> int:
        """The column after the last."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """The row after the last."""
        return self.top + self.height


@dataclass(frozen=True)
class Digit:
    """A digit in MNIST's form, uint8 (784,); its box in pixels of the sheet; and how much like a digit it is."""

    pixels: npt.NDArray[np.uint8]
    box: Box
    score: float


@dataclass(frozen=True)
class Segmentation:
    """The digits on a sheet, row by row from the left, and the boxes of shapes as large that were left out."""

    rows: list[list[Digit]]
    left_out: list[Box]


def page_of(sheet: Sheet, judge: Judge) -> Segmentation:
    """Return all digits on a sheet in reading order."""
    return _Segmenter(sheet, judge).page()


def digit_of(sheet: Sheet, judge: Judge) -> tuple[Digit, int]:
    """Return the digit that was detected on a sheet, and how many there seem to be."""
    return _Segmenter(sheet, judge).single()


def is_clutter(sheet: Sheet, box: Box) -> bool:
    """Whether a box holds only a part of something: little of the ink, or cut off at two edges."""
    left, top, right, bottom = box
    height, width = sheet.mask.shape
    cut_off = (left == 0) + (top == 0) + (right == width) + (bottom == height)
    of_digit, of_all = (int(np.count_nonzero(part)) for part in (sheet.mask[top:bottom, left:right], sheet.mask))
    return cut_off >= MAX_CUT_OFF or of_digit < LEAST_SHARE * of_all


class _Segmenter:
    """One sheet being read. `unit`: the height of the detected digit in pixels of the pooled mask."""

    def __init__(self, sheet: Sheet, judge: Judge) -> None:
        self._sheet, self._judge = sheet, judge
        # A stroke is then three pixels wide, and gaps of less than a third of it, which grain leaves, are closed.
        self._factor = max(1, round(sheet.stroke / 3))
        self._labels = labelled(pooled(sheet.mask, self._factor))
        self._known: dict[tuple[int, int, bytes], Digit | None] = {}
        seeds = self._seeds()
        boxes = self._labels.boxes
        self._seeds_found = seeds
        heights = boxes[seeds, 3] - boxes[seeds, 1]
        self._unit = float(heights.max()) if len(seeds) else float(max(self._labels.image.shape))

    def _seeds(self) -> npt.NDArray[np.intp]:
        """Return the numbers of the detected digit's shapes."""
        inside = self._labels.image[pooled(self._sheet.digit, self._factor)]
        counts = np.bincount(inside[inside >= 0], minlength=len(self._labels.sizes))
        return np.flatnonzero(counts > 0.3 * np.minimum(self._labels.sizes, max(counts.sum(), 1)))

    def page(self) -> Segmentation:
        pieces = self._pieces(SPECK * self._unit)
        self._unit = _usual_height(pieces, self._unit)
        groups, left_out = self._digits(pieces)
        rows = [[self._drawn(piece) for piece in row] for row in _rows(groups)]
        kept = [[digit for digit in row if digit] for row in rows]
        return Segmentation([row for row in kept if row], [self._box(piece) for piece in left_out])

    def single(self) -> tuple[Digit, int]:
        pieces = self._pieces(SPECK * self._unit)
        groups, _ = self._digits(pieces)
        seeds = [self._piece(number) for number in self._seeds_found]
        seed = _joined(seeds) if seeds else _joined(pieces)
        mine = [group for group in groups if _overlap(group, seed) > 0]
        # One digit is asked for, so strokes near one another may belong together.
        options = [seed, *mine]
        if mine:
            options.append(_joined(mine))
        strokes = [piece for piece in pieces if piece.height <= TOWERING * self._unit and not self._contact(piece)]
        options.append(_joined(_cluster(seed, strokes, APART * self._unit)))
        drawn = [digit for digit in map(self._drawn, options) if digit]
        best = max(drawn, key=lambda digit: digit.score)
        likely = [digit for digit in drawn if digit.score > 0 and best.score < digit.score + SURER]
        best = max(likely, key=_size, default=best)
        alike = [self._box(group) for group in groups if 0.6 * seed.height < group.height < 1.7 * seed.height]
        others = [box for box in alike if not _inside(box, best.box)]
        return best, 1 + len(others)

    def _pieces(self, least: float) -> list[Piece]:
        boxes = self._labels.boxes
        sides = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
        large = np.flatnonzero(sides >= least)
        large = large[np.argsort(-sides[large], kind="stable")][:MAX_SHAPES]
        return [self._piece(int(number)) for number in large]

    def _piece(self, number: int) -> Piece:
        left, top, right, bottom = map(int, self._labels.boxes[number])
        return Piece(left, top, self._labels.image[top:bottom, left:right] == number)

    def _digits(self, pieces: Sequence[Piece]) -> tuple[list[Piece], list[Piece]]:
        """Return the strokes of each digit, and other shapes as large as digits."""
        unit, left_out = self._unit, list[Piece]()
        tall, small = list[Piece](), list[Piece]()
        for piece in pieces:
            if piece.height > TOWERING * unit or (piece.width > 3 * unit and piece.height < TALL * unit):
                continue  # a frame, a pen, a line
            if self._is_printed(piece):
                continue
            if self._contact(piece) and not self._is_digit(piece):
                if piece.height >= TALL * unit:
                    left_out.append(piece)
                continue
            (tall if piece.height >= TALL * unit else small).append(piece)
        digits = self._with_strokes(tall, small)
        digits = self._above_one_another(digits)
        digits = self._side_by_side(digits)
        return [part for digit in digits for part in self._cut(digit)], left_out

    def _with_strokes(self, digits: list[Piece], strokes: list[Piece]) -> list[Piece]:
        """Assign each small stroke, such as a five's bar, to the nearest digit, unless it is far from all."""
        result = list(digits)
        for stroke in strokes:
            if not digits or stroke.width > self._unit:
                continue
            gaps = [_gap(digit, stroke) for digit in digits]
            nearest = int(np.argmin(gaps))
            if gaps[nearest] <= NEAR * self._unit:
                result[nearest] = _joined([result[nearest], stroke])
        return result

    def _above_one_another(self, digits: list[Piece]) -> list[Piece]:
        """Join shapes that stand above one another, if together they are no taller than a digit."""

        def belong(one: Piece, other: Piece) -> bool:
            shared = min(one.right, other.right) - max(one.left, other.left)
            height = max(one.bottom, other.bottom) - min(one.top, other.top)
            return shared > SHARED * min(one.width, other.width) and height <= MAX_JOINED * self._unit

        return _merged(digits, belong)

    def _side_by_side(self, digits: list[Piece]) -> list[Piece]:
        """Join neighbours that are more like one digit than like two."""

        def belong(one: Piece, other: Piece) -> bool:
            both = _joined([one, other])
            close = _gap(one, other) <= APART * self._unit and both.width <= WIDE * self._unit
            if not close or both.height > MAX_JOINED * self._unit:
                return False
            return self._score(both) > min(self._score(one), self._score(other)) + SURER and self._score(both) > 0

        return _merged(digits, belong)

    def _cut(self, piece: Piece) -> list[Piece]:
        """Cut a shape too wide for one digit at its thinnest columns, where its parts are more like digits than it."""
        if piece.width <= WIDE * min(piece.height, self._unit) or piece.width < 4:
            return [piece]
        number = min(MAX_PARTS, max(2, round(piece.width / (USUAL * piece.height))))
        ways = [_cut_into(piece, parts) for parts in sorted({2, max(2, number - 2), max(2, number - 1), number})]
        scores = [min(self._score(part) for part in way) for way in ways]
        best = int(np.argmax(scores))
        return ways[best] if scores[best] > self._score(piece) else [piece]

    def _contact(self, piece: Piece) -> int:
        """Return how many of a piece's pixels are at the picture's edge."""
        height, width = self._labels.image.shape
        sides = (
            (piece.left == 0, piece.mask[:, 0]),
            (piece.top == 0, piece.mask[0]),
            (piece.right == width, piece.mask[:, -1]),
            (piece.bottom == height, piece.mask[-1]),
        )
        return sum(int(np.count_nonzero(side)) for at_edge, side in sides if at_edge)

    def _is_printed(self, piece: Piece) -> bool:
        """Whether a piece is a straight bar much thinner than the pen's strokes, such as a comb's tooth."""
        length = max(piece.height, piece.width)
        if min(piece.height, piece.width) > BAR * length:
            return False
        left, top, right, bottom = self._box(piece)
        ink = int(np.count_nonzero(self._sheet.mask[top:bottom, left:right]))
        return ink < PRINTED * self._sheet.stroke * length * self._factor

    def _is_digit(self, piece: Piece) -> bool:
        fits = TALL * self._unit <= piece.height and piece.width <= WIDE * self._unit
        ends = (
            self._contact(piece) <= MAX_CONTACT * self._sheet.stroke / self._factor
        )  # a stroke runs off, not a shadow
        return fits and ends and self._score(piece) > 0

    def _score(self, piece: Piece) -> float:
        drawn = self._drawn(piece)
        return drawn.score if drawn else -np.inf

    def _drawn(self, piece: Piece) -> Digit | None:
        """Return a piece in MNIST's form, None if it has no ink at full size."""
        key = piece.left, piece.top, piece.mask.tobytes()
        if key not in self._known:
            self._known[key] = self._draw(piece)
        return self._known[key]

    def _draw(self, piece: Piece) -> Digit | None:
        left, top, right, bottom = self._box(piece)
        margin = max(bottom - top, right - left) // 5 + 2
        across, down = max(0, left - margin), max(0, top - margin)
        window = slice(down, bottom + margin), slice(across, right + margin)
        mask = np.zeros_like(self._sheet.mask[window])
        ink = mask[top - down : bottom - down, left - across : right - across]
        ink |= expanded(piece.mask, self._factor, ink.shape)
        mask &= self._sheet.mask[window]
        if not mask.any():
            return None
        pixels = as_mnist(inked(self._sheet.darkness[window], mask)).ravel()
        rows, columns = extent(mask)
        box = across + columns.start, down + rows.start, across + columns.stop, down + rows.stop
        return Digit(pixels, box, float(self._judge(pixels[None])[0]))

    def _box(self, piece: Piece) -> Box:
        left, top, right, bottom = (self._factor * end for end in (piece.left, piece.top, piece.right, piece.bottom))
        height, width = self._sheet.mask.shape
        return left, top, min(right, width), min(bottom, height)


def _inside(box: Box, other: Box) -> bool:
    """Whether the middle of a box is in another."""
    across, down = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return other[0] <= across <= other[2] and other[1] <= down <= other[3]


def _size(digit: Digit) -> int:
    left, top, right, bottom = digit.box
    return max(right - left, bottom - top)


def _usual_height(pieces: Sequence[Piece], unit: float) -> float:
    """Return the median height of the shapes that are about as tall as the detected digit."""
    heights = [piece.height for piece in pieces if 0.6 * unit <= piece.height <= unit / 0.6]
    return float(np.median(heights)) if heights else unit


def _rows(digits: Sequence[Piece]) -> list[list[Piece]]:
    """Return digits in reading order: each joins the row whose last digit it stands beside, which may slant."""
    rows: list[list[Piece]] = []
    for digit in sorted(digits, key=lambda digit: digit.left + digit.right):
        beside = [(_beside(row, digit), number) for number, row in enumerate(rows)]
        best, number = max(beside, default=(0.0, 0))
        if best > 0.4:
            rows[number].append(digit)
        else:
            rows.append([digit])
    return sorted(rows, key=lambda row: float(np.median([digit.top + digit.bottom for digit in row])))


def _beside(row: Sequence[Piece], digit: Piece) -> float:
    """Return the vertical overlap of a digit and the end of a row, as a share of the lower one."""
    shift = 0.0
    last = row[-1]
    if len(row) > 1:
        run = (last.left + last.right) - (row[0].left + row[0].right)
        slope = ((last.top + last.bottom) - (row[0].top + row[0].bottom)) / max(run, 1)
        shift = slope * ((digit.left + digit.right) - (last.left + last.right)) / 2
    both = min(last.bottom + shift, digit.bottom) - max(last.top + shift, digit.top)
    return float(both / min(last.height, digit.height))


def _joined(pieces: Sequence[Piece]) -> Piece:
    left, top = min(piece.left for piece in pieces), min(piece.top for piece in pieces)
    right, bottom = max(piece.right for piece in pieces), max(piece.bottom for piece in pieces)
    mask = np.zeros((bottom - top, right - left), bool)
    for piece in pieces:
        mask[piece.top - top : piece.bottom - top, piece.left - left : piece.right - left] |= piece.mask
    return Piece(left, top, mask)


def _merged(pieces: Sequence[Piece], belong: Callable[[Piece, Piece], bool]) -> list[Piece]:
    """Join pieces that belong together until none do; neighbours in the order of their columns."""
    result = sorted(pieces, key=lambda piece: piece.left)
    place = 0
    while place < len(result):
        one = result[place]
        partner = next((other for other in result[place + 1 :] if belong(one, other)), None)
        if partner is None:
            place += 1
            continue
        result = sorted(
            [*(piece for piece in result if piece is not one and piece is not partner), _joined([one, partner])],
            key=lambda piece: piece.left,
        )
        place = 0
    return result


def _cluster(seed: Piece, pieces: Sequence[Piece], reach: float) -> list[Piece]:
    """Return the pieces that can be reached from the first by steps over gaps of at most `reach`."""
    cluster, rest = [seed], [piece for piece in pieces if piece is not seed]
    for one in cluster:
        near = [piece for piece in rest if _gap(one, piece) <= reach]
        rest = [piece for piece in rest if all(piece is not other for other in near)]
        cluster += near
    return cluster


def _gap(one: Piece, other: Piece) -> float:
    """Return the gap between two pieces' boxes."""
    across = max(one.left - other.right, other.left - one.right, 0)
    down = max(one.top - other.bottom, other.top - one.bottom, 0)
    return float(np.hypot(across, down))


def _overlap(one: Piece, other: Piece) -> int:
    """Return how many pixels two pieces have in common."""
    top, bottom = max(one.top, other.top), min(one.bottom, other.bottom)
    left, right = max(one.left, other.left), min(one.right, other.right)
    if top >= bottom or left >= right:
        return 0
    parts = (p.mask[top - p.top : bottom - p.top, left - p.left : right - p.left] for p in (one, other))
    return int(np.count_nonzero(reduce(np.logical_and, parts)))


def _cut_into(piece: Piece, number: int) -> list[Piece]:
    """Return so many parts of a shape, cut where least ink is near even distances."""
    ink, width = piece.mask.sum(axis=0), piece.width
    reach = max(1, width // (3 * number))
    cuts = []
    for place in (width * np.arange(1, number) / number).astype(int):
        first = max(1, place - reach)
        near = ink[first : place + reach + 1]
        # Of equally thin columns take the middle one.
        cuts.append(first + int(np.median(np.flatnonzero(near == near.min()))))
    parts = []
    for start, stop in pairwise([0, *sorted(set(cuts)), width]):
        part = piece.mask[:, start:stop]
        if part.any():
            rows, columns = extent(part)
            parts.append(Piece(piece.left + start + columns.start, piece.top + rows.start, part[rows, columns]))
    return parts
