"""The pictures of the app in docs/: with `--pictures` they are made anew, by the networks in weights/; without it they
are looked at only."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.browser.driver import Watched, open_tab, served
from tests.browser.test_draw import choose, drag, press
from tests.forks import ROOT

MOST_BYTES = 150_000


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the app with the runs that it comes with."""
    with served([], tmp_path_factory.mktemp("shipped")) as address:
        yield address


@pytest.fixture
def visit(browser: Browser, shipped: str) -> Iterator[Page]:
    """That app as it opens, in a window just large enough for the pictures of a page."""
    with browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB") as context:
        watched = Watched(context.new_page())
        watched.page.goto(shipped)
        expect(watched.page.locator("#download-facades-pix2pix")).to_be_visible(timeout=60_000)
        yield watched.page
        assert watched.problems == [] and watched.outside_hosts == set()


def translate(page: Page) -> None:
    before = str(page.locator("#result-facades-pix2pix .after").get_attribute("src"))
    page.locator("#examples button").nth(6).click()
    expect(page.locator("#result-facades-pix2pix .after")).not_to_have_attribute("src", before, timeout=30_000)


def watch(page: Page) -> None:
    open_tab(page, "Watch it learn")
    expect(page.locator("#stack [data-done=true]")).to_be_attached(timeout=60_000)
    page.locator("#stack .figures").focus()
    page.keyboard.press("Home")
    for _ in range(11):
        page.keyboard.press("ArrowRight")
    page.locator("#stack .figures").blur()
    expect(page.locator("#stack .label")).to_have_text("Epoch 12")
    page.locator("#inputs").evaluate("(inputs) => scrollTo(0, inputs.getBoundingClientRect().top - 16)")


def draw(page: Page) -> None:
    """A house of three floors, as a beginner would draw it within a minute."""
    open_tab(page, "Draw")
    pictures = page.locator("#drawn img")
    expect(pictures).to_have_count(2, timeout=30_000)
    press(page, "Clear")
    drag(page, (24, 40), (231, 255))
    choose(page, "Window")
    for top in (64, 128, 192):
        for left in (48, 112, 176):
            drag(page, (left, top), (left + 31, top + 39))
    choose(page, "Door")
    drag(page, (112, 192), (143, 255))
    page.wait_for_timeout(5000)  # the pictures of the last stroke


def round_trip(page: Page) -> None:
    open_tab(page, "Round trip")
    expect(page.locator("#journey img")).to_have_count(12, timeout=60_000)  # the discriminators' among them


PICTURES: dict[str, Callable[[Page], None]] = {
    "translate": translate,
    "watch": watch,
    "draw": draw,
    "round-trip": round_trip,
}


def take(page: Page, path: Path) -> None:
    """Save what is on the screen, as small as it stays sharp."""
    page.wait_for_timeout(1000)  # pictures are decoded, and nothing moves any more
    with Image.open(io.BytesIO(page.screenshot())) as seen:
        seen.convert("RGB").save(path, "WEBP", quality=80, method=6)


@pytest.mark.parametrize("name", PICTURES)
def test_the_readme_shows_the_app(name: str, request: pytest.FixtureRequest) -> None:
    path = ROOT / "docs" / f"app-{name}.webp"
    if request.config.getoption("--pictures"):
        page = request.getfixturevalue("visit")
        PICTURES[name](page)
        take(page, path)
    with Image.open(path) as image:
        assert image.format == "WEBP" and image.size == (1280, 900)
    assert path.stat().st_size < MOST_BYTES
    pages = [(ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/app.md")]
    assert any(f"({folder}{path.name})" in page for folder, page in zip(("docs/", ""), pages, strict=True))
