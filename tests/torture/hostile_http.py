"""Requests that are wrong as HTTP: heads, paths, sizes, those that stop in the middle, and what is sent ahead."""

import json
import random
from collections.abc import Iterator
from typing import Any

from mnistnet.web.server import FILES, MAX_BODY
from tests.torture.hostile import GOOD, MESSAGE, NAMES, SILENCE, Attack, changed, request

STATIC = (*FILES, "/favicon.ico")
ANYTHING = frozenset({SILENCE, 200, 204, 400, 403, 404, 405, 410, 413, 415, 421, 422, 431})


def heads(netloc: str) -> Iterator[Attack]:
    """Yield, to each endpoint and file, requests from elsewhere, with other methods, types and ways to write a head."""
    host, _, port = netloc.partition(":")
    for path in [f"/api/{name}" for name in (*NAMES, "none")] + list(STATIC):
        api = path.startswith("/api/")
        first, body = (f"POST {path} HTTP/1.1", b"{}") if api else (f"GET {path} HTTP/1.1", b"")

        def varied(allowed: set[int], f: str = first, b: bytes = body, **headers: Any) -> Attack:
            # A chunked body that never ends is waited for, so this visitor says that no more will come.
            chunked = "chunked" in str(headers.get("Transfer_Encoding"))
            allowed = allowed | {SILENCE} if chunked else allowed
            return Attack("head", request(netloc, b, f, **headers), frozenset(allowed), "half" if chunked else "")

        for stranger in (
            *("", "rebound.example", f"rebound.example:{port}", f"{host}:{int(port) + 1}", host, f"{host}:0{port}"),
            *(
                f"{netloc}.rebound.example",
                f"{netloc}@rebound.example",
                f"192.0.2.7:{port}",
                f"[::2]:{port}",
                "\xff\xfe",
            ),
            *(
                f"{netloc}, rebound.example",
                f"{netloc}/",
                f"{netloc}#",
                f"\t{host}\t:{port}",
                "x" * 20_000,
                f"0:{port}",
            ),
        ):
            yield varied({421}, Host=stranger)
        yield varied({421}, Host=None)
        for origin in (
            f"http://{host}:1",
            f"https://{netloc}",
            "http://elsewhere.example",
            "null",
            "",
            f"http://{netloc}/",
        ):
            yield varied({403}, Origin=origin)
        yield varied({403}, Sec_Fetch_Site="cross-site")
        for kind in (
            None,
            "",
            "text/plain",
            "multipart/form-data; boundary=a",
            "application/jsonx",
            "a" * 9000,
            ";;=\xff",
        ):
            yield varied({404, 415} if api else {200, 204}, Content_Type=kind)
        for way in ("a*=utf-8''%ff", "a*0*=x'", 'a="\\', "a*1=2; a*0=1"):
            yield varied({200, 204, 400, 404, 410}, Content_Type=f"application/json; {way}")
        for method in ("GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT", "BREW"):
            if method != first.split()[0]:
                yield varied(
                    {405} if api or method not in ("HEAD", "OPTIONS") else {200, 204}, f"{method} {path} HTTP/1.1"
                )
        for line in (
            f"get {path} HTTP/1.1",
            f"GET  {path} HTTP/1.1",
            f"GET {path}\tHTTP/1.1",
            f"GET {path} HTTP/x",
            "",
            path,
        ):
            yield varied({SILENCE, 400, 404}, line)
        for version in ("HTTP/1.0", "HTTP/9.9", "HTTP/0.9"):
            yield varied({200, 204, 400, 404}, f"{first.rsplit(' ', 1)[0]} {version}")
        for length in ("-1", "+2", "2, 2", "0x2", "9" * 5000, "two", "2 2", "\xb2"):
            yield varied(
                {400, SILENCE} if len(length) > 4000 else {400}, length=length
            )  # more digits than Python reads
        for coding in ("chunked", "gzip", "identity", "gzip, chunked", "chunked, chunked", "\x0bchunked", "x" * 3000):
            if api or "chunked" not in coding:  # without a body, the server rightly waits for chunks to come
                yield varied({200, 204, 400, 404, 501}, Transfer_Encoding=coding)
        for name, value in (
            *(("X-Forwarded-Host", "rebound.example"), ("X-HTTP-Method-Override", "DELETE"), ("Range", "bytes=9-1,-0")),
            *(("If-None-Match", "*"), ("Cookie", "a=" + "b;" * 900), ("Upgrade", "websocket"), ("Expect", "the-worst")),
            *(("Accept", "\xff" * 300), ("Content-Encoding", "gzip"), ("Authorization", "Basic " + "=" * 90)),
        ):
            yield varied({200, 204, 400, 404}, first, body, **{name: value})
        for junk in ("a\0b: c", "no colon", " folded: first", "a: b\rc", "a: b\nc", ": empty", "a b: c", "\x7f: x"):
            content = request(netloc, body, first)
            yield Attack("head", content.replace(b"\r\nHost", f"\r\n{junk}\r\nHost".encode(), 1), frozenset({400}))
        yield varied({431}, Cookie="x" * 70_000)
        yield varied({431}, first, body, **{f"X-{number}": "y" * 90 for number in range(900)})


