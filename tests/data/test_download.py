"""Whatever a mirror does, the next one is asked; what is written at last is the published file or nothing."""

import gzip
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from mnistnet import __version__
from mnistnet.data import download
from mnistnet.data.registry import MNIST, RemoteFile
from mnistnet.errors import DownloadError
from tests import mirror as misbehaviour
from tests.mirror import Behaviour, mirror, refused_port

CONTENT = gzip.compress(bytes(range(256)) * 4, mtime=0)
FILE = RemoteFile("a.gz", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
SIZE = len(CONTENT)

FAILURES: dict[Behaviour, str] = {
    misbehaviour.status(403): "HTTP 403 Forbidden",
    misbehaviour.status(404): "HTTP 404 Not Found",
    misbehaviour.status(503): "HTTP 503 Service Unavailable",
    misbehaviour.silent: "fell silent for 1 s",
    misbehaviour.falls_silent: "fell silent for 1 s",
    misbehaviour.short: f"ended after {SIZE // 2} of {SIZE} bytes",
    misbehaviour.cut: f"ended after {SIZE // 2} of {SIZE} bytes",
    misbehaviour.cut_in_a_chunk: f"ended after {SIZE // 2} of {SIZE} bytes",
    misbehaviour.empty: f"ended after 0 of {SIZE} bytes",
    misbehaviour.too_long: f"sent more than the {SIZE} bytes of the file",
    misbehaviour.endless: f"sent more than the {SIZE} bytes of the file",
    misbehaviour.flipped: "sent another file: SHA-256 ",
    misbehaviour.web_page: f"sent more than the {SIZE} bytes of the file (it looks like a web page)",
    misbehaviour.redirects_to_itself: "redirects without end",
    misbehaviour.drips_body: f" of {SIZE} bytes in 1 s",
    misbehaviour.drips_header: f"too slow: 0 of {SIZE} bytes in 1 s",
    misbehaviour.drips_chunk_size: f"too slow: 0 of {SIZE} bytes in 1 s",
    misbehaviour.resets: "the connection failed: Connection reset by peer",
    misbehaviour.hangs_up: "the connection failed: Remote end closed connection without response",
    misbehaviour.not_http: "the connection failed: 220 mail.example ESMTP",
}

ODD_ADDRESSES = [
    "foo",
    "/a/folder",
    "ftp://127.0.0.1/",
    "file:///etc/",
    "",
    "http://",
    "http://[::1",
    "http://127.0.0.1:99999/",
    "http://127.0.0.1:port/",
    "http://a..b/",
    "http://two words/",
    "http://127.0.0.1/\x1b[31m",
]


@pytest.fixture
def good() -> Iterator[misbehaviour.Mirror]:
    with mirror({FILE.name: CONTENT}) as server:
        yield server


def _reason(*mirrors: str) -> str:
    """Return what is said about the first mirror when none has the file."""
    with pytest.raises(DownloadError) as caught:
        download.fetch(FILE, mirrors)
    (mirror,) = mirrors
    before = f"no mirror could give a.gz: {mirror.rstrip('/')}/a.gz: "
    assert str(caught.value).startswith(before)
    return str(caught.value).removeprefix(before)


@pytest.mark.parametrize(("behaviour", "words"), FAILURES.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_a_failing_mirror_is_named_with_a_plain_reason_and_the_next_one_asked(
    behaviour: Behaviour, words: str, good: misbehaviour.Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "GRACE" if "drips" in behaviour.__name__ else "READ_TIMEOUT", 1.0)
    with mirror({FILE.name: CONTENT}, behaviour) as bad:
        assert download.fetch(FILE, [bad.url, good.url]) == CONTENT
        assert (bad.asked[0], good.asked) == ("/a.gz", ["/a.gz"])
        reason = _reason(bad.url)
    assert words in reason
    assert reason.isprintable()


@pytest.mark.parametrize("address", ODD_ADDRESSES)
def test_an_address_that_is_none_is_a_reason_like_any_other(address: str, good: misbehaviour.Mirror) -> None:
    assert _reason(address) == "expected an address such as https://host/folder/"
    assert download.fetch(FILE, [address, good.url]) == CONTENT


def test_a_refused_connection_moves_on(good: misbehaviour.Mirror) -> None:
    address = f"http://127.0.0.1:{refused_port()}"
    assert _reason(address) == "the connection failed: Connection refused"
    assert download.fetch(FILE, [address, good.url]) == CONTENT


def test_an_unknown_host_moves_on(good: misbehaviour.Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    look_up = socket.getaddrinfo

    def only_numbers(host: str, *args: Any, **kwargs: Any) -> Any:
        if host == "mirror.invalid":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return look_up(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", only_numbers)
    assert _reason("http://mirror.invalid/") == "the connection failed: Name or service not known"
    assert download.fetch(FILE, ["http://mirror.invalid/", good.url]) == CONTENT


def test_a_connection_that_takes_too_long_moves_on(good: misbehaviour.Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def slow(self: socket.socket, address: Any) -> None:
        if address[0] == "127.0.0.9":
            raise TimeoutError("timed out")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", slow)
    assert _reason("http://127.0.0.9/") == "no answer within 10 s"
    assert download.fetch(FILE, ["http://127.0.0.9/", good.url]) == CONTENT


def test_a_failing_tls_handshake_moves_on(good: misbehaviour.Mirror) -> None:
    address = good.url.replace("http://", "https://")
    assert _reason(address).startswith("no secure connection (TLS): ")
    assert download.fetch(FILE, [address, good.url]) == CONTENT


@pytest.mark.parametrize(
    "behaviour",
    [misbehaviour.chunked, misbehaviour.calls_it_gzip_encoded, misbehaviour.redirects_with_an_endless_body],
    ids=lambda behaviour: behaviour.__name__,
)
def test_a_right_file_sent_in_an_odd_way_is_taken(behaviour: Behaviour) -> None:
    with mirror({FILE.name: CONTENT}, behaviour) as odd:
        assert download.fetch(FILE, [odd.url]) == CONTENT


def test_every_failure_is_named_in_the_order_of_the_mirrors() -> None:
    with ExitStack() as stack:
        servers = [stack.enter_context(mirror({}, behaviour)) for behaviour in (misbehaviour.status(503), None)]
        with pytest.raises(DownloadError) as caught:
            download.fetch(FILE, [server.url for server in servers] + ["foo"])
    assert str(caught.value) == (
        "no mirror could give a.gz: "
        f"{servers[0].url}a.gz: HTTP 503 Service Unavailable; "
        f"{servers[1].url}a.gz: HTTP 404 Not Found; "
        "foo/a.gz: expected an address such as https://host/folder/"
    )


@pytest.mark.parametrize("address", ["http://me:secret@127.0.0.1:1/a/", "https://secret@127.0.0.1:1", "me:secret@x/"])
def test_a_mirrors_password_is_never_shown(address: str) -> None:
    with pytest.raises(DownloadError) as caught:
        download.fetch(FILE, [address])
    assert "secret" not in str(caught.value)


def test_a_mirror_is_asked_under_our_own_name_for_the_file_as_it_is(good: misbehaviour.Mirror) -> None:
    download.fetch(FILE, [good.url])
    [headers] = good.headers_seen
    assert headers["user-agent"] == f"mnistnet/{__version__}"
    assert headers["accept-encoding"] == "identity"


def test_a_mirror_needs_no_slash_at_its_end(good: misbehaviour.Mirror) -> None:
    assert download.fetch(FILE, [good.url + "folder"]) == CONTENT
    assert good.asked == ["/folder/a.gz"]


def test_progress_ends_at_the_whole_size_and_never_passes_it(good: misbehaviour.Mirror) -> None:
    seen: list[tuple[str, int, int]] = []

    def note(name: str, received: int, size: int) -> None:
        seen.append((name, received, size))

    with mirror({FILE.name: CONTENT}, misbehaviour.endless) as bad:
        download.fetch(FILE, [bad.url, good.url], note)
    assert seen[0] == (FILE.name, 0, SIZE)
    assert seen[-1] == (FILE.name, SIZE, SIZE)
    assert all(received <= SIZE for _, received, _ in seen)


@pytest.mark.parametrize("error", [KeyboardInterrupt, BrokenPipeError, ValueError])
def test_an_error_of_whoever_watches_is_no_failure_of_the_mirror(
    error: type[BaseException], good: misbehaviour.Mirror
) -> None:
    def fail(name: str, received: int, size: int) -> None:
        raise error

    with pytest.raises(error):
        download.fetch(FILE, [good.url, good.url], fail)


# From here on with the program itself, in processes of its own. The mirrors given come before the published ones, which
# are therefore never asked.


@pytest.fixture(scope="module")
def mnist_files(mnist_dir: Path) -> dict[str, bytes]:
    return {file.name: (mnist_dir / "mnist" / file.name).read_bytes() for file in MNIST.files}


StartDownload = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start_download(tmp_path: Path) -> Iterator[StartDownload]:
    """Return a function that starts `mnistnet download` into tmp_path/data; what still runs at the end is killed."""
    with ExitStack() as stack:
        # Where Ctrl-C is ignored, as behind a shell's `&`, children would ignore it too.
        stack.callback(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, signal.default_int_handler))

        def start(*mirrors: str) -> subprocess.Popen[str]:
            options = [word for url in mirrors for word in ("--mirror", url)]
            command = [sys.executable, "-m", "mnistnet", "download", "--json", "--data-dir", "data", *options]
            process = stack.enter_context(
                subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            )
            stack.callback(process.kill)
            return process

        yield start


def _rows(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    out, error = process.communicate(timeout=60)
    assert process.returncode == 0, error
    return [json.loads(line) for line in out.splitlines()]


def _left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != ".download.lock")


def test_eight_processes_at_once_all_succeed_and_fetch_each_file_once(
    tmp_path: Path, start_download: StartDownload, mnist_files: dict[str, bytes]
) -> None:
    with mirror(mnist_files) as server:
        processes = [start_download(server.url) for _ in range(8)]
        rows = [row for process in processes for row in _rows(process)]
    names = sorted(mnist_files)
    assert sorted(server.asked) == [f"/{name}" for name in names]
    assert len(rows) == 8 * len(names)
    assert sorted(Path(row["file"]).name for row in rows if row["status"] == "fetched") == names
    assert {row["status"] for row in rows} == {"fetched", "verified"}
    assert _left_in(tmp_path / "data" / "mnist") == names


def test_a_mirror_on_the_command_line_comes_before_the_one_of_the_environment(
    tmp_path: Path, start_download: StartDownload, mnist_files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = {name: content for name, content in mnist_files.items() if "labels" in name}
    with mirror(labels) as first, mirror(mnist_files) as second:
        monkeypatch.setenv("MNISTNET_MIRROR", second.url)
        rows = _rows(start_download(first.url))
    assert [row["status"] for row in rows] == ["fetched"] * 4
    assert sorted(first.asked) == sorted(f"/{name}" for name in mnist_files)
    assert sorted(second.asked) == sorted(f"/{name}" for name in set(mnist_files) - set(labels))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_a_stopped_download_leaves_no_file_behind_and_does_not_block_the_next(
    number: signal.Signals,
    code: int,
    tmp_path: Path,
    start_download: StartDownload,
    mnist_files: dict[str, bytes],
) -> None:
    with mirror(mnist_files, misbehaviour.falls_silent) as stuck:
        process = start_download(stuck.url)
        assert stuck.half_sent.wait(60)
        os.kill(process.pid, number)
        out, error = process.communicate(timeout=60)
    assert process.returncode == code
    assert (out, "Traceback" in error) == ("", False)
    assert _left_in(tmp_path / "data" / "mnist") == []
    with mirror(mnist_files) as server:
        assert [row["status"] for row in _rows(start_download(server.url))] == ["fetched"] * 4
    assert _left_in(tmp_path / "data" / "mnist") == sorted(mnist_files)
