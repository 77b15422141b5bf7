"""A disk that fails: the k-th call that changes a file ends in an error, or in the end of the process.

What Python calls to change files (open for writing, write, fsync, rename) is replaced in this process. A write that
fails has written half of its bytes, as a full disk lets it. As a program, this module stands before mnistnet's:

    python -m tests.torture.faults crash 17 train --resume ...     SIGKILL in the 17th call
    python -m tests.torture.faults save FOLDER 0 1                 every fault in the saving of a checkpoint
    python -m tests.torture.faults train FOLDER 0 10 ...           every tenth fault in a training

The last two print a JSON row a fault. They fork a child for each, which is quick and shares nothing with the next.
"""

import errno
import io
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ERRORS = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS, errno.EACCES)
CHANGING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass
class Disk:
    """Counts calls; the one with number `at` fails with `error` (None: the process is killed in it).

    `lasting`: and so do all later ones. `at` 0 lets all succeed.
    """

    at: int = 0
    error: int | None = None
    lasting: bool = False
    calls: int = 0

    def call(self, path: object = None) -> None:
        """Count a call, and let it fail where that is planned."""
        self.calls += 1
        if self.at and (self.calls == self.at or (self.lasting and self.calls > self.at)):
            if self.error is None:
                os.kill(os.getpid(), signal.SIGKILL)
            else:
                raise OSError(self.error, os.strerror(self.error), str(path) if path else None)

    def install(self) -> None:
        """Stand between Python and the operating system, in this process, from now on."""
        disk, real_open, real_io_open, real_fdopen = self, os.open, io.open, os.fdopen

        class Raw(io.FileIO):
            def write(self, content: Any) -> int:
                try:
                    disk.call()
                except OSError:
                    super().write(bytes(content)[: len(content) // 2])
                    raise
                return super().write(content)

        def wrap(file: int, mode: str) -> Any:
            raw = Raw(file, mode.replace("b", ""))
            return io.BufferedWriter(raw)

        def faulty_os_open(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
            if flags & CHANGING:
                disk.call(path)
            return real_open(path, flags, *args, **kwargs)

        def faulty_fdopen(file: int, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            return wrap(file, mode) if mode in ("wb", "ab") else real_fdopen(file, mode, *args, **kwargs)

        def faulty_io_open(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            if set(mode) & set("wax+"):
                disk.call(file)
                if "b" in mode:
                    return io.BufferedWriter(Raw(file, mode.replace("b", "")))
            return real_io_open(file, mode, *args, **kwargs)

        def counted(real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **kwargs: Any) -> Any:
                disk.call(args[0] if not isinstance(args[0], int) else None)
                return real(*args, **kwargs)

            return call

        replacements: dict[str, Any] = {"open": faulty_os_open, "fdopen": faulty_fdopen}
        replacements |= {name: counted(getattr(os, name)) for name in ("fsync", "replace", "rename", "mkdir")}
        for name, replacement in replacements.items():
            setattr(os, name, replacement)
        io.open = faulty_io_open


def forked(work: Callable[[], int], output: Path) -> int:
    """Run work in a child whose output goes into a file; return its exit code, or minus the signal that ended it."""
    child = os.fork()
    if child == 0:
        code = 99
        try:
            handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(handle, 1)
            os.dup2(handle, 2)
            code = work()
        except SystemExit as leave:
            code = leave.code if isinstance(leave.code, int) else 98
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def plans(calls: int, first: int, step: int) -> list[Disk]:
    """Return the faults to try: each call, failing once, from then on, and as the end of the process."""
    found = []
    for at in range(1, calls + 1):
        error = ERRORS[at % len(ERRORS)]
        found += [Disk(at, error), Disk(at, error, lasting=True), Disk(at)]
    return found[first::step]


def count_calls(work: Callable[[], int], output: Path) -> int:
    """Return how many calls the work makes when nothing fails."""

    def counted() -> int:
        disk = Disk()
        disk.install()
        code = 0
        try:
            code = work()
        except SystemExit as leave:
            code = int(leave.code or 0)
        print(f"\ncalls {disk.calls}", flush=True)
        return code

    code = forked(counted, output)
    text = output.read_text(encoding="utf-8")
    if code:
        raise SystemExit(text)
    return int(text.rpartition("calls ")[2])


def with_fault(disk: Disk, work: Callable[[], int]) -> Callable[[], int]:
    """Return the work as it goes on this disk."""

    def faulty() -> int:
        disk.install()
        return work()

    return faulty


def try_saves(folder: Path, first: int, step: int) -> None:
    """Save a checkpoint over an older one with every fault; print what was said, and which of the two is there."""
    from dataclasses import replace

    from mnistnet.checkpoint import checkpoint
    from mnistnet.errors import CheckpointError
    from tests.golden.make import golden

    path, output = folder / "last.npz", folder / "output"
    old, new = golden(), replace(golden(), temperature=2.0)
    contents = {}
    for name, wanted in (("new", new), ("old", old)):
        checkpoint.save(path, wanted)
        contents[path.read_bytes()] = name

    def save() -> int:
        try:
            checkpoint.save(path, new)
        except CheckpointError as error:
            print(f"mnistnet: error: {error}")
            return 1
        return 0

    calls = count_calls(save, output)
    for disk in plans(calls, first, step):
        checkpoint.save(path, old)
        code = forked(with_fault(disk, save), output)
        left = contents.get(path.read_bytes(), "neither")
        row = {"at": disk.at, "error": disk.error, "lasting": disk.lasting, "code": code, "left": left}
        print(json.dumps(row | {"output": output.read_text(encoding="utf-8")}), flush=True)


def try_trainings(folder: Path, first: int, step: int, arguments: list[str]) -> None:
    """Train with every fault and resume without one; print what was said, what loads, and whether the end is equal."""
    from mnistnet.checkpoint import checkpoint
    from mnistnet.cli import cli
    from mnistnet.errors import CheckpointError
    from tests.training.test_resume import contents

    run, output = folder / "run", folder / "output"

    def train() -> int:
        cli.main(["train", *arguments, "--out", str(run), "--resume", "--quiet"])

    def loads(name: str) -> bool:
        try:
            checkpoint.load(run / name, training=True)
        except CheckpointError:
            return not (run / name).exists()
        return True

    def clear() -> None:
        for path in run.iterdir():
            if path.name != ".lock":
                path.unlink()

    forked(train, output)  # the first training of all also fills the cache of unpacked files
    clear()
    calls = count_calls(train, output)
    whole = contents(run)
    for disk in plans(calls, first, step):
        clear()
        code = forked(with_fault(disk, train), output)
        said = output.read_text(encoding="utf-8")
        good = all(map(loads, ("last.npz", "best.npz")))
        again = forked(train, output)
        row: dict[str, Any] = {"at": disk.at, "error": disk.error, "lasting": disk.lasting, "code": code}
        row |= {"loads": good, "output": said, "resumed": again, "equal": again == 0 and contents(run) == whole}
        print(json.dumps(row | {"then": output.read_text(encoding="utf-8")}), flush=True)


def main() -> None:
    """Do what the module's first lines say."""
    what, *words = sys.argv[1:]
    if what == "crash":
        from mnistnet.__main__ import main

        sys.argv[1:] = words[1:]
        Disk(int(words[0])).install()
        main()
    elif what == "save":
        try_saves(Path(words[0]), int(words[1]), int(words[2]))
    else:
        try_trainings(Path(words[0]), int(words[1]), int(words[2]), words[3:])


if __name__ == "__main__":
    main()
