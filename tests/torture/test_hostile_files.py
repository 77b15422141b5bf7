"""Promise 3: a file from others cannot run code, exhaust memory or be misread; it ends in one line and an exit code."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.torture.counts import counts
from tests.torture.tally import Tally

FULL = {
    "checkpoint": 10_500,
    "idx": 4_000,
    "yaml": 3_000,
    "picture": 3_500,
    "csv": 2_000,
    "npz": 2_000,
    "labels": 1_500,
}
SHARES = {"checkpoint": 40, "idx": 20, "yaml": 12, "picture": 25, "csv": 50, "npz": 50, "labels": 50}
"""In the sample every so-many-th mutant is read, monsters among them."""
HOW = {
    "checkpoint": "checkpoints read by `info`",
    "idx": "IDX files unpacked and parsed",
    "yaml": "configs read by `config`",
    "picture": "pictures read by `predict`",
    "csv": "CSV files of images read by `data convert`",
    "npz": "NumPy files of images read by `data convert`",
    "labels": "folders of pictures with odd tables read by `data convert`",
}


@pytest.mark.parametrize("kind", FULL)
@counts(0, 1)
def test_no_mutant_is_believed_or_does_harm(tmp_path: Path, kind: str, count: int, tally: Tally) -> None:
    share = 1 if count else SHARES[kind]
    folder = tmp_path / "cell"
    folder.mkdir()
    command = [sys.executable, "-m", "tests.torture.reader", kind, str(FULL[kind]), "6", str(share)]
    with (tmp_path / "stderr").open("w+") as errors:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=folder)
        errors.seek(0)
        beside = errors.read()
    assert done.returncode == 0, beside
    result: dict[str, Any] = json.loads(done.stdout)
    lost = result.pop("lost")
    tally.add(3, HOW[kind], result.pop("tried"), len(lost), **result)
    assert not lost
    assert not beside, "a library has written past Python"
    assert result["taken"], "some changes do not matter, or the test would not reach what comes after reading"
