"""Scores `predict` on folders of pictures as people sent them, beside two simple baselines.

    python -m benchmarks.field FOLDER                       # writers, kinds of error, baselines
    python -m benchmarks.field FOLDER --errors errors.png   # and a contact sheet of what is misread
    python -m benchmarks.field --draw FOLDER                # makes such a folder of tests/sheets.py
    python -m benchmarks.field FOLDER... --ablate           # and what each step of the pipeline is worth
    python -m benchmarks.field FOLDER... --record           # writes benchmarks/field.json and docs/pictures.md

A FOLDER holds a `labels.csv` with the columns `file` and `digits`, a `/` between rows of a sheet, nothing for a picture
without a digit. The writer is the column `writer`, or else what stands before the last `_` in a file's name. A picture
of one digit is read as one; of several, all of them must be right, in order and in their rows.
"""

import argparse
import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from benchmarks.report import replace_between
from mnistnet import pretrained
from mnistnet.checkpoint import checkpoint
from mnistnet.data import datasets, registry
from mnistnet.errors import ImageError
from mnistnet.inference.classifier import Classifier
from mnistnet.util.arrays import Array
from mnistnet.vision import colour, image_file
from tests.sheets import NON_DIGITS, SHEETS, SINGLES

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "field.json"
PAGE = ROOT / "docs" / "pictures.md"
BEGIN, END = "<!-- field: begin -->", "<!-- field: end -->"
DOUBTS = (0.0, 0.01, 0.02, 0.03, 0.05, 0.1)  # shares of right answers
NON_DIGIT_COUNT = 400
TILE = 160  # pixels of a picture on the contact sheet
Digit = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Picture:
    """A file with what it shows, rows divided by a `/`. The writer of a drawn one is its maker."""

    path: Path
    writer: str
    digits: str

    @property
    def kind(self) -> str:
        """Return "single", "row" or "sheet", with "drawn" before it, or "none" for a picture without a digit."""
        if not self.digits:
            return "none"
        layout = "sheet" if "/" in self.digits else "row" if len(self.digits) > 1 else "single"
        return f"drawn {layout}" if self.writer in SHEETS or self.writer in SINGLES else layout


@dataclass(frozen=True)
class Answer:
    """What was read, and whether any of it was unsure; of a refused picture the error's words."""

    digits: str
    unsure: bool = False
    refused: str = ""


Reader = Callable[[Picture], Answer]


def main() -> None:
    """Score the folders, and print what was found."""
    parser = argparse.ArgumentParser(description="Score folders of pictures by their labels.csv.")
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--checkpoint", type=Path, default=pretrained.path("best"))
    parser.add_argument("--draw", action="store_true", help="write the sheets of tests/sheets.py into the folder")
    parser.add_argument("--errors", type=Path, help="a PNG to draw the misread pictures into")
    parser.add_argument("--ablate", action="store_true", help="score it without each of the steps, too")
    parser.add_argument("--record", action="store_true", help="write the counts into docs/pictures.md")
    options = parser.parse_args()
    if options.draw:
        for folder in options.folders:
            draw(folder)
        return
    pictures = [picture for folder in options.folders for picture in read_labels(folder)]
    classifier = Classifier.of(checkpoint.load(options.checkpoint))
    answers = [predict(classifier, picture) for picture in pictures]
    results: dict[str, Any] = {"readers": {"predict": score(pictures, answers)}}
    for name, baseline in BASELINES.items():
        results["readers"][name] = score(pictures, [baseline(classifier, picture) for picture in pictures])
    results["writers"] = by_writer(pictures, answers)
    results["errors"] = dict(Counter(map(error_kind, pictures, answers)).most_common())
    results["errors"].pop("right", None)
    results["doubt"] = doubt_curve(classifier, pictures)
    if options.ablate:
        results["ablation"] = {name: score(pictures, answers) for name, answers in ablated(classifier, pictures)}
    print(table(results))
    print("\n" + json.dumps({name: results[name] for name in ("writers", "errors", "doubt")}, indent=2))
    for picture, answer in zip(pictures, answers, strict=True):
        if answer.digits != picture.digits:
            print(f"{picture.path}: {picture.digits or 'no digit'}, read {answer.refused or answer.digits}")
    if options.errors:
        contact_sheet(pictures, answers).save(options.errors)
    if options.record:
        RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
        write_page()


