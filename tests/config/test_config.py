"""The config says what is wrong with a file in one line: where, what was expected, what was found."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mnistnet.config import loader as configs
from mnistnet.config.schema import Config, EarlyStopping
from mnistnet.data.registry import DATASETS
from mnistnet.errors import ConfigError
from tests.conftest import ROOT

BAD = {
    "unknown key": ("epoch: 3", ":1: unknown key epoch; did you mean epochs?"),
    "unknown key like no other": ("zzz: 1", ":1: unknown key zzz; expected one of dataset, "),
    "unknown key of a section": ("optimizer: {name: adam, beta3: 1}", "unknown key optimizer.beta3; did you mean beta"),
    "key of another section": ("optimizer: {name: sgd, beta1: 0.5}", "optimizer.beta1; sgd takes no keys of its own"),
    "word for epochs": ("epochs: ten", ':1: epochs: expected a whole number from 0 to 8,000, found "ten" (text)'),
    "quoted number": ("epochs: '3'", 'expected a whole number from 0 to 8,000, found "3" (text)'),
    "fraction of an epoch": ("epochs: 3.5", "epochs: expected a whole number from 0 to 8,000, found 3.5"),
    "negative": ("epochs: -1", "epochs: expected a whole number from 0 to 8,000, found -1"),
    "true": ("epochs: true", "found true (true or false)"),
    "list": ("epochs: [1, 2]", "found [1, 2] (a list of 2)"),
    "mapping": ("epochs: {a: 1}", "found a mapping with the keys a"),
    "nothing": ("epochs:", "found nothing (null)"),
    "rate of zero": ("learning_rate: 0", "learning_rate: expected a number from 1.2e-38 to 1,000,000,000, found 0"),
    "infinite rate": ("learning_rate: .inf", "found inf"),
    "overflowing rate": ("learning_rate: 1e999", "found inf"),
    "rate that is no number": ("learning_rate: .nan", "found nan"),
    "choice, nearest first": (
        "activation: rleu",
        'activation: expected one of relu, sigmoid, tanh, found "rleu" (text)',
    ),
    "optimizer's name": ("optimizer: adma", "optimizer.name: expected one of adam, "),
    "optimizer without a name": ("optimizer: {beta1: 0.5}", "optimizer.name: missing; expected one of"),
    "optimizer's number": ("optimizer: {name: adam, beta1: 1}", "optimizer.beta1: expected a number from 0 below 1"),
    "schedule's name": ("schedule: cosin", "schedule.name: expected one of cosine, "),
    "data set": ("dataset: mnsit", "dataset: expected one of mnist, kmnist, fashion_mnist"),
    "batch word": ("batch_size: some", "batch_size: expected a whole number from 1 to 10,000,000 or all"),
    "one layer": ("layer_sizes: [784]", "layer_sizes: expected a list of 2 to 64 entries"),
    "layer of none": ("layer_sizes: [784, 0, 10]", "layer_sizes[1]: expected a whole number from 1"),
    "inputs that do not fit": (
        "layer_sizes: [700, 10]",
        "layer_sizes[0]: expected 784, the pixels of an image of mnist",
    ),
    "outputs that do not fit": ("epochs: 1\nlayer_sizes: [784, 9]", ":2: layer_sizes[1]: expected 10, the classes of"),
    "duplicate key": ("epochs: 1\nseed: 0\nepochs: 2", ":3: epochs stands twice; the first is on line 1"),
    "duplicate in a section": ("optimizer:\n  name: sgd\n  name: adam", ":3: optimizer.name stands twice"),
    "empty": ("", "the file is empty"),
    "only comments": ("# nothing\n", "the file is empty"),
    "list at the root": ("- 1", "expected a mapping of keys to values at the root, found [1] (a list of 1)"),
    "word at the root": ("hello", 'at the root, found "hello" (text)'),
    "python tag": ("epochs: !!python/object/apply:os.system [x]", "found YAML tag !!python/object/apply:os.system"),
    "binary tag": (
        "epochs: !!binary aGk=",
        "epochs: expected plain text, a number, a list or a mapping, found YAML tag",
    ),
    "date": ("epochs: 2026-01-01", 'found "2026-01-01" (text)'),
    "alias": ("epochs: &a 1\nseed: *a", ":1: anchors (&) and aliases (*) are not supported"),
    "merge": ("<<: {epochs: 1}", "unknown key <<"),
    "number as key": ("1: 2", "expected a word as key, found 1"),
    "list as key": ("? [a]\n: 1", "expected a word as key, found a sequence"),
    "unclosed list": ("layer_sizes: [784,", "not valid YAML"),
    "two documents": ("epochs: 1\n---\nepochs: 2", "not valid YAML"),
    "tab": ("epochs:\n\t- 1", "not valid YAML"),
    "NUL": ("epochs: \x00", "not valid YAML"),
    "deep nesting": ("a: " + "[" * 500, "nested more than 12 deep"),
    "many values": ("layer_sizes: [" + "1, " * 5000 + "1]", "more than 2,000 values"),
    "early stopping with nothing to watch": (
        "validation: 0\nearly_stopping: {patience: 3}",
        ":2: early_stopping: needs",
    ),
}


def load(text: str, path: Path) -> Config:
    path.write_text(text, encoding="utf-8")
    return configs.load(path)


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_one_line_that_names_it_and_what_was_expected(case: str, tmp_path: Path) -> None:
    text, words = BAD[case]
    with pytest.raises(ConfigError) as caught:
        load(text, tmp_path / "my.yaml")
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "my.yaml"))
    assert words in message
    assert "\n" not in message
    assert len(message) < 500 + len(str(tmp_path))
    assert caught.value.exit_code == 2


def test_bytes_that_are_not_utf_8_are_named_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_bytes(b"epochs: 1\nseed: \xff")
    with pytest.raises(ConfigError, match=r"my\.yaml:2: expected UTF-8 text, found byte 0xff"):
        configs.load(path)


def test_a_file_over_one_mebibyte_is_refused_unread(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at most 1 MiB"):
        load("# " + "x" * (1 << 20), tmp_path / "my.yaml")


def test_missing_files_and_folders_are_named_with_the_reason(tmp_path: Path) -> None:
    for path, words in ((tmp_path / "none.yaml", "no such file"), (tmp_path, "is a directory")):
        with pytest.raises(ConfigError, match=words):
            configs.load(path)


@given(st.binary(max_size=300))
def test_no_bytes_at_all_raise_anything_but_a_config_error(content: bytes) -> None:
    path = Path("any.yaml")
    path.write_bytes(content)
    try:
        message = str(configs.load(path).epochs)
    except ConfigError as error:
        message = str(error)
    assert message.count("\n") == 0


@pytest.mark.parametrize("text", ["1e-3", "1E-3", "1.0e-3", "0.001", ".001", "+1e-3"])
def test_numbers_mean_what_people_write(text: str, tmp_path: Path) -> None:
    assert load(f"learning_rate: {text}", tmp_path / "my.yaml").learning_rate == 0.001


def test_a_word_stands_for_a_section_with_its_defaults(tmp_path: Path) -> None:
    short = load("optimizer: adam\nschedule: step", tmp_path / "a.yaml")
    long = load("optimizer: {name: adam}\nschedule:\n  name: step\n  every: 10", tmp_path / "b.yaml")
    assert short == long
    assert load("optimizer: {name: adam, beta1: 0.5}", tmp_path / "c.yaml").optimizer != short.optimizer


def test_overrides_beat_the_file_and_the_file_beats_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text("epochs: 3\nseed: 4\noptimizer: {name: adam, beta1: 0.5}\n")
    config = configs.load(path, ["epochs=7", "optimizer.beta2=0.9", "layer_sizes=[784, 5, 10]"])
    assert (config.epochs, config.seed, config.batch_size) == (7, 4, Config().batch_size)
    assert configs.to_mapping(config)["optimizer"] == {"name": "adam", "beta1": 0.5, "beta2": 0.9, "epsilon": 1e-8}
    assert config.layer_sizes == (784, 5, 10)
    assert configs.load(path, ["optimizer=sgd"]) == configs.load(path, ["optimizer.beta1=0.1", "optimizer=sgd"])
    assert configs.load(None, ["schedule.name=step"]).schedule == configs.load(None, ["schedule=step"]).schedule
    assert configs.load(None, ["early_stopping.patience=3"]).early_stopping == EarlyStopping(patience=3)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("epochs", "--set epochs: expected key=value"),
        ("=3", "--set =3: expected key=value"),
        ("epochs=ten", "--set epochs=ten: epochs: expected a whole number"),
        ("epoch=3", "--set epoch=3: unknown key epoch; did you mean epochs?"),
        ("lr=3", "unknown key lr; did you mean learning_rate?"),
        ("momentum=0.9", "unknown key momentum; did you mean optimizer.momentum?"),
        ("loss=MSE", 'found "MSE" (text); did you mean quadratic?'),
        ("activation=ReLU", 'found "ReLU" (text); did you mean relu?'),
        ("optimizer=SGD", 'found "SGD" (text); did you mean sgd?'),
        ("schedule=one-cycle", "did you mean one_cycle?"),
        ("early_stopping=2", "found 2; did you mean early_stopping={patience: 2}?"),
        ("seed.x=3", "--set seed.x=3: seed: expected a whole number"),
        ("optimizer.beta9=1", "--set optimizer.beta9=1: unknown key optimizer.beta9"),
        ("foo.bar=1", "--set foo.bar=1: unknown key foo"),
        ("epochs=[", "--set epochs=[:1:2: not valid YAML"),
    ],
)
def test_a_bad_override_is_named_as_it_was_typed(override: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configs.load(None, [override])
    assert words in str(caught.value)


def test_an_override_into_a_value_without_keys_says_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text("seed: 4\n")
    with pytest.raises(ConfigError, match=r"--set seed\.x=3: seed is 4, with no keys of its own"):
        configs.load(path, ["seed.x=3"])


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["optimizer=sgd", "schedule=one_cycle"],
        ["learning_rate=1e-5", "early_stopping.patience=2", "batch_size=all"],
    ],
)
def test_printed_yaml_loads_again_to_an_equal_config(overrides: list[str], tmp_path: Path) -> None:
    config = configs.load(None, overrides)
    assert load(configs.to_yaml(config), tmp_path / "my.yaml") == config
    assert configs.from_mapping(json.loads(json.dumps(configs.to_mapping(config)))) == config
    assert yaml.safe_load(configs.to_yaml(config))["learning_rate"] == config.learning_rate


def test_the_schema_accepts_what_loads_and_refuses_what_does_not() -> None:
    schema = configs.json_schema()
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    validator.validate(configs.to_mapping(Config()))
    for path in (p for p in sorted((ROOT / "configs").glob("*.yaml")) if p.stem != "sweep"):
        validator.validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    for bad in ({"epochs": "ten"}, {"epoch": 1}, {"optimizer": "adma"}, {"optimizer": {"name": "sgd", "beta1": 1}}):
        assert not validator.is_valid(bad)


def test_the_schema_says_what_each_key_and_section_means() -> None:
    definitions = configs.json_schema()["$defs"]
    described = {
        f"{name}.{key}": value for name, each in definitions.items() for key, value in each["properties"].items()
    }
    assert {"Config.epochs", "Adam.beta1", "OneCycle.warmup", "Simard2003.sigma", "EarlyStopping.patience"} <= set(
        described
    )
    for key, value in (definitions | described).items():
        assert value.get("description") or key.endswith(".name"), key


def test_data_sets_in_the_config_are_those_in_the_registry() -> None:
    for name in DATASETS:
        assert configs.load(None, [f"dataset={name}"]).dataset == name


def test_differences_name_the_keys() -> None:
    assert configs.differences(Config(), configs.load(None, ["seed=1", "optimizer=sgd"])) == ["optimizer", "seed"]
