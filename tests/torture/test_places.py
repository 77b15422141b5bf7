"""Promise 9: it works where people are: any folder, any locale, any terminal or none, readers that go away."""

import os
import pty
import re
import select
import shutil
import struct
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.pictures import SEVEN, png
from tests.torture import real
from tests.torture.counts import counts
from tests.torture.tally import Tally

SMALL = real.settings(train_images=300, validation=100, epochs=2, layer_sizes="[784, 8, 10]", batch_size=50)
NAMES = [
    "with a space",
    "Ünïcödé",
    "数字",
    "🙂",
    "'quoted' \"twice\"",
    "-dash",
    "a=b",
    "100%",
    "$HOME",
    "[brackets]",
    "tab\there",
    "new\nline",
    b"not-utf-8-\xff".decode("utf-8", "surrogateescape"),
    "~tilde",
    "x" * 200,
]
ENVIRONMENTS: dict[str, dict[str, str | None]] = {
    "C locale": {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "POSIX locale, ASCII": {"LC_ALL": "POSIX", "PYTHONIOENCODING": "ascii"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "a dumb terminal": {"TERM": "dumb"},
    "no TERM": {"TERM": None},
    "40 columns": {"COLUMNS": "40"},
    "1 column": {"COLUMNS": "1"},
    "columns that are none": {"COLUMNS": "wide"},
    "no HOME": {"HOME": None, "XDG_CACHE_HOME": None},
    "a HOME that is not there": {"HOME": "/nonexistent/home", "XDG_CACHE_HOME": None},
    "a HOME that is a file": {"HOME": "/dev/null", "XDG_CACHE_HOME": None},
    "an empty environment": {name: None for name in os.environ if not name.startswith("PYTHON")},
    "NO_COLOR": {"NO_COLOR": "1"},
    "optimised": {"PYTHONOPTIMIZE": "2"},
    "unbuffered": {"PYTHONUNBUFFERED": "1"},
    "warnings on": {"PYTHONWARNINGS": "always"},
    "development mode": {"PYTHONDEVMODE": "1"},
}


def environment(changes: dict[str, str | None]) -> dict[str, str]:
    """Return this process's environment with changes; None takes a variable away."""
    merged = dict(os.environ) | changes
    return {name: value for name, value in merged.items() if value is not None}


def sound(done: "subprocess.CompletedProcess[bytes]", code: int = 0) -> bool:
    """Return whether a command ended with this code, and with nothing on stderr that is not meant for people."""
    bad = (b"Traceback", b"internal error", b"Warning", b"Exception ignored")
    return done.returncode == code and not any(word in done.stderr for word in bad)


def call(*words: str | Path, cwd: Path, **options: object) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(real.mnistnet(*words), cwd=cwd, capture_output=True, timeout=100, **options)  # type: ignore[call-overload,no-any-return]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, mnist_dir: Path) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "run"
    real.run(real.train(folder, mnist_dir, *SMALL))
    return folder


@counts(3, len(NAMES))
def test_a_folder_of_any_name_holds_runs_pictures_configs_and_data(
    tmp_path: Path, mnist_dir: Path, count: int, tally: Tally
) -> None:
    lost = []
    for name in NAMES[:: len(NAMES) // count]:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "data").symlink_to(mnist_dir)
        (folder / f"{name}.png").write_bytes(png(SEVEN))
        (folder / f"{name}.yaml").write_text("epochs: 1\n")
        here = f"./{name}"
        for words in (
            ("train", "--config", f"{here}.yaml", *SMALL, "--out", f"./{name}"),
            ("train", "--config", f"{here}.yaml", *SMALL, "--out", f"./{name}", "--resume"),
            ("eval", f"{here}/best.npz"),
            ("predict", f"{here}.png", "--checkpoint", f"{here}/best.npz"),
            ("predict", f"{here}.png", "--json"),
            ("train", "--config", f"{here}-missing.yaml"),
        ):
            done = call(*words, cwd=folder)
            if not sound(done, 2 if "missing" in words[-1] else 0):
                lost.append((name, words, done.stderr))
    tally.add(9, "names of folders and files, six commands each", 6 * count, len(lost))
    assert not lost


@counts(5, len(ENVIRONMENTS))
def test_any_environment_will_do(tmp_path: Path, mnist_dir: Path, trained: Path, count: int, tally: Tally) -> None:
    lost, picture = [], tmp_path / "sieben-ü.png"
    picture.write_bytes(png(SEVEN))
    step = len(ENVIRONMENTS) // count
    names = list(ENVIRONMENTS)[::step][:count] if step > 1 else list(ENVIRONMENTS)
    for number, name in enumerate(names):
        env = environment(ENVIRONMENTS[name]) | {"PYTHONPATH": str(ROOT)}
        for words in (
            ("train", *SMALL, "--data-dir", str(mnist_dir), "--out", str(tmp_path / f"ü {number}")),
            ("eval", str(trained), "--confusion", "--data-dir", str(mnist_dir)),
            ("predict", str(picture), "--show"),
            ("explain", "--index", "3", "--data-dir", str(mnist_dir)),
            ("info", str(trained)),
            ("config",),
            ("--help",),
            ("train", "--help"),
        ):
            done = call(*words, cwd=tmp_path, env=env)
            if not sound(done):
                lost.append((name, words, done.stderr[-500:]))
    tally.add(9, "environments, eight commands each", 8 * len(names), len(lost))
    assert not lost


COMMANDS: list[tuple[str, ...]] = [
    ("--help",),
    ("train", "--help"),
    ("config",),
    ("config", "--schema"),
    ("info", "best"),
    ("predict", "7.png", "--show"),
    ("predict", *["7.png"] * 50, "--json"),
    ("explain", "--index", "3"),
    ("eval", "3blue1brown", "--confusion"),
    ("train", *SMALL, "--set", "epochs=50"),
    ("download",),
]


@counts(4, len(COMMANDS))
def test_a_reader_that_goes_away_a_closed_or_a_full_stdout_is_no_traceback(
    tmp_path: Path, mnist_dir: Path, count: int, tally: Tally
) -> None:
    (tmp_path / "7.png").write_bytes(png(SEVEN))
    (tmp_path / "data").symlink_to(mnist_dir)
    lost, tried = [], 0
    for words in COMMANDS[:: len(COMMANDS) // count]:
        line = " ".join(f"'{word}'" for word in real.mnistnet(*words, *(("--force",) if "epochs=50" in words else ())))
        for end in ("| head -n 1", "| true", ">&-", "> /dev/full", "2>&-", "2> /dev/full", "< /dev/null", "<&-"):
            if end == "> /dev/full" and not Path("/dev/full").exists():
                continue
            done = subprocess.run(["bash", "-c", f"{line} {end}; exit ${{PIPESTATUS[0]}}"], cwd=tmp_path, capture_output=True)
            tried += 1
            bad = any(word in done.stderr for word in (b"Traceback", b"internal error", b"Exception ignored"))
            if bad or done.returncode not in (0, 1) or done.stderr.count(b"mnistnet: error") > 1:
                lost.append((words, end, done.returncode, done.stderr[-500:]))
    tally.add(9, "stdin, stdout or stderr closed, full, or read by nobody", tried, len(lost))
    assert not lost


def on_a_terminal(command: list[str], cwd: Path, columns: int, env: dict[str, str]) -> tuple[int, str]:
    """Run a command on a terminal of so many columns; return its exit code and all that it showed."""
    import fcntl
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
    with subprocess.Popen(command, cwd=cwd, stdin=theirs, stdout=theirs, stderr=theirs, env=env) as process:
        os.close(theirs)
        shown, end = b"", time.monotonic() + 60
        while time.monotonic() < end:
            if select.select([ours], [], [], 0.1)[0]:
                try:
                    part = os.read(ours, 65536)
                except OSError:  # the other side has closed
                    break
                shown += part
        code = process.wait(10)
    os.close(ours)
    return code, shown.decode("utf-8", "replace")


@counts(1, 4)
def test_on_a_terminal_of_40_columns_lines_of_progress_do_not_wrap(
    tmp_path: Path, mnist_dir: Path, count: int, tally: Tally
) -> None:
    lost = []
    env = environment({"COLUMNS": None, "LINES": None, "TERM": "xterm"})
    for number, columns in enumerate((40, 20, 80, 200)[:count]):
        command = real.train(tmp_path / str(number), mnist_dir, "--set", "epochs=1", "--set", "augment=simard2003")
        code, shown = on_a_terminal([*command, "--set", "train_images=6000"], tmp_path, columns, env)
        bars = [part for part in re.split(r"[\r\n]", shown) if "images/s" in part or "it/s" in part or "%|" in part]
        plain = [re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", bar) for bar in bars]
        if code or "Traceback" in shown or any(len(bar) > columns for bar in plain):
            lost.append((columns, code, shown[-800:]))
    tally.add(9, "terminals of 20 to 200 columns", count, len(lost))
    assert not lost


@counts(1, 1)
def test_a_home_that_is_read_only_is_enough(tmp_path: Path, mnist_dir: Path, count: int, tally: Tally) -> None:
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir(mode=0o500)
    work.mkdir()
    before: tuple[str, ...] = ()
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root may write everywhere, and there is no setpriv to give that up")
        before = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    env = environment({"HOME": str(home), "XDG_CACHE_HOME": None})
    train = [*before, *real.train(work / "run", mnist_dir, *SMALL)]
    fetch = [*before, *real.mnistnet("train", *SMALL)]
    first = subprocess.run(train, cwd=work, env=env, capture_output=True)
    second = subprocess.run(fetch, cwd=work, env=env, capture_output=True)
    lost = [done.stderr for done, code in ((first, 0), (second, 1)) if not sound(done, code)]
    if b"cannot be put there: permission denied; choose another folder" not in second.stderr:
        lost.append(second.stderr)
    tally.add(9, "a home that is read-only, with data and without", 2, len(lost))
    assert not lost
    assert not list(home.iterdir())


@counts(1, 1)
def test_a_tilde_means_the_home_folder_in_every_option_that_names_a_path(
    tmp_path: Path, mnist_dir: Path, count: int, tally: Tally
) -> None:
    (tmp_path / "data").symlink_to(mnist_dir)
    (tmp_path / "7.png").write_bytes(png(SEVEN))
    (tmp_path / "c.yaml").write_text("epochs: 1\n")
    work = tmp_path / "work"
    work.mkdir()
    env = environment({"HOME": str(tmp_path)})
    lost = []
    for words in (
        ("train", "--config", "~/c.yaml", "--out", "~/run", "--data-dir", "~/data", *SMALL),
        ("eval", "~/run", "--data-dir", "~/data"),
        ("predict", "~/7.png", "--checkpoint", "~/run/best.npz"),
        ("info", "~/run/best.npz"),
        ("config", "~/c.yaml"),
    ):
        done = call(*words, cwd=work, env=env)
        if not sound(done):
            lost.append((words, done.stderr))
    tally.add(9, "paths with a tilde that no shell has replaced", 5, len(lost))
    assert not lost
    assert not list(work.iterdir())
