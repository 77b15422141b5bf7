"""A folder of one's own is as good a data set as MNIST: trained on, explained, recognised, and never mistaken."""

import gzip
import hashlib
import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from mnistnet.checkpoint import checkpoint
from mnistnet.config import loader as configs
from mnistnet.data import own_data
from mnistnet.data.own_data import open_own
from mnistnet.errors import CheckpointError, ConfigError, DataError
from mnistnet.vision.preprocess import fitted, light_on_dark
from tests.helpers import run
from tests.mirror import idx_file
from tests.own_data import CLASSES, FITTING, write_bars
from tests.pictures import png


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    return write_bars(tmp_path / "bars")


@pytest.fixture
def trained(bars: Path) -> Path:
    """Return the checkpoint of a network that tells bars apart."""
    result = run("train", "--set=dataset=bars", *FITTING, "--out", "run")
    assert result.exit_code == 0, result.output
    return Path("run/best.npz")


def test_plain_and_packed_files_are_read_and_are_the_same_data(bars: Path) -> None:
    store = open_own(bars)
    assert store.examples("train").images.shape == (600, 96)
    assert store.examples("test").labels[:4].tolist() == [0, 1, 2, 0]
    assert (store.spec.name, store.spec.shape, store.spec.labels) == ("bars", (12, 8), CLASSES)
    before = store.hashes()
    plain = bars / "train-images-idx3-ubyte"
    assert before[plain.name] == hashlib.sha256(plain.read_bytes()).hexdigest()
    (bars / f"{plain.name}.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    assert open_own(bars).hashes() == before


def test_without_names_the_classes_are_numbers_up_to_the_largest_label(tmp_path: Path) -> None:
    assert open_own(write_bars(tmp_path / "bars", names=False)).spec.labels == ("0", "1", "2")


def test_labels_up_to_255_are_256_classes(bars: Path) -> None:
    (bars / "classes.txt").unlink()
    (bars / "t10k-labels-idx1-ubyte.gz").write_bytes(idx_file(np.full(90, 255, np.uint8)))
    assert len(open_own(bars).spec.labels) == 256


def _write(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "a missing file": (
        lambda folder: (folder / "t10k-images-idx3-ubyte").unlink(),
        "has no t10k-images-idx3-ubyte or t10k-images-idx3-ubyte.gz; expected four IDX files",
    ),
    "both packed and plain": (
        _write("train-images-idx3-ubyte.gz", b""),
        "holds both train-images-idx3-ubyte and train-images-idx3-ubyte.gz",
    ),
    "not IDX": (_write("train-images-idx3-ubyte", b"hello" * 9), "expected an IDX file (magic"),
    "a gzip cut short": (
        lambda folder: (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(
            (folder / "t10k-labels-idx1-ubyte.gz").read_bytes()[:-9]
        ),
        "the gzip file is cut short",
    ),
    "images and labels of other numbers": (
        _write("t10k-images-idx3-ubyte", idx_file(np.zeros((7, 12, 8), np.uint8))),
        "test files: 7 images but 90 labels",
    ),
    "test images of another size": (
        _write("t10k-images-idx3-ubyte", idx_file(np.zeros((90, 8, 12), np.uint8))),
        "training images are 12x8 but test images 8x12",
    ),
    "no images": (
        lambda folder: [
            _write("t10k-images-idx3-ubyte", idx_file(np.zeros((0, 12, 8), np.uint8)))(folder),
            _write("t10k-labels-idx1-ubyte.gz", idx_file(np.zeros(0, np.uint8)))(folder),
        ],
        "at least one training and one test image",
    ),
    "a name too few": (_write("classes.txt", b"left\nright\n"), "names 2 classes, but there is a label 2"),
    "a name twice": (_write("classes.txt", b"left\nleft\nright\n"), "no two alike, found 3"),
    "a name that steers a terminal": (_write("classes.txt", b"a\nb\n\x1b[2J\n"), "1 to 40 letters of ASCII"),
    "names in no encoding": (_write("classes.txt", b"\xff\xfe\x00"), "expected UTF-8 text"),
}


@pytest.mark.parametrize("case", SPOILT)
def test_a_folder_that_is_no_data_set_is_refused_in_one_line(case: str, bars: Path) -> None:
    spoil, words = SPOILT[case]
    spoil(bars)
    with pytest.raises(DataError) as caught:
        open_own(bars)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_not_there_says_so() -> None:
    with pytest.raises(DataError, match="no folder none here"):
        open_own(Path("none"))


# Which words are paths


def test_a_word_is_a_path_with_a_separator_or_where_there_is_such_a_folder(bars: Path, tmp_path: Path) -> None:
    (tmp_path / "mnist").mkdir()
    paths = ["./bars", "bars/", "no/such", "bars"]
    assert [own_data.is_path(word) for word in [*paths, "mnist", "brs"]] == [True] * 4 + [False] * 2
    assert configs.load(None, ["dataset=bars"]).dataset == "./bars"
    assert configs.load(None, ["dataset=mnist"]).dataset == "mnist"


def test_a_word_that_is_neither_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"dataset: expected one of kmnist, .* data of your own, .*, found \"kmni"):
        configs.load(None, ["dataset=kmnits"])
    with pytest.raises(ConfigError, match="dataset: expected text of 1 to 1,000 letters, found 5"):
        configs.load(None, ["dataset=5"])


def test_layer_sizes_that_do_not_fit_are_answered_with_some_that_do(bars: Path) -> None:
    result = run("train", "--set=dataset=bars", "--set=validation=10", "--set=layer_sizes=[784,20,10]")
    assert result.exit_code == 2
    assert result.stderr.strip().endswith(
        "layer_sizes[0]: expected 96, the pixels of an image of bars (12x8), found 784; layer_sizes: [96, 20, 3] fits"
    )
    assert not Path("runs").exists()


# From training to reading


def test_eval_names_the_classes_and_finds_a_folder_that_has_moved(trained: Path, bars: Path) -> None:
    lines = run("eval", trained, "--confusion").stdout.splitlines()
    assert [line.split()[0] for line in lines[3:6]] == list(CLASSES)
    bars.rename("elsewhere")
    assert run("eval", trained).exit_code == 1
    assert run("eval", trained, "--dataset", "elsewhere").stdout.startswith("run/best.npz on elsewhere test")


def test_explain_draws_the_image_in_its_own_shape_and_names_the_classes(trained: Path) -> None:
    lines = run("explain", "--index", "1", "--checkpoint", trained).stdout.splitlines()
    top, bottom = (i for i, line in enumerate(lines) if line.startswith("+--"))
    assert bottom - top - 1 == 12
    assert {len(line) for line in lines[top : bottom + 1]} == {2 * 8 + 2}
    assert any("middle" in line for line in lines)


def test_predict_needs_no_data_and_names_the_class(trained: Path, bars: Path) -> None:
    for path in bars.iterdir():
        path.unlink()
    page = np.full((240, 160), 255, np.uint8)
    page[40:200, 100:140] = 20
    Path("bar.png").write_bytes(png(page))
    answer = json.loads(run("predict", "bar.png", "--checkpoint", trained, "--json").stdout)
    assert (answer["digit"], answer["label"]) == (2, "right")
    result = run("predict", "bar.png", "--checkpoint", trained, "--show")
    assert result.stdout.startswith("bar.png: right (")
    assert "what the network sees" in result.stdout.splitlines()[1]
    refused = run("predict", "bar.png", "--checkpoint", trained, "--line")
    assert (refused.exit_code, "--page reads digits" in refused.stderr) == (2, True)


def test_a_checkpoint_says_what_it_has_learned_from(trained: Path, bars: Path) -> None:
    saved = checkpoint.load(trained)
    expected = {
        "name": "bars",
        "sha256": open_own(bars).hashes(),
        "labels": list(CLASSES),
        "shape": [12, 8],
        "pictures": "scale",
    }
    assert saved.dataset == expected
    assert (saved.labels, saved.shape) == (CLASSES, (12, 8))


def test_a_checkpoint_whose_names_or_shape_do_not_fit_its_network_is_refused(trained: Path) -> None:
    saved = checkpoint.load(trained)
    for entry in ({"labels": ["one", "two"]}, {"shape": [3, 3]}):
        origin = cast(checkpoint.Origin, {**saved.dataset, **entry})
        checkpoint.save(trained, replace(saved, dataset=origin))
        with pytest.raises(CheckpointError, match="labels or shape do not fit"):
            checkpoint.load(trained)


def test_a_run_goes_on_with_the_data_it_began_with_and_no_other(trained: Path, bars: Path) -> None:
    command = ["train", "--set=dataset=bars", *FITTING, "--out", "run", "--resume"]
    assert run(*command).exit_code == 0
    path = bars / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1] + b"\x07")
    result = run(*command)
    assert result.exit_code == 2
    assert "holds other files than this run has learned from" in result.stderr


