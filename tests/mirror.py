"""A mirror on this machine that can misbehave in every way a mirror on the internet can, and a small data set."""

import gzip
import hashlib
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pytest

from mnistnet.data.registry import NAMES, DatasetSpec, RemoteFile


class Behaviour(Protocol):
    """How a mirror answers a request."""

    __name__: str

    def __call__(self, request: "Request", /) -> None: ...


class Mirror(ThreadingHTTPServer):
    """Serves `files` by name; what it was asked for stands in `asked` (paths) and `agents` (User-Agent headers)."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 32

    def __init__(self, files: Mapping[str, bytes], behaviour: Behaviour | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.files = dict(files)
        self.behaviour = behaviour or serve
        self.asked: list[str] = []
        self.headers_seen: list[dict[str, str]] = []
        self.half_sent = threading.Event()
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that hangs up on a mirror that misbehaves is what the tests want to see."""


class Request(BaseHTTPRequestHandler):
    server: Mirror

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.server.headers_seen.append({name.lower(): value for name, value in self.headers.items()})
        self.server.behaviour(self)

    def log_message(self, format: str, *args: object) -> None:
        pass

    @property
    def body(self) -> bytes | None:
        return self.server.files.get(self.path.rsplit("/", 1)[-1])

    def begin(self, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def drip(self, content: bytes) -> None:
        """Send one byte at a time until the mirror is closed or the client has gone."""
        while not self.server.over.wait(0.02):
            self.wfile.write(content)


def serve(request: Request) -> None:
    body = request.body
    if body is None:
        status(404)(request)
        return
    request.begin(Content_Length=str(len(body)))
    request.wfile.write(body)


def status(code: int) -> Behaviour:
    def send_status(request: Request) -> None:
        request.send_error(code)

    return send_status


def silent(request: Request) -> None:
    request.server.over.wait()


def falls_silent(request: Request) -> None:
    body = request.body or b""
    request.begin(Content_Length=str(len(body)))
    request.wfile.write(body[: len(body) // 2])
    request.server.half_sent.set()
    request.server.over.wait()


def short(request: Request) -> None:
    """Announce the whole body and send half of it."""
    body = request.body or b""
    request.begin(Content_Length=str(len(body)))
    request.wfile.write(body[: len(body) // 2])


def cut(request: Request) -> None:
    """Send half of the body without having said how long it is: the end of the connection is its end."""
    body = request.body or b""
    request.begin()
    request.wfile.write(body[: len(body) // 2])


def cut_in_a_chunk(request: Request) -> None:
    """Announce a chunk of the whole body and send half of it."""
    body = request.body or b""
    request.protocol_version = "HTTP/1.1"
    request.begin(Transfer_Encoding="chunked", Connection="close")
    request.wfile.write(f"{len(body):x}\r\n".encode() + body[: len(body) // 2])


def chunked(request: Request) -> None:
    """Send the right body in two chunks, without having said how long it is."""
    body = request.body or b""
    request.protocol_version = "HTTP/1.1"
    request.begin(Transfer_Encoding="chunked", Connection="close")
    for part in (body[:7], body[7:], b""):
        request.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")


def empty(request: Request) -> None:
    request.begin(Content_Length="0")


def too_long(request: Request) -> None:
    body = (request.body or b"") + b"more"
    request.begin(Content_Length=str(len(body)))
    request.wfile.write(body)


def endless(request: Request) -> None:
    request.begin()
    while not request.server.over.is_set():
        request.wfile.write(bytes(1 << 16))


def flipped(request: Request) -> None:
    """Send a body of the right length in which one bit is wrong."""
    body = bytearray(request.body or b"")
    body[len(body) // 2] ^= 1
    request.begin(Content_Length=str(len(body)))
    request.wfile.write(body)


def web_page(request: Request) -> None:
    page = b"<!DOCTYPE html><title>Log in to the network of this hotel</title>" + b"<p>" * 5_000
    request.begin(Content_Type="text/html", Content_Length=str(len(page)))
    request.wfile.write(page)


def redirects_to_itself(request: Request) -> None:
    request.begin(302, Location=request.path, Content_Length="0")


def redirects_with_an_endless_body(request: Request) -> None:
    """Redirect to the right file, but with a body to the redirect that never ends."""
    if request.path.startswith("/there/"):
        serve(request)
        return
    request.begin(302, Location="/there" + request.path)
    while not request.server.over.is_set():
        request.wfile.write(bytes(1 << 16))


def drips_body(request: Request) -> None:
    request.begin(Content_Length="1000000")
    request.drip(b"x")


def drips_header(request: Request) -> None:
    request.wfile.write(b"HTTP/1.0 200 OK\r\nX-Long: ")
    request.drip(b"x")


def drips_chunk_size(request: Request) -> None:
    request.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;")
    request.drip(b"x")


def resets(request: Request) -> None:
    """Break the connection off in the middle of the body, without the usual farewell."""
    body = request.body or b""
    request.begin(Content_Length=str(len(body)))
    request.wfile.write(body[: len(body) // 2])
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.connection.close()


def hangs_up(request: Request) -> None:
    """Close the connection without a word."""


def not_http(request: Request) -> None:
    request.wfile.write(b"220 mail.example ESMTP \x1b[2J\r\n")


def calls_it_gzip_encoded(request: Request) -> None:
    """Send the right file, but call its gzip a matter of transport, as some servers do with .gz files."""
    body = request.body or b""
    request.begin(Content_Encoding="gzip", Content_Type="text/plain", Content_Length=str(len(body)))
    request.wfile.write(body)


@contextmanager
def mirror(files: Mapping[str, bytes], behaviour: Behaviour | None = None) -> Iterator[Mirror]:
    """Run a mirror for as long as the block lasts; meanwhile no proxy stands before this machine."""
    with Mirror(files, behaviour) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        patch.setenv("no_proxy", "127.0.0.1")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()


def refused_port() -> int:
    """Return a port of this machine at which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def idx_file(numbers: npt.NDArray[np.uint8]) -> bytes:
    return struct.pack(f">HBB{numbers.ndim}I", 0, 8, numbers.ndim, *numbers.shape) + numbers.tobytes()


def small_dataset(*mirrors: str, name: str = "small") -> tuple[DatasetSpec, dict[str, bytes]]:
    """Return a made-up data set of 20 training and 10 test images of 4x4 pixels, and its files' content by name."""
    numbers = np.random.default_rng(0)
    files, remote = {}, []
    for (part, kind), file_name in NAMES.items():
        n = 20 if part == "train" else 10
        array = numbers.integers(0, 256, (n, 4, 4)) if kind == "images" else np.arange(n) % 10
        plain = idx_file(array.astype(np.uint8))
        packed = files[file_name] = gzip.compress(plain, mtime=0)
        content_hash = hashlib.sha256(plain).hexdigest() if kind == "images" else None
        remote.append(RemoteFile(file_name, len(packed), hashlib.sha256(packed).hexdigest(), content_hash))
    spec = DatasetSpec(name, "A small data set", tuple(remote), mirrors, "none", tuple("0123456789"), shape=(4, 4))
    return spec, files
