"""Measures how well digits are read from pictures as people have them, and writes the table in docs/pictures.md.

    pip install scikit-learn                       # for its 8x8 digits; without it they are left out
    python -m benchmarks.pictures                  # writes benchmarks/pictures.json and the table
    python -m benchmarks.pictures --count 100      # fewer digits of each kind, for a quick look

The shipped network `best` reads the same 1,000 test digits from each kind of picture in tests/pictures.py and each kind
of photograph in tests/photos.py. What is refused counts as misread. The rules of mnistnet/vision/ were chosen with
these kinds of pictures at hand, made from training digits; the test digits chose nothing.
"""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL
from PIL import Image, ImageDraw, ImageFont

from benchmarks.report import BEGIN, END, read, replace_between
from mnistnet import __version__, pretrained
from mnistnet.checkpoint import checkpoint
from mnistnet.checkpoint.checkpoint import Checkpoint
from mnistnet.data import datasets, registry
from mnistnet.data.datasets import Examples
from mnistnet.errors import ImageError
from mnistnet.inference import calibration, ood
from mnistnet.inference.classifier import Classifier
from mnistnet.inference.evaluate import evaluate, forward
from mnistnet.vision import normalize, reading
from tests.photos import PHOTOS
from tests.pictures import DEGRADATIONS, enlarged, png, saved

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "pictures.json"
PAGE = ROOT / "docs" / "pictures.md"
COUNT, SEED = 1000, 0
SIZES = (40, 60, 90, 150)  # pixels, of printed letters
BLANK = np.zeros(normalize.SIDE**2, np.uint8)


def main() -> None:
    """Train, read, and write figures and table."""
    parser = argparse.ArgumentParser(description="Measure how well digits are read from pictures.")
    parser.add_argument("--count", type=int, default=COUNT, help="test digits of each kind [default: %(default)s]")
    count = parser.parse_args().count
    test = datasets.store(registry.MNIST, ROOT / "data").examples("test")
    shipped = checkpoint.load(pretrained.path("best"))
    network = shipped.network
    classifier = Classifier.of(shipped)
    few = test.take(np.random.default_rng(SEED).permutation(len(test))[:count])
    as_png = (png(pixels.reshape(28, 28)) for pixels in test.images)
    results = {
        "about": {
            "mnistnet": __version__,
            "numpy": np.__version__,
            "pillow": PIL.__version__,
            "seed": SEED,
            "count": count,
        },
        "test": evaluate(network, test).correct,
        "test_as_png": row("all test images as PNG", classifier, as_png, test.labels),
        "themselves": evaluate(network, few).correct,
        "honesty": honesty(shipped, test),
        "rows": list(degraded(classifier, few)) + rendered(classifier) + foreign(classifier),
    }
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    write_table()


def degraded(classifier: Classifier, examples: Examples) -> Iterable[dict[str, Any]]:
    """Yield a row for each kind of picture that the tests know."""
    for number, (name, make) in enumerate((DEGRADATIONS | PHOTOS).items()):
        random = np.random.default_rng([SEED, number])
        files = (make(pixels.reshape(28, 28), random) for pixels in examples.images)
        yield row(name, classifier, files, examples.labels)


def honesty(shipped: Checkpoint, test: Examples) -> dict[str, float]:
    """Return the expected calibration error (15 bins of equal width), and the share of test digits called unsure."""
    shares = calibration.probabilities(forward(shipped.network, test.images), shipped.temperature)
    confidence, right = shares.max(axis=1), shares.argmax(axis=1) == test.labels
    bins = np.minimum((confidence * 15).astype(int), 14)
    gaps = [abs(float((confidence[bins == b] - right[bins == b]).sum())) for b in range(15)]
    doubts = ood.unsure(shipped.network, test.images, (28, 28), confidence, shipped.ood_threshold)
    result = {"calibration_error": sum(gaps) / len(test), "unsure": float(doubts.mean())}
    for name, letters in (("letters", "ACEFGHJKLMNPQRTUVWXYacdefhkmnprtuvwxy"), ("signs", "&%#@+*=?$")):
        pixels = np.stack(
            [
                reading.digit_from_bytes(glyph(letter, size), letter, Classifier.of(shipped).margin)
                for letter in letters
                for size in SIZES
            ]
        )
        confidence = calibration.probabilities(forward(shipped.network, pixels), shipped.temperature).max(axis=1)
        result[f"{name}_unsure"] = float(
            ood.unsure(shipped.network, pixels, (28, 28), confidence, shipped.ood_threshold).mean()
        )
    return result


