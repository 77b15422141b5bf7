"""Nobody holds the page's server by being slow, silent or greedy: its connections, around an application of our own."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from mnistnet.web import connections
from mnistnet.web.connections import MOST, Server
from mnistnet.web.server import MAX_BODY, takes_long

HEAD = b"HTTP/1.1\r\nHost: here\r\n"
GET = b"GET /quick " + HEAD + b"\r\n"
LARGE = 3_000_000  # bytes, more than the sockets of a connection hold


@dataclass
class Site:
    """A server that runs: an application that counts, answers /large at length and /wait when it is let go."""

    most: int | None = None
    patience: float = 30.0
    asked: list[str] = field(default_factory=list)
    go: threading.Event = field(default_factory=threading.Event)
    opened: list[socket.socket] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.server = Server(
            self.answer, self.listener, lambda path, _: path == "/wait", most=self.most, patience=self.patience
        )
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()

    def answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        self.asked.append(path)
        if path == "/wait":
            self.go.wait(20)
        body = bytes(LARGE) if path == "/large" else str(len(environ["wsgi.input"].read())).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    def connect(self, *parts: bytes) -> socket.socket:
        connection = socket.create_connection(self.listener.getsockname(), timeout=10)
        self.opened.append(connection)
        for part in parts:
            connection.sendall(part)
        return connection

    def ask(self, *parts: bytes) -> bytes:
        """Return the answer to a request."""
        with self.connect(*parts) as connection:
            return answer_on(connection)


def answer_on(connection: socket.socket) -> bytes:
    """Return the next answer, whole."""
    with connection.makefile("rb", buffering=0) as stream:
        lines: list[bytes] = []
        while not lines or lines[-1].strip():
            lines.append(stream.readline())
        length = next(int(line[15:]) for line in lines if line.startswith(b"Content-Length:"))
        return b"".join(lines) + b"".join(stream.read(1) for _ in range(length))


@pytest.fixture
def sites() -> Iterator[Callable[..., Site]]:
    with contextlib.ExitStack() as stack:

        def site(**settings: Any) -> Site:
            made = Site(**settings)

            def stop() -> None:
                made.go.set()
                for threads in (made.server.task_dispatcher, made.server._slow_tasks):
                    threads.shutdown()
                parts = list(made.server._map.values())
                made.server._map.clear()
                made.connect()  # wakes it, and it sees that nothing is left to serve
                made.thread.join(10)
                for connection in made.opened:
                    connection.close()
                for part in parts:
                    (part.handle_close if part in channels(made) else part.close)()

            stack.callback(stop)
            return made

        yield site


def channels(site: Site) -> list[Any]:
    return list(site.server.active_channels.values())


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def hung_up(connection: socket.socket, seconds: float = 5) -> bool:
    """Return whether the server ends a connection within so many seconds; what it still sends is thrown away."""
    connection.settimeout(seconds)
    try:
        while connection.recv(1 << 16):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"", b""),
        (b"GET /quick HTT", b""),
        (b"GET /quick HTTP/1.1\r\nHost: ", b"h"),
        (b"POST /quick " + HEAD + b"Content-Length: 900\r\n\r\nhalf", b"x"),
        (GET, b""),
        (b"\r\n", b"\r\n"),
        (b"GET /large " + HEAD + b"\r\n", b""),
    ],
    ids=["silent", "half a head", "a head byte by byte", "a body byte by byte", "idle", "blank lines", "never reads"],
)
def test_nobody_is_waited_for_longer_than_the_patience_however_they_keep_busy(
    sites: Callable[..., Site], start: bytes, more: bytes
) -> None:
    site = sites(patience=0.15)
    connection = site.connect(start)
    wait_for(lambda: len(site.server.active_channels) == 1)
    began = time.monotonic()
    with contextlib.suppress(OSError):
        while site.server.active_channels and time.monotonic() - began < 5:
            connection.sendall(more)
            time.sleep(0.05)
    assert 0.1 < time.monotonic() - began < 2
    assert hung_up(connection)
    assert site.ask(GET).endswith(b"\r\n\r\n0")


def test_where_too_many_wait_the_oldest_makes_room_and_who_is_being_answered_stays(sites: Callable[..., Site]) -> None:
    site = sites(most=4)
    served = site.connect(b"GET /wait " + HEAD + b"\r\n")
    wait_for(lambda: site.asked == ["/wait"])
    silent = []
    for number in range(6):
        silent.append(site.connect(b"GET /half"))
        wait_for(lambda n=number: len(site.server.active_channels) == min(4, n + 2))  # type: ignore[misc]
    assert all(hung_up(connection) for connection in silent[:3])
    assert not any(hung_up(connection, 0.05) for connection in silent[3:])
    assert site.ask(GET).startswith(b"HTTP/1.1 200 OK")
    site.go.set()
    assert answer_on(served).startswith(b"HTTP/1.1 200 OK")


def test_of_requests_sent_ahead_the_first_is_answered_and_the_rest_never_asked(sites: Callable[..., Site]) -> None:
    site = sites()
    with site.connect(GET * 50) as connection:
        assert answer_on(connection).startswith(b"HTTP/1.1 200 OK\r\nConnection: close")
        assert hung_up(connection)
    assert site.asked == ["/quick"]


def test_a_connection_can_be_used_again(sites: Callable[..., Site]) -> None:
    site = sites()
    with site.connect() as connection:
        for _ in range(3):
            connection.sendall(b"POST /quick " + HEAD + b"Content-Length: 4\r\n\r\nfour")
            assert answer_on(connection).endswith(b"\r\n\r\n4")


@pytest.mark.skipif(not hasattr(socket, "MSG_OOB"), reason="needs urgent data")
def test_an_urgent_byte_ends_its_connection_and_does_not_keep_the_server_spinning(sites: Callable[..., Site]) -> None:
    site = sites()
    connection = site.connect()
    connection.send(b"!", socket.MSG_OOB)
    assert hung_up(connection)
    assert site.ask(GET).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (b"GET http://[ " + HEAD + b"\r\n", b"400 Bad Request"),
        (b"GET /quick " + HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", b"400 Bad Request"),
        (b"POST /quick " + HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n0\r\n\r\n", b"400 Bad Request"),
        (b"POST /quick " + HEAD + b"Transfer-Encoding: gzip\r\nContent-Length: 4\r\n\r\nfour", b"400 Bad Request"),
        (b"GET /quick " + HEAD + b"Cookie: " + b"x" * 70_000 + b"\r\n\r\n", b"431 Request Header Fields Too Large"),
        (b"GET /quick " + HEAD + b"Content-Length: 99999999\r\n\r\n", b"413 Request Entity Too Large"),
    ],
    ids=["address", "length", "chunks", "coding", "head", "body"],
)
def test_a_head_that_cannot_be_met_is_answered_by_a_refusal(
    sites: Callable[..., Site], request_: bytes, answer: bytes
) -> None:
    site = sites()
    assert site.ask(request_).split(b" ", 1)[1].startswith(answer)
    assert site.asked == []


@pytest.mark.parametrize("size", [MAX_BODY, MAX_BODY + 1])
def test_a_body_that_is_too_large_is_read_to_its_end_and_not_kept(sites: Callable[..., Site], size: int) -> None:
    head = b"POST /quick " + HEAD + f"Content-Length: {size}\r\n\r\n".encode()
    kept = size if size == MAX_BODY else 0
    assert sites().ask(head, bytes(size)).endswith(f"\r\n\r\n{kept}".encode())


def test_a_body_that_is_cut_off_leaves_no_file_behind(sites: Callable[..., Site]) -> None:
    site = sites()
    with site.connect(b"POST /quick " + HEAD + b"Content-Length: 999999\r\n\r\n", bytes(800_000)):
        wait_for(lambda: any(c.request and c.request.body_bytes_received > 700_000 for c in channels(site)))
        (channel,) = channels(site)
    wait_for(lambda: not channels(site))
    assert channel.request.get_body_stream().closed


def test_what_is_quick_waits_for_nothing_that_takes_long(sites: Callable[..., Site]) -> None:
    site = sites()
    waiting = [site.connect(b"GET //wait " + HEAD + b"\r\n") for _ in range(20)]
    waiting += [site.connect(b"GET /quick " + HEAD + b"Content-Length: 9000\r\n\r\n" + bytes(9000)) for _ in range(5)]
    wait_for(lambda: len(site.asked) == connections.THREADS)
    assert site.ask(GET).startswith(b"HTTP/1.1 200 OK")
    assert site.asked == ["/wait", "/wait", "/quick"]
    site.go.set()
    for connection in waiting:
        assert answer_on(connection).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    ("path", "body", "long"),
    [
        ("/api/learn", b"", True),
        ("/api/judge", b"{}", True),
        ("/api/wish", b"{}", False),
        ("/", b"", False),
        ("/api/think", b'{"picture": "AAAA"}', True),
        ("/api/think", b'{"pict\\u0075re": "AAAA", "pixels": null}', True),
        ("/api/think", b'{"pixels": null}', False),
        ("/api/think", b"\xff[", False),
        ("/api/think", b"[" * 2000, False),
    ],
)
def test_lessons_judgements_and_pictures_take_long(path: str, body: bytes, long: bool) -> None:
    assert takes_long(path, body) is long


def test_connections_are_as_many_as_the_system_gives_files_for(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    found = []
    for files in (resource.RLIM_INFINITY, 100_000, 256, 20):
        monkeypatch.setattr(resource, "getrlimit", lambda _, files=files: (files, files))
        found.append(connections._affordable())
    assert found == [MOST, MOST, 112, 8]
