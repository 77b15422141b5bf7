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


def oldest() -> dict[str, str]:
    """Return the lower bound of everything in pyproject.toml, by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    pairs = [re.match(r"([A-Za-z0-9_.-]+)(?:\[[a-z,]+\])?>=([0-9.]+)", line) for line in wanted]
    return {pair[1]: pair[2] for pair in pairs if pair and not pair[1].startswith(NOT_OURS)}


def environment(version: str, program: str, which: str) -> Path:
    """Return the Python of a job's environment, which is made when there is none."""
    folder = ROOT / f".venv-{version}-{which}"
    if not (folder / "constraints.txt").exists():  # nor is one whole that was stopped while it was made
        subprocess.run([program, "-m", "venv", "--clear", str(folder)], check=True)
    return folder / "bin" / "python"


def install(python: Path, limits: dict[str, str]) -> str | None:
    """Install what the tests need, at exactly these versions; return why that cannot be done, or None.

    Only wheels: an old release without one for this Python would have to be compiled, and was never meant for it. In
    its place the oldest later one that has a wheel is put into `limits`.
    """
    file = python.parent.parent / "constraints.txt"
    pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
    while True:
        file.write_text("".join(f"{name}=={limit}\n" for name, limit in limits.items()), encoding="utf-8")
        command = [*pip, "install", "--only-binary", ":all:", "--constraint", str(file), "--editable", f"{ROOT}[dev]"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0:
            return None
        said = done.stdout + done.stderr
        conflict = re.search(r"The user requested \(constraint\) ([\w.-]+)==(\S+)", said)
        later = _later(pip, conflict[1], limits[conflict[1]]) if conflict else None
        if not conflict or not later:
            return next((line for line in said.splitlines() if line.startswith("ERROR: ")), "pip failed")
        limits[conflict[1]] = later


def _later(pip: list[str], name: str, version: str) -> str | None:
    """Return the oldest version after this one that has a wheel, which pip tells when it is asked for none of them."""
    command = [*pip, "download", "--no-deps", "--only-binary", ":all:", f"{name}==0"]
    said = subprocess.run(command, capture_output=True, text=True).stderr
    found = re.search(r"\(from versions: ([\w., ]*)\)", said)
    released = [other for other in (found[1].split(", ") if found else ()) if re.fullmatch(r"[0-9.]+", other)]
    return next((other for other in released if _key(other) > _key(version)), None)


def _key(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]


def main() -> int:
    """Run all jobs, print a line for each."""
    words = sys.argv[1:]
    failed = False
    for version, program in pythons():
        for which in ("oldest", "newest"):
            job = f"Python {version} with the {which} dependencies"
            bounds = oldest() if which == "oldest" else {}
            limits, python = dict(bounds), environment(version, program, which)
            wrong = install(python, limits)
            if wrong:
                print(f"{job}: skipped, cannot be installed here: {wrong}", flush=True)
                continue
            later = ", ".join(f"{name} {limit}" for name, limit in limits.items() if limit != bounds[name])
            job += f" (the oldest with a wheel: {later})" if later else ""
            log = python.parent.parent / "test.log"
            with log.open("w", encoding="utf-8") as stream:
                settings = os.environ | {"PYTHONPYCACHEPREFIX": str(python.parent.parent / "cache")}
                done = subprocess.run(
                    [str(python), "-m", "pytest", *words], cwd=ROOT, stdout=stream, stderr=stream, env=settings
                )
            last = log.read_text(encoding="utf-8").strip().splitlines()[-1:]
            failed |= done.returncode != 0
            print(f"{job}: {'passed' if done.returncode == 0 else f'FAILED, see {log}'}: {' '.join(last)}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
