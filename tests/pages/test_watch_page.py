"""The Watch page without a browser: its handlers are plain functions."""

from __future__ import annotations

import itertools
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import gradio as gr
import numpy as np
import pytest
from gradio.data_classes import ImageData
from PIL import Image

from cyclegan.facades.labels import draw_facade, example_facades
from cyclegan.pages.frames import coarse_to_fine, sample_frames
from cyclegan.pages.inputs import read_picture
from cyclegan.pages.layout import Layout
from cyclegan.pages.models import Models, Route
from cyclegan.pages.watch.curves import curves_of, plots_of
from cyclegan.pages.watch.follow import stamps
from cyclegan.pages.watch.page import FRAME_PIXELS
from cyclegan.runs.history import Curve
from cyclegan.runs.run import Run
from tests.conftest import TINY_GAN, make_photo, make_run

ROOT = Path(__file__).parents[2]
TO_PHOTO, TO_LABELS = Route("labels", "photo"), Route("photo", "labels")


pytestmark = pytest.mark.usefixtures("own_cache", "closed_event_loops")


def triggers(layout: Layout, dependency: dict[str, Any]) -> list[tuple[str | None, str]]:
    """The (elem_id, event) pairs that set off an event of the app's configuration."""
    blocks = layout.blocks.blocks
    return [(getattr(blocks.get(target), "elem_id", None), event) for target, event in dependency["targets"]]


