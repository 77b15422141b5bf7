"""The hooks of mkdocs.yml: CONTRIBUTING.md is a page too, and links that lead out of docs/ are plain words there."""

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DOCS, CONTRIBUTING = ROOT / "docs", ROOT / "CONTRIBUTING.md"
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Any, config: Any) -> Any:
    """Add the page about contributing, which stands at the repository's top, where people look for it."""
    from mkdocs.structure.files import File

    text = inside(CONTRIBUTING.read_text(encoding="utf-8"), ROOT)
    files.append(File.generated(config, "contributing.md", content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Return a page as the site can show it."""
    return inside(markdown, DOCS)


def inside(text: str, folder: Path) -> str:
    """Return a document that lies in `folder` with its links as they are in docs/, and without those that lead out."""

    def mended(link: re.Match[str]) -> str:
        label, target, anchor = link[1], link[2], link[3] or ""
        if ":" in target:
            return link[0]
        path = (folder / target).resolve()
        if path == CONTRIBUTING:
            return f"[{label}](contributing.md{anchor})"
        return f"[{label}]({path.relative_to(DOCS).as_posix()}{anchor})" if path.is_relative_to(DOCS) else label

    return LINK.sub(mended, text)
