"""A sweep's file: a config to start from and values for some of its keys, which make the list of trials.

    config: base.yaml                       # beside the sweep's file; without it the defaults
    set: {epochs: 3}                        # keys that are the same in all trials
    grid:
      activation: [relu, tanh]              # each value with each of the others
    random:
      learning_rate: {name: log_uniform, low: 0.001, high: 0.03}
    trials: 10                              # draws; each is tried at each point of the grid
    seeds: [0, 1]                           # and each of those with each seed

A value that is drawn depends on `seed`, the number of the draw and the key alone: more trials, or another key, leave
those that were there as they were.
"""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import exp, inf, log
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta, Struct

from mnistnet.config import loader as configs
from mnistnet.config import presets
from mnistnet.config import yaml as strict_yaml
from mnistnet.config.loader import Change
from mnistnet.config.messages import explain_invalid, found
from mnistnet.config.schema import Config
from mnistnet.data.forms.found import ReadAs
from mnistnet.errors import ConfigError
from mnistnet.util.rng import Use, generator

MAX_TRIALS = 10_000
DIGITS = 4  # significant ones of a number drawn: more are hard to read and mean nothing

Places = dict[strict_yaml.Path, str]
Whole = Annotated[int, Meta(ge=0, le=2**53)]
Seed = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Uniform(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name", tag="uniform"):
    """Any number between two, each as likely."""

    low: float
    high: float

    def draw(self, random: np.random.Generator) -> float:
        """Return a value."""
        return _rounded(random.uniform(self.low, self.high), self.low, self.high)


class LogUniform(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name", tag="log_uniform"):
    """Any number between two, each order of magnitude as likely: for learning rates and the like."""

    low: Annotated[float, Meta(gt=0)]
    high: Annotated[float, Meta(gt=0)]

    def draw(self, random: np.random.Generator) -> float:
        """Return a value."""
        return _rounded(exp(random.uniform(log(self.low), log(self.high))), self.low, self.high)


class IntUniform(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name", tag="int_uniform"):
    """A whole number from low to high, both included, each as likely."""

    low: Whole
    high: Whole

    def draw(self, random: np.random.Generator) -> int:
        """Return a value."""
        return int(random.integers(self.low, self.high, endpoint=True))


class IntLogUniform(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name", tag="int_log_uniform"
):
    """A whole number from low to high, both included, each order of magnitude as likely."""

    low: Annotated[int, Meta(ge=1, le=2**53)]
    high: Annotated[int, Meta(ge=1, le=2**53)]

    def draw(self, random: np.random.Generator) -> int:
        """Return a value."""
        return min(int(exp(random.uniform(log(self.low), log(self.high + 1)))), self.high)


class Choice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="name", tag="choice"):
    """One of several values, each as likely."""

    values: Annotated[tuple[Any, ...], Meta(min_length=1)]

    def draw(self, random: np.random.Generator) -> Any:
        """Return a value."""
        return self.values[int(random.integers(len(self.values)))]


Distribution = Uniform | LogUniform | IntUniform | IntLogUniform | Choice


class _Sweep(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a sweep's file. docs/sweeps.md explains each."""

    config: str | None = None
    set: dict[str, Any] | None = None
    grid: dict[str, Any] | None = None
    random: dict[str, Any] | None = None
    trials: Annotated[int, Meta(ge=1, le=MAX_TRIALS)] | None = None
    seed: Seed = 0
    seeds: Annotated[tuple[Seed, ...], Meta(min_length=1, max_length=1000)] | None = None
    budget_minutes: Annotated[float, Meta(gt=0, le=1e6)] | None = None


@dataclass(frozen=True)
class Trial:
    """One training of a sweep: its `values` are those of the keys that vary, its config is complete."""

    values: dict[str, Any]
    config: Config


@dataclass(frozen=True)
class Plan:
    """A resolved sweep's file. `keys` are the keys that vary, without the seed."""

    keys: tuple[str, ...]
    trials: tuple[Trial, ...]
    budget_minutes: float | None

    @property
    def dataset(self) -> str:
        """The data set that all trials learn from."""
        return self.trials[0].config.dataset

    @property
    def read_as(self) -> ReadAs:
        """How all trials read it."""
        return self.trials[0].config.read_as


def load(path: Path) -> Plan:
    """Read a sweep's file, and check every trial's config. Raises ConfigError."""
    values, places = configs.read_mapping(path)
    source = str(path)
    try:
        sweep = msgspec.convert(values, _Sweep)
    except msgspec.ValidationError as error:
        raise ConfigError(explain_invalid(str(error), values, _Sweep, places, source)) from None
    grid = _grid(sweep.grid or {}, places)
    drawn = {key: _distribution(key, value, places) for key, value in (sweep.random or {}).items()}
    _check(sweep, grid, drawn, places, source)
    draws = range(1, (sweep.trials or 1) + 1)
    seeds = [None] if sweep.seeds is None else list(sweep.seeds)
    number = len(draws) * len(seeds)
    for key_values in grid.values():
        number *= len(key_values)
    if number > MAX_TRIALS:
        raise ConfigError(f"{source}: expected at most {MAX_TRIALS:,} trials, found {number:,}")
    base = None if sweep.config is None else path.parent / sweep.config
    if base and not base.exists() and presets.path(sweep.config or ""):
        base = Path(sweep.config or "")  # one that comes with the package, by its name
    shared = [Change(key, value, places["set", key]) for key, value in (sweep.set or {}).items()]
    keys = [key for key in (*grid, *drawn) if key != "seed"]
    trials = []
    for draw, point in product(draws, _points(grid, places)):
        chosen = [*shared, *point, *_draw(drawn, sweep.seed, draw, places)]
        # The shorter key first: `optimizer` is chosen before its `optimizer.beta1`.
        chosen.sort(key=lambda change: change.key.count("."))
        for seed in seeds:
            seeded = [] if seed is None else [Change("seed", seed, places["seeds",])]
            config = _config(base, [*chosen, *seeded], source)
            values = {change.key: change.value for change in chosen if change.key in keys}
            trials.append(Trial(values, config))
    plan = Plan(tuple(keys), tuple(trials), sweep.budget_minutes)
    if any((trial.config.dataset, trial.config.read_as) != (plan.dataset, plan.read_as) for trial in trials):
        raise ConfigError(f"{source}: dataset: accuracies on different data sets cannot be compared; sweep over one")
    return plan


def _grid(grid: dict[str, Any], places: Places) -> dict[str, list[Any]]:
    for key, values in grid.items():
        if not isinstance(values, list) or not values:
            raise ConfigError(
                f"{places['grid', key]}: grid.{key}: expected a list of values to try, found {found(values)}"
            )
    return grid


def _distribution(key: str, value: Any, places: Places) -> Distribution:
    place = places["random", key]
    if not isinstance(value, dict):
        raise ConfigError(
            f"{place}: random.{key}: expected a distribution, such as {{name: uniform, low: 0, high: 0.5}} or "
            f"{{name: choice, values: [1, 2, 4]}}, found {found(value)}"
        )
    inner = {path[2:]: f"{where}: random.{key}" for path, where in places.items() if path[:2] == ("random", key)}
    try:
        distribution: Distribution = msgspec.convert(value, Distribution)
    except msgspec.ValidationError as error:
        wrong = explain_invalid(str(error), value, Distribution, inner, f"{place}: random.{key}")
        raise ConfigError(wrong) from None
    if not isinstance(distribution, Choice) and not (-inf < distribution.low <= distribution.high < inf):
        raise ConfigError(
            f"{place}: random.{key}: expected low <= high, found low {distribution.low:g} and high "
            f"{distribution.high:g}"
        )
    return distribution


def _check(
    sweep: _Sweep, grid: dict[str, list[Any]], drawn: dict[str, Distribution], places: Places, source: str
) -> None:
    """Raise ConfigError where the file's keys contradict each other."""
    if not grid and not drawn:
        raise ConfigError(
            f"{source}: nothing varies; expected grid: with a list of values for a key, or random: with a distribution"
        )
    if drawn and sweep.trials is None:
        raise ConfigError(f"{source}: trials: missing; expected how many times to draw the values of random:")
    if sweep.trials is not None and not drawn:
        raise ConfigError(f"{places['trials',]}: trials: how many times random: is drawn, but there is no random:")
    parts: tuple[tuple[str, Mapping[str, Any]], ...] = (("set", sweep.set or {}), ("grid", grid), ("random", drawn))
    for (first, some), (second, others) in combinations(parts, 2):
        for key in others:
            if key in some:
                raise ConfigError(f"{places[second, key]}: {key} stands in both {first}: and {second}:")
    for part, keys in parts:
        if "seed" in keys and sweep.seeds is not None:
            raise ConfigError(f"{places[part, 'seed']}: seed is given here, and in seeds: too; choose one")


def _points(grid: dict[str, list[Any]], places: Places) -> list[list[Change]]:
    """Return each point of the grid: a value for each of its keys. Without a grid there is one, with none."""
    columns = [
        [Change(key, value, places["grid", key, position]) for position, value in enumerate(values)]
        for key, values in grid.items()
    ]
    return [list(point) for point in product(*columns)]


def _draw(drawn: dict[str, Distribution], seed: int, number: int, places: Places) -> Iterator[Change]:
    for key, distribution in drawn.items():
        random = generator(seed, Use.SWEEP, number, zlib.crc32(key.encode()))
        yield Change(key, distribution.draw(random), places["random", key])


def _config(base: Path | None, changes: Sequence[Change], source: str) -> Config:
    config = configs.load(base, changes=changes)
    place = next((change.place for change in changes if change.key in ("validation", "epochs")), base or source)
    if not config.validation:
        raise ConfigError(f"{place}: validation: a sweep chooses by validation accuracy, but validation is 0")
    if not config.epochs:
        raise ConfigError(f"{place}: epochs: expected at least 1, found 0, which trains nothing")
    if config.threads == "auto":
        # Each worker has one processor. The number of threads decides the last digits, so the config has it.
        config = msgspec.structs.replace(config, threads=1)
    return config


def _rounded(value: float, low: float, high: float) -> float:
    return min(max(float(f"{value:.{DIGITS}g}"), low), high)
