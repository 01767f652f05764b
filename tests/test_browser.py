"""The app in a real browser, served by a real process: what a visitor sees and does."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from cyclegan.facades import draw_facade

ROOT = Path(__file__).parent.parent
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PIXELS = "canvases => canvases.map(canvas => canvas.toDataURL())"


@pytest.fixture(scope="module")
def address(weights: Path) -> Iterator[str]:
    """The app, started as a visitor starts it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    runs = [option for folder in sorted(weights.iterdir()) for option in ("--run", str(folder))]
    process = subprocess.Popen([sys.executable, "app.py", *runs, "--port", str(port)], cwd=ROOT)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 90
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            break
        except (urllib.error.URLError, ConnectionError):
            assert process.poll() is None, "app.py ended"
            assert time.monotonic() < deadline, "app.py does not answer"
            time.sleep(0.2)
    yield url
    process.terminate()
    process.wait()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    names = (os.environ.get("CHROMIUM", "chromium"), "chromium-browser", "google-chrome")
    found = next((path for path in map(shutil.which, names) if path), None)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=QUIET)
        yield opened
        opened.close()


class Visit:
    """A page with what it asked for and complained about."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.errors: list[str] = []
        page.on("request", self._requested)
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _requested(self, request: Request) -> None:
        self.requests.append(request.url)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)


@pytest.fixture(params=[(1280, 900)], ids=["desktop"])
def visit(browser: Browser, address: str, request: pytest.FixtureRequest) -> Iterator[Visit]:
    width, height = request.param
    page = browser.new_page(viewport={"width": width, "height": height})
    visited = Visit(page)
    page.goto(address)
    expect(page.locator("[id^=result-] img").first).to_be_visible(timeout=30_000)
    yield visited
    page.close()


def shown_sizes(page: Page) -> list[list[int]]:
    """Width and height of the pictures in the results, as loaded."""
    script = "images => images.map(image => [image.naturalWidth, image.naturalHeight])"
    sizes: list[list[int]] = page.locator("[id^=result-] img").evaluate_all(script)
    return sizes


def open_watch(page: Page) -> None:
    page.get_by_role("tab", name="Watch it learn").click()
    expect(page.locator("#stack canvas").first).to_be_visible(timeout=30_000)
    page.wait_for_function("Number(document.querySelector('#stack input.epoch').max) > 0", timeout=30_000)


def test_an_example_is_translated_when_the_page_opens(visit: Visit) -> None:
    assert [256, 256] in shown_sizes(visit.page)
    expect(visit.page.get_by_text("CycleGAN", exact=True).first).to_be_visible()
    assert visit.errors == []


def test_an_upload_is_translated_in_its_own_size(visit: Visit, tmp_path: Path) -> None:
    draw_facade(42).resize((200, 312), Image.Resampling.NEAREST).save(tmp_path / "mine.png")
    visit.page.locator("#picture input[type=file]").set_input_files(tmp_path / "mine.png")
    visit.page.locator("#translate").click()
    visit.page.wait_for_function(
        "[...document.querySelectorAll('[id^=result-] img')]"
        ".some(image => image.naturalWidth == 200 && image.naturalHeight == 312)",
        timeout=60_000,
    )
    assert visit.errors == []


def test_dragging_through_the_epochs_changes_the_pictures_and_asks_the_server_nothing(visit: Visit) -> None:
    page = visit.page
    open_watch(page)
    page.wait_for_timeout(3000)  # until the frames have come
    slider, canvases = page.locator("#stack input.epoch"), page.locator("#stack canvas")
    slider.fill(str(slider.get_attribute("min") or 0))
    first = canvases.evaluate_all(PIXELS)
    before = len(visit.requests)
    slider.focus()
    page.keyboard.press("End")
    page.wait_for_timeout(200)
    last = canvases.evaluate_all(PIXELS)
    page.keyboard.press("ArrowLeft")
    page.wait_for_timeout(200)
    assert first != last
    assert canvases.evaluate_all(PIXELS) != last
    assert len(visit.requests) == before
    assert visit.errors == []


def test_a_wrong_file_gets_a_friendly_message(visit: Visit, tmp_path: Path) -> None:
    (tmp_path / "letter.png").write_text("dear reader")
    visit.page.locator("#picture input[type=file]").set_input_files(tmp_path / "letter.png")
    visit.page.locator("#translate").click()
    toast = visit.page.locator(".toast-body").first
    expect(toast).to_be_visible(timeout=30_000)
    text = toast.inner_text()
    assert "PNG" in text
    assert "/" not in text.replace("CycleGAN/", "")
    assert "Traceback" not in text


def test_no_outside_host_is_asked(visit: Visit) -> None:
    open_watch(visit.page)
    visit.page.wait_for_timeout(1000)
    hosts = {url.split("/")[2].split(":")[0] for url in visit.requests if url.startswith(("http", "ws"))}
    assert hosts == {"127.0.0.1"}


@pytest.mark.parametrize("visit", [(390, 844)], ids=["phone"], indirect=True)
def test_a_phone_needs_no_sideways_scrolling(visit: Visit) -> None:
    script = "document.documentElement.scrollWidth <= window.innerWidth"
    assert visit.page.evaluate(script)
    open_watch(visit.page)
    assert visit.page.evaluate(script)
