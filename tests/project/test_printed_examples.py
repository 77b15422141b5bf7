"""The pages with printed examples: commands print what they say, code is the network's, pictures are there."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from mnistnet.cli import cli
from scripts.examples import OMITTED, PAGES, Example, examples, kept
from tests.conftest import ROOT

TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
EXAMPLES = examples(TEXT)
NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]\d+)?")
ARROW = re.compile(r" [<|][->|#]*|#+| *\|-+>|<-+\|")


def output(command: str) -> str:
    """Return what a command prints into a pipe."""
    _, *words = shlex.split(command)
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 0, f"{command}\n{result.output}"
    return result.stdout


def words(text: str) -> list[str]:
    """Return a text's words, without numbers, and without arrows and bars, whose lengths are numbers too."""
    return ARROW.sub(" ", NUMBER.sub(" ", text)).split()


def numbers(text: str) -> list[float]:
    """Return the numbers in a text."""
    return [float(number.replace(",", "")) for number in NUMBER.findall(text)]


def own(command: str) -> list[Example]:
    """Return the examples on the pages that show parts of this command's output."""
    return [example for example in EXAMPLES if example.command == command]


@pytest.fixture(autouse=True)
def _as_in_the_repository(tmp_path: Path) -> None:
    for name in ("configs", "docs", "data"):
        (tmp_path / name).symlink_to(ROOT / name)


@pytest.mark.parametrize(
    "command", sorted({example.command for example in EXAMPLES if not example.command.startswith("mnistnet compare")})
)
def test_a_command_prints_what_the_page_says(command: str) -> None:
    printed = output(command)
    for _, part, text in own(command):
        found = kept(printed, part)
        assert words(found) == words(text)
        # The last digit may differ from machine to machine, and after a hundred steps a little more.
        close = 0.3 if part.startswith("section 6") else 0.011
        assert numbers(found) == pytest.approx(numbers(text), rel=0.02, abs=close)


@pytest.mark.parametrize(
    ("command", "changes"),
    [
        (
            "mnistnet compare configs/full_batch.yaml configs/3blue1brown.yaml --seconds 20 --plot docs/walk.png",
            [("--seconds 20", "--epochs 1 --set train_images=300"), ("--plot docs/walk.png", "")],
        ),
        (
            "mnistnet compare configs/3blue1brown.yaml --over train_images=100,1000,10000,55000 --seconds 10",
            [("100,1000,10000,55000", "100,200,300,400"), ("--seconds 10", "--epochs 1")],
        ),
    ],
)
def test_a_long_command_prints_the_same_tables_when_it_is_cut_short(
    command: str, changes: list[tuple[str, str]]
) -> None:
    (example,) = own(command)
    for old, new in changes:
        assert old in command
        command = command.replace(old, new)
    tables = [output(command).split("\n\n")[:2], example.output.split("\n\n")[:2]]
    heads = [[line for table in each for line in table.splitlines() if not NUMBER.search(line[20:])] for each in tables]
    assert heads[0] == heads[1]
    assert [len(table.splitlines()) for table in tables[0]] == [len(table.splitlines()) for table in tables[1]]


def test_every_output_on_the_page_is_there_and_all_of_the_story_is_told() -> None:
    assert all(text for _, _, text in EXAMPLES)
    assert TEXT.count("```text") == len(EXAMPLES)
    assert {part.partition(",")[0] for _, part, _ in EXAMPLES} >= {f"section {number}" for number in range(1, 7)}
    commands = " ".join(example.command for example in EXAMPLES)
    for part in ("--untrained", "compare", "--over train_images="):
        assert part in commands
    assert "    mnistnet explain docs/two.png --label 2" in TEXT


def test_a_part_of_an_output_is_marked_where_something_is_left_out() -> None:
    section = "1. One ---\nwords\n\n  a\n  b\n  c\n\nmore\n\nend\n"
    output = f"{section}\n2. Two ---\nothers\n"
    assert kept(output, "") == output
    assert kept(output, "section 1") == section
    assert kept(output, "section 2") == "2. Two ---\nothers\n"
    assert kept(output, "section 1, lines 2").split("\n\n")[1] == f"  a\n  b\n  {OMITTED}"
    assert kept(output, "section 1, blocks 2 4").split("\n\n") == [OMITTED, "  a\n  b\n  c", OMITTED, "end\n"]
    assert kept(output, "section 1, blocks 1-3").split("\n\n")[-2:] == ["more", f"{OMITTED}\n"]
    with pytest.raises(SystemExit, match="expected a part such as"):
        kept(output, "section one")


def test_the_lines_of_code_on_the_page_are_those_of_the_network() -> None:
    source = {
        line.strip() for line in (ROOT / "mnistnet" / "nn" / "network.py").read_text(encoding="utf-8").splitlines()
    }
    quoted = [line for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()]
    assert [line for line in quoted if line not in source] == []
    assert {f"BP{number}" for number in range(1, 5)} == set(re.findall(r"# (BP\d)", " ".join(quoted)))


def test_the_two_misread_as_a_seven_is_one() -> None:
    (first, *_) = own("mnistnet explain --index 321")
    assert "reads this as a 7; it should read a 2." in first.output.replace("\n", " ")


@pytest.mark.parametrize(("name", "least_height"), [("nudges.png", 5000), ("walk.png", 1000)])
def test_the_pictures_on_the_page_are_drawn_and_of_modest_size(name: str, least_height: int) -> None:
    assert f"({name})" in TEXT
    path = ROOT / "docs" / name
    assert path.stat().st_size < 700_000
    with Image.open(path) as picture:
        assert picture.size[0] == 1680
        assert picture.size[1] > least_height
        white = (np.asarray(picture.convert("L")) == 255).mean()
    assert 0.5 < white < 0.95