def glyph(letter: str, size: int) -> bytes:
    """Return a letter in the font that comes with Pillow, as a PNG."""
    sheet = Image.new("L", (2 * size, 2 * size), 255)
    ImageDraw.Draw(sheet).text((size, size), letter, font=ImageFont.load_default(size), anchor="mm", fill=0)
    return saved(sheet)


def rendered(classifier: Classifier) -> list[dict[str, Any]]:
    """Return a row for printed digits: the font that comes with Pillow, in some sizes."""
    pairs = [(digit, size) for digit in range(10) for size in SIZES]
    files = (glyph(str(digit), size) for digit, size in pairs)
    return [row("printed digits", classifier, files, np.array([digit for digit, _ in pairs]))]


def foreign(classifier: Classifier) -> list[dict[str, Any]]:
    """Return rows for scikit-learn's 1,797 digits of 8x8 pixels, which other people wrote on other forms."""
    try:
        from sklearn.datasets import load_digits  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        return []
    digits = load_digits()
    small = [np.rint(image * 255 / 16).astype(np.uint8) for image in digits.images]
    large = [enlarged(image, 80 / 28) for image in small]
    return [
        row("other people's digits, 8x8", classifier, map(png, small), digits.target),
        row("other people's digits, 8x8 enlarged to 80x80", classifier, map(png, large), digits.target),
    ]


def row(name: str, classifier: Classifier, files: Iterable[bytes], labels: npt.NDArray[Any]) -> dict[str, Any]:
    """Read files and return how many of them were read right, and how many were refused."""
    pixels, refused = [], 0
    for content in files:
        try:
            pixels.append(reading.digit_from_bytes(content, name, classifier.margin))
        except ImageError:
            pixels.append(BLANK)
            refused += 1
    known = np.array([image.any() for image in pixels])
    right = known & (classifier.probabilities(np.stack(pixels)).argmax(axis=1) == labels)
    result = {"name": name, "right": int(np.count_nonzero(right)), "of": len(labels), "refused": refused}
    print(json.dumps(result), flush=True)
    return result


def table(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    about, as_png = results["about"], results["test_as_png"]
    lines = ["| picture | read right | refused |", "| --- | --- | --- |"]
    lines.append(f"| *the digits themselves* | {results['themselves'] / about['count']:.1%} | |")
    for each in results["rows"]:
        lines.append(f"| {each['name']} | {each['right'] / each['of']:.1%} | {each['refused'] or ''} |")
    text = "\n".join(lines).replace("%", " %")
    honest = results["honesty"]
    versions = f"mnistnet {about['mnistnet']}, NumPy {about['numpy']}, Pillow {about['pillow']}, seed {about['seed']}"
    return (
        f"{text}\n\n`best`: {results['test']:,} of {as_png['of']:,} test images are right as `eval` reads them, and "
        f"{as_png['right']:,} as PNG files. Rows are of {about['count']:,}, of 40 printed digits, the last two "
        f"of 1,797 digits from scikit-learn.\n\n"
        f"Confidences differ by {100 * honest['calibration_error']:.2f} % on the test images (expected calibration "
        f"error, 15 bins). Called unsure are {100 * honest['unsure']:.1f} % of the test images, "
        f"{100 * honest['letters_unsure']:.0f} % of printed letters and {100 * honest['signs_unsure']:.0f} % of "
        f"printed signs.\n\n{versions}."
    )


def write_table() -> None:
    """Replace what stands between the marks in docs/pictures.md."""
    text = table(read(RESULTS))
    PAGE.write_text(replace_between(PAGE.read_text(encoding="utf-8"), BEGIN, END, text), encoding="utf-8")


if __name__ == "__main__":
    main()
