"""The app without a browser: its handlers are plain functions."""

from __future__ import annotations

import io
import itertools
import json
import logging
import re
import shutil
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import gradio as gr  # after the app, which first turns Gradio's analytics off
import numpy as np
import pytest
import torch
from gradio.data_classes import ImageData
from numpy.typing import NDArray
from PIL import Image

import app
from cyclegan.config import GeneratorConfig, Pix2PixConfig
from cyclegan.convert import import_reference
from cyclegan.facades import CMP_BASE_PALETTE, EXAMPLE_SEEDS, PALETTE, class_indices, colorize, draw_facade
from cyclegan.images import ImageError
from cyclegan.metrics import ssim
from cyclegan.networks.build import build_generator
from cyclegan.pages import inputs, texts
from cyclegan.pages.api.pictures import find, translate_with
from cyclegan.pages.curves import Curve, curves_of
from cyclegan.pages.errors import Refusal, explained
from cyclegan.pages.frames import coarse_to_fine, computed_frames, sample_frames, sample_picture
from cyclegan.pages.inputs import TRANSLATE_PIXELS, picture_input, prepare, read_picture
from cyclegan.pages.languages import Text
from cyclegan.pages.layout import Layout
from cyclegan.pages.models import Model, Models, Route, find_runs
from cyclegan.pages.translate.scores import fit_truth, score
from cyclegan.pages.watch import texts as watch_texts
from cyclegan.pages.watch.page import FRAME_PIXELS
from tests.conftest import TINY_GAN, TINY_PIX2PIX, make_photo, make_run

ROOT = Path(__file__).parent.parent
TO_PHOTO, TO_LABELS = Route("labels", "photo"), Route("photo", "labels")


pytestmark = pytest.mark.usefixtures("own_cache", "closed_event_loops")


