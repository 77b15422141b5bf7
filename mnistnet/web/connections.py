"""Connections to the page, bounded in number, time and memory: nobody may hold the server by being slow or greedy.

This is waitress with four of its doors closed. It waits for a request for as long as a byte comes now and then, and
for a visitor who never reads; it answers all that is sent ahead, whether the answers are read or not; one urgent byte
(MSG_OOB) keeps it spinning; and some heads make it hang up without a word.
"""

import contextlib
import socket
import time
from collections.abc import Callable
from typing import Any

from waitress.buffers import OverflowableBuffer
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError, TransferEncodingNotImplemented
from waitress.receiver import FixedStreamReceiver
from waitress.server import TcpWSGIServer
from waitress.task import ThreadedTaskDispatcher

from mnistnet.web.server import MAX_BODY

THREADS = 2  # for what takes milliseconds, and as many for what may take a second
SMALL = 2048  # bytes; a message without a picture has 1,200
MOST = 250  # connections
PATIENCE = 30.0  # seconds that a request may take to arrive, an answer to be read, or a connection to be idle
MAX_HEAD = 1 << 16  # bytes; a browser sends the cookies of every server that this machine has ever had


class _Nowhere(OverflowableBuffer):  # type: ignore[misc]
    """Takes the bytes of a body that is too large, and keeps none."""

    def append(self, s: bytes) -> None:
        pass


class _Request(HTTPRequestParser):  # type: ignore[misc]
    """A request as it arrives. A head that waitress stumbles over is a 400, and so is a body of unknown length."""

    def parse_header(self, header_plus: bytes) -> None:
        try:
            super().parse_header(header_plus)
        except TransferEncodingNotImplemented:
            self.chunked = True
        except ValueError:  # http://[ as an address, or a length of thousands of digits
            raise ParsingError("Bad address or length") from None
        if self.chunked:
            raise ParsingError("A body needs a Content-Length")  # chunks could hide megabytes that are no body
        if self.content_length > MAX_BODY:
            # It is read to its end, since who is still sending hears no answer; and the page refuses it by its length.
            self.body_rcv = FixedStreamReceiver(self.content_length, _Nowhere(1))


class _Connection(HTTPChannel):  # type: ignore[misc]
    """A connection, which has one request at a time. `since` is when what we wait for now began."""

    parser_class = _Request

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.since, self.idle = time.monotonic(), True
        super().__init__(*args, **kwargs)

    def received(self, data: bytes) -> Any:
        if self.idle:
            self.since, self.idle = time.monotonic(), False
        return super().received(data)

    def service(self) -> None:
        self.since = time.monotonic()
        with self.requests_lock:
            if len(self.requests) > 1:
                # What was sent ahead goes with the connection: 8 kB of it could ask for 7 MB, and no browser sends it.
                self.requests[0].headers["CONNECTION"] = "close"
        super().service()
        self.since, self.idle = time.monotonic(), True

    def handle_expt(self) -> None:
        self.handle_close()  # urgent data, which is no HTTP, and would be reported until somebody takes it

    def handle_close(self) -> None:
        super().handle_close()
        if self.request is not None:
            self.request.close()


class Server(TcpWSGIServer):  # type: ignore[misc]
    """Serves an application at a socket that listens, until the process ends."""

    channel_class = _Connection

    def __init__(
        self,
        app: Callable[..., Any],
        listener: socket.socket,
        takes_long: Callable[[str, bytes], bool] = lambda path, body: False,
        most: int | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self._takes_long, self._most, self._patience, self._next_look = takes_long, most or _affordable(), patience, 0.0
        self._slow_tasks = ThreadedTaskDispatcher()
        self._slow_tasks.set_thread_count(THREADS)
        super().__init__(
            app,
            _sock=listener,
            bind_socket=False,
            sockinfo=(listener.family, listener.type, listener.proto, listener.getsockname()),
            listen="",  # else it would look up an address of its own
            threads=THREADS,
            ident=None,
            asyncore_use_poll=True,
            # Reached only where all of them are being answered: else one more is let in, and one is closed.
            connection_limit=self._most + 10,
            max_request_header_size=MAX_HEAD,
            # Larger bodies are refused before they are read; up to here the page's own words are better.
            max_request_body_size=4 * MAX_BODY,
        )

    def add_task(self, task: Any) -> None:
        """Let threads answer: others where it may take long, so that the quick wait for the quick only."""
        (self._slow_tasks if self._is_slow(task.requests[0]) else self.task_dispatcher).add_task(task)

    def _is_slow(self, request: Any) -> bool:
        if request.error or request.content_length > SMALL:
            return not request.error
        stream = request.get_body_stream()
        body = stream.read()
        stream.seek(0)
        return self._takes_long("/" + request.path.lstrip("/"), body)

    def run(self) -> None:
        """Serve until the process ends."""
        while self._map:
            self.asyncore.loop(timeout=min(1.0, self._patience), use_poll=True, map=self._map, count=1)
            self._close_some()

    def _close_some(self) -> None:
        """Close connections whose time is over, and where there are too many, those that we wait for longest."""
        now, too_many = time.monotonic(), len(self.active_channels) - self._most
        if now < self._next_look and too_many <= 0:
            return
        self._next_look = now + min(1.0, self._patience)
        waiting = [channel for channel in list(self.active_channels.values()) if not channel.requests]
        for number, channel in enumerate(sorted(waiting, key=lambda channel: channel.since)):
            if number < too_many or channel.since < now - self._patience:
                # Not `will_close`, which waits until the visitor reads.
                with contextlib.suppress(OSError):
                    channel.handle_close()


def _affordable() -> int:
    """Return how many connections to keep: each may need two files, its own and a large body's."""
    try:
        import resource
    except ImportError:  # Windows, which counts sockets apart
        return MOST
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MOST if files == resource.RLIM_INFINITY else max(8, min(MOST, (files - 32) // 2))
