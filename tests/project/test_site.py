"""The documents as a site: each page can be reached, and no link leads out of it into nothing."""

import re
from pathlib import Path

import pytest
import yaml

from scripts import site
from tests.conftest import ROOT

NAV = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
REACHED = {page for entry in NAV for page in (entry.values() if isinstance(entry, dict) else [entry])}


def test_every_page_can_be_reached() -> None:
    pages = {path.name for path in site.DOCS.glob("*.md")}
    assert pages | {"contributing.md"} == REACHED


@pytest.mark.parametrize("path", [*sorted(site.DOCS.glob("*.md")), site.CONTRIBUTING], ids=lambda path: path.name)
def test_no_link_of_a_page_leads_out_of_the_site(path: Path) -> None:
    text = site.inside(path.read_text(encoding="utf-8"), path.parent)
    targets = [target for _, target, _ in site.LINK.findall(text) if ":" not in target]
    assert [target for target in targets if target != "contributing.md" and not (site.DOCS / target).is_file()] == []
    assert [target for target in targets if target.startswith("..")] == []


def test_a_link_keeps_its_words_and_its_place_on_the_page() -> None:
    text = "[a](docs/config.md#optimizers) [b](mnistnet/network.py) [c](https://x.y/) [d](#here) ![e](docs/two.png)"
    assert site.inside(text, ROOT) == "[a](config.md#optimizers) b [c](https://x.y/) [d](#here) ![e](docs/two.png)"
    assert site.inside("[a](../CONTRIBUTING.md)", site.DOCS) == "[a](contributing.md)"
    assert not re.search(r"\]\(\.\.", site.inside((site.DOCS / "pictures.md").read_text(encoding="utf-8"), site.DOCS))
