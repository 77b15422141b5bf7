"""The darkness of each pixel against the paper around it, whatever the light, and the threshold of ink."""

import numpy as np
from PIL import Image, ImageFilter

from mnistnet.util.arrays import Array
from mnistnet.vision.morphology import as_bytes, closed, square

MIN_SIDE = 56  # pixels; a smaller picture is enlarged first
MIN_CONTRAST = 0.12  # between ink and paper, of full black to white; less is a blank sheet
NOISE = 5.0  # standard deviations of the paper's grain by which ink must stand out
PAPER_SIDE, WIDEST_SIDE = 160, 64  # pixels of the small picture in which the paper is estimated; in the widest window
SAMPLE = 60_000  # pixels that medians and quantiles are taken of
# Shares of the picture's longer side, tried in this order: narrower shapes are ink, wider ones shadow, table, finger.
WINDOWS = (0.06, 0.12, 0.2, 0.4)


def filtered(values: Array, kernel: ImageFilter.Filter) -> Array:
    """Return values of 0 to 1 through one of Pillow's filters, in steps of 1/255."""
    return np.asarray(Image.fromarray(as_bytes(values * 255)).filter(kernel), np.float32) / 255


def scaled(values: Array, scale: float, how: Image.Resampling) -> Array:
    """Return a picture resized in proportion."""
    height, width = (max(1, round(side * scale)) for side in values.shape)
    return np.asarray(Image.fromarray(values).resize((width, height), how))


def out_of_grain(page: Array, share: float = WINDOWS[-1]) -> tuple[Array, float | None]:
    """Return the darkness of a page with light paper, and the threshold of its ink, None if nothing stands out.

    While grain rather than ink sets the threshold, the page is halved: the mean of four pixels has half their grain.
    """
    while True:
        darkness = against_paper(page, share)
        threshold = ink_threshold(darkness)
        if max(page.shape) < 4 * MIN_SIDE or (threshold is not None and threshold > NOISE * grain(darkness)):
            return darkness, threshold
        page = scaled(page, 0.5, Image.Resampling.BOX)


def against_paper(page: Array, share: float = WINDOWS[-1]) -> Array:
    """Return how much darker each pixel is than the paper around it: 0 for paper, 1 for black, whatever the light."""
    darkness: Array = 1 - page / np.maximum(local_paper(page, share), 0.05)
    # Where strokes are narrow, most pixels are paper; a digit cropped to its ink may fill most of its picture.
    most = share < WINDOWS[-1]
    some = _sample(darkness)
    darkness -= np.median(some if most else some[some <= (some.min() + some.max()) / 2])
    return darkness


def local_paper(page: Array, share: float = WINDOWS[-1]) -> Array:
    """Return the brightness of the paper at each pixel; ink is narrower than `share` of the page.

    A slope over the whole sheet is subtracted first. The rest is closed (Serra 1982): the brightest around, then the
    darkest of those, which fills dark shapes narrower than the window and leaves wider ones, the shadows.
    """
    height, width = page.shape
    small = _reduced(page, PAPER_SIDE if share < WINDOWS[-1] else WIDEST_SIDE)
    slope = _upper_plane(small)
    level = closed(_median((small - slope) / 2 + 0.5), _odd(max(small.shape) * share))
    if share < WINDOWS[-1]:
        # A pixel of the small picture on a shadow's edge is half in light, and must not count as paper in the shadow.
        level = square(level, 3, np.minimum)
    level = (level - 0.5) * 2 + slope
    return np.asarray(Image.fromarray(level.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR))


def _odd(size: float) -> int:
    return 2 * round(size / 2) + 1


def _reduced(page: Array, side: int) -> Array:
    height, width = page.shape
    scale = min(1.0, side / max(page.shape))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(page).resize(size, Image.Resampling.BOX))


def _median(values: Array) -> Array:
    return filtered(values, ImageFilter.MedianFilter(3))


def _upper_plane(values: Array) -> Array:
    """Fit a plane to the lighter pixels of a picture by least squares, leaving out ink step by step."""
    rows, columns = np.indices(values.shape, np.float32) / max(values.shape)
    terms = np.stack([np.ones_like(rows), rows, columns])
    few, flat = terms[:, ::2, ::2].reshape(3, -1), values[::2, ::2].ravel()
    kept = flat >= (flat.min() + flat.max()) / 2
    for _ in range(6):
        lighter = few * kept
        plane = np.linalg.lstsq(lighter @ few.T, lighter @ flat, rcond=None)[0]
        distance = flat - plane @ few
        kept = distance > -1.5 * max(float(distance[kept].std()), 0.01)
    fitted: Array = np.tensordot(plane, terms, 1)
    return fitted


def ink_threshold(darkness: Array) -> float | None:
    """Return the threshold between ink and paper, nearer to the paper; None if nothing stands out."""
    floor = max(MIN_CONTRAST / 2, NOISE * grain(darkness))
    some = _sample(darkness)
    candidates = some[some > floor]
    if not candidates.size:
        return None
    pen = float(np.quantile(candidates, 0.98))
    return max(floor, 0.4 * pen) if pen >= MIN_CONTRAST else None


def grain(darkness: Array) -> float:
    """Estimate the standard deviation of the paper's noise, from pixels lighter than paper and from neighbours.

    The first fails where the paper is saturated white, the second where blur has made neighbours alike.
    """
    some = _sample(darkness)
    lighter = -np.median(some[some <= 0])
    neighbours = np.median(np.abs(np.diff(some, axis=1))) / 2**0.5
    return float(1.4826 * max(lighter, neighbours))


def _sample(values: Array) -> Array:
    """Return every n-th row of a large picture, enough for medians and quantiles."""
    return values[:: max(1, values.size // SAMPLE)]