def draw(folder: Path, count: int = 3, seed: int = 0) -> None:
    """Write pictures of every kind in tests/sheets.py, of training digits that `best` was not trained on."""
    examples = datasets.store(registry.MNIST, ROOT / "data").examples("train").take(np.arange(55_000, 60_000))
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)

    def digits(rows: int, columns: int) -> npt.NDArray[np.intp]:
        return random.integers(len(examples), size=(rows, columns))

    lines = []
    for name, make in SHEETS.items():
        for number in range(count):
            chosen = digits(int(random.integers(1, 5)), int(random.integers(2, 7))) if number else digits(4, 1)
            page = make([[examples.images[n].reshape(28, 28) for n in row] for row in chosen], random)
            text = "/".join("".join(str(examples.labels[n]) for n in row) for row in chosen)
            lines.append((page, name, number, text))
    for name, make_one in SINGLES.items():
        for number in range(2 * count):
            chosen = digits(1, 1)[0]
            page = make_one(examples.images[chosen[0]].reshape(28, 28), random)
            lines.append((page, name, number, str(examples.labels[chosen[0]])))
    with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as stream:
        write = csv.writer(stream).writerow
        write(["file", "writer", "digits"])
        for page, name, number, text in lines:
            file = f"{name.replace(' ', '-').replace(chr(39), '')}_{number}.png"
            page.save(folder / file)
            write([file, name, text])


def read_labels(folder: Path) -> list[Picture]:
    """Return the pictures that a folder's labels.csv names."""
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as stream:
        return [
            Picture(
                folder / row["file"],
                row.get("writer") or Path(row["file"]).stem.rpartition("_")[0] or "(none)",
                row["digits"].strip().replace("\n", "/").replace(" ", "/"),
            )
            for row in csv.DictReader(stream)
        ]


def predict(classifier: Classifier, picture: Picture) -> Answer:
    """Read a picture as `mnistnet predict` does, one of several digits with --page."""
    page = len(picture.digits) > 1
    try:
        read = classifier.prepare(picture.path.read_bytes(), picture.path.name, page=page)
    except ImageError as error:
        return Answer("", refused=str(error))
    found = classifier.answers(read)
    rows: dict[int, str] = {}
    for row, prediction in zip(read.rows, found, strict=True):
        rows[row] = rows.get(row, "") + str(prediction.digit)
    return Answer("/".join(rows.values()), any(each.unsure for each in found))


def score(pictures: list[Picture], answers: Iterable[Answer]) -> dict[str, list[int]]:
    """Return for each kind of picture how many are right, how many there are, and two kinds of doubt.

    The third number is how many right answers are unsure, the fourth how many wrong ones are sure.
    """
    counts: dict[str, list[int]] = {}
    for picture, answer in zip(pictures, answers, strict=True):
        right = answer.digits == picture.digits
        count = counts.setdefault(picture.kind, [0, 0, 0, 0])
        for place, holds in enumerate((right, True, right and answer.unsure, not right and not answer.unsure)):
            count[place] += holds and not (place == 3 and answer.refused)
    return counts


def by_writer(pictures: list[Picture], answers: list[Answer]) -> dict[str, list[int]]:
    """Return for each writer how many pictures are right, and how many there are."""
    counts: dict[str, list[int]] = {}
    for picture, answer in zip(pictures, answers, strict=True):
        count = counts.setdefault(picture.writer, [0, 0])
        count[0] += answer.digits == picture.digits
        count[1] += 1
    return counts


def error_kind(picture: Picture, answer: Answer) -> str:
    """Return "right", or what is wrong, and how sure it was."""
    if answer.digits == picture.digits:
        return "right"
    if answer.refused:
        return "refused"
    if not picture.digits:
        return f"no digit, but read{'' if answer.unsure else ', surely'}"
    found, expected = answer.digits.replace("/", ""), picture.digits.replace("/", "")
    if len(found) != len(expected):
        return "digits missing" if len(found) < len(expected) else "digits too many"
    if found == expected:
        return "in other rows"
    pairs = sorted({f"{e} as {f}" for e, f in zip(expected, found, strict=True) if e != f})
    return f"{', '.join(pairs)}{' (unsure)' if answer.unsure else ''}"


