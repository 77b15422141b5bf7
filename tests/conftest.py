"""What holds for every test: no network but loopback, no file outside the test's own folder, a shared data cache."""

import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mnistnet.data import datasets, registry
from mnistnet.data.datasets import Examples

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def _own_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Point caches at a temporary folder, for child processes too; the cache of unpacked files is made once."""
    # Behind a shell's `&` Ctrl-C is ignored, and children would inherit that; those of the tests must hear it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("MNISTNET_")]:
            patch.delenv(name)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setenv("HOME", str(folder))
        patch.setenv("PYTHONWARNINGS", "error")
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("COLUMNS", "80")
        patch.setattr(sys, "argv", ["pytest", *sys.argv[1:]])  # else `python -m pytest` looks like `python -m mnistnet`
        yield


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test work in a folder of its own, so that a relative path cannot reach the repository."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session", autouse=True)
def _only_loopback() -> Iterator[None]:
    """Refuse connections and look-ups that leave this machine."""
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def is_local(host: object) -> bool:
        return str(host) in ("localhost", "::1", "None", "") or str(host).startswith("127.")

    def checked_connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not is_local(address[0]):
            raise AssertionError(f"a test tried to reach {address}")
        connect(self, address)

    def checked_look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_local(host):
            raise AssertionError(f"a test tried to look up {host}")
        return look_up(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", checked_connect)
        patch.setattr(socket, "getaddrinfo", checked_look_up)
        yield


@pytest.fixture(scope="session")
def mnist_dir() -> Path:
    """Return the repository's data folder, which holds MNIST."""
    return ROOT / "data"


@pytest.fixture(scope="session")
def mnist_train(mnist_dir: Path, _own_environment: None) -> Examples:
    """Return all 60,000 training examples."""
    return datasets.store(registry.MNIST, mnist_dir).examples("train")


@pytest.fixture(scope="session")
def mnist_test(mnist_dir: Path, _own_environment: None) -> Examples:
    """Return all 10,000 test examples."""
    return datasets.store(registry.MNIST, mnist_dir).examples("test")
