"""Reads mutants in a process of its own, and says in a JSON line what came of it.

    python -m tests.torture.reader KIND COUNT SEED SHARE

Each goes through the command that a user would give it to, in this process, which is quick; the process's memory is
looked at after each, and what a mutant may not do is noted: end in more than a line or another exit code than the
documented one, take 300 MB or 5 s, make a file, or be taken for something else than the good file.
"""

import contextlib
import io
import json
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mnistnet.checkpoint import checkpoint
from mnistnet.data import idx
from mnistnet.data.own_data import open_own
from mnistnet.errors import DataError
from tests.golden.make import golden
from tests.pictures import SEVEN, png

MEGABYTES, SECONDS = 300, 9.0
SEVERAL = "holds more than one digit? --page reads them all"  # what `predict` adds to an answer it doubts
ERROR = re.compile(r"mnistnet: error: [^\x00-\x1f\x7f]+\n")


def command(*words: str) -> tuple[int, str, str]:
    """Run a command line in this process; return its exit code, stdout and stderr."""
    from mnistnet.cli import cli

    out, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        try:
            cli.main(list(words), prog_name="mnistnet")
        except SystemExit as leave:
            return leave.code if isinstance(leave.code, int) else 0, out.getvalue(), error.getvalue()


def judged(code: int, error: str, documented: int) -> str | None:
    """Return what is wrong with how a command ended, or None."""
    if "internal error" in error or "Traceback" in error:
        return error
    if code == 0:
        return error or None
    if code != documented or not ERROR.fullmatch(error):
        return f"exit code {code}: {error!r}"
    return None


class Readers:
    """How a file of each kind is read: each returns whether it was taken, and what was wrong with that or None."""

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, str(path)
        self.good = golden()
        self.number = 0
        self.pictures = [png(np.full((9, 9), 20 * number, np.uint8)) for number in range(6)]

    def checkpoint(self, forged: bool) -> tuple[bool, str | None]:
        code, out, error = command("info", self.name, "--json")
        wrong = judged(code, error, 1)
        if wrong or code:
            return False, wrong
        json.loads(out)
        if not forged:
            loaded = checkpoint.load(self.path)
            same = loaded.header() == self.good.header() and (
                loaded.network.parameters.tobytes() == self.good.network.parameters.tobytes()
            )
            return True, None if same else "was taken, but is not the good file"
        self.number += 1
        if self.number % 20 == 1:
            code, _, error = command("predict", "digit.png", "--checkpoint", self.name)
            return True, judged(code, error, 2 if code == 2 else 1)
        return True, None

    def idx(self, forged: bool) -> tuple[bool, str | None]:
        try:
            found = idx.parse(idx.unpack(self.path.read_bytes(), 3, self.name), 3, self.name)
        except DataError as error:
            return False, None if str(error).isprintable() and str(error).startswith(self.name) else str(error)
        return True, None if found.ndim == 3 else f"shape {found.shape}"

    def csv(self, forged: bool) -> tuple[bool, str | None]:
        return self._converted(self.name)

    def npz(self, forged: bool) -> tuple[bool, str | None]:
        return self._converted(self.name)

    def labels(self, forged: bool) -> tuple[bool, str | None]:
        pictures = Path("set")
        pictures.mkdir()
        for number in range(6):
            (pictures / f"{number}.png").write_bytes(self.pictures[number])
        (pictures / "labels.csv").write_bytes(self.path.read_bytes())
        try:
            return self._converted(str(pictures))
        finally:
            shutil.rmtree(pictures)

    def _converted(self, source: str) -> tuple[bool, str | None]:
        """Convert data of one's own, and look at what has been made of them."""
        code, out, error = command("data", "convert", source, "made", "--json")
        wrong = judged(code, error, 1)
        if wrong or code:
            return False, wrong
        made = open_own(Path("made"))
        shutil.rmtree("made")
        same = json.loads(out)["sha256"] == made.hashes() and 0 < len(made.examples("train")) <= 1_000_000
        return True, None if same else "what was written is not what was read"

    def yaml(self, forged: bool) -> tuple[bool, str | None]:
        code, out, error = command("config", self.name)
        wrong = judged(code, error, 2)
        if wrong or code:
            return False, wrong
        again = self.path.with_name("again.yaml")
        again.write_text(out, encoding="utf-8")
        second = command("config", str(again))
        again.unlink()
        return True, None if second == (0, out, "") else "prints a config that does not load again"

    def picture(self, forged: bool) -> tuple[bool, str | None]:
        code, out, error = command("predict", self.name, "--json", "--checkpoint", "3blue1brown")
        lines = out.splitlines()
        error = error.removesuffix(f"{self.name}: {SEVERAL}\n")
        if len(lines) != 1 or error or code not in (0, 1):
            return False, f"exit code {code}: {out!r} {error!r}"
        row: dict[str, Any] = json.loads(lines[0])
        if code == 0:
            return True, None if row["digit"] in range(10) and 0 < row["confidence"] <= 1 else str(row)
        words = str(row["error"])
        return False, None if words.startswith(self.name) and words.isprintable() else words