def doubt_curve(classifier: Classifier, pictures: list[Picture]) -> dict[str, float]:
    """Return for shares of right answers that are unsure, the share of non-digits that are sure.

    The share of right answers is what the threshold would be set for; "as it is" stands for the network's own threshold
    and what the picture says besides.
    """
    right, known = [], []
    for picture in pictures:
        if len(picture.digits) != 1:
            continue
        try:
            read = classifier.prepare(picture.path.read_bytes(), picture.path.name)
        except ImageError:
            continue
        answer = classifier.answers(read)[0]
        if str(answer.digit) == picture.digits:
            right.append(float(classifier.margin(read.pixels)[0]))
            known.append(not answer.unsure)
    random = np.random.default_rng(0)
    scores, sure = [], []
    for number in range(NON_DIGIT_COUNT):
        content = list(NON_DIGITS.values())[number % len(NON_DIGITS)](random)
        try:
            read = classifier.prepare(content, "no digit")
        except ImageError:
            scores.append(-np.inf)
            sure.append(False)
            continue
        scores.append(float(classifier.margin(read.pixels)[0]))
        sure.append(not classifier.answers(read)[0].unsure)
    curve = {f"{share:.0%}": float(np.mean(np.array(scores) >= np.quantile(right, share))) for share in DOUBTS}
    return curve | {"right but unsure, as it is": 1 - float(np.mean(known)), "as it is": float(np.mean(sure))}


# --- Baselines --------------------------------------------------------------------------------------------------------


def otsu_baseline(classifier: Classifier, picture: Picture) -> Answer:
    """Threshold by Otsu (1979), crop to the ink, scale to 20x20, centre by mass; digits stand in gaps of empty columns.

    This is what most tutorials do in 30 lines.
    """
    grey = grey_of(picture)
    values = np.rint(grey * 255).astype(np.uint8)
    counts = np.bincount(values.ravel(), minlength=256) / values.size
    below, mean = np.cumsum(counts), np.cumsum(counts * np.arange(256))
    with np.errstate(all="ignore"):
        between = np.nan_to_num((mean[-1] * below - mean) ** 2 / (below * (1 - below)))
    dark = values <= between.argmax()
    edge = np.concatenate([dark[0], dark[-1], dark[:, 0], dark[:, -1]])
    ink = ~dark if edge.mean() > 0.5 else dark
    strength = (1 - grey if ink is dark else grey) * ink
    if not ink.any():
        return Answer("", refused="blank")
    columns = ink.any(axis=0) if len(picture.digits) > 1 else np.ones(ink.shape[1], bool)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], columns, [0]])))
    parts = [strength[:, start:stop] for start, stop in edges.reshape(-1, 2) if stop - start > ink.shape[1] / 200]
    found = classifier.predictions(np.stack([centred(part) for part in parts if part.any()]))
    return Answer("".join(str(each.digit) for each in found), any(each.unsure for each in found))


def centred(strength: Array) -> Digit:
    """Return ink as MNIST's page describes: cropped, scaled into 20x20, its centre of mass in the middle of 28x28."""
    rows, columns = np.flatnonzero(strength.any(axis=1)), np.flatnonzero(strength.any(axis=0))
    cropped = Image.fromarray(
        (strength[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] / strength.max() * 255).astype(np.uint8)
    )
    scale = 20 / max(cropped.size)
    small = cropped.resize([max(1, round(side * scale)) for side in cropped.size], Image.Resampling.LANCZOS)
    values = np.asarray(small, float)
    y, x = ((values.sum(axis=1 - axis) @ np.arange(values.shape[axis])) / max(values.sum(), 1e-9) for axis in (0, 1))
    top, left = (
        int(np.clip(round(14 - centre - 0.5), 0, 28 - side)) for centre, side in zip((y, x), values.shape, strict=True)
    )
    canvas = Image.new("L", (28, 28))
    canvas.paste(small, (left, top))
    return np.asarray(canvas).ravel()


def whole_baseline(classifier: Classifier, picture: Picture) -> Answer:
    """Scale the whole picture to 28x28, light on dark."""
    grey = grey_of(picture)
    edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    page = Image.fromarray(np.rint((1 - grey if np.median(edge) > 0.5 else grey) * 255).astype(np.uint8))
    found = classifier.predictions(np.asarray(page.resize((28, 28), Image.Resampling.BOX)).reshape(1, -1))
    return Answer(str(found[0].digit), found[0].unsure)


def grey_of(picture: Picture) -> Array:
    """Return a picture in grey, by luminance."""
    return image_file.read_grey(picture.path.read_bytes(), picture.path.name)


BASELINES: dict[str, Callable[[Classifier, Picture], Answer]] = {
    "Otsu, crop, 20x20, centre of mass": otsu_baseline,
    "the whole picture in 28x28": whole_baseline,
}

# --- What each step is worth ------------------------------------------------------------------------------------------


