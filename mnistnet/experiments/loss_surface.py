"""Paths through the space of all weights and biases, and the cost around them, in a plane.

That plane is spanned by the first two principal components of all the points of all paths. The space has thousands of
dimensions and the points are a few hundred, so the components come from the small matrix of the points' inner
products, which has the same non-zero eigenvalues as their covariance (Turk & Pentland 1991, "Eigenfaces for
recognition"). Pictures of this kind are in Li et al. 2018, "Visualizing the loss landscape of neural nets", section 7.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mnistnet.data.datasets import WHITE, Examples
from mnistnet.nn.network import Network
from mnistnet.util.arrays import Array, ignore_fp_errors

GRID = 25  # points along each side, as a rule
SHAPE = np.array([1.25, 1])  # width and height of the surveyed area
MARGIN = 0.1  # of the paths' extent, left free on each side
BLOCK = 16_384  # parameters in a block


@dataclass(frozen=True)
class Plane:
    """A plane in the space of parameters.

    - `centre`: shape (parameters,); `axes`: (2, parameters), of length 1 and at right angles; where the points lie on
      a line, the second is zero.
    - `paths`: each path's coordinates along the axes, (points, 2).
    - `shares`: how much of the points' squared distances from the centre lies along each axis, (2,).
    """

    centre: Array
    axes: Array
    paths: tuple[Array, ...]
    shares: Array


@dataclass(frozen=True)
class LossSurface:
    """A plane with the mean cost of `images` training images on a grid: `costs[i, j]` at `x[j]`, `y[i]`."""

    plane: Plane
    x: Array
    y: Array
    costs: Array
    images: int


def fit_plane(paths: Sequence[Array]) -> Plane:
    """Return the plane of the first two principal components of all points; a path has shape (points, parameters)."""
    points = np.concatenate(paths)
    centre = points.mean(axis=0, dtype=np.float64)
    inner = np.zeros((len(points), len(points)))
    for block in _blocks(points, centre):
        inner += block @ block.T
    squares, vectors = np.linalg.eigh(inner)
    lengths, vectors = np.sqrt(np.maximum(squares[:-3:-1], 0)), vectors[:, :-3:-1]
    lengths[lengths < 1e-6 * lengths[0]] = 0  # rounding
    # The sign of an eigenvector is arbitrary: put the farthest point on the positive side.
    vectors = vectors * np.where(vectors[np.abs(vectors).argmax(axis=0), [0, 1]] < 0, -1, 1)
    scale = np.divide(1, lengths, out=np.zeros(2), where=lengths > 0)
    axes = np.concatenate([(vectors * scale).T @ block for block in _blocks(points, centre)], axis=1)
    coordinates = np.split(vectors * lengths, np.cumsum([len(path) for path in paths])[:-1])
    total = float(np.trace(inner))
    return Plane(centre, axes, tuple(coordinates), lengths**2 / total if total else np.zeros(2))


def _blocks(points: Array, centre: Array) -> Iterator[Array]:
    """Yield the centred points in float64, in blocks of parameters."""
    for start in range(0, len(centre), BLOCK):
        yield points[:, start : start + BLOCK] - centre[start : start + BLOCK]


def stretch_in_plane(stretch: Array) -> Array:
    """Project consecutive parameters, shape (steps + 1, parameters), onto the plane of the longest steps, from the
    first.

    In the plane of most motion over a whole training, single steps in thousands of dimensions would hardly be seen.
    """
    if len(stretch) < 3:  # one step spans no plane
        return np.stack([np.linalg.norm(stretch - stretch[0], axis=1), np.zeros(len(stretch))], axis=1)
    points: Array = (stretch - stretch[0]) @ fit_plane([np.diff(stretch, axis=0)]).axes.T
    return points


@ignore_fp_errors
def survey(
    network: Network,
    plane: Plane,
    images: Examples,
    on_progress: Callable[[float], object] = lambda share: None,
    grid: int = GRID,
) -> LossSurface:
    """Return the cost of some images on a grid that has all paths in it. The network's parameters are overwritten."""
    points = np.concatenate(plane.paths)
    low, high = points.min(axis=0), points.max(axis=0)
    height = max(*((high - low) / SHAPE), 1e-3) * (1 + 2 * MARGIN)
    half = height * SHAPE / 2
    x, y = np.linspace((low + high) / 2 - half, (low + high) / 2 + half, grid).T
    inputs = np.divide(images.images, WHITE, dtype=network.dtype)
    targets = np.eye(network.layer_sizes[-1], dtype=network.dtype)[images.labels]
    trace, costs = network.forward_cache(len(images)), np.empty((grid, grid))
    for i, j in np.ndindex(grid, grid):
        network.parameters[...] = plane.centre + x[j] * plane.axes[0] + y[i] * plane.axes[1]
        logits = network.forward(inputs, trace).logits
        costs[i, j] = network.loss.costs(logits, targets).mean(dtype=np.float64)
        on_progress((i * grid + j + 1) / grid**2)
    return LossSurface(plane, x, y, costs, len(images))
