"""Promise 4: a download is what was published, or the command fails; a later command repairs the folder."""

import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mnistnet.data import download
from mnistnet.data.registry import MNIST, RemoteFile
from mnistnet.errors import DownloadError
from tests import mirror as misbehaviour
from tests.mirror import Behaviour, Mirror, Request, mirror
from tests.torture import real
from tests.torture.counts import counts
from tests.torture.tally import Tally

LABELS = MNIST.file("test", "labels")


@pytest.fixture(scope="module")
def published(mnist_dir: Path) -> dict[str, bytes]:
    return {file.name: (mnist_dir / "mnist" / file.name).read_bytes() for file in MNIST.files}


def sends(make: Callable[[bytes], bytes], announced: int | None = None) -> Behaviour:
    """Return a mirror's behaviour: send what `make` makes of the right body; None announces that body's length."""

    def send(request: Request) -> None:
        body = make(request.body or b"")
        request.begin(Content_Length=str(len(body) if announced is None else announced))
        request.wfile.write(body)

    return send


def damaged(content: bytes, source: random.Random) -> bytes:
    """Return content that was cut, or in which a bit is wrong, bytes are missing, doubled or follow."""
    at = source.randrange(len(content))
    match source.randrange(5):
        case 0:
            return content[:at]
        case 1:
            return content[:at] + bytes([content[at] ^ (1 << source.randrange(8))]) + content[at + 1 :]
        case 2:
            return content[:at] + content[at + 1 :]
        case 3:
            return content[:at] + content[at : at + 1] + content[at:]
        case _:
            return content + source.randbytes(1 + at % 100)


