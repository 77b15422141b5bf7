"""A visitor of the page who sends bytes as they are, and reads what comes back."""

import contextlib
import socket
import struct
from http.client import HTTPException, HTTPResponse

from tests.torture.hostile import SILENCE, Attack, wrong

GONE = struct.pack("ii", 1, 0)  # SO_LINGER: a close that is a reset


def visit(address: tuple[str, int], attack: Attack) -> tuple[str | None, bytes]:
    """Make an attack; return what is wrong with what came back, or None, and its body."""
    with socket.create_connection(address, timeout=30) as connection:
        with contextlib.suppress(OSError):  # who is refused early may find the door closed while still sending
            connection.sendall(attack.content)
        if attack.end == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, GONE)
        if attack.end in ("reset", "close"):
            return None, b""
        if attack.end == "half":
            connection.shutdown(socket.SHUT_WR)
        answer = HTTPResponse(connection, method=attack.content[:4].decode("latin-1").strip())
        try:
            answer.begin()
            status, headers, body = answer.status, answer.headers, answer.read()
        except TimeoutError:
            return "no answer in 30 s, and not hung up", b""
        except (OSError, HTTPException):
            return wrong(attack, SILENCE, {}, b""), b""
        return wrong(attack, status, {name.lower(): value for name, value in headers.items()}, body), body
