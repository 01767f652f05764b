"""A visitor opens a run of the Hub in a real browser: loads, translates, goes back, mistypes, gives up."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.driver import Watched, served
from tests.conftest import HUB_HOME
from tests.hub_server import LoopbackHub

SECONDS = 30_000


@pytest.fixture(scope="module")
def address(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app with a CycleGAN of its own and a pix2pix of the Hub, which is away when it starts."""
    shutil.rmtree(HUB_HOME, ignore_errors=True)
    cache = tmp_path_factory.mktemp("hub-app")
    with served([weights / "facades-cyclegan", "owner/pix2pix"], cache) as address:
        yield address
    assert "Traceback" not in (cache / "server.log").read_text()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        watched = Watched(context.new_page())
        watched.page.goto(address)
        yield watched.page
        assert watched.problems == [] and watched.outside_hosts == set()


def test_without_the_hub_there_are_its_own_runs_and_a_message(page: Page) -> None:
    expect(page.locator("#hub-status")).to_contain_text("The Hub does not answer", timeout=SECONDS)
    expect(page.locator("#hub-name input, #hub-name textarea")).to_have_value("owner/pix2pix")
    expect(page.locator("#result-facades-cyclegan img").first).to_be_visible()


def test_it_is_loaded_translates_at_any_epoch_and_gives_way(published: LoopbackHub, page: Page) -> None:
    caption = page.locator("[id='caption-owner/pix2pix']")
    expect(caption).to_contain_text("After epoch 5", timeout=SECONDS)
    expect(page.locator("#caption-facades-cyclegan")).to_be_visible()
    expect(page.locator("#examples img")).to_have_count(8)
    expect(page.locator("[id='download-owner/pix2pix']")).to_be_visible(timeout=SECONDS)
    page.locator("#epoch input").click()
    page.get_by_role("option", name="Epoch 1", exact=True).click()
    expect(caption).to_contain_text("After epoch 1", timeout=SECONDS)
    page.locator("#examples button").nth(2).click()
    page.get_by_role("tab", name="Watch it learn").click()
    expect(page.locator("#stack")).to_contain_text("Pictures ready: 10", timeout=SECONDS)
    page.get_by_role("tab", name="Round trip").click()
    expect(page.locator("#journey .stops img")).to_have_count(9, timeout=SECONDS)
    page.locator("#hub-back").click()
    expect(caption).to_have_count(0)
    expect(page.locator("#caption-facades-cyclegan")).to_be_visible()


def test_who_waits_for_an_epoch_is_told_and_need_not(published: LoopbackHub, page: Page) -> None:
    caption, status = page.locator("[id='caption-owner/pix2pix']"), page.locator("#translate-fetch-status")
    expect(caption).to_contain_text("After epoch 5", timeout=SECONDS)
    expect(page.locator("[id='download-owner/pix2pix']")).to_be_visible(timeout=SECONDS)
    weights = published.repositories["model", "owner/pix2pix"].files["snapshots/0001/ba/model.safetensors"]
    published.fail(f"GET /large/{hashlib.sha256(weights).hexdigest()}", wait=20)

    def choose(epoch: str) -> None:
        page.locator("#epoch input").click()
        page.get_by_role("option", name=epoch, exact=True).click()

    choose("Epoch 1")
    expect(status).to_contain_text("Fetching epoch 1 of owner/pix2pix: 0.0 of 0.")
    choose("Epoch 2")
    expect(caption).to_contain_text("After epoch 2", timeout=SECONDS)
    expect(status).to_be_hidden()
    choose("Epoch 1")
    expect(status).to_contain_text("Fetching epoch 1")
    page.locator("#translate-fetch-cancel").click()
    expect(status).to_be_hidden()
    expect(caption).to_contain_text("After epoch 2")
    published.faults.clear()
    page.locator("#translate").click()
    expect(caption).to_contain_text("After epoch 1", timeout=SECONDS)
    expect(status).to_be_hidden()

    published.publish("owner/pix2pix", {"discriminators/a/model.safetensors": b"weights"})
    published.fail(f"GET /large/{hashlib.sha256(b'weights').hexdigest()}", wait=20)
    page.locator("#hub-load").click()
    expect(caption).to_contain_text("After epoch 5", timeout=SECONDS)
    page.get_by_role("tab", name="Round trip").click()
    expect(page.locator("#round-trip-fetch-status")).to_contain_text("Fetching the discriminators of owner/pix2pix")
    page.locator("#round-trip-fetch-cancel").click()
    journey = page.locator("#journey")
    expect(journey).to_contain_text("discriminators of this pix2pix did not come from the Hub", timeout=SECONDS)
    expect(journey.locator(".stops img").first).to_be_visible()


def test_a_mistake_and_a_change_of_mind(published: LoopbackHub, page: Page) -> None:
    expect(page.locator("[id='caption-owner/pix2pix']")).to_be_visible(timeout=SECONDS)
    name = page.locator("#hub-name input, #hub-name textarea")
    name.fill("owner/none")
    name.press("Enter")
    expect(page.locator("#hub-status")).to_contain_text("no repository owner/none, or it is private")
    published.fail("GET /api/", wait=20)
    name.fill("owner/cyclegan")
    page.locator("#hub-load").click()
    expect(page.locator("#hub-status")).to_contain_text("Asking the Hub for owner/cyclegan")
    page.locator("#hub-cancel").click()
    expect(page.locator("#hub-load")).to_be_visible()
    expect(page.locator("#hub-status")).to_have_count(0)
    expect(page.locator("[id='caption-owner/pix2pix']")).to_be_visible()


def test_who_was_forgotten_is_asked_to_reload(
    published: LoopbackHub, browser: Browser, weights: Path, tmp_path: Path
) -> None:
    """The page of a run of the Hub is built for one session; of all later ones together the app remembers so many."""
    with served([weights / "facades-cyclegan", "owner/pix2pix"], tmp_path, "--sessions", "1") as address:
        call = f"{address}/gradio_api/call/translate"
        with browser.new_context(locale="ko-KR") as context:
            page = context.new_page()
            page.goto(address)
            caption = page.locator("[id='caption-owner/pix2pix']")
            expect(caption).to_contain_text("5 에포크 학습 후", timeout=SECONDS)
            expect(page.locator("[id='download-owner/pix2pix']")).to_be_visible(timeout=SECONDS)
            httpx.post(call, json={"data": [None, "photo", "CycleGAN", 1]}).raise_for_status()
            # Draw's own call of the server, as its page would make it: the client keeps the answer to itself.
            drawn = httpx.post(
                f"{address}/gradio_api/component_server/",
                json={"data": 1, "component_id": 10**6, "fn_name": "facade_of", "session_hash": "forgotten"},
            )
            assert drawn.status_code == 410
            page.locator("#translate").click()
            expect(page.get_by_text("페이지를 새로고침해 주세요").first).to_be_visible()
            page.reload()
            expect(caption).to_contain_text("5 에포크 학습 후", timeout=SECONDS)
    assert "Traceback" not in (tmp_path / "server.log").read_text()
