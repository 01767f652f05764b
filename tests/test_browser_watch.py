"""Watch it learn in a real browser: epochs to jump to, curves, movies, and a training that goes on meanwhile."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from cyclegan.pages.languages import translated
from cyclegan.pages.watch import texts as watch_texts
from cyclegan.pages.watch.canvas import Figure, Plan, frame_stack
from cyclegan.pages.watch.curves import Plot
from cyclegan.runs.curves import Curve
from cyclegan.runs.run import Run
from tests.browser import Watched, pixels, served

EPOCHS = 5


def sample_colour(epoch: int) -> list[int]:
    """What `make_run` fills the sample image of an epoch with."""
    return [20 * epoch, 90, 120]


def near(colour: list[int], other: list[int]) -> bool:
    return all(abs(a - b) <= 3 for a, b in zip(colour, other, strict=True))


def open_watch(page: Page) -> None:
    page.get_by_role("tab", name="Watch it learn").click()
    expect(page.locator("#stack [data-done=true]")).to_be_attached(timeout=30_000)


def label(page: Page) -> Locator:
    return page.locator("#stack .label")


def shown(page: Page) -> list[list[int]]:
    return [pixels(canvas)["mean"] for canvas in page.locator("#stack canvas:visible").all()]


def test_every_way_to_an_epoch_shows_its_pictures_and_asks_nobody(watched: Watched) -> None:
    page = watched.page
    open_watch(page)
    asked = len(watched.requests)
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


def test_the_learning_rate_has_a_curve_with_the_cursor_of_the_losses(page: Page) -> None:
    open_watch(page)
    rate = page.locator("#stack .curves figure", has_text="CycleGAN: learning rate")
    expect(rate).to_contain_text("learning rate 2e-4")
    losses = page.locator("#stack .curves figure", has_text="CycleGAN: losses")
    for key in ("Home", "ArrowRight", "End"):
        page.locator("#stack .figures").focus()
        page.keyboard.press(key)
        places = [plot.locator(".cursor").get_attribute("x1") for plot in (rate, losses)]
        assert places[0] == places[1]
    expect(page.locator("#stack svg .best")).to_have_count(0)


def test_curves_are_of_the_runs_that_go_the_chosen_way(page: Page) -> None:
    open_watch(page)
    curves = page.locator("#stack .curves figure")
    expect(curves.filter(has_text="pix2pix: losses")).to_be_visible()
    page.get_by_label("Photo -> Labels").check()
    expect(curves.filter(has_text="pix2pix: losses")).to_have_count(0)
    expect(curves.filter(has_text="CycleGAN: losses")).to_be_visible()


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
        page.set_content(f"<style>{stack.css_template}</style><div id=stack>{stack.html_template}</div>")
        page.evaluate(
            """([js, props]) => Function('element', 'trigger', 'props', 'watch', js)(
                document.querySelector('#stack'), () => {}, props, () => {})""",
            [stack.js_on_load, {"value": stack.value, **stack.props}],
        )
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
            expect(label(page)).to_have_text(f"Epoch {epoch}", timeout=20_000)
            expect(page.locator("#stack .status")).to_have_text(f"Pictures ready: {epoch}", timeout=20_000)
            assert all(near(colour, sample_colour(epoch)) for colour in shown(page)) and shown(page)
            points = str(page.locator("#stack polyline").first.get_attribute("points")).split()
            assert len(points) == max(2, epoch)
        # Whoever looks at an earlier epoch stays there when there is a new one; the best is marked when it is known.
        page.locator("#stack .figures").focus()
        page.keyboard.press("Home")
        train(run, source, 3)
        expect(page.locator("#stack .status")).to_have_text("Pictures ready: 3", timeout=20_000)
        expect(label(page)).to_have_text("Epoch 1")
        (run.folder / "metrics.json").write_text(json.dumps({"format": 1, "best_epoch": {"ba": 2}, "splits": {}}))
        expect(page.locator("#stack svg line.best").first).to_be_attached(timeout=20_000)
        page.get_by_label("Go to").select_option(label="★ best of pix2pix: 2")
        expect(label(page)).to_have_text("Epoch 2")
        expect(page.locator("#stack figcaption").first).to_contain_text("★ best epoch")
        # Nothing changes: the page looks, and asks for nothing else.
        asked = len(watched.requests)
        page.wait_for_timeout(5_000)
        assert 1 <= len(watched.requests[asked:]) <= 6  # one look or two, each a call and its answer
        page.get_by_role("tab", name="Translate", exact=True).click()
        page.get_by_role("combobox", name="Epoch of training").click()
        expect(page.get_by_role("option")).to_contain_text(["Last epoch", "Epoch 1", "Epoch 2"])
        page.keyboard.press("Escape")
        # The folder is moved: a message, and what has come stays.
        page.get_by_role("tab", name="Watch it learn").click()
        run.folder.rename(run.folder.with_name("moved"))
        expect(page.get_by_test_id("toast-body")).to_contain_text("was moved, deleted or replaced", timeout=20_000)
        expect(page.locator("#stack .note")).to_contain_text("was moved, deleted or replaced")
        assert all(near(colour, sample_colour(2)) for colour in shown(page)) and shown(page)
        assert watched.problems == [] and watched.outside_hosts == set()


def test_a_training_that_has_ended_is_not_looked_at(watched: Watched) -> None:
    open_watch(watched.page)
    asked = len(watched.requests)
    watched.page.wait_for_timeout(6_000)
    assert watched.requests[asked:] == []
