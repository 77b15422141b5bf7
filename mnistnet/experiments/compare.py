"""Trainings side by side, from the same first weights.

In the video a full gradient is a careful man who calculates exactly how to go down before each slow step, and
mini-batches are a drunk man who stumbles down the hill in quick ones (chapter 3, 9:33). This module records both: cost
and accuracy against steps and seconds, and their paths through the space of weights and biases.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from math import isfinite
from typing import Any

import numpy as np

from mnistnet.config import loader as configs
from mnistnet.config.schema import Config
from mnistnet.data.datasets import Examples
from mnistnet.errors import ConfigError, DivergedError, UsageError
from mnistnet.experiments.loss_surface import LossSurface, fit_plane, survey
from mnistnet.experiments.trajectory import Entry, Trajectory, follow
from mnistnet.explain.batch_gradient import angle, mean_gradient
from mnistnet.nn.network import Network, parameter_count
from mnistnet.training.process_pool import one_blas_thread
from mnistnet.training.state import batch_size, epoch_size, split_for
from mnistnet.util.arrays import Array
from mnistnet.util.rng import Use, generator

MAX_SECONDS = 86_400.0  # seconds
PATH_BYTES = 2**26  # for the points of all paths together, or a few times that: they are copied
MAX_POINTS, MIN_POINTS = 300, 6
BATCHES = 10  # mini-batches whose angle to the full gradient is averaged
ANGLE_WORK = 2**35  # images times parameters of a full gradient; a larger one is taken over fewer images
LANDSCAPE_IMAGES = 1000
MIN_COST = 1e-9  # to draw on a logarithmic scale, where nothing is zero

Progress = Callable[[str, float], object]
"""Called with the stage and how much of it is done, from 0 to 1."""


@dataclass(frozen=True)
class Angle:
    """The angle in degrees between a batch's gradient and that over `images` images.

    A mean over ten batches, with the first weights and with the last; no augmentation, dropout or label smoothing. 0
    for full batches, None where a gradient is zero or not finite.
    """

    images: int
    first: float | None
    last: float | None


@dataclass(frozen=True)
class Comparison:
    """Trajectories of several configs, with the angle of each. `landscape` is None where the networks differ."""

    trajectories: tuple[Trajectory, ...]
    angles: tuple[Angle, ...]
    landscape: LossSurface | None


def check(named: Sequence[tuple[str, Config]], seconds: float | None) -> None:
    """Raise UsageError unless these can be compared. Reads no data."""
    if len(named) < 2:
        raise UsageError("expected two configs or more, or one and --over KEY=V1,V2,... to make several of it")
    if seconds is not None and not 0 < seconds <= MAX_SECONDS:
        raise UsageError(f"--seconds {seconds:g}: expected more than 0 and at most {MAX_SECONDS:,.0f}")
    for (name, one), (other_name, other) in pairwise(named):
        if one.dataset == other.dataset and one.read_as != other.read_as:
            raise UsageError(
                f"expected configs that read {one.dataset} in one way, found others in {name} and {other_name}"
            )
        if one.dataset != other.dataset:
            raise UsageError(
                f"expected configs of one data set, found {one.dataset} in {name} and {other.dataset} in {other_name}"
            )
    for name, config in named:
        if seconds is None and not config.epochs:
            raise UsageError(f"{name}: epochs is 0, which leaves nothing to compare; give --seconds or --epochs")


def have_one_network(all_configs: Sequence[Config]) -> bool:
    """Return whether all have the same layers, activation and loss, so that they can start from the same weights."""
    return len({(config.layer_sizes, config.activation, config.loss) for config in all_configs}) == 1


def compare(
    named: Sequence[tuple[str, Config]],
    examples: Examples,
    seconds: float | None = None,
    on_progress: Progress | None = None,
) -> Comparison:
    """Train each named config on its part of `examples`, the training files: its epochs, or for so many seconds.

    Configs with the same network all start from the first one's weights, others from their own. Raises UsageError and
    ConfigError for configs that cannot be compared or trained. A training that diverges ends there.
    """
    check(named, seconds)
    entries = [_entry(name, config, examples) for name, config in named]
    same = have_one_network([entry.config for entry in entries])
    report = on_progress or (lambda what, share: None)
    trajectories = []
    for number, entry in enumerate(entries, 1):
        size = parameter_count(entry.config.layer_sizes) * np.dtype(np.float32).itemsize
        points = min(MAX_POINTS, max(MIN_POINTS, PATH_BYTES // (size * len(entries))))
        seed = entries[0].config.seed if same else entry.config.seed
        stage = f"{entry.name} ({number} of {len(entries)})"
        trajectories.append(follow(entry, seed, points, seconds, partial(report, stage)))
    with one_blas_thread():
        angles = [_angle(each, partial(report, f"angles ({number})")) for number, each in enumerate(trajectories, 1)]
        landscape = _landscape(trajectories, partial(report, "contours")) if same else None
    return Comparison(tuple(trajectories), tuple(angles), landscape)


def _entry(name: str, config: Config, examples: Examples) -> Entry:
    try:
        entry = Entry(name, config, *split_for(config, examples))
        batch_size(config, epoch_size(config, entry.train))
    except ConfigError as error:
        raise ConfigError(f"{name}: {error}") from None
    return entry


def _angle(trajectory: Trajectory, on_progress: Callable[[float], object]) -> Angle:
    entry, size = trajectory.entry, trajectory.entry.batch_size
    count = len(entry.train)
    if size >= count:
        return Angle(count, 0.0, 0.0)
    images = min(count, ANGLE_WORK // trajectory.path.shape[1])
    order = generator(entry.config.seed, Use.SHUFFLE, 1).permutation(count)
    batches = [order[start : start + size] for start in range(0, count, size)][:BATCHES]
    network, found, done = _network(entry.config, np.float64), [], 0

    def report(more: int) -> None:
        nonlocal done
        done += more
        on_progress(done / (2 * images))

    for parameters in (trajectory.path[0], trajectory.path[-1]):
        network.parameters[...] = parameters
        try:
            _, full = mean_gradient(network, entry.train, order[:images], report)
            each = [angle(mean_gradient(network, entry.train, batch)[1], full) for batch in batches]
        except DivergedError:
            each = []
        known = [degrees for degrees in each if degrees is not None]
        found.append(float(np.mean(known)) if known else None)
    return Angle(images, *found)


def _network(config: Config, dtype: type[np.floating[Any]]) -> Network:
    return Network(config.layer_sizes, config.activation, config.loss, dtype)


def _landscape(trajectories: Sequence[Trajectory], on_progress: Callable[[float], object]) -> LossSurface:
    """Survey the plane of all paths, with images from the largest of the training sets."""
    train = max((trajectory.entry.train for trajectory in trajectories), key=len)
    images = train.take(np.arange(min(LANDSCAPE_IMAGES, len(train))))
    plane = fit_plane([trajectory.path for trajectory in trajectories])
    return survey(_network(trajectories[0].entry.config, np.float32), plane, images, on_progress)


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison without the parameters, as docs/json.md describes it."""
    landscape = comparison.landscape
    paths: Sequence[Array | None] = landscape.plane.paths if landscape else [None] * len(comparison.trajectories)
    trajectories = zip(comparison.trajectories, comparison.angles, paths, strict=True)
    return {
        "walks": [_trajectory_as_json(*each) for each in trajectories],
        "landscape": landscape
        and {
            "shares": landscape.plane.shares.tolist(),
            "x": landscape.x.tolist(),
            "y": landscape.y.tolist(),
            "costs": [[cost if isfinite(cost) else None for cost in row] for row in landscape.costs.tolist()],
            "images": landscape.images,
        },
    }


def _trajectory_as_json(trajectory: Trajectory, angle: Angle, path: Array | None) -> dict[str, Any]:
    path_length, displacement = trajectory.stretch_lengths
    return {
        "name": trajectory.entry.name,
        "config": configs.to_mapping(trajectory.entry.config),
        "train_images": len(trajectory.entry.train),
        "batch_size": trajectory.entry.batch_size,
        "steps": trajectory.steps,
        "epochs": trajectory.epochs,
        "seconds": trajectory.seconds,
        "steps_per_second": trajectory.steps / trajectory.seconds if trajectory.seconds else None,
        "cost_after_1_second": trajectory.cost_after(1),
        "diverged": trajectory.diverged,
        "walked": trajectory.path_length,
        "distance": trajectory.displacement,
        "stretch": {"steps": len(trajectory.stretch) - 1, "walked": path_length, "distance": displacement},
        "angle": asdict(angle),
        "looks": [asdict(snapshot) for snapshot in trajectory.snapshots],
        "path": None
        if path is None
        else {"steps": list(trajectory.path_steps), "x": path[:, 0].tolist(), "y": path[:, 1].tolist()},
    }
