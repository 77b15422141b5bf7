"""Drawing in a terminal: a 28x28 image as characters, in blocks where the terminal can show them."""

import os
import sys

import numpy as np
import numpy.typing as npt

BLOCKS, ASCII = " ░▒▓█", " .:-=+*#%@"


def can_draw_blocks() -> bool:
    """Whether stdout's encoding has block characters and the terminal is more than a teletype."""
    if os.environ.get("TERM") == "dumb":
        return False
    try:
        BLOCKS.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def digit_as_text(pixels: npt.NDArray[np.uint8]) -> str:
    """Return an image of 784 pixels as 28 lines; each pixel is two characters wide, which makes it square."""
    ramp = BLOCKS if can_draw_blocks() else ASCII
    steps = np.rint(pixels.astype(float) / 255 * (len(ramp) - 1)).astype(int)
    # A pixel that is not quite black must not vanish.
    steps[(pixels > 0) & (steps == 0)] = 1
    rows = steps.reshape(28, 28)
    return "\n".join("".join(ramp[step] * 2 for step in row).rstrip() for row in rows)
