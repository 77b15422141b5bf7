"""Measures how well digits are read from pictures as people have them, and writes the table in docs/pictures.md.

    pip install scikit-learn                       # for its 8x8 digits; without it they are left out
    python -m benchmarks.pictures                  # writes benchmarks/pictures.json and the table

A network is trained from configs/default.yaml, seed 0, and reads the same 1,000 test digits from each kind of picture
in tests/pictures.py. What is refused counts as misread. Nothing in mnistnet was chosen by these figures.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL

from benchmarks.report import BEGIN, END
from mnistnet import __version__, checkpoint, datasets, images, registry
from mnistnet.datasets import Examples
from mnistnet.errors import ImageError
from mnistnet.evaluation import evaluate, forward
from mnistnet.network import Network
from tests.pictures import DEGRADATIONS, enlarged, png

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "pictures.json"
PAGE = ROOT / "docs" / "pictures.md"
COUNT, SEED = 1000, 0
BLANK = np.zeros(images.SIDE**2, np.uint8)


def main() -> None:
    """Train, read, and write figures and table."""
    test = datasets.store(registry.MNIST, ROOT / "data").examples("test")
    network = trained()
    few = test.take(np.random.default_rng(SEED).permutation(len(test))[:COUNT])
    as_png = (png(pixels.reshape(28, 28)) for pixels in test.images)
    results = {
        "about": {"mnistnet": __version__, "numpy": np.__version__, "pillow": PIL.__version__, "seed": SEED},
        "test": evaluate(network, test).correct,
        "test_as_png": row("all test images as PNG", network, as_png, test.labels),
        "themselves": evaluate(network, few).correct,
        "rows": list(degraded(network, few)) + foreign(network),
    }
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    write_table()


def trained() -> Network:
    """Return the network of configs/default.yaml."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["--config", "configs/default.yaml", "--set", f"seed={SEED}", "--out", f"{folder}/run"]
        subprocess.run([sys.executable, "-m", "mnistnet", "train", *words, "--data-dir", "data"], cwd=ROOT, check=True)
        return checkpoint.load(Path(folder) / "run" / "best.npz").network


def degraded(network: Network, examples: Examples) -> Iterable[dict[str, Any]]:
    """Yield a row for each kind of picture that the tests know."""
    for number, (name, make) in enumerate(DEGRADATIONS.items()):
        random = np.random.default_rng([SEED, number])
        files = (make(pixels.reshape(28, 28), random) for pixels in examples.images)
        yield row(name, network, files, examples.labels)


def foreign(network: Network) -> list[dict[str, Any]]:
    """Return rows for scikit-learn's 1,797 digits of 8x8 pixels, which other people wrote on other forms."""
    try:
        from sklearn.datasets import load_digits  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        return []
    digits = load_digits()
    small = [np.rint(image * 255 / 16).astype(np.uint8) for image in digits.images]
    large = [enlarged(image, 80 / 28) for image in small]
    return [
        row("other people's digits, 8x8", network, map(png, small), digits.target),
        row("other people's digits, 8x8 enlarged to 80x80", network, map(png, large), digits.target),
    ]


def row(name: str, network: Network, files: Iterable[bytes], labels: npt.NDArray[Any]) -> dict[str, Any]:
    """Read files and return how many of them were read right, and how many were refused."""
    pixels, refused = [], 0
    for content in files:
        try:
            pixels.append(images.digit_from_bytes(content, name))
        except ImageError:
            pixels.append(BLANK)
            refused += 1
    known = np.array([image.any() for image in pixels])
    right = known & (forward(network, np.stack(pixels)).argmax(axis=1) == labels)
    result = {"name": name, "right": int(np.count_nonzero(right)), "of": len(labels), "refused": refused}
    print(json.dumps(result), flush=True)
    return result


def table(results: dict[str, Any]) -> str:
    """Return the results as Markdown."""
    about, as_png = results["about"], results["test_as_png"]
    lines = ["| picture | read right | refused |", "| --- | --- | --- |"]
    lines.append(f"| *the digits themselves* | {results['themselves'] / COUNT:.1%} | |")
    for each in results["rows"]:
        lines.append(f"| {each['name']} | {each['right'] / each['of']:.1%} | {each['refused'] or ''} |")
    text = "\n".join(lines).replace("%", " %")
    return (
        f"{text}\n\n`configs/default.yaml`, seed {about['seed']}: {results['test']:,} of {as_png['of']:,} test images "
        f"are right as `eval` reads them, and {as_png['right']:,} as PNG files. Rows are of {COUNT:,} of them, the "
        f"last two of 1,797 digits from scikit-learn. mnistnet {about['mnistnet']}, NumPy {about['numpy']}, "
        f"Pillow {about['pillow']}."
    )


def write_table() -> None:
    """Replace what stands between the marks in docs/pictures.md."""
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    tail = rest.partition(END)[2]
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    PAGE.write_text(f"{head}{BEGIN}\n\n{table(results)}\n\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