def broken_heads(netloc: str, source: random.Random) -> Iterator[Attack]:
    """Yield good requests with bytes changed anywhere in the head."""
    while True:
        for path in [f"POST /api/{name} HTTP/1.1" for name in NAMES] + [f"GET {path} HTTP/1.1" for path in STATIC]:
            head, end, body = request(netloc, b"{}", path).partition(b"\r\n\r\n")
            yield Attack("broken head", changed(head, source) + end + body, ANYTHING, "half")


def paths(netloc: str) -> Iterator[Attack]:
    """Yield ways to ask for a file that is none of the page's."""
    goals = ("server.py", "etc/passwd", "static/main.js", "demo.py", "data/mnist", "%00", "")
    ups = (
        "../",
        "..%2f",
        "%2e%2e/",
        "%2e%2e%2f",
        "..\\",
        "..%5c",
        "%252e%252e%252f",
        "..%c0%af",
        "....//",
        "/",
        "./",
        "..;/",
    )
    for folder in ("/", "/static/", "/api/", "/main.js/", "/demo.css%2f", "//", "file:///", "/\\", "/main.js%00"):
        for up in ups:
            for times in (1, 6):
                for goal in goals:
                    path = f"{folder}{up * times}{goal}"
                    if path.removeprefix("file:").strip("/"):  # the page itself, however many slashes are in front
                        yield Attack("path", request(netloc, b"", f"GET {path} HTTP/1.1"), frozenset({400, 404, 405}))


def sizes(netloc: str) -> Iterator[Attack]:
    """Yield bodies of up to 13 MB to each endpoint."""
    for name in NAMES:
        first = f"POST /api/{name} HTTP/1.1"
        more = 400 if name == "load" else 413  # a checkpoint may be larger than other messages
        for size, status in ((MAX_BODY, 400), (MAX_BODY + 1, more), (2_000_000, more), (4_000_000, more)):
            yield Attack("size", request(netloc, b"x" * size, first), frozenset({status}))
            yield Attack("size", request(netloc, b"x" * size, first, Expect="100-continue"), frozenset({status}))
        # Past 12 MB it hangs up at once, and what was still under way can cost the answer.
        yield Attack("size", request(netloc, b"x" * 13_000_000, first), frozenset({SILENCE, 413}))
        yield Attack("size", request(netloc, b"{}", first, length="99999999999999"), frozenset({413}))


def cuts(netloc: str, source: random.Random) -> Iterator[Attack]:
    """Yield requests that stop anywhere, with a visitor who is then gone, or listens on."""
    while True:
        for name in NAMES:
            whole = request(netloc, json.dumps(source.choice(GOOD[name])).encode(), f"POST /api/{name} HTTP/1.1")
            end = source.choice(("close", "half", "reset"))
            yield Attack("cut", whole[: source.randrange(len(whole))], frozenset({SILENCE}), end)
            yield Attack("cut", whole, MESSAGE | {SILENCE} if end != "half" else MESSAGE, end)


def ahead(netloc: str, source: random.Random) -> Iterator[Attack]:
    """Yield a good request with junk, or many others, sent right behind it: the good one is answered.

    Where it asked to close the connection, what comes after it is never read, and TCP then resets the connection: an
    answer that is larger than its buffers may be lost.
    """
    while True:
        for name in NAMES:
            message = json.dumps(source.choice(GOOD[name])).encode()
            ends = source.choice(("close", None))
            good = request(netloc, message, f"POST /api/{name} HTTP/1.1", Connection=ends)
            junk = (
                source.randbytes(400),
                good * 20,
                b"\r\n" * 50,
                b"GET /main.js HTTP/1.1\r\n\r\n" * 300,
                b"\0" * 9000,
            )
            answers = {200, 410} | ({SILENCE} if ends else set())
            yield Attack("ahead", good + source.choice(junk), frozenset(answers))
