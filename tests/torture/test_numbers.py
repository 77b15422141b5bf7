"""Promise 6: unusual settings and numbers train, or are refused for a stated reason, without a NumPy warning."""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from mnistnet.checkpoint import checkpoint
from mnistnet.cli import cli
from mnistnet.data.datasets import Examples, Store
from tests.golden.make import golden
from tests.torture.counts import counts
from tests.torture.tally import Tally

BASE = {"train_images": "200", "validation": "50", "epochs": "2", "layer_sizes": "[784, 8, 10]", "batch_size": "20"}
ODD: dict[str, dict[str, str]] = {
    "learning rate 1e6": {"learning_rate": "1e6"},
    "learning rate 1e-30": {"learning_rate": "1e-30"},
    "a batch larger than the set": {"batch_size": "201"},
    "a batch of the whole set": {"batch_size": "all"},
    "batches of one": {"batch_size": "1"},
    "one image": {"train_images": "1", "batch_size": "1"},
    "one image, one to choose by": {"train_images": "1", "batch_size": "1", "validation": "1"},
    "none to choose by": {"validation": "0"},
    "layers of 1": {"layer_sizes": "[784, 1, 10]"},
    "layers of 1, deep": {"layer_sizes": "[784, 1, 1, 1, 10]"},
    "very deep": {"layer_sizes": str([784, *[2] * 40, 10])},
    "one output": {"layer_sizes": "[784, 8, 1]"},
    "one input": {"layer_sizes": "[1, 8, 10]"},
    "weight decay 1e6": {"weight_decay": "1e6"},
    "dropout 0.999": {"dropout": "0.999"},
    "averaging 0.999999": {"weight_averaging": "0.999999"},
    "smoothing 0.999": {"label_smoothing": "0.999"},
}
WAYS = [
    {"optimizer": optimizer, "activation": activation, "loss": loss}
    for optimizer, activation, loss in product(
        ("sgd", "momentum", "nesterov", "adam"), ("relu", "sigmoid", "tanh"), ("cross_entropy", "quadratic")
    )
]
PROPER = re.compile(r"mnistnet: (error|warning): [^\n]+\n|stopped early[^\n]+\n|Network [^\n]+\n")


def case(number: int) -> tuple[str, dict[str, str]]:
    """Return a setting of a numbered trial: all odd ones under one way to train, then under the next."""
    name = list(ODD)[number % len(ODD)]
    way = WAYS[(number // len(ODD) * 7 + number) % len(WAYS)]
    return name, BASE | way | ODD[name]


def wrong(arguments: list[str], codes: tuple[int, ...] = (0, 1, 2)) -> str | None:
    """Return what is wrong with how a command ends, or None."""
    result = CliRunner().invoke(cli, arguments)
    left = PROPER.sub("", result.stderr)
    errors = result.stderr.count("mnistnet: error: ")
    if result.exit_code not in codes or left or errors != int(result.exit_code != 0) or "internal" in result.stderr:
        return f"{' '.join(arguments)}: exit code {result.exit_code}: {result.output}"
    return None


@counts(17, 408)
def test_odd_settings_train_or_are_refused(tmp_path: Path, mnist_dir: Path, count: int, tally: Tally) -> None:
    lost = []
    for number in range(count):
        _, values = case(number)
        settings = [word for key, value in values.items() for word in ("--set", f"{key}={value}")]
        where = ["--out", str(tmp_path / str(number)), "--data-dir", str(mnist_dir)]
        lost += [found for found in [wrong(["train", *settings, *where])] if found]
    tally.add(6, f"odd settings ({len(ODD)}) under ways to train ({len(WAYS)})", count, len(lost))
    assert not lost


def odd_data() -> Iterator[tuple[str, Examples, Examples]]:
    """Yield data sets that teach nothing, or not everything."""
    numbers = np.random.default_rng(11)
    images = numbers.integers(0, 256, (300, 784)).astype(np.uint8)
    labels = (np.arange(300) % 10).astype(np.uint8)
    for value in (0, 255, 7):
        yield f"all pixels {value}", Examples(np.full_like(images, value), labels), Examples(images[:50], labels[:50])
    some = labels != 3
    yield "a class missing", Examples(images[some], labels[some]), Examples(images, labels)
    yield "one class", Examples(images, np.full_like(labels, 4)), Examples(images, labels)
    yield "a test image", Examples(images, labels), Examples(images[:1], labels[:1])
    yield "no test images", Examples(images, labels), Examples(images[:0], labels[:0])
    yield "equal images, other labels", Examples(np.repeat(images[:1], 300, axis=0), labels), Examples(images, labels)


@counts(8, 96)
def test_odd_data_trains_or_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, tally: Tally
) -> None:
    sets, lost = list(odd_data()), []

    for number in range(count):
        name, train, test = sets[number % len(sets)]
        monkeypatch.setattr(Store, "ensure", lambda self: [])
        monkeypatch.setattr(Store, "examples", lambda self, part, a=train, b=test: a if part == "train" else b)
        values = BASE | WAYS[number // len(sets) * 5 % len(WAYS)]
        settings = [word for key, value in values.items() for word in ("--set", f"{key}={value}")]
        folder = tmp_path / str(number)
        for command in (["train", *settings, "--out", str(folder)], ["eval", str(folder), "--confusion"]):
            lost += [f"{name}: {found}" for found in [wrong(command)] if found]
    tally.add(6, f"data that teaches nothing ({len(sets)} kinds)", count, len(lost))
    assert not lost


@counts(6, 60)
def test_weights_too_large_to_compute_with_end_in_a_stated_reason(
    tmp_path: Path, mnist_dir: Path, count: int, tally: Tally
) -> None:
    from tests.pictures import SEVEN, png

    picture = tmp_path / "seven.png"
    picture.write_bytes(png(SEVEN))
    lost = []
    for number in range(count):
        made = golden()
        made.network.parameters[...] *= np.float32((1e30, 1e38, 1e20, 1e-45, 0.0, -1e30)[number % 6])
        np.nan_to_num(made.network.parameters, copy=False)
        path = tmp_path / f"{number}.npz"
        checkpoint.save(path, replace(made, temperature=(None, 0.001, 1000.0)[number // 6 % 3]))
        for command in (
            ["predict", str(picture), "--checkpoint", str(path)],
            ["info", str(path)],
            ["explain", str(path), "--index", "3", "--data-dir", str(mnist_dir)],
            ["eval", str(path), "--data-dir", str(mnist_dir)],
        ):
            lost += [found for found in [wrong(command)] if found]
    tally.add(6, "checkpoints with weights from 0 to 1e38, given to four commands", 4 * count, len(lost))
    assert not lost
