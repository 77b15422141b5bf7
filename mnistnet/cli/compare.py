"""`mnistnet compare`: trainings side by side, such as full batches and mini-batches."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mnistnet.cli.options import PATH, bar, data_options, json_option, open_store, set_option
from mnistnet.cli.terminal import echo, echo_json
from mnistnet.errors import UsageError

if TYPE_CHECKING:
    from mnistnet.cli.options import Bar
    from mnistnet.config.schema import Config


@click.command(
    name="compare",
    epilog="""\b
Examples:
  mnistnet compare configs/full_batch.yaml configs/3blue1brown.yaml --seconds 20
  mnistnet compare configs/3blue1brown.yaml --over train_images=100,1000,10000,55000
  mnistnet compare configs/default.yaml --over batch_size=10,100,all --seconds 10 --plot walk.png""",
)
@click.argument("paths", nargs=-1, required=True, metavar="CONFIG...", type=PATH)
@click.option("--seconds", type=float, metavar="S", help="Train each for S seconds, but at least one epoch.")
@click.option("--epochs", type=click.IntRange(1), metavar="N", help="Train each for N epochs [default: its own].")
@click.option("--over", metavar="KEY=V1,V2,...", help="Compare one config with several values of a key.")
@set_option
@click.option("--plot", type=PATH, metavar="FILE", help="Draw a figure into this .png, .svg or .pdf.")
@data_options
@json_option
def command(
    paths: tuple[Path, ...],
    seconds: float | None,
    epochs: int | None,
    over: str | None,
    overrides: tuple[str, ...],
    plot: Path | None,
    data_dir: Path | None,
    mirrors: tuple[str, ...],
    as_json: bool,
) -> None:
    """Train several CONFIGs from the same first weights, side by side.

    For each: cost against steps and seconds, accuracy on training and validation images, the length of its path
    through the space of weights and biases, and its displacement. With --seconds, a schedule runs over as many
    epochs as fit. The test images are not read, and no run is kept.
    """
    if seconds is not None and epochs is not None:
        raise UsageError("--seconds and --epochs are two ways to say when to stop: choose one")
    from mnistnet.config.loader import check_layer_sizes
    from mnistnet.experiments import compare

    if epochs is not None:
        overrides = (*overrides, f"epochs={epochs}")
    named = _entries(paths, over, overrides)
    compare.check(named, seconds)
    if plot:
        from mnistnet import plots

        plots.check(plot)
    store = open_store(named[0][1].dataset, data_dir, mirrors, named[0][1].read_as)
    for _, config in named:
        check_layer_sizes(config, store.spec)
    store.ensure()
    store.warn()
    how_long = "each for its own epochs" if epochs is None else f"{epochs:,} epoch{'' if epochs == 1 else 's'} each"
    how_long = how_long if seconds is None else f"{seconds:g} s each"
    echo(f"comparing {', '.join(name for name, _ in named)}: {how_long}", err=True)
    progress = StageBar()
    try:
        comparison = compare.compare(named, store.examples("train"), seconds, progress.update)
    finally:
        progress.close()
    if plot:
        from mnistnet.plots.comparison import draw_comparison

        draw_comparison(comparison, plot)
    if as_json:
        echo_json(compare.as_json(comparison))
        return
    from mnistnet.cli.compare_report import report_lines
    from mnistnet.util.text_drawing import is_rich_terminal

    for block in report_lines(comparison, is_rich_terminal()):
        echo(*block.split("\n"))


class StageBar:
    """A progress bar for each part of the work, in per cent."""

    def __init__(self) -> None:
        self._stage = ""
        self._bar: Bar | None = None

    def update(self, stage: str, share: float) -> None:
        """Show how much of a stage is done, from 0 to 1."""
        if self._bar is None or stage != self._stage:
            self.close()
            self._stage, self._bar = stage, bar(100, stage, " %")
        self._bar.update(100 * share - self._bar.n)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _entries(paths: tuple[Path, ...], over: str | None, overrides: tuple[str, ...]) -> list[tuple[str, "Config"]]:
    """Return the configs to compare, each under a name of its own. Raises ConfigError and UsageError."""
    from mnistnet.config import loader as configs

    if over is None:
        stems = [path.stem for path in paths]
        names = [path.stem if stems.count(path.stem) == 1 else str(path) for path in paths]
        return [(name, configs.load(path, overrides)) for name, path in zip(names, paths, strict=True)]
    key, equals, text = over.partition("=")
    # A comma inside brackets is part of a value, such as a list of layer sizes.
    values = [value.strip() for value in re.split(r",(?![^\[{]*[\]}])", text)]
    if not key or not equals or not all(values):
        raise UsageError(f"--over {over}: expected KEY=V1,V2,..., for example --over train_images=100,1000,10000")
    if len(paths) > 1:
        raise UsageError(f"--over makes several configs of one, found {len(paths)}: {', '.join(map(str, paths))}")
    return [(f"{key}={value}", configs.load(paths[0], (*overrides, f"{key}={value}"))) for value in values]
