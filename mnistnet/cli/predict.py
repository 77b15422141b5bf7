"""`mnistnet predict`: read digits from picture files."""

import csv
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict
from io import BytesIO, StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mnistnet.cli.options import PATH, find_checkpoint, json_option
from mnistnet.cli.terminal import echo, echo_json
from mnistnet.errors import ImageError, UsageError
from mnistnet.util.number_format import per_cent
from mnistnet.util.printable import printable

if TYPE_CHECKING:
    from mnistnet.inference.classifier import Classifier
    from mnistnet.vision.image_file import Reading

STDIN = "-"
MAX_HEAD = 1 << 16  # bytes, within which a file says what it is
ANOTHER = re.compile(rb"(IEND\xaeB`\x82|\xff\xd9|\x00;)(\x89PNG\r\n\x1a\n|\xff\xd8\xff|GIF8[79]a)")
"""The end of a picture, and right after it the beginning of another."""
ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".pgm", ".ppm", ".pbm", ".tif", ".tiff"}


@click.command(
    name="predict",
    epilog="""\b
Examples:
  mnistnet predict seven.png
  mnistnet predict house_number.png --line
  mnistnet predict scans/ --checkpoint runs/default/best.npz --json
  mnistnet predict "scans/*.png" --csv > digits.csv
  mnistnet predict photo.jpg --show --save-input seen.png""",
)
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...", type=PATH)
@click.option(
    "--checkpoint",
    metavar="CHECKPOINT",
    help="The network: a file, a run's folder, `last-run`, `3blue1brown` [default: best, shipped with the package].",
)
@click.option("--line", is_flag=True, help="Read several digits on one line, from left to right.")
@click.option("--top", type=click.IntRange(1), default=3, show_default=True, help="How many answers to show.")
@click.option("--show", is_flag=True, help="Draw the picture as given, its ink, and the 28x28 that the network sees.")
@click.option(
    "--save-input",
    metavar="FILE.png",
    type=PATH,
    help="Write what the network saw: 28x28, with --line its digits side by side.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print a table for spreadsheets, with a line for each digit.")
@json_option
def command(
    images: tuple[Path, ...],
    checkpoint: str | None,
    line: bool,
    top: int,
    show: bool,
    save_input: Path | None,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Say which digit each IMAGE shows, how sure the network is, and what comes next to mind.

    An IMAGE is a picture file, a folder of them, a pattern such as "scans/*.jpg", or - for standard input. One digit
    a picture, dark on light or light on dark, anywhere in the picture; --line reads several. What is unlike any digit
    that the network has learned is called unsure. A network of another data set says what it knows instead of a
    digit, and sees the whole picture, scaled to its size. A file that cannot be read is an error line, and the others
    are read all the same (exit code 1).
    """
    from mnistnet.checkpoint import checkpoint as checkpoints
    from mnistnet.data.registry import MNIST
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
    if line and classifier.dataset != MNIST.name:
        raise UsageError(f"--line reads digits, and this network knows {classifier.dataset}")
    failed = False
    if as_csv:
        _csv_line("file", "digit", "label", "confidence", "unsure", "left", "top", "right", "bottom", "error")
    for name in names:
        try:
            content = _content(name)
            shown = "standard input" if name == STDIN else name
            read = classifier.prepare(content, shown, line=line)
        except ImageError as error:
            failed = True
            if as_json:
                echo_json({"file": name, "error": str(error)})
            elif as_csv:
                _csv_line(name, *[""] * 8, error)
            else:
                echo(f"mnistnet: error: {error}", err=True)
            continue
        answers = _answers(classifier, read)
        if as_json:
            echo_json({"file": name} | (_line_as_json(answers) if line else _as_json(answers[0])))
        elif as_csv:
            for one in answers:
                _csv_line(name, *(one[key] for key in ("digit", "label", "confidence", "unsure")), *one["box"], "")
        else:
            said = _line_as_text(answers) if line else _as_text(answers[0], top, classifier.labels)
            echo(f"{name}: {said}")
        if not line and read.others:
            echo(f"{name}: holds more than one digit? --line reads them all", err=True)
        if show:
            from mnistnet.util.text_drawing import steps_as_text

            echo(*steps_as_text(read.given, read.ink, read.pixels, classifier.shape).split("\n"), err=as_json or as_csv)
        if save_input is not None:
            _save(save_input, read, classifier.shape)
    if failed:
        click.get_current_context().exit(1)


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
    """Yield the name of each picture: of a folder those with a picture's ending; a pattern that no shell expanded."""
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
    """Return for each digit of a picture what `--json` says of it, with its box."""
    found = zip(classifier.predictions(read.pixels), read.boxes, strict=True)
    return [asdict(prediction) | {"box": list(box)} for prediction, box in found]


def _csv_line(*cells: object) -> None:
    text = StringIO()
    csv.writer(text, lineterminator="").writerow([printable(str(cell)) for cell in cells])
    echo(text.getvalue())


def _as_json(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: answer[key] for key in ("digit", "label", "confidence", "probabilities", "unsure")}


def _line_as_json(answers: list[dict[str, Any]]) -> dict[str, Any]:
    digits = [{key: answer[key] for key in ("digit", "confidence", "unsure", "box")} for answer in answers]
    return {"text": _text(answers), "digits": digits}


def _text(answers: list[dict[str, Any]]) -> str:
    return "".join(str(answer["digit"]) for answer in answers)


def _as_text(answer: dict[str, Any], top: int, labels: tuple[str, ...]) -> str:
    shares = answer["probabilities"]
    order = sorted(range(len(shares)), key=lambda d: -shares[d])[:top]
    if answer["unsure"]:
        # A percentage would lend weight to what the network has never seen, or cannot tell apart.
        return f"unsure; perhaps {', or '.join(labels[d] for d in order[:2])}"
    first, *others = (f"{labels[d]} ({per_cent(shares[d])})" for d in order)
    return first + (f"   then {', '.join(others)}" if others else "")


def _line_as_text(answers: list[dict[str, Any]]) -> str:
    each = (f"{a['digit']} {'unsure' if a['unsure'] else per_cent(a['confidence'])}" for a in answers)
    return f"{_text(answers)}   ({', '.join(each)})"


def _save(path: Path, read: "Reading", shape: tuple[int, int]) -> None:
    import numpy as np
    from PIL import Image

    from mnistnet.util.atomic_files import replace_file

    stream = BytesIO()
    Image.fromarray(np.hstack(list(read.pixels.reshape(-1, *shape)))).save(stream, "PNG")
    replace_file(path, stream.getvalue(), ImageError)
