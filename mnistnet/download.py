"""Fetching one published file: several mirrors, bounded in size and time, trusted only by its SHA-256.

Whatever goes wrong at a mirror (no such host, TLS, an error status, silence, a short, long, slow or wrong body) is
a reason to ask the next one. Plain http is as good as https here, because the hash decides.
"""

import hashlib
import time
from collections.abc import Callable, Sequence

import requests
import urllib3

from mnistnet import __version__
from mnistnet.errors import DownloadError
from mnistnet.registry import RemoteFile

CONNECT_TIMEOUT = 10.0  # seconds until a mirror must have answered
READ_TIMEOUT = 30.0  # seconds of silence in the middle of a body
GRACE, SLOWEST = 30.0, 20_000  # a body may take GRACE seconds plus its size at SLOWEST bytes a second
CHUNK = 1 << 16

Progress = Callable[[str, int, int], None]
"""Called with a file's name, the bytes that have come, and the bytes to come in all."""


def fetch(file: RemoteFile, mirrors: Sequence[str], on_progress: Progress | None = None) -> bytes:
    """Return the verified content of a file from the first mirror that has it.

    Raises DownloadError, a line a mirror with its reason, when none has.
    """
    failures = []
    with requests.Session() as session:
        # "identity": some servers call a .gz file a compressed page, and would have us unpack it on arrival.
        session.headers.update({"User-Agent": f"mnistnet/{__version__}", "Accept-Encoding": "identity"})
        for mirror in mirrors:
            url = mirror.rstrip("/") + "/" + file.name
            try:
                return _fetch_from(session, url, file, on_progress)
            except _MirrorError as error:
                failures.append(f"  {url}: {error}")
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                failures.append(f"  {url}: {_explain(error)}")
    raise DownloadError(f"no mirror could give {file.name}:\n" + "\n".join(failures))


class _MirrorError(Exception):
    """What a mirror sent is not the file."""


def _fetch_from(session: requests.Session, url: str, file: RemoteFile, on_progress: Progress | None) -> bytes:
    deadline = time.monotonic() + GRACE + file.size / SLOWEST
    digest, received = hashlib.sha256(), 0
    parts: list[bytes] = []
    with session.get(url, stream=True, timeout=(CONNECT_TIMEOUT, READ_TIMEOUT)) as response:
        if response.status_code != requests.codes.ok:
            raise _MirrorError(f"HTTP {response.status_code} {response.reason or ''}".rstrip())
        # read1 gives back what has come so far; read would wait for a whole chunk of a body that drips.
        while chunk := response.raw.read1(CHUNK, decode_content=False):
            received += len(chunk)
            if received > file.size:
                raise _MirrorError(f"sent more than the {file.size:,} bytes of the file" + _page(parts))
            if time.monotonic() > deadline:
                raise _MirrorError(f"too slow: {received:,} of {file.size:,} bytes when the time was up")
            digest.update(chunk)
            parts.append(chunk)
            if on_progress:
                on_progress(file.name, received, file.size)
    if received != file.size:
        raise _MirrorError(f"ended after {received:,} of {file.size:,} bytes" + _page(parts))
    if digest.hexdigest() != file.sha256:
        found, right = digest.hexdigest()[:12], file.sha256[:12]
        raise _MirrorError(f"sent another file: its SHA-256 is {found}..., expected {right}..." + _page(parts))
    return b"".join(parts)


def _page(parts: Sequence[bytes]) -> str:
    """Return a remark for the commonest wrong body: a page for people, sent with status 200."""
    return " (it looks like a web page)" if parts and parts[0].lstrip()[:1] == b"<" else ""


def _explain(error: Exception) -> str:
    if isinstance(error, requests.exceptions.SSLError):
        return "no secure connection (TLS): " + _innermost(error)
    if isinstance(error, requests.ConnectTimeout):
        return f"no answer within {CONNECT_TIMEOUT:g} s"
    if isinstance(error, requests.ReadTimeout | urllib3.exceptions.ReadTimeoutError):
        return f"fell silent for {READ_TIMEOUT:g} s"
    if isinstance(error, requests.TooManyRedirects):
        return "redirects without end"
    if isinstance(error, requests.ConnectionError):
        return "cannot connect: " + _innermost(error)
    if isinstance(error, urllib3.exceptions.IncompleteRead):
        return f"ended after {error.partial:,} bytes" if isinstance(error.partial, int) else "ended too early"
    return _innermost(error)


def _innermost(error: BaseException) -> str:
    """Return the words of the error that started a chain of wrapped errors, which are the clearest."""
    while True:
        inner = error.__cause__ or error.__context__
        if inner is None:
            break
        error = inner
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__
