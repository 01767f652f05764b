"""The pages under More in a real browser: many pictures, any two networks, about; and a busy app."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from cyclegan.facades.labels import draw_facade
from cyclegan.pages import texts
from cyclegan.pages.frames import data_uri
from tests.browser.driver import pixels, served


def open_page(page: Page, name: str) -> None:
    page.get_by_role("tab", name="More", exact=True).click()
    page.get_by_role("tab", name=name, exact=True).click()


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=option, exact=True).click()


@pytest.fixture
def uploads(tmp_path: Path) -> list[Path]:
    """A picture, a zip with subfolders and a text in it, and a file that is none."""
    draw_facade(1).resize((96, 64), Image.Resampling.NEAREST).save(tmp_path / "house one.png")
    draw_facade(2).save(tmp_path / "two.png")
    with zipfile.ZipFile(tmp_path / "street.zip", "w") as file:
        file.write(tmp_path / "two.png", "old/two.png")
        file.writestr("old/readme.png", "no picture")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    return [tmp_path / "house one.png", tmp_path / "street.zip", tmp_path / "broken.png"]


def test_many_pictures_come_back_as_a_zip_and_bad_ones_are_listed(
    page: Page, uploads: list[Path], tmp_path: Path
) -> None:
    open_page(page, "Many pictures")
    page.locator("#batch-files input[type=file]").set_input_files(uploads)
    expect(page.locator("#batch-files")).to_contain_text("street")
    choose(page, "Network", "pix2pix: Labels -> Photo")
    page.get_by_role("button", name="Translate all").click()
    expect(page.locator("#batch-status")).to_contain_text("Pictures translated: 2.", timeout=60_000)
    report = page.locator("#batch-report")
    expect(report.locator("li")).to_have_count(2)
    expect(report).to_contain_text("old/readme.png: Your picture is not an image this program can read")
    expect(report).to_contain_text("broken.png")
    expect(page.locator("#batch-gallery img")).to_have_count(2)
    sizes = [pixels(image)["size"] for image in page.locator("#batch-gallery img").all()]
    assert sizes == [[96, 64], [256, 256]]
    with page.expect_download() as download:
        page.get_by_role("button", name="Download all as zip").click()
    assert download.value.suggested_filename == "photo-pix2pix.zip"
    download.value.save_as(tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as file:
        assert file.namelist() == ["house one.png", "old/two.png"]
        with file.open("house one.png") as member, Image.open(member) as image:
            assert image.format == "PNG" and image.size == (96, 64)
    expect(page.get_by_role("button", name="Stop")).to_be_disabled()


def test_a_batch_can_be_stopped_and_gives_what_it_has(page: Page, tmp_path: Path) -> None:
    files = []
    for index in range(40):
        draw_facade(index).save(tmp_path / f"{index:02d}.png")
        files.append(tmp_path / f"{index:02d}.png")
    open_page(page, "Many pictures")
    page.locator("#batch-files input[type=file]").set_input_files(files)
    expect(page.locator("#batch-files")).to_contain_text("39", timeout=30_000)
    page.get_by_role("button", name="Translate all").click()
    expect(page.locator("#batch-status progress")).to_have_attribute("max", "40", timeout=30_000)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#batch-status")).to_contain_text("Stopped. Pictures translated", timeout=30_000)
    expect(page.get_by_role("button", name="Translate all")).to_be_enabled()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download all as zip").click()
    download.value.save_as(tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as file:
        assert 0 < len(file.namelist()) < 40 and file.testzip() is None


def test_nothing_to_translate_is_told(page: Page) -> None:
    open_page(page, "Many pictures")
    page.get_by_role("button", name="Translate all").click()
    expect(page.get_by_test_id("toast-body")).to_contain_text("Choose pictures or a zip first.")
    expect(page.get_by_role("button", name="Translate all")).to_be_enabled()


def test_any_two_networks_are_compared_on_the_same_picture(page: Page) -> None:
    open_page(page, "Compare")
    page.get_by_role("button", name="Compare", exact=True).click()
    caption = page.locator("#compare-caption")
    expect(caption).to_contain_text("of 255 levels", timeout=30_000)
    pictures = [page.locator(f"#compare-{name}-picture img") for name in ("left", "right", "difference")]
    left, right, difference = (pixels(picture) for picture in pictures)
    assert left["checksum"] != right["checksum"] and max(difference["mean"]) > 0
    expect(pictures[0]).to_have_attribute("alt", "Picture by CycleGAN, epoch 5")
    choose(page, "Second network", "CycleGAN, epoch 5")
    expect(caption).to_contain_text("On average: 0.0 of 255 levels", timeout=30_000)
    page.wait_for_timeout(300)
    left, right, difference = (pixels(picture) for picture in pictures)
    assert left["checksum"] == right["checksum"] and max(difference["mean"]) <= 4


def test_the_papers_can_be_cited(page: Page) -> None:
    open_page(page, "About")
    expect(page.locator("#about")).to_contain_text("@inproceedings{zhu2017unpaired")


@contextmanager
def crowd(address: str) -> Iterator[None]:
    """Calls without end: as soon as the app takes one more, it has it."""
    with urllib.request.urlopen(f"{address}/config") as response:
        calls = json.load(response)["dependencies"]
    index = next(call["id"] for call in calls if call["api_name"] == "history")
    picture = {"url": data_uri(draw_facade(1).resize((1000, 1000), Image.Resampling.NEAREST))}
    call = {"fn_index": index, "data": [picture, "photo", "pix2pix"], "session_hash": "crowd"}
    content, headers = json.dumps(call).encode(), {"Content-Type": "application/json"}
    full, stop = threading.Event(), threading.Event()

    def push() -> None:
        while not stop.is_set():
            try:
                join = urllib.request.Request(f"{address}/gradio_api/queue/join", content, headers)
                urllib.request.urlopen(join).close()
            except urllib.error.HTTPError as error:
                with error:
                    assert error.code == 503
                full.set()

    pusher = threading.Thread(target=push)
    pusher.start()
    try:
        assert full.wait(60), "the app takes any number of calls"
        yield
    finally:
        stop.set()
        pusher.join()


def test_a_busy_app_says_so_in_the_visitors_language(browser: Browser, weights: Path, tmp_path: Path) -> None:
    message = texts.GRADIO_WORDS["This application is currently busy. Please try again."].ko
    with served([weights / "facades-pix2pix"], tmp_path) as address, browser.new_context(locale="ko-KR") as context:
        page = context.new_page()
        page.goto(address)
        expect(page.locator("#examples img")).to_have_count(8)
        with crowd(address):
            page.locator("#translate").click()
            expect(page.get_by_test_id("toast-body").first).to_contain_text(message, timeout=30_000)
