"""Promise 3, for text and files from others: links, pipes, and control characters for terminals."""

import json
import os
import random
import re
import shutil
from pathlib import Path

from tests.helpers import run
from tests.torture.counts import counts
from tests.torture.tally import Tally

STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
FORGED = "mnistnet: all is well"
PRECIOUS = b"precious\nhalf a line"
SMALL = ("train_images=200", "validation=100", "epochs=1", "layer_sizes=[784,5,10]")
FILES = {
    "train": (".lock", ".lock.pid", "metrics.csv", "config.yaml", "last.npz", "best.npz"),
    "sweep": (".lock", ".lock.pid", "sweep.jsonl", "best.yaml"),
}


@counts(8, 60)
def test_links_and_pipes_where_we_write_are_refused_or_replaced_and_their_targets_stay(
    tmp_path: Path, mnist_dir: Path, count: int, tally: Tally
) -> None:
    (tmp_path / "base.yaml").write_text("train_images: 200\nvalidation: 100\nepochs: 1\nlayer_sizes: [784, 10]\n")
    (tmp_path / "s.yaml").write_text("config: base.yaml\ngrid: {activation: [relu]}\n")
    target, folder, lost = tmp_path / "target", tmp_path / "out", []
    cases = [
        (command, name, kind, option)
        for command, names in FILES.items()
        for name in names
        for kind in ("link", "dangling link", "pipe")
        for option in ("--force", "--resume")
    ]
    for command, name, kind, option in random.Random(30).sample(cases, count):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        target.unlink(missing_ok=True)
        if kind == "link":
            target.write_bytes(PRECIOUS)
        if kind == "pipe":
            os.mkfifo(folder / name)
        else:
            (folder / name).symlink_to(target)
        sets = [word for setting in SMALL for word in ("--set", setting)]
        words = ["train", *sets] if command == "train" else ["sweep", "s.yaml", "--jobs", "1"]
        done = run(*words, option, "--out", folder, "--data-dir", mnist_dir)
        kept = target.read_bytes() == PRECIOUS if kind == "link" else not target.exists()
        one_line = done.exit_code == 0 or done.stderr.splitlines()[-1].startswith("mnistnet: error: ")
        if not (kept and one_line and "internal error" not in done.stderr):
            lost.append((command, name, kind, option, done.output[-300:]))
    tally.add(3, "links and pipes in the folder of a run or a sweep", count, len(lost))
    assert not lost


@counts(20, 600)
def test_what_others_wrote_cannot_steer_a_terminal_or_forge_a_line(tmp_path: Path, count: int, tally: Tally) -> None:
    source, lost = random.Random(31), []
    parts = ["\x1b]0;owned\x07", "\x1b[2J", "\x9b2J", f"\n{FORGED}", "\r", "\x08", "\u202e", "\x7f", "x", "\x1b[31m"]
    for number in range(count):
        evil = "".join(source.choices(parts, k=5)) + "."
        made = {
            "name.png": (b"no picture", ["predict", "{}"]),
            "name.npz": (b"nothing", ["info", "{}"]),
            "name.yaml": (b"epochs: many\n", ["train", "--config", "{}"]),
            "key.yaml": (json.dumps({evil: 1}).encode(), ["config", "{}"]),
            "value.yaml": (json.dumps({"loss": evil}).encode(), ["config", "{}"]),
            "data.yaml": (json.dumps({"dataset": f"./{evil}"}).encode(), ["train", "--config", "{}"]),
            "sweep.yaml": (json.dumps({"grid": {"loss": [evil]}}).encode(), ["sweep", "{}"]),
        }
        name, (content, words) = list(made.items())[number % len(made)]
        path = tmp_path / (name.replace("name", evil) if name.startswith("name") else name)
        path.write_bytes(content)
        done = run(*(word.format(path.name) if word == "{}" else word for word in words))
        path.unlink()
        forged = any(line.startswith(FORGED) for line in done.output.splitlines())
        if forged or STEERING.search(done.output) or done.exit_code not in (1, 2):
            lost.append((words, evil, done.output[-300:]))
    tally.add(3, "names, configs and sweeps with text that steers terminals", count, len(lost))
    assert not lost
