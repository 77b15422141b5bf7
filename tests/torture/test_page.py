"""Promise 7: the page withstands hostile requests and, however many there are, answers the next good one."""

import json
import random
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tests.demo import Served, served
from tests.torture import hostile, hostile_http, real
from tests.torture.counts import counts
from tests.torture.hostile import EXAMPLE, GOOD, MESSAGE, NAMES, Attack, request
from tests.torture.tally import Tally
from tests.torture.visitor import visit

SAID = "using 3blue1brown, which comes with the package"
MEDIAN_MS, MEGABYTES = 100, 400
WHAT = {
    "messages": "messages malformed, of wrong types, too large, not finite, nested",
    "heads": "other hosts, sites, methods, types, lengths and codings",
    "broken_heads": "heads with bytes changed",
    "paths": "paths that lead elsewhere",
    "sizes": "bodies of 1 to 5 MB",
    "cuts": "requests that stop anywhere",
    "ahead": "junk and more requests sent ahead",
}
ONLY_LINUX = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="needs a system that tells about processes"
)


@contextmanager
def page() -> Iterator[Served]:
    """Run a demo; at the end Ctrl-C must stop it at once, and nothing may have been said on its stderr."""
    with served() as running:
        before = thought(running)
        yield running
        assert thought(running) == before, "what visitors teach is nobody else's"
        began = time.monotonic()
        running.process.send_signal(signal.SIGINT)
        out, error = running.process.communicate(timeout=30)
        assert (running.process.returncode, out, error.strip()) == (130, "", SAID)
        assert time.monotonic() - began < 3


