"""A demo to test: the real command in a process of its own, and digits as a hand would draw them."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import cos, pi, sin
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.conftest import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Page

Stroke = list[tuple[float, float]]


def arc(x: float, y: float, width: float, height: float, start: float, end: float) -> Stroke:
    """Return points on an ellipse; angles in turns, 0 to the right, a quarter down."""
    angles = [2 * pi * (start + (end - start) * i / 14) for i in range(15)]
    return [(x + width * cos(angle), y + height * sin(angle)) for angle in angles]


DIGITS: dict[int, list[Stroke]] = {
    0: [arc(0.5, 0.5, 0.2, 0.3, 0.75, 1.76)],
    1: [[(0.52, 0.2), (0.5, 0.5), (0.48, 0.8)]],
    2: [[*arc(0.48, 0.34, 0.16, 0.15, 0.55, 1.05), (0.5, 0.6), (0.32, 0.8)], [(0.32, 0.8), (0.68, 0.78)]],
    3: [arc(0.47, 0.35, 0.16, 0.15, 0.6, 1.22), arc(0.47, 0.65, 0.18, 0.16, 0.75, 1.42)],
    4: [[(0.36, 0.2), (0.33, 0.52), (0.66, 0.5)], [(0.64, 0.22), (0.6, 0.82)]],
    7: [[(0.3, 0.24), (0.68, 0.22), (0.56, 0.5), (0.46, 0.82)]],
}
"""Strokes by digit, in parts of the pad."""


FLAGS = [
    "--no-sandbox",  # which root, as in a container, cannot have
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


def find_chromium() -> str | None:
    """Return the browser to test with, if there is one."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def draw(page: "Page", strokes: list[Stroke]) -> None:
    """Draw on the pad with the mouse."""
    box = page.locator("#pad").bounding_box()
    assert box is not None
    for stroke in strokes:
        for number, (x, y) in enumerate(stroke):
            page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=1 if number == 0 else 3)
            if number == 0:
                page.mouse.down()
        page.mouse.up()


@dataclass(frozen=True)
class Served:
    """A demo that runs: its address, which ends with a slash, and its process."""

    url: str
    process: "subprocess.Popen[str]"

    def post(self, call: str, /, **message: Any) -> Any:
        """Return the answer to a message; one that is refused raises HTTPError."""
        request = urllib.request.Request(
            f"{self.url}api/{call}", json.dumps(message).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)

    @property
    def netloc(self) -> str:
        """The address as a Host header names it."""
        return urlsplit(self.url).netloc

    @property
    def address(self) -> tuple[str, int]:
        """The address as a socket takes it."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 80

    def processor_seconds(self) -> float:
        """Return how long the process has computed."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> int:
        """Return the most memory that the process has had at once, in bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) << 10


@contextmanager
def served(*arguments: str) -> Iterator[Served]:
    """Run `mnistnet demo` until the block ends, then stop it with Ctrl-C."""
    command = [sys.executable, "-m", "mnistnet", "demo", "--no-browser", "--data-dir", str(ROOT / "data"), *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "MNISTNET_DEBUG": "1"}
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.fullmatch(r"listening at (http://\S+/) \(Ctrl-C stops\)\n", line)
            assert found is not None, (line, process.communicate())
            yield Served(found[1], process)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.wait(30)
