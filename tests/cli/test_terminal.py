"""The README's pictures of terminals show what the commands print."""

import os
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from scripts import terminal
from tests.conftest import ROOT
from tests.demo import FLAGS, find_chromium
from tests.project.test_printed_examples import numbers, words

SVG = "{http://www.w3.org/2000/svg}"
SHORT = "--set train_images=1000"  # the same lines, sooner


def described(picture: str) -> str:
    text = ET.parse(ROOT / "docs" / f"{picture}.svg").getroot().findtext(f"{SVG}desc")
    assert text is not None
    return text


def screen(*printed: str, columns: int = 80) -> terminal.Screen:
    screen = terminal.Screen(columns)
    for when, piece in enumerate(printed):
        screen.feed(piece, float(when))
    return screen


def test_the_picture_of_explain_shows_what_it_prints() -> None:
    picture = terminal.PICTURES["explain"]
    lines, _ = terminal.shown(picture, terminal.record(picture.command, picture.columns))
    found, kept = terminal.text(lines), described("explain")
    assert "\n2. What the output layer wishes ──" in kept
    assert "\n4. All wishes added up, and passed back ──" in kept
    assert kept.endswith(terminal.CUT)
    assert words(found) == words(kept)
    # As on the page about backpropagation: the last digit may differ from machine to machine.
    assert numbers(found) == pytest.approx(numbers(kept), rel=0.02, abs=0.011)


def test_the_picture_of_train_shows_the_lines_that_a_training_prints() -> None:
    picture = terminal.PICTURES["train"]
    lines, times = terminal.shown(picture, terminal.record(f"{picture.command} {SHORT}", picture.columns))
    command, *printed = described("train").splitlines()
    assert command == f"$ {picture.command}"
    assert words("\n".join(printed)) == words(terminal.text(lines[1:]))
    assert times == sorted(times)
    assert times[0] == 0 < times[1]


def test_what_a_bar_left_behind_is_wiped_away_and_long_lines_are_broken() -> None:
    shown = screen(
        "epoch  50 %|###  |\r", "                  \r\x1b[1mepoch\x1b[0m 1\n", "abcdefgh" * 3 + "\n", columns=20
    )
    assert terminal.text(shown.lines) == "epoch 1\nabcdefghabcdefghabcd\nefgh"
    assert shown.lines[0][:6] == [*((letter, "bold") for letter in "epoch"), (" ", "")]
    assert shown.times == [1.0, 2.0, 2.0]


def test_a_picture_shows_the_parts_that_were_asked_for_and_marks_what_it_leaves_out() -> None:
    printed = screen("one\n", "two\n", "three\n", "four\n")
    picture = terminal.Picture("mnistnet x", "X", (("two", "three"), ("three", "four")))
    assert terminal.text(terminal.shown(picture, printed)[0]) == "$ mnistnet x\n[...]\ntwo\nthree\n[...]"
    whole = terminal.Picture("mnistnet x", "X")
    assert terminal.text(terminal.shown(whole, printed)[0]) == "$ mnistnet x\none\ntwo\nthree\nfour"


def test_columns_stand_where_they_do_in_a_terminal_whatever_the_font() -> None:
    drawn = terminal.drawn(terminal.Picture("mnistnet x", "a < b"), screen("  h2.0   \x1b[94m──►\x1b[0m  & 5\n"))
    root = ET.fromstring(drawn)
    assert root.findtext(f"{SVG}title") == "a < b"
    pieces = {text.text: (int(text.attrib["x"]), int(text.attrib["textLength"])) for text in root.iter(f"{SVG}text")}
    left, cell = terminal.MARGIN, terminal.CELL
    assert pieces["h2.0"] == (left + 2 * cell, 4 * cell)
    assert pieces["& 5"] == (left + 14 * cell, 3 * cell)
    line, tip = (path.attrib for path in root.iter(f"{SVG}path"))
    assert line["class"] == tip["class"] == "up"
    assert line["d"].startswith(f"M{left + 9 * cell} ")
    assert tip["d"].startswith(f"M{left + 11 * cell} ")


@pytest.mark.parametrize("name", terminal.PICTURES)
def test_a_picture_fetches_nothing_and_is_small(name: str) -> None:
    text = (ROOT / "docs" / f"{name}.svg").read_text(encoding="utf-8")
    assert re.findall(r"https?://[^\"]*", text) == ["http://www.w3.org/2000/svg"]
    assert "url(" not in text
    assert "@import" not in text
    assert len(text) < 30_000


def test_in_a_browser_all_lines_of_a_recording_have_come_in_the_end(tmp_path: Path) -> None:
    found = find_chromium()
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Chromium here; on Debian: apt-get install chromium")
    recorded = (ROOT / "docs" / "train.svg").read_text(encoding="utf-8")
    copies = {f"lasts {took}": re.sub(r"duration:[\d.]+s", f"duration:{took}s", recorded) for took in (0.3, 60)}
    copies["still"] = recorded.replace("animation:", "none:")
    seen = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        page = browser.new_page(viewport={"width": 850, "height": 170})
        for name, text in copies.items():
            (tmp_path / f"{name}.svg").write_text(text, encoding="utf-8")
            (tmp_path / "page.html").write_text(f'<img src="{name}.svg">', encoding="utf-8")
            page.goto((tmp_path / "page.html").as_uri())
            page.wait_for_timeout(1000 if name == "lasts 0.3" else 0)
            seen[name] = page.screenshot()
        browser.close()
    assert len(set(copies.values())) == 3
    assert seen["lasts 60"] != seen["still"] == seen["lasts 0.3"]


def test_a_command_that_fails_is_no_picture() -> None:
    with pytest.raises(SystemExit, match="expected a whole number"):
        terminal.record("mnistnet config --set epochs=x", 80)
    assert not list(Path().iterdir())
