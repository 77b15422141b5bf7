"""Distorts training images at random, so that a network never sees the same digit twice.

Each image is scaled, sheared, turned, shifted and bent. All of it is one map from each output pixel to a place in the
original. The maps for a block of images are one matrix product, (random coefficients) @ (basis), and interpolating the
brightness takes four gathers (`bilinear.py`).
"""

from collections.abc import Iterator
from typing import Annotated

import numpy as np
import numpy.typing as npt
from msgspec import Meta, Struct

from mnistnet.data.bilinear import BilinearReader
from mnistnet.util.arrays import Array

Bytes = npt.NDArray[np.uint8]
Rotation = Annotated[float, Meta(ge=0, le=180, description="degrees either way, at most")]
Slant = Annotated[float, Meta(ge=0, le=2, description="columns of slant for each row, either way, at most")]
Shift = Annotated[float, Meta(ge=0, le=1000, description="pixels each way, at most")]
Halved = Annotated[
    tuple[Annotated[int, Meta(ge=0, le=255)], ...],
    Meta(description="labels whose rotation and shear are only half as large"),
]
Scale = Annotated[float, Meta(ge=0, le=0.9)]
Alpha = Annotated[float, Meta(ge=0, le=10_000)]
Sigma = Annotated[float, Meta(ge=0.5, le=100)]
Grid = Annotated[
    int,
    Meta(ge=4, le=64, description="bending by cubic B-splines on `grid` x `grid` points: the same look, and faster"),
]
Amplitude = Annotated[
    float,
    Meta(ge=0, le=1000, description="standard deviation of how far the grid's points move, in pixels; 0: none does"),
]
# Not tuple[Scale, Scale]: of a union of such a pair and a number with limits, msgspec (0.19, 0.22) makes a type that
# crashes Python's next garbage collection.
Pair = Meta(min_length=2, max_length=2)
ScaleSpan = Annotated[
    Scale | Annotated[tuple[Scale, ...], Pair],
    Meta(description="share of height and width by which each changes, at most; of two, drawn between them"),
]
AlphaSpan = Annotated[
    Alpha | Annotated[tuple[Alpha, ...], Pair],
    Meta(description="how strongly smoothed random noise bends; of two, drawn between them; 0: not at all"),
]
SigmaSpan = Annotated[
    Sigma | Annotated[tuple[Sigma, ...], Pair],
    Meta(description="pixels of the Gaussian that smooths the noise; of two, drawn between them"),
]
Anneal = Annotated[
    float,
    Meta(ge=0, le=1, description="the last share of the epochs, over which all distortion shrinks linearly to nothing"),
]

GREY = 128  # between the pictures of a contact sheet


