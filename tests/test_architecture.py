"""The arrows between modules point one way: each module imports only from the layers above its own."""

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOT

LAYERS = [
    {"errors", "functions", "randomness", "pretrained", "recipes", "wording", "__init__"},
    {"memory", "sampler"},
    {
        "files",
        "network",
        "optimizers",
        "schedules",
        "augment",
        "calibration",
        "registry",
        "strict_yaml",
        "idx",
        "npz",
        "morphology",
        "team",
    },
    {"ruling", "paper", "download", "config_errors", "locking", "table", "steps", "schema"},
    {"ink", "finding", "datasets", "config"},
    {"line"},
    {"images", "batches", "checkpoint", "own_data"},
    {"evaluation", "nudges", "scaling", "tally"},
    {"doubt"},
    {"mistakes", "training", "sensitivity"},
    {"runs", "averaging", "walks", "plane"},
    {"explain", "compare"},
    {"export", "telling", "sweeps"},
    {"plots", "demo"},
    {"cli"},
    {"__main__"},
]
PACKAGE = ROOT / "mnistnet"
MODULES = sorted(PACKAGE.rglob("*.py"))


def name(path: Path) -> str:
    """Return a module's name inside the package; all of the command line is one."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def layer(module: str) -> int:
    return next(number for number, names in enumerate(LAYERS) if module in names)


def imports(path: Path) -> set[str]:
    """Return the modules of the package that a file imports anywhere, inside functions too."""
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
def test_a_module_imports_only_from_the_layers_above_its_own(path: Path) -> None:
    own = name(path)
    wrong = {other for other in imports(path) if other != own and layer(other) >= layer(own)}
    assert not wrong, f"{own} (layer {layer(own)}) imports {', '.join(sorted(wrong))}"


def test_every_layer_names_modules_that_exist() -> None:
    assert set().union(*LAYERS) == {name(path) for path in MODULES}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nobody_prints_below_the_command_line(path: Path) -> None:
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    assert not [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "print"]
    if name(path) not in ("cli", "__main__"):
        assert "click" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300
