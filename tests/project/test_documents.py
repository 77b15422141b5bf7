"""What the documents say can be typed, can be typed; what they list is all there is."""

import re
import shlex
from pathlib import Path

import msgspec
import pytest
import yaml
from click.testing import CliRunner

from mnistnet.cli import COMMANDS, cli
from mnistnet.config import figures
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
def test_the_head_of_a_shipped_config_says_what_it_is_and_how_to_run_it_and_no_figure(path: Path) -> None:
    head = path.read_text(encoding="utf-8").partition("\n\n")[0]
    assert f"mnistnet train --config configs/{path.name}" in head
    assert "accuracy" not in head
    assert not re.search(r"\d\.\d+ (%|s\b)|\d min", head), f"{head}: figures belong into benchmarks/gates.json"


GENERATED = re.compile(r"<!-- (\w+): begin -->.*?<!-- \1: end -->", re.DOTALL)
LOGS = {"experiments.md", "CHANGELOG.md"}  # of what was measured once


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in LOGS], ids=lambda page: page.name)
def test_an_accuracy_to_a_hundredth_of_a_point_is_one_of_the_committed_figures(page: Path) -> None:
    """Two decimals are how `gates.json`'s accuracies are shown; whoever types one beside it may type another."""
    known = " ".join(found.accuracy for found in figures.all_figures().values())
    for figure in re.findall(r"\b(\d\d\.\d\d) ?%", GENERATED.sub("", page.read_text(encoding="utf-8"))):
        assert figure in known, f"{page.name} says {figure} %, and benchmarks/gates.json does not"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_source_file_that_a_document_names_exists(page: Path) -> None:
    for name in re.findall(r"`([\w/.]+\.(?:py|js|ipynb))`", page.read_text(encoding="utf-8")):
        assert [*ROOT.glob(name), *ROOT.glob(f"[!.]*/**/{name}")], f"{page.name} names {name}, which is not there"


def test_the_suite_reads_the_whole_set_of_configs() -> None:
    assert {path.stem for path in CONFIGS} >= {"default", "3blue1brown", "nielsen", "full_batch"}
