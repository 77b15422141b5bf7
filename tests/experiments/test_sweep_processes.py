"""Sweeps with real processes: workers and clients that die, clusters that are there already, wrong addresses."""

import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trustme

from mnistnet.config import loader as configs
from mnistnet.data.registry import MNIST
from mnistnet.experiments.sweep import local, plan, trial, workers
from tests.conftest import ROOT

BASE = "train_images: 500\nvalidation: 200\nlayer_sizes: [784, 12, 10]\nepochs: 2\n"
KILLER = """
import os, signal
from pathlib import Path
import mnistnet.training.loop as training

start = training.start

def start_or_die(config):
    marker = Path(__file__).with_name("died-once")
    if config.seed == 13 or (config.seed == 7 and not marker.exists()):
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return start(config)

training.start = start_or_die
"""
Entries = dict[int, dict[str, Any]]


@pytest.fixture(autouse=True)
def _files(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(BASE)


def write(seeds: list[int], extra: str = "") -> None:
    Path("s.yaml").write_text(f"config: base.yaml\ngrid: {{activation: [relu]}}\nseeds: {seeds}\n{extra}")


def command(*args: str) -> list[str]:
    return [sys.executable, "-m", "mnistnet", "sweep", "s.yaml", *args]


def sweep(*args: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command(*args), capture_output=True, text=True, timeout=60, check=False, **options)


def entries() -> Entries:
    lines = Path("sweeps/s/sweep.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    assert len({entry["key"] for entry in found if entry["outcome"] == "done"}) == sum(
        entry["outcome"] == "done" for entry in found
    )
    return {entry["seed"]: entry for entry in found}


def assert_equal_to_sequential(found: Entries, data: Path) -> None:
    """Compare results with those of the same trials in this process, one after the other."""
    for one in plan.load(Path("s.yaml")).trials:
        entry = found[one.config.seed]
        if entry["outcome"] == "done":
            job = trial.Job(entry["key"], configs.to_mapping(one.config), "mnist", hashes(), str(data))
            score = trial.run(job)
            assert (score.validation_accuracy, score.validation_loss, score.best_epoch) == (
                entry["validation_accuracy"],
                entry["validation_loss"],
                entry["best_epoch"],
            )


def hashes() -> dict[str, str]:
    return {file.name: file.sha256 for file in MNIST.files}


def descendants(pid: int) -> list[int]:
    found = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return found + [deeper for child in found for deeper in descendants(child)]


def test_a_dead_workers_trial_is_retried_one_that_kills_each_worker_is_reported_and_the_others_finish(
    tmp_path: Path, mnist_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write([1, 7, 13, 2])
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(KILLER)
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{tmp_path / 'site'}{os.pathsep}{ROOT}")
        result = sweep("--jobs", "2", "--data-dir", str(mnist_dir))
    assert result.returncode == 1, result.stderr
    assert "Traceback" not in result.stderr
    assert (
        "1 of 4 trials have no result, first activation=relu with seed 13 (each process that ran it was killed, "
        in result.stderr
    )
    found = entries()
    assert {seed: entry["outcome"] for seed, entry in found.items()} == {1: "done", 2: "done", 7: "done", 13: "killed"}
    assert (tmp_path / "site" / "died-once").exists()
    assert_equal_to_sequential(found, mnist_dir)

    again = sweep("--jobs", "1", "--resume", "--data-dir", str(mnist_dir))
    assert again.returncode == 0, again.stderr
    assert "4 trials, 3 of them done before" in again.stderr
    assert again.stdout.startswith("trial 4/4  val")
    assert entries()[13]["outcome"] == "done"


def test_a_process_that_dies_between_two_trials_is_replaced(mnist_dir: Path) -> None:
    config = configs.to_mapping(configs.load(Path("base.yaml"), ["threads=1"]))
    jobs = [trial.Job(key, config, "mnist", hashes(), str(mnist_dir)) for key in ("a", "b")]
    threads, others = threading.active_count(), set(multiprocessing.active_children())
    scores = workers.scores(local.LocalWorkers(1), jobs)
    assert next(scores).outcome == "done"
    for child in set(multiprocessing.active_children()) - others:
        child.kill()
    deadline = time.monotonic() + 30
    while threading.active_count() > threads:  # the executor has not noticed yet
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert [(score.key, score.outcome) for score in scores] == [("b", "done")]


def test_a_client_that_is_interrupted_or_killed_loses_nothing_and_resumes_with_what_is_missing(mnist_dir: Path) -> None:
    Path("base.yaml").write_text(BASE.replace("epochs: 2", "epochs: 60"))
    write([1, 2, 3, 4, 5])
    options = ["--jobs", "1", "--data-dir", str(mnist_dir)]
    for number, extra, code in ((signal.SIGINT, [], 130), (signal.SIGKILL, ["--resume"], -signal.SIGKILL)):
        client = subprocess.Popen(command(*options, *extra), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert client.stdout is not None
        assert client.stdout.readline().startswith("trial")
        children = descendants(client.pid)
        os.kill(client.pid, number)
        _, errors = client.communicate(timeout=60)
        assert client.returncode == code
        if number == signal.SIGINT:
            assert errors.rstrip().endswith(f"mnistnet sweep s.yaml --jobs 1 --data-dir {mnist_dir} --resume"), errors
            assert "Traceback" not in errors
        deadline = time.monotonic() + 30
        while any(Path(f"/proc/{pid}").exists() for pid in children):
            assert time.monotonic() < deadline, "workers outlive their client"
            time.sleep(0.05)
    kept = Path("sweeps/s/sweep.jsonl").read_bytes()
    assert 2 <= kept.count(b"\n") < 5
    Path("sweeps/s/sweep.jsonl").write_bytes(kept + b'{"key": "torn')
    result = sweep(*options, "--resume")
    assert result.returncode == 0, result.stderr
    assert "its last line is incomplete" in result.stderr
    assert Path("sweeps/s/sweep.jsonl").read_bytes().startswith(kept)
    assert sorted(entries()) == [1, 2, 3, 4, 5]
    assert result.stdout.count("\ntrial") + 1 == 5 - kept.count(b"\n")


def listening(pids: list[int]) -> list[str]:
    """Return the sockets that these processes listen at."""
    held = set()
    for link in (link for pid in pids for link in Path(f"/proc/{pid}/fd").iterdir()):
        with suppress(FileNotFoundError):  # closed in the meantime, as the one through which the folder is read
            held.add(str(link.readlink()))
    tables = [Path(f"/proc/net/{kind}").read_text() for kind in ("tcp", "tcp6")]
    rows = [line.split() for table in tables for line in table.splitlines()[1:]]
    return [row[1] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in held]


def test_a_sweep_on_this_machine_opens_no_port(mnist_dir: Path) -> None:
    write([1, 2, 3, 4])
    client = subprocess.Popen(command("--jobs", "2", "--data-dir", str(mnist_dir)), stdout=subprocess.PIPE, text=True)
    assert client.stdout is not None
    with socket.create_server(("127.0.0.1", 0)):
        assert listening([os.getpid()])  # so it would be seen
    assert client.stdout.readline().startswith("trial")
    processes = [client.pid, *descendants(client.pid)]
    assert len(processes) >= 3
    assert listening(processes) == []
    client.communicate(timeout=60)
    assert client.returncode == 0


@contextmanager
def dask(*args: str, **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    # What Dask's own programs warn about when they start is not ours to forbid.
    surroundings = {**os.environ, "PYTHONWARNINGS": "ignore", **environment}
    process = subprocess.Popen([sys.executable, "-m", "dask", *args], env=surroundings, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def cluster(address: str, *options: str, data: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a scheduler at an address, with a worker that has the data."""
    where = ("--host", "127.0.0.1", "--no-dashboard", *options)
    with (
        dask("scheduler", "--protocol", address[:3], *where, "--port", address.rpartition(":")[2]) as scheduler,
        dask("worker", address, *where, "--nthreads", "1", "--no-nanny", MNISTNET_DATA_DIR=str(data)),
    ):
        yield scheduler


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def test_a_cluster_with_tls_is_used_with_its_certificates_and_refuses_whoever_has_none(
    tmp_path: Path, mnist_dir: Path
) -> None:
    write([1, 2])
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "own.pem")
    files = ["ca.pem", "own.pem", "own.pem"]
    tls = [word for pair in zip(("--tls-ca-file", "--tls-cert", "--tls-key"), files, strict=True) for word in pair]
    address = f"tls://127.0.0.1:{free_port()}"
    with cluster(address, *tls, data=mnist_dir):
        deadline = time.monotonic() + 30
        while (result := sweep("--scheduler", address, *tls, "--resume")).returncode and time.monotonic() < deadline:
            pass
        assert result.returncode == 0, result.stderr
        assert_equal_to_sequential(entries(), mnist_dir)
        for wrong in (address, address.replace("tls", "tcp")):
            refused = sweep("--scheduler", wrong, "--out", "other")
            assert refused.returncode == 1
            assert f"error: --scheduler {wrong}: no Dask scheduler answers there (" in refused.stderr
            assert "Traceback" not in refused.stderr
    assert sweep("--scheduler", "tcp://127.0.0.1:1", *tls).returncode == 2


def test_a_scheduler_that_dies_is_one_line_and_what_had_ended_is_kept(mnist_dir: Path) -> None:
    Path("base.yaml").write_text(BASE.replace("epochs: 2", "epochs: 40"))
    write([1, 2, 3, 4, 5, 6])
    address = f"tcp://127.0.0.1:{free_port()}"
    with cluster(address, data=mnist_dir) as scheduler:
        wait_for_workers(address, 1)
        client = subprocess.Popen(
            command("--scheduler", address), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert client.stdout is not None
        assert client.stdout.readline().startswith("trial")
        scheduler.kill()
        _, errors = client.communicate(timeout=60)
    assert client.returncode == 1
    assert errors.splitlines()[-1].endswith("finished trials are kept: continue with --resume")
    assert len(errors.splitlines()) == 2, errors
    assert entries()[1]["outcome"] == "done"


def test_workers_that_join_by_address_give_the_results_of_one_process_and_one_without_data_is_refused(
    tmp_path: Path, mnist_dir: Path
) -> None:
    write([1, 2, 3, 4])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    where = ("--host", "127.0.0.1", "--no-dashboard")
    kind = ("--nthreads", "1", "--no-nanny")
    with ExitStack() as stack:
        stack.enter_context(dask("scheduler", *where, "--port", address.rpartition(":")[2]))
        for folder in (mnist_dir, mnist_dir, tmp_path / "nothing"):
            stack.enter_context(dask("worker", address, *where, *kind, MNISTNET_DATA_DIR=str(folder)))
        wait_for_workers(address, 3)
        result = sweep("--scheduler", address)
        assert result.returncode == 0, result.stderr
        assert result.stderr.count("is not used: it lacks train-images-idx3-ubyte.gz") == 1
        found = entries()
        assert sorted(found) == [1, 2, 3, 4]
        assert len({entry["worker"] for entry in found.values()}) == 2
        assert_equal_to_sequential(found, mnist_dir)

        nobody = sweep("--scheduler", address, "--out", "other", "--data-dir", str(tmp_path / "nowhere"))
        assert nobody.returncode == 1
        assert "no worker is left that can run trials" in nobody.stderr


def wait_for_workers(address: str, number: int) -> None:
    from distributed import Client

    deadline = time.monotonic() + 30
    while True:
        try:
            with Client(address, timeout=5, set_as_default=False) as client:
                client.wait_for_workers(number, timeout=30)
                return
        except OSError:
            assert time.monotonic() < deadline


def test_a_wrong_address_fails_soon_with_a_sentence() -> None:
    write([1])
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        for address in (f"tcp://127.0.0.1:{silent.getsockname()[1]}", "tcp://127.0.0.1:1", "nonsense"):
            result = sweep("--scheduler", address)  # a client of Dask's would wait for ever for the silent one
            assert result.returncode == 1
            assert f"error: --scheduler {address}: no Dask scheduler answers there (" in result.stderr
            assert len(result.stderr.splitlines()) == 2
