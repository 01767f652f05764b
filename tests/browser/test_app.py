"""The app as a visitor meets it: a real server, a real Chromium, and what is on the screen."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Locator, Page, expect

from cyclegan.facades.labels import draw_facade
from tests.browser.driver import near, pixels, sample_colour
from tests.conftest import make_photo

LAST_EPOCH = 5
RUNS = ("facades-cyclegan", "facades-pix2pix")


def results(page: Page, run: str) -> list[dict[str, Any]]:
    """The two pictures of a before/after slider."""
    return [pixels(image) for image in page.locator(f"#result-{run} img").all()]


def opening(page: Page) -> dict[str, list[dict[str, Any]]]:
    """The results that the page opens with, when the networks have made them."""
    for run in RUNS:
        expect(page.locator(f"#download-{run}")).to_be_visible(timeout=30_000)
    page.wait_for_timeout(500)
    return {run: results(page, run) for run in RUNS}


def caption(page: Page, run: str) -> Locator:
    return page.locator(f"#caption-{run}")


def upload(page: Page, path: Path) -> None:
    page.locator("#picture input[type=file]").set_input_files(path)


def test_the_page_opens_with_an_example_already_translated(page: Page) -> None:
    """First the samples on disk; when the networks are ready, exactly what they give."""
    before = pixels(page.locator("#picture img"))
    assert before["size"] == [256, 256]
    opened = opening(page)
    for run in RUNS:
        expect(caption(page, run)).to_contain_text(f"After epoch {LAST_EPOCH}, 256 x 256 pixels")
        assert before["checksum"] in [picture["checksum"] for picture in opened[run]]
        assert not any(near(picture["mean"], sample_colour(LAST_EPOCH)) for picture in opened[run])
    page.get_by_role("button", name="Translate").click()
    read_out = "[...document.querySelectorAll('[role=status]')].some((node) => node.textContent === 'Complete')"
    page.wait_for_function(read_out)
    assert {run: results(page, run) for run in RUNS} == opened


def test_an_earlier_epoch_can_be_chosen(page: Page) -> None:
    opened = opening(page)
    page.get_by_label("Epoch of training").click()
    page.get_by_role("option", name="Epoch 3").click()
    expect(caption(page, "facades-cyclegan")).to_contain_text("After epoch 3")
    expect(caption(page, "facades-pix2pix")).to_contain_text("After epoch 2")
    page.wait_for_timeout(500)
    for run in RUNS:
        assert results(page, run) != opened[run]


def test_translating_no_picture_gives_a_message_and_no_badges(page: Page) -> None:
    opening(page)
    page.get_by_role("button", name="Remove").or_(page.get_by_label("Clear")).first.click()
    expect(page.locator("#picture img")).to_have_count(0)
    page.get_by_role("button", name="Translate").click()
    expect(page.get_by_test_id("toast-body")).to_contain_text("Choose a picture first.")
    expect(page.locator("#missing")).to_have_text("Choose a picture first.")
    for run in RUNS:  # nothing of the picture before
        expect(page.locator(f"#result-{run} .stage")).to_be_hidden()
    assert page.locator(".error:visible").count() == 0
    expect(page.get_by_text("Error", exact=True)).to_have_count(0)


def test_an_uploaded_picture_is_translated_in_its_own_size(page: Page, tmp_path: Path) -> None:
    draw_facade(4).resize((300, 200), Image.Resampling.NEAREST).save(tmp_path / "mine.png")
    upload(page, tmp_path / "mine.png")
    for run in ("facades-cyclegan", "facades-pix2pix"):
        expect(caption(page, run)).to_contain_text("300 x 200 pixels")
        shown = [pixels(image) for image in page.locator(f"#result-{run} img").all()]
        assert [picture["size"] for picture in shown] == [[300, 200]] * 2
        assert shown[0]["checksum"] != shown[1]["checksum"]
    expect(page.locator("#note")).to_be_hidden()


def test_the_divider_between_before_and_after_follows_mouse_and_keyboard(page: Page) -> None:
    opening(page)
    name = f"#result-{RUNS[0]}"
    divider = page.get_by_role("slider", name="Before and after CycleGAN")
    box = page.locator(f"{name} .pictures").bounding_box()
    assert box is not None

    def colour_at(share: float) -> tuple[int, ...]:
        """What is seen at a share of the width, near the lower edge."""
        place = {"x": box["x"] + share * box["width"], "y": box["y"] + 0.9 * box["height"], "width": 1, "height": 1}
        with Image.open(io.BytesIO(page.screenshot(clip=place))) as seen:  # type: ignore[arg-type]
            return seen.convert("RGB").getpixel((0, 0))  # type: ignore[return-value]

    before, after = colour_at(0.4), colour_at(0.6)
    page.mouse.click(box["x"] + 0.8 * box["width"], box["y"] + 0.3 * box["height"])
    expect(divider).to_have_value("80")
    assert colour_at(0.4) == before and colour_at(0.6) != after
    divider.focus()
    for _ in range(3):
        page.keyboard.press("PageDown")
    for _ in range(20):
        page.keyboard.press("ArrowLeft")
    expect(divider).to_have_value("30")
    assert colour_at(0.4) != before and colour_at(0.6) == after
    page.get_by_role("button", name="Fullscreen").first.press("Enter")
    page.wait_for_function("document.fullscreenElement !== null")
    page.keyboard.press("Escape")


def test_a_result_is_downloaded_with_one_click(page: Page, tmp_path: Path) -> None:
    page.locator("#examples button").nth(1).click()
    button = page.locator("#download-facades-pix2pix")
    expect(button).to_be_visible()
    with page.expect_download() as download:
        button.click()
    assert download.value.suggested_filename == f"photo-pix2pix-epoch-{LAST_EPOCH}.png"
    download.value.save_as(tmp_path / "result.png")
    with Image.open(tmp_path / "result.png") as image:
        assert image.format == "PNG" and image.size == (256, 256)


def test_a_click_on_an_example_translates_it(page: Page) -> None:
    before = pixels(page.locator("#picture img"))
    opening(page)  # else the networks' own result of the first example could pass for that of the click
    opened = page.locator("#result-facades-cyclegan img").last.get_attribute("src")
    page.locator("#examples button").nth(3).click()
    expect(page.locator("#result-facades-cyclegan img").last).not_to_have_attribute("src", str(opened))
    assert pixels(page.locator("#picture img"))["checksum"] != before["checksum"]


def test_the_other_direction_shows_cyclegan_beside_the_truth(page: Page) -> None:
    drawn = pixels(page.locator("#picture img"))
    page.get_by_label("Photo → Labels").click()
    expect(page.locator("#missing")).to_contain_text("This pix2pix was trained for Labels → Photo only.")
    expect(page.locator("#result-facades-pix2pix")).to_be_hidden()
    expect(page.locator("#result-facades-cyclegan")).to_be_visible()
    truth = page.locator("#truth img")
    expect(truth).to_be_visible()
    assert pixels(truth)["checksum"] == drawn["checksum"]
    assert near(pixels(page.locator("#picture img"))["mean"], sample_colour(LAST_EPOCH))


def test_a_pair_becomes_picture_and_truth_and_is_scored_both_ways(page: Page, tmp_path: Path) -> None:
    photo, labels = make_photo(4), draw_facade(4)
    both = Image.new("RGB", (512, 256))
    both.paste(photo, (0, 0))
    both.paste(labels, (256, 0))
    both.save(tmp_path / "pair.png")
    upload(page, tmp_path / "pair.png")
    expect(page.locator("#shrunk")).to_contain_text("This was a pair")
    for run in RUNS:
        expect(caption(page, run)).to_have_text(re.compile(r"L1 0\.\d{3} · SSIM -?0\.\d{3}\s*$"))
    truth, picture = pixels(page.locator("#truth img")), pixels(page.locator("#picture img"))
    assert truth["size"] == picture["size"] == [256, 256]
    page.get_by_label("Photo → Labels").click()
    expect(caption(page, RUNS[0])).to_contain_text("labels right")
    assert pixels(page.locator("#truth img"))["checksum"] == picture["checksum"]
    assert pixels(page.locator("#picture img"))["checksum"] == truth["checksum"]
    before = str(page.locator("#picture img").get_attribute("src"))
    page.locator("#examples button").nth(2).click()
    expect(page.locator("#picture img")).not_to_have_attribute("src", before)
    page.get_by_label("Labels → Photo").click()
    expect(page.locator("#truth")).to_be_hidden()


def test_a_photo_in_the_wrong_direction_gets_a_hint_and_a_way_out(page: Page, tmp_path: Path) -> None:
    make_photo(4).save(tmp_path / "photo.png")
    upload(page, tmp_path / "photo.png")
    expect(page.locator("#note")).to_contain_text("This looks like a photo, not a label map.")
    page.get_by_role("button", name="Switch to Photo → Labels").click()
    expect(page.locator("#note")).to_be_hidden()
    expect(page.get_by_label("Photo → Labels")).to_be_checked()
    expect(page.locator("#missing")).to_contain_text("pix2pix")


def test_a_wrong_file_gets_a_friendly_message(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "holiday.png"
    path.write_text("this is no picture")
    upload(page, path)
    message = page.get_by_test_id("toast-body")
    expect(message).to_have_count(1)
    expect(message).to_contain_text("Your picture is not an image this program can read; use PNG, JPEG or WebP.")
    assert "/" not in message.inner_text() and "holiday" not in message.inner_text()
    expect(page.locator("#picture img")).to_have_count(0)
    page.locator("#examples button").first.click()
    expect(caption(page, "facades-pix2pix")).to_contain_text("256 x 256 pixels")
