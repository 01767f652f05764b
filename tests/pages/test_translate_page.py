"""The Translate page without a browser: its handlers are plain functions."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from gradio.data_classes import ImageData
from numpy.typing import NDArray
from PIL import Image

from cyclegan.evaluation.metrics import ssim
from cyclegan.facades.labels import (
    CMP_BASE_PALETTE,
    PALETTE,
    class_indices,
    colorize,
    draw_facade,
    example_facades,
)
from cyclegan.images.io import ImageError
from cyclegan.pages import inputs, texts
from cyclegan.pages.frames import sample_picture
from cyclegan.pages.inputs import TRANSLATE_PIXELS, prepare
from cyclegan.pages.languages import Text
from cyclegan.pages.layout import Layout
from cyclegan.pages.models import Models, Route, find_runs
from cyclegan.pages.translate.scores import fit_truth, score
from tests.conftest import differs, make_photo

ROOT = Path(__file__).parents[2]
TO_PHOTO, TO_LABELS = Route("labels", "photo"), Route("photo", "labels")


pytestmark = pytest.mark.usefixtures("own_cache", "closed_event_loops")


def pair(left: Image.Image, right: Image.Image) -> Image.Image:
    both = Image.new("RGB", (512, 256))
    both.paste(left, (0, 0))
    both.paste(right, (256, 0))
    return both


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
        updates = layout.translate_page.updates(translation, TO_LABELS)
        assert updates[4]["visible"] is False
        assert updates[-1] == "This pix2pix was trained for Labels → Photo only."

    @pytest.mark.parametrize("size", [(300, 200), (64, 301)])
    def test_results_have_the_pictures_own_size(self, layout: Layout, size: tuple[int, int]) -> None:
        image = draw_facade(3).resize(size, Image.Resampling.NEAREST)
        for result in layout.translations.translate(image, TO_PHOTO).results:
            assert result is not None and result.image.size == size

    def test_label_maps_in_the_databases_own_colours_are_taken_for_what_they_are(self) -> None:
        for seed in range(8):
            drawn = draw_facade(seed)
            prepared = prepare(colorize(class_indices(drawn), CMP_BASE_PALETTE), TO_PHOTO)
            assert not prepared.wrong_way and not differs(prepared.image, drawn)

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
            (make_photo(3), TO_PHOTO, texts.LOOKS_LIKE_PHOTO, "Switch to Photo → Labels"),
            (draw_facade(3), TO_LABELS, texts.LOOKS_LIKE_LABELS, "Switch to Labels → Photo"),
        ],
    )
    def test_a_picture_of_the_other_domain_gets_a_hint_and_a_way_out(
        self, layout: Layout, image: Image.Image, direction: Route, hint: Text, remedy: str
    ) -> None:
        note, switch, *_ = layout.show(image, direction.name)
        assert note == gr.update(value=hint.en, visible=True)
        assert switch == gr.update(value=remedy, visible=True)
        assert layout.inputs.turn_back(direction.name)[0] == remedy.removeprefix("Switch to ").lower().replace(
            "→", "->"
        )

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

    def test_a_missing_picture_is_asked_for_and_is_no_error(self, layout: Layout) -> None:
        """An error would put a badge on each of the results."""
        with pytest.warns(UserWarning, match="Choose a picture first"):
            updates = layout.press(None, TO_PHOTO.name)
        assert updates == layout.show(None, TO_PHOTO.name)
        assert updates[4] is None and updates[8] is None

    def test_an_earlier_epoch_or_the_nearest_before_it_can_be_chosen(
        self, layout: Layout, model_calls: list[tuple[str, int]]
    ) -> None:
        assert [value for _, value in layout.translate_page.epoch.choices] == [0, 1, 2, 3, 5]
        for chosen, epochs in {0: (5, 5), 1: (1, 1), 2: (1, 2), 3: (3, 2), 5: (5, 5)}.items():
            results = layout.translations.translate(draw_facade(3), TO_PHOTO, chosen).results
            assert tuple(result.epoch for result in results if result) == epochs
            assert tuple(epoch for _, epoch in model_calls[-2:]) == epochs


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


class TestExamples:
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
        shown = layout.show(example_facades()[0], TO_PHOTO.name)
        for file in (5, 9):
            assert Path(opened[file]["value"]).read_bytes() == Path(shown[file]["value"]).read_bytes()

    def test_a_click_gives_the_example(self, layout: Layout) -> None:
        chosen, *_ = layout.inputs.choose(TO_PHOTO.name, gr.EventData(None, {"index": 4}))
        assert not differs(chosen, example_facades()[4])

    def test_turning_keeps_the_building(self, layout: Layout) -> None:
        picture, _, thumbnails = layout.inputs.turn(example_facades()[4], TO_LABELS.name)
        assert not differs(picture, layout.examples.on(TO_LABELS)[4].image)
        assert len(thumbnails) == 8


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
    def test_the_apps_inputs_read_safely_and_go_on_so_when_gradio_remakes_them(self, layout: Layout) -> None:
        read = {index for item in layout.blocks.config["dependencies"] for index in item["inputs"]}
        inputs = [block for index in read if isinstance(block := layout.blocks.blocks[index], gr.Image)]
        assert len(inputs) >= 3
        for block in inputs:
            remade = type(block)(**{**block.constructor_args, "render": False})
            for each in (block, remade):
                with pytest.raises(ImageError, match="no valid data URI"):
                    each.preprocess(ImageData(url="data:image/png;base64,?"))
