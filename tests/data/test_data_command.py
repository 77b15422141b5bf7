"""What `mnistnet data` understands, notices and writes; how pictures are prepared follows the data set everywhere."""

import base64
import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import mnistnet
from mnistnet.checkpoint import checkpoint
from mnistnet.config.schema import Config
from mnistnet.data import concerns, datasets, own_data, registry
from mnistnet.data.datasets import Examples
from mnistnet.data.forms import picture_folder
from mnistnet.data.forms.found import ReadAs
from mnistnet.data.own_data import open_own
from mnistnet.errors import DataError
from mnistnet.web.demo_model import prepare
from mnistnet.web.server import Hosts, create_app
from tests.data.test_forms import Parts, write_class_folders, write_csv, write_idx
from tests.helpers import run
from tests.own_data import write_bars
from tests.pictures import SEVEN, enlarged, png

Bytes = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def digits(mnist_train: Examples, mnist_test: Examples) -> Parts:
    return {
        part: (examples.images[:count].reshape(-1, 28, 28), examples.labels[:count])
        for part, examples, count in (("train", mnist_train, 400), ("test", mnist_test, 100))
    }


def turned(parts: Parts, turn: Callable[[Bytes], Bytes]) -> Parts:
    return {part: (turn(images), labels) for part, (images, labels) in parts.items()}


# What is noticed


def test_the_mean_digits_are_those_of_mnist(mnist_train: Examples) -> None:
    cells = mnist_train.images.reshape(-1, 7, 4, 7, 4)
    for digit in range(10):
        mean = cells[mnist_train.labels == digit].mean(axis=(0, 2, 4))
        assert np.abs(mean - concerns.MEAN_DIGITS[digit]).max() <= 0.51


def bars(n: int, labels: list[int]) -> tuple[Bytes, Bytes]:
    images = np.random.default_rng(n).integers(0, 256, (n, 6, 6)).astype(np.uint8)
    return images, np.resize(np.array(labels, np.uint8), n)


