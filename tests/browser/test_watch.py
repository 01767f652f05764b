"""Watch it learn in a real browser: epochs to jump to, curves, movies, and a training that goes on meanwhile."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from cyclegan.facades.labels import draw_facade
from cyclegan.pages.frames import Frame, data_uri
from cyclegan.pages.languages import translated
from cyclegan.pages.watch import texts as watch_texts
from cyclegan.pages.watch.canvas import Figure, Plan, frame_message, frame_stack, plan_message
from cyclegan.pages.watch.curves import Plot
from cyclegan.runs.history import Curve
from cyclegan.runs.run import Run
from tests.browser.driver import Watched, near, open_watch, pixels, sample_colour, served

EPOCHS = 5


def label(page: Page) -> Locator:
    return page.locator("#stack .label")


def shown(page: Page) -> list[list[int]]:
    return [pixels(canvas)["mean"] for canvas in page.locator("#stack canvas:visible").all()]


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


def mount(page: Page, stack: gr.HTML) -> None:
    """Show the component by itself, without a server: `send(message)` is its new value, `fired` counts its events."""
    page.set_content(f"<style>{stack.css_template}</style><div id=stack>{stack.html_template}</div>")
    page.evaluate(
        """([js, props]) => {
            const callbacks = [];
            window.fired = 0;
            window.send = (value) => { props.value = value; callbacks.forEach((callback) => callback()); };
            Function('element', 'trigger', 'props', 'watch', js)(
                document.querySelector('#stack'), () => window.fired++, props,
                (name, callback) => callbacks.push(callback));
        }""",
        [stack.js_on_load, {"value": stack.value, **stack.props}],
    )


def test_every_way_to_an_epoch_shows_its_pictures_and_asks_nobody(watched: Watched) -> None:
    page = watched.page
    open_watch(page)
    asked = len(watched.requests)
    for epoch in (1, 2, 3, 4, 5, 3):
        go_to(page, epoch - 1)
        expect(label(page)).to_have_text(f"Epoch {epoch}")
        assert len(shown(page)) == 2 and all(near(colour, sample_colour(epoch)) for colour in shown(page))
    page.get_by_label("Go to").select_option(label="Epoch 2")
    expect(label(page)).to_have_text("Epoch 2")
    assert all(near(colour, sample_colour(2)) for colour in shown(page))
    for key, epoch in {"ArrowRight": 3, "Home": 1, "End": EPOCHS, "ArrowLeft": EPOCHS - 1}.items():
        page.locator("#stack .figures").focus()
        page.keyboard.press(key)
        expect(label(page)).to_have_text(f"Epoch {epoch}")
        assert all(near(colour, sample_colour(epoch)) for colour in shown(page))
    page.keyboard.press("Home")
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    plot = page.locator("#stack .curves svg").first
    box = plot.bounding_box()
    assert box is not None
    plot.click(position={"x": box["width"] * 0.98, "y": box["height"] / 2})
    expect(label(page)).to_have_text(f"Epoch {EPOCHS}")
    page.wait_for_timeout(300)
    assert watched.requests[asked:] == []


def test_canvases_and_curves_are_of_the_runs_that_know_the_direction(page: Page) -> None:
    open_watch(page)
    curves = page.locator("#stack .curves figure")
    expect(curves.filter(has_text="pix2pix: losses")).to_be_visible()
    page.get_by_label("Photo → Labels").check()
    expect(curves.filter(has_text="pix2pix: losses")).to_have_count(0)
    expect(curves.filter(has_text="CycleGAN: losses")).to_be_visible()
    expect(page.locator("#stack .status")).to_have_text("Pictures ready: 3", timeout=30_000)
    expect(page.locator("#stack .note")).to_have_text("This pix2pix was trained for Labels → Photo only.")
    assert [canvas.is_visible() for canvas in canvases(page)] == [True, False]


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
    page.locator("#picture input[type=file]").set_input_files(tmp_path / "text.png")
    expect(page.locator("#stack .status")).to_have_text("Choose a picture first.")


def test_play_runs_from_the_first_epoch_to_the_last(page: Page) -> None:
    open_watch(page)
    page.locator("#stack .speed select").select_option("4")
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(label(page)).to_have_text("Epoch 1")
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    expect(label(page)).to_have_text(f"Epoch {EPOCHS}")


def test_the_loss_curves_have_a_cursor_at_the_epoch(page: Page) -> None:
    page.locator("#examples button").nth(2).click()  # before the page is opened for the first time, as most visitors do
    expect(page.locator("#download-facades-pix2pix")).to_be_visible()
    open_watch(page)
    plots = page.locator("#stack .curves figure", has_text="losses")
    expect(plots).to_have_count(2)
    rates = page.locator("#stack .curves figure li", has_text="learning rate")
    expect(rates).to_have_count(2)
    assert len({rate.get_attribute("class") for rate in rates.all()}) == 1, "the same curve has the same colour"
    expect(plots.first).to_contain_text("CycleGAN")
    cursor = plots.last.locator(".cursor")
    go_to(page, 0)
    expect(plots.last).to_contain_text("L1 loss 30")
    first = float(str(cursor.get_attribute("x1")))
    go_to(page, EPOCHS - 1)
    expect(plots.last).to_contain_text("L1 loss 6")
    assert float(str(cursor.get_attribute("x1"))) > first


def test_an_own_picture_is_watched_at_the_kept_epochs(watched: Watched, tmp_path: Path) -> None:
    page = watched.page
    open_watch(page)
    draw_facade(4).resize((300, 200), Image.Resampling.NEAREST).save(tmp_path / "mine.png")
    page.locator("#picture input[type=file]").set_input_files(tmp_path / "mine.png")
    expect(page.locator("#stack .status")).to_have_text("Pictures ready: 6", timeout=30_000)
    asked = len(watched.requests)
    seen = []
    for position, (epoch, epochs) in enumerate({1: "1 1", 2: "1 2", 3: "3 2", 5: "5 5"}.items()):
        go_to(page, position)
        expect(label(page)).to_have_text(f"Epoch {epoch}")
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
    page.locator("#picture input[type=file]").set_input_files(tmp_path / "mine.png")
    expect(page.locator("#stack .status")).to_have_text(re.compile("of 6$|^6 "))  # its fill is under way
    page.locator("#examples button").nth(2).click()
    expect(page.locator("#stack .status")).to_have_text("Pictures ready: 10", timeout=30_000)
    for epoch in range(1, EPOCHS + 1):
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
        mount(page, stack)
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


def test_it_opens_with_the_best_epoch_of_each_until_the_slider_is_touched(browser: Browser) -> None:
    figures = (Figure("CycleGAN", (1, 2, 3), best=2), Figure("pix2pix", (1, 2, 3), best=3))
    red = data_uri(Image.new("RGB", (8, 8), "red"), exact=True)
    stack = frame_stack(Plan("first", figures, plots=((), ())), translated(watch_texts.LABELS, "en"), ["gif"])
    with browser.new_context() as context:
        page = context.new_page()
        mount(page, stack)
        for model, epoch in ((0, 3), (1, 1), (0, 2), (1, 3), (0, 1), (1, 2)):
            page.evaluate("(message) => window.send(message)", frame_message("first", Frame(model, epoch, red)))
        expect(page.locator(".status")).to_have_text("Pictures ready: 6")
        shown = page.locator("canvas")
        expect(shown.nth(0)).to_have_attribute("data-epoch", "2")
        expect(shown.nth(1)).to_have_attribute("data-epoch", "3")
        expect(page.locator("figcaption")).to_have_text(
            ["CycleGAN ★ best epoch · Epoch 2", "pix2pix ★ best epoch · Epoch 3"]
        )
        page.get_by_role("slider", name="Epoch of training").press("ArrowLeft")
        expect(shown.nth(0)).to_have_attribute("data-epoch", "1")
        expect(shown.nth(1)).to_have_attribute("data-epoch", "1")


def test_a_gif_of_all_epochs_is_saved_with_one_click(page: Page, tmp_path: Path) -> None:
    open_watch(page)
    with page.expect_download(timeout=60_000) as download:
        page.get_by_role("button", name="Save as GIF").click()
    assert download.value.suggested_filename == "photo-epochs.gif"
    download.value.save_as(tmp_path / "movie.gif")
    with Image.open(tmp_path / "movie.gif") as gif:
        assert gif.n_frames == EPOCHS  # type: ignore[attr-defined]
        for epoch in range(1, EPOCHS + 1):
            gif.seek(epoch - 1)
            red = gif.convert("RGB").getpixel((gif.width // 4, gif.height // 2))[0]  # type: ignore[index]
            assert abs(red - 20 * epoch) <= 8
    expect(page.locator("#stack .status")).to_have_text("Pictures ready: 10")


def test_negative_losses_stand_below_zero_on_an_even_axis(browser: Browser) -> None:
    """The component by itself: the score of a Wasserstein critic falls from 2 to -6."""
    points = ((1, 2.0), (2, -2.0), (3, -6.0))
    plan = Plan("", (Figure("GAN", ()),), plots=((Plot("losses", (Curve("Critic", points),)),),))
    stack = frame_stack(plan, translated(watch_texts.LABELS, "en"), ["gif"])
    with browser.new_context() as context:
        page = context.new_page()
        mount(page, stack)
        expect(page.locator("small")).to_have_text("")
        marks = {
            float(str(mark.text_content())): float(str(mark.get_attribute("y"))) - 4
            for mark in page.locator("svg text[text-anchor=end]").all()[:-1]
        }
        assert {0.0, -6.0} <= set(marks)
        height = (marks[0] - marks[-6]) / 6  # of one unit; negative: what is less stands lower, and y grows downwards
        assert height < 0
        line = str(page.locator("polyline").get_attribute("points"))
        for (_, value), place in zip(points, line.split(), strict=True):
            assert float(place.split(",")[1]) == pytest.approx(marks[0] + height * value, abs=0.2)


@pytest.fixture
def growing(weights: Path, tmp_path: Path) -> Iterator[tuple[Run, Run, str]]:
    """A run whose training has just begun, the run that it will become, and where the app shows it."""
    (tmp_path / "x").mkdir()
    shutil.copy(weights / "facades-pix2pix" / "run.json", tmp_path / "x")
    with served([tmp_path / "x"], tmp_path) as address:
        yield Run.open(tmp_path / "x"), Run.open(weights / "facades-pix2pix"), address
        assert "Traceback" not in (tmp_path / "server.log").read_text()


def train(run: Run, source: Run, epoch: int) -> None:
    """Write an epoch in the order of a training: samples, networks, history, checkpoint."""
    run.sample_path(epoch).parent.mkdir(exist_ok=True)
    shutil.copy(source.sample_path(epoch), run.sample_path(epoch))
    if epoch in source.epochs:
        shutil.copytree(source.folder / "snapshots" / f"{epoch:04d}", run.folder / "snapshots" / f"{epoch:04d}")
    run.write_history(source.history()[:epoch])
    (run.folder / "checkpoint.pt").write_bytes(b"")


def test_a_training_is_followed_while_it_goes_on(browser: Browser, growing: tuple[Run, Run, str]) -> None:
    run, source, address = growing
    with browser.new_context() as context:
        watched = Watched(context.new_page())
        page = watched.page
        page.goto(address)
        expect(page.locator("#missing")).to_contain_text("first networks come after epoch 1")
        page.get_by_role("tab", name="Watch it learn").click()
        expect(page.locator("#stack .status")).to_have_text(
            "No epoch is finished yet: pictures appear here as soon as one is."
        )
        for epoch in (1, 2):
            train(run, source, epoch)
            expect(label(page)).to_have_text(f"Epoch {epoch}", timeout=60_000)
            expect(page.locator("#stack .status")).to_have_text(f"Pictures ready: {epoch}", timeout=60_000)
            assert all(near(colour, sample_colour(epoch)) for colour in shown(page)) and shown(page)
            points = str(page.locator("#stack polyline").first.get_attribute("points")).split()
            assert len(points) == max(2, epoch)
        # Whoever looks at an earlier epoch stays there when there is a new one; the best is marked when it is known.
        page.locator("#stack .figures").focus()
        page.keyboard.press("Home")
        train(run, source, 3)
        expect(page.locator("#stack .status")).to_have_text("Pictures ready: 3", timeout=60_000)
        expect(label(page)).to_have_text("Epoch 1")
        (run.folder / "metrics.json").write_text(json.dumps({"format": 1, "best_epoch": {"ba": 2}, "splits": {}}))
        expect(page.locator("#stack svg line.best").first).to_be_attached(timeout=60_000)
        page.get_by_label("Go to").select_option(label="★ best of pix2pix: 2")
        expect(label(page)).to_have_text("Epoch 2")
        expect(page.locator("#stack figcaption").first).to_contain_text("★ best epoch")
        # Nothing changes: the page looks, and asks for nothing else.
        asked = len(watched.requests)
        page.wait_for_timeout(5_000)
        assert 1 <= len(watched.requests[asked:]) <= 6  # one look or two, each a call and its answer
        page.get_by_role("tab", name="Translate", exact=True).click()
        page.get_by_role("combobox", name="Epoch of training").click()
        expect(page.get_by_role("option")).to_contain_text(["Default epoch", "Epoch 1", "Epoch 2"])
        page.keyboard.press("Escape")
        # The folder is moved: a message, and what has come stays.
        page.get_by_role("tab", name="Watch it learn").click()
        run.folder.rename(run.folder.with_name("moved"))
        expect(page.get_by_test_id("toast-body")).to_contain_text("was moved, deleted or replaced", timeout=60_000)
        expect(page.locator("#stack .note")).to_contain_text("was moved, deleted or replaced")
        assert all(near(colour, sample_colour(2)) for colour in shown(page)) and shown(page)
        assert watched.problems == [] and watched.outside_hosts == set()
