"""A real server and a real Chromium for the browser tests."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, Playwright, expect

from tests.forks import ROOT, Program
from tests.hub_server import free_port

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
START_SECONDS = 120


def launch_chromium(playwright: Playwright) -> Browser:
    """Launch $CHROMIUM, else the system's Chromium, else Playwright's own; skip the test if there is none."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if path is None and not Path(playwright.chromium.executable_path).is_file():
        pytest.skip("this test needs Chromium: install it, or name it with CHROMIUM=PATH")
    return playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_FLAGS))


@contextmanager
def served(
    runs: Sequence[Path | str],
    cache: Path,
    *options: str,
    root: Path = ROOT,
    environment: Mapping[str, str] | None = None,
    precision: str = "fp32",
) -> Iterator[str]:
    """The address of the app, started as a visitor's host would: `python app.py --run ... --port ...`, with these
    variables besides the test's own. Of another folder than this one it is all imported anew."""
    port = free_port()
    command = [str(root / "app.py"), "--no-browser", "--port", str(port), "--precision", precision, *options]
    for run in runs:
        command += ["--run", str(run)]
    log = cache / "server.log"
    variables = {**os.environ, "GRADIO_TEMP_DIR": str(cache / "gradio"), **(environment or {})}
    server: Program | subprocess.Popen[bytes]
    if root == ROOT:
        server = Program(command, env=variables, output=log)
    else:
        with log.open("wb") as output:
            words = [sys.executable, *command]
            server = subprocess.Popen(words, cwd=root, env=variables, stdout=output, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(url, server, log)
        yield url
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=30)


def _wait_for(url: str, server: Program | subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise RuntimeError(f"the app did not start:\n{log.read_text()}")


class Watched:
    """A page whose console errors and requests are kept."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.problems: list[str] = []
        self._broken_off = False
        self.requests: list[str] = []
        page.on("console", lambda message: self._keep(message.type, message.text))
        page.on("pageerror", lambda error: self._keep("error", str(error)))
        page.on("request", lambda request: self.requests.append(request.url))

    def _keep(self, kind: str, text: str) -> None:
        # Gradio's page breaks its stream of events off itself when the last one has come. Now and then its browser is
        # so quick that it takes this for an error, and says so (Gradio 6.31; nothing of the app has failed).
        self._broken_off |= text.startswith("AbortError: BodyStreamBuffer was aborted")
        its_own = self._broken_off and text.startswith(("AbortError: BodyStreamBuffer", "Connection errored out."))
        if kind == "error" and not its_own:
            self.problems.append(text)

    def settle(self, seconds: float = 1.0) -> None:
        """Wait until the page has asked for nothing for so long."""
        before = -1
        while before != len(self.requests):
            before = len(self.requests)
            self.page.wait_for_timeout(1000 * seconds)

    @property
    def outside_hosts(self) -> set[str]:
        """Hosts other than this machine that the page asked for anything."""
        hosts = {urlsplit(url).hostname for url in self.requests if not url.startswith(("data:", "blob:"))}
        return {str(host) for host in hosts - {"127.0.0.1"}}


def pixels(picture: Locator) -> dict[str, Any]:
    """Size and mean colour of an <img> or <canvas> as the browser shows it, and a sum that changes with any pixel."""
    result: dict[str, Any] = picture.evaluate(
        """async (picture) => {
            let src;
            do {
                src = picture.src;
                try {
                    await picture.decode?.();
                } catch (error) {  // it fails where another picture takes its place meanwhile
                    if (src === picture.src) throw error;
                }
            } while (src !== picture.src);
            const canvas = document.createElement('canvas');
            canvas.width = picture.naturalWidth ?? picture.width;
            canvas.height = picture.naturalHeight ?? picture.height;
            const context = canvas.getContext('2d');
            context.drawImage(picture, 0, 0);
            const data = context.getImageData(0, 0, canvas.width, canvas.height).data;
            const sums = [0, 0, 0];
            let checksum = 0;
            data.forEach((value, index) => {
                if (index % 4 < 3) sums[index % 4] += value;
                checksum = (checksum * 31 + value) % 1000000007;
            });
            return {
                size: [canvas.width, canvas.height],
                mean: sums.map((sum) => Math.round((4 * sum) / data.length)),
                checksum,
            };
        }"""
    )
    return result


def beyond_the_edge(page: Page) -> list[str]:
    """What sticks out of the window on the right, whether the page then scrolls or cuts it off; but for the row of
    examples, which scrolls by itself."""
    found: list[str] = page.evaluate(
        """() => [document.documentElement, ...document.querySelectorAll('body *')]
            .filter((node) => node.checkVisibility() && !node.closest('#examples .row, .visually-hidden'))
            .filter((node) => Math.max(node.getBoundingClientRect().right, node === document.documentElement
                ? node.scrollWidth : 0) > window.innerWidth + 0.5)
            .map((node) => node.outerHTML.slice(0, 120))"""
    )
    return found


def open_tab(page: Page, name: str) -> None:
    """Go to a page by its tab, or on a phone by the list of the tabs that find no room."""
    tab = page.get_by_role("tab", name=name, exact=True)
    more = page.get_by_role("button", name="More tabs").filter(visible=True)
    tab.or_(more).filter(visible=True).first.wait_for()
    page.wait_for_timeout(300)  # the tabs are measured, and then placed
    if tab.is_visible():
        tab.click()
    else:
        more.last.click()
        page.get_by_role("button", name=name, exact=True).click()


def sample_colour(epoch: int) -> list[int]:
    """What `make_run` fills the sample image of an epoch with."""
    return [20 * epoch, 90, 120]


def near(colour: list[int], other: list[int]) -> bool:
    """The same but for lossy compression."""
    return all(abs(a - b) <= 3 for a, b in zip(colour, other, strict=True))


def open_watch(page: Page) -> None:
    """The second page, with all its pictures there."""
    page.get_by_role("tab", name="Watch it learn").click()
    expect(page.locator("#stack [data-done=true]")).to_be_attached(timeout=30_000)
