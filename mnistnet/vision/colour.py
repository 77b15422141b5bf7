"""From colours to brightness: luminance, or the mix of red, green and blue in which ink stands out most."""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from mnistnet.util.arrays import Array

Colours = npt.NDArray[np.uint8]
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as Pillow's grey
SMALL_SIDE = 256  # pixels of the reduced picture that the mix is found in
PAPER_SHARE = 0.25  # of that picture's side: radius in which the mean colour is the paper's
INK_SHARE = 0.02  # of the pixels: those that differ most from their paper are ink, or as good as ink
GAIN = 2.0  # times luminance's contrast: what a mix must have to replace it


def luminance(colours: Colours) -> Array:
    """Return brightness, 0 black to 1 white, float32 (rows, columns), for uint8 (rows, columns, 3)."""
    return mixed(colours, LUMINANCE)


def separating(colours: Colours) -> Array:
    """Return a brightness, 0 to 1, in which ink stands out from paper: luminance if that is enough.

    The mix is the first principal component of the differences from the paper around (Pearson 1901), which for one ink
    on one paper is the direction from one colour to the other.
    """
    image = Image.fromarray(colours)
    image.thumbnail((SMALL_SIDE, SMALL_SIDE), Image.Resampling.BOX)
    paper = image.filter(ImageFilter.BoxBlur(PAPER_SHARE * max(image.size)))
    differences = (np.asarray(image, np.float32) - np.asarray(paper, np.float32)).reshape(-1, 3) / 255
    strength = (differences**2).sum(axis=1)
    ink = differences[strength >= np.quantile(strength, 1 - INK_SHARE)]
    direction = np.linalg.eigh(ink.T @ ink)[1][:, -1]
    # Ink is the side that differs more: darker than paper.
    mix = direction / np.abs(direction).sum() * (-1 if (ink @ direction).sum() > 0 else 1)
    contrasts = [float(np.quantile(np.abs(ink @ weights), 0.5)) for weights in (mix, LUMINANCE)]
    return mixed(colours, mix if contrasts[0] > GAIN * contrasts[1] else LUMINANCE)


def mixed(colours: Colours, weights: Array) -> Array:
    """Return the channels times their weights, whose sizes add up to 1; a channel of negative weight is inverted."""
    result = np.full(colours.shape[:2], float(np.maximum(-weights, 0).sum()), np.float32)
    for channel, weight in enumerate(weights):
        result += colours[:, :, channel] * np.float32(weight / 255)
    return result
