"""Imports between rooms point one way: each room imports only from the rooms above it in this list."""

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOT

ROOMS = [
    "errors",
    "util",
    "nn",
    "vision",
    "data",
    "datasets",
    "config",
    "pretrained",
    "checkpoint",
    "inference",
    "training",
    "explain",
    "experiments",
    "api",
    "plots",
    "web",
    "cli",
    "__main__",
]
EVERYWHERE = {"__init__"}  # the public names and the version
PACKAGE = ROOT / "mnistnet"
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_FILES = 12  # in a room, its __init__.py aside


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


BENCHMARKS = {path.stem: path for path in (ROOT / "benchmarks").glob("*.py")}


def imports(path: Path) -> set[str]:
    """Return the rooms that a file imports from anywhere, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for dotted in names:
            package, _, rest = dotted.partition(".")
            if package == "mnistnet" and rest:
                inner = rest.split(".")[0]
                found.add(inner if (PACKAGE / inner).exists() or (PACKAGE / f"{inner}.py").exists() else "__init__")
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_the_rooms_above_its_own(path: Path) -> None:
    own = room(path)
    if own in EVERYWHERE:
        return
    allowed = {*ROOMS[: ROOMS.index(own) + 1], *EVERYWHERE}
    assert imports(path) <= allowed, f"{own} imports {', '.join(sorted(imports(path) - allowed))}"


def test_every_room_is_in_the_list() -> None:
    assert {room(path) for path in MODULES} == {*ROOMS, *EVERYWHERE}


def test_benchmarks_import_each_other_without_a_cycle() -> None:
    arrows = {}
    for name, path in BENCHMARKS.items():
        nodes = [
            node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.ImportFrom)
        ]
        dotted = [f"{node.module}.{alias.name}".split(".") for node in nodes for alias in node.names]
        arrows[name] = {parts[1] for parts in dotted if parts[0] == "benchmarks"} & BENCHMARKS.keys()
    assert arrows["front_page"] >= {"gates", "report"}
    while ready := [name for name, needed in arrows.items() if not needed & arrows.keys()]:
        for name in ready:
            del arrows[name]
    assert not arrows, f"these import each other: {sorted(arrows)}"


def test_the_map_for_contributors_has_every_room() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for name in ROOMS:
        if (PACKAGE / name).is_dir():
            assert f"| `{name}/` |" in page
            assert name in ("pretrained", "plots", "web", "cli") or f"\n  {name}/ " in page


@pytest.mark.parametrize("name", [name for name in ROOMS if (PACKAGE / name).is_dir()])
def test_a_room_says_what_is_in_it_and_holds_few_files(name: str) -> None:
    folder = PACKAGE / name
    assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    if name != "cli":  # has a file for each command
        assert len(list(folder.glob("*.py"))) <= MAX_FILES + 1


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nobody_prints_below_the_command_line(path: Path) -> None:
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    assert not [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "print"]
    if room(path) not in ("cli", "__main__"):
        assert "import click" not in path.read_text(encoding="utf-8")
