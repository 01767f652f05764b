"""A visitor's page in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.driver import Watched


@pytest.fixture
def watched(browser: Browser, url: str, cache: Path) -> Iterator[Watched]:
    """A visitor's page, opened; whatever a test does with it, nothing may fail and no other host be asked."""
    log = cache / "server.log"
    before = len(log.read_text())
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        watched = Watched(context.new_page())
        watched.page.goto(url)
        expect(watched.page.locator("#examples img")).to_have_count(8)
        yield watched
        assert watched.problems == []
        assert watched.requests and watched.outside_hosts == set()
        told = log.read_text()[before:]
        assert "Traceback" not in told, told


@pytest.fixture
def page(watched: Watched) -> Page:
    return watched.page
