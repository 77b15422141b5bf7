"""A crowd that asks the page all at once, again and again, half of it nonsense, in a process of its own.

    python -m tests.torture.crowd HOST PORT SECONDS HOW_MANY SEED

What came of it is printed as a JSON line.
"""

import asyncio
import contextlib
import json
import random
import socket
import sys
import time
from collections.abc import Iterator
from typing import Any

from tests.torture import hostile, hostile_http
from tests.torture.hostile import GOOD, MESSAGE, NAMES, SILENCE, Attack, request, wrong
from tests.torture.mutants import large_page
from tests.torture.visitor import GONE

BUSY = 503
ANSWER_WITHIN = 60.0  # seconds, as all share two processors


def requests(netloc: str, source: random.Random) -> Iterator[Attack]:
    """Yield requests: every second one good, some large, and one in a thousand a picture of 25 million pixels."""
    endless = [
        hostile.messages(netloc, source),
        hostile_http.broken_heads(netloc, source),
        hostile_http.cuts(netloc, source),
        hostile_http.ahead(netloc, source),
    ]
    heads, large = list(hostile_http.heads(netloc)), list(hostile_http.sizes(netloc))
    monster = hostile.picture(large_page("L", "PNG")())
    while True:
        name = source.choice(NAMES)
        body = json.dumps(source.choice(GOOD[name])).encode()
        yield Attack("good", request(netloc, body, f"POST /api/{name} HTTP/1.1"), MESSAGE - {400})
        way = source.random()
        if way < 0.002:
            yield Attack("monster", request(netloc, monster, "POST /api/think HTTP/1.1"), MESSAGE)
        elif way < 0.04:
            yield source.choice(large)
        elif way < 0.2:
            yield source.choice(heads)
        else:
            yield next(source.choice(endless))


async def answered(reader: asyncio.StreamReader, without_body: bool) -> tuple[int, dict[str, str], bytes]:
    """Return the status, headers and body of the next answer."""
    status = 100
    while status == 100:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
        status = int(first.split(" ")[1])
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = 0 if without_body else int(headers.get("content-length", 0))
    return status, headers, await reader.readexactly(length)


async def ask(address: tuple[str, int], attack: Attack, tries: int = 5) -> str | None:
    """Make an attack, and return what is wrong with the answer, or None; come again if asked to, as the page does."""
    try:
        reader, writer = await asyncio.open_connection(*address, limit=1 << 20)
    except OSError as error:
        return f"cannot connect: {error}"
    try:
        writer.write(attack.content)
        with contextlib.suppress(ConnectionError):  # who is refused early may find the door closed while still sending
            await writer.drain()
        if attack.end == "reset":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, GONE)
        if attack.end in ("reset", "close"):
            return None
        if attack.end == "half":
            writer.write_eof()
        try:
            answer = await answered(reader, attack.content.startswith(b"HEAD"))
            if answer[0] != BUSY or tries == 1:
                return wrong(attack, *answer)
        except (OSError, asyncio.IncompleteReadError):
            return wrong(attack, SILENCE, {}, b"")
    finally:
        writer.close()
    await asyncio.sleep(1)
    return await ask(address, attack, tries - 1)


async def storm(address: tuple[str, int], seconds: float, how_many: int, seed: int) -> dict[str, Any]:
    """Let all visitors in at once, and return what came of it."""
    seen: dict[str, Any] = {"tried": 0, "slowest": 0.0, "lost": []}
    asked = requests(f"{address[0]}:{address[1]}", random.Random(seed))
    end = time.monotonic() + seconds

    async def visitor() -> None:
        while time.monotonic() < end:
            attack, began = next(asked), time.monotonic()
            seen["tried"] += 1
            try:
                found = await asyncio.wait_for(ask(address, attack), ANSWER_WITHIN)
            except TimeoutError:
                found = f"no answer in {ANSWER_WITHIN:.0f} s"
            seen["slowest"] = max(seen["slowest"], round(time.monotonic() - began, 2))
            if found:
                seen["lost"].append(f"{attack.what}: {found}"[:400])

    await asyncio.gather(*(visitor() for _ in range(how_many)))
    return seen


def main() -> None:
    """Storm the page."""
    host, port, seconds, how_many, seed = sys.argv[1:]
    print(json.dumps(asyncio.run(storm((host, int(port)), float(seconds), int(how_many), int(seed)))))


if __name__ == "__main__":
    main()