@counts(60, 2000)
def test_a_body_that_is_not_the_published_one_is_refused_whatever_is_wrong_with_it(
    published: dict[str, bytes], count: int, tally: Tally
) -> None:
    right, source, lost = published[LABELS.name], random.Random(7), 0
    tenths = [right[: len(right) * i // 10] for i in range(10)]
    bombs = [gzip.compress(bytes(50_000_000)), b"<html>Log in</html>", b"", bytes(LABELS.size)]
    bodies = [*tenths, *bombs, *(damaged(right, source) for _ in range(count))]
    with mirror({LABELS.name: right}) as server:
        for i, body in enumerate(bodies):
            announced = None if i % 3 else len(right)  # what is announced may be a lie too
            server.behaviour = sends(lambda _, body=body: body, announced)  # type: ignore[misc]
            try:
                lost += download.fetch(LABELS, [server.url]) != right
            except DownloadError as error:
                lost += not str(error).startswith(f"no mirror could give {LABELS.name}:")
        server.behaviour = misbehaviour.serve
        assert download.fetch(LABELS, [server.url]) == right
    tally.add(4, "bodies cut, flipped, padded, bombs", len(bodies), lost)
    assert not lost


@contextmanager
def over_tls(server: Mirror, folder: Path) -> Iterator[str]:
    """Let a mirror speak https, with a certificate that this process's clients trust; yield its address."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    import ssl

    key, certificate = folder / "key.pem", folder / "certificate.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names]
    subprocess.run([*made, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        yield server.url.replace("http:", "https:")


@pytest.mark.parametrize("honest", [True, False])
@counts(1, 1)
def test_a_redirect_from_https_to_http_changes_nothing_because_the_hash_decides(
    tmp_path: Path, published: dict[str, bytes], honest: bool, count: int, tally: Tally
) -> None:
    right = published[LABELS.name]
    wrong = bytes([right[0], right[1] ^ 1]) + right[2:]
    with mirror({LABELS.name: right if honest else wrong}) as plain, Mirror({}) as secure:
        secure.behaviour = lambda request: request.begin(302, Location=plain.url + LABELS.name, Content_Length="0")
        with over_tls(secure, tmp_path) as address:
            import threading

            thread = threading.Thread(target=secure.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            try:
                found = download.fetch(LABELS, [address])
            except DownloadError as error:
                found = str(error).encode()
            finally:
                secure.shutdown()
                thread.join()
    good = found == right if honest else b"sent another file" in found
    tally.add(4, f"a redirect from https to http, to {'the right' if honest else 'another'} file", 1, int(not good))
    assert good, found
    assert plain.asked == [f"/{LABELS.name}"]


# What lies in the folder


def flip(path: Path, source: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[source.randrange(len(content))] ^= 1 << source.randrange(8)
    path.chmod(0o600)
    path.write_bytes(content)


def flip_and_protect(path: Path, source: random.Random) -> None:
    flip(path, source)
    path.chmod(0o400)


def instead(make: Callable[[Path], object]) -> Callable[[Path, random.Random], object]:
    """Return a damage: something else in the file's place."""

    def damage(path: Path, source: random.Random) -> None:
        path.unlink()
        make(path)

    return damage


def full_folder(path: Path) -> None:
    path.mkdir()
    (path / "x").touch()


DAMAGES: dict[str, Callable[[Path, random.Random], object]] = {
    "a flipped bit": flip,
    "a flipped bit, read-only": flip_and_protect,
    "cut short": lambda path, source: os.truncate(path, source.randrange(path.stat().st_size)),
    "longer": lambda path, _: path.write_bytes(path.read_bytes() + b"x"),
    "a folder": instead(Path.mkdir),
    "a folder with a file": instead(full_folder),
    "a link to nowhere": instead(lambda path: path.symlink_to("nowhere")),
    "a link to itself": instead(lambda path: path.symlink_to(path.name)),
    "a link to another file": instead(lambda path: path.symlink_to(__file__)),
    "a link to a folder": instead(lambda path: path.symlink_to("/")),
    "a pipe": instead(os.mkfifo),
    "gone": lambda path, _: path.unlink(),
}


@counts(12, 360)
def test_a_damaged_folder_is_healed_by_the_next_command_and_never_believed(
    tmp_path: Path, published: dict[str, bytes], count: int, tally: Tally
) -> None:
    from mnistnet.data import datasets

    source, lost, folder = random.Random(8), 0, tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    outside = Path(__file__).read_bytes()
    with mirror(published) as server:
        for number in range(count):
            for name, content in published.items():
                if not (folder / name).exists():
                    (folder / name).write_bytes(content)
            file: RemoteFile = MNIST.files[number % 4 if number % 3 else 3]
            list(DAMAGES.values())[number % len(DAMAGES)](folder / file.name, source)
            store = datasets.store(MNIST, tmp_path / "data", [server.url])
            part = "train" if "train" in file.name else "test"
            if number % 2:
                store.ensure()  # fetches what is missing; what is there is verified when it is read
                lost += len(store.examples(part)) not in (10_000, 60_000)
            else:
                lost += [healed.name for healed in store.verify()] != [file.name]
            lost += (folder / file.name).read_bytes() != published[file.name]
            for stray in folder.glob("*.damaged-*"):
                shutil.rmtree(stray) if stray.is_dir() and not stray.is_symlink() else stray.unlink()
    assert Path(__file__).read_bytes() == outside, "what a link leads to is never written"
    tally.add(4, "files in the folder damaged, replaced by links, folders, pipes", count, lost)
    assert not lost


@counts(1, 12)
def test_of_eight_downloads_at_once_one_is_killed_and_the_others_end_well(
    tmp_path: Path, published: dict[str, bytes], count: int, tally: Tally
) -> None:
    source, lost = random.Random(9), 0
    for number in range(count):
        folder = tmp_path / str(number)
        words = ["download", "--json", "--data-dir", str(folder)]
        with mirror(published, slowly) as server:
            command = [sys.executable, "-m", "mnistnet", *words, "--mirror", server.url]
            pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
            processes: list[subprocess.Popen[str]] = [subprocess.Popen(command, text=True, **pipes) for _ in range(8)]  # type: ignore[call-overload]
            server.half_sent.wait(60)
            time.sleep(source.random())
            processes[number % 8].send_signal(signal.SIGKILL)
            ends = [(process.communicate(timeout=60)[1], process.returncode) for process in processes]
        lost += any(code != 0 for i, (_, code) in enumerate(ends) if i != number % 8)
        lost += any("Traceback" in error for error, _ in ends)
        lost += any((folder / "mnist" / name).read_bytes() != content for name, content in published.items())
        done = real.run(real.mnistnet(*words))
        lost += {json.loads(line)["status"] for line in done.stdout.splitlines()} != {"verified"}
    tally.add(4, "downloads into one folder, one of each eight killed", 8 * count, lost)
    assert not lost


def slowly(request: Request) -> None:
    """Send the right body in two halves."""
    body = request.body or b""
    request.begin(Content_Length=str(len(body)))
    request.wfile.write(body[: len(body) // 2])
    request.server.half_sent.set()
    request.server.over.wait(0.3)
    request.wfile.write(body[len(body) // 2 :])
