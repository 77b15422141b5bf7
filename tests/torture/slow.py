"""Visitors of the page who take their time, in a process of their own: they drip bytes, fall silent, or never read.

    python -m tests.torture.slow HOST PORT SECONDS HOW_MANY

Who is hung up on comes back after a second. What came of it is printed as a JSON line.
"""

import asyncio
import contextlib
import json
import sys
import time
from itertools import cycle, islice
from typing import NamedTuple

from tests.torture.hostile import request

BODY = bytes(1000)


class Way(NamedTuple):
    """What a visitor sends at first and then each second, and whether the answer is read."""

    start: bytes
    drip: bytes = b""
    reads: bool = True


def ways(netloc: str) -> list[Way]:
    """Return the ways to take one's time: drip a body, drip a head, stop in a head, say nothing, read nothing."""
    head = request(netloc, BODY, "POST /api/think HTTP/1.1").removesuffix(BODY)
    pages = 50 * request(netloc, b"", "GET /main.js HTTP/1.1", Connection=None)
    return [Way(head, b" "), Way(head[:-2], b"x"), Way(b"POST"), Way(b""), Way(pages, reads=False)]


async def dawdle(address: tuple[str, int], way: Way, end: float) -> None:
    """Connect, and take as long as the page allows."""
    reader, writer = await asyncio.wait_for(asyncio.open_connection(*address, limit=1 << 10), 10)
    try:
        writer.write(way.start)
        while time.monotonic() < end and not writer.is_closing():
            await asyncio.sleep(1)
            writer.write(way.drip)
            with contextlib.suppress(TimeoutError):
                if way.reads and not await asyncio.wait_for(reader.read(1 << 16), 0.01):
                    return
    finally:
        writer.transport.abort()


async def storm(address: tuple[str, int], seconds: float, how_many: int) -> int:
    """Let all of them in at once, and return how many connections they have made."""
    end, made = time.monotonic() + seconds, 0

    async def visitor(way: Way) -> None:
        nonlocal made
        while time.monotonic() < end:
            made += 1
            with contextlib.suppress(OSError):
                await dawdle(address, way, end)
            await asyncio.sleep(1)

    await asyncio.gather(*map(visitor, islice(cycle(ways(f"{address[0]}:{address[1]}")), how_many)))
    return made


def main() -> None:
    """Hold the page up as well as one can."""
    host, port, seconds, how_many = sys.argv[1:]
    print(json.dumps({"tried": asyncio.run(storm((host, int(port)), float(seconds), int(how_many)))}))


if __name__ == "__main__":
    main()
