"""The documents as a site: each page can be reached, and no link leads out of it into nothing."""

import re
from pathlib import Path

import pytest
import yaml

from scripts import site
from tests.conftest import ROOT

SETTINGS = re.sub(r"!ENV .*", "null", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
NAV = yaml.safe_load(SETTINGS)["nav"]
MARKDOWN = [*sorted(site.DOCS.glob("*.md")), *(path for path in site.OUTSIDE if path.suffix == ".md")]


def pages(nav: object) -> list[str]:
    """Return all pages that the navigation names."""
    if isinstance(nav, dict):
        nav = list(nav.values())
    return [page for entry in nav for page in pages(entry)] if isinstance(nav, list) else [str(nav)]


def test_every_page_can_be_reached_once() -> None:
    there = [path.name for path in site.DOCS.glob("*.md")]
    assert sorted(pages(NAV)) == sorted([*there, *site.OUTSIDE.values()])


def test_the_navigation_has_a_path_for_each_kind_of_reader() -> None:
    assert [next(iter(entry)) for entry in NAV] == ["Home", "Learn", "Use", "Reference", "Evidence"]


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: path.name)
def test_no_link_of_a_page_leads_out_of_the_site(path: Path) -> None:
    text = site.inside(path.read_text(encoding="utf-8"), path.parent)
    targets = [target for _, target, _ in site.LINK.findall(text) if ":" not in target]
    inside = [target for target in targets if target not in site.OUTSIDE.values()]
    assert [target for target in inside if not (site.DOCS / target).is_file()] == []
    assert [target for target in targets if target.startswith("..")] == []


def test_a_link_keeps_its_words_and_its_place_on_the_page() -> None:
    text = "[a](docs/config.md#optimizers) [b](mnistnet/network.py) [c](https://x.y/) [d](#here) ![e](docs/two.png)"
    assert site.inside(text, ROOT) == "[a](config.md#optimizers) b [c](https://x.y/) [d](#here) ![e](docs/two.png)"
    assert site.inside("[a](../CONTRIBUTING.md)", site.DOCS) == "[a](contributing.md)"
    assert not re.search(r"\]\(\.\.", site.inside((site.DOCS / "pictures.md").read_text(encoding="utf-8"), site.DOCS))
