"""The worksheet: what the answers say is what `mnistnet explain` says of that network, and it prints on one page."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import sync_playwright

from tests.demo import FLAGS, find_chromium
from tests.helpers import run

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "worksheet.html"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what `explain --json` says, with the sums of each layer and the network after a step added to it."""
    folder = tmp_path_factory.mktemp("worksheet")
    subprocess.run([sys.executable, ROOT / "examples" / "worksheet.py", folder], check=True)
    result = run("explain", "--checkpoint", folder / "network.npz", "--index", "0", "--json")
    assert result.exit_code == 0, result.output
    explained: dict[str, Any] = json.loads(result.stdout)
    layers = explained["layers"]
    a = [np.array(layer["activations"]) for layer in layers]
    explained["z"] = [np.log(each / (1 - each)) for each in a]
    explained["slope"] = a[1] * (1 - a[1])

    with np.load(folder / "network.npz") as file:
        after = np.array([1, 0.2])
        for number, layer in enumerate(layers):
            weight = file[f"layers.{number}.weight"] - np.array(layer["weight_gradient"])
            bias = file[f"layers.{number}.bias"] - np.array(layer["bias_gradient"])
            after = 1 / (1 + np.exp(-(weight @ after + bias)))
    explained["after"] = {"activations": after, "cost": ((after - [1, 0]) ** 2).sum()}
    return explained


def test_every_answer_is_what_explain_says(found: dict[str, Any]) -> None:
    answers = re.findall(r'<i data-is="(-?)([\w.]+)">([^<]+)</i>', PAGE.read_text(encoding="utf-8"))
    assert len(answers) == PAGE.read_text(encoding="utf-8").count("data-is=") == 38
    for minus, path, text in answers:
        value: Any = found
        for key in path.split("."):
            value = value[int(key) if key.isdigit() else key]
        shown = float(text.replace("−", "-"))
        assert shown == pytest.approx(-value if minus else value, abs=0.00051), path


def test_the_largest_changes_are_the_ones_that_are_named(found: dict[str, Any]) -> None:
    first, last = found["layers"]
    largest = abs(first["bias_gradient"][1])
    assert abs(first["weight_gradient"][1][0]) == largest
    rest = [*first["weight_gradient"][0], *last["bias_gradient"], *np.ravel(last["weight_gradient"])]
    assert max(map(abs, rest)) < largest
    assert '<i class="words">weight 1 → h1, and the bias of h1</i>' in PAGE.read_text(encoding="utf-8")


def test_it_is_one_page_of_a4_with_answers_and_without() -> None:
    program = find_chromium()
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Chromium here; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        page = browser.new_page()
        page.goto(PAGE.as_uri())
        answer = page.locator("i").first
        assert answer.evaluate("node => getComputedStyle(node).color") == "rgba(0, 0, 0, 0)"
        prints = [page.pdf(prefer_css_page_size=True)]
        page.get_by_label("Show the answers").check()
        assert answer.evaluate("node => getComputedStyle(node).color") == "rgb(0, 80, 160)"
        prints.append(page.pdf(prefer_css_page_size=True))
        browser.close()
    for content in prints:
        assert re.findall(rb"/Type\s*/Pages\s+/Count\s+(\d+)|/Count\s+(\d+)", content)[0] in ((b"1", b""), (b"", b"1"))
