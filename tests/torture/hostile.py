"""What a hostile visitor sends to the page, and what its server may answer: bytes, seeded, by kind."""

import base64
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from mnistnet import pretrained
from mnistnet.web.server import HEADERS
from tests.pictures import SEVEN, enlarged, png

PIXELS = base64.b64encode(SEVEN.tobytes()).decode()
PICTURE = base64.b64encode(png(255 - enlarged(SEVEN, 4))).decode()
CHECKPOINT = base64.b64encode(pretrained.path("3blue1brown").read_bytes()).decode()
EXAMPLE = {"pixels": PIXELS, "label": 4}
BEGIN = {
    "hidden": [8],
    "activation": "relu",
    "loss": "cross_entropy",
    "optimizer": "adam",
    "learning_rate": 0.01,
    "batch_size": 100,
    "images": 1000,
}
GOOD: dict[str, list[dict[str, Any]]] = {
    "describe": [{}],
    "draw": [{}, {"index": 9_999}],
    "think": [{"pixels": PIXELS}, {"picture": PICTURE}, {"pixels": PIXELS, "session": None}],
    "wish": [EXAMPLE, {**EXAMPLE, "neuron": [1, 15]}],
    "average": [EXAMPLE],
    "judge": [EXAMPLE],
    "learn": [
        {**EXAMPLE, "rate": 1},
        {**EXAMPLE, "rate": 100.0, "times": 5},
        {**EXAMPLE, "rate": 0.1, "at_random": True},
    ],
    "forget": [{"session": "a"}],
    "begin": [BEGIN, {**BEGIN, "loss": "quadratic", "batch_size": "all", "wrong_labels": 0.1}],
    "advance": [{"training": "a", "milliseconds": 25, "pixels": PIXELS}],
    "race": [{**{key: value for key, value in BEGIN.items() if key != "batch_size"}, "batch_sizes": [10, "all"]}],
    "together": [{"training": "a", "milliseconds": 25}],
    "survey": [{"training": "a"}],
    "load": [{"checkpoint": CHECKPOINT, "name": "a.npz"}],
    "adopt": [{"training": "a"}],
    "save": [{"training": "a"}],
    "leave": [{"training": "a"}],
}
"""Messages that are answered, by endpoint."""
NAMES = tuple(GOOD)
SILENCE = 0  # in place of a status: the server hung up without a word
MESSAGE = frozenset({200, 400, 410, 422})
NULL = {
    *("nudges", "slopes", "activation_nudges", "activations", "weight_nudges"),
    *("train_accuracy", "reading", "silent", "stuck"),
}
"""Keys of answers that may be null; anywhere else a null is a number that was not finite."""


@dataclass(frozen=True)
class Attack:
    """What is sent, how it ends ("": the visitor listens; "close", "half" of it, or "reset") and what may come back."""

    what: str
    content: bytes
    allowed: frozenset[int]
    end: str = ""


