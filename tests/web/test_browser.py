"""`mnistnet demo` in a real browser: drawn on by mouse, finger and keyboard, stepped through, taught, and looked at.

Debian's Chromium is driven by Playwright. `python -m tests.golden.screens` takes pictures of all views to look at.
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from mnistnet import pretrained
from mnistnet.checkpoint import checkpoint
from mnistnet.data.datasets import Examples
from mnistnet.inference.evaluate import evaluate
from mnistnet.vision.reading import digit_from_bytes
from mnistnet.web import live_training
from tests.demo import DIGITS, FLAGS, Served, draw, find_chromium, served
from tests.golden.demo_picture import PATH, RECORDING, STEPS, WIDTH
from tests.golden.screens import SIZES
from tests.pictures import enlarged, png

expect.set_options(timeout=20_000)  # a busy machine takes time; what is there at once is not waited for

OpenPage = Callable[..., Page]


@pytest.fixture(scope="module")
def browser(_own_environment: None) -> Iterator[Browser]:
    found = find_chromium()
    if found is None:
        reason = "no Chromium here; on Debian: apt-get install chromium"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def demo(_own_environment: None) -> Iterator[Served]:
    with served() as running:
        yield running


@pytest.fixture
def visit(browser: Browser, demo: Served) -> Iterator[OpenPage]:
    """Open the page; in the end nothing may have been said on the console, and nothing asked of another machine."""
    complaints: list[str] = []
    addresses: list[str] = []
    contexts, complain = [], complaints.append

    def opened(size: str = "desktop", expected: str | None = None, at: Served = demo, **options: Any) -> Page:
        width, height = SIZES[size]
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: None if expected and expected in message.text else complain(message.text))
        page.on("pageerror", lambda error: complain(str(error)))
        page.on("request", lambda request: addresses.append(request.url))
        page.goto(at.url)
        expect(page.locator("#about")).to_contain_text("weights and biases")
        expect(page.locator("#answer b").first).to_be_visible()  # of the digit that one is met with
        page.click("#clear")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
    assert addresses
    assert [a for a in addresses if not a.startswith(("http://127.0.0.1:", "data:"))] == []


def reads(page: Page, digit: int) -> None:
    expect(page.locator("#answer b")).to_have_text(str(digit))


def drawn_two(visit: OpenPage, **options: Any) -> Page:
    page = visit(**options)
    draw(page, DIGITS[2])
    reads(page, 2)
    return page


def settled(page: Page) -> Page:
    """Wait until the page has measured how good the network is at this example."""
    expect(page.locator("#figures")).to_contain_text("Accuracy")
    return page


def figure(page: Page, row: int) -> float:
    """Return the newest number in a row of the table of lessons, as it is said on hover."""
    return float(page.locator(f"#figures tbody tr:nth-child({row}) td:last-child").evaluate("(cell) => cell.tip()"))


def test_digits_drawn_with_the_mouse_are_read_and_undone(visit: OpenPage) -> None:
    page = visit()
    expect(page.locator("#answer")).to_have_text("No digit yet.")
    for digit, strokes in DIGITS.items():
        draw(page, strokes)
        reads(page, digit)
        page.click("#clear")
        expect(page.locator("#answer")).to_have_text("No digit yet.")
    draw(page, DIGITS[1])
    reads(page, 1)
    page.click("#undo")
    expect(page.locator("#answer")).to_have_text("No digit yet.")


def test_digits_drawn_with_a_finger_are_read(visit: OpenPage) -> None:
    page = visit("phone", has_touch=True, is_mobile=True)
    page.locator("#pad").scroll_into_view_if_needed()
    box = page.locator("#pad").bounding_box()
    assert box is not None
    finger = page.context.new_cdp_session(page)
    for digit in (0, 7):
        for stroke in DIGITS[digit]:
            kind = "touchStart"
            for x, y in stroke:
                point = {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}
                finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
                kind = "touchMove"
            finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        reads(page, digit)
        page.click("#clear")
        expect(page.locator("#answer")).to_have_text("No digit yet.")


def test_the_keyboard_is_enough(visit: OpenPage) -> None:
    page = visit()
    page.focus("#pad")
    for key in ["Shift+ArrowUp"] * 5 + ["Space"] + ["Shift+ArrowDown"] * 10 + ["Space"]:
        page.keyboard.press(key)
    reads(page, 1)
    page.focus("#network [tabindex='0']")
    expect(page.locator("#tip")).to_contain_text("output 0\nactivation ")
    for key in ("ArrowLeft", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("#story")).to_contain_text("The activation of h2.1 is")
    expect(page.locator("#network .picked")).to_have_count(1)
    page.focus("#pad")
    page.keyboard.press("z")
    expect(page.locator("#answer")).to_have_text("No digit yet.")


def test_the_backward_pass_steps_from_the_output_to_the_first_weights_and_back(visit: OpenPage) -> None:
    page = drawn_two(visit)
    page.select_option("#label", "7")
    titles = []
    for number in range(1, 9):
        page.click("#next")
        expect(page.locator("#story .count")).to_have_text(f"Step {number} of 8")
        titles.append(page.locator("#story h3").inner_text())
        arrows = page.locator("#network .arrow[d^=M]")
        assert (arrows.count() >= 2) == (number < 6)
        if number == 1:
            expect(page.locator("#detail tr.chosen")).to_contain_text("+0.9")
            expect(page.locator("#network .answer .arrow.down[d^=M]")).to_have_count(1)
        if number == 2:
            expect(page.locator(".ways > div")).to_have_count(3)
            expect(page.locator(".weights rect")).to_have_count(16)
            assert "and sigmoid(z) = " in page.locator("#story").inner_text()
            page.locator("#network .neuron[aria-label^='neuron 5 of hidden layer 1,']").click()
            expect(page.locator("#story")).to_contain_text("The activation of h1.5 is")
            expect(page.locator(".ways")).to_contain_text("not possible here, because the pixels are given.")
            expect(page.locator(".weights canvas")).to_have_count(1)
        if number == 3:
            expect(page.locator(".votes tbody td")).to_have_count(16 * 11)
            page.locator(".votes tbody td").first.hover()
            expect(page.locator("#tip")).to_contain_text("output 0 wishes of neuron 0 of hidden layer 2\n")
            assert len(page.locator("#tip").inner_text().split("\n")[1]) < 14
            written = page.locator(".votes tbody .number").all_inner_texts()
            assert max(abs(int(text.replace("−", "-"))) for text in written if text != "·") > 9
        if number == 5:
            expect(page.locator(".gallery canvas")).to_have_count(16)
            page.locator(".gallery canvas").first.hover()
            expect(page.locator("#tip")).to_contain_text("neuron 0 of hidden layer 1, weight of pixel")
    assert titles == [
        "What the output layer wishes",
        "Three ways for one neuron",
        "All wishes added up",
        "The same for hidden layer 1",
        "Back to the first weights",
        "Which weights and biases matter most",
        "The average over all examples",
        "Mini-batches",
    ]
    expect(page.locator("#story")).to_contain_text("Over 2,000 training images and 1,000 test images.")
    page.click("#back")
    expect(page.locator("#story h3")).to_have_text("The average over all examples")
    page.click("#next")
    page.click("#story a[href='#race']")
    expect(page.locator("#race")).to_be_visible()
    page.click("#view-think")
    page.click("#next")
    expect(page.locator("#network .arrow[d^=M]")).to_have_count(0)


def test_a_wrong_lesson_costs_accuracy_a_hundred_others_heal_it_and_reset_forgets_it(visit: OpenPage) -> None:
    page = settled(drawn_two(visit))
    page.select_option("#label", "7")
    expect(page.locator("#figures")).to_contain_text("Called 7")
    cost, accuracy, share = (figure(page, row) for row in (1, 2, 3))
    assert cost > 1
    assert accuracy > 0.9
    page.select_option("#times", "100")
    page.click("#alone")
    expect(page.locator("#figures")).to_contain_text("after 100 steps")
    reads(page, 7)
    assert figure(page, 1) < cost / 2
    assert figure(page, 2) < accuracy - 0.05
    assert figure(page, 3) > share + 0.05
    fallen = figure(page, 2)
    page.click("#many")
    expect(page.locator("#figures")).to_contain_text("after 200 steps")
    assert figure(page, 2) > fallen
    expect(page.locator("#chart polyline")).to_have_count(2)
    page.click("#reset")
    reads(page, 2)
    expect(page.locator("#figures")).to_contain_text("now")
    assert figure(page, 2) == accuracy


def test_of_a_large_network_the_most_active_neurons_are_followed_whatever_is_drawn(visit: OpenPage) -> None:
    with served("best") as large:
        page = drawn_two(visit, at=large)
        expect(page.locator("#network .title").nth(1)).to_have_text("16 of 1024")
        expect(page.locator("#network .neuron")).to_have_count(16 + 16 + 10)
        page.locator("#network .neuron").nth(3).click()
        expect(page.locator("#story h3")).to_have_text("Three ways for one neuron")
        draw(page, DIGITS[1])  # over the 2: other neurons are active now
        expect(page.locator("#story h3")).to_have_text("Three ways for one neuron")
        for number in (3, 4, 5):
            page.click("#next")
            expect(page.locator("#story .count")).to_have_text(f"Step {number} of 8")
        expect(page.locator(".gallery canvas")).to_have_count(16)
        page.close()  # before the server ends, which it may still be asking


def test_a_pad_that_is_cleared_while_it_is_asked_about_asks_nothing_more(visit: OpenPage) -> None:
    page, held = settled(drawn_two(visit)), list[Route]()
    page.click("#next")
    expect(page.locator("#story .count")).to_have_text("Step 1 of 8")
    page.route("**/api/wish", lambda route: held.append(route))
    with page.expect_request("**/api/wish"):
        draw(page, DIGITS[1])  # over the 2
    page.click("#clear")
    with page.expect_response("**/api/wish"):
        held[0].continue_()
    page.wait_for_timeout(150)  # what was asked of an empty pad would be refused by now, and said on the console
    expect(page.locator("#answer")).to_have_text("No digit yet.")


def test_one_is_met_with_a_digit_that_can_be_explained_or_drawn_over(visit: OpenPage) -> None:
    page = visit()
    expect(page.locator("#answer")).to_have_text("No digit yet.")
    page.reload()
    reads(page, 2)
    expect(page.locator("#source")).to_contain_text("Test image 1, labelled 2.")
    page.click("#next")
    expect(page.locator("#story .count")).to_have_text("Step 1 of 8")
    draw(page, DIGITS[1])
    reads(page, 1)
    expect(page.locator("#source")).not_to_contain_text("Test image")


def test_who_comes_while_others_are_being_read_waits_and_is_read_then(visit: OpenPage) -> None:
    page, busy = visit(expected="503"), [True, True]

    def full_at_first(route: Route) -> None:
        if busy:
            busy.pop()
            route.fulfill(status=503, json={"error": "other pictures are being decoded; try again in a moment"})
        else:
            route.continue_()

    page.route("**/api/think", full_at_first)
    draw(page, DIGITS[2])
    reads(page, 2)
    assert not busy
    expect(page.locator("#message")).to_be_hidden()


def test_a_digit_that_the_server_could_not_be_asked_about_is_not_called_none(visit: OpenPage) -> None:
    page = visit(expected="net::ERR_FAILED")
    expect(page.locator("#answer")).to_have_text("No digit yet.")
    page.route("**/api/think", lambda route: route.abort())
    draw(page, DIGITS[2])
    expect(page.locator("#message")).to_contain_text("The server does not answer")
    expect(page.locator("#answer")).to_have_text("Not read yet.")
    page.unroute("**/api/think")
    draw(page, DIGITS[2])
    reads(page, 2)


def test_with_forced_colours_the_winner_can_be_told(visit: OpenPage) -> None:
    page = drawn_two(visit, forced_colors="active")
    assert page.evaluate("matchMedia('(forced-colors: active)').matches")
    colour = "(node, of) => getComputedStyle(node)[of]"
    winner, stage = page.locator("#network .answer .name"), page.locator("#stage")
    assert winner.evaluate(colour, "fill") == "rgb(255, 255, 255)"
    assert page.locator("#network .answer circle").evaluate(colour, "strokeWidth") == "2.5px"
    assert max(map(int, re.findall(r"\d+", stage.evaluate(colour, "backgroundColor"))[:3])) < 50


def test_who_draws_with_the_keyboard_sees_how(visit: OpenPage) -> None:
    page = visit()
    help_text = page.locator("#pad-help")
    box = help_text.bounding_box()
    assert box is not None
    assert box["height"] <= 1
    page.locator("#pad").focus()
    page.keyboard.press("ArrowLeft")
    box = help_text.bounding_box()
    assert box is not None
    assert box["height"] > 20


def test_two_visitors_teach_networks_of_their_own(visit: OpenPage) -> None:
    one, other = settled(drawn_two(visit)), settled(drawn_two(visit))
    one.select_option("#label", "7")
    one.select_option("#times", "100")
    one.click("#alone")
    reads(one, 7)
    other.click("#undo")
    draw(other, DIGITS[2][1:])
    reads(other, 2)


def drop(page: Page, name: str, content: bytes) -> None:
    page.evaluate(
        """([name, bytes]) => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([new Uint8Array(bytes)], name));
            document.dispatchEvent(new DragEvent("drop", {dataTransfer, bubbles: true, cancelable: true}));
        }""",
        [name, list(content)],
    )


def test_a_dropped_picture_is_read_as_predict_reads_it(visit: OpenPage, mnist_test: Examples) -> None:
    page = visit()
    picture = png(255 - enlarged(mnist_test.images[0].reshape(28, 28), 10))
    drop(page, "seven.png", picture)
    reads(page, 7)
    expect(page.locator("#source")).to_contain_text("seven.png, read as mnistnet predict reads it")
    seen = page.evaluate("[...document.querySelector('#input').getContext('2d').getImageData(0, 0, 28, 28).data]")
    assert seen[::4] == digit_from_bytes(picture, "seven.png").tolist()


def test_a_file_that_is_no_picture_is_told_so_and_the_pad_stays_as_it_is(visit: OpenPage) -> None:
    page = drawn_two(visit, expected="422 (UNPROCESSABLE ENTITY)")
    drop(page, "notes.txt", b"no picture")
    expect(page.locator("#message")).to_contain_text("Your picture: not a picture, or of a kind not read here")
    reads(page, 2)


def test_a_picture_larger_than_a_message_is_made_smaller_first(visit: OpenPage, tmp_path: Path) -> None:
    page = visit()
    sheet = np.random.default_rng(0).integers(200, 256, (1200, 1200, 3))
    sheet[300:900, 560:640] = 0
    (tmp_path / "large.png").write_bytes(png(sheet))
    assert (tmp_path / "large.png").stat().st_size > 2 << 20
    page.set_input_files("#file", tmp_path / "large.png")
    reads(page, 1)


def test_a_test_digit_comes_with_what_was_meant(visit: OpenPage) -> None:
    page = visit()
    page.click("#random")
    source = page.locator("#source")
    expect(source).to_contain_text("Test image")
    label = source.inner_text().partition("labelled ")[2][0]
    expect(page.locator("#label")).to_have_value(label)
    expect(page.locator("#answer b")).to_be_visible()


@pytest.mark.parametrize("size", ["phone", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_phone_and_desktop_light_and_dark(visit: OpenPage, size: str, scheme: str) -> None:
    page = settled(drawn_two(visit, size=size, color_scheme=scheme))
    page.click("#next")
    for number in range(1, 9):
        expect(page.locator("#story .count")).to_have_text(f"Step {number} of 8")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        if number in (2, 3, 6):
            assert page.evaluate(FAINT) == []
        page.click("#next")
    page.click("#view-race")
    assert page.evaluate(FAINT) == []
    page.click("#view-think")
    stage, pad = page.locator("#stage").bounding_box(), page.locator("#pad").bounding_box()
    assert stage is not None
    assert pad is not None
    assert (stage["x"] > pad["x"] + pad["width"]) == (size == "desktop")
    assert pad["width"] > 240


@pytest.mark.parametrize("size", ["laptop", "desktop", "projector"])
def test_the_picture_and_its_words_are_seen_together_without_scrolling(visit: OpenPage, size: str) -> None:
    page = drawn_two(visit, size=size)
    for number in range(1, 9):
        page.click("#next")
        expect(page.locator("#story .count")).to_have_text(f"Step {number} of 8")
        page.evaluate("scrollTo(0, 0)")  # to click on a button that moves, Playwright may have scrolled
        for seen in ("#pad", "#answer", "#stage", "#next", "#story"):
            box = page.locator(seen).bounding_box()
            assert box is not None
            assert box["y"] >= 0, (number, seen)
            assert box["x"] + box["width"] <= SIZES[size][0], (number, seen)
            assert box["y"] + box["height"] <= SIZES[size][1], (number, seen)


@pytest.mark.parametrize("size", ["laptop", "desktop", "projector"])
def test_a_training_is_watched_without_scrolling(visit: OpenPage, size: str) -> None:
    page = visit(size=size)
    page.click("#view-learn")
    page.click("#learn-epoch")
    expect(page.locator("#learn-where")).to_contain_text("epoch 1.00")
    page.evaluate("scrollTo(0, 0)")
    for seen in ("#pad", "#learn-play", "#learn-costs", "#learn-accuracies", "#learn-weights", "#learn-confusion"):
        box = page.locator(seen).bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= SIZES[size][0], seen
        assert box["y"] + box["height"] <= SIZES[size][1], seen


def test_on_a_phone_the_order_is_draw_answer_network_words_and_a_finger_hits_each_neuron(visit: OpenPage) -> None:
    page = drawn_two(visit, size="phone")
    tops = []
    for seen in ("#pad", "#answer", "#network", "#story"):
        box = page.locator(seen).bounding_box()
        assert box is not None
        tops.append(box["y"])
    assert tops == sorted(tops)
    page.locator("#network").scroll_into_view_if_needed()
    missed = page.evaluate("""[...document.querySelectorAll("#network .neuron")].filter((node) => {
        const box = node.querySelector("circle").getBoundingClientRect();
        const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
        return [[0, -11.5], [0, 11.5], [-11.5, 0], [11.5, 0]].some(([across, down]) =>
            document.elementFromPoint(x + across, y + down)?.closest(".neuron") !== node);  // WCAG 2.2, 2.5.8
    }).length""")
    assert missed == 0


def test_activations_ripple_forward_and_wishes_flow_back_unless_motion_is_unwanted(visit: OpenPage) -> None:
    moving = "document.getAnimations().map((a) => [a.effect.getTiming().delay, a.effect.target.parentNode.layer ?? 0])"
    page = settled(drawn_two(visit))
    page.click("#next")
    page.click("#next")
    page.click("#next")
    delays = {layer: delay for delay, layer in page.evaluate(moving) if layer}
    assert delays[3] < delays[2]
    page.click("#back")
    page.click("#back")
    page.click("#back")
    delays = {layer: delay for delay, layer in page.evaluate(moving) if layer}
    assert delays[1] < delays[2] < delays[3]
    still = settled(drawn_two(visit, reduced_motion="reduce"))
    still.click("#next")
    assert still.evaluate(moving) == []


def test_every_control_says_what_it_does_on_hover_and_focus(visit: OpenPage) -> None:
    page = settled(drawn_two(visit))
    bare = "[...document.querySelectorAll('button, select, input:not([type=file])')].filter((c) => !c.dataset.tip"
    assert page.evaluate(f"{bare} && !c.closest('#detail')).map((c) => c.id)") == []
    page.locator("#random").hover()
    expect(page.locator("#tip")).to_have_text("Show an image of the test set")
    page.locator("#times").focus()
    expect(page.locator("#tip")).to_have_text("How many steps a press of a button takes")
    assert page.get_attribute("#times", "aria-description") == "How many steps a press of a button takes"


def test_every_control_has_a_name_and_every_id_is_one_of_a_kind(visit: OpenPage) -> None:
    page = settled(drawn_two(visit))
    page.click("#next")
    expect(page.locator("#story .count")).to_have_text("Step 1 of 8")
    assert page.evaluate(NAMELESS) == []
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map((node) => node.id)")
    assert len(ids) == len(set(ids)) > 20
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.evaluate("[...document.querySelectorAll('h1, h2, h3')].map((h) => +h.tagName[1])") == [
        1,
        2,
        2,
        2,
        3,
        2,
        2,
        2,
    ]
    assert page.get_attribute("#said", "aria-live") == "polite"
    assert page.locator("#said").inner_text() == page.locator("#answer").inner_text()


def test_the_picture_in_the_documents_is_of_the_page_and_small() -> None:
    with Image.open(PATH) as picture:
        assert picture.width == WIDTH
        pixels = np.asarray(picture.convert("RGB"))
    assert PATH.stat().st_size < 250_000
    with Image.open(RECORDING) as recording:
        assert recording.n_frames == len(STEPS) + 1  # type: ignore[attr-defined]
    assert RECORDING.stat().st_size < 1_500_000
    for colour in ((0x12, 0x14, 0x18), (0xF7, 0xF5, 0xF1)):  # the stage, and the page around
        assert 0.05 < np.mean(np.abs(pixels - np.array(colour)).max(axis=2) < 12) < 0.6


NAMELESS = """[...document.querySelectorAll(
    "button, input, select, canvas, svg[role], [role=button], [role=img], [role=application], section"
)].filter((node) => {
    const by = node.getAttribute("aria-labelledby");
    const name = node.getAttribute("aria-label") || (by && document.getElementById(by)?.textContent)
        || (node.labels && [...node.labels].map((label) => label.textContent).join("")) || node.textContent;
    return !name.trim();
}).map((node) => node.outerHTML.slice(0, 80))"""

FAINT = """(() => {  // text with less contrast than 4.5 to 1 (WCAG 2.2, 1.4.3), disabled controls aside
    const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
        .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = (node) => {
        const circle = node.matches(".index") && node.parentNode.querySelector("circle");
        if (circle) return numbers(getComputedStyle(circle).fill);
        for (; node; node = node.parentElement) {
            const colour = numbers(getComputedStyle(node).backgroundColor);
            if (colour.length === 3 || colour[3] === 1) return colour;
        }
        return [255, 255, 255];
    };
    const found = [];
    for (const node of document.querySelectorAll("body *")) {
        const text = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
        if (!text || node.matches(":disabled, .unseen, [aria-hidden=true], script, option, noscript")
            || !node.getClientRects().length) continue;
        const style = getComputedStyle(node), drawn = node.namespaceURI.endsWith("svg");
        const [a, b] = [light(numbers(drawn ? style.fill : style.color)), light(behind(node))];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < 4.5) found.push(`${node.textContent.slice(0, 30)}: ${contrast.toFixed(2)}`);
    }
    return found;
})()"""


def test_a_training_is_watched_from_random_weights_and_its_network_explained_and_saved(
    visit: OpenPage, tmp_path: Path, mnist_train: Examples
) -> None:
    page = drawn_two(visit)
    page.click("#view-learn")
    expect(page.locator("#learn-where")).to_contain_text("Step 0, epoch 0.00")
    expect(page.locator("#think")).to_be_hidden()
    page.click("#learn-step")
    expect(page.locator("#learn-where")).to_contain_text("Step 1, epoch 0.00")
    page.click("#learn-epoch")
    expect(page.locator("#learn-where")).to_contain_text("Step 580, epoch 1.00")
    page.click("#learn-play")
    expect(page.locator("#learn-where")).to_contain_text(re.compile(r"epoch ([4-9]|\d\d)\."))
    page.click("#learn-play")
    expect(page.locator("#learn-play")).to_have_text("Play")
    expect(page.locator("#learn-reading b")).to_have_text("2")
    assert page.locator("#learn-confusion tbody tr").count() == 10
    assert page.locator("#learn-layers tr").count() == 3
    with page.expect_download() as saving:
        page.click("#learn-save")
    saving.value.save_as(tmp_path / "saved.npz")
    loaded = checkpoint.load(tmp_path / "saved.npz")
    _, held_out_images = live_training.split(mnist_train)
    accuracy = evaluate(loaded.network, held_out_images).accuracy
    assert accuracy > 0.9
    expect(page.locator("#learn-accuracies text.bold").first).to_have_text(f"{100 * accuracy:.0f} %")

    page.click("#learn-adopt")
    expect(page.locator("#about")).to_contain_text("The network trained for ")
    reads(page, 2)
    expect(page.locator("#answer")).to_contain_text("(not calibrated)")
    page.select_option("#label", "7")
    page.click("#next")
    expect(page.locator("#story")).to_contain_text("The network reads this as a 2; it should read a 7.")
    page.click("#alone")
    expect(page.locator("#figures")).to_contain_text("after 1 step")
    page.click("#reset")
    expect(page.locator("#about")).to_contain_text("The network 3blue1brown: ")
    reads(page, 2)


def test_breaking_a_training_says_what_to_watch_and_a_rate_too_high_ends_in_a_sentence(visit: OpenPage) -> None:
    page = visit(expected="status of 422")
    page.click("#view-learn")
    page.select_option("#learn-twist", "zero")
    expect(page.locator("#learn-lesson")).to_contain_text("they stay copies of one another")
    page.select_option("#learn-preset", "default")
    page.select_option("#learn-optimizer", "sgd")
    page.select_option("#learn-twist", "fast")
    page.fill("#learn-learning_rate", "1e6")
    page.click("#learn-over")
    page.click("#learn-play")
    expect(page.locator("#message")).to_contain_text("start over with a lower learning rate")
    expect(page.locator("#learn-play")).to_have_text("Play")


def test_the_address_opens_the_page_at_a_point_of_a_lesson(visit: OpenPage, demo: Served) -> None:
    page = visit()
    page.goto(f"{demo.url}#learn/nielsen?rate=0.5&seed=7")
    page.reload()
    expect(page.locator("#learn-hidden")).to_have_value("30")
    expect(page.locator("#learn-batch_size")).to_have_value("10")
    expect(page.locator("#learn-learning_rate")).to_have_value("0.5")
    expect(page.locator("#learn-seed")).to_have_value("7")
    page.click("#learn-step")
    expect(page.locator("#learn-where")).to_contain_text("Step 1, ")


def test_play_goes_on_where_the_address_has_opened_the_view(visit: OpenPage, demo: Served) -> None:
    page = visit()
    page.goto(f"{demo.url}#learn/3blue1brown")
    page.reload()
    page.click("#learn-play")
    expect(page.locator("#learn-where")).to_contain_text(re.compile(r"epoch ([3-9]|\d\d+)\."))
    expect(page.locator("#learn-play")).to_have_text("Pause")
    page.click("#learn-play")
    expect(page.locator("#learn-play")).to_have_text("Play")


def test_a_rate_at_which_sigmoids_saturate_ends_in_a_sentence_too(visit: OpenPage) -> None:
    page = visit()
    page.click("#view-learn")
    page.fill("#learn-learning_rate", "1e6")
    page.click("#learn-epoch")
    expect(page.locator("#learn-lesson")).to_contain_text("are silent: the slope of their function is about 0 there")


def test_a_reload_goes_on_with_the_training_and_says_so_when_it_is_lost(visit: OpenPage) -> None:
    page = visit(expected="status of 410")
    page.click("#view-learn")
    page.fill("#learn-hidden", "20")
    page.press("#learn-hidden", "Tab")
    page.click("#learn-epoch")
    expect(page.locator("#learn-where")).to_contain_text("Step 580, ")
    page.reload()
    expect(page.locator("#learn-where")).to_contain_text("Step 580, ")
    expect(page.locator("#learn-hidden")).to_have_value("20")
    expect(page.locator("#learn-costs polyline")).to_have_count(2)
    page.click("#learn-adopt")
    expect(page.locator("#about")).to_contain_text("784 – 20 – 10 neurons")
    page.reload()
    expect(page.locator("#about")).to_contain_text("784 – 20 – 10 neurons")
    reads(page, 2)
    page.evaluate(
        "addEventListener('pagehide', () => sessionStorage.setItem('training', "
        'sessionStorage.getItem(\'training\').replace(/"training":"[^"]*/, \'"training":"gone\')))'
    )
    page.reload()
    expect(page.locator("#message")).to_contain_text("This training is gone")


def test_a_checkpoint_is_loaded_and_one_that_does_not_fit_is_refused(visit: OpenPage, tmp_path: Path) -> None:
    page = drawn_two(visit, expected="status of 40")
    page.click("#view-learn")
    page.set_input_files("#learn-file", pretrained.path("best"))
    expect(page.locator("#about")).to_contain_text("The network best.npz: 784 – 1024 – 1024 – 10 neurons")
    reads(page, 2)
    (tmp_path / "broken.npz").write_bytes(b"no checkpoint")
    page.click("#view-learn")
    page.set_input_files("#learn-file", tmp_path / "broken.npz")
    expect(page.locator("#message")).to_contain_text("Broken.npz: not a checkpoint that can be used")


def test_three_trainings_side_by_side_walk_their_own_ways(visit: OpenPage) -> None:
    page = visit(expected="status of 400")
    page.click("#view-race")
    page.click("#race-play")
    expect(page.locator("#race-plane polyline")).to_have_count(3)
    page.click("#race-play")
    expect(page.locator("#race-play")).to_have_text("Play")
    rows = [row.split("\t") for row in page.locator("#race-figures").inner_text().split("\n")]
    assert [row[0] for row in rows] == ["1 (drunk man)", "100", "58,000 (careful man)"]
    steps = [int(row[1].replace(",", "")) for row in rows]
    assert steps[0] > steps[1] > steps[2]
    assert float(rows[0][2]) > float(rows[0][3])  # walked further than it came
    assert page.locator("#race-plane .contour").count() > 5
    expect(page.locator("#race-stretches polyline")).to_have_count(3)
    page.fill("#race-sizes", "10, 1000")
    page.press("#race-sizes", "Tab")
    expect(page.locator("#race-figures tr")).to_have_count(2)
    page.click("#view-learn")
    page.fill("#learn-hidden", "128")
    page.press("#learn-hidden", "Tab")
    page.click("#view-race")
    page.click("#race-over")
    expect(page.locator("#message")).to_contain_text(
        "Side by side, networks may have at most 30,000 weights and biases"
    )


def test_what_is_pressed_while_it_plays_waits_its_turn(visit: OpenPage) -> None:
    page = visit()
    page.click("#view-learn")
    for button in ("play", "play", "play", "step", "epoch"):
        page.click(f"#learn-{button}")
    expect(page.locator("#learn-play")).to_have_text("Play")
    expect(page.locator("#learn-where")).to_contain_text(re.compile(r"epoch [1-9]\d*\.00,"))
    epochs = float(page.locator("#learn-where").inner_text().partition("epoch ")[2].partition(",")[0])
    page.click("#learn-step")
    expect(page.locator("#learn-where")).to_contain_text(f"Step {580 * round(epochs) + 1:,},")
    page.wait_for_timeout(200)  # nothing else goes on
    expect(page.locator("#learn-where")).to_contain_text(f"Step {580 * round(epochs) + 1:,},")


def test_two_visitors_train_two_networks(visit: OpenPage) -> None:
    pages = [visit(), visit()]
    for page, hidden in zip(pages, ("20", "8, 8"), strict=True):
        page.click("#view-learn")
        page.fill("#learn-hidden", hidden)
        page.press("#learn-hidden", "Tab")
    for page, layers in zip(pages, (2, 3), strict=True):
        page.click("#learn-epoch")
        expect(page.locator("#learn-where")).to_contain_text("epoch 1.00")
        expect(page.locator("#learn-layers tr")).to_have_count(layers)


@pytest.mark.parametrize("size", ["phone", "desktop"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_view_of_learning_fits_phone_and_desktop(visit: OpenPage, size: str, scheme: str) -> None:
    page = visit(size, color_scheme=scheme)
    page.click("#view-learn")
    page.click("#learn-epoch")
    expect(page.locator("#learn-where")).to_contain_text("epoch 1.00")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(FAINT) == []
    assert page.evaluate(NAMELESS) == []
