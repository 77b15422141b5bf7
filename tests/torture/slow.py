"""Visitors of the page who take their time, in a process of their own: they drip bytes, fall silent, or never read.

    python -m tests.torture.slow HOST PORT SECONDS HOW_MANY

Who is hung up on comes back after a second. What came of it is printed as a JSON line.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Callable
from itertools import cycle

HEAD = "POST /api/think HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n"
GET = "GET /demo.js HTTP/1.1\r\nHost: {}\r\n\r\n"
WAYS: dict[str, tuple[Callable[[str], str], bytes]] = {
    "drips a body": (lambda host: HEAD.format(host) + "Content-Length: 1000\r\n\r\n", b" "),
    "drips a head": (HEAD.format, b"x"),
    "starts a head": (lambda host: "POST", b""),
    "says nothing": (lambda host: "", b""),
    "reads nothing": (lambda host: 50 * GET.format(host), b""),
}


async def dawdle(address: tuple[str, int], way: str, end: float) -> None:
    """Connect, and take as long as the page allows."""
    start, drip = WAYS[way]
    reader, writer = await asyncio.wait_for(asyncio.open_connection(*address, limit=1 << 10), 10)
    try:
        writer.write(start(f"{address[0]}:{address[1]}").encode())
        while time.monotonic() < end and not writer.is_closing():
            await asyncio.sleep(1)
            writer.write(drip)
            with contextlib.suppress(TimeoutError):
                if way != "reads nothing" and not await asyncio.wait_for(reader.read(1 << 16), 0.01):
                    return
    finally:
        writer.transport.abort()


async def storm(address: tuple[str, int], seconds: float, how_many: int) -> int:
    """Let all of them in at once, and return how many connections they have made."""
    end, made = time.monotonic() + seconds, 0

    async def visitor(way: str) -> None:
        nonlocal made
        while time.monotonic() < end:
            made += 1
            with contextlib.suppress(OSError):
                await dawdle(address, way, end)
            await asyncio.sleep(1)

    await asyncio.gather(*(visitor(way) for way, _ in zip(cycle(WAYS), range(how_many), strict=False)))
    return made


def main() -> None:
    """Hold the page up as well as one can."""
    host, port, seconds, how_many = sys.argv[1:]
    print(json.dumps({"tried": asyncio.run(storm((host, int(port)), float(seconds), int(how_many)))}))


if __name__ == "__main__":
    main()
