"""Processes that share work: who does what, how they meet, and that none outlives its purpose or hides its failure."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from mnistnet.config import loader as configs
from mnistnet.data.datasets import Examples
from mnistnet.errors import DivergedError, WorkerError
from mnistnet.training import loop, process_pool
from mnistnet.training.data_loader import DataLoader
from mnistnet.training.process_pool import ProcessPool
from mnistnet.util import system
from mnistnet.util.shared_memory import shared_zeros
from tests.conftest import ROOT
from tests.helpers import some

pytestmark = pytest.mark.skipif(not system.CAN_SHARE_STEPS, reason="needs processes that can be forked")


def comes_true(what: Callable[[], bool], seconds: float = 10) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.01)
    return what()


def children_of(process: int | str) -> list[int]:
    """Return the children of all threads of a process."""
    found = []
    for task in Path(f"/proc/{process}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
            found += [int(child) for child in (task / "children").read_text(encoding="ascii").split()]
    return found


def is_running(process: int) -> bool:
    """Say whether a process exists and is more than a number that its parent has not asked for."""
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def test_each_part_is_done_by_a_process_of_its_own_with_the_numbers_that_were_given() -> None:
    seen = shared_zeros((3, 3), np.float64)

    def note(part: int, *numbers: float) -> None:
        seen[part] = os.getpid(), *numbers

    with ProcessPool(3) as team:
        team.start(note)
        for numbers in ((1, 0.1), (2, 2.0**52 + 1)):
            team.run(*numbers)
            assert seen[:, 1:].tolist() == [[*numbers]] * 3
        assert seen[0, 0] == os.getpid()
        assert len(set(seen[:, 0].tolist())) == 3


def test_nobody_goes_on_before_all_have_come() -> None:
    met, early = shared_zeros(3, np.int64), shared_zeros(3, np.int64)

    def walk(part: int) -> None:
        for number in range(1, 2001):
            if number % 500 == part * 100:
                time.sleep(0.002)  # long enough for the others to fall asleep
            met[part] = number
            team.barrier(part)
            early[part] += (met < number).any()

    with ProcessPool(3) as team:
        team.start(walk)
        team.run()
    assert met.tolist() == [2000] * 3
    assert not early.any()


def test_what_goes_wrong_in_a_helper_is_told_at_once_and_the_team_ends() -> None:
    before = set(children_of("self"))

    def fail(part: int) -> None:
        if part == 2:
            raise ZeroDivisionError("in part 2")
        team.barrier(part)

    with ProcessPool(3) as team:
        team.start(fail)
        with pytest.raises(WorkerError, match=r"ZeroDivisionError\('in part 2'\).*--resume"):
            team.run()
    assert set(children_of("self")) == before


def test_a_helper_that_is_stopped_is_named_and_waited_for(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(process_pool, "PATIENCE", 0.05)
    process = shared_zeros(2, np.int64)

    def work(part: int) -> None:
        process[part] = os.getpid()
        if part == 1:
            os.kill(os.getpid(), signal.SIGSTOP)

    def go_on() -> None:
        assert comes_true(lambda: "is stopped" in caplog.text)
        os.kill(int(process[1]), signal.SIGCONT)

    with ProcessPool(2) as team:
        team.start(work)
        helper = threading.Thread(target=go_on)
        helper.start()
        team.run()
        helper.join()
        assert f"waiting for process {process[1]}, which shares the work and is stopped" in caplog.text


def test_a_helper_that_is_killed_is_missed_at_once() -> None:
    process = shared_zeros(2, np.int64)

    def work(part: int) -> None:
        process[part] = os.getpid()
        if part == 1:
            time.sleep(60)

    with ProcessPool(2) as team:
        team.start(work)
        threading.Timer(0.3, lambda: os.kill(int(process[1]), signal.SIGKILL)).start()
        with pytest.raises(WorkerError, match=r"it was killed.*--set threads=1"):
            team.run()


def test_helpers_hold_no_files_of_the_process_that_started_them(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock, ProcessPool(2) as team:
        before = set(children_of("self"))
        team.start(lambda part: None)
        team.run()
        (helper,) = set(children_of("self")) - before
        held = [str(link.readlink()) for link in Path(f"/proc/{helper}/fd").iterdir()]
        assert lock.name not in held
        assert all(name.startswith(("pipe:", "anon_inode:", "/dev/null")) for name in held), held


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_helper_outlives_a_training_that_is_ended(number: int, tmp_path: Path, mnist_dir: Path) -> None:
    command = [sys.executable, "-m", "mnistnet", "train", "--data-dir", str(mnist_dir), "--out", str(tmp_path / "run")]
    command += ["--set", "threads=3", "--set", "epochs=500", "--quiet"]
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True, stderr=subprocess.PIPE) as process:
        try:
            assert comes_true(lambda: len(children_of(process.pid)) == 2)
            assert comes_true((tmp_path / "run" / "last.npz").exists, 60)
            helpers = children_of(process.pid)
            os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
            code = process.wait(timeout=20)
        finally:
            process.kill()
    assert code == {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}[signal.Signals(number)]
    assert comes_true(lambda: not any(map(is_running, helpers)))


def test_training_tells_of_a_helper_that_is_killed_and_can_go_on(tmp_path: Path, mnist_dir: Path) -> None:
    command = [sys.executable, "-m", "mnistnet", "train", "--data-dir", str(mnist_dir), "--out", str(tmp_path / "run")]
    command += ["--set", "threads=2", "--set", "train_images=2000", "--set", "validation=500", "--quiet"]
    with subprocess.Popen([*command, "--set", "epochs=5000"], cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert comes_true((tmp_path / "run" / "last.npz").exists, 60)
            (helper,) = children_of(process.pid)
            os.kill(helper, signal.SIGKILL)
            errors = process.communicate(timeout=20)[1]
        finally:
            process.kill()
    assert process.returncode == 1
    assert "it was killed" in errors
    assert "Traceback" not in errors
    before = (tmp_path / "run" / "last.npz").stat().st_mtime_ns
    with subprocess.Popen([*command, "--set", "epochs=5000", "--resume"], cwd=ROOT) as resumed:
        try:
            assert comes_true(lambda: (tmp_path / "run" / "last.npz").stat().st_mtime_ns > before, 60)
        finally:
            resumed.kill()


@pytest.mark.parametrize("wish", ["augment=default", "augment=simard2003", "dropout=0.3", "label_smoothing=0.1"])
def test_a_superbatch_is_the_same_whoever_prepares_it(wish: str, mnist_train: Examples) -> None:
    few = some(mnist_train, 3100)
    config = configs.load(None, ["validation=0", "batch_size=300", wish])
    alone = []
    with DataLoader(few, config, 300) as loader:
        for superbatch in loader.superbatches(1):
            batch = superbatch.all
            alone.append((batch.inputs.copy(), batch.targets.copy(), [mask.copy() for mask in batch.masks]))
    same = shared_zeros((3, len(alone)), bool)
    pool = ProcessPool(3)

    with pool, DataLoader(few, config, 300, 3, pool.barrier) as loader:

        def compare(worker: int) -> None:
            for number, superbatch in enumerate(loader.superbatches(1, worker)):
                inputs, targets, masks = alone[number]
                same[worker, number] = (
                    np.array_equal(superbatch.all.inputs, inputs)
                    and np.array_equal(superbatch.all.targets, targets)
                    and all(np.array_equal(a, b) for a, b in zip(superbatch.all.masks, masks, strict=True))
                )

        pool.start(compare)
        pool.run()
    assert same.all()


@pytest.mark.parametrize("more", [[], ["augment=default", "dropout=0.2", "weight_averaging=0.9"], ["batch_size=all"]])
def test_processes_learn_what_one_learns_but_for_rounding(more: list[str], mnist_train: Examples) -> None:
    few = some(mnist_train, 2500)
    found = []
    for threads in (1, 2, 3):
        wish = configs.load(
            None, ["validation=0", "epochs=2", "layer_sizes=[784, 40, 10]", f"threads={threads}", *more]
        )
        state = loop.start(wish)
        metrics = [result.metrics for result in loop.fit(state, few, None)]
        found.append((state.result.parameters.copy(), metrics, state.optimizer.steps))
    for parameters, metrics, steps in found[1:]:
        assert steps == found[0][2]
        assert np.allclose(parameters, found[0][0], atol=2e-3)
        for ours, theirs in zip(metrics, found[0][1], strict=True):
            assert ours.loss == pytest.approx(theirs.loss, rel=1e-3)
            assert ours.train_accuracy == pytest.approx(theirs.train_accuracy, abs=0.002)
            assert ours.learning_rate == theirs.learning_rate


def test_processes_tell_the_step_in_which_a_training_diverged(mnist_train: Examples) -> None:
    few = some(mnist_train, 5000)
    found = []
    for threads in (1, 3):
        wish = ["validation=0", "schedule=constant", "optimizer=sgd", "learning_rate=1e9", f"threads={threads}"]
        with pytest.raises(DivergedError) as caught:
            list(loop.fit(loop.start(configs.load(None, wish)), few, None))
        found.append(str(caught.value))
    assert found[0] == found[1]
    assert "step 1 of" not in found[0]
