"""Without what only Linux has, and what Windows lacks as well: train, resume, predict and the page go on working.

The child process takes it away before anything of the package is imported. `sys.platform` is another name only while
`util/system.py` reads it, for the standard library would go looking for the other system's own modules.
"""

import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import ROOT

LINUX_ONLY = ("os.fork", "os.eventfd", "os.eventfd_read", "os.eventfd_write", "os.sched_getaffinity", "os.EFD_NONBLOCK")
NOT_ON_WINDOWS = (
    *("signal.SIGHUP", "signal.SIGKILL", "signal.SIGXCPU", "signal.pthread_kill", "select.poll"),
    *("os.sysconf", "os.waitid", "os.O_NOFOLLOW"),
)
PRELUDE = """
import os, select, signal, sys, threading

system, names, data, picture = sys.argv[1:5]
for name in names.split():
    module, _, attribute = name.partition(".")
    delattr(sys.modules[module], attribute)
if system == "win32":
    sys.modules["resource"] = None
own, sys.platform = sys.platform, system
import mnistnet.util.system
sys.platform = own

refused = set()
if system == "win32":
    opened, replaced, joined = os.open, os.replace, threading.Thread.join

    def no_folders(path, *rest, **more):
        if os.path.isdir(path):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return opened(path, *rest, **more)

    def read_by_others(source, target, **more):  # once for each file
        if os.fspath(target) not in refused:
            refused.add(os.fspath(target))
            raise PermissionError(13, "Permission denied", os.fspath(source), None, os.fspath(target))
        return replaced(source, target, **more)

    def deaf(self, timeout=None):
        if timeout is None and self.name == "mnistnet-demo":
            os._exit(99)  # Ctrl-C would not be heard
        joined(self, timeout)

    os.open, os.replace, threading.Thread.join = no_folders, read_by_others, deaf

from mnistnet.cli import cli

def mnistnet(*words):
    try:
        cli.main(words)
    except SystemExit as end:
        if end.code:
            raise

few = ["--set=train_images=300", "--set=validation=100", "--out=run", "--data-dir", data, "--quiet"]
mnistnet("train", "--config=3blue1brown", "--set=epochs=1", "--set=threads=2", *few)
mnistnet("train", "--resume", "--set=epochs=2", *few)
mnistnet("predict", picture, "--checkpoint=best")
print(len([path for path in refused if "run" in path]), "files were read by others", flush=True)
mnistnet("demo", "--no-browser", "--data-dir", data)
"""


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_train_resume_predict_and_the_page_do_without(system: str, mnist_dir: Path, tmp_path: Path) -> None:
    names = [*LINUX_ONLY, *(NOT_ON_WINDOWS if system == "win32" else ["signal.SIGHUP"])]
    words = [system, " ".join(names), str(mnist_dir), str(ROOT / "docs" / "two.png")]
    with subprocess.Popen(
        [sys.executable, "-c", PRELUDE, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    ) as child:
        assert child.stdout is not None
        said = ""
        for line in child.stdout:
            said += line
            if found := re.match(r"listening at (\S+)", line):
                with urllib.request.urlopen(found[1], timeout=20) as page:
                    assert page.status == 200
                child.send_signal(signal.SIGINT)
        assert child.wait(30) == 130, child.stderr and child.stderr.read()
    assert said.count(": test accuracy ") == 2, said
    assert "two.png: 2 (" in said
    assert f"{5 if system == 'win32' else 0} files were read by others" in said
    assert len((tmp_path / "run" / "metrics.csv").read_text().splitlines()) == 3
    assert not [*(tmp_path / "run").glob("*.tmp")]


def test_only_one_module_asks_which_system_it_is() -> None:
    asked = re.compile(r"\bsys\.platform\b|\bos\.name\b|\bplatform\.system\b")
    files = [path for path in (ROOT / "mnistnet").rglob("*.py") if asked.search(path.read_text(encoding="utf-8"))]
    assert [path.name for path in files] == ["system.py"]
