"""The app as a visitor meets it: a real server, a real Chromium, and what is on the screen."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from cyclegan.facades.labels import draw_facade
from cyclegan.pages.frames import Frame, data_uri
from cyclegan.pages.languages import translated
from cyclegan.pages.watch import texts as watch_texts
from cyclegan.pages.watch.canvas import Figure, Plan, frame_message, frame_stack, plan_message
from tests.browser.driver import Watched, beyond_the_edge, pixels
from tests.conftest import make_photo

LAST_EPOCH = 5
RUNS = ("facades-cyclegan", "facades-pix2pix")


def sample_colour(epoch: int) -> list[int]:
    """What `make_run` fills the sample image of an epoch with."""
    return [20 * epoch, 90, 120]


def near(colour: list[int], other: list[int]) -> bool:
    """The same but for lossy compression."""
    return all(abs(a - b) <= 3 for a, b in zip(colour, other, strict=True))


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


def open_watch(page: Page) -> None:
    """The second page, with all its pictures there."""
    page.get_by_role("tab", name="Watch it learn").click()
    expect(page.locator("#stack [data-done=true]")).to_be_attached(timeout=30_000)


def canvases(page: Page) -> list[Locator]:
    return page.locator("#stack canvas").all()


def go_to(page: Page, position: int) -> None:
    """Drag the epoch slider to a position, as a mouse does: input events all along the way."""
    page.locator("#stack .epoch").evaluate(
        """(slider, position) => {
            slider.value = position;
            slider.dispatchEvent(new Event('input', { bubbles: true }));
        }""",
        position,
    )


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


def test_without_a_picture_the_player_waits(page: Page, tmp_path: Path) -> None:
    open_watch(page)
    expect(page.get_by_role("button", name="Translate")).to_be_hidden()
    page.get_by_role("button", name="Remove").or_(page.get_by_label("Clear")).first.click()
    expect(page.locator("#stack .status")).to_have_text("Choose a picture first.")
    expect(page.get_by_role("button", name="Play")).to_be_disabled()
    expect(page.get_by_role("slider", name="Epoch of training")).to_be_disabled()
    expect(page.locator("#stack .cursor").first).to_have_attribute("visibility", "hidden")
    page.locator("#examples button").first.click()
    expect(page.locator("#stack .status")).to_have_text("Pictures ready: 10", timeout=30_000)
    expect(page.get_by_role("button", name="Play")).to_be_enabled()
    expect(page.locator("#stack .cursor").first).to_have_attribute("visibility", "visible")
    (tmp_path / "text.png").write_text("this is no picture")
    upload(page, tmp_path / "text.png")
    expect(page.locator("#stack .status")).to_have_text("Choose a picture first.")


def test_every_picture_and_control_has_a_name(page: Page) -> None:
    assert all(image.get_attribute("alt") for image in page.locator("#examples img, #picture img").all())
    page.get_by_role("tab", name="Watch it learn").click()
    expect(page.get_by_role("slider", name="Epoch of training")).to_be_visible()
    expect(page.get_by_role("img", name=f"Picture by CycleGAN after epoch {LAST_EPOCH}")).to_be_visible()


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
    page.get_by_label("Photo -> Labels").click()
    expect(page.locator("#missing")).to_contain_text("This pix2pix was trained for Labels -> Photo only.")
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
    page.get_by_label("Photo -> Labels").click()
    expect(caption(page, RUNS[0])).to_contain_text("labels right")
    assert pixels(page.locator("#truth img"))["checksum"] == picture["checksum"]
    assert pixels(page.locator("#picture img"))["checksum"] == truth["checksum"]
    before = str(page.locator("#picture img").get_attribute("src"))
    page.locator("#examples button").nth(2).click()
    expect(page.locator("#picture img")).not_to_have_attribute("src", before)
    page.get_by_label("Labels -> Photo").click()
    expect(page.locator("#truth")).to_be_hidden()


def test_a_truth_can_be_given_by_itself_and_a_wrong_file_is_refused(page: Page, tmp_path: Path) -> None:
    opening(page)
    page.get_by_role("button", name="Compare with the true answer").click()
    (tmp_path / "text.png").write_text("this is no picture")
    page.locator("#own-truth input[type=file]").set_input_files(tmp_path / "text.png")
    expect(page.get_by_test_id("toast-body")).to_contain_text("not an image this program can read")
    expect(page.locator("#own-truth img")).to_have_count(0)
    make_photo(4).save(tmp_path / "truth.png")
    page.locator("#own-truth input[type=file]").set_input_files(tmp_path / "truth.png")
    for run in RUNS:
        expect(caption(page, run)).to_contain_text("SSIM")
    expect(page.locator("#truth img")).to_be_visible()
    expect(page.locator("#caption-truth")).to_contain_text("L1: 0 is best")


def test_a_photo_in_the_wrong_direction_gets_a_hint_and_a_way_out(page: Page, tmp_path: Path) -> None:
    make_photo(4).save(tmp_path / "photo.png")
    upload(page, tmp_path / "photo.png")
    expect(page.locator("#note")).to_contain_text("This looks like a photo, not a label map.")
    page.get_by_role("button", name="Switch to Photo -> Labels").click()
    expect(page.locator("#note")).to_be_hidden()
    expect(page.get_by_label("Photo -> Labels")).to_be_checked()
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


def test_a_wrong_file_gets_a_friendly_message_after_the_direction_was_turned(page: Page, tmp_path: Path) -> None:
    """Turning leaves a visitor's own picture where it is, and must leave the way it is read, too."""
    make_photo(4).save(tmp_path / "photo.jpg")
    upload(page, tmp_path / "photo.jpg")
    expect(page.locator("#note")).to_contain_text("This looks like a photo")
    page.get_by_label("Photo -> Labels").click()
    expect(page.locator("#missing")).to_contain_text("pix2pix")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "photo.jpg").read_bytes()[:4000])
    upload(page, tmp_path / "cut.jpg")
    expect(page.get_by_test_id("toast-body")).to_contain_text("Your picture is damaged or incomplete")


