"""The hooks of mkdocs.yml: pages that lie outside docs/, and links that lead out of it, which are plain words there."""

import os
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DOCS, CONTRIBUTING = ROOT / "docs", ROOT / "CONTRIBUTING.md"
NOTEBOOK = ROOT / "examples" / "first_steps.ipynb"
OUTSIDE = {CONTRIBUTING: "contributing.md", ROOT / "CHANGELOG.md": "changelog.md", NOTEBOOK: "first_steps.ipynb"}
"""What stands elsewhere in the repository, where people look for it, and its name on the site."""

LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)#\s]+)(#[^)\s]*)?\)")


def on_config(config: Any) -> Any:
    """Leave the links "edit this page" out where nobody says in which repository the source is."""
    if not config.repo_url:
        config.edit_uri = None
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages from outside docs/."""
    from mkdocs.structure.files import File

    os.environ.setdefault("MNISTNET_DATA_DIR", str(ROOT / "data"))  # the notebook is run in its own folder
    for path, name in OUTSIDE.items():
        if path.suffix == ".md":
            file = File.generated(config, name, content=inside(path.read_text(encoding="utf-8"), ROOT))
        else:
            file = File(name, str(path.parent), config.site_dir, config.use_directory_urls)
        file.edit_uri = f"../{path.relative_to(ROOT).as_posix()}"
        files.append(file)
    return files


on_files.mkdocs_priority = 100  # type: ignore[attr-defined]  # before the plugin that turns notebooks into pages


def on_pre_page(page: Any, **_: Any) -> Any:
    """Lead to the notebook's own place, which that plugin does not know."""
    if page.edit_url and page.file.src_uri == NOTEBOOK.name:
        page.edit_url = page.edit_url.replace("/docs/", f"/{NOTEBOOK.parent.name}/")
    return page


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Return a page as the site can show it."""
    return markdown if page.file.generated_by else inside(markdown, DOCS)


def inside(text: str, folder: Path) -> str:
    """Return a document that lies in `folder` with its links as they are in docs/, and without those that lead out."""

    def mended(link: re.Match[str]) -> str:
        label, target, anchor = link[1], link[2], link[3] or ""
        if ":" in target:
            return link[0]
        path = (folder / target).resolve()
        if path in OUTSIDE:
            return f"[{label}]({OUTSIDE[path]}{anchor})"
        return f"[{label}]({path.relative_to(DOCS).as_posix()}{anchor})" if path.is_relative_to(DOCS) else label

    return LINK.sub(mended, text)
