"""A sweep's file, its journal and its ranking: what is drawn, what is refused, what is kept."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from mnistnet.cli import cli
from mnistnet.config import loader as configs
from mnistnet.config.schema import Config
from mnistnet.data.registry import MNIST
from mnistnet.errors import ConfigError, SweepError, UsageError
from mnistnet.experiments.sweep import cluster, journal, plan, ranking, trial
from mnistnet.experiments.sweep.journal import Entry, Journal
from mnistnet.experiments.sweep.trial import Job, Score
from tests.conftest import ROOT

SWEEP = """\
config: base.yaml
grid:
  activation: [relu, tanh]
random:
  learning_rate: {name: log_uniform, low: 1e-3, high: 0.03}
  batch_size: {name: int_log_uniform, low: 16, high: 256}
trials: 3
seeds: [0, 1]
"""
HASHES = {file.name: file.sha256 for file in MNIST.files}


@pytest.fixture(autouse=True)
def _base() -> None:
    Path("base.yaml").write_text("train_images: 500\nvalidation: 200\nlayer_sizes: [784, 10]\nepochs: 1\n")


def load(text: str) -> plan.Plan:
    Path("s.yaml").write_text(text)
    return plan.load(Path("s.yaml"))


def run(*args: str | Path) -> Result:
    return CliRunner().invoke(cli, ["sweep", *map(str, args)])


def entry(accuracy: float | None, seed: int = 0, outcome: Any = "done", **values: Any) -> Entry:
    return Entry(
        key=f"{values}{seed}",
        values=values,
        seed=seed,
        outcome=outcome,
        validation_accuracy=accuracy,
        validation_loss=None,
        best_epoch=1,
        seconds=1.0,
        worker="w",
        error=None,
        mnistnet="0",
    )


def test_each_draw_is_tried_at_each_point_of_the_grid_with_each_seed() -> None:
    trials = load(SWEEP).trials
    assert len(trials) == 3 * 2 * 2
    assert len({trial.key_of(one.config, HASHES) for one in trials}) == 12
    for one in trials:
        assert one.config.epochs == 1  # the base's
        assert one.config.threads == 1
        assert (one.config.learning_rate, one.config.activation) == (
            one.values["learning_rate"],
            one.values["activation"],
        )
        assert 1e-3 <= one.config.learning_rate <= 0.03
        assert isinstance(one.config.batch_size, int)
        assert 16 <= one.config.batch_size <= 256


def test_more_trials_or_another_key_leave_what_was_drawn_as_it_was() -> None:
    few = [one.values for one in load(SWEEP).trials]
    more = load(
        SWEEP.replace("trials: 3", "trials: 5").replace(
            "random:\n", "random:\n  dropout: {name: uniform, low: 0, high: 0.5}\n"
        )
    )
    assert [{key: one.values[key] for key in few[0]} for one in more.trials][: len(few)] == few
    assert [one.values for one in load(SWEEP + "seed: 1\n").trials] != few


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [("uniform", 0.25, 0.75), ("log_uniform", 0.01, 100), ("int_uniform", 3, 6), ("int_log_uniform", 1, 9)],
)
def test_a_distribution_keeps_within_its_bounds_and_reaches_both_halves(kind: str, low: float, high: float) -> None:
    key = "weight_decay" if "int" not in kind else "batch_size"
    text = f"random: {{{key}: {{name: {kind}, low: {low}, high: {high}}}}}\ntrials: 200\n"
    drawn = [one.values[key] for one in load(text).trials]
    assert low <= min(drawn)
    assert max(drawn) <= high
    middle = (low * high) ** 0.5 if "log" in kind else (low + high) / 2
    assert 60 < sum(value < middle for value in drawn) < 140
    if kind.startswith("int"):
        assert set(drawn) == set(range(int(low), int(high) + 1))


def test_a_section_is_chosen_before_its_own_keys() -> None:
    trials = load("grid: {optimizer.momentum: [0.5], optimizer: [momentum, nesterov]}\n").trials
    assert [configs.to_mapping(one.config)["optimizer"] for one in trials] == [
        {"name": "momentum", "momentum": 0.5},
        {"name": "nesterov", "momentum": 0.5},
    ]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("activation", "activatoin", "s.yaml:3: unknown key activatoin; did you mean activation?"),
        ("[relu, tanh]", "[relu, tanx]", "s.yaml:3: activation: expected one of tanh, relu, sigmoid, found"),
        ("[relu, tanh]", "relu", "s.yaml:3: grid.activation: expected a list of values to try, found"),
        (
            "log_uniform, low: 1e-3",
            "lognormal, low: 1e-3",
            "s.yaml:5: random.learning_rate: name: expected one of log_un",
        ),
        ("low: 1e-3", "low: 0", "s.yaml:5: random.learning_rate: low: expected a number above 0, found 0"),
        ("low: 1e-3", "low: 1", "expected low <= high, found low 1 and high 0.03"),
        ("high: 0.03", "hihg: 0.03", "s.yaml:5: random.learning_rate: unknown key hihg; did you mean high?"),
        ("{name: log_uniform, low: 1e-3, high: 0.03}", "0.1", "expected a distribution, such as {name: uniform"),
        ("trials: 3\n", "", "s.yaml: trials: missing; expected how many times to draw"),
        ("trials: 3", "trials: 3000", "s.yaml: expected at most 10,000 trials, found 12,000"),
        ("trials:", "tirals:", "s.yaml:7: unknown key tirals; did you mean trials?"),
        ("seeds: [0, 1]", "seeds: []", "s.yaml:8: seeds: expected a list of 1 to 1000 entries, each a whole number"),
        ("  activation", "  seed: [1]\n  activation", "s.yaml:3: seed is given here, and in seeds: too; choose one"),
        ("  activation", "  learning_rate: [1]\n  activation", "learning_rate stands in both grid: and random:"),
        ("seeds:", "set: {activation: relu}\nseeds:", "s.yaml:3: activation stands in both set: and grid:"),
        ("seeds:", "set: {epochs: x}\nseeds:", "s.yaml:8: epochs: expected a whole number"),
        ("activation: [relu, tanh]", "validation: [9, 0]", "s.yaml:3: validation: a sweep chooses by validation"),
        ("activation: [relu, tanh]", "epochs: [1, 0]", "s.yaml:3: epochs: expected at least 1, found 0"),
        ("activation: [relu, tanh]", "dataset: [mnist, kmnist]", "dataset: accuracies on different data sets cannot"),
        ("base.yaml", "none.yaml", "none.yaml: cannot be read: no such file"),
        (SWEEP, "trials: 1\n", "nothing varies"),
        (SWEEP, "grid: {epochs: [1]}\ntrials: 2\n", "s.yaml:2: trials: how many times random: is drawn"),
    ],
)
def test_a_mistake_in_the_file_is_one_line_that_says_where(old: str, new: str, words: str) -> None:
    assert old in SWEEP
    with pytest.raises(ConfigError) as caught:
        load(SWEEP.replace(old, new, 1))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_trials_key_depends_on_its_config_and_its_data_alone() -> None:
    config = Config()
    assert trial.key_of(config, HASHES) == trial.key_of(Config(), dict(reversed(HASHES.items())))
    assert trial.key_of(config, HASHES) != trial.key_of(Config(seed=1), HASHES)
    assert trial.key_of(config, HASHES) != trial.key_of(config, HASHES | {"t10k-labels-idx1-ubyte.gz": "0"})
    assert len(trial.key_of(config, HASHES)) == 16


def job(data: Path, *overrides: str) -> Job:
    config = configs.load(Path("base.yaml"), [*overrides, "threads=1"])
    return Job("k", configs.to_mapping(config), "mnist", HASHES, str(data))


def test_a_trial_gives_the_same_score_every_time_and_one_that_diverges_is_a_result(mnist_dir: Path) -> None:
    one, other = (trial.run(job(mnist_dir)) for _ in range(2))
    assert one.outcome == "done"
    assert (one.validation_accuracy or 0) > 0.3
    assert msgspec.structs.replace(one, seconds=0) == msgspec.structs.replace(other, seconds=0)
    wild = trial.run(job(mnist_dir, "optimizer=sgd", "learning_rate=1e9", "layer_sizes=[784,50,50,10]"))
    assert (wild.outcome, wild.validation_accuracy) == ("diverged", None)
    assert "training diverged in epoch 1" in (wild.error or "")
    failed = trial.run(job(mnist_dir, "batch_size=501"))
    assert (failed.outcome, failed.validation_accuracy, failed.best_epoch) == ("failed", None, None)
    assert "batch_size: expected at most the 500 training images" in (failed.error or "")


def test_a_worker_of_another_version_or_without_the_data_refuses(tmp_path: Path, mnist_dir: Path) -> None:
    good = job(mnist_dir)
    assert trial.refusal(good) is None
    for wrong, words in (
        (msgspec.structs.replace(good, mnistnet="9.9"), "and the sweep is of 9.9"),
        (msgspec.structs.replace(good, data_dir=str(tmp_path)), "it lacks train-images-idx3-ubyte.gz"),
        (msgspec.structs.replace(good, hashes={"a": "b"}), "are others than the sweep's"),
    ):
        score = trial.run(wrong)
        assert score.outcome == "refused"
        assert words in (score.error or "")


def test_a_journal_keeps_each_line_and_cuts_off_a_torn_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one = Journal(tmp_path)
    one.begin(resume=False, force=False)
    trials = load(SWEEP).trials
    kept = [journal.entry(t, Score(key=str(n), outcome="done", validation_accuracy=0.5)) for n, t in enumerate(trials)]
    for line in kept:
        one.add(line)
    with (tmp_path / "sweep.jsonl").open("ab") as stream:
        stream.write(b'{"key": "x", "val')
    with pytest.raises(UsageError, match="already holds a sweep"):
        Journal(tmp_path).begin(resume=False, force=False)
    again = Journal(tmp_path)
    again.begin(resume=True, force=False)
    assert list(again.entries.values()) == kept == list(journal.read(tmp_path).values())
    assert "its last line is incomplete" in caplog.text
    (tmp_path / "sweep.jsonl").write_bytes(b"nonsense\n" + (tmp_path / "sweep.jsonl").read_bytes())
    assert list(journal.read(tmp_path / "sweep.jsonl").values()) == kept
    assert "sweep.jsonl:1: not a trial's entry" in caplog.text
    Journal(tmp_path).begin(resume=False, force=True)
    assert (tmp_path / "sweep.jsonl").read_bytes() == b""


def test_the_best_has_the_best_mean_and_diverges_for_no_seed() -> None:
    entries = [
        entry(0.90, 0, x=1),
        entry(0.94, 1, x=1),
        entry(0.91, 0, x=2),
        entry(0.91, 1, x=2),
        entry(0.99, 0, x=3),
        entry(None, 1, "diverged", x=3),
        entry(None, 0, "killed", x=4),
    ]
    trials = [plan.Trial(one.values, Config(seed=one.seed)) for one in entries]
    standings = ranking.rank(trials, entries)
    assert [s.values["x"] for s in standings] == [1, 2, 3]
    assert standings[0].mean == pytest.approx(0.92)
    assert (standings[0].seeds, standings[0].accuracies) == ((1, 0), (0.94, 0.90))
    assert (standings[2].mean, standings[2].diverged) == (None, 1)
    assert ranking.spread(standings) == pytest.approx((2 * 0.02**2 / 2) ** 0.5)
    assert ranking.spread([replace(standings[0], seeds=(1,), accuracies=(0.9,))]) is None


def test_values_that_only_some_seeds_have_tried_are_never_best() -> None:
    entries = [entry(0.91, 0, x=1), entry(0.89, 1, x=1), entry(0.97, 0, x=2), entry(None, 1, "killed", x=2)]
    trials = [plan.Trial(one.values, Config(seed=one.seed)) for one in entries]
    standings = ranking.rank(trials, entries)
    assert [(s.values["x"], s.mean, s.missing) for s in standings] == [(1, pytest.approx(0.9), 0), (2, None, 1)]
    assert ranking.rank(trials, [entries[0], None, None, None])[0].mean is None


def test_a_sweep_goes_on_with_a_file_that_asks_for_more_trials_of_other_keys(mnist_dir: Path) -> None:
    options = ("--data-dir", mnist_dir, "--jobs", "1", "--json")
    Path("s.yaml").write_text("config: base.yaml\ngrid: {activation: [relu]}\nseeds: [0, 1]\n")
    assert run("s.yaml", *options).exit_code == 0
    for more in ("{activation: [relu, tanh], epochs: [1]}", "{epochs: [1]}"):
        Path("s.yaml").write_text(f"config: base.yaml\ngrid: {more}\nseeds: [0, 1]\n")
        result = run("s.yaml", *options, "--resume")
        assert result.exit_code == 0, result.output
        told = json.loads(result.stdout.splitlines()[-1])
        assert (told["done"], told["missing"]) == (told["trials"], 0)
        assert {tuple(one["values"]) for one in told["ranking"]} <= {("activation", "epochs"), ("epochs",)}
        assert run("s.yaml", "--data-dir", mnist_dir, "--resume").exit_code == 0


def test_a_sweep_on_this_machine_ends_with_a_table_and_a_config_that_trains_to_the_same_accuracy(
    mnist_dir: Path,
) -> None:
    Path("s.yaml").write_text(
        "config: base.yaml\ngrid: {learning_rate: [0.01, 1e9], optimizer: [sgd]}\nseeds: [3, 4]\n"
    )
    Path("base.yaml").write_text(Path("base.yaml").read_text().replace("[784, 10]", "[784, 30, 30, 10]"))
    options = ("--data-dir", mnist_dir, "--jobs", "1")
    result = run("s.yaml", *options)
    assert result.exit_code == 0, result.output
    assert result.stdout.count("diverged  ") >= 3
    assert "seeds alone make a difference of " in result.stdout
    assert "s.yaml: 4 trials: 2 done, 2 diverged, in " in result.stdout
    best = Path("sweeps/s/best.yaml")
    assert "The best of 2 choices of values" in best.read_text()
    assert "learned from 500 training images only; with --set train_images=all" in best.read_text()
    config = configs.load(best)
    assert (config.learning_rate, config.epochs) == (0.01, 1)
    known = {e.seed: e.validation_accuracy for e in journal.read(Path("sweeps/s")).values() if e.outcome == "done"}
    trained = CliRunner().invoke(cli, ["train", "--config", str(best), "--json", "--data-dir", str(mnist_dir)])
    assert json.loads(trained.stdout.splitlines()[0])["validation_accuracy"] == known[config.seed]

    assert run("s.yaml", *options).exit_code == 2
    again = run("s.yaml", *options, "--resume", "--json")
    (line,) = again.stdout.splitlines()
    told = json.loads(line)
    text = (
        (ROOT / "docs" / "json.md").read_text(encoding="utf-8").partition("## `sweep --json`")[2].partition("\n## ")[0]
    )
    assert all(f"`{key}`" in text for key in (*told, *told["ranking"][0], *Entry.__struct_fields__))
    assert (told["trials"], told["done"], told["diverged"], told["missing"]) == (4, 2, 2, 0)
    assert told["ranking"][0]["values"] == {"learning_rate": 0.01, "optimizer": "sgd"}
    assert told["ranking"][1]["validation_accuracy"] is None


def test_a_budget_that_is_used_up_starts_no_more_trials(mnist_dir: Path) -> None:
    Path("s.yaml").write_text("config: base.yaml\ngrid: {epochs: [1, 2]}\nbudget_minutes: 1e-9\n")
    result = run("s.yaml", "--data-dir", mnist_dir, "--jobs", "1")
    assert result.exit_code == 0
    assert "the budget is used up; --resume runs the 2 trials left" in result.stderr
    assert result.stdout.startswith("s.yaml: 2 trials: none ended, in ")


@pytest.mark.parametrize("options", [("--resume", "--force"), ("--scheduler", "x", "--jobs", "2")])
def test_options_that_contradict_each_other_are_wrong_usage(options: tuple[str, ...]) -> None:
    Path("s.yaml").write_text(SWEEP)
    result = run("s.yaml", *options)
    assert result.exit_code == 2
    assert "choose one" in result.stderr


def test_without_dask_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    with pytest.raises(SweepError, match=r"pip install -e .*\[sweep\]'` adds it"):
        cluster.require()


def test_the_shipped_sweep_is_one_that_can_be_run() -> None:
    trials = plan.load(ROOT / "configs" / "sweep.yaml").trials
    assert 6 <= len(trials) <= 40
