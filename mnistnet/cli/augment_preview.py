"""`mnistnet augment-preview`: a picture of training images and distorted copies."""

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mnistnet.cli.options import PATH, data_options, json_option, open_store, set_option
from mnistnet.cli.terminal import echo, echo_json
from mnistnet.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

COPIES = 9


@click.command(
    name="augment-preview",
    epilog="""\b
Examples:
  mnistnet augment-preview
  mnistnet augment-preview --config best -o best.png
  mnistnet augment-preview --set augment=simard2003 --set augment.alpha=60 --count 20""",
)
@click.option("--config", "config_path", type=PATH, metavar="FILE", help="YAML config [augment: default].")
@set_option
@click.option(
    "-o",
    "--out",
    type=PATH,
    default="augment-preview.png",
    show_default=True,
    metavar="FILE",
    help="The .png to write.",
)
@click.option("--count", type=click.IntRange(1, 200), default=10, show_default=True, help="Number of training images.")
@click.option("--zoom", type=click.IntRange(1, 8), default=2, show_default=True, help="Size of each pixel, in dots.")
@data_options
@json_option
def command(
    config_path: Path | None,
    overrides: tuple[str, ...],
    out: Path,
    count: int,
    zoom: int,
    data_dir: Path | None,
    mirrors: tuple[str, ...],
    as_json: bool,
) -> None:
    """Draw training images, each with nine distorted copies, as a config's `augment` makes them.

    The classes take turns; as many of the config's `drawn_digits` and `non_digits` follow. `--set seed=N` chooses other
    distortions.
    """
    if out.suffix.lower() != ".png":
        raise UsageError(f"{out}: expected a file name that ends in .png")
    from mnistnet.config import loader as configs

    config = configs.load(config_path, overrides if config_path else ("augment=default", *overrides))
    if config.augment is None:
        where = f"{config_path}: " if config_path else ""
        raise UsageError(f"{where}augment is null, so there is nothing to draw: try --set augment=default")
    store = open_store(config.dataset, data_dir, mirrors, config.read_as)
    store.ensure()
    train = store.examples("train")

    import msgspec

    from mnistnet.data.augment import Augmenter, contact_sheet
    from mnistnet.training.state import with_drawn_digits, with_non_digits
    from mnistnet.util.rng import Use, generator

    drawn, others = min(count, config.drawn_digits), min(count, config.non_digits)
    few = msgspec.structs.replace(config, drawn_digits=drawn, non_digits=others)
    chosen = with_non_digits(few, with_drawn_digits(few, train.take(of_each_class(train.labels, count))))
    random = generator(config.seed, Use.AUGMENT, epoch=1)
    sheet = contact_sheet(Augmenter(config.augment, store.spec.shape), chosen.images, random, chosen.labels, COPIES)
    _write(sheet, out, zoom)
    images = len(chosen) - drawn - others
    if as_json:
        settings = configs.to_mapping(config)["augment"]
        counts = {"images": images, "drawn": drawn, "non_digits": others, "copies": COPIES}
        echo_json({"file": str(out), **counts, "augment": settings})
    else:
        counts = {"training images": images, "drawn digits": drawn, "non-digits": others}
        what = " and ".join(f"{count} {name}" for name, count in counts.items() if count)
        echo(f"{out}: {what}, and {COPIES} distorted copies beside each")


def of_each_class(labels: "npt.NDArray[np.uint8]", count: int) -> "npt.NDArray[np.intp]":
    """Return indices of the first `count` examples when the classes take turns: the first 0, the first 1, ..."""
    import numpy as np

    order = np.argsort(labels, kind="stable")
    sizes = np.bincount(labels)
    turn = np.arange(len(labels)) - np.repeat(np.cumsum(sizes) - sizes, sizes)  # of each example within its class
    taken: npt.NDArray[np.intp] = order[np.argsort(turn, kind="stable")][:count]
    return taken


def _write(sheet: "npt.NDArray[np.uint8]", path: Path, zoom: int) -> None:
    from PIL import Image

    from mnistnet.errors import PlotError
    from mnistnet.util.atomic_files import replace_file

    picture, stream = Image.fromarray(sheet), BytesIO()
    large = picture.resize((zoom * picture.width, zoom * picture.height), Image.Resampling.NEAREST)
    large.save(stream, "PNG", optimize=True)
    replace_file(path, stream.getvalue(), PlotError)
