"""`mnistnet plot weights`: the weights of first-layer neurons as images."""

from collections.abc import Sequence
from math import ceil, sqrt
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mnistnet.nn.network import Network
from mnistnet.plots import figure
from mnistnet.plots.layout import signed_colours
from mnistnet.util.arrays import Array

MIN_ASPECT_RATIO = 0.25  # height by width of an image as it is drawn, so that a single row of pixels can be seen


def strongest(network: Network, most: int) -> npt.NDArray[np.intp]:
    """Return the numbers of up to `most` first-layer neurons, those with the largest weights, in their order."""
    lengths = np.linalg.norm(network.weights[0].astype(np.float64), axis=1)
    return np.sort(np.argsort(-lengths, kind="stable")[:most])


def draw_weights(
    network: Network,
    neurons: Sequence[int] | Array,
    labels: tuple[str, ...],
    shape: tuple[int, int],
    title: str,
    path: Path,
) -> None:
    """Draw the weights of these neurons as images of that shape, all on one scale."""
    columns = _columns(len(neurons))
    rows = ceil(len(neurons) / columns)
    weights = network.weights[0][neurons].astype(np.float64)  # float32 cannot hold the span of its largest numbers
    scale = float(np.quantile(np.abs(weights), 0.995)) or 1.0
    tall = min(max(shape[0] / shape[1], MIN_ASPECT_RATIO), 1 / MIN_ASPECT_RATIO)
    are_classes = len(network.weights) == 1
    with figure(path, max(0.98 * columns + 0.9, 5.2), 1.13 * rows * tall + 0.55) as drawing:
        grid = drawing.subplots(rows, columns, squeeze=False)
        for axes in grid.flat:
            axes.set_axis_off()
        for axes, neuron, own in zip(grid.flat, neurons, weights, strict=False):
            image = axes.imshow(own.reshape(shape), cmap=signed_colours(), vmin=-scale, vmax=scale)
            axes.set_box_aspect(tall)
            axes.set_aspect("auto")
            axes.set_title(
                labels[neuron] if are_classes else str(neuron), fontsize=7.5, weight="normal", pad=2, loc="center"
            )
        bar = drawing.colorbar(image, ax=grid, shrink=min(1, 2.4 / rows), aspect=18, extend="both", pad=0.02)
        bar.set_label("weight", fontsize=8)
        bar.ax.tick_params(labelsize=7.5)
        drawing.suptitle(title, x=0.01, ha="left", weight="bold", fontsize=10)


def _columns(number: int) -> int:
    """Return how many pictures stand side by side: a little more than below each other, with few gaps at the end."""
    if number <= 5:
        return number
    return min(range(ceil(sqrt(number)), ceil(1.8 * sqrt(number)) + 1), key=lambda n: (-number % n, n))