def test_dragging_through_the_epochs_changes_the_pictures_and_asks_nobody(watched: Watched) -> None:
    page = watched.page
    open_watch(page)
    asked = len(watched.requests)
    for epoch in (1, 2, 3, 4, 5, 3):
        go_to(page, epoch - 1)
        expect(page.locator("#stack .label")).to_have_text(f"Epoch {epoch}")
        for canvas in canvases(page):
            assert near(pixels(canvas)["mean"], sample_colour(epoch))
    page.wait_for_timeout(300)
    assert watched.requests[asked:] == []


def test_the_slider_follows_the_mouse_and_the_arrow_keys(page: Page) -> None:
    open_watch(page)
    label = page.locator("#stack .label")
    box = page.locator("#stack .epoch").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] - 8, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    expect(label).to_have_text("Epoch 3")
    page.keyboard.press("ArrowLeft")
    expect(label).to_have_text("Epoch 2")
    page.locator("#stack .figures").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(label).to_have_text("Epoch 4")
    assert near(pixels(canvases(page)[0])["mean"], sample_colour(4))


def test_play_runs_from_the_first_epoch_to_the_last(page: Page) -> None:
    open_watch(page)
    page.locator("#stack .speed select").select_option("4")
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(page.locator("#stack .label")).to_have_text("Epoch 1")
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    expect(page.locator("#stack .label")).to_have_text(f"Epoch {LAST_EPOCH}")


def test_the_loss_curves_have_a_cursor_at_the_epoch(page: Page) -> None:
    page.locator("#examples button").nth(2).click()  # before the page is opened for the first time, as most visitors do
    expect(page.locator("#download-facades-pix2pix")).to_be_visible()
    open_watch(page)
    plots = page.locator("#stack .curves figure", has_text="losses")
    expect(plots).to_have_count(2)
    expect(plots.first).to_contain_text("CycleGAN")
    cursor = plots.last.locator(".cursor")
    go_to(page, 0)
    expect(plots.last).to_contain_text("L1 loss 30")
    first = float(str(cursor.get_attribute("x1")))
    go_to(page, LAST_EPOCH - 1)
    expect(plots.last).to_contain_text("L1 loss 6")
    assert float(str(cursor.get_attribute("x1"))) > first


def test_an_own_picture_is_watched_at_the_kept_epochs(watched: Watched, tmp_path: Path) -> None:
    page = watched.page
    open_watch(page)
    draw_facade(4).resize((300, 200), Image.Resampling.NEAREST).save(tmp_path / "mine.png")
    upload(page, tmp_path / "mine.png")
    expect(page.locator("#stack .status")).to_have_text("Pictures ready: 6", timeout=30_000)
    asked = len(watched.requests)
    seen = []
    for position, (label, epochs) in enumerate({1: "1 1", 2: "1 2", 3: "3 2", 5: "5 5"}.items()):
        go_to(page, position)
        expect(page.locator("#stack .label")).to_have_text(f"Epoch {label}")
        assert " ".join(str(canvas.get_attribute("data-epoch")) for canvas in canvases(page)) == epochs
        seen.append(tuple(pixels(canvas)["checksum"] for canvas in canvases(page)))
    assert watched.requests[asked:] == []
    assert len({cyclegan for cyclegan, _ in seen}) == 3 and len({pix2pix for _, pix2pix in seen}) == 3
    go_to(page, 1)
    expect(page.locator("#stack .figures")).to_contain_text("as of epoch 1")
    assert pixels(canvases(page)[0])["size"] == [300, 200]