class Augment(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name"):
    """How far images are distorted; zeros leave them as they are. Of two numbers: drawn between them.

    `rotation`: at most so many degrees either way. `scale`: height and width each change by at most this fraction,
    whose [low, high] is drawn for each image. `shear`: at most so many columns of slant for each row. `shift`: at
    most so many pixels, each way. `halved`: labels whose rotation and shear are only half as large.

    `alpha`, `sigma`: bending by Simard et al. 2003, noise from -1 to 1 in each pixel, smoothed by a Gaussian of
    standard deviation `sigma` pixels, times `alpha`. Noise of variance 1/3 keeps 1 / (4 pi sigma^2) of it, so the
    displacement is alpha / (2 sigma sqrt(3 pi)) pixels, as the root mean square of each component (of its length:
    sqrt(2) times that), less near the edges, beyond which there is no noise. Of [low, high], alpha is drawn for
    each image, sigma for each call.

    `grid`, `amplitude`: bending by cubic B-splines on `grid` x `grid` control points, moved by normal displacements
    of standard deviation `amplitude` pixels. A component's root mean square at a control point is half of that.

    `anneal`: the last share of the epochs, over which all of these shrink to nothing: the network ends with digits as
    they are.
    """

    rotation: Rotation = 0.0
    scale: ScaleSpan = 0.0
    shear: Slant = 0.0
    shift: Shift = 0.0
    halved: Halved = ()
    alpha: AlphaSpan = 0.0
    sigma: SigmaSpan = 4.0
    grid: Grid = 7
    amplitude: Amplitude = 0.0
    anneal: Anneal = 0.0

    def strength(self, epoch: int, epochs: int) -> float:
        """Return by how much distortions are multiplied in an epoch, from 1, of so many."""
        left = max(epochs + 1 - epoch, 0) / epochs
        return min(1.0, left / self.anneal) if self.anneal else 1.0


class Default(Augment, frozen=True, tag="default"):
    """A little of everything, bent by the cheap grid: 1.10 pixels, as in Ciresan et al. 2010."""

    rotation: Rotation = 12.0
    scale: ScaleSpan = 0.12
    shear: Slant = 0.12
    shift: Shift = 1.5
    amplitude: Amplitude = 2.2


class Simard2003(Augment, frozen=True, tag="simard2003"):
    """Bending alone, 1.38 pixels (Simard, Steinkraus & Platt 2003; theirs were images of 29x29)."""

    alpha: AlphaSpan = 34.0


class Ciresan2010(Augment, frozen=True, tag="ciresan2010"):
    """Bending of 1.10 pixels, 15 degrees of rotation and of shear, half for 1 and 7 (Ciresan et al. 2010)."""

    rotation: Rotation = 15.0
    scale: ScaleSpan = (0.15, 0.2)
    shear: Slant = 0.268  # tan 15 degrees
    halved: Halved = (1, 7)
    alpha: AlphaSpan = (36.0, 38.0)
    sigma: SigmaSpan = (5.0, 6.0)


class Augmenter:
    """Distorts batches of images of `shape` (rows, columns). Its memory is reused: one thread at a time."""

    def __init__(self, settings: Augment, shape: tuple[int, int] = (28, 28)) -> None:
        self.settings, self.shape = settings, shape
        height, width = shape
        self._reader = BilinearReader(shape)
        self._basis = _basis(shape, settings.grid if settings.amplitude else 0)
        rows = self._reader.rows
        self._coordinates = np.empty((rows, 2, height * width), np.float32)
        self._coefficients = np.empty((rows, 2, len(self._basis)), np.float32)
        self._normals = np.empty((rows, 2, len(self._basis) - 3), np.float32)
        self._noise = np.empty((2, rows if np.any(settings.alpha) else 0, 2, height, width), np.float32)

    def __call__(
        self,
        images: Bytes,
        out: Array,
        random: np.random.Generator,
        labels: Bytes | None = None,
        part: int = 0,
        parts: int = 1,
        strength: float = 1.0,
    ) -> None:
        """Write distorted `images`, uint8 (n, pixels), into `out`, float32 (n, pixels), from 0 to 1.

        `labels` (n,) select the images to distort less; `strength` multiplies all distortions. Of all blocks of images
        this processes one in `parts`, and draws the others' random numbers, so that all parts together do what one
        would do alone.
        """
        for rows, coordinates in self.fields(len(images), random, labels, part, parts, strength):
            self._reader(images[rows], coordinates, out[rows])

    def fields(
        self,
        n: int,
        random: np.random.Generator,
        labels: Bytes | None = None,
        part: int = 0,
        parts: int = 1,
        strength: float = 1.0,
    ) -> Iterator[tuple[slice, Array]]:
        """Yield for each block of `n` images its rows and the source of each pixel's brightness.

        That is float32 (rows, 2, pixels), in rows and columns from the centre of the first pixel, valid until the
        next block. Random numbers are drawn in the order of the images, so the size of a block does not matter.
        """
        settings = self.settings
        maps = self._maps(n, random, labels, strength)
        alpha = (_drawn(settings.alpha, random, n) * strength).astype(np.float32)
        sigma = float(_drawn(settings.sigma, random, 1)[0])
        kernels = gaussian(self.shape[0], sigma), gaussian(self.shape[1], sigma)
        for number, start in enumerate(range(0, n, self._reader.rows)):
            rows = slice(start, min(start + self._reader.rows, n))
            normals, noise = self._normals[: rows.stop - start], self._noise[0, : rows.stop - start]
            random.standard_normal(out=normals, dtype=np.float32)
            random.random(out=noise, dtype=np.float32)
            if number % parts != part:
                continue
            normals *= np.float32(settings.amplitude * strength)
            coordinates = self._smooth_coordinates(maps[rows], normals)
            if noise.size:
                coordinates += self._smooth_noise(alpha[rows], kernels, noise)
            yield rows, coordinates

    def _maps(self, n: int, random: np.random.Generator, labels: Bytes | None, strength: float) -> Array:
        """Draw an affine map for each image: float32 (n, 2, 3)."""
        settings = self.settings
        share = strength * (np.ones(n) if labels is None else np.where(np.isin(labels, settings.halved), 0.5, 1.0))
        rotation = np.radians(settings.rotation) * share * random.uniform(-1, 1, n)
        shear = settings.shear * share * random.uniform(-1, 1, n)
        scale = 1 + strength * _drawn(settings.scale, random, n) * random.uniform(-1, 1, (2, n))
        shift = strength * settings.shift * random.uniform(-1, 1, (2, n))
        maps = affine(rotation, shear, scale, shift)
        maps[:, :, 0] += (np.array(self.shape) - 1) / 2
        return maps.astype(np.float32)

    def _smooth_coordinates(self, maps: Array, normals: Array) -> Array:
        """Return the coordinates by the affine maps and, if there is a grid, random B-splines."""
        n, terms = len(maps), len(self._basis)
        coefficients, coordinates = self._coefficients[:n], self._coordinates[:n]
        coefficients[:, :, :3] = maps
        coefficients[:, :, 3:] = normals
        np.matmul(coefficients.reshape(2 * n, terms), self._basis, out=coordinates.reshape(2 * n, -1))
        return coordinates

    def _smooth_noise(self, alpha: Array, kernels: tuple[Array, Array], noise: Array) -> Array:
        """Return the displacements of Simard et al. for as many images as `alpha` has, (n, 2, pixels)."""
        n, width = len(alpha), self.shape[1]
        half_smooth = self._noise[1, :n]
        noise -= np.float32(0.5)
        np.matmul(noise.reshape(-1, width), kernels[1], out=half_smooth.reshape(-1, width))
        np.matmul(kernels[0], half_smooth, out=noise)
        noise *= 2 * alpha[:, None, None, None]
        return noise.reshape(n, 2, -1)


def affine(rotation: Array, shear: Array, scale: Array, shift: Array) -> Array:
    """Return maps (n, 2, 3) from (1, y, x) of an output pixel to the place in the original, both from the centre.

    The original is scaled by `scale` (2, n), sheared, turned and shifted by `shift` (2, n); both of rows, then of
    columns. `rotation` (n,) is in radians, anticlockwise; `shear` (n,) in columns to the right for each row up.
    """
    cos, sin = np.cos(rotation), np.sin(rotation)
    linear = np.array([[cos, sin], [shear * cos - sin, shear * sin + cos]]) / scale[:, None]
    return np.concatenate([-np.einsum("ijn,jn->in", linear, shift)[:, None], linear], axis=1).transpose(2, 0, 1)


def gaussian(side: int, sigma: float) -> Array:
    """Return the matrix that smooths a line by a Gaussian of standard deviation sigma pixels, float32 (side, side)."""
    distance = np.subtract.outer(np.arange(side), np.arange(side))
    kernel: Array = np.exp(-(distance**2) / (2 * sigma**2)) / (sigma * np.sqrt(2 * np.pi))
    return kernel.astype(np.float32)


def b_splines(side: int, grid: int) -> Array:
    """Return the float32 (grid, side) values of uniform cubic B-splines at each pixel of a line; they add up to 1.

    The second control point lies on the first pixel and the last but one on the last pixel.
    """
    place = np.linspace(1, grid - 2, side)
    distance = np.abs(np.subtract.outer(np.arange(grid), place))
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = np.maximum(2 - distance, 0) ** 3 / 6
    return np.where(distance < 1, near, far).astype(np.float32)


def contact_sheet(
    augmenter: Augmenter, images: Bytes, random: np.random.Generator, labels: Bytes | None = None, copies: int = 9
) -> Bytes:
    """Return one picture, uint8 (rows, columns): in each line an image and `copies` distorted ones."""
    n, (height, width) = len(images), augmenter.shape
    repeated = np.repeat(images, copies, axis=0)
    distorted = np.empty(repeated.shape, np.float32)
    augmenter(repeated, distorted, random, None if labels is None else np.repeat(labels, copies))
    sheet = np.full((n, 1 + copies, height + 1, width + 1), GREY, np.uint8)
    sheet[:, 0, :height, :width] = images.reshape(n, height, width)
    sheet[:, 1:, :height, :width] = np.rint(distorted * 255).reshape(n, copies, height, width)
    return sheet.swapaxes(1, 2).reshape(n * (height + 1), -1)


def _basis(shape: tuple[int, int], grid: int) -> Array:
    """Return the basis of coordinates, float32 (terms, pixels): 1, y and x from the centre, and B-splines."""
    y, x = (np.arange(side) - (side - 1) / 2 for side in shape)
    terms = [np.ones((1, *shape)), np.broadcast_to(y[:, None], (1, *shape)), np.broadcast_to(x, (1, *shape))]
    if grid:
        rows, columns = (b_splines(side, grid) for side in shape)
        terms.append(np.einsum("iy,jx->ijyx", rows, columns).reshape(grid**2, *shape))
    return np.concatenate(terms).reshape(-1, shape[0] * shape[1]).astype(np.float32)


def _drawn(span: float | tuple[float, ...], random: np.random.Generator, n: int) -> Array:
    ends = span if isinstance(span, tuple) else (span,)
    return random.uniform(min(ends), max(ends), n)
