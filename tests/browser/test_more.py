"""The pages under More in a real browser: many pictures, any two networks, about; and a busy app."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from cyclegan.facades.labels import draw_facade
from tests.browser.driver import pixels


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
    choose(page, "Network", "pix2pix: Labels → Photo")
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