def test_files_that_were_replaced_after_training_are_told_and_never_taken_for_its_own(
    trained: Path, bars: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = bars / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1] + b"\x07")
    said = "holds other files than this network has learned from"
    refused: list[list[str | Path]] = [
        ["eval", trained, "--split", "validation"],
        ["plot", "confusion", trained, "--split", "train"],
    ]
    warned: list[list[str | Path]] = [
        ["eval", trained],
        ["explain", "--index", "1", "--checkpoint", trained],
        ["plot", "mistakes", trained],
    ]
    for words in refused:
        result = run(*words)
        assert result.exit_code == 2
        assert said in result.stderr
    for words in warned:
        caplog.clear()
        assert run(*words).exit_code == 0
        assert said in caplog.text


def test_images_of_another_shape_are_distorted_in_that_shape(bars: Path) -> None:
    command = ["train", "--set=dataset=bars", *FITTING, "--set=augment=simard2003", "--out", "run", "--quiet"]
    assert run(*command).exit_code == 0


def test_download_reads_a_folder_and_says_what_to_train_it_with(bars: Path) -> None:
    lines = run("download", "bars").stdout.splitlines()
    assert lines[-2] == "600 training and 90 test images of 12x8, 3 classes"
    fitting = ["dataset=bars", "layer_sizes=[96, 128, 3]", "validation=100"]
    assert shlex.split(lines[-1])[-6:] == [word for setting in fitting for word in ("--set", setting)]
    rows = [json.loads(line) for line in run("download", "bars", "--json").stdout.splitlines()]
    assert {row["file"]: row["sha256"] for row in rows} == open_own(bars).hashes()


# Pictures of other sizes


def test_a_picture_is_scaled_to_fit_in_the_middle_and_the_rest_is_black() -> None:
    shown = fitted(np.ones((20, 40), np.float32), (10, 10))
    assert shown.sum(axis=1).tolist() == [0, 0, 10, 10, 10, 10, 10, 0, 0, 0]
    assert fitted(np.ones((3, 3), np.float32), (6, 9)).sum() == pytest.approx(36)


def test_a_picture_of_the_right_size_comes_through_unchanged() -> None:
    grey = np.linspace(0, 0.4, 96, dtype=np.float32).reshape(12, 8)
    assert fitted(light_on_dark(grey), (12, 8)) is grey
    assert light_on_dark(1 - grey) == pytest.approx(grey, abs=1e-6)
