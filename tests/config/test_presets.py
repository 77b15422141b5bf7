"""The configs that come with the package are known by name, from a checkout and from an installed wheel alike."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mnistnet.config import figures, presets
from mnistnet.config import loader as configs
from mnistnet.errors import ConfigError
from tests.conftest import ROOT
from tests.helpers import run
from tests.project.test_documents import CONFIGS


def test_every_config_of_the_checkout_has_its_name_and_is_the_file_of_that_name() -> None:
    assert presets.names() == sorted(path.stem for path in CONFIGS)
    assert presets.names()[0] == "3blue1brown"
    assert configs.load(Path("3blue1brown")) == configs.load(ROOT / "configs" / "3blue1brown.yaml")
    assert presets.path("3blue1brown") == ROOT / "configs" / "3blue1brown.yaml"
    assert presets.path("none") is None


def test_an_installed_package_has_them_inside_itself(tmp_path: Path) -> None:
    installed = tmp_path / "site-packages"
    shutil.copytree(ROOT / "mnistnet", installed / "mnistnet", ignore=shutil.ignore_patterns("__pycache__", "*.npz"))
    shutil.copytree(ROOT / "configs", installed / "mnistnet" / "configs")
    shutil.copy(ROOT / "benchmarks" / "gates.json", installed / "mnistnet" / "configs")
    (installed / "configs").mkdir()  # another package's
    code = f"import sys; sys.path[0] = {str(installed)!r}; "
    code += "from mnistnet.config import figures, presets; print(presets.path('default'), figures.path())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    inside = installed / "mnistnet" / "configs"
    assert done.stdout.split() == [str(inside / "default.yaml"), str(inside / "gates.json")]


def test_a_name_stands_for_the_shipped_config_and_a_path_for_a_file() -> None:
    Path("default").write_text("epochs: 77\n", encoding="utf-8")
    assert configs.load(Path("default")).epochs == 10
    assert configs.load(Path("./default").absolute()).epochs == 77
    Path("mine").write_text("epochs: 78\n", encoding="utf-8")
    assert configs.load(Path("mine")).epochs == 78


def test_a_name_that_is_neither_is_answered_with_those_there_are() -> None:
    with pytest.raises(
        ConfigError, match=r"3blu: cannot be read: no such file.* has this name \(3blue1brown, .*default"
    ):
        configs.load(Path("3blu"))
    with pytest.raises(ConfigError, match=r"3blu\.yaml: cannot be read: no such file or directory$"):
        configs.load(Path("3blu.yaml"))


def test_the_list_says_of_each_config_what_it_is_how_accurate_and_how_fast() -> None:
    result = run("config", "--list")
    assert result.exit_code == 0
    names = [line.split()[0] for line in result.stdout.splitlines() if not line.startswith(" ")]
    assert names == presets.names()
    assert "3blue1brown  The network of 3Blue1Brown's videos, trained as they say.\n" in result.stdout
    for name in names:
        found = figures.all_figures()[name]
        assert f"test accuracy {found.accuracy}, n = {len(found.runs)}, in {found.time}\n" in result.stdout, name
    assert "mnistnet train --config configs" not in result.stdout
    assert "mnistnet train --config NAME" in result.stderr
    assert run("config", "default", "--list").exit_code == 2


@pytest.mark.parametrize("name", presets.names())
def test_each_summary_is_one_sentence(name: str) -> None:
    text = presets.summary(name)
    assert text.endswith(".")
    assert 20 < len(text) < 120


def test_a_run_by_name_is_called_so_and_says_how_to_go_on(mnist_dir: Path) -> None:
    few = ["--set=train_images=200", "--set=validation=50", "--set=epochs=1"]
    assert run("train", "--config", "3blue1brown", *few, "--data-dir", mnist_dir).exit_code == 0
    assert Path("runs/3blue1brown/best.npz").exists()