def test_a_new_example_takes_the_place_of_an_own_picture(page: Page, tmp_path: Path) -> None:
    open_watch(page)
    draw_facade(4).save(tmp_path / "mine.png")
    upload(page, tmp_path / "mine.png")
    expect(page.locator("#stack .status")).to_have_text(re.compile("of 6$|^6 "))  # its fill is under way
    page.locator("#examples button").nth(2).click()
    expect(page.locator("#stack .status")).to_have_text("Pictures ready: 10", timeout=30_000)
    for epoch in range(1, LAST_EPOCH + 1):
        go_to(page, epoch - 1)
        assert all(near(pixels(canvas)["mean"], sample_colour(epoch)) for canvas in canvases(page))


def test_frames_of_an_earlier_picture_are_dropped_and_missing_ones_asked_for(browser: Browser) -> None:
    """The component by itself, so that frames can come in the worst order."""
    figures = (Figure("CycleGAN", (1, 2)),)
    red, blue = (data_uri(Image.new("RGB", (8, 8), colour), exact=True) for colour in ("red", "blue"))
    stack = frame_stack(Plan("first", figures, plots=((),)), translated(watch_texts.LABELS, "en"), ["gif"])
    with browser.new_context() as context:
        page = context.new_page()
        page.clock.install()
        page.set_content(f"<div id=stack>{stack.html_template}</div>")
        page.evaluate(
            """([js, props]) => {
                const callbacks = [];
                window.fired = 0;
                window.send = (value) => { props.value = value; callbacks.forEach((callback) => callback()); };
                Function('element', 'trigger', 'props', 'server', 'upload', 'watch', js)(
                    document.querySelector('#stack'), () => window.fired++, props, {}, null,
                    (name, callback) => callbacks.push(callback));
            }""",
            [stack.js_on_load, {"value": stack.value, **stack.props}],
        )
        page.wait_for_function("window.fired === 1")

        def send(message: dict[str, Any]) -> None:
            page.evaluate("(message) => window.send(message)", message)

        send(frame_message("first", Frame(0, 1, red)))
        expect(page.locator(".status")).to_have_text("Making the pictures: 1 of 2")
        send(plan_message(Plan("second", figures)))
        expect(page.locator(".status")).to_have_text("Making the pictures: 0 of 2")
        assert page.evaluate("window.fired") == 2
        send(frame_message("second", Frame(0, 1, blue)))
        send(frame_message("first", Frame(0, 1, red)))
        send(frame_message("first", Frame(0, 2, red)))
        expect(page.locator(".status")).to_have_text("Making the pictures: 1 of 2")
        page.wait_for_timeout(200)
        assert pixels(page.locator("canvas"))["mean"] == [0, 0, 255]
        # The same picture once more: what is there stays, the rest is asked for again, for its fill was cancelled.
        send(plan_message(Plan("second", figures)))
        expect(page.locator(".status")).to_have_text("Making the pictures: 1 of 2")
        assert page.evaluate("window.fired") == 3
        # What then does not come is asked for once more, and no more.
        for _ in range(3):
            page.clock.fast_forward(20_000)
        assert page.evaluate("window.fired") == 4


def test_the_other_direction_is_watched_with_cyclegan_alone(page: Page) -> None:
    open_watch(page)
    page.get_by_label("Photo -> Labels").click()
    expect(page.locator("#stack .status")).to_have_text("Pictures ready: 3", timeout=30_000)
    expect(page.locator("#stack .note")).to_have_text("This pix2pix was trained for Labels -> Photo only.")
    assert [canvas.is_visible() for canvas in canvases(page)] == [True, False]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_both_pages_without_horizontal_scroll(browser: Browser, url: str, scheme: str) -> None:
    with browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme) as context:  # type: ignore[arg-type]
        watched = Watched(context.new_page())
        page = watched.page
        page.goto(url)
        expect(page.locator("#examples img")).to_have_count(8)
        assert beyond_the_edge(page) == []
        open_watch(page)
        assert beyond_the_edge(page) == []
        background = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
        assert (max(background[:3]) < 60) == (scheme == "dark")
        assert watched.problems == [] and watched.outside_hosts == set()
