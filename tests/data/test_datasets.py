"""Data is found where it should be, believed only for its hash, and mended without losing anything."""

import dataclasses
import errno
import gzip
import hashlib
import logging
import os
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import pytest

from mnistnet.data import datasets, idx, registry
from mnistnet.data.datasets import Examples, Store
from mnistnet.data.registry import DATASETS, MNIST, NAMES, DatasetSpec
from mnistnet.errors import ConfigError, DataError, DownloadError
from tests.mirror import Mirror, idx_file, mirror, refused_port, small_dataset

IMAGES = NAMES["train", "images"]
LABELS = NAMES["test", "labels"]


@pytest.fixture
def server() -> Iterator[Mirror]:
    """Return a mirror of the small data set."""
    with mirror(small_dataset()[1]) as running:
        yield running


@pytest.fixture
def small(server: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Return a store of the small data set that is complete and has a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    spec, files = small_dataset(server.url)
    folder = tmp_path / "data" / spec.name
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return datasets.store(spec, tmp_path / "data")


def _without_mirrors(store: Store) -> Store:
    """Return the same store with one mirror, at which nobody listens."""
    spec = dataclasses.replace(store.spec, mirrors=(f"http://127.0.0.1:{refused_port()}/",))
    return dataclasses.replace(store, spec=spec)


def _is_published(store: Store) -> bool:
    return all(
        hashlib.sha256((store.folder / file.name).read_bytes()).hexdigest() == file.sha256 for file in store.spec.files
    )


def _equal(a: Examples, b: Examples) -> bool:
    return np.array_equal(a.images, b.images) and np.array_equal(a.labels, b.labels)


# What the published files hold


def test_mnist_is_the_one_that_was_published(mnist_train: Examples, mnist_test: Examples) -> None:
    assert (mnist_train.images.shape, mnist_test.images.shape) == ((60_000, 784), (10_000, 784))
    assert mnist_train.images.dtype == mnist_train.labels.dtype == np.uint8
    assert mnist_train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert mnist_test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(mnist_train.labels).tolist() == counts
    assert mnist_train.images.mean() == pytest.approx(33.318, abs=0.001)  # 0.1307 of 255
    assert repr(mnist_train) == "60,000 examples of 784 pixels"


def test_the_registry_agrees_with_the_list_of_hashes_beside_the_files(mnist_dir: Path) -> None:
    lines = (mnist_dir / "mnist" / "SHA256SUMS").read_text().splitlines()
    assert {name: sha256 for sha256, name in map(str.split, lines)} == {f.name: f.sha256 for f in MNIST.files}
    for file in MNIST.files:
        content = (mnist_dir / "mnist" / file.name).read_bytes()
        assert len(content) == file.size
        assert hashlib.sha256(gzip.decompress(content)).hexdigest() == file.content_sha256


@pytest.mark.parametrize("spec", DATASETS.values(), ids=lambda spec: spec.name)
def test_every_data_set_has_four_hashed_files_several_mirrors_and_ten_labels(spec: DatasetSpec) -> None:
    assert [file.name for file in spec.files] == list(NAMES.values())
    assert all(len(bytes.fromhex(file.sha256)) == 32 and file.size > 0 for file in spec.files)
    assert len({file.sha256 for file in spec.files}) == 4
    assert len(spec.mirrors) >= 2
    assert all(url.startswith("http") and url.endswith("/") for url in spec.mirrors)
    assert len(spec.labels) == len(set(spec.labels)) == 10
    assert DATASETS[spec.name] is spec


def test_hashes_name_every_file(small: Store) -> None:
    assert small.hashes() == {file.name: file.sha256 for file in small.spec.files}


# Where data is looked for


def _fill(folder: Path, name: str = "small") -> None:
    (folder / name).mkdir(parents=True)
    (folder / name / LABELS).touch()


@pytest.fixture
def everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set every place where data can be: an option's, the environment's, ./data, the cache."""
    monkeypatch.setenv("MNISTNET_DATA_DIR", str(tmp_path / "environment"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    _fill(tmp_path / "data")
    return tmp_path


def test_the_option_decides_before_all_else(everywhere: Path) -> None:
    spec, _ = small_dataset()
    assert datasets.store(spec, everywhere / "option").folder == everywhere / "option" / "small"


def test_then_the_environment(everywhere: Path) -> None:
    assert datasets.store(small_dataset()[0]).folder == everywhere / "environment" / "small"


@pytest.mark.parametrize("value", [None, ""])
def test_then_a_data_folder_here(everywhere: Path, monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("MNISTNET_DATA_DIR")
    if value is not None:
        monkeypatch.setenv("MNISTNET_DATA_DIR", value)
    assert datasets.store(small_dataset()[0]).folder == Path("data") / "small"


def test_a_data_folder_here_without_the_data_set_is_passed_over(
    everywhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MNISTNET_DATA_DIR")
    folder = datasets.store(small_dataset(name="other")[0]).folder
    assert folder == everywhere / "cache" / "mnistnet" / "data" / "other"


def test_a_tilde_is_the_home_folder_or_else_a_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    spec, _ = small_dataset()
    assert datasets.store(spec, Path("~/x")).folder == tmp_path / "x" / "small"
    assert datasets.store(spec, Path("~no such user/x")).folder == Path("~no such user/x/small")


# Reading


def test_the_files_of_a_part_are_read_in_their_order(small: Store, server: Mirror) -> None:
    assert small.examples("train").labels.tolist() == [*range(10), *range(10)]
    assert small.examples("test").labels.tolist() == list(range(10))
    assert small.examples("test").images.shape == (10, 16)
    assert not _equal(small.examples("train").take(np.arange(10)), small.examples("test"))
    assert server.asked == []


def test_reading_writes_nothing_into_the_data_folder(small: Store) -> None:
    before = sorted(path.name for path in small.folder.iterdir())
    small.examples("train")
    small.verify()
    assert sorted(path.name for path in small.folder.iterdir()) == before


def test_the_training_files_are_read_without_the_test_files(small: Store, server: Mirror) -> None:
    for kind in ("images", "labels"):
        (small.folder / NAMES["test", kind]).unlink()
    assert len(small.examples("train")) == 20
    assert server.asked == []


def test_what_is_read_cannot_be_changed_by_accident(small: Store) -> None:
    for _ in range(2):  # unpacked, then from the cache
        assert not small.examples("train").images.flags.writeable


@pytest.mark.parametrize(
    ("images", "labels", "sentence"),
    [
        (np.zeros((3, 4, 4), np.uint8), np.zeros(2, np.uint8), "3 images but 2 labels"),
        (np.zeros((2, 4, 4), np.uint8), np.array([1, 10], np.uint8), "expected labels from 0 to 9, found 10"),
    ],
)
def test_files_that_do_not_fit_each_other_are_refused(
    images: np.ndarray[Any, Any], labels: np.ndarray[Any, Any], sentence: str, tmp_path: Path
) -> None:
    store = _published(tmp_path, images, labels)
    with pytest.raises(DataError, match=sentence):
        store.examples("train")


def test_files_of_no_examples_are_no_crash(tmp_path: Path) -> None:
    store = _published(tmp_path, np.zeros((0, 4, 4), np.uint8), np.zeros(0, np.uint8))
    assert store.examples("train").images.shape == (0, 16)


def _published(folder: Path, images: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> Store:
    """Return the store of a data set whose published training files hold these arrays."""
    spec, _ = small_dataset()
    (folder / spec.name).mkdir()
    files = []
    for file in spec.files:
        content = gzip.compress(idx_file(images if "images" in file.name else labels))
        (folder / spec.name / file.name).write_bytes(content)
        files.append(registry.RemoteFile(file.name, len(content), hashlib.sha256(content).hexdigest()))
    return datasets.store(dataclasses.replace(spec, files=tuple(files)), folder)


# Fetching and mending


def test_missing_files_are_fetched_when_they_are_needed(small: Store, server: Mirror) -> None:
    expected = small.examples("train")
    for file in small.spec.files:
        (small.folder / file.name).unlink()
    small.folder.rmdir()
    assert _equal(small.examples("train"), expected)
    assert sorted(server.asked) == sorted(f"/{NAMES['train', kind]}" for kind in ("images", "labels"))


def test_ensure_fetches_what_is_missing_and_nothing_else(small: Store, server: Mirror) -> None:
    assert small.ensure() == []
    (small.folder / LABELS).unlink()
    assert [file.name for file in small.ensure()] == [LABELS]
    assert server.asked == [f"/{LABELS}"]
    assert _is_published(small)


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "precious").touch()


def _replace_by_dangling_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a flipped bit": _flip,
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "too long": lambda path: path.write_bytes(path.read_bytes() + b"!"),
    "empty": lambda path: path.write_bytes(b""),
    "a folder": _replace_by_folder,
    "a dangling link": _replace_by_dangling_link,
}


def _what_is_there(path: Path) -> object:
    if path.is_symlink():
        return path.readlink()
    return sorted(p.name for p in path.iterdir()) if path.is_dir() else path.read_bytes()


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
@pytest.mark.parametrize("way", ["examples", "verify"])
def test_a_damaged_file_is_kept_under_another_name_and_fetched_again(
    damage: Callable[[Path], object], way: str, small: Store, server: Mirror, caplog: pytest.LogCaptureFixture
) -> None:
    expected = small.examples("train")
    path = small.folder / IMAGES
    damage(path)
    damaged = _what_is_there(path)
    if way == "examples":
        assert _equal(small.examples("train"), expected)
    else:
        assert [file.name for file in small.verify()] == [IMAGES]
    assert _is_published(small)
    assert server.asked == [f"/{IMAGES}"]
    [aside] = small.folder.glob("*.damaged-*")
    assert _what_is_there(aside) == damaged
    assert [record.getMessage() for record in caplog.records] == [
        f"{path} was not the published file; it is now {aside.name}, and was fetched again"
    ]
    assert small.verify() == []


def test_a_damaged_file_stays_unused_and_undeleted_when_no_mirror_answers(small: Store) -> None:
    (small.folder / LABELS).unlink()
    _flip(small.folder / IMAGES)
    damaged = (small.folder / IMAGES).read_bytes()
    store = _without_mirrors(small)
    with pytest.raises(DownloadError) as caught:
        store.examples("train")
    [url] = store.spec.mirrors
    assert str(caught.value) == (
        f"no mirror could give {IMAGES}: {url}{IMAGES}: the connection failed: Connection refused; "
        f"get them elsewhere and put them into {small.folder}: {IMAGES} (what is there is damaged), {LABELS}; "
        "or name another mirror with --mirror URL (or MNISTNET_MIRROR)"
    )
    assert (small.folder / IMAGES).read_bytes() == damaged
    assert not (small.folder / LABELS).exists()


def test_files_put_there_by_hand_are_taken(small: Store, server: Mirror) -> None:
    (small.folder / IMAGES).unlink()
    store = _without_mirrors(small)
    with pytest.raises(DownloadError):
        store.verify()
    (small.folder / IMAGES).write_bytes(server.files[IMAGES])
    assert store.verify() == []


def test_mirrors_are_asked_in_order_option_environment_published_and_none_twice(
    small: Store, server: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    (small.folder / IMAGES).unlink()
    with mirror({}) as first, mirror({}) as second:
        monkeypatch.setenv("MNISTNET_MIRROR", second.url)
        store = dataclasses.replace(small, mirrors=(first.url, second.url))
        server.files.clear()
        with pytest.raises(DownloadError) as caught:
            store.verify()
        asked = re.findall(rf"(http://\S+){IMAGES}: ", str(caught.value))
        assert asked == [first.url, second.url, server.url]


def test_what_a_crash_left_half_written_is_cleared(small: Store) -> None:
    (small.folder / IMAGES).unlink()
    (small.folder / f".{IMAGES}.0123abcd.tmp").write_bytes(b"half")
    small.verify()
    assert not list(small.folder.glob(".*.tmp"))


def test_a_process_that_waits_for_another_says_so_and_uses_what_that_one_fetched(
    small: Store, server: Mirror, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(datasets, "PATIENCE", 0.0)
    (small.folder / IMAGES).unlink()
    other = filelock.FileLock(small.folder / ".download.lock")
    other.acquire()

    class OtherFinishes(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            (small.folder / IMAGES).write_bytes(server.files[IMAGES])
            other.release()

    handler = OtherFinishes()
    datasets.log.addHandler(handler)
    try:
        assert small.verify() == []  # nothing that this process fetched
    finally:
        datasets.log.removeHandler(handler)
    assert server.asked == []
    assert [r.getMessage() for r in caplog.records] == [
        f"waiting for another process that is fetching files into {small.folder}"
    ]


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_folder_that_cannot_be_written_gives_one_clear_error(
    number: int, small: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    (small.folder / IMAGES).unlink()
    _refuse_writing_into(small.folder, number, monkeypatch)
    with pytest.raises(DataError) as caught:
        small.examples("train")
    words = os.strerror(number)
    assert str(caught.value) == (
        f"{IMAGES} is missing or damaged in {small.folder}, and cannot be put there: "
        f"{words[0].lower()}{words[1:]}; choose another folder with --data-dir or MNISTNET_DATA_DIR"
    )


def test_a_file_in_the_place_of_the_folder_gives_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "small").touch()
    with pytest.raises(DataError, match=r"is missing or damaged in .*small, and cannot be put there: file exists;"):
        datasets.store(small_dataset()[0], tmp_path).examples("train")


def test_a_file_that_cannot_be_read_gives_one_clear_error(small: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError) as caught:
        small.examples("train")
    assert str(caught.value) == (
        f"{small.folder / IMAGES}: cannot be read: permission denied; "
        "make it readable, or choose another folder with --data-dir"
    )


def _refuse_writing_into(folder: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the system refuse to make files in a folder; the permissions of a folder would not stop root."""
    real = os.open

    def refuse(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        if flags & os.O_CREAT and Path(os.fsdecode(path)).parent == folder:
            raise OSError(number, os.strerror(number), os.fsdecode(path))
        return real(path, flags, *args, **kwargs)

    monkeypatch.setattr(os, "open", refuse)


# The cache of unpacked files


@pytest.fixture
def cached(small: Store) -> Path:
    """Return the file in the cache that holds the small data set's training images, unpacked."""
    small.examples("train")
    sha256 = small.spec.file("train", "images").content_sha256
    assert sha256 is not None
    path = datasets.cache_folder() / "unpacked" / sha256
    assert hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    return path


def test_an_unpacked_file_is_read_instead_of_unpacking_again(
    small: Store, cached: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = small.examples("train")
    unpacked: list[str] = []
    unpack = idx.unpack

    def counted(packed: bytes, dimensions: int, name: str) -> memoryview:
        unpacked.append(Path(name).name)
        return unpack(packed, dimensions, name)

    monkeypatch.setattr(idx, "unpack", counted)
    assert _equal(small.examples("train"), expected)
    assert unpacked == [NAMES["train", "labels"]]


@pytest.mark.parametrize(
    "damage", [DAMAGES[name] for name in ("a flipped bit", "cut short", "too long", "empty", "a dangling link")]
)
def test_a_damaged_unpacked_file_is_not_used_and_is_replaced(
    damage: Callable[[Path], object], small: Store, cached: Path, server: Mirror
) -> None:
    expected, right = small.examples("train"), cached.read_bytes()
    damage(cached)
    assert _equal(small.examples("train"), expected)
    assert cached.read_bytes() == right
    assert server.asked == []


def test_a_huge_unpacked_file_is_not_even_read(small: Store, cached: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, right = small.examples("train"), cached.read_bytes()
    os.truncate(cached, 1 << 36)  # a hole: it takes no space on disk, but in memory it would

    really_open = Path.open

    def open_others(self: Path, *args: Any, **kwargs: Any) -> Any:
        assert self != cached
        return really_open(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", open_others)
        assert _equal(small.examples("train"), expected)
    assert cached.read_bytes() == right


def test_a_damaged_packed_file_is_noticed_although_the_unpacked_one_is_right(
    small: Store, cached: Path, server: Mirror
) -> None:
    _flip(small.folder / IMAGES)
    small.examples("train")
    assert server.asked == [f"/{IMAGES}"]


@pytest.mark.parametrize("obstacle", ["read-only", "a file in its place", "a folder in the file's place"])
def test_a_cache_that_cannot_be_written_is_no_error(
    obstacle: str, small: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = datasets.cache_folder() / "unpacked"
    if obstacle == "read-only":
        folder.mkdir(parents=True)
        _refuse_writing_into(folder, errno.EROFS, monkeypatch)
    elif obstacle == "a file in its place":
        (tmp_path / "cache").touch()
    else:
        (folder / str(small.spec.file("train", "images").content_sha256)).mkdir(parents=True)
    assert len(small.examples("train")) == 20
    assert not list(tmp_path.glob("cache/**/*.tmp"))


def test_a_packed_file_with_other_content_than_published_is_refused(small: Store) -> None:
    files = tuple(dataclasses.replace(file, content_sha256="0" * 64) for file in small.spec.files)
    store = dataclasses.replace(small, spec=dataclasses.replace(small.spec, files=files))
    with pytest.raises(DataError, match="unpacked, it is not the published file"):
        store.examples("train")


# Splitting


@pytest.fixture
def numbered() -> Examples:
    """Return 200 examples, told apart by their only pixel."""
    return Examples(np.arange(200, dtype=np.uint8)[:, None], (np.arange(200) % 10).astype(np.uint8))


def _pixels(examples: Examples | None) -> list[int]:
    assert examples is not None
    assert np.array_equal(examples.images[:, 0] % 10, examples.labels)  # each image kept its label
    numbers: list[int] = examples.images[:, 0].tolist()
    return numbers


def test_a_split_uses_every_example_once(numbered: Examples) -> None:
    train, validation = datasets.split(numbered, 50, None, seed=1)
    assert (len(train), len(_pixels(validation))) == (150, 50)
    assert sorted(_pixels(train) + _pixels(validation)) == list(range(200))


def test_a_split_depends_on_the_seed_alone(numbered: Examples) -> None:
    first, again, other = (datasets.split(numbered, 50, None, seed)[1] for seed in (1, 1, 2))
    assert _pixels(first) == _pixels(again) != _pixels(other)
    assert _pixels(first) != list(range(50))


def test_fewer_training_images_are_part_of_more_and_validated_on_the_same(numbered: Examples) -> None:
    splits = [datasets.split(numbered, 50, n, seed=3) for n in (10, 100, 150, None)]
    assert [len(train) for train, _ in splits] == [10, 100, 150, 150]
    for (fewer, validation), (more, same) in pairwise(splits):
        assert set(_pixels(fewer)) <= set(_pixels(more))
        assert _pixels(validation) == _pixels(same)


def test_without_validation_everything_is_learnt_from(numbered: Examples) -> None:
    train, validation = datasets.split(numbered, 0, None, seed=1)
    assert _pixels(train) == list(range(200))
    assert validation is None


@pytest.mark.parametrize(
    ("validation", "train_images", "sentence"),
    [
        (200, None, "validation: expected fewer than the 200 training images, found 200"),
        (5_000, None, "validation: expected fewer than the 200 training images, found 5,000"),
        (50, 151, "train_images: expected at most 150 (200 less 50 for validation), found 151"),
    ],
)
def test_a_split_of_too_few_examples_is_refused(
    validation: int, train_images: int | None, sentence: str, numbered: Examples
) -> None:
    with pytest.raises(ConfigError) as caught:
        datasets.split(numbered, validation, train_images, seed=1)
    assert str(caught.value) == sentence
