"""Two or three trainings side by side from the same first weights, and their paths.

The video's drunk man takes a step for every few images, the careful man one for the average of all.
"""

import threading
import time
from math import inf, sqrt
from typing import Any

import numpy as np

from mnistnet.data.datasets import Examples
from mnistnet.errors import DivergedError
from mnistnet.experiments.loss_surface import fit_plane, stretch_in_plane, survey
from mnistnet.nn.network import Network
from mnistnet.util.arrays import Array, ignore_fp_errors
from mnistnet.web.live_training import LiveTraining

MAX_PARAMETERS = 30_000
POINTS = 24  # of a path are kept at least; at most twice as many
BYTES = 3 * 2 * POINTS * MAX_PARAMETERS * 4  # memory for the longest paths of three trainings
TURN = 0.01  # seconds of training in each turn
STRETCH, STRETCH_SECONDS = 40, 0.1  # steps that are shown one by one, and the time that they may take
SURVEYED = 300  # held-out images whose cost is drawn as contours
GRID = 17  # points of the contours along each side


class Path:
    """A training's path in parameter space: some `points` of it, and its length."""

    def __init__(self, parameters: Array) -> None:
        self.points = [parameters.copy()]
        self.length = 0.0
        self.stretch: list[Array] | None = None  # a list while every step is kept
        self._here, self._moved = parameters.copy(), np.empty_like(parameters)
        self._every, self._steps = 1, 0

    @ignore_fp_errors
    def add(self, parameters: Array) -> None:
        """Record one step, unless it is too long to measure, because the training is diverging."""
        np.subtract(parameters, self._here, out=self._moved)
        length = sqrt(float(np.dot(self._moved, self._moved)))
        if not length < inf:
            return
        self._here[...] = parameters
        self.length += length
        self._steps += 1
        if self.stretch is not None:
            self.stretch.append(parameters.copy())
        if self._steps % self._every == 0:
            self.points.append(parameters.copy())
            if len(self.points) == 2 * POINTS:
                del self.points[1::2]
                self._every *= 2

    @property
    def displacement(self) -> float:
        """The distance from the first weights."""
        return float(np.linalg.norm(self._here - self.points[0]))

    def until_now(self) -> Array:
        """Return the points and the current parameters, shape (points, parameters)."""
        return np.stack([*self.points, self._here])


class Race:
    """Trainings that differ only in their batch size. One caller at a time: hold `lock`."""

    def __init__(self, trainings: list[LiveTraining], held_out: Examples) -> None:
        self.lock, self._trainings = threading.Lock(), trainings
        self._held_out = held_out.take(np.arange(min(SURVEYED, len(held_out))))
        self._paths = [Path(training.state.network.parameters) for training in trainings]
        for training, path in zip(trainings, self._paths, strict=True):
            training.on_step = path.add
        self._diverged: set[int] = set()
        self._last_scores = [training.scores() for training in trainings]

    def advance(self, seconds: float, learning_rate: float | None) -> None:
        """Train for so long, each in turn the one with the least time. A training that diverges stops.

        Raises DivergedError once all have.
        """
        began = time.perf_counter()
        while True:
            going = [number for number in range(len(self._trainings)) if number not in self._diverged]
            if not going:
                raise DivergedError("all of these trainings diverged; start over with a lower learning rate")
            self._turn(min(going, key=lambda number: self._trainings[number].seconds), TURN, None, learning_rate)
            if time.perf_counter() - began >= seconds:
                return

    def _turn(self, number: int, seconds: float, steps: int | None, learning_rate: float | None) -> None:
        training = self._trainings[number]
        training.learning_rate = learning_rate or training.learning_rate
        try:
            training.advance(seconds, steps)
        except DivergedError:
            self._diverged.add(number)

    def report(self) -> list[dict[str, Any]]:
        """Return path length, displacement, accuracy and cost of each training."""
        return [
            {
                "step": training.steps,
                "batch_size": training.batch_size,
                "epoch": training.steps / training.steps_an_epoch,
                "seconds": training.seconds,
                "path_length": path.length,
                "displacement": path.displacement,
                **self._scores(number),
                "diverged": number in self._diverged,
            }
            for number, (training, path) in enumerate(zip(self._trainings, self._paths, strict=True))
        ]

    def _scores(self, number: int) -> dict[str, Any]:
        """Return the scores of a training, the last finite ones if it diverged."""
        if number not in self._diverged:
            try:
                self._last_scores[number] = self._trainings[number].scores()
            except DivergedError:
                self._diverged.add(number)
        return self._last_scores[number]

    def survey(self) -> dict[str, Any]:
        """Return the paths over contours of the cost, and for each training some more steps, drawn one by one.

        `paths`: (points, 2) in the plane of most motion; `costs[i][j]`: of SURVEYED held-out images at `x[j]`, `y[i]`.
        `stretches`: (steps + 1, 2) each in the plane in which its own steps are longest.
        """
        stretches = [self._stretch(number) for number in range(len(self._trainings))]
        first = self._trainings[0]
        plane = fit_plane([path.until_now() for path in self._paths])
        network = Network(first.config.layer_sizes, first.config.activation, first.config.loss)
        surface = survey(network, plane, self._held_out, grid=GRID)
        return {
            "paths": [path.tolist() for path in plane.paths],
            "stretches": [stretch.tolist() for stretch in stretches],
            "x": surface.x.tolist(),
            "y": surface.y.tolist(),
            "costs": surface.costs.tolist(),
            "shares": plane.shares.tolist(),
        }

    def _stretch(self, number: int) -> Array:
        """Take some steps of a training, and return them in the plane in which they are longest."""
        path = self._paths[number]
        path.stretch = [self._trainings[number].state.network.parameters.copy()]
        if number not in self._diverged:
            self._turn(number, STRETCH_SECONDS, STRETCH, None)
        points, path.stretch = np.stack(path.stretch), None
        return stretch_in_plane(points)