@pytest.fixture
def model_calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What the networks are asked for: title and epoch of each call."""
    calls = []
    translate = Model.translate

    def record(model: Model, image: Image.Image, route: Route, epoch: int) -> Image.Image:
        calls.append((model.title, epoch))
        return translate(model, image, route, epoch)

    monkeypatch.setattr(Model, "translate", record)
    return calls


def upload(path: Path) -> Image.Image:
    image = picture_input("en").preprocess(ImageData(path=str(path), orig_name=path.name))
    assert image is not None
    return image


def differs(a: Image.Image, b: Image.Image) -> bool:
    return a.size != b.size or a.tobytes() != b.tobytes()


class TestTranslate:
    def test_labels_become_a_photo_by_both_methods(self, layout: Layout) -> None:
        translation = layout.translations.translate(draw_facade(3), TO_PHOTO)
        cyclegan, pix2pix = translation.results
        assert cyclegan is not None and pix2pix is not None
        assert differs(cyclegan.image, pix2pix.image)
        assert translation.truth is None

    def test_only_cyclegan_goes_back_to_labels_and_pix2pix_says_so(self, layout: Layout) -> None:
        translation = layout.translations.translate(make_photo(3), TO_LABELS)
        assert translation.results[0] is not None
        assert translation.results[1] is None
        updates = layout.translate_page.updates(translation)
        assert updates[4]["visible"] is False
        assert updates[-1] == "This pix2pix was trained for Labels -> Photo only."

    @pytest.mark.parametrize("size", [(300, 200), (64, 301)])
    def test_results_have_the_pictures_own_size(self, layout: Layout, size: tuple[int, int]) -> None:
        image = draw_facade(3).resize(size, Image.Resampling.NEAREST)
        for result in layout.translations.translate(image, TO_PHOTO).results:
            assert result is not None and result.image.size == size

    def test_label_maps_are_snapped_to_the_palette(self) -> None:
        content = io.BytesIO()
        draw_facade(3).save(content, "JPEG", quality=85)
        jittered = Image.open(content)
        assert len(jittered.getcolors(1 << 16) or []) > len(PALETTE)
        colours = prepare(jittered, TO_PHOTO).image.getcolors(1 << 16) or []
        assert {colour for _, colour in colours} <= {tuple(map(int, colour)) for colour in PALETTE}

    def test_cleaned_colours_are_mentioned(self) -> None:
        assert prepare(draw_facade(3), TO_PHOTO).notes == ()
        smooth = draw_facade(3).resize((400, 400), Image.Resampling.BILINEAR)
        assert prepare(smooth, TO_PHOTO).notes == (texts.SNAPPED,)

    def test_label_maps_in_the_databases_own_colours_are_taken_for_what_they_are(self) -> None:
        for seed in EXAMPLE_SEEDS:
            drawn = draw_facade(seed)
            prepared = prepare(colorize(class_indices(drawn), CMP_BASE_PALETTE), TO_PHOTO)
            assert not prepared.wrong_way and not differs(prepared.image, drawn)

    def test_photos_keep_their_pixels(self) -> None:
        assert not differs(prepare(make_photo(3), TO_LABELS).image, make_photo(3))

    def test_a_large_picture_is_shrunk_and_the_note_says_from_what_to_what(self) -> None:
        prepared = prepare(make_photo(3).resize((2000, 1000)), TO_LABELS)
        width, height = prepared.image.size
        assert width * height <= TRANSLATE_PIXELS < 1.01 * width * height
        (note,) = prepared.notes
        assert note.en == f"Your picture was shrunk from 2000 x 1000 to {width} x {height} pixels."

    def test_a_long_narrow_picture_is_no_larger_for_a_network_that_computes_256_pixels_a_side(self) -> None:
        width, height = prepare(Image.new("RGB", (30000, 40)), TO_LABELS).image.size
        assert width * 256 <= TRANSLATE_PIXELS < 1.01 * width * 256 and height == 7

    def test_shrinking_mixes_no_new_colours_into_a_label_map(self) -> None:
        large = draw_facade(3, size=1500)
        assert len(prepare(large, TO_PHOTO).image.getcolors() or []) == len(large.getcolors() or [])

    @pytest.mark.parametrize(
        ("image", "direction", "hint", "remedy"),
        [
            (make_photo(3), TO_PHOTO, texts.LOOKS_LIKE_PHOTO, "Switch to Photo -> Labels"),
            (draw_facade(3), TO_LABELS, texts.LOOKS_LIKE_LABELS, "Switch to Labels -> Photo"),
        ],
    )
    def test_a_picture_of_the_other_domain_gets_a_hint_and_a_way_out(
        self, layout: Layout, image: Image.Image, direction: Route, hint: Text, remedy: str
    ) -> None:
        note, switch, *_ = layout.show(image, direction.name)
        assert note == gr.update(value=hint.en, visible=True)
        assert switch == gr.update(value=remedy, visible=True)
        assert layout.inputs.turn_back(direction.name)[0] == remedy.removeprefix("Switch to ").lower()

    def test_labels_of_other_data_get_no_hint_and_keep_their_colours(self, weights: Path, tmp_path: Path) -> None:
        """Their palette is not that of the facades, so that nothing is known of how they look."""
        shutil.copytree(weights / "facades-pix2pix", tmp_path / "streets")
        content = json.loads((tmp_path / "streets" / "run.json").read_text())
        content["samples"], content["config"]["dataset"] = {"ba": "dataset"}, "cityscapes"
        (tmp_path / "streets" / "run.json").write_text(json.dumps(content))
        (route,) = Models.load([tmp_path / "streets"], precision="fp32").routes
        assert route == TO_PHOTO
        for image in (make_photo(3), draw_facade(3).resize((400, 400), Image.Resampling.BILINEAR)):
            prepared = prepare(image, route)
            assert not prepared.wrong_way and prepared.notes == () and not differs(prepared.image, image)

    def test_a_fitting_picture_gets_no_hint(self, layout: Layout) -> None:
        note, switch, *_ = layout.show(draw_facade(3), TO_PHOTO.name)
        assert note["visible"] is False and switch["visible"] is False

    def test_a_missing_picture_is_asked_for_and_is_no_error(self, layout: Layout) -> None:
        """An error would put a badge on each of the results."""
        with pytest.warns(UserWarning, match="Choose a picture first"):
            updates = layout.press(None, TO_PHOTO.name)
        assert updates == layout.show(None, TO_PHOTO.name)
        assert updates[4] is None and updates[8] is None

    def test_the_page_is_given_a_value_for_every_output(self, layout: Layout) -> None:
        outputs = 2 + len(layout.translate_page.outputs)
        assert len(layout.show(make_photo(3), TO_LABELS.name)) == outputs
        assert len(layout.open()) == outputs
        assert len(layout.clear(TO_PHOTO.name)) == outputs + 4
        assert len(layout.reject(TO_PHOTO.name)) == outputs + 5

    def test_an_earlier_epoch_or_the_nearest_before_it_can_be_chosen(
        self, layout: Layout, model_calls: list[tuple[str, int]]
    ) -> None:
        assert [value for _, value in layout.translate_page.epoch.choices] == [0, 1, 2, 3, 5]
        for chosen, epochs in {0: (5, 5), 1: (1, 1), 2: (1, 2), 3: (3, 2), 5: (5, 5)}.items():
            results = layout.translations.translate(draw_facade(3), TO_PHOTO, chosen).results
            assert tuple(result.epoch for result in results if result) == epochs
            assert tuple(epoch for _, epoch in model_calls[-2:]) == epochs

    def test_results_are_kept_as_png_under_telling_names(self, layout: Layout) -> None:
        image = draw_facade(3)
        updates = layout.translate_page.updates(layout.translations.translate(image, TO_PHOTO))
        before, after = (unquote(updates[2][name]).partition("=")[2] for name in ("before", "after"))
        assert updates[3]["value"] == Path(after)
        assert Path(after).name == "photo-cyclegan-epoch-5.png"
        with Image.open(before) as kept, Image.open(after) as result:
            assert not differs(kept, image)
            assert result.format == "PNG" and result.size == image.size


def pair(left: Image.Image, right: Image.Image) -> Image.Image:
    both = Image.new("RGB", (512, 256))
    both.paste(left, (0, 0))
    both.paste(right, (256, 0))
    return both


class TestTruth:
    def test_results_are_scored_against_the_truth_of_an_example(self, layout: Layout) -> None:
        example = layout.examples.on(TO_LABELS)[0]
        (result, none) = layout.translations.translate(example.image, TO_LABELS).results
        assert result is not None and result.scores is not None and none is None and example.truth is not None
        made, true = np.asarray(result.image), np.asarray(example.truth)
        assert result.scores.l1 == pytest.approx(np.abs(made / 255 - true / 255).mean())
        assert result.scores.ssim == pytest.approx(ssim(made, true))
        right = (class_indices(result.image) == class_indices(example.truth)).mean()
        assert result.scores.agreement == pytest.approx(right)
        line = layout.show(example.image, TO_LABELS.name)[3].splitlines()[-1]
        assert (
            line == f"**L1 {result.scores.l1:.3f} · SSIM {result.scores.ssim:.3f} · labels right {100 * right:.0f} %**"
        )

    def test_a_visitors_truth_scores_both_and_photos_have_no_labels_to_agree(self, layout: Layout) -> None:
        translation = layout.translations.translate(draw_facade(3), TO_PHOTO, truth=make_photo(3))
        assert translation.truth is not None and not differs(translation.truth, make_photo(3))
        for result in translation.results:
            assert result is not None and result.scores is not None and result.scores.agreement is None
        same = score(make_photo(3), make_photo(3), TO_PHOTO)
        assert same.l1 == 0 and same.ssim == pytest.approx(1)

    def test_a_truth_of_another_size_is_scaled_without_new_colours_in_label_maps(self) -> None:
        truth, reason = fit_truth(draw_facade(3, size=300), (256, 256), TO_LABELS)
        assert truth is not None and truth.size == (256, 256) and reason is None
        assert len(truth.getcolors() or []) <= len(PALETTE)
        assert score(truth, truth, TO_LABELS).agreement == 1

    @pytest.mark.parametrize(
        ("truth", "route", "said"),
        [
            (make_photo(3), TO_LABELS, "does not look like this: Labels"),
            (draw_facade(3), TO_PHOTO, "does not look like this: Photo"),
            (make_photo(3).resize((300, 256)), TO_PHOTO, "300 x 256 pixels has another shape"),
        ],
    )
    def test_what_cannot_be_the_truth_is_said_and_not_compared(
        self, layout: Layout, truth: Image.Image, route: Route, said: str
    ) -> None:
        image = draw_facade(3) if route == TO_PHOTO else make_photo(3)
        translation = layout.translations.translate(image, route, truth=truth)
        assert translation.truth is None and said in translation.notes[-1].en
        assert [result.scores for result in translation.results if result] == [None] * (2 - (route == TO_LABELS))

    @pytest.mark.parametrize("route", [TO_PHOTO, TO_LABELS])
    @pytest.mark.parametrize("photo_first", [True, False])
    def test_a_pair_is_taken_apart_whichever_way_round_it_is(
        self, layout: Layout, route: Route, photo_first: bool
    ) -> None:
        photo, labels = make_photo(3), draw_facade(3)
        both = pair(photo, labels) if photo_first else pair(labels, photo)
        picture, truth, note = layout.inputs.accept(both, route.name)
        assert picture is not None and truth is not None
        source, target = (labels, photo) if route == TO_PHOTO else (photo, labels)
        assert not differs(picture, source) and not differs(truth, target)
        assert note == gr.update(value=texts.PAIR.en, visible=True)

    def test_two_photos_or_two_label_maps_are_no_pair(self, layout: Layout) -> None:
        for both in (pair(make_photo(3), make_photo(4)), pair(draw_facade(3), draw_facade(4))):
            picture, truth, _ = layout.inputs.accept(both, TO_PHOTO.name)
            assert picture is not None and picture.size == (512, 256) and truth is None

    def test_turning_exchanges_a_picture_and_its_truth(self, layout: Layout) -> None:
        picture, truth, _ = layout.inputs.turn(draw_facade(3), TO_LABELS.name, make_photo(3))
        assert not differs(picture, make_photo(3)) and not differs(truth, draw_facade(3))

    def test_tiny_pictures_have_no_structure_to_compare(self) -> None:
        tiny = make_photo(3).resize((10, 40))
        assert score(tiny, tiny, TO_PHOTO).ssim is None


class TestExamples:
    def test_there_are_eight_for_both_directions(self, layout: Layout) -> None:
        for route in (TO_PHOTO, TO_LABELS):
            assert len(layout.examples.on(route)) == len(EXAMPLE_SEEDS) == 8
            assert len({example.alt for example in layout.examples.on(route)}) == 8

    def test_a_photos_truth_is_the_drawn_label_map(self, layout: Layout) -> None:
        example = layout.examples.on(TO_LABELS)[2]
        translation = layout.translations.translate(example.image, TO_LABELS)
        assert translation.truth is not None
        assert layout.examples.find(example.image, TO_LABELS) is not None

    def test_any_other_picture_has_no_truth(self, layout: Layout) -> None:
        assert layout.translations.translate(make_photo(3), TO_LABELS).truth is None

    def test_the_page_comes_with_pictures_from_disk(self, layout: Layout, model_calls: list[tuple[str, int]]) -> None:
        first = layout.translations.first(TO_PHOTO)
        assert first is not None and model_calls == []
        for model, result in zip(layout.models.models, first.results, strict=True):
            assert result is not None
            assert not differs(result.image, sample_picture(model, TO_PHOTO, 5, 0))

    def test_it_opens_with_what_the_networks_make_of_the_first_example(
        self, weights: Path, model_calls: list[tuple[str, int]]
    ) -> None:
        layout = Layout(Models.load(find_runs(weights), precision="fp32"))
        opened = layout.open()
        assert model_calls == [("CycleGAN", 5), ("pix2pix", 5)]
        assert len(layout.open()) == len(opened) and len(model_calls) == 2
        shown = layout.show(draw_facade(EXAMPLE_SEEDS[0]), TO_PHOTO.name)
        for file in (5, 9):
            assert Path(opened[file]["value"]).read_bytes() == Path(shown[file]["value"]).read_bytes()

    def test_a_click_gives_the_example(self, layout: Layout) -> None:
        chosen, *_ = layout.inputs.choose(TO_PHOTO.name, gr.EventData(None, {"index": 4}))
        assert not differs(chosen, draw_facade(EXAMPLE_SEEDS[4]))

    def test_turning_keeps_the_building(self, layout: Layout) -> None:
        picture, _, thumbnails = layout.inputs.turn(draw_facade(EXAMPLE_SEEDS[4]), TO_LABELS.name)
        assert not differs(picture, layout.examples.on(TO_LABELS)[4].image)
        assert len(thumbnails) == 8

    def test_turning_keeps_a_visitors_own_picture(self, layout: Layout) -> None:
        picture, *_ = layout.inputs.turn(make_photo(3), TO_LABELS.name)
        assert picture == gr.skip()


class TestWatch:
    def test_an_examples_frames_are_the_samples_of_every_epoch(
        self, layout: Layout, model_calls: list[tuple[str, int]]
    ) -> None:
        image = draw_facade(EXAMPLE_SEEDS[1])
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

    def test_frames_of_different_epochs_differ(self, layout: Layout) -> None:
        frames = list(computed_frames(layout.models, TO_PHOTO, draw_facade(3)))
        assert len({frame.src for frame in frames}) == len(frames)

    def test_label_maps_travel_as_png_and_photos_as_jpeg(self, layout: Layout) -> None:
        to_labels = next(layout.watch_page.frames(make_photo(3), TO_LABELS))
        to_photo = next(layout.watch_page.frames(draw_facade(3), TO_PHOTO))
        assert to_labels.src.startswith("data:image/png;base64,")
        assert to_photo.src.startswith("data:image/jpeg;base64,")

    def test_stopping_the_fill_stops_the_networks(self, layout: Layout, model_calls: list[tuple[str, int]]) -> None:
        fill = layout.watch_page.fill(draw_facade(3), TO_PHOTO.name)
        next(fill)
        fill.close()  # type: ignore[attr-defined]
        assert len(model_calls) == 1

    def test_every_way_to_a_new_picture_cancels_the_fill(self, layout: Layout) -> None:
        dependencies = layout.blocks.config["dependencies"]
        (fill,) = (item["id"] for item in dependencies if ("stack", "wanted") in triggers(layout, item))
        cancelling = {
            trigger for item in dependencies if item["cancels"] == [fill] for trigger in triggers(layout, item)
        }
        assert cancelling == {
            ("picture", "upload"), ("picture", "clear"), ("examples", "select"), ("direction", "input"),
            ("switch", "click"), ("use-drawing", "click"),
        }  # fmt: skip

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
        assert layout.watch_page.plan(draw_facade(EXAMPLE_SEEDS[1]), TO_PHOTO).note == ""

    @pytest.mark.parametrize("damage", [b"", b"no picture", "cut", "another size"])
    def test_a_damaged_sample_counts_as_absent(self, damage: bytes | str, weights: Path, tmp_path: Path) -> None:
        shutil.copytree(weights / "facades-pix2pix", tmp_path / "run")
        path = tmp_path / "run" / "samples" / "0005.webp"
        if damage == "another size":
            Image.new("RGB", (64, 64)).save(path)
        else:
            path.write_bytes(damage if isinstance(damage, bytes) else path.read_bytes()[:-40])
        layout = Layout(Models.load([tmp_path / "run"], precision="fp32"))
        image = draw_facade(EXAMPLE_SEEDS[0])
        assert layout.watch_page.plan(image, TO_PHOTO).figures[0].epochs == (1, 2, 3, 4)
        assert sorted(frame.epoch for frame in layout.watch_page.frames(image, TO_PHOTO)) == [1, 2, 3, 4]
        assert layout.open()[3].startswith("## pix2pix\nAfter epoch 5")

    def test_a_large_picture_is_watched_smaller_and_the_note_says_so(self, layout: Layout) -> None:
        plan = layout.watch_page.plan(make_photo(3).resize((900, 600)), TO_LABELS)
        size = re.search(r"Shown at (\d+) x (\d+) pixels", plan.note)
        assert size is not None
        width, height = map(int, size.groups())
        assert width * height <= FRAME_PIXELS
        assert plan.figures[1].epochs == () and "Labels -> Photo only" in plan.note

    def test_the_samples_come_from_a_rough_overview_to_every_epoch(self) -> None:
        order = coarse_to_fine(range(1, 201))
        assert order[:4] == [1, 17, 33, 49]
        assert sorted(order) == list(range(1, 201))

    def test_curves_are_readable_and_of_both_directions_the_mean(self, layout: Layout, tmp_path: Path) -> None:
        run = layout.models.models[0].translator.run
        shutil.copytree(run.folder, tmp_path / "run")
        losses = {"gan_a": 1.0, "gan_b": 3.0, "l1": 0.5, "new_term": 2.0}
        (tmp_path / "run" / "history.jsonl").write_text(json.dumps({"epoch": 1, "losses": losses}))
        assert curves_of(type(run).open(tmp_path / "run")) == [
            Curve("Fooling the discriminator", ((1, 2.0),)),
            Curve("Distance to the truth", ((1, 0.5),)),
            Curve("New term", ((1, 2.0),)),
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


def triggers(layout: Layout, dependency: dict[str, Any]) -> list[tuple[str | None, str]]:
    """The (elem_id, event) pairs that set off an event of the app's configuration."""
    blocks = layout.blocks.blocks
    return [(getattr(blocks.get(target), "elem_id", None), event) for target, event in dependency["targets"]]


