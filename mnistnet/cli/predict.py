"""`mnistnet predict`: read digits from picture files."""

import csv
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict
from io import BytesIO, StringIO
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mnistnet.cli.options import PATH, find_checkpoint, json_option
from mnistnet.cli.predict_table import answers as answers_of_table
from mnistnet.cli.predict_table import is_table
from mnistnet.cli.terminal import echo, echo_json
from mnistnet.errors import DataError, ImageError, UsageError
from mnistnet.util.number_format import per_cent
from mnistnet.util.printable import printable

if TYPE_CHECKING:
    from mnistnet.inference.classifier import Classifier
    from mnistnet.vision.reading import Reading

STDIN = "-"
MAX_HEAD = 1 << 16  # bytes that identify a file's format
ANOTHER = re.compile(rb"(IEND\xaeB`\x82|\xff\xd9|\x00;)(\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8[79]a)")
"""The end of a picture, directly followed by the beginning of another."""
ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".pgm", ".ppm", ".pbm", ".tif", ".tiff"}
ENDINGS |= {".heic", ".heif", ".avif"}


@click.command(
    name="predict",
    epilog="""\b
Examples:
  mnistnet predict seven.png
  mnistnet predict house_number.png --page
  mnistnet predict form.jpg --page --json
  mnistnet predict scans/ --checkpoint runs/default/best.npz --json
  mnistnet predict "scans/*.png" --csv > digits.csv
  mnistnet predict test.csv --csv > digits.csv
  mnistnet predict photo.jpg --show --save-input seen.png""",
)
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...", type=PATH)
@click.option(
    "--checkpoint",
    metavar="CHECKPOINT",
    help="The network: a file, a run's folder, `last-run`, `3blue1brown` [default: best, shipped with the package].",
)
@click.option("--page", "--line", "page", is_flag=True, help="Read all digits, row by row: a number, a form, a sheet.")
@click.option("--top", type=click.IntRange(1), default=3, show_default=True, help="How many answers to show.")
@click.option("--show", is_flag=True, help="Draw the picture as given, its foreground, and the network's 28x28.")
@click.option(
    "--save-input",
    metavar="FILE.png",
    type=PATH,
    help="Write what the network saw: 28x28, with --page all digits side by side.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print a table for spreadsheets, a line for each digit.")
