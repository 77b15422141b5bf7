"""What stands around the code agrees with it: version, tools, extras, what goes into a wheel."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
import yaml

from mnistnet import __version__
from mnistnet.cli import cli
from mnistnet.config import presets
from mnistnet.inference import export
from tests.conftest import ROOT
from tests.project.test_documents import typed

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def test_the_citation_names_this_version_and_licence() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert (citation["version"], citation["license"]) == (__version__, PROJECT["project"]["license"])


def test_the_hooks_before_a_commit_are_what_make_check_runs() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert recipe is not None
    commands = [line.strip().replace("$(BIN)", ".venv/bin").removesuffix(" .") for line in recipe[1].splitlines()]
    assert [hook["entry"].removesuffix(" --force-exclude") for hook in hooks] == commands


def test_a_wheel_holds_the_configs_and_their_figures_where_the_package_looks_for_them() -> None:
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["only-include"] == ["mnistnet", "configs", "benchmarks/gates.json"]
    assert wheel["sources"] == {"configs": "mnistnet/configs", "benchmarks": "mnistnet/configs"}


@pytest.mark.parametrize("form", export.WRITERS)
def test_each_export_format_has_an_extra_of_its_name_with_the_bound_that_is_tested(form: str) -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    assert extras[form][0].startswith(f"{form}>=")
    assert extras[form][0] in extras["dev"]


def test_what_ci_runs_tries_the_wheel_too() -> None:
    assert "make package-test" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert re.search(r"^package-test: build ", MAKEFILE, re.MULTILINE)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_explained_for_each_shell(shell: str) -> None:
    page = (ROOT / "docs" / "getting-started.md").read_text(encoding="utf-8")
    assert f"_MNISTNET_COMPLETE={shell}_source mnistnet" in page


def test_the_line_for_bash_completes_commands_options_and_files(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "getting-started.md").read_text(encoding="utf-8")
    line = re.search(r"^    (eval .*bash_source.*)$", page, re.MULTILINE)
    assert line is not None
    program = tmp_path / "mnistnet"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mnistnet "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    ask = 'COMP_WORDS=({}) COMP_CWORD={}; COMPREPLY=(); $asked mnistnet; echo "${{COMPREPLY[*]}}"'
    script = [
        line[1],
        "compopt() { COMPREPLY=($*); }",  # bash has it only while somebody presses Tab
        "asked=$(complete -p mnistnet | sed 's/.*-F \\([^ ]*\\) .*/\\1/')",
        ask.format("mnistnet tr", 1),
        ask.format("mnistnet eval --js", 2),
        ask.format("mnistnet train --config x", 3),
    ]
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)], env={**os.environ, "PATH": path}, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout.splitlines(), done.stderr) == (["train", "--json", "-o default"], "")


@pytest.mark.parametrize("page", ["getting-started", "interchange"])
def test_the_commands_of_a_page_can_be_typed(page: str) -> None:
    commands = typed((ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8"))
    assert len(commands) >= 2
    whole = click.Context(cli, **cli.context_settings)
    for command in commands:
        _, name, *words = shlex.split(command)
        found = cli.get_command(whole, name)
        assert found is not None, command
        context = found.make_context(name, words, parent=whole)
        configured = context.params.get("config_path")
        assert configured is None or configured.name in presets.names(), command


WORKFLOW = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")


def test_ci_runs_on_each_system_and_each_python_that_the_package_names() -> None:
    matrix = yaml.safe_load(WORKFLOW)["jobs"]["test"]["strategy"]["matrix"]
    assert [name.partition("-")[0] for name in matrix["os"]] == ["ubuntu", "macos", "windows"]
    classified = [entry.rpartition(" ")[2] for entry in PROJECT["project"]["classifiers"] if "Python :: 3." in entry]
    assert matrix["python"] == classified
    assert PROJECT["project"]["requires-python"] == f">={classified[0]}"


def test_actions_are_pinned_to_commits_whose_version_is_said() -> None:
    uses = re.findall(r"uses: (.*)", WORKFLOW)
    assert len(uses) > 5
    assert [use for use in uses if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use)] == []


def test_ci_names_targets_and_folders_that_exist() -> None:
    for target in re.findall(r"make ([a-z-]+)", WORKFLOW):
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target
    for folder in re.findall(r"tests/\w+", WORKFLOW):
        assert (ROOT / folder).is_dir(), folder