def request(
    netloc: str,
    body: bytes = b"",
    first: str = "POST /api/describe HTTP/1.1",
    length: str | None = None,
    **headers: Any,
) -> bytes:
    """Return a good request but for what is asked; a header of None is left out."""
    named = {"Host": netloc, "Content-Type": "application/json", "Connection": "close"}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    named["Content-Length"] = str(len(body)) if length is None else length
    lines = [first, *(f"{name}: {value}" for name, value in named.items() if value is not None), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def picture(content: bytes) -> bytes:
    """Return the message that asks what is seen in a picture."""
    return json.dumps({"picture": base64.b64encode(content).decode()}).encode()


def wrong(attack: Attack, status: int, headers: dict[str, str], body: bytes) -> str | None:
    """Return what is wrong with an answer, or None."""
    if status not in attack.allowed:
        return f"status {status}, expected {sorted(attack.allowed)}: {body[:200]!r}"
    if b"Traceback" in body or b'File "' in body or "server" in headers or "access-control-allow-origin" in headers:
        return f"tells too much: {headers} {body[:300]!r}"
    kind = headers.get("content-type", "")
    if status == SILENCE or (kind.startswith("text/plain") and (400 <= status < 500 or status == 501)):
        return None  # waitress itself has refused what is hardly HTTP
    if {name: headers.get(name.lower()) for name in HEADERS} != HEADERS:
        return f"headers are missing: {headers}"
    if not kind.startswith("application/json"):
        return None if status in (200, 204) else f"no error in JSON: {kind}"
    if not body and attack.content.startswith(b"HEAD"):
        return None
    try:
        answer = json.loads(body, parse_constant=lambda word: 1 / 0)
    except (ValueError, ZeroDivisionError):
        return f"no JSON: {body[:200]!r}"
    if status == 200:
        return None if finite(answer) else f"not finite: {body[:200]!r}"
    told = answer.get("error", "")
    return None if list(answer) == ["error"] and 5 < len(told) < 400 and "\n" not in told else f"no sentence: {answer}"


def finite(value: Any, key: str = "") -> bool:
    """Return whether a value of JSON has no null but where it means that there is nothing."""
    if isinstance(value, dict):
        return all(finite(inner, name) for name, inner in value.items())
    if isinstance(value, list):
        return all(finite(inner) for inner in value)
    return value is not None or key in NULL


ODD = (
    *("null", "true", "-1", "0", "1e999", "-1e999", "NaN", "Infinity", "-Infinity", "1e-400", "0.5", "9" * 5000),
    *("18446744073709551616", "-0", "0x10", "01", "1.", "1e308", "[]", "{}", '""', '"\\ud800"', '"\\u0000"', "'a'"),
    *('"' + "x" * 65 + '"', '"' + "A" * 1045 + '"', '"' + "A" * 1044 + '="', "[1,2,3]", "[-1,0]", "[1,1000000]"),
    *(
        "[1e999,0]",
        "[[1,0]]",
        '{"a":{}}',
        "[" * 2000 + "]" * 2000,
        '{"a":' * 900 + "1" + "}" * 900,
        '"' + "é" * 700 + '"',
    ),
)
"""Values as they stand in JSON, or in what is nearly JSON."""
WHOLE = (
    *(
        b"",
        b"{",
        b"}",
        b"nonsense",
        b"null",
        b"[]",
        b"17",
        b'"x"',
        b"{}{}",
        b"{}\0",
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\0}\0",
    ),
    *(
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"9" * 100_000,
        b" " * 100_000,
        b'{"a\\nb": 1}',
        b'{"\\u2028": 1}',
        b"{'a': 1}",
    ),
    *(b'{"__proto__": {}}', b'{"": 1}', b"\0" * 1000, b"\x1f\x8b\x08\0", '{"\x85": 1}'.encode("latin-1"), b'{"a": 1,}'),
)
"""Bodies that are no message of any kind."""


def messages(netloc: str, source: random.Random) -> Iterator[Attack]:
    """Yield messages to each endpoint in turn that are malformed, of wrong types, too large, not finite or nested."""
    ways: list[Callable[[bytes, random.Random], bytes]] = [_odd_value, _odd_value, _odd_value, changed, _keys, _whole]
    while True:
        for name in NAMES:
            good = json.dumps(source.choice(GOOD[name])).encode()
            body = source.choice(ways)(good, source)
            yield Attack("message", request(netloc, body, f"POST /api/{name} HTTP/1.1"), MESSAGE)


def _odd_value(good: bytes, source: random.Random) -> bytes:
    fields = {**json.loads(good), source.choice(("index", "session", "rate", "times", "label", "neuron")): 1}
    odd = source.sample(list(fields), source.randint(1, min(2, len(fields))))
    pairs = (f'"{key}": {source.choice(ODD) if key in odd else json.dumps(value)}' for key, value in fields.items())
    return f"{{{', '.join(pairs)}}}".encode()


def changed(good: bytes, source: random.Random) -> bytes:
    body = bytearray(good)
    for _ in range(source.randint(1, 4)):
        at, size = source.randrange(len(body) + 1), source.randint(0, 9)
        body[at : at + size] = source.choice((b"", source.randbytes(size), body[at : at + size] * 2, b'"', b"\\", b"}"))
    return bytes(body)


def _keys(good: bytes, source: random.Random) -> bytes:
    extra = source.choice((b'"a\\nb": 1', b'"": {}', b'"label": 1, "label": 2', b'"pixels": 7, "pixels": "A"', b"1: 2"))
    return b"{" + extra + (b", " + good[1:] if good != b"{}" else b"}")


def _whole(good: bytes, source: random.Random) -> bytes:
    return source.choice((*WHOLE, good + good, good + b"\0", b"[" + good + b"]", good.decode().encode("utf-16")))