@json_option
def command(
    images: tuple[Path, ...],
    checkpoint: str | None,
    page: bool,
    top: int,
    show: bool,
    save_input: Path | None,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Say which digit each IMAGE shows, and how sure the network is.

    An IMAGE is a picture file, a folder of them, a pattern such as "scans/*.jpg", or - for standard input. It shows one
    digit, dark on light or light on dark, anywhere in the picture; --page (or --line) reads all digits, row by row, and
    says what it left out. A picture unlike any digit that the network has learned is called unsure. A network of
    another data set answers with its own classes, and sees the whole picture, scaled to its size. A .csv, .npy, .npz or
    IDX file is a table of images of the network's size, with or without labels. A file that cannot be read gets an
    error line, and the others are still read (exit code 1).
    """
    from mnistnet.checkpoint import checkpoint as checkpoints
    from mnistnet.inference.classifier import Classifier

    if as_csv and as_json:
        raise UsageError("--csv and --json are two forms of the same: choose one")
    names = list(_files(images))
    if save_input is not None:
        if len(names) != 1:
            raise UsageError(f"--save-input takes one picture, found {len(names)}")
        if save_input.suffix.lower() != ".png":
            raise UsageError(f"--save-input: expected a file that ends in .png, found {save_input.name}")
    classifier = Classifier.of(checkpoints.load(find_checkpoint(checkpoint, default="best")))
    if (page or show or save_input) and (tables := [name for name in names if is_table(name)]):
        raise UsageError(f"--page, --show and --save-input are for pictures, found {tables[0]}, a table of images")
    if page and not classifier.reads_digits:
        raise UsageError(f"--page reads digits, and this network knows {classifier.dataset}")
    failed = False
    if as_csv:
        _csv_line("file", "digit", "label", "confidence", "unsure", "left", "top", "right", "bottom", "error")
    for name in names:
        if is_table(name):
            failed |= not _print_table(classifier, name, top, as_csv, as_json)
            continue
        try:
            content = _content(name)
            shown = "standard input" if name == STDIN else name
            read = classifier.prepare(content, shown, page=page)
        except ImageError as error:
            failed = True
            _print_error(name, error, as_csv, as_json)
            continue
        answers = _answers(classifier, read)
        if as_json:
            echo_json({"file": name} | (_page_as_json(answers, read) if page else _as_json(answers[0])))
        elif as_csv:
            for one in answers:
                _csv_line(name, *(one[key] for key in ("digit", "label", "confidence", "unsure")), *one["box"], "")
        else:
            for said in _page_as_text(answers) if page else [_as_text(answers[0], top, classifier.labels)]:
                echo(f"{name}: {said}")
        for note in _notes(read):
            echo(f"{name}: {note}", err=True)
        if show:
            from mnistnet.util.text_drawing import steps_as_text

            echo(*steps_as_text(read.given, read.ink, read.pixels, classifier.shape).split("\n"), err=as_json or as_csv)
        if save_input is not None:
            _save(save_input, read, classifier.shape)
    if failed:
        click.get_current_context().exit(1)


def _print_table(classifier: "Classifier", name: str, top: int, as_csv: bool, as_json: bool) -> bool:
    """Print a line for each image in a table, and return whether it could be read."""
    try:
        for index, answer in enumerate(answers_of_table(classifier, name)):
            if as_json:
                echo_json({"file": name, "index": index} | _as_json(answer))
            elif as_csv:
                cells = (answer[key] for key in ("digit", "label", "confidence", "unsure"))
                _csv_line(f"{name}[{index}]", *cells, *answer["box"], "")
            else:
                echo(f"{name}[{index}]: {_as_text(answer, top, classifier.labels)}")
    except (DataError, ImageError) as error:
        _print_error(name, error, as_csv, as_json)
        return False
    return True


def _print_error(name: str, error: Exception, as_csv: bool, as_json: bool) -> None:
    if as_json:
        echo_json({"file": name, "error": str(error)})
    elif as_csv:
        _csv_line(name, *[""] * 8, error)
    else:
        echo(f"mnistnet: error: {error}", err=True)


def _content(name: str) -> bytes:
    from mnistnet.vision.image_file import MAX_FILE, read_file

    if name != STDIN:
        if Path(name).is_dir():
            raise ImageError(f"{name}: this folder holds no picture; expected files such as 7.png or scan.jpg")
        return read_file(Path(name))
    content = sys.stdin.buffer.read(MAX_FILE + 1)
    if ANOTHER.search(content) and b"MPF\0" not in content[:MAX_HEAD]:  # a camera's file may hold several on purpose
        raise ImageError("standard input: holds more than one picture; give one at a time, or name the files")
    return content


def _files(images: tuple[Path, ...]) -> Iterator[str]:
    """Yield the name of each picture, those in folders with a picture's ending, and those that match a pattern."""
    for path in images:
        name = str(path)
        if name == STDIN:
            yield name
        elif path.is_dir():
            inside = sorted(str(file) for file in path.iterdir() if file.suffix.lower() in ENDINGS and file.is_file())
            yield from inside or [name]  # whose error says that it is an empty folder
        elif any(letter in name for letter in "*?[") and not path.exists():
            base = Path(path.anchor or ".")
            yield from sorted(map(str, base.glob(str(path.relative_to(path.anchor))))) or [name]
        else:
            yield name


def _answers(classifier: "Classifier", read: "Reading") -> list[dict[str, Any]]:
    """Return the `--json` entry of each digit of a picture, with its row and its box."""
    found = zip(classifier.answers(read), read.rows, read.boxes, strict=True)
    return [asdict(prediction) | {"row": row, "box": list(box)} for prediction, row, box in found]


def _notes(read: "Reading") -> Iterator[str]:
    """Yield notes on how a picture was read."""
    if read.others:
        yield "holds more than one digit? --page reads them all"
    if read.turned:
        yield f"read after turning it {read.turned} degrees counterclockwise"
    if read.left_out:
        places = ", ".join("({}, {}) to ({}, {})".format(*box) for box in read.left_out)
        yield f"left out what touches the edge and does not look like a digit, at {places}"


def _csv_line(*cells: object) -> None:
    text = StringIO()
    csv.writer(text, lineterminator="").writerow([printable(str(cell)) for cell in cells])
    echo(text.getvalue())


def _as_json(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: answer[key] for key in ("digit", "label", "confidence", "probabilities", "unsure")}


def _page_as_json(answers: list[dict[str, Any]], read: "Reading") -> dict[str, Any]:
    digits = [{key: answer[key] for key in ("digit", "confidence", "unsure", "row", "box")} for answer in answers]
    left_out = [list(box) for box in read.left_out]
    return {
        "text": "\n".join(map(_text, _rows(answers))),
        "digits": digits,
        "left_out": left_out,
        "turned": read.turned,
    }


def _rows(answers: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    return [list(row) for _, row in groupby(answers, key=itemgetter("row"))]


def _text(answers: list[dict[str, Any]]) -> str:
    return "".join(answer["label"] for answer in answers)


def _as_text(answer: dict[str, Any], top: int, labels: tuple[str, ...]) -> str:
    shares = answer["probabilities"]
    order = sorted(range(len(shares)), key=lambda d: -shares[d])[:top]
    if answer["unsure"]:
        # A percentage would overstate an answer about something that the network has never seen or cannot tell apart.
        return f"unsure; perhaps {', or '.join(labels[d] for d in order[:2])}"
    first, *others = (f"{labels[d]} ({per_cent(shares[d])})" for d in order)
    return first + (f"   then {', '.join(others)}" if others else "")


def _page_as_text(answers: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each row."""
    for row in _rows(answers):
        each = (f"{a['digit']} {'unsure' if a['unsure'] else per_cent(a['confidence'])}" for a in row)
        yield f"{_text(row)}   ({', '.join(each)})"


def _save(path: Path, read: "Reading", shape: tuple[int, int]) -> None:
    import numpy as np
    from PIL import Image

    from mnistnet.util.atomic_files import replace_file

    stream = BytesIO()
    Image.fromarray(np.hstack(list(read.pixels.reshape(-1, *shape)))).save(stream, "PNG")
    replace_file(path, stream.getvalue(), ImageError)
