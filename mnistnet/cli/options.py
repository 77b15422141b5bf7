"""What commands share: options, finding checkpoints, progress bars."""

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mnistnet import pretrained
from mnistnet.checkpoint.find import LAST_RUN, expanded, find
from mnistnet.cli.terminal import echo
from mnistnet.errors import UsageError
from mnistnet.util.printable import printable

if TYPE_CHECKING:
    from tqdm import tqdm

    from mnistnet.checkpoint.checkpoint import Checkpoint
    from mnistnet.data.datasets import Store
    from mnistnet.data.forms.found import ReadAs


log = logging.getLogger(__name__)


class UserPath(click.Path):
    """A path in which ~ is the home folder, also where the shell does not expand it: `--config=~/mine.yaml`."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return what was typed as a path."""
        return expanded(Path(os.fsdecode(super().convert(value, param, ctx))))


PATH = UserPath()

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs instead of text.")


def data_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --data-dir and --mirror."""
    command = click.option(
        "--mirror",
        "mirrors",
        multiple=True,
        metavar="URL",
        help="Ask this address first for missing files (repeatable; also MNISTNET_MIRROR).",
    )(command)
    return click.option(
        "--data-dir",
        type=PATH,
        metavar="FOLDER",
        help="Folder of the data sets [default: MNISTNET_DATA_DIR, ./data or the checkout's if filled, else a cache].",
    )(command)


def set_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --set."""
    return click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="KEY=VALUE",
        help="Override a key of the config, such as learning_rate=0.01 or optimizer.beta1=0.8 (repeatable).",
    )(command)


def open_store(
    dataset: str, data_dir: Path | None, mirrors: tuple[str, ...], read_as: "ReadAs | None" = None
) -> "Store":
    """Return the store of a published data set or of data of your own, with a progress bar for fetching and reading."""
    from mnistnet.config import loader as config
    from mnistnet.data import own_data
    from mnistnet.data.registry import DATASETS

    if not own_data.is_path(dataset) and dataset not in DATASETS:
        raise UsageError(f"dataset: {config.expected_dataset(dataset)}, found {dataset}")
    reading = ReadingBar()
    try:
        return own_data.open_store(
            dataset, data_dir, mirrors, DownloadBar(), read_as=read_as or own_data.USUAL, on_read=reading
        )
    finally:
        reading.close()


def check_data(loaded: "Checkpoint", store: "Store", part: str) -> None:
    """Check that a data set still holds the files that a network has learned from.

    Raises UsageError where a part of these training files is asked for; else warns.
    """
    if dict(loaded.dataset["sha256"]) == store.hashes():
        return
    what = f"{store.folder} holds other files than this network has learned from"
    if part != "test":
        raise UsageError(f"{what}, so their {part} images are not its own: put those back, or use the test images")
    if not store.spec.files:
        log.warning("%s", what)


class DownloadBar:
    """Shows a bar for each file that is fetched, on a terminal; elsewhere prints a line."""

    def __init__(self) -> None:
        self._name, self._received = "", 0
        self._bar: Bar | None = None

    def __call__(self, name: str, received: int, size: int) -> None:
        """Show how far the file has come."""
        if name != self._name or received < self._received:  # another file, or the same from another mirror
            self.close()
            self._name, self._received = name, 0
            if sys.stderr.isatty():
                self._bar = bar(size, name, unit="B")
            else:
                echo(f"fetching {name} ({size:,} bytes)", err=True)
        if self._bar is not None:
            self._bar.update(received - self._received)
        self._received = received
        if received >= size:
            self.close()

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class ReadingBar:
    """Shows a bar on a terminal for the pictures of a folder as they are checked and read."""

    def __init__(self) -> None:
        self._what = ""
        self._bar: Bar | None = None

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show that this is done with so many of all pictures."""
        if self._bar is None or what != self._what:
            self.close()
            self._what, self._bar = what, bar(total, what, " pictures")
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()


class HiddenBar:
    """Counts like a bar, where nobody would see one: importing tqdm takes longer than evaluating a network."""

    def __init__(self) -> None:
        self.n: float = 0

    def update(self, more: float) -> None:
        """Count so many more."""
        self.n += more

    def close(self) -> None:
        """Do nothing, for nothing is drawn."""

    clear = close


if TYPE_CHECKING:
    Bar = tqdm[Any] | HiddenBar


def bar(total: int, what: str, unit: str) -> "Bar":
    """Return a progress bar on stderr that appears only on a terminal and only if there is time to read it."""
    if not sys.stderr.isatty():
        return HiddenBar()
    from tqdm import tqdm

    return tqdm(total=total, desc=printable(what), unit=unit, unit_scale=True, leave=False, delay=0.3)


def find_checkpoint(word: str | None, default: str | None = None) -> Path:
    """Return the file that `word` names: a path, a run's folder, `last-run`, or a network that comes with the package.

    Without a word it is `default`, and a line on stderr says so. A path with the name of a shipped network is `./NAME`.
    """
    if word is not None:
        return find(word)
    path = find(default or LAST_RUN)
    shown = f"{default}, which comes with the package" if default in pretrained.NAMES else path
    echo(f"using {shown}", err=True)
    return path
