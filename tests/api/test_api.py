"""The Python API: docs/python.md and the notebook work as written, and wrong input says what was expected."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import mnistnet
from mnistnet import errors
from mnistnet.api import Row
from mnistnet.cli import cli
from mnistnet.data.datasets import Examples
from mnistnet.util.rng import Use, generator
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def _data(mnist_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNISTNET_DATA_DIR", str(mnist_dir))


@pytest.fixture(scope="module")
def best() -> mnistnet.Classifier:
    return mnistnet.load("best")


def pictures(examples: Examples) -> None:
    """Write the pictures that the page reads: a 7, and a row of 7, 2, 1."""
    digits = [255 - examples.images[i].reshape(28, 28) for i in range(3)]
    Image.fromarray(digits[0]).resize((140, 140)).save("photo.jpg")
    Image.fromarray(np.hstack(digits)).resize((420, 140)).save("row.png")


def test_the_page_runs_as_written(mnist_test: Examples, capsys: pytest.CaptureFixture[str]) -> None:
    pictures(mnist_test)
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec("\n".join(blocks), names)
    assert names["answer"].digit == 7
    assert names["row"].text == "721"
    assert names["run"].test.accuracy > 0.85
    shown = capsys.readouterr()
    assert shown.out == f"{names['story']}\n"
    assert shown.err == ""
    assert not Path("runs").exists()


def test_explain_tells_what_the_command_tells(best: mnistnet.Classifier, mnist_test: Examples) -> None:
    video = mnistnet.load("3blue1brown")
    story = video.explain(mnist_test.images[321], label=2, examples=500, top=3)
    said = (
        CliRunner()
        .invoke(cli, ["explain", "--index", "321", "--examples", "500", "--top", "3", "--seed", "0"])
        .stdout.splitlines()
    )
    own = str(story).splitlines()
    assert " ".join(own).replace("The image", "Test image 321 of mnist", 1).split() == " ".join(said).split()
    assert json.loads(json.dumps(story.as_json()))[0]["title"] == "1. The example"
    page = story._repr_html_()
    assert page.count("<h3>") == 6
    assert "<script" not in page
    with pytest.raises(ValueError, match="image: expected one, found 2"):
        best.explain(NOISE)
    with pytest.raises(errors.UsageError, match="label 10"):
        best.explain(NOISE[0], label=10)


def test_the_notebook_runs_and_shows_mistakes(capsys: pytest.CaptureFixture[str]) -> None:
    notebook = json.loads((ROOT / "examples" / "first_steps.ipynb").read_text(encoding="utf-8"))
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    names: dict[str, Any] = {}
    for cell in cells:
        exec(cell, names)
    shown = capsys.readouterr().out
    assert "epoch 3: cost" in shown
    assert len(re.findall(r"test image \d+ is a \d, read as a \d", shown)) == 5
    assert names["run"].test.accuracy > 0.88


def test_importing_loads_no_library_until_something_is_used() -> None:
    code = "import sys, mnistnet; print([m for m in ('numpy', 'msgspec', 'PIL', 'click') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"


def test_all_forms_of_the_same_images_are_answered_alike(best: mnistnet.Classifier, mnist_test: Examples) -> None:
    flat = mnist_test.images[:20]
    square = flat.reshape(20, 28, 28)
    expected = best.predict(flat)
    for same in (square, flat / 255, (square / 255).astype(np.float32), flat.astype(np.int64), flat.tolist()):
        assert np.array_equal(best.predict(same), expected)
    assert best.predict(square[3]).tolist() == best.predict(flat[3]).tolist() == [expected[3]]
    assert best.predict_proba(flat).sum(axis=1) == pytest.approx(np.ones(20))
    assert best.score(flat, mnist_test.labels[:20]) == np.mean(expected == mnist_test.labels[:20])


NOISE = generator(0, Use.INIT).integers(0, 256, (2, 784)).astype(np.uint8)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (NOISE.astype(float), "floats from 0 (black) to 1 (white), found 0 to 255"),
        (NOISE > 128, "uint8 from 0 to 255 or floats from 0 to 1, found bool"),
        ((NOISE > 128).astype(int), "integers from 0 (black) to 255 (white), found 0 to 1"),
        (NOISE.astype(int) * 2, "integers from 0 (black) to 255 (white), found 0 to 510"),
        (-NOISE.astype(int), "integers from 0 (black) to 255 (white), found -255 to 0"),
        (np.full((1, 784), np.nan), "floats from 0 (black) to 1 (white), found nan to nan"),
        (NOISE[:, :783], "shape (n, 784), (n, 28, 28) or one such image, found (2, 783)"),
        (NOISE.reshape(2, 14, 56), "found (2, 14, 56)"),
        (NOISE.reshape(1, 2, 28, 28), "found (1, 2, 28, 28)"),
        (np.array(7), "found ()"),
        (np.full((1, 784), "7"), "uint8 from 0 to 255 or floats from 0 to 1, found <U1"),
    ],
)
def test_wrong_images_are_a_value_error_that_says_what_was_expected(
    images: Any, words: str, best: mnistnet.Classifier
) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        best.predict(images)


@pytest.mark.parametrize("labels", [[1], [1.0, 2.0], [[1, 2]], ["1", "2"]])
def test_labels_that_do_not_fit_are_a_value_error(labels: Any, best: mnistnet.Classifier) -> None:
    with pytest.raises(ValueError, match="labels: expected 2 integers, one for each image"):
        best.score(NOISE, labels)
    with pytest.raises(ValueError, match="at least one"):
        best.score(NOISE[:0], np.array([], int))


def test_read_says_what_predict_says(best: mnistnet.Classifier, mnist_test: Examples) -> None:
    pictures(mnist_test)
    said = json.loads(CliRunner().invoke(cli, ["predict", "photo.jpg", "--json"]).stdout)
    found = best.read("photo.jpg")
    assert not isinstance(found, Row)
    assert (found.digit, found.unsure, list(found.probabilities)) == (
        said["digit"],
        said["unsure"],
        said["probabilities"],
    )
    line = json.loads(CliRunner().invoke(cli, ["predict", "row.png", "--line", "--json"]).stdout)
    row = best.read("row.png", line=True)
    assert isinstance(row, Row)
    assert (row.text, [list(box) for box in row.boxes]) == (line["text"], [digit["box"] for digit in line["digits"]])
    with pytest.raises(errors.ImageError, match=r"none\.png: cannot be read"):
        best.read("none.png")


@pytest.mark.parametrize("validation", [200, 0])
def test_training_in_memory_is_the_training_that_is_written(validation: int, mnist_dir: Path) -> None:
    settings: dict[str, Any] = {"epochs": 2, "train_images": 1000, "validation": validation, "optimizer": "sgd"}
    inside = mnistnet.train({"layer_sizes": [784, 20, 10]}, **settings)
    written = mnistnet.train({"layer_sizes": [784, 20, 10]}, **settings, out="run")
    assert sorted(path.name for path in Path("run").iterdir() if not path.name.startswith(".")) == [
        "best.npz",
        "config.yaml",
        "last.npz",
        "metrics.csv",
    ]
    assert inside.history == written.history
    assert inside.best_epoch == written.best_epoch
    assert np.array_equal(inside.classifier.network.parameters, written.classifier.network.parameters)
    assert inside.classifier.temperature == written.classifier.temperature
    assert inside.classifier.threshold == written.classifier.threshold
    assert inside.test.accuracy == written.test.accuracy
    assert mnistnet.load("run").score(NOISE, [0, 0]) == inside.classifier.score(NOISE, [0, 0])
    with pytest.raises(errors.UsageError, match="already holds a run"):
        mnistnet.train(epochs=1, out="run")


def test_a_setting_that_is_none_is_named(mnist_dir: Path) -> None:
    with pytest.raises(errors.ConfigError, match=r"train\(epoch=\.\.\.\).*epoch"):
        mnistnet.train("3blue1brown", epoch=5)
    with pytest.raises(errors.UsageError, match="expected mnist, fashion_mnist, kmnist, or the path"):
        mnistnet.datasets.load("nist")
