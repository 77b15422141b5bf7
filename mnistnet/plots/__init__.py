"""Figures with matplotlib (the extra `plot`), without a display: the style they share.

Colours are Okabe and Ito's, which the colour-blind can tell apart; dashes and markers differ too, so that nothing is
lost in black and white. The same data gives the same bytes. Each kind of figure has a file of its own beside this one.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from io import BytesIO
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnistnet.errors import PlotError, UsageError
from mnistnet.util.atomic_files import replace_file
from mnistnet.util.extras import install_command

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("png", "svg", "pdf")
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)))
MARKERS = "osD^vP"
GREY = "#555555"
STYLE: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 9.5,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    "savefig.dpi": 160,
    "svg.hashsalt": "mnistnet",
    "pdf.fonttype": 42,
}


def check(path: Path) -> None:
    """Raise UsageError or PlotError unless a figure can be drawn into such a file. Called before long work."""
    if path.suffix.lower().removeprefix(".") not in FORMATS:
        raise UsageError(f"{path}: expected a file name that ends in .png, .svg or .pdf")
    require()
    if not path.parent.is_dir():
        raise PlotError(f"{path}: cannot be written: there is no folder {path.parent}")


def require() -> None:
    """Raise PlotError unless matplotlib is installed."""
    if find_spec("matplotlib") is None:
        raise PlotError(f"figures need matplotlib, which is not installed: `{install_command('plot')}` adds it")


@contextmanager
def figure(path: Path, width: float, height: float) -> Iterator["Figure"]:
    """Provide a figure of this size in inches in our style, and write it to `path` at the end of the block.

    Raises PlotError.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    form = path.suffix.lower().removeprefix(".")
    with mpl.rc_context(STYLE):
        drawing = Figure(figsize=(width, height), layout="constrained")
        yield drawing
        stream, undated = BytesIO(), {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
        drawing.savefig(stream, format=form, metadata=undated.get(form))
    replace_file(path, stream.getvalue(), PlotError)


@contextmanager
def pages(path: Path) -> Iterator[Callable[["Figure"], object]]:
    """Provide a function that adds a page to a PDF, written to `path` at the end of the block. Raises PlotError."""
    import matplotlib as mpl
    from matplotlib.backends.backend_pdf import PdfPages

    stream = BytesIO()
    with mpl.rc_context(STYLE), PdfPages(stream, metadata={"CreationDate": None}) as book:
        yield book.savefig
    replace_file(path, stream.getvalue(), PlotError)


def line_styles() -> Iterator[dict[str, Any]]:
    """Yield a style for each line of a plot: colour and dashes, no two of the first 28 alike."""
    for colour, dash in zip(cycle(COLOURS), cycle(DASHES), strict=False):
        yield {"color": colour, "linestyle": dash}
