"""What the documents say can be typed, can be typed; what they list is all there is."""

import os
import re
import shlex
from pathlib import Path

import msgspec
import pytest
import yaml
from click.testing import CliRunner

from mnistnet.cli import COMMANDS, cli
from mnistnet.config.schema import Config
from scripts import commands, config_reference
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
SWEEPS = {"sweep"}  # files for `mnistnet sweep`, not configs
CONFIGS = sorted(path for path in (ROOT / "configs").glob("*.yaml") if path.stem not in SWEEPS)
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "data").glob("*.md")])


def typed(text: str) -> list[str]:
    """Return the mnistnet commands in a document's indented code."""
    return re.findall(r"^    (?:\.venv/bin/)?(mnistnet .*)$", text, re.MULTILINE)


def test_the_readmes_commands_run_one_after_the_other(tmp_path: Path) -> None:
    for name in ("configs", "docs", "data"):
        (tmp_path / name).symlink_to(ROOT / name)
    quick = ["--set", "epochs=1", "--set", "train_images=3000"]
    commands = ["mnistnet train --config configs/default.yaml --resume", *typed(README)]
    assert len(commands) >= 5
    for command in commands:
        _, *words = shlex.split(command)
        result = CliRunner().invoke(cli, [*words, *(quick if words[0] == "train" else [])])
        assert result.exit_code == 0, f"{command}\n{result.output}"
        if words[0] == "predict":
            assert re.match(r"docs/two\.png: \d \(\d+\.\d %\)", result.stdout)
            assert len(result.stdout.splitlines()) == 30
        if words[0] == "eval":
            assert "accuracy" in result.stdout


def test_make_train_and_make_test_stand_first_in_the_readme_and_call_what_it_says() -> None:
    code = re.findall(r"^    (.*)$", README, re.MULTILINE)
    assert [line.split("#")[0].strip() for line in code[:2]] == ["make train", "make test"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "mnistnet train --config $(CONFIG) --resume" in makefile
    assert "CONFIG ?= configs/default.yaml" in makefile
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    assert targets == set(phony[1].split())


@pytest.mark.parametrize("command", COMMANDS)
def test_the_examples_of_each_help_text_parse(command: str) -> None:
    result = CliRunner().invoke(cli, [command, "--help"])
    examples = typed(result.stdout)
    assert examples
    for example in examples:
        _, name, *words = shlex.split(example.partition(" > ")[0])
        assert name == command
        found = cli.commands.get(name) or cli.get_command(None, name)  # type: ignore[arg-type]
        assert found is not None
        found.make_context(name, words)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_readme(command: str) -> None:
    assert f"| `mnistnet {command}" in README


def test_the_page_of_commands_says_what_help_says() -> None:
    assert commands.PAGE.read_text(encoding="utf-8") == commands.page()


def test_the_page_of_the_config_says_what_the_schema_says() -> None:
    page = config_reference.PAGE.read_text(encoding="utf-8")
    assert config_reference.page(page) == page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_documents_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_key_of_the_config_is_documented_with_its_default() -> None:
    text = (ROOT / "docs" / "config.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| `(.*?)` \|", text, re.MULTILINE))
    for name, value in msgspec.to_builtins(Config()).items():
        shown = value["name"] if isinstance(value, dict) else value
        shown = list(shown) if isinstance(shown, tuple) else shown
        assert yaml.safe_load(rows[name]) == shown, name


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_each_line_of_a_shipped_config_says_why_and_its_head_states_a_measured_result(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    head = text.partition("\n\n")[0]
    assert re.search(r"\d\d\.\d\d? % test accuracy", head), head
    assert "mnistnet train --config configs/" in head
    assert os.fspath(path.name) in head


def test_the_suite_reads_the_whole_set_of_configs() -> None:
    assert {path.stem for path in CONFIGS} >= {"default", "3blue1brown", "nielsen", "full_batch"}