NOTICED: dict[str, tuple[Parts, list[str]]] = {
    "labels from 1": (
        {"train": bars(20, [1, 2, 3]), "test": bars(9, [1, 2, 3])},
        ["labels begin at 1, expected 0: class 0 has no example; `mnistnet data convert --renumber` leaves out"],
    ),
    "a wild label": (
        {"train": bars(55, [0, 1, 2] * 18 + [200]), "test": bars(9, [0, 1, 2])},
        ["197 classes (3, 4, 5, 6, 7, ...) have no example, of 201; label 200 stands once, perhaps by mistake"],
    ),
    "a class that is only tested": (
        {"train": bars(20, [0, 1]), "test": bars(9, [0, 1, 2])},
        ["class 2 has no training image, so what is tested there cannot be learned"],
    ),
    "a rare class": (
        {"train": bars(210, [0] * 209 + [1]), "test": bars(8, [0, 1])},
        ["class 0 has 209 training images and class 1 1, over 20 to 1", "--set class_weights=balanced"],
    ),
    "0 and 1": (
        {
            part: (images // 128, labels)
            for part, (images, labels) in {"train": bars(20, [0, 1]), "test": bars(9, [0, 1])}.items()
        },
        ["the brightest pixel is 1 of 255, expected about 255: pixels of 0 and 1"],
    ),
    "nothing but black": (
        {"train": (np.zeros((8, 6, 6), np.uint8), bars(8, [0, 1])[1]), "test": bars(9, [0, 1])},
        ["all pixels of all training images are 0: there is nothing to learn from"],
    ),
    "images in both parts": (
        {"train": bars(20, [0, 1]), "test": (bars(20, [0, 1])[0][5:9], bars(4, [0, 1])[1])},
        ["4 of the 4 test images are also training images"],
    ),
}


@pytest.mark.parametrize("case", NOTICED)
def test_what_may_be_a_mistake_is_said_and_nothing_else(
    case: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    parts, words = NOTICED[case]
    folder = write_idx(tmp_path / "own", parts)
    (remark,) = open_own(folder).remarks
    assert remark.startswith(f"{folder}: ")
    assert all(each in remark for each in words)
    assert f"look at this: {remark}" in run("data", "info", folder).stdout.splitlines()
    assert json.loads(run("data", "info", folder, "--json").stdout)["remarks"] == [remark]
    sizes = f"layer_sizes=[36,4,{len(open_own(folder).spec.labels)}]"
    options = [
        "--set",
        f"dataset={folder}",
        "--set",
        sizes,
        "--set=validation=0",
        "--set=batch_size=4",
        "--set=epochs=0",
    ]
    assert run("train", *options, "--out", "run").exit_code == 0
    assert caplog.messages == [remark]


@pytest.mark.parametrize(
    ("turn", "read_as", "words"),
    [
        (lambda images: images, ReadAs(), []),
        (lambda images: images.transpose(0, 2, 1), ReadAs(), ["look transposed", "--set orientation=transposed"]),
        (lambda images: images.transpose(0, 2, 1), ReadAs(orientation="transposed"), []),
        (lambda images: images, ReadAs(orientation="transposed"), ["--set orientation=upright"]),
        (lambda images: 255 - images, ReadAs(), ["look inverted", "--set invert=true"]),
        (lambda images: 255 - images, ReadAs(invert=True), []),
        (lambda images: images[:, ::-1, ::-1], ReadAs(), []),
    ],
)
def test_digits_that_lie_or_are_inverted_are_noticed(
    turn: Callable[[Bytes], Bytes], read_as: ReadAs, words: list[str], digits: Parts, tmp_path: Path
) -> None:
    store = open_own(write_idx(tmp_path / "own", turned(digits, turn)), read_as)
    assert len(store.remarks) == bool(words)
    assert all(each in store.remarks[0] for each in words)


def test_emnist_is_said_to_be_transposed_by_its_looks_or_its_name_and_read_upright(
    digits: Parts, tmp_path: Path
) -> None:
    lying = turned(digits, lambda images: images.transpose(0, 2, 1))
    folder = write_idx(tmp_path / "gzip", lying, "emnist-digits-{part}-{kind}-idx{n}-ubyte.gz")
    letters = {part: (images, (labels % 3 + 1).astype(np.uint8)) for part, (images, labels) in lying.items()}
    write_idx(folder, letters, "emnist-letters-{part}-{kind}-idx{n}-ubyte.gz")
    (folder / "emnist-letters-mapping.txt").write_text("1 65 97\n2 66 98\n3 67 99\n")
    with pytest.raises(
        DataError, match=r"holds several data sets \(emnist-digits, emnist-letters\): say which, such as"
    ):
        open_own(folder)
    (remark,) = open_own(folder / "emnist-digits").remarks
    assert "look transposed" in remark
    called, begin = sorted(open_own(folder / "emnist-letters").remarks)[::-1]
    assert "labels begin at 1" in begin + called
    assert "called EMNIST, whose images are stored transposed" in begin + called
    upright = open_own(folder / "emnist-digits", ReadAs(orientation="transposed"))
    assert np.array_equal(upright.examples("train").images, digits["train"][0].reshape(400, 784))
    assert (upright.pictures, upright.remarks) == ("digits", ())
    result = run("data", "convert", folder / "emnist-letters", "letters", "--orientation", "transposed", "--renumber")
    assert result.exit_code == 0, result.output
    assert open_own(Path("letters")).spec.labels == ("A", "B", "C")


# How pictures are prepared belongs to the data set


@pytest.fixture
def own_network(digits: Parts, tmp_path: Path) -> Path:
    """Return a run that has learned from digits of one's own."""
    folder = write_idx(tmp_path / "mine", digits)
    options = ["--set=validation=50", "--set=layer_sizes=[784,32,10]", "--set=epochs=15", "--set=batch_size=20"]
    assert run("train", "--set", f"dataset={folder}", *options, "--out", "run", "--quiet").exit_code == 0
    return Path("run")


def test_a_network_of_own_digits_finds_them_in_pictures_as_one_of_mnist_does(own_network: Path) -> None:
    assert checkpoint.load(own_network / "best.npz").dataset["pictures"] == "digits"
    page = np.full((200, 300), 255, np.uint8)
    large = 255 - enlarged(SEVEN, 3)
    page[20 : 20 + large.shape[0], 190 : 190 + large.shape[1]] = large  # small, in a corner
    Path("seven.png").write_bytes(png(page))
    row = np.full((120, 260), 255, np.uint8)
    row[20:104, 20:104] = row[20:104, 150:234] = large
    Path("row.png").write_bytes(png(row))
    answer = json.loads(run("predict", "seven.png", "--checkpoint", own_network, "--json").stdout)
    assert answer["digit"] == 7
    assert json.loads(run("predict", "row.png", "--line", "--checkpoint", own_network, "--json").stdout)["text"] == "77"
    network = mnistnet.load(own_network)
    prediction = network.read("seven.png")
    assert isinstance(prediction, type(network.predictions(SEVEN.reshape(1, -1))[0]))
    assert prediction.digit == 7


def test_the_page_prepares_pictures_as_the_networks_data_ask(own_network: Path) -> None:
    loaded = checkpoint.load(own_network / "best.npz")
    model = prepare("mine", loaded, open_own(Path("mine"), loaded.read_as))
    client = create_app(model, Hosts("127.0.0.1", 8000)).test_client()
    page = np.full((200, 300), 255, np.uint8)
    large = 255 - enlarged(SEVEN, 3)
    page[20 : 20 + large.shape[0], 190 : 190 + large.shape[1]] = large
    message = {"picture": base64.b64encode(png(page)).decode()}
    answer = client.post("/api/think", json=message, headers={"Host": "127.0.0.1:8000"}).json
    seen = mnistnet.load("best").prepare(png(page), "x").pixels[0]
    assert answer is not None
    assert base64.b64decode(answer["pixels"]) == seen.tobytes()


def test_pictures_can_be_scaled_if_the_config_says_so_and_the_checkpoint_remembers(
    digits: Parts, tmp_path: Path
) -> None:
    folder = write_idx(tmp_path / "mine", digits)
    options = {"dataset": str(folder), "pictures": "scale", "epochs": 1, "validation": 0, "layer_sizes": [784, 4, 10]}
    trained = mnistnet.train(options, out="run").classifier
    assert not trained.reads_digits
    assert not mnistnet.load("run").reads_digits
    refused = run("predict", "x.png", "--line", "--checkpoint", "run")
    assert (refused.exit_code, "--page reads digits" in refused.stderr) == (2, True)
    named = mnistnet.train(
        pictures="scale", epochs=0, layer_sizes=[784, 4, 10], data_dir=Path(datasets.CHECKOUT) / "data"
    )
    assert not named.classifier.reads_digits


def test_a_checkpoint_of_before_is_read_as_it_was(own_network: Path) -> None:
    saved = checkpoint.load(own_network / "best.npz")
    before = {key: value for key, value in saved.dataset.items() if key != "pictures"}
    assert replace(saved, dataset=before).pictures == "scale"  # type: ignore[arg-type]
    assert replace(saved, config=Config(), dataset=before).pictures == "digits"  # type: ignore[arg-type]


def test_tables_of_images_are_predicted_without_labels_and_with(own_network: Path, digits: Parts) -> None:
    images, labels = digits["test"]
    write_csv(Path("tables"), {"test": digits["test"]})
    lines = Path("tables/mnist_test.csv").read_text().splitlines()
    Path("plain.csv").write_text("\n".join(line.partition(",")[2] for line in lines))
    np.save("images.npy", images)
    expected = mnistnet.load(own_network).predict(images).tolist()
    for name in ("plain.csv", "tables/mnist_test.csv", "images.npy"):
        rows = [
            json.loads(line) for line in run("predict", name, "--checkpoint", own_network, "--json").stdout.splitlines()
        ]
        assert [row["digit"] for row in rows] == expected
        assert [row["index"] for row in rows] == list(range(100))
    assert np.mean(np.array(expected) == labels) > 0.6
    np.save("small.npy", images[:, :9, :9])
    result = run("predict", "small.npy", "--checkpoint", own_network)
    assert (result.exit_code, result.stderr) == (
        1,
        "mnistnet: error: small.npy: expected images of 28x28 for this network, found 9x9\n",
    )


# Folders of pictures


def test_pictures_of_other_sizes_are_prepared_as_predict_prepares_them(digits: Parts, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    for label in range(5):
        (folder / str(label)).mkdir(parents=True)
        for number, index in enumerate(np.flatnonzero(digits["train"][1] == label)[:2]):
            page = np.full((120, 160), 255, np.uint8)
            page[10:94, 60:144] = 255 - enlarged(digits["train"][0][index], 3)
            Image.fromarray(page).save(folder / str(label) / f"{number}.jpg")
    store = open_own(folder)
    assert (store.pictures, store.spec.shape, len(store.examples("test"))) == ("digits", (28, 28), 1)
    first = folder / "0" / "0.jpg"
    network = mnistnet.load("best")
    seen = network.prepare(first.read_bytes(), "x").pixels[0]
    assert any(
        np.array_equal(seen, image) for image in (*store.examples("train").images, *store.examples("test").images)
    )
    scaled = open_own(folder, ReadAs(pictures="scale", pixels=100))
    assert (scaled.pictures, scaled.spec.shape) == ("scale", (10, 10))
    with pytest.raises(DataError, match="pictures: digits makes images of 28x28, and those wanted here are 10x10"):
        open_own(folder, ReadAs(pictures="digits", pixels=100))


def test_pictures_are_read_once_and_kept_by_what_they_hold(
    digits: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(picture_folder, "MIN_PARALLEL", 100)  # so that other processes read them
    folder = write_class_folders(tmp_path / "own", digits)
    seen: list[int] = []

    def note(what: str, done: int, total: int) -> None:
        if what == "reading":
            assert total == 500
            seen.append(done)

    first = open_own(folder, on_read=note)
    assert seen[-1] == 500
    seen.clear()
    again = open_own(folder, on_read=note)
    assert not seen
    assert again.hashes() == first.hashes()
    (kept,) = (tmp_path / "cache" / "mnistnet" / "pictures").iterdir()
    kept.write_bytes(kept.read_bytes()[:-40] + bytes(40))  # damaged: not believed
    assert open_own(folder).hashes() == first.hashes()
    changed = next((folder / "train" / "5").iterdir())
    changed.write_bytes(png(np.full((28, 28), 7, np.uint8)))
    assert open_own(folder, on_read=note).hashes() != first.hashes()
    assert seen


def test_more_files_than_any_data_set_has_are_refused_before_they_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_folder, "MAX_PICTURES", 50)
    (tmp_path / "own" / "a").mkdir(parents=True)
    for number in range(60):
        (tmp_path / "own" / "a" / f"{number}.png").write_bytes(b"x")
    with pytest.raises(DataError, match="expected at most 50 pictures, found more"):
        open_own(tmp_path / "own")


def test_classes_are_numbers_or_words_and_what_is_no_picture_is_left_out_with_a_word(tmp_path: Path) -> None:
    for word in ("cat", "dog"):
        (tmp_path / "own" / word).mkdir(parents=True)
        for number in range(4):
            (tmp_path / "own" / word / f"{number}.png").write_bytes(
                png(np.full((8, 8), 90 + number + len(word), np.uint8))
            )
    (tmp_path / "own" / "cat" / "notes.txt").write_text("x")
    (tmp_path / "own" / ".DS_Store").write_text("x")
    store = open_own(tmp_path / "own")
    assert store.spec.labels == ("cat", "dog")
    assert "1 that are no pictures are left out, such as cat/notes.txt" in store.remarks[0]


# Holding out


def test_a_share_of_each_class_is_held_out_the_same_every_time(digits: Parts, tmp_path: Path) -> None:
    folder = write_csv(tmp_path / "own", {"train": digits["train"]})
    store, again = open_own(folder, ReadAs(test_share=0.25)), open_own(folder, ReadAs(test_share=0.25))
    assert store.hashes() == again.hashes()
    train, test = store.examples("train"), store.examples("test")
    whole = np.bincount(digits["train"][1], minlength=10)
    assert np.bincount(test.labels, minlength=10).tolist() == [round(0.25 * n) for n in whole]
    both = np.concatenate([train.images, test.images])
    assert sorted(map(bytes, both)) == sorted(map(bytes, digits["train"][0].reshape(400, 784)))
    assert "images held out as the test part" in run("data", "info", folder).stdout.splitlines()[0]


# Looking and converting


def test_what_info_says_to_train_with_trains(tmp_path: Path) -> None:
    write_bars(tmp_path / "bars")
    last = run("data", "info", "bars").stdout.splitlines()[-1]
    words = shlex.split(last.partition("train with: ")[2])
    assert run(*words[words.index("train") :], "--set=epochs=1", "--quiet").exit_code == 0


def test_info_draws_a_sheet_with_a_line_for_each_class(tmp_path: Path) -> None:
    write_bars(tmp_path / "bars")
    assert (
        "bars.png: 48 training images, a line for each class"
        in run("data", "info", "bars", "--plot", "bars.png").stdout
    )
    with Image.open("bars.png") as sheet:
        assert len(np.unique(np.asarray(sheet)[:, 96:])) > 10
    refused = run("data", "info", "bars", "--plot", "bars.svg")
    assert (refused.exit_code, "expected a file name that ends in .png" in refused.stderr) == (1, True)


def test_what_is_converted_is_the_same_data_and_no_folder_is_overwritten(tmp_path: Path) -> None:
    folder = write_bars(tmp_path / "bars")
    assert run("data", "convert", "bars", "made").exit_code == 0
    assert sorted(file.name for file in Path("made").iterdir()) == [
        "classes.txt",
        *sorted(name.removesuffix(".gz") for name in registry.NAMES.values()),
    ]
    assert (open_own(Path("made")).hashes(), open_own(Path("made")).spec.labels) == (
        open_own(folder).hashes(),
        open_own(folder).spec.labels,
    )
    refused = run("data", "convert", "bars", "made")
    assert (refused.exit_code, "made is there already, and not empty" in refused.stderr) == (1, True)
    Path("empty").mkdir()
    assert run("data", "convert", "bars", "empty", "--json").exit_code == 0
    assert not list(tmp_path.glob(".*"))


# Published data where others left it


def test_unpacked_files_are_known_in_the_data_folder_by_what_they_hold(
    mnist_dir: Path, tmp_path: Path, mnist_test: Examples
) -> None:
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    packed = datasets.store(registry.MNIST, mnist_dir)
    for (part, kind), name in registry.NAMES.items():
        if part == "test":
            content = packed._content(part, kind)
            (folder / name.removesuffix(".gz").replace("-idx", ".idx")).write_bytes(bytes(content))
    store = datasets.store(registry.MNIST)
    assert store.folder == Path("data/mnist")
    assert np.array_equal(store.examples("test").images, mnist_test.images)
    assert sorted(store.states().values()) == ["missing", "missing", "verified", "verified"]


def test_an_editable_installation_finds_the_checkouts_data_from_any_folder(mnist_dir: Path) -> None:
    assert datasets.store(registry.MNIST).folder == mnist_dir / "mnist"
    assert run("eval", "best").exit_code == 0


def test_keys_for_own_data_are_refused_for_published_ones() -> None:
    result = run("config", "--set", "orientation=transposed")
    assert (result.exit_code, "orientation: is for data of your own, found it with mnist" in result.stderr) == (2, True)
    assert ReadAs() == own_data.USUAL