def _as_it_is(values: Any, *_: object) -> Any:
    return values


def _none(*_: object) -> None:
    return None


# Each step with what takes it out: names in the package, and what stands there instead.
ABLATIONS: dict[str, dict[str, Any]] = {
    "the mix of colours (luminance only)": {"vision.reading.separating": colour.luminance},
    "a sheet within the sheet": {"vision.reading.block": _none},
    "votes of windows (the widest, dark on light)": {"vision.detection._elected": _none},
    "the window that fits the pen (the widest)": {"vision.detection.PEN_WINDOW": 1e9},
    "hysteresis (one threshold)": {"vision.detection.LIGHT_STROKE": 1.0},
    "taking ruled lines out": {"vision.detection.without_lines": _as_it_is},
    "taking frames out": {"vision.detection.without_frames": _as_it_is},
    "taking long lines out": {"vision.detection.without_long_lines": _as_it_is},
    "evening the pen": {"vision.normalize.LIGHTEST": 1.0},
    "MNIST's width of strokes": {"vision.normalize.with_usual_strokes": _as_it_is},
    "the network's judgement": {"inference.classifier.Classifier.margin": lambda self, images: np.zeros(len(images))},
}


def ablated(classifier: Classifier, pictures: list[Picture]) -> Iterable[tuple[str, list[Answer]]]:
    """Yield the answers without each step."""
    for name, changes in ABLATIONS.items():
        with ExitStack() as stack:
            for target, value in changes.items():
                stack.enter_context(patch(f"mnistnet.{target}", value))
            yield name, [predict(classifier, picture) for picture in pictures]


# --- What is shown ----------------------------------------------------------------------------------------------------


def table(results: dict[str, Any]) -> str:
    """Return the counts as Markdown: right answers of each kind of picture, by each reader and without each step."""
    kinds = sorted(results["readers"]["predict"], key=lambda kind: (kind.startswith("drawn"), kind != "single", kind))
    lines = [f"| | {' | '.join(kinds)} | right but unsure | wrong but sure |", "| --- |" + " --- |" * (len(kinds) + 2)]
    rows = list(results["readers"].items())
    rows += [(f"... without {name}", counts) for name, counts in results.get("ablation", {}).items()]
    for name, counts in rows:
        cells = [f"{counts[kind][0]} of {counts[kind][1]}" for kind in kinds]
        doubts = [str(sum(count[place] for count in counts.values())) for place in (2, 3)]
        lines.append(f"| {name} | {' | '.join(cells + doubts)} |")
    return "\n".join(lines)


def contact_sheet(pictures: list[Picture], answers: list[Answer], columns: int = 8) -> Image.Image:
    """Return the misread pictures side by side, each with what it shows and what was read."""
    wrong = [(p, a) for p, a in zip(pictures, answers, strict=True) if a.digits != p.digits]
    sheet = Image.new("RGB", (columns * TILE, (TILE + 14) * max(1, -(-len(wrong) // columns))), "white")
    for number, (picture, answer) in enumerate(wrong):
        left, top = number % columns * TILE, number // columns * (TILE + 14)
        ImageDraw.Draw(sheet).text(
            (left, top), f"{picture.digits[:10]} > {answer.digits[:10] or 'refused'}", fill="black"
        )
        try:
            with Image.open(BytesIO(picture.path.read_bytes())) as image:
                image.thumbnail((TILE - 4, TILE - 4))
                sheet.paste(image.convert("RGB"), (left, top + 14))
        except OSError:
            continue
    return sheet


def doubt(results: dict[str, Any]) -> str:
    """Return in words what `doubt_curve` found."""
    shares = dict(results["doubt"])
    sure, unsure = shares.pop("as it is"), shares.pop("right but unsure, as it is")
    thresholds = "; ".join(f"{share}: {passing:.1%}" for share, passing in shares.items() if share != "0%")
    text = (
        f"Of {NON_DIGIT_COUNT} drawings of no digit (letters, scribbles, clothes and cars) {sure:.1%} are called sure, "
        f"at {unsure:.1%} of right digits unsure. By the share of right digits that a threshold calls unsure, this "
        f"many of the drawings would pass it: {thresholds}."
    )
    return text.replace("%", " %")


def write_page() -> None:
    """Write the table and the words into docs/pictures.md."""
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    text = f"{table(results)}\n\n{doubt(results)}"
    PAGE.write_text(replace_between(PAGE.read_text(encoding="utf-8"), BEGIN, END, text), encoding="utf-8")


if __name__ == "__main__":
    main()
