"""Promise 9: it works in any folder, any locale, any terminal or none, and with readers that go away."""

import os
import pty
import re
import select
import shlex
import shutil
import struct
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner

from mnistnet.cli import cli
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


@counts(2, 6 * len(NAMES))
def test_a_folder_of_any_name_holds_runs_pictures_configs_and_data(
    tmp_path: Path, mnist_dir: Path, trained: Path, count: int, tally: Tally
) -> None:
    def end(name: str, words: list[str]) -> str | None:
        done = call(*words, cwd=tmp_path / name)
        return None if sound(done, 2 if "missing" in words[-1] else 0) else f"{words}: {done.stderr!r}"

    pairs = []
    for name in NAMES:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "data").symlink_to(mnist_dir)
        (folder / f"{name}.png").write_bytes(png(SEVEN))
        (folder / f"{name}.yaml").write_text("epochs: 1\n")
        (folder / f"{name}.npz").write_bytes((trained / "best.npz").read_bytes())
        here = f"./{name}"
        words = [
            ["train", "--config", f"{here}.yaml", *SMALL, "--out", f"{here}"],
            ["train", "--config", f"{here}.yaml", *SMALL, "--out", f"{here} too", "--resume"],
            ["eval", f"{here}.npz"],
            ["predict", f"{here}.png", "--checkpoint", f"{here}.npz"],
            ["predict", f"{here}.png", "--json"],
            ["train", "--config", f"{here}-missing.yaml"],
        ]
        pairs += [(name, line) for line in words]
    lost = tried(end, pairs, count)
    tally.add(9, f"names of folders and files ({len(NAMES)}), six commands each", count, len(lost))
    assert not lost


def tried(end: Callable[[str, list[str]], str | None], pairs: list[tuple[str, list[str]]], count: int) -> list[str]:
    """Try so many of the pairs, spread over all of them, two at a time; return what went wrong."""
    some = [pairs[i * len(pairs) // count] for i in range(count)]
    with ThreadPoolExecutor(2) as pool:
        return [wrong for wrong in pool.map(lambda pair: end(*pair), some) if wrong]


@counts(4, 8 * len(ENVIRONMENTS))
def test_any_environment_will_do(tmp_path: Path, mnist_dir: Path, trained: Path, count: int, tally: Tally) -> None:
    picture = tmp_path / "sieben-ü.png"
    picture.write_bytes(png(SEVEN))

    def end(name: str, words: list[str]) -> str | None:
        done = call(*words, cwd=tmp_path, env=environment(ENVIRONMENTS[name]) | {"PYTHONPATH": str(ROOT)})
        return None if sound(done) else f"{name}: {words}: {done.stderr[-500:]!r}"

    pairs = []
    for number, name in enumerate(ENVIRONMENTS):
        commands = [
            ["train", *SMALL, "--data-dir", str(mnist_dir), "--out", str(tmp_path / f"ü {number}")],
            ["eval", str(trained), "--confusion", "--data-dir", str(mnist_dir)],
            ["predict", str(picture), "--show"],
            ["explain", "--index", "3", "--examples", "500", "--data-dir", str(mnist_dir)],
            ["info", str(trained)],
            ["config"],
            ["--help"],
            ["train", "--help"],
        ]
        pairs += [(name, words) for words in commands[number % 8 :] + commands[: number % 8]]
    lost = tried(end, pairs, count)
    tally.add(9, f"environments ({len(ENVIRONMENTS)}), eight commands each", count, len(lost))
    assert not lost


COMMANDS: list[tuple[str, ...]] = [
    ("--help",),
    ("train", "--help"),
    ("config",),
    ("config", "--schema"),
    ("info", "best"),
    ("predict", "7.png", "--show"),
    ("predict", *["7.png"] * 50, "--json"),
    ("explain", "--index", "3", "--examples", "500"),
    ("eval", "3blue1brown", "--confusion"),
    ("train", *SMALL, "--set", "epochs=50"),
    ("download",),
]


ENDS = ["| head -n 1", "| true", ">&-", "> /dev/full", "2>&-", "2> /dev/full", "< /dev/null", "<&-"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@counts(5, len(COMMANDS) * len(ENDS))
def test_a_reader_that_goes_away_a_closed_or_a_full_stdout_is_no_traceback(
    tmp_path: Path, mnist_dir: Path, count: int, tally: Tally
) -> None:
    (tmp_path / "7.png").write_bytes(png(SEVEN))
    (tmp_path / "data").symlink_to(mnist_dir)

    def end(how: str, words: list[str]) -> str | None:
        line = f"{shlex.join(real.mnistnet(*words))} {how}; exit ${{PIPESTATUS[0]}}"
        done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, timeout=100)
        bad = any(word in done.stderr for word in (b"Traceback", b"internal error", b"Exception ignored"))
        bad = bad or done.returncode not in (0, 1) or done.stderr.count(b"mnistnet: error") > 1
        return f"{words} {how}: {done.returncode}: {done.stderr[-500:]!r}" if bad else None

    pairs = []
    for number, words in enumerate(COMMANDS):
        for other, how in enumerate(ENDS[number % 8 :] + ENDS[: number % 8]):
            own = ["--out", f"run {number} {other}"] if words[0] == "train" and "--help" not in words else []
            pairs.append((how, [*words, *own]))
    lost = tried(end, pairs, count)
    tally.add(9, "stdin, stdout or stderr closed, full, or read by nobody", count, len(lost))
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
    fetch = [*before, *real.mnistnet("train", "--set", "dataset=fashion_mnist", *SMALL)]  # is in no checkout
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
    tmp_path: Path, mnist_dir: Path, monkeypatch: pytest.MonkeyPatch, count: int, tally: Tally
) -> None:
    (tmp_path / "data").symlink_to(mnist_dir)
    (tmp_path / "7.png").write_bytes(png(SEVEN))
    (tmp_path / "c.yaml").write_text("epochs: 1\n")
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(tmp_path))
    lost = []
    for words in (
        ("train", "--config", "~/c.yaml", "--out", "~/run", "--data-dir", "~/data", *SMALL),
        ("eval", "~/run", "--data-dir", "~/data"),
        ("predict", "~/7.png", "--checkpoint", "~/run/best.npz"),
        ("info", "~/run/best.npz"),
        ("config", "~/c.yaml"),
    ):
        result = CliRunner().invoke(cli, words)
        if result.exit_code:
            lost.append((words, result.output))
    tally.add(9, "paths with a tilde that no shell has replaced", 5, len(lost))
    assert not lost
    assert not list(work.iterdir())