class TestUploads:
    def test_a_large_one_is_shrunk_once_and_the_visitor_told(self, layout: Layout) -> None:
        small, _, note = layout.inputs.accept(make_photo(3).resize((2000, 1000)), TO_LABELS.name)
        assert small is not None and small.width * small.height <= TRANSLATE_PIXELS
        assert note == gr.update(
            value=f"Your picture was shrunk from 2000 x 1000 to {small.width} x {small.height} pixels.", visible=True
        )
        assert prepare(small, TO_LABELS).notes == ()

    def test_others_come_back_as_they_are(self, layout: Layout) -> None:
        for image in (make_photo(3), draw_facade(3)):
            same, truth, note = layout.inputs.accept(image, TO_PHOTO.name)
            assert truth is None
            assert same is not None and not differs(same, image) and note["visible"] is False

    def test_a_label_map_of_40_megapixels_is_shrunk_before_its_colours_are_cleaned(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The other way round took three seconds."""
        cleaned: list[Image.Image] = []

        def clean(image: Image.Image, palette: NDArray[np.uint8]) -> NDArray[np.uint8]:
            cleaned.append(image)
            return class_indices(image, palette)

        monkeypatch.setattr(inputs, "class_indices", clean)
        large = draw_facade(3).resize((6300, 6300), Image.Resampling.NEAREST)
        assert not prepare(large, TO_PHOTO).wrong_way
        assert [image.width * image.height <= TRANSLATE_PIXELS for image in cleaned] == [True]


class TestBadPictures:
    def test_16_bits_are_scaled_not_clipped_to_white(self, tmp_path: Path) -> None:
        path = tmp_path / "deep.png"
        Image.fromarray(np.array([[0, 0x8080, 0xFFFF]], np.uint16)).save(path)
        assert np.asarray(upload(path))[0, :, 0].tolist() == [0, 128, 255]

    def test_alpha_is_laid_over_white(self, tmp_path: Path) -> None:
        path = tmp_path / "alpha.png"
        Image.new("RGBA", (4, 4), (200, 0, 0, 0)).save(path)
        assert upload(path).getpixel((0, 0)) == (255, 255, 255)

    def test_an_animation_gives_its_first_frame(self, tmp_path: Path) -> None:
        path = tmp_path / "moving.gif"
        red, blue = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
        red.save(path, save_all=True, append_images=[blue])
        picture = upload(path)
        assert picture.mode == "RGB" and picture.getpixel((0, 0)) == (255, 0, 0)

    def test_cmyk_becomes_rgb(self, tmp_path: Path) -> None:
        path = tmp_path / "print.jpg"
        Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(path)
        red, green, blue = upload(path).getpixel((0, 0))  # type: ignore[misc]
        assert red > 200 and green < 60 and blue < 60

    def test_a_phones_rotation_is_applied(self, tmp_path: Path) -> None:
        path = tmp_path / "phone.jpg"
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.new("RGB", (40, 20)).save(path, exif=exif)
        assert upload(path).size == (20, 40)

    def test_a_data_uri_is_read_and_a_broken_one_refused(self) -> None:
        with pytest.raises(ImageError, match="no valid data URI"):
            read_picture(ImageData(url="data:image/png;base64,?"))

    def test_no_upload_is_no_picture(self) -> None:
        assert read_picture(None) is None

    def test_the_apps_inputs_read_safely_and_go_on_so_when_gradio_remakes_them(self, layout: Layout) -> None:
        read = {index for item in layout.blocks.config["dependencies"] for index in item["inputs"]}
        inputs = [block for index in read if isinstance(block := layout.blocks.blocks[index], gr.Image)]
        assert len(inputs) >= 4
        for block in inputs:
            remade = type(block)(**{**block.constructor_args, "render": False})
            for each in (block, remade):
                with pytest.raises(gr.Error, match="not an image this program can read"):
                    each.preprocess(ImageData(url="data:image/png;base64,?"))


class TestErrors:
    def test_unexpected_errors_are_logged_and_not_shown(self, caplog: pytest.LogCaptureFixture) -> None:
        with pytest.raises(gr.Error) as caught, caplog.at_level(logging.ERROR), explained("en"):
            raise RuntimeError("/secret/path is gone")
        assert caught.value.message == texts.UNEXPECTED.en
        assert "/secret/path is gone" in caplog.text

    def test_damaged_weights_do_not_show_their_path(
        self, weights: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        shutil.copytree(weights / "facades-pix2pix", tmp_path / "run")
        for path in (tmp_path / "run").rglob("model.safetensors"):
            path.write_bytes(b"damaged")
        broken = Layout(Models.load([tmp_path / "run"], precision="fp32"))
        told = broken.show(draw_facade(3), TO_PHOTO.name)[-1]
        assert told == texts.DAMAGED_NETWORKS.format(title="pix2pix", epoch=5).en
        assert str(tmp_path) in caplog.text

    def test_an_unknown_direction_lists_the_choices(self, layout: Layout) -> None:
        with pytest.raises(gr.Error, match="labels -> photo, photo -> labels"):
            layout.show(draw_facade(3), "A to B")


class TestApi:
    def test_only_what_is_documented_is_public(self, layout: Layout) -> None:
        public = [item for item in layout.blocks.config["dependencies"] if item["api_visibility"] == "public"]
        assert {item["api_name"] for item in public} == {"translate", "history", "batch", "round_trip", "draw"}

    def test_it_translates_with_the_method_and_epoch_asked_for(self, layout: Layout) -> None:
        image = draw_facade(3).resize((90, 70), Image.Resampling.NEAREST)
        newest = translate_with(layout.models, image, to="photo", method="pix2pix")
        assert newest.size == (90, 70)
        assert not differs(newest, translate_with(layout.models, image, to="photo", method="pix2pix", epoch=5))
        assert differs(newest, translate_with(layout.models, image, to="photo", method="pix2pix", epoch=2))

    @pytest.mark.parametrize(
        ("to", "method", "epoch", "message"),
        [
            ("photo", "dalle", None, "one of: CycleGAN, pix2pix"),
            ("labels", "pix2pix", None, "Labels -> Photo only"),
            ("photo", "pix2pix", 4, "one of: 1, 2, 5"),
        ],
    )
    def test_wrong_choices_list_the_right_ones(
        self, layout: Layout, to: str, method: str, epoch: int | None, message: str
    ) -> None:
        with pytest.raises(Refusal, match=message):
            translate_with(layout.models, draw_facade(3), to=to, method=method, epoch=epoch)


class TestRuns:
    def test_one_run_is_enough(self, weights: Path) -> None:
        layout = Layout(Models.load([weights / "facades-cyclegan"], precision="fp32"))
        assert [route.name for route in layout.models.routes] == ["labels -> photo", "photo -> labels"]
        assert len(layout.show(draw_facade(3), TO_PHOTO.name)) == 2 + len(layout.translate_page.outputs)

    def test_two_runs_of_a_method_are_told_apart(self, weights: Path, tmp_path: Path) -> None:
        shutil.copytree(weights / "facades-pix2pix", tmp_path / "other")
        models = Models.load([weights / "facades-pix2pix", tmp_path / "other"], precision="fp32")
        assert [model.title for model in models.models] == ["pix2pix (facades-pix2pix)", "pix2pix (other)"]

    def test_runs_of_one_method_that_lead_to_different_domains_are_told_apart_by_their_way(
        self, weights: Path, tmp_path: Path
    ) -> None:
        config = Pix2PixConfig(dataset="facades", generator=TINY_PIX2PIX, direction="ab")
        make_run(tmp_path / "facades-pix2pix-labels", config, epochs=(1,), sample_epochs=0)
        models = Models.load([weights / "facades-pix2pix", tmp_path / "facades-pix2pix-labels"])
        assert [model.title for model in models.models] == ["pix2pix", "pix2pix (photo -> labels)"]
        assert [find(models, "pix2pix", to)[0].title for to in ("photo", "labels")] == [
            model.title for model in models.models
        ]
        assert models.missing(TO_LABELS) == models.missing(TO_PHOTO) == []
        assert models.routes == (TO_PHOTO, TO_LABELS), "the page opens with examples that are translated"

    def test_runs_without_drawn_samples_open_without_an_example(self, weights: Path, tmp_path: Path) -> None:
        shutil.copytree(weights / "facades-pix2pix", tmp_path / "horses")
        text = (tmp_path / "horses" / "run.json").read_text().replace('"drawn"', '"dataset"')
        (tmp_path / "horses" / "run.json").write_text(text)
        layout = Layout(Models.load([tmp_path / "horses"], precision="fp32"))
        assert layout.translations.first(TO_PHOTO) is None
        assert layout.examples.on(TO_PHOTO) == ()
        assert layout.open() == gr.skip()

    def test_they_show_what_they_have_and_speak_of_nothing_else(self, weights: Path, tmp_path: Path) -> None:
        shutil.copytree(weights / "facades-cyclegan", tmp_path / "horses")
        text = (tmp_path / "horses" / "run.json").read_text().replace('"drawn"', '"dataset"')
        (tmp_path / "horses" / "run.json").write_text(text)
        layout = Layout(Models.load([tmp_path / "horses"], precision="fp32"))
        intro = next(block for block in layout.blocks.blocks.values() if block.elem_id == "intro")
        assert isinstance(intro, gr.Markdown)
        assert "CycleGAN" in str(intro.value) and not re.search("example|pix2pix learned", str(intro.value))
        plan = layout.watch_page.plan(None, TO_PHOTO)
        assert plan.note == watch_texts.SAMPLES.en and plan.figures[0].epochs == (1, 2, 3, 4, 5)
        frames = list(layout.watch_page.frames(None, TO_PHOTO))
        assert sorted(frame.epoch for frame in frames) == [1, 2, 3, 4, 5]
        picture = read_picture(ImageData(url=frames[0].src))
        assert picture is not None and picture.size == (1024, 512)

    def test_names_of_domains_keep_their_letters_and_stay_in_the_folder(self, weights: Path, tmp_path: Path) -> None:
        shutil.copytree(weights / "facades-cyclegan", tmp_path / "run")
        content = json.loads((tmp_path / "run" / "run.json").read_text())
        content["domains"] = {"a": "photo", "b": "Vincent van Gogh: night?"}
        (tmp_path / "run" / "run.json").write_text(json.dumps(content))
        layout = Layout(Models.load([tmp_path / "run"], precision="fp32"))
        route = layout.models.routes[1]
        assert route.label.en == "Photo -> Vincent van Gogh: night?"
        updates = layout.show(make_photo(3), route.name)
        assert Path(updates[5]["value"]).name == "Vincent-van-Gogh-night-cyclegan-epoch-5.png"

    def test_a_converted_run_opens_with_the_one_direction_it_has(self, tmp_path: Path) -> None:
        path = tmp_path / "latest_net_G_A.pth"
        torch.save(build_generator(GeneratorConfig("resnet_6blocks", width=2)).state_dict(), path)
        run = import_reference([path], tmp_path / "run", domains=("horse", "zebra"))
        layout = Layout(Models.load([run.folder], precision="fp32"))
        assert layout.models.routes == (Route("horse", "zebra"),)
        assert layout.translations.translate(make_photo(1), layout.models.routes[0]).results[0] is not None
        frames = layout.watch_page.frames(make_photo(1), layout.models.routes[0])
        assert [frame.epoch for frame in frames] == [200]


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


class TestNoise:
    """A run that makes pictures from noise is watched like any other, and never asked to translate."""

    @pytest.mark.parametrize(
        ("image", "epochs"),
        [
            (draw_facade(EXAMPLE_SEEDS[1]), [(1, 2, 3, 4, 5, 6), (1, 2, 3, 4, 5), (1, 2, 3, 4, 5)]),
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

    def test_its_losses_have_curves(self, three: Layout) -> None:
        assert [curve["name"] for curve in three.watch_page.stack.value["plots"][0][0]["curves"]] == [
            "Fooling the discriminator",
            "Discriminator",
        ]

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


class TestCommand:
    def failure(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
        """The line on stderr of a start that must fail with exit code 2."""
        assert app.main(["--precision", "fp32", *arguments]) == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1
        return lines[0]

    def test_a_folder_that_is_no_run(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert "is not a run" in self.failure(capsys, "--run", str(tmp_path))

    def test_a_damaged_run(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "run.json").write_text("{")
        assert "is damaged" in self.failure(capsys, "--run", str(tmp_path))

    @pytest.mark.parametrize(
        "line",
        [
            *("{", "[]", "7", '{"epoch": "x"}', '{"epoch": 1e999}', '{"epoch": 1, "losses": 3}'),
            *('{"epoch": 1, "losses": {"gan": "low"}}', '{"epoch": 1, "losses": {"gan": {}}}'),
        ],
    )
    def test_a_damaged_history(
        self, line: str, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        shutil.copytree(weights / "facades-pix2pix", tmp_path / "run")
        history = tmp_path / "run" / "history.jsonl"
        history.write_text(line + "\n" + history.read_text())
        assert "history.jsonl is damaged at line 1" in self.failure(capsys, "--run", str(tmp_path / "run"))

    def test_no_runs_at_all(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(app, "WEIGHTS", tmp_path)
        assert "holds no runs; train one" in self.failure(capsys)

    def test_an_unknown_device(self, weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
        line = self.failure(capsys, "--run", str(weights / "facades-pix2pix"), "--device", "abacus")
        assert "device 'abacus' is not available" in line

    def test_a_port_in_use(self) -> None:
        """With the shipped runs: whatever loads them must not be inside PyTorch when the program ends."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            command = [sys.executable, "app.py", "--port", port]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 2
        assert done.stderr.splitlines() == [
            f"app.py: cannot listen at 127.0.0.1, port {port}: address already in use; "
            "choose another one with --port or --host"
        ]

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--port", "70000"), "port is 70000; it must be 1 to 65535"),
            (("--sessions", "0"), "sessions is 0; it must be 1 or more"),
            (("--host", "192.0.2.1"), "cannot listen at 192.0.2.1, port 7860"),
        ],
    )
    def test_a_value_that_cannot_be(
        self, arguments: tuple[str, str], message: str, weights: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert message in self.failure(capsys, "--run", str(weights / "facades-pix2pix"), *arguments)

    def test_the_runs_in_weights_are_found_by_name_and_hidden_ones_are_not(
        self, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shutil.copytree(weights, tmp_path, dirs_exist_ok=True)
        shutil.copytree(weights / "facades-pix2pix", tmp_path / ".tmp-half-made")
        monkeypatch.setattr(app, "WEIGHTS", tmp_path)
        assert [path.name for path in find_runs(app.WEIGHTS)] == ["facades-cyclegan", "facades-pix2pix"]


def test_gradio_writes_no_stub_files_into_the_package() -> None:
    assert not list((ROOT / "cyclegan").rglob("*.pyi"))
