"""`mnistnet data`: describe data of your own, and convert it to IDX files."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mnistnet.cli.options import PATH, data_options, json_option, open_store
from mnistnet.cli.terminal import command_line, echo, echo_json

if TYPE_CHECKING:
    from mnistnet.data.datasets import Store
    from mnistnet.data.forms.found import ReadAs

MNIST_MEAN = 33.3
PREPARED = {"digits": "found, scaled and centred as digits", "scale": "scaled whole"}
USUAL = {"pictures": "auto", "orientation": "upright", "invert": False, "test_share": 0.15}
"""The options whose names and defaults are those of a config's keys."""


def _reading_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how data of your own is to be read, as the config's keys do."""
    options = (
        click.option(
            "--pictures",
            type=click.Choice(["auto", "digits", "scale"]),
            default="auto",
            show_default=True,
            help="How pictures become images: as MNIST's digits, or scaled whole.",
        ),
        click.option(
            "--orientation",
            type=click.Choice(["upright", "transposed"]),
            default="upright",
            show_default=True,
            help="How images are stored; EMNIST's are transposed.",
        ),
        click.option("--invert", is_flag=True, help="Exchange black and white."),
        click.option(
            "--test-share",
            type=click.FloatRange(0, 1, min_open=True, max_open=True),
            default=0.15,
            show_default=True,
            help="Share of each class to test on, where there is no test part.",
        ),
        click.option(
            "--side",
            type=click.IntRange(1, 1000),
            metavar="N",
            help="Pixels a side of images made of pictures [default: theirs if small and alike, else 28].",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group(
    name="data",
    epilog="""\b
Examples:
  mnistnet data info ./mine
  mnistnet data convert train.csv ./mine""",
)
def command() -> None:
    """Describe and convert data of your own: IDX files, CSV, NumPy files, or folders of pictures."""


@command.command(
    name="info",
    short_help="Describe SOURCE, and say what looks wrong.",
    epilog="""\b
Examples:
  mnistnet data info ./mine
  mnistnet data info mnist.npz --plot sheet.png
  mnistnet data info ./gzip/emnist-digits --orientation transposed --json""",
)
@click.argument("source")
@_reading_options
@click.option("--plot", type=PATH, metavar="FILE.png", help="Draw a sheet of examples, a row for each class.")
@data_options
@json_option
def info(
    source: str,
    plot: Path | None,
    data_dir: Path | None,
    mirrors: tuple[str, ...],
    as_json: bool,
    **how: Any,
) -> None:
    """Describe SOURCE: its form, its classes with counts, its brightness, and what looks wrong.

    SOURCE is a folder of IDX files, of pictures (train/7/*.png, or a labels.csv), or of .csv or .npy files; a .csv or
    .npz file; one of several IDX sets in a folder, as ./gzip/emnist-digits; or the name of a published set.
    """
    store = _opened(source, data_dir, mirrors, how)
    describe(store, as_json, how)
    if plot:
        from mnistnet.plots.examples import draw_examples

        drawn = draw_examples(store.examples("train"), store.spec.labels, plot)
        echo(f"{plot}: {drawn:,} training images, a line for each class", err=as_json)


@command.command(
    name="convert",
    short_help="Write SOURCE as four IDX files into FOLDER.",
    epilog="""\b
Examples:
  mnistnet data convert train.csv ./mine
  mnistnet data convert ./gzip/emnist-digits ./emnist --orientation transposed
  mnistnet data convert ./photos ./mine --pictures digits --test-share 0.2""",
)
@click.argument("source")
@click.argument("folder", type=PATH)
@_reading_options
@click.option("--renumber", is_flag=True, help="Leave out classes without an example; the others keep their names.")
@data_options
@json_option
def convert(
    source: str,
    folder: Path,
    renumber: bool,
    data_dir: Path | None,
    mirrors: tuple[str, ...],
    as_json: bool,
    **how: Any,
) -> None:
    """Write SOURCE as four IDX files into FOLDER, a new one: images upright, white on black.

    SOURCE is what `mnistnet data info` takes.
    """
    from mnistnet.data import own_data
    from mnistnet.data.convert import convert as write

    store = _opened(source, data_dir, mirrors, how)
    write(store, folder, renumber=renumber)
    describe(own_data.open_own(folder), as_json, {})


def _opened(source: str, data_dir: Path | None, mirrors: tuple[str, ...], how: dict[str, Any]) -> "Store":
    store = open_store(source, data_dir, mirrors, _read_as(how))
    store.ensure()
    return store


def _read_as(how: dict[str, Any]) -> "ReadAs":
    from mnistnet.data.forms.found import ReadAs

    side = how["side"]
    return ReadAs(**{key: value for key, value in how.items() if key != "side"}, pixels=side and side * side)


def describe(store: "Store", as_json: bool, how: dict[str, Any]) -> None:
    """Describe a data set, and print how to train on it. `how` holds the options it was read with."""
    from mnistnet.data.summary import fitting, summary

    found, (rows, columns) = summary(store), store.spec.shape
    if as_json:
        line = {
            "dataset": str(store.folder),
            "form": store.form,
            "shape": [rows, columns],
            "pictures": store.pictures,
            "train": found.train,
            "test": found.test,
            "classes": [{"class": name, "train": train, "test": test} for name, train, test in found.classes],
            "brightness": {"darkest": found.darkest, "brightest": found.brightest, "mean": round(found.mean, 3)},
            "sha256": store.hashes(),
            "remarks": list(store.remarks),
        }
        echo_json(line)
        return
    echo(f"{store.folder}: {store.form}")
    echo(f"brightness {found.darkest} to {found.brightest}, mean {found.mean:.1f} (MNIST: 0 to 255, mean {MNIST_MEAN})")
    echo(f"pictures to be read are {PREPARED[store.pictures]} (pictures: {store.pictures})")
    width = max(5, *map(len, store.spec.labels))
    echo("", f"{'class':>{width}}    train     test")
    with_examples = [each for each in found.classes if each[1] + each[2]]
    for name, train, test in with_examples:
        echo(f"{name:>{width}}  {train:>7,}  {test:>7,}")
    if without := len(found.classes) - len(with_examples):
        echo(f"{without} more without an example")
    echo("")
    for remark in store.remarks:
        echo(f"look at this: {remark}")
    classes = len(found.classes)
    echo(f"{found.train:,} training and {found.test:,} test images of {rows}x{columns}, {classes} classes")
    settings = fitting(store) | {key: str(how[key]).lower() for key in USUAL if key in how and how[key] != USUAL[key]}
    words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    echo(f"train with: {command_line('train', *words)}")
