"""How to install the package's extras."""

import shlex
import sys
from pathlib import Path

_ROOT = Path(__file__).parent.parent.parent


def install_command(extra: str) -> str:
    """Return the command that adds an extra to this installation: of a checkout, or of the package."""
    python = Path(sys.executable)
    here = Path.cwd()
    shown = python.relative_to(here) if python.is_relative_to(here) else python
    what = [f"mnistnet[{extra}]"]
    if (_ROOT / "pyproject.toml").is_file():
        what = ["-e", f"{'.' if here == _ROOT else _ROOT}[{extra}]"]
    return shlex.join([str(shown), "-m", "pip", "install", *what])
