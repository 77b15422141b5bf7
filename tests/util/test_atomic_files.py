"""Files are replaced whole or not at all, whatever happens while they are written."""

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mnistnet.errors import PlotError
from mnistnet.util.atomic_files import atomic_write, open_regular, reason, remove_temporaries, replace_file


def test_a_written_file_has_its_content_and_no_temporary_beside_it(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "a.bin") as stream:
        stream.write(b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]
    assert (tmp_path / "a.bin").read_bytes() == b"new"


def test_readers_see_the_old_content_until_the_new_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with atomic_write(path) as stream:
        stream.write(b"new")
        stream.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


def test_a_file_that_cannot_be_replaced_is_an_error_of_the_kind_asked_for_that_names_it(tmp_path: Path) -> None:
    replace_file(tmp_path / "a.png", b"new", PlotError)
    assert (tmp_path / "a.png").read_bytes() == b"new"
    missing = tmp_path / "none" / "a.png"
    with pytest.raises(PlotError, match="cannot be written: no such file") as raised:
        replace_file(missing, b"new", PlotError)
    assert str(raised.value).startswith(f"{missing}: ")


@pytest.mark.parametrize("error", [OSError("disk full"), ValueError("a bug"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def write_half() -> None:
        with atomic_write(path) as stream:
            stream.write(b"half")
            raise error

    with pytest.raises(type(error)):
        write_half()
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]
    assert path.read_bytes() == b"old"


def test_a_failed_rename_leaves_no_temporary(tmp_path: Path) -> None:
    (tmp_path / "a.bin").mkdir()
    with pytest.raises(OSError), atomic_write(tmp_path / "a.bin") as stream:  # noqa: PT011  # its words differ
        stream.write(b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]


def test_the_bytes_are_on_disk_before_the_rename_and_the_rename_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = []
    fsync, replace = os.fsync, Path.replace

    def traced_fsync(handle: int) -> None:
        steps.append("fsync folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "fsync file")
        fsync(handle)

    def traced_replace(self: Path, target: Path) -> Path:
        steps.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", traced_fsync)
    monkeypatch.setattr(Path, "replace", traced_replace)
    with atomic_write(tmp_path / "a.bin") as stream:
        stream.write(b"new")
    assert steps == ["fsync file", "rename", "fsync folder"]


def test_a_file_gets_the_permissions_the_user_asked_for(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with atomic_write(tmp_path / "a.bin") as stream:
            stream.write(b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.bin").stat().st_mode) == 0o640


def test_a_killed_writer_leaves_the_old_file_and_a_temporary_that_can_be_cleared(tmp_path: Path) -> None:
    path, other = tmp_path / "a.bin", tmp_path / ".b.bin.1234.tmp"
    path.write_bytes(b"old")
    other.write_bytes(b"of another file")
    script = (
        "import os, signal, sys; from pathlib import Path; from mnistnet.util.atomic_files import atomic_write\n"
        "with atomic_write(Path(sys.argv[1])) as stream:\n"
        "    stream.write(b'half'); stream.flush(); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 3
    remove_temporaries(tmp_path, "a.bin")
    assert sorted(p.name for p in tmp_path.iterdir()) == [other.name, "a.bin"]


def test_a_reason_is_in_words_without_number_and_path() -> None:
    assert reason(OSError(errno.EACCES, "Permission denied", "/secret")) == "permission denied"
    assert reason(OSError("Something odd")) == "something odd"


@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "folder"])
def test_only_a_regular_file_is_opened_where_nobody_else_should_write(tmp_path: Path, kind: str) -> None:
    path, target = tmp_path / "own", tmp_path / "target"
    if kind == "link":
        target.write_bytes(b"precious")
    if "link" in kind:
        path.symlink_to(target)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    for flags in (os.O_RDONLY, os.O_RDWR | os.O_CREAT, os.O_RDWR | os.O_APPEND):
        with pytest.raises(OSError, match=r"it is a link|device or a pipe|[Ii]s a directory"):
            open_regular(path, flags)
    assert kind != "link" or target.read_bytes() == b"precious"
    assert kind != "dangling link" or not target.exists()


def test_what_a_killed_writer_left_goes_with_the_next_write_and_what_a_live_one_writes_stays(tmp_path: Path) -> None:
    path = tmp_path / "a[1].bin"
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    with atomic_write(path) as stream:
        own = next(tmp_path.iterdir())
        left = own.with_name(own.name.replace(str(os.getpid()), dead.stdout.decode().strip()))
        left.write_bytes(b"half")
        stream.write(b"first")
        with atomic_write(path) as other:
            other.write(b"second")
        assert own.exists()
        assert not left.exists()
    assert [file.name for file in tmp_path.iterdir()] == ["a[1].bin"]
    assert path.read_bytes() == b"first"
