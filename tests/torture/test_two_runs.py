"""Promise 5: two trainings cannot share a folder, and a dead one blocks nobody."""

import random
import re
import subprocess
import time
from pathlib import Path

from tests.torture import real
from tests.torture.counts import counts
from tests.torture.tally import Tally
from tests.training.test_resume import contents

SMALL = real.settings(train_images=300, validation=100, epochs=30, layer_sizes="[784, 4, 10]", batch_size=50)


@counts(1, 30)
def test_of_two_trainings_into_one_folder_one_trains_and_the_other_is_refused(
    tmp_path: Path, mnist_dir: Path, count: int, tally: Tally
) -> None:
    source, lost = random.Random(10), 0
    real.run(real.train(tmp_path / "whole", mnist_dir, *SMALL))
    expected = contents(tmp_path / "whole")
    for number in range(count):
        folder = tmp_path / str(number)
        command = real.train(folder, mnist_dir, *SMALL, *(["--resume"] if number % 2 else []))
        pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        first = subprocess.Popen(command, text=True, **pipes)  # type: ignore[call-overload]
        time.sleep(source.choice((0, 0, source.random() / 2)))
        second = subprocess.Popen(command, text=True, **pipes)  # type: ignore[call-overload]
        ends = [(p, p.communicate(timeout=60)[1]) for p in (first, second)]
        # Whoever asks late with --resume may find a run that has just ended, which is fine too.
        trained = [(p, error) for p, error in ends if p.returncode == 0]
        refused = [(p, error) for p, error in ends if p.returncode]
        named = all(
            re.search(rf"process {trained[0][0].pid} is training in this folder|already holds a run", error)
            and sum("error" in line for line in error.splitlines()) == 1
            for _, error in refused
        )
        lost += not (trained and named and contents(folder) == expected)
    tally.add(5, "two trainings into one folder at once", count, lost)
    assert not lost


@counts(1, 20)
def test_the_lock_of_a_killed_process_blocks_nobody(tmp_path: Path, mnist_dir: Path, count: int, tally: Tally) -> None:
    lost, folder = 0, tmp_path / "run"
    for _ in range(count):
        with real.started(real.train(folder, mnist_dir, *SMALL, "--set", "epochs=4000", "--force")) as process:
            real.wait_for(lambda: (folder / ".lock.pid").exists(), process)
            note = folder / ".lock.pid"
            real.wait_for(lambda p=process, n=note: n.read_text().strip() == str(p.pid), process)  # type: ignore[misc]
            process.kill()
            process.communicate()
        left = (folder / ".lock.pid").exists()
        done = real.run(real.train(folder, mnist_dir, *SMALL, "--set", "epochs=1", "--force"), code=None)
        lost += not (left and done.returncode == 0)
    tally.add(5, "locks left by killed processes", count, lost)
    assert not lost