@pytest.fixture(scope="module")
def gan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained run that makes clothes from noise."""
    folder = tmp_path_factory.mktemp("gan") / "clothes-gan"
    make_run(folder, replace(TINY_GAN, epochs=6), epochs=(1, 6), sample_epochs=6)
    return folder


@pytest.fixture(scope="module")
def three(weights: Path, gan: Path) -> Layout:
    """The app of that run and the two that translate."""
    folders = [gan, weights / "facades-cyclegan", weights / "facades-pix2pix"]
    return Layout(Models.load(folders, precision="fp32"))


class TestWatch:
    def test_an_examples_frames_are_the_samples_of_every_epoch(
        self, layout: Layout, model_calls: list[tuple[str, int]]
    ) -> None:
        image = example_facades()[1]
        frames = list(layout.watch_page.frames(image, TO_PHOTO))
        assert sorted((frame.epoch, frame.model) for frame in frames) == list(itertools.product(range(1, 6), (0, 1)))
        assert model_calls == []
        plan = layout.watch_page.plan(image, TO_PHOTO)
        assert [figure.epochs for figure in plan.figures] == [(1, 2, 3, 4, 5)] * 2
        assert [(frame.model, frame.epoch) for frame in plan.frames] == [(0, 5), (1, 5)]

    def test_own_frames_come_one_at_a_time_in_the_order_of_training(
        self, layout: Layout, model_calls: list[tuple[str, int]]
    ) -> None:
        frames = layout.watch_page.frames(draw_facade(3), TO_PHOTO)
        assert model_calls == []
        first = next(frames)
        assert (first.model, first.epoch) == (0, 1) and len(model_calls) == 1
        rest = [(frame.epoch, frame.model) for frame in frames]
        assert rest == [(1, 1), (2, 1), (3, 0), (5, 0), (5, 1)]

    def test_label_maps_travel_as_png_and_photos_as_jpeg(self, layout: Layout) -> None:
        to_labels = next(layout.watch_page.frames(make_photo(3), TO_LABELS))
        to_photo = next(layout.watch_page.frames(draw_facade(3), TO_PHOTO))
        assert to_labels.src.startswith("data:image/png;base64,")
        assert to_photo.src.startswith("data:image/jpeg;base64,")

    def test_a_fill_ends_with_the_next_one_of_its_visitor(
        self, layout: Layout, model_calls: list[tuple[str, int]]
    ) -> None:
        page, labels = layout.watch_page, draw_facade(3)
        every: Any = SimpleNamespace(frames=[(model, epoch) for model in range(2) for epoch in (1, 3, 5)])
        me, other = (SimpleNamespace(session_hash=name) for name in ("me", "other"))

        def fill(visitor: Any) -> Iterator[dict[str, Any]]:
            return page.fill_missing(labels, TO_PHOTO.name, every, visitor)

        mine, others = fill(me), fill(other)
        next(mine), next(others)
        newer = fill(me)
        next(newer)
        assert list(mine) == [], "another one has begun"
        next(newer)
        page.announce(draw_facade(4), TO_PHOTO.name, cast(Any, me))
        assert list(newer) == [], "another picture has come"
        assert len(model_calls) <= 6, "each of the two computes one frame more at most"
        assert len(list(others)) == 4, "who has nothing to do with it gets all"
        assert len(list(fill(me))) == 5

    def test_frames_name_the_picture_and_direction_they_belong_to(self, layout: Layout) -> None:
        tokens = {layout.watch_page.announce(None, TO_PHOTO.name)["token"]}
        for image, route in ((draw_facade(3), TO_PHOTO), (draw_facade(4), TO_PHOTO), (make_photo(3), TO_LABELS)):
            plan = layout.watch_page.announce(image, route.name)
            frame = next(layout.watch_page.fill(image, route.name))
            assert plan["kind"] == "plan" and frame["kind"] == "frame"
            assert plan["token"] == frame["token"]
            tokens.add(plan["token"])
        assert len(tokens) == 4

    def test_without_a_picture_there_is_nothing_to_watch(self, layout: Layout) -> None:
        plan = layout.watch_page.plan(None, TO_PHOTO)
        assert [figure.epochs for figure in plan.figures] == [(), ()] and plan.frames == ()
        assert list(layout.watch_page.fill(None, TO_PHOTO.name)) == []
        stack = layout.clear(TO_PHOTO.name)[2]
        assert stack == layout.watch_page.announce(None, TO_PHOTO.name)

    def test_why_an_own_picture_has_fewer_epochs_is_said(self, layout: Layout) -> None:
        note = "Your picture: only epochs whose networks are kept, 4 in all. Examples: every epoch."
        assert layout.watch_page.plan(draw_facade(3), TO_PHOTO).note == note
        assert layout.watch_page.plan(example_facades()[1], TO_PHOTO).note == ""

    @pytest.mark.parametrize("damage", [b"", b"no picture", "cut", "another size"])
    def test_a_damaged_sample_counts_as_absent(self, damage: bytes | str, weights: Path, tmp_path: Path) -> None:
        shutil.copytree(weights / "facades-pix2pix", tmp_path / "run")
        path = tmp_path / "run" / "samples" / "0005.webp"
        if damage == "another size":
            Image.new("RGB", (64, 64)).save(path)
        else:
            path.write_bytes(damage if isinstance(damage, bytes) else path.read_bytes()[:-40])
        layout = Layout(Models.load([tmp_path / "run"], precision="fp32"))
        image = example_facades()[0]
        assert layout.watch_page.plan(image, TO_PHOTO).figures[0].epochs == (1, 2, 3, 4)
        assert sorted(frame.epoch for frame in layout.watch_page.frames(image, TO_PHOTO)) == [1, 2, 3, 4]
        assert layout.open()[3].startswith("## pix2pix\nAfter epoch 5")

    def test_a_damaged_history_costs_the_curves_alone(self, weights: Path, tmp_path: Path) -> None:
        shutil.copytree(weights / "facades-pix2pix", tmp_path / "run")
        (tmp_path / "run" / "history.jsonl").write_text("{\n")
        layout = Layout(Models.load([tmp_path / "run"], precision="fp32"))
        assert layout.watch_page.look([[0, 0, 0]])[0] == stamps(layout.models)
        message = layout.watch_page.announce(example_facades()[0], TO_PHOTO.name)
        assert message["plots"] == ((),) and message["figures"][0]["epochs"] == (1, 2, 3, 4, 5)

    def test_a_long_history_has_curves_of_as_many_points_as_a_page_shows(self, weights: Path, tmp_path: Path) -> None:
        run = replace(Run.open(weights / "facades-pix2pix"), folder=tmp_path)
        run.write_history([{"epoch": epoch, "losses": {"gan": 1.0}} for epoch in range(1, 10_001)])
        ((curve,),) = (plot.curves for plot in plots_of(run, "pix2pix", "en"))
        assert len(curve.points) == 2000 and curve.points[1] == (6, 1.0)

    def test_a_large_picture_is_watched_smaller_and_the_note_says_so(self, layout: Layout) -> None:
        plan = layout.watch_page.plan(make_photo(3).resize((900, 600)), TO_LABELS)
        size = re.search(r"Shown at (\d+) x (\d+) pixels", plan.note)
        assert size is not None
        width, height = map(int, size.groups())
        assert width * height <= FRAME_PIXELS
        assert plan.figures[1].epochs == () and "Labels → Photo only" in plan.note

    def test_the_samples_come_from_a_rough_overview_to_every_epoch(self) -> None:
        order = coarse_to_fine(range(1, 201))
        assert order[:4] == [1, 17, 33, 49]
        assert sorted(order) == list(range(1, 201))

    def test_curves_have_readable_names_and_keep_the_domains_apart(self, layout: Layout, tmp_path: Path) -> None:
        run = layout.models.models[0].translator.run
        shutil.copytree(run.folder, tmp_path / "run")
        history = [{"epoch": 1, "losses": {"gan_a": 1.0, "gan_b": 3.0, "l1": 0.5}}, {"epoch": 2}]
        history.append({"epoch": 3, "losses": {"gan_b": 4.0, "new_term": 2.0}})
        (tmp_path / "run" / "history.jsonl").write_text("\n".join(map(json.dumps, history)))
        assert curves_of(run, replace(run, folder=tmp_path / "run").history()) == [
            Curve("Adversarial loss: Photo", ((1, 1.0),)),
            Curve("Adversarial loss: Labels", ((1, 3.0), (3, 4.0))),
            Curve("L1 loss", ((1, 0.5),)),
            Curve("New term", ((3, 2.0),)),
        ]

    def test_sample_frames_show_the_column_that_was_asked_for(
        self, layout: Layout, tmp_path: Path, weights: Path
    ) -> None:
        shutil.copytree(weights / "facades-pix2pix", tmp_path / "run")
        sheet = Image.new("RGB", (8 * 256, 256))
        sheet.paste((250, 200, 10), (3 * 256, 0, 4 * 256, 256))
        models = Models.load([tmp_path / "run"], precision="fp32")
        for path in (tmp_path / "run" / "samples").glob("*.webp"):
            path.unlink()
        models.models[0].translator.run.save_sample(1, sheet)
        (frame,) = sample_frames(models, TO_PHOTO, 3)
        picture = read_picture(ImageData(url=frame.src))
        assert picture is not None
        assert np.abs(np.asarray(picture).mean((0, 1)) - (250, 200, 10)).max() < 5


class TestNoise:
    """A run that makes pictures from noise is watched like any other, and never asked to translate."""

    @pytest.mark.parametrize(
        ("image", "epochs"),
        [
            (example_facades()[1], [(1, 2, 3, 4, 5, 6), (1, 2, 3, 4, 5), (1, 2, 3, 4, 5)]),
            (draw_facade(3), [(1, 2, 3, 4, 5, 6), (1, 3, 5), (1, 2, 5)]),
            (None, [(1, 2, 3, 4, 5, 6), (), ()]),
        ],
        ids=["an example", "an own picture", "no picture"],
    )
    def test_its_samples_stand_beside_the_translations(
        self, three: Layout, image: Image.Image | None, epochs: list[tuple[int, ...]]
    ) -> None:
        plan = three.watch_page.plan(image, TO_PHOTO)
        assert [figure.title for figure in plan.figures] == ["GAN", "CycleGAN", "pix2pix"]
        assert [figure.epochs for figure in plan.figures] == epochs
        messages = list(three.watch_page.fill(image, TO_PHOTO.name))
        assert {message["token"] for message in messages} == {plan.token}
        come = sorted((message["frame"]["model"], message["frame"]["epoch"]) for message in messages)
        assert come == [(index, epoch) for index, of_model in enumerate(epochs) for epoch in of_model]
        for message in messages:
            if message["frame"]["model"] == 0:
                picture = read_picture(ImageData(url=message["frame"]["src"]))
                assert picture is not None and picture.size == (256, 256)
                colour = (20 * message["frame"]["epoch"], 90, 120)
                assert np.abs(np.asarray(picture).mean((0, 1)) - colour).max() < 4

    def test_nothing_is_translated_with_it(self, three: Layout, layout: Layout, weights: Path) -> None:
        assert three.models.routes == layout.models.routes
        assert len(three.translate_page.outputs) == len(layout.translate_page.outputs)
        assert len(three.translations.translate(draw_facade(3), TO_PHOTO).results) == 2
        assert three.watch_page.plan(make_photo(3), TO_LABELS).note == layout.models.missing(TO_LABELS)[0].en
        (api,) = (item for item in three.blocks.config["dependencies"] if item["api_name"] == "translate")
        inputs = [three.blocks.blocks[index] for index in api["inputs"]]
        choices = [block.choices for block in inputs if isinstance(block, gr.Dropdown)]
        assert choices == [
            [("photo", "photo"), ("labels", "labels")],
            [("CycleGAN", "CycleGAN"), ("pix2pix", "pix2pix")],
        ]

    def test_without_another_run_there_is_only_its_history(self, gan: Path, caplog: pytest.LogCaptureFixture) -> None:
        models = Models.load([gan], precision="fp32")
        models.warm_up()
        assert not caplog.records
        alone = Layout(models)
        assert [type(block) for block in alone.blocks.blocks.values() if isinstance(block, gr.Image | gr.Button)] == []
        assert [
            item["api_name"] for item in alone.blocks.config["dependencies"] if item["api_visibility"] == "public"
        ] == []
        (figure,) = alone.watch_page.plan(None, None).figures
        assert figure.epochs == (1, 2, 3, 4, 5, 6)
        assert len(list(alone.watch_page.fill(None, None))) == 6
