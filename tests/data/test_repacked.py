"""A data file counts for what it holds: packed anew, as Linux distributions do, it is still the published one."""

import dataclasses
import gzip
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from mnistnet.data import datasets, idx, own_data, registry
from mnistnet.data.datasets import Store
from mnistnet.data.registry import FASHION_MNIST, NAMES, DatasetSpec
from mnistnet.errors import DownloadError
from tests.helpers import run
from tests.mirror import refused_port, small_dataset


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Return a complete store of the small data set, all hashes of contents known, whose only mirror is silent."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    spec, files = small_dataset(f"http://127.0.0.1:{refused_port()}/", name="small_set")
    known = [
        dataclasses.replace(file, content_sha256=hashlib.sha256(gzip.decompress(files[file.name])).hexdigest())
        for file in spec.files
    ]
    spec = dataclasses.replace(spec, files=tuple(known))
    folder = tmp_path / "data" / "small_set"
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return datasets.store(spec, tmp_path / "data")


def pack_anew(folder: Path) -> None:
    for path in folder.iterdir():
        content = gzip.decompress(path.read_bytes())
        with gzip.GzipFile(path, "wb", compresslevel=1, mtime=1) as stream:  # with its name inside, as gzip does it
            stream.write(content)


def test_files_packed_anew_are_read_and_verified_and_nothing_is_fetched(small: Store) -> None:
    before, hashes = small.examples("train"), small.hashes()
    pack_anew(small.folder)
    assert np.array_equal(small.examples("train").images, before.images)
    assert small.verify() == []
    assert set(small.states().values()) == {"verified"}
    assert small.hashes() == hashes  # the same data has one name, however it is packed


@pytest.mark.parametrize("name", NAMES.values())
def test_another_content_packed_well_is_still_damage(small: Store, name: str) -> None:
    content = bytearray(gzip.decompress((small.folder / name).read_bytes()))
    content[-1] ^= 1
    (small.folder / name).write_bytes(gzip.compress(bytes(content)))
    assert small.states()[name] == "damaged"
    with pytest.raises(DownloadError):
        small.verify()


def test_a_content_that_nobody_knows_the_hash_of_must_be_packed_as_published(small: Store) -> None:
    unknown = [dataclasses.replace(file, content_sha256=None) for file in small.spec.files]
    store = dataclasses.replace(small, spec=dataclasses.replace(small.spec, files=tuple(unknown)))
    assert set(store.states().values()) == {"verified"}
    pack_anew(store.folder)
    assert set(store.states().values()) == {"damaged"}


def test_states_tell_missing_from_damaged_and_touch_nothing(small: Store) -> None:
    one, other, *_ = NAMES.values()
    (small.folder / one).unlink()
    (small.folder / other).write_bytes(b"!")
    assert list(small.states().values()) == ["missing", "damaged", "verified", "verified"]
    assert sorted(path.name for path in small.folder.iterdir()) == sorted(set(NAMES.values()) - {one})


def test_a_folder_may_be_called_with_dashes_as_debian_does(small: Store, tmp_path: Path) -> None:
    dashed = small.folder.rename(tmp_path / "data" / "small-set")
    assert datasets.store(small.spec, tmp_path / "data").folder == dashed
    (tmp_path / "data" / "small_set").mkdir()  # an empty one with the usual name is no better
    assert datasets.store(small.spec, tmp_path / "data").folder == dashed
    assert datasets.store(small.spec, tmp_path / "nothing").folder == tmp_path / "nothing" / "small_set"


def test_the_contents_of_fashion_mnist_are_known() -> None:
    assert all(len(bytes.fromhex(file.content_sha256 or "")) == 32 for file in FASHION_MNIST.files)


@pytest.mark.skipif(
    not Path("/usr/share/datasets/fashion-mnist").is_dir(), reason="needs Debian's package dataset-fashion-mnist"
)
def test_debians_fashion_mnist_is_the_published_one() -> None:
    store = datasets.store(FASHION_MNIST, Path("/usr/share/datasets"))
    assert set(store.states().values()) == {"verified"}
    test = store.examples("test")
    assert (test.images.shape, test.labels[:4].tolist()) == ((10_000, 784), [9, 2, 1, 1])


# download --list


@pytest.fixture
def listed(small: Store, monkeypatch: pytest.MonkeyPatch) -> DatasetSpec:
    """Let the small data set be the only one that is known."""
    for module in (registry, own_data):
        monkeypatch.setattr(module, "DATASETS", {"small_set": small.spec})
    return small.spec


def test_the_list_says_name_size_licence_classes_and_that_all_is_verified(small: Store, listed: DatasetSpec) -> None:
    pack_anew(small.folder)
    text = run("download", "--list", "--data-dir", small.folder.parent).stdout
    assert text.splitlines() == [
        "small_set: A small data set, 0.0 MB",
        "  licence  none",
        "  classes  0, 1, 2, 3, 4, 5, 6, 7, 8, 9",
        f"  verified in {small.folder}",
    ]
    row = json.loads(run("download", "--list", "--json", "--data-dir", small.folder.parent).stdout)
    assert row["verified"] is True
    assert row["size"] == sum(file.size for file in listed.files)
    assert set(row) == {"dataset", "title", "size", "licence", "classes", "folder", "files", "verified"}


def test_the_list_says_what_is_not_whole_or_not_here_and_how_to_mend_it(small: Store, listed: DatasetSpec) -> None:
    name = NAMES["test", "labels"]
    (small.folder / name).write_bytes(b"!")
    last = run("download", "--list", "--data-dir", small.folder.parent).stdout.splitlines()[-1]
    assert last == f"  NOT whole in {small.folder}: {name} damaged; `mnistnet download small_set` repairs it"
    last = run("download", "--list", "--data-dir", "nothing").stdout.splitlines()[-1]
    assert last == "  not here: `mnistnet download small_set` fetches it into nothing/small_set"
    assert not Path("nothing").exists()


def test_download_says_that_files_were_packed_anew(small: Store, listed: DatasetSpec) -> None:
    pack_anew(small.folder)
    lines = run("download", "small_set", "--data-dir", small.folder.parent).stdout.splitlines()
    assert [line.endswith("(not packed as published; it holds the same)") for line in lines] == [True] * 4


def test_a_list_of_one_is_wrong_usage() -> None:
    assert run("download", "mnist", "--list").exit_code == 2


def test_unpacking_a_bomb_in_a_data_files_place_stops_at_what_its_header_promises(small: Store) -> None:
    path = small.folder / NAMES["train", "images"]
    header = gzip.decompress(path.read_bytes())[:16]
    path.write_bytes(gzip.compress(header + bytes(50_000)))
    assert idx.read_header(header, 3, "").shape == (20, 4, 4)
    assert small.states()[path.name] == "damaged"