def thought(running: Served) -> bytes:
    """Ask what a visitor asks first, over a connection of its own."""
    connection = HTTPConnection(*running.address, timeout=30)
    connection.request("POST", "/api/think", json.dumps(GOOD["think"][0]), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    assert answer.status == 200, content
    return content


def median_ms(running: Served, goes_on: Callable[[int], bool]) -> float:
    """Return the median of the time that good requests take, ten a second."""
    times: list[float] = []
    while goes_on(len(times)):
        began = time.perf_counter()
        thought(running)
        times.append(1000 * (time.perf_counter() - began))
        time.sleep(0.1)
    return round(statistics.median(times), 1)


def afterwards(running: Served) -> float:
    return median_ms(running, lambda done: done < 50)


def attacks(kind: str, netloc: str, count: int, source: random.Random) -> list[Attack]:
    """Return so many attacks of a kind; of those that are listed, all where there are enough trials for that."""
    if kind == "messages":
        return list(islice(hostile.messages(netloc, source), count))
    make = getattr(hostile_http, kind)
    if kind not in ("heads", "paths", "sizes"):
        return list(islice(make(netloc, source), count))
    every = list(make(netloc))
    return every if count > 1000 else source.sample(every, min(count, len(every)))


def lessons(running: Served, source: random.Random) -> Iterator[str | None]:
    """Teach one copy, out of all proportion, and look at it; yield what was wrong with each answer."""
    session = None
    for _ in range(4):
        rate, times = source.choice((1e-300, 1, 30, 99.9, 100)), source.choice((1, 7, 100))
        taught = {**EXAMPLE, "rate": rate, "times": times, "at_random": source.random() < 0.2}
        taught["label"] = source.randrange(10)
        for name, message in (("learn", taught), *((name, GOOD[name][0]) for name in ("think", "wish", "judge"))):
            body = json.dumps({**message, "session": session}).encode()
            attack = Attack(name, request(running.netloc, body, f"POST /api/{name} HTTP/1.1"), MESSAGE - {400})
            wrong, content = visit(running.address, attack)
            yield wrong
            if name == "learn":
                session = json.loads(content).get("session", session)


@counts(15, 2000)
def test_whatever_is_sent_to_an_endpoint_is_answered_or_refused(count: int, tally: Tally) -> None:
    source, lost = random.Random(70), dict[str, list[Any]]()
    with page() as running:
        for kind, what in WHAT.items():
            tried = attacks(kind, running.netloc, count, source)
            found = [(attack.content[:300], wrong) for attack in tried if (wrong := visit(running.address, attack)[0])]
            tally.add(7, what, len(tried), len(found))
            lost |= {kind: found[:5]} if found else {}
        told = [wrong for _ in range(max(1, count // 15)) for wrong in lessons(running, source)]
        lost |= {"lessons": [wrong for wrong in told if wrong]} if any(told) else {}
        tally.add(
            7, "lessons out of all proportion, and what their copy says then", len(told), len(lost.get("lessons", ()))
        )
        assert not lost


@contextmanager
def crowd(module: str, running: Served, *words: object) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", f"tests.torture.{module}", *map(str, (*running.address, *words))]
    with real.started(command) as process:
        yield process


def seen_by(process: "subprocess.Popen[str]") -> dict[str, Any]:
    out, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    return dict(json.loads(out))


def at_rest(running: Served) -> int:
    """Return what the process holds after one good request of each kind, and forget the most it has held."""
    for name in NAMES:
        if "training" not in GOOD[name][-1]:  # which the server has never heard of
            running.post(name, **GOOD[name][-1])
    Path(f"/proc/{running.process.pid}/clear_refs").write_text("5", encoding="ascii")
    return running.memory()


@ONLY_LINUX
@pytest.mark.torture
@pytest.mark.timeout(600)
def test_after_a_minute_of_200_at_once_it_is_as_quick_and_as_small_as_before(tally: Tally) -> None:
    with page() as running:
        rest = at_rest(running)
        before = afterwards(running)
        with crowd("crowd", running, 60, 200, 72) as process:
            meanwhile = median_ms(running, lambda _: process.poll() is None)
            seen = seen_by(process)
        megabytes, after = round((running.memory() - rest) / (1 << 20), 1), afterwards(running)
        tally.add(
            7,
            "requests by 200 at once, half of them nonsense, for 60 s",
            seen["tried"],
            len(seen["lost"]),
            megabytes=megabytes,
            seconds=seen["slowest"],
            ms_before=before,
            ms_meanwhile=meanwhile,
            ms_afterwards=after,
        )
        assert not seen["lost"][:5]
        assert max(before, after) < MEDIAN_MS
        assert megabytes < MEGABYTES


@pytest.mark.torture
@pytest.mark.parametrize(("how_many", "seconds"), [(200, 40), (600, 20)])
def test_hundreds_who_take_their_time_hold_up_nobody(how_many: int, seconds: int, tally: Tally) -> None:
    with page() as running, crowd("slow", running, seconds, how_many) as process:
        meanwhile = median_ms(running, lambda _: process.poll() is None)
        seen, after = seen_by(process), afterwards(running)
        what = f"connections by {how_many} at once who drip, fall silent or never read, for {seconds} s"
        held_up = max(meanwhile, after) >= MEDIAN_MS
        tally.add(7, what, seen["tried"], int(held_up), ms_meanwhile=meanwhile, ms_afterwards=after)
        assert seen["tried"] >= how_many
        assert not held_up


@pytest.mark.torture
@pytest.mark.timeout(600)
def test_ctrl_c_ends_it_while_200_ask(tally: Tally) -> None:
    source, slowest, lost = random.Random(73), 0.0, []
    for number in range(10):
        with served() as running, crowd("crowd", running, 1, 200, number) as process:
            time.sleep(0.5 + source.random())
            began = time.monotonic()
            running.process.send_signal(signal.SIGINT)
            out, error = running.process.communicate(timeout=30)
            slowest = max(slowest, round(time.monotonic() - began, 2))
            if (running.process.returncode, out, error.strip()) != (130, "", SAID):
                lost.append((running.process.returncode, out, error))
            process.kill()
    tally.add(7, "Ctrl-C while 200 ask", 10, len(lost), seconds=slowest)
    assert not lost
    assert slowest < 3
