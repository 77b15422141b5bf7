"""How to install what only some users need: the extras of the package, from where it is installed."""

import shlex
import sys
from pathlib import Path

_ROOT = Path(__file__).parent.parent.parent


def install_command(extra: str) -> str:
    """Return the command that adds an extra to this installation: of a checkout, or of the package."""
    python = Path(sys.executable)
    here = Path.cwd()
    shown = python.relative_to(here) if python.is_relative_to(here) else python
    if (_ROOT / "pyproject.toml").is_file():
        root = "." if here == _ROOT else str(_ROOT)
        return f"{shlex.quote(str(shown))} -m pip install -e {shlex.quote(f'{root}[{extra}]')}"
    return f"{shlex.quote(str(shown))} -m pip install {shlex.quote(f'mnistnet[{extra}]')}"
