"""Bilinear interpolation of many images at once."""

import numpy as np
import numpy.typing as npt

from mnistnet.util.arrays import Array

BLOCK_PIXELS = 2**18  # worked on together: few Python calls, arrays near the cache's size, indices exact in float32

Bytes = npt.NDArray[np.uint8]


class BilinearReader:
    """Reads images of `shape` between their pixels, at most `rows` images at a time. Outside an image it is black."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self._height, self._width = height, width = shape
        self._line = width + 2
        frame = (height + 2) * self._line
        self.rows = max(1, BLOCK_PIXELS // frame)
        self._framed = np.zeros((self.rows, height + 2, self._line), np.float32)
        self._origin = (np.arange(self.rows) * frame + self._line + 1).astype(np.float32)[:, None]
        self._floor = np.empty((self.rows, 2, height * width), np.float32)
        self._index = np.empty((self.rows, height * width), np.intp)
        self._corners = np.empty((4, self.rows, height * width), np.float32)

    def __call__(self, images: Bytes, coordinates: Array, out: Array) -> None:
        """Write the brightness of `images`, uint8 (n, pixels), at `coordinates`, float32 (n, 2, pixels), into `out`.

        Bilinear, divided by 255. Rows and columns count from the centre of the first pixel. Overwrites `coordinates`.
        """
        n = len(images)
        framed, floor, index = self._framed[:n], self._floor[:n], self._index[:n]
        framed[:, 1:-1, 1:-1] = images.reshape(n, self._height, self._width)
        # Images have a frame of black pixels; beyond it all is black.
        for axis, side in enumerate((self._height, self._width)):
            np.clip(coordinates[:, axis], -1, side, out=coordinates[:, axis])
        np.floor(coordinates, out=floor)
        below, right = np.subtract(coordinates, floor, out=coordinates).swapaxes(0, 1)
        flat_index = floor[:, 0]
        flat_index *= self._line
        flat_index += floor[:, 1]
        flat_index += self._origin[:n]
        index[...] = flat_index
        top_left, top_right, bottom_left, bottom_right = self._corners[:, :n]
        pixels = framed.reshape(-1)
        np.take(pixels, index, out=top_left, mode="clip")
        np.take(pixels[1:], index, out=top_right, mode="clip")
        np.take(pixels[self._line :], index, out=bottom_left, mode="clip")
        np.take(pixels[self._line + 1 :], index, out=bottom_right, mode="clip")
        top = _blend(top_left, top_right, right)
        bottom = _blend(bottom_left, bottom_right, right)
        np.divide(_blend(top, bottom, below), np.float32(255), out=out)


def _blend(one: Array, other: Array, share: Array) -> Array:
    """Return one + share * (other - one), in the memory of `other`."""
    other -= one
    other *= share
    other += one
    return other
