"""The suite under every Python that is here, with the oldest and with the newest dependencies that pyproject allows.

    python -m tests.torture.matrix [words for pytest]

Each job has an environment of its own, `.venv-3.12-oldest`. Of what pyproject.toml requires, directly, the oldest
version it allows is installed, or the newest one there is. What the machine cannot install is said in a sentence and
skipped; the exit code is 1 where a job failed that could be run.
"""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
OLDEST = (3, 11)
NOT_OURS = ("types-", "mypy", "ruff")
"""Tools that read code and do not run it: their versions say nothing about ours."""


def pythons() -> Iterator[tuple[str, str]]:
    """Yield the version, such as "3.12", and the program of every Python that is new enough, oldest first."""
    for minor in range(OLDEST[1], 30):
        version = f"3.{minor}"
        kept = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
        for program in [*map(str, kept), shutil.which(f"python{version}")]:
            if (
                program
                and subprocess.run([program, "-c", "import venv, ensurepip"], capture_output=True).returncode == 0
            ):
                yield version, program
                break


def oldest() -> list[str]:
    """Return a constraint `name==version` for each lower bound in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    pairs = [re.match(r"([A-Za-z0-9_.-]+)(?:\[[a-z,]+\])?>=([0-9.]+)", line) for line in wanted]
    return [f"{pair[1]}=={pair[2]}" for pair in pairs if pair and not pair[1].startswith(NOT_OURS)]


def install(version: str, program: str, which: str) -> Path | str:
    """Return the Python of a job's environment, or the sentence that says why there is none."""
    folder = ROOT / f".venv-{version}-{which}"
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([program, "-m", "venv", str(folder)], check=True)
    limits = folder / "constraints.txt"
    limits.write_text("\n".join(oldest() if which == "oldest" else []), encoding="utf-8")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
    # Only wheels: an old release without one for this Python would have to be compiled, and was never meant for it.
    done = subprocess.run(
        [*pip, "--constraint", str(limits), "--editable", f"{ROOT}[dev]"], capture_output=True, text=True
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        return lines[0].removeprefix("ERROR: ") if lines else "pip failed"
    return python


def main() -> int:
    """Run all jobs, print a line for each."""
    words = sys.argv[1:] or ["tests"]
    failed = False
    for version, program in pythons():
        for which in ("oldest", "newest"):
            job = f"Python {version} with the {which} dependencies"
            python = install(version, program, which)
            if isinstance(python, str):
                print(f"{job}: skipped, cannot be installed here: {python}", flush=True)
                continue
            log = python.parent.parent / "test.log"
            with log.open("w", encoding="utf-8") as stream:
                environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
                done = subprocess.run(
                    [str(python), "-m", "pytest", *words], cwd=ROOT, stdout=stream, stderr=stream, env=environment
                )
            last = log.read_text(encoding="utf-8").strip().splitlines()[-1:]
            failed |= done.returncode != 0
            print(f"{job}: {'passed' if done.returncode == 0 else f'FAILED, see {log}'}: {' '.join(last)}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
