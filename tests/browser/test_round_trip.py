"""Round trip as a visitor meets it: the pictures on the screen, and the number that belongs to them."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, Page, expect

from cyclegan.facades.labels import example_facades
from cyclegan.pages.frames import data_uri
from cyclegan.pages.maps import error_map, render_errors
from tests.browser.driver import Watched, open_tab
from tests.conftest import make_photo


def picture(image: Locator) -> Image.Image:
    uri = str(image.get_attribute("src"))
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB")


def expect_trip(page: Page, start: Image.Image) -> None:
    """CycleGAN's label map there and back again: the error on the screen is that of the pictures on the screen."""
    stops = page.locator("#journey .stops").first.locator("img")
    expect(stops.first).to_have_attribute("src", data_uri(start, exact=True), timeout=20_000)
    expect(stops.first).to_be_visible()
    expect(stops).to_have_count(4)
    x, there, back, errors = (picture(stop) for stop in stops.all())
    assert there.size == back.size == x.size
    assert errors.tobytes() == render_errors(error_map(x, back)).tobytes()
    expect(page.locator("#journey output").first).to_have_text(f"Cycle loss {error_map(x, back).mean():.3f}")


def test_the_example_has_been_there_and_back(page: Page) -> None:
    open_tab(page, "Round trip")
    expect_trip(page, example_facades()[0])
    expect(page.locator("#journey")).to_contain_text("This pix2pix was trained for Labels → Photo only.")


def test_it_travels_when_it_is_open_and_only_then(watched: Watched) -> None:
    page = watched.page
    page.locator("#examples button").nth(2).click()
    page.wait_for_timeout(2000)
    expect(page.locator("#journey .stops")).to_have_count(0)
    open_tab(page, "Round trip")
    expect_trip(page, example_facades()[2])
    page.locator("#examples button").nth(4).click()
    expect_trip(page, example_facades()[4])


def test_the_other_direction(page: Page, tmp_path: Path) -> None:
    make_photo(4).save(tmp_path / "photo.png")
    open_tab(page, "Round trip")
    page.get_by_label("Photo → Labels").click()
    page.locator("#picture input[type=file]").set_input_files(tmp_path / "photo.png")
    captions = page.locator("#journey .stops").first.locator("figcaption")
    expect(captions).to_have_text(
        ["Your picture", "There: Labels", "Back again: Photo", "Error, black where there is none"], timeout=20_000
    )
    expect(page.locator("#journey h3")).to_have_text([re.compile("CycleGAN.*"), "CycleGAN"])
    expect(page.locator("#journey figcaption", has_text="pass for real")).to_have_text(
        [re.compile(f"{domain}: [0-9]+ % pass for real") for domain in ("Photo", "Labels", "Photo")]
    )


def test_without_a_picture_it_asks_for_one(page: Page) -> None:
    open_tab(page, "Round trip")
    expect_trip(page, example_facades()[0])
    page.get_by_role("button", name="Remove").or_(page.get_by_label("Clear")).first.click()
    expect(page.locator("#journey [role=status]")).to_have_text("Choose a picture first.")
    expect(page.locator("#journey img")).to_have_count(0)
    page.locator("#examples button").first.click()
    expect_trip(page, example_facades()[0])
