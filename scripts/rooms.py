"""Writes the table of rooms, their files and lines into CONTRIBUTING.md.

python -m scripts.rooms
"""

from pathlib import Path

from benchmarks.report import replace_between, table

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "mnistnet"
PAGE = ROOT / "CONTRIBUTING.md"
MARKS = "<!-- rooms: begin -->", "<!-- rooms: end -->"


def main() -> None:
    """Rewrite the table."""
    PAGE.write_text(replace_between(PAGE.read_text(encoding="utf-8"), *MARKS, rooms()), encoding="utf-8")


def rooms() -> str:
    """Return the table: for each room its files and lines of Python and JavaScript."""
    found = [
        (f"`{path.name}/`", _sources(path)) for path in sorted(PACKAGE.iterdir()) if (path / "__init__.py").exists()
    ]
    found.append(("at the top", list(PACKAGE.glob("*.py"))))
    lines = [[name, str(len(files)), f"{sum(map(_lines, files)):,}"] for name, files in found]
    files = [path for _, paths in found for path in paths]
    return table(["room", "files", "lines"], [*lines, ["all", str(len(files)), f"{sum(map(_lines, files)):,}"]])


def _sources(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix in (".py", ".js")]


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


if __name__ == "__main__":
    main()
