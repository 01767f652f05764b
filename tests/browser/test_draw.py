"""Draw as a visitor meets it: by mouse, finger and keys; what is asserted are the pixels on the screen."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, Request, Route, expect

from cyclegan.facades.labels import CLASSES, CMP_BASE_PALETTE, class_indices, colorize, draw_facade, example_facades
from cyclegan.pages.frames import data_uri
from cyclegan.pages.models import Models
from tests.browser.driver import Watched, beyond_the_edge, open_tab
from tests.conftest import make_photo

Indices = NDArray[np.uint8]

START = example_facades()[0]
RUNS = ("facades-cyclegan", "facades-pix2pix")
MARK = CLASSES.index("deco")


@pytest.fixture
def painter(page: Page) -> Page:
    return open_painter(page)


def open_painter(page: Page) -> Page:
    """The page Draw, with the pictures of the facade that it begins with."""
    open_tab(page, "Draw")
    for run in RUNS:
        expect(page.locator(f"#drawn-{run} img")).to_be_visible(timeout=30_000)
    return page


def canvas(page: Page) -> Locator:
    return page.get_by_role("application", name="Your drawing")


def drawing(page: Page) -> Image.Image:
    """What the canvas shows, pixel for pixel."""
    uri: str = canvas(page).evaluate("(canvas) => canvas.toDataURL('image/png')")
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB")


def indices(page: Page) -> Indices:
    """The same as classes; every colour must be one of the palette."""
    shown = drawing(page)
    read = class_indices(shown)
    assert colorize(read).tobytes() == shown.tobytes()
    return read


def choose(page: Page, name: str) -> None:
    page.locator("#painter label").filter(has_text=name).first.click()


def press(page: Page, name: str) -> None:
    page.locator("#painter").get_by_role("button", name=name).click()


def drag(page: Page, *points: tuple[float, float]) -> None:
    """A stroke through points of the drawing, in its pixels."""
    area = canvas(page).bounding_box()
    assert area is not None
    for number, (x, y) in enumerate(points):
        page.mouse.move(area["x"] + (x + 0.5) * area["width"] / 256, area["y"] + (y + 0.5) * area["height"] / 256)
        if number == 0:
            page.mouse.down()
    page.mouse.up()


def expect_translated(page: Page, models: Models, labels: Image.Image) -> None:
    """Both pictures become what the models make of these labels, and of nothing drawn before."""
    for run, model in zip(RUNS, models.models, strict=True):
        picture = model.translate(labels, models.routes[0], model.default_epoch(models.routes[0]))
        expect(page.locator(f"#drawn-{run} img")).to_have_attribute("src", data_uri(picture), timeout=20_000)


def test_it_begins_with_a_house_that_both_have_translated(painter: Page, models: Models) -> None:
    assert drawing(painter).tobytes() == START.tobytes()
    expect_translated(painter, models, START)
    expect(painter.locator("#picture")).to_be_hidden()
    assert painter.locator("#drawn img:not([alt*='your drawing'])").count() == 0


def test_a_dragged_box_gets_the_chosen_class_and_both_pictures_follow(painter: Page, models: Models) -> None:
    choose(painter, "Door")
    drag(painter, (42, 43), (90, 100), (61, 121))
    expected = class_indices(START)
    expected[40:128, 40:64] = CLASSES.index("door")  # on the grid of 8 pixels
    assert (indices(painter) == expected).all()
    expect_translated(painter, models, colorize(expected))
    choose(painter, "Snap to grid")
    choose(painter, "Shop")
    drag(painter, (200, 101), (203, 99))
    expected[99:102, 200:204] = CLASSES.index("shop")
    assert (indices(painter) == expected).all()
    expect_translated(painter, models, colorize(expected))


def test_filling_changes_one_area(painter: Page) -> None:
    press(painter, "Clear")
    expect(painter.locator("#painter .said")).to_have_text("Facade: the wall of the house, begin with it")
    drag(painter, (32, 32), (200, 200))
    choose(painter, "Fill")
    choose(painter, "Molding")
    drag(painter, (100, 100))
    expected = np.zeros((256, 256), np.uint8)
    expected[32:208, 32:208] = CLASSES.index("molding")
    assert (indices(painter) == expected).all()


def test_undo_redo_and_clear(painter: Page, models: Models) -> None:
    undo, redo = (painter.get_by_role("button", name=name) for name in ("Undo", "Redo"))
    expect(undo).to_be_disabled()
    expect(redo).to_be_disabled()
    drag(painter, (0, 0), (60, 60))
    one = drawing(painter)
    press(painter, "Clear")
    assert not indices(painter).any()
    undo.click()
    assert drawing(painter).tobytes() == one.tobytes()
    painter.keyboard.press("Control+z")
    assert drawing(painter).tobytes() == START.tobytes()
    expect(undo).to_be_disabled()
    painter.keyboard.press("Control+Shift+z")
    assert drawing(painter).tobytes() == one.tobytes()
    redo.click()
    assert not indices(painter).any()
    expect_translated(painter, models, colorize(np.zeros((256, 256), np.uint8)))


def test_the_pictures_follow_while_the_pointer_is_down(painter: Page, models: Models) -> None:
    choose(painter, "Shop")
    area = canvas(painter).bounding_box()
    assert area is not None
    painter.mouse.move(area["x"] + 5, area["y"] + 5)
    painter.mouse.down()
    painter.mouse.move(area["x"] + 200, area["y"] + 200)
    expect_translated(painter, models, drawing(painter))
    assert (indices(painter)[:96, :96] == CLASSES.index("shop")).all()
    painter.keyboard.press("Escape")
    painter.mouse.up()


def test_everything_is_drawn_by_keys(painter: Page, models: Models) -> None:
    press(painter, "Clear")
    canvas(painter).focus()
    for key in ["b", "3", *["ArrowLeft"] * 4, " ", *["ArrowDown"] * 2, *["ArrowRight"] * 3, " "]:
        painter.keyboard.press(key)  # a window, from 96, 128 to 127, 151
    expected = np.zeros((256, 256), np.uint8)
    expected[128:152, 96:128] = CLASSES.index("window")
    assert (indices(painter) == expected).all()
    expect(painter.locator("#painter [role=status]")).to_have_text("120, 144: Window")
    for key in ["f", "=", "ArrowUp", "Enter"]:  # and a shop of it
        painter.keyboard.press(key)
    expected[expected > 0] = CLASSES.index("shop")
    assert (indices(painter) == expected).all()
    for key in ["p", "1", "Shift+ArrowLeft", " ", "ArrowUp", "Escape"]:  # a stroke that is given up
        painter.keyboard.press(key)
    assert (indices(painter) == expected).all()
    painter.keyboard.press("Control+z")
    expected[expected > 0] = CLASSES.index("window")
    assert (indices(painter) == expected).all()
    expect_translated(painter, models, colorize(expected))
    painter.keyboard.press("Tab")
    assert painter.evaluate("document.activeElement.matches('[name=painter-class]')")
    painter.keyboard.press("ArrowRight")
    expect(painter.get_by_role("radio", name="Facade")).to_be_checked()


def test_the_facade_of_a_seed_and_a_random_one(painter: Page, models: Models) -> None:
    painter.get_by_label("or seed").fill("77")
    painter.get_by_label("or seed").press("Enter")
    expect_translated(painter, models, draw_facade(77))
    assert drawing(painter).tobytes() == draw_facade(77).tobytes()
    for _ in range(4):  # quicker than they can come
        press(painter, "Random facade")
    seed = int(painter.get_by_label("or seed").input_value())
    expect_translated(painter, models, draw_facade(seed))
    assert drawing(painter).tobytes() == draw_facade(seed).tobytes()


def asks_for(name: str) -> Callable[[Request], bool]:
    """Whether a request calls a server function, which the address does not say."""
    return lambda request: "/component_server/" in request.url and call_in(request)["fn_name"] == name


def call_in(request: Request) -> dict[str, Any]:
    call: dict[str, Any] = json.loads(str(request.post_data))
    return call


def hold_facades(page: Page) -> list[Route]:
    """The calls for facades from now on, none of which is answered yet."""
    held: list[Route] = []
    page.route(
        "**/component_server/**",
        lambda route: held.append(route) if asks_for("facade_of")(route.request) else route.continue_(),
    )
    return held


def test_a_facade_that_comes_late_takes_nothing_from_what_was_drawn_meanwhile(painter: Page, models: Models) -> None:
    held = hold_facades(painter)
    press(painter, "Random facade")
    while not held:
        painter.wait_for_timeout(20)
    choose(painter, "Door")
    drag(painter, (42, 43), (61, 121))
    drawn = drawing(painter)
    assert drawn.tobytes() != START.tobytes()
    with painter.expect_response(lambda response: asks_for("facade_of")(response.request)):
        held[0].continue_()
    expect_translated(painter, models, drawn)
    assert drawing(painter).tobytes() == drawn.tobytes()


def test_a_seed_that_nobody_answers_is_told_and_changes_nothing(painter: Page) -> None:
    painter.route("**/component_server/**", lambda route: route.fulfill(status=204))
    press(painter, "Random facade")
    expect(painter.get_by_text("The facade did not come; try again, or reload the page.")).to_be_visible()
    assert drawing(painter).tobytes() == START.tobytes()
    painter.unroute_all()
    painter.get_by_label("or seed").fill("77")
    painter.get_by_label("or seed").press("Enter")
    expect(painter.get_by_text("The facade did not come; try again, or reload the page.")).to_be_hidden()
    assert drawing(painter).tobytes() == draw_facade(77).tobytes()


def test_of_what_is_drawn_while_a_picture_is_on_its_way_only_the_newest_is_asked_for(
    painter: Page, models: Models
) -> None:
    asked: list[str] = []
    held: list[Route] = []

    def hold(route: Route) -> None:
        asked.append(call_in(route.request)["data"]["png"])
        if len(asked) == 1:
            held.append(route)
        else:
            route.continue_()

    painter.route("**/component_server/**", hold)
    choose(painter, "Door")
    for left in (10, 60, 110, 160):
        drag(painter, (left, 20), (left + 30, 60))
        painter.wait_for_timeout(100)
    assert len(asked) == 1
    held[0].continue_()
    expect_translated(painter, models, drawing(painter))
    first, *others = asked
    assert others == [first, others[1], others[1]]


def test_a_picture_that_does_not_come_is_told_and_asked_for_again(painter: Page, models: Models) -> None:
    notes = painter.locator("#drawn-pictures [role=status]")
    expect(notes).to_have_text(["", ""])
    painter.route("**/component_server/**", lambda route: route.fulfill(status=204))
    choose(painter, "Door")
    drag(painter, (10, 20), (40, 60))
    expect(notes).to_have_text([re.compile("The picture did not come; it is asked for again")] * 2)
    expect(painter.locator("#drawn-pictures img")).to_have_count(0)
    painter.unroute_all()
    expect_translated(painter, models, drawing(painter))
    expect(notes).to_have_text(["", ""])


def test_examples_begin_a_drawing(painter: Page, models: Models) -> None:
    painter.get_by_role("img", name="Label map of a drawn house front, number 4").last.click()
    expect_translated(painter, models, example_facades()[3])
    assert drawing(painter).tobytes() == example_facades()[3].tobytes()
    press(painter, "Undo")
    assert drawing(painter).tobytes() == START.tobytes()


def test_a_drawing_is_saved_and_opened_again(painter: Page, tmp_path: Path) -> None:
    drag(painter, (0, 0), (60, 60))
    drawn = drawing(painter)
    assert drawn.tobytes() != START.tobytes()
    with painter.expect_download() as download:
        press(painter, "Save PNG")
    assert download.value.suggested_filename == "labels.png"
    download.value.save_as(tmp_path / "labels.png")
    with Image.open(tmp_path / "labels.png") as saved:
        assert saved.format == "PNG" and saved.convert("RGB").tobytes() == drawn.tobytes()
    press(painter, "Clear")
    files = painter.locator("#painter input[type=file]")
    files.set_input_files(tmp_path / "labels.png")
    expect(painter.get_by_role("button", name="Redo")).to_be_disabled()
    painter.wait_for_timeout(500)
    assert drawing(painter).tobytes() == drawn.tobytes()
    # Of any size, and in the colours of the database itself.
    colorize(class_indices(draw_facade(9, size=512)), CMP_BASE_PALETTE).save(tmp_path / "base.png")
    files.set_input_files(tmp_path / "base.png")
    painter.wait_for_timeout(500)
    opened = class_indices(draw_facade(9, size=512))
    assert min((indices(painter) != opened[y::2, x::2]).sum() for x in (0, 1) for y in (0, 1)) == 0


def test_files_that_are_no_label_maps_are_refused_and_change_nothing(painter: Page, tmp_path: Path) -> None:
    make_photo(3).save(tmp_path / "photo.jpg")
    (tmp_path / "text.png").write_text("this is no picture")
    said = painter.locator("#painter .said")
    for name, message in (("photo.jpg", "This looks like a photo"), ("text.png", "cannot be read as a picture")):
        painter.locator("#painter input[type=file]").set_input_files(tmp_path / name)
        expect(said).to_contain_text(message)
        assert drawing(painter).tobytes() == START.tobytes()


def test_the_drawing_is_watched_and_goes_to_the_other_pages(painter: Page) -> None:
    drag(painter, (0, 0), (60, 60))
    drawn = drawing(painter)
    assert drawn.tobytes() != START.tobytes()
    painter.get_by_role("button", name="Watch them learn to build it").click()
    expect(painter.locator("#stack .status")).to_have_text("Pictures ready: 6", timeout=30_000)
    painter.get_by_role("tab", name="Translate").click()
    picture = painter.locator("#picture img")
    expect(picture).to_be_visible()
    painter.wait_for_timeout(1500)
    content = painter.request.get(str(picture.get_attribute("src"))).body()
    assert Image.open(io.BytesIO(content)).convert("RGB").tobytes() == drawn.tobytes()


def test_a_finger_draws_on_a_phone_and_the_page_stays(browser: Browser, url: str, models: Models) -> None:
    with browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True) as context:
        watched = Watched(context.new_page())
        page = watched.page
        page.goto(url)
        expect(page.locator("#examples img")).to_have_count(8)
        open_painter(page)
        assert beyond_the_edge(page) == []
        choose(page, "Door")
        canvas(page).scroll_into_view_if_needed()
        area = canvas(page).bounding_box()
        assert area is not None and area["width"] > 300
        scrolled = page.evaluate("scrollY")
        touch = context.new_cdp_session(page)

        def finger(kind: str, *points: tuple[int, int]) -> None:
            pace = area["width"] / 256
            places = [{"x": area["x"] + (x + 0.5) * pace, "y": area["y"] + (y + 0.5) * pace} for x, y in points]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

        finger("touchStart", (80, 40))
        for y in range(40, 201, 20):
            finger("touchMove", (81, y))
        finger("touchEnd")
        expected = class_indices(START)
        expected[40:208, 80:88] = CLASSES.index("door")
        assert (indices(page) == expected).all()
        assert page.evaluate("scrollY") == scrolled
        expect_translated(page, models, colorize(expected))
        # Both results are in sight of who draws: above the canvas.
        for run in RUNS:
            result = page.locator(f"#drawn-{run} img").bounding_box()
            assert result is not None and result["y"] + result["height"] <= area["y"]
        assert watched.problems == [] and watched.outside_hosts == set()