def megabytes() -> float:
    """Return the most memory that this process has held since `forget_peak`, where the system tells it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024  # type: ignore[index]


def of_children() -> tuple[float, float]:
    """Return the seconds that child processes have taken, and the most memory that one of them ever had."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def forget_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def mutants(kind: str, count: int, seed: int, share: int, path: Path) -> Iterator[tuple[str, bool]]:
    """Let each mutant in turn be the file at `path`; yield its name and whether it is forged."""
    command = [sys.executable, "-m", "tests.torture.mutants", kind, str(count), str(seed), str(share), str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as maker:
        assert maker.stdin is not None
        assert maker.stdout is not None
        while maker.poll() is None:
            with contextlib.suppress(BrokenPipeError):
                maker.stdin.write("\n")
                maker.stdin.flush()
            line = maker.stdout.readline()
            if not line:
                break
            name, forged = json.loads(line)
            yield name, forged
        maker.stdin.close()
        assert maker.wait() == 0


def main() -> None:
    """Read the mutants of a kind, in the current folder."""
    kind, count, seed, share = sys.argv[1], *map(int, sys.argv[2:])
    suffix = {"checkpoint": ".npz", "idx": ".gz", "yaml": ".yaml", "picture": ".png"}.get(kind, f".{kind}")
    path = Path(f"mutant{suffix}")
    readers = Readers(path)
    read: Callable[[bool], tuple[bool, str | None]] = getattr(readers, kind)
    Path("digit.png").write_bytes(png(SEVEN))
    _, forged = next(mutants(kind, 2, 1, 2, path))
    read(forged)  # so that what is imported only now belongs to the process at rest
    forget_peak()
    rest = megabytes()
    result: dict[str, Any] = {"tried": 0, "taken": 0, "lost": [], "megabytes": 0.0, "seconds": 0.0}
    for name, forged in mutants(kind, count, seed, share, path):
        forget_peak()
        (child_seconds, child_peak), began = of_children(), time.process_time()
        try:
            taken, wrong = read(forged)
        except Exception as error:
            taken, wrong = False, f"{type(error).__name__}: {error}"
        (later_seconds, later_peak), seconds = of_children(), time.process_time() - began
        seconds += later_seconds - child_seconds
        more = max(megabytes(), later_peak if later_peak > child_peak else 0) - rest
        if seconds > SECONDS or more > MEGABYTES:
            wrong = f"{wrong or ''} took {seconds:.1f} s and {more:.0f} MB"
        left = {file.name for file in Path().iterdir()}
        if left != {"digit.png", path.name}:
            wrong = f"{wrong or ''} left {sorted(left)}"
        result["tried"] += 1
        result["taken"] += taken
        if more > result["megabytes"]:
            result |= {"megabytes": round(more, 1), "largest": name}
        if seconds > result["seconds"]:
            result |= {"seconds": round(seconds, 2), "slowest": name}
        if wrong:
            result["lost"].append(f"{name}: {wrong}"[:500])
            Path(f"../lost-{kind}-{result['tried']}{suffix}").write_bytes(path.read_bytes())
    print(json.dumps(result))


if __name__ == "__main__":
    main()
