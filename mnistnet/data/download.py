"""Fetching one published file: several mirrors, bounded in size and time, trusted only by its SHA-256.

Whatever goes wrong at a mirror (no such host, TLS, an error status, silence, a short, long, slow or wrong body) is
a reason to ask the next one. Plain http is as good as https here, because the hash decides.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from http.client import IncompleteRead
from http.client import responses as status_words
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3

from mnistnet import __version__
from mnistnet.data.registry import RemoteFile
from mnistnet.errors import DownloadError
from mnistnet.util.printable import printable, without_password

CONNECT_TIMEOUT = 10.0  # seconds until a mirror must have answered
READ_TIMEOUT = 30.0  # seconds of silence
GRACE, SLOWEST = 30.0, 20_000  # a mirror has GRACE seconds, plus the time for the size at SLOWEST bytes a second
CHUNK = 1 << 16
TICK = 0.1  # seconds between two checks of a transfer

Progress = Callable[[str, int, int], None]
"""Called with a file's name, the bytes received, and the bytes expected."""


def fetch(file: RemoteFile, mirrors: Sequence[str], on_progress: Progress | None = None) -> bytes:
    """Return the verified content of a file from the first mirror that has it.

    Raises DownloadError, which gives each mirror's reason, when none has.
    """
    failures = []
    for mirror in mirrors:
        url = mirror.rstrip("/") + "/" + file.name
        try:
            _check_address(url)
            return _verified(_receive(url, file, on_progress), file)
        except _MirrorError as error:
            failures.append(without_password(f"{url}: {error}"))
    raise DownloadError(f"no mirror could give {file.name}: {'; '.join(failures)}")


def _check_address(url: str) -> None:
    """Raise _MirrorError for an invalid address, which libraries handle differently."""
    try:
        parts = urlsplit(url)
        well_formed = parts.scheme in ("http", "https") and parts.port != 0
        labels = (parts.hostname or "").rstrip(".").split(".")
    except ValueError:  # an unclosed bracket, a port that is no number
        well_formed, labels = False, []
    if not (well_formed and all(labels) and url.isprintable() and " " not in url):
        raise _MirrorError("expected an address such as https://host/folder/")


class _MirrorError(Exception):
    """The reason why a mirror did not give the file."""


class _Transfer(threading.Thread):
    """What one mirror sends, received in a thread.

    A socket's time-out bounds each wait for the next byte, not their sum: a header that drips could last for days.
    So the caller watches the clock, and may abandon the thread.
    """

    def __init__(self, url: str, size: int) -> None:
        super().__init__(name=f"fetching {url}", daemon=True)
        self.url, self.size = url, size
        self.parts: list[bytes] = []
        self.received = 0
        self.failure: Exception | None = None
        self.abandoned = False

    def run(self) -> None:
        """Receive until the body ends, or exceeds the expected size."""
        try:
            with requests.Session() as session:
                self._receive(session)
        except Exception as error:  # for the waiting thread to raise
            if not isinstance(_innermost(error), IncompleteRead):  # the content will be found too short
                self.failure = error

    def _receive(self, session: requests.Session) -> None:
        # "identity": some servers declare a .gz file a compressed page, which would be unpacked on arrival.
        session.headers.update({"User-Agent": f"mnistnet/{__version__}", "Accept-Encoding": "identity"})
        session.hooks["response"].append(_drop_body_of_redirect)
        with session.get(self.url, stream=True, timeout=(CONNECT_TIMEOUT, READ_TIMEOUT)) as response:
            if response.status_code != requests.codes.ok:
                words = status_words.get(response.status_code, "")  # the server's own could hold anything
                raise _MirrorError(f"HTTP {response.status_code} {words}".rstrip())
            # read1 returns the bytes received so far; read would wait for a whole chunk of a slow body.
            while self.received <= self.size and (chunk := response.raw.read1(CHUNK, decode_content=False)):
                if self.abandoned:
                    return
                self.parts.append(chunk)
                self.received += len(chunk)


def _receive(url: str, file: RemoteFile, on_progress: Progress | None) -> bytes:
    """Return what a mirror sends within the time for the file, at most a chunk more than its size."""
    seconds = GRACE + file.size / SLOWEST
    deadline = time.monotonic() + seconds
    transfer = _Transfer(url, file.size)
    transfer.start()
    try:
        while transfer.is_alive():
            if on_progress:
                on_progress(file.name, min(transfer.received, file.size), file.size)
            if time.monotonic() > deadline:
                raise _MirrorError(f"too slow: {transfer.received:,} of {file.size:,} bytes in {seconds:.0f} s")
            transfer.join(TICK)
    finally:
        transfer.abandoned = True
    if isinstance(transfer.failure, requests.RequestException | urllib3.exceptions.HTTPError | OSError | ValueError):
        raise _MirrorError(_explain(transfer.failure))
    if transfer.failure:
        raise transfer.failure
    if on_progress and transfer.received == file.size:
        on_progress(file.name, file.size, file.size)
    return b"".join(transfer.parts)


def _verified(content: bytes, file: RemoteFile) -> bytes:
    page = " (it looks like a web page)" if content.lstrip()[:1] == b"<" else ""
    if len(content) > file.size:
        raise _MirrorError(f"sent more than the {file.size:,} bytes of the file{page}")
    if len(content) < file.size:
        raise _MirrorError(f"ended after {len(content):,} of {file.size:,} bytes{page}")
    found = hashlib.sha256(content).hexdigest()
    if found != file.sha256:
        raise _MirrorError(f"sent another file: SHA-256 {found[:12]}..., expected {file.sha256[:12]}...{page}")
    return content


def _drop_body_of_redirect(response: requests.Response, **_: Any) -> None:
    # requests would receive it to its end, and it may have none.
    if response.is_redirect:
        response.close()


def _explain(error: Exception) -> str:
    words = _words(_innermost(error))
    if isinstance(error, requests.exceptions.SSLError):
        return "no secure connection (TLS): " + words
    if isinstance(error, requests.ConnectTimeout):
        return f"no answer within {CONNECT_TIMEOUT:g} s"
    if isinstance(error, requests.ReadTimeout | urllib3.exceptions.ReadTimeoutError):
        return f"fell silent for {READ_TIMEOUT:g} s"
    if isinstance(error, requests.TooManyRedirects):
        return "redirects without end"
    if isinstance(error, requests.ConnectionError | urllib3.exceptions.ProtocolError):
        return "the connection failed: " + words
    return words


def _innermost(error: BaseException) -> BaseException:
    """Return the error that started a chain of wrapped errors: its message is the clearest."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return error


def _words(error: BaseException) -> str:
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return printable(" ".join(words.split())[:200]) or type(error).__name__  # they may contain text from the server
