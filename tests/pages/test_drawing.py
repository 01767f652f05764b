"""Drawings on the server: what is read, what is drawn for programs, and what the models make of it."""

from __future__ import annotations

import asyncio
import base64
import io
import threading
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image

from cyclegan.facades.labels import CLASSES, EXAMPLES, PALETTE, class_indices, draw_facade
from cyclegan.images.io import ImageError
from cyclegan.pages.draw import page as draw_page
from cyclegan.pages.draw.drawings import drawing_value, drawn_facade, paint_boxes, read_drawing
from cyclegan.pages.draw.page import AT_ONCE, MOST_WAITING, in_queue
from cyclegan.pages.errors import Refusal
from cyclegan.pages.frames import data_uri
from cyclegan.pages.layout import Layout
from cyclegan.pages.maps import error_map
from cyclegan.pages.models import Models, Route
from tests.conftest import make_photo

pytestmark = pytest.mark.usefixtures("own_cache", "closed_event_loops")

HOUSE = [["facade", 20, 40, 236, 256], ["window", 60, 80, 92, 120], ["door", 110, 200, 140, 256]]


def picture_in(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB")


class TestReading:
    def test_a_drawing_comes_back_pixel_for_pixel(self) -> None:
        drawn = draw_facade(3)
        assert read_drawing(drawing_value(drawn)).tobytes() == drawn.tobytes()

    def test_other_colours_are_snapped_to_the_palette(self) -> None:
        shifted = Image.fromarray(np.clip(np.asarray(draw_facade(3)).astype(int) + 9, 0, 255).astype(np.uint8))
        assert read_drawing(drawing_value(shifted)).tobytes() == draw_facade(3).tobytes()

    @pytest.mark.parametrize(
        "value",
        [
            None,
            "data:image/png;base64,AAAA",
            {"png": "data:image/png;base64,AAAA"},
            {"png": "data:image/png;base64,%%"},
            {"png": "/etc/passwd"},
            {"png": "http://127.0.0.1/"},
            {"png": 7},
            {},
            drawing_value(Image.new("RGB", (64, 64))),
            drawing_value(Image.new("RGB", (4000, 4000))),
        ],
        ids=lambda value: str(value)[:40],
    )
    def test_anything_else_is_refused(self, value: Any) -> None:
        with pytest.raises(ImageError):
            read_drawing(value)


class TestBoxes:
    def test_later_boxes_hide_earlier_ones(self) -> None:
        indices = class_indices(paint_boxes([*HOUSE, ["sill", 60, 110, 92, 120]]))
        assert [CLASSES[indices[y, x]] for x, y in ((0, 0), (20, 40), (60, 80), (91, 119), (92, 119), (139, 255))] == [
            "background", "facade", "window", "sill", "facade", "door",
        ]  # fmt: skip

    def test_boxes_are_drawn_on_a_house_front(self) -> None:
        drawing = np.asarray(paint_boxes([["shop", 0, 0, 10, 10]], draw_facade(3)))
        expected = np.array(draw_facade(3))
        expected[:10, :10] = PALETTE[CLASSES.index("shop")]
        assert (drawing == expected).all()

    @pytest.mark.parametrize(
        "box",
        [
            ["roof", 0, 0, 9, 9],
            ["door", 0, 0, 9],
            ["door", 9, 0, 9, 9],
            ["door", 0, 0, 9, 257],
            ["door", -1, 0, 9, 9],
            ["door", 0.5, 0, 9, 9],
            ["door", "0", 0, 9, 9],
            [["door"], 0, 0, 9, 9],
            "door",
            None,
        ],
        ids=str,
    )
    def test_what_is_no_box_is_named_with_the_classes(self, box: Any) -> None:
        with pytest.raises(Refusal, match=r"Box 4 is .*The classes are: background, facade, window"):
            paint_boxes([*HOUSE, box])

    @pytest.mark.parametrize("seed", [-1, 1_000_000, "7", 1.5, None])
    def test_a_seed_is_a_number_in_its_range(self, seed: Any) -> None:
        with pytest.raises(Refusal, match="from 0 to 999999"):
            drawn_facade(seed)


class TestPage:
    def test_each_model_gives_its_picture(self, layout: Layout) -> None:
        page = layout.draw_page
        assert page is not None and len(page.models) == 2
        for index, model in enumerate(page.models):
            shown = page.picture({"model": index, **drawing_value(draw_facade(5))})
            assert shown == {
                "src": data_uri(model.translate(draw_facade(5), page.route, model.default_epoch(page.route)))
            }

    @pytest.mark.parametrize(
        ("asked", "note"),
        [
            ({"model": 1, "png": "data:image/png;base64,AAAA"}, "not an image this program can read"),
            ({"model": 1, "png": "data:image/png;base64," + "A" * 500_000}, "not an image this program can read"),
            ({"model": 1}, "not an image this program can read"),
            (None, "not an image this program can read"),
            ([], "not an image this program can read"),
            (drawing_value(draw_facade(5)), "There is no method None; choose one of: 0, 1."),
            *(({"model": index, **drawing_value(draw_facade(5))}, "There is no method") for index in (2, -1, "1", 1.0)),
        ],
        ids=lambda value: str(value)[:40],
    )
    def test_what_cannot_be_translated_is_told_in_a_friendly_way(self, layout: Layout, asked: Any, note: str) -> None:
        assert layout.draw_page is not None
        assert note in layout.draw_page.picture(asked)["note"]

    def test_the_facade_of_a_seed(self, layout: Layout) -> None:
        assert layout.draw_page is not None
        value = layout.draw_page.facade(77)
        assert picture_in(value["png"]).tobytes() == draw_facade(77).tobytes()
        assert "from 0 to 999999" in layout.draw_page.facade(-5)["refusal"]

    def test_the_drawing_becomes_the_picture_of_all_pages(self, layout: Layout) -> None:
        assert layout.draw_page is not None
        image, truth, note, direction, examples = layout.draw_page.take(drawing_value(draw_facade(5)))
        assert image.tobytes() == draw_facade(5).tobytes()
        assert truth is None and note == gr.update(visible=False) and direction == "labels -> photo"
        assert len(examples) == EXAMPLES


class TestQueue:
    def test_two_are_worked_on_some_wait_and_the_others_are_told(self) -> None:
        both, go = threading.Barrier(AT_ONCE + 1), threading.Event()
        numbers = range(AT_ONCE + MOST_WAITING)

        def work(number: int) -> int:
            if number < AT_ONCE:
                both.wait(30)
            assert go.wait(30)
            return number

        async def visit() -> list[int]:
            waiting = [asyncio.ensure_future(in_queue(work, number, -1)) for number in numbers]
            await asyncio.to_thread(both.wait, 30)  # all of them have come by then
            for _ in range(3):
                assert await in_queue(work, 0, -1) == -1
            go.set()
            return await asyncio.gather(*waiting)

        assert asyncio.run(visit()) == list(numbers)

    def test_who_finds_no_place_is_told_and_asks_again(
        self, models: Models, layout: Layout, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        page = layout.draw_page
        assert page is not None
        monkeypatch.setattr(draw_page, "MOST_WAITING", 0)
        painted: Any = page.painter
        shown: Any = page.results
        drawn = {"model": 0, **drawing_value(draw_facade(5))}
        answer = asyncio.run(shown.picture_of(drawn))
        assert answer["again"] and answer["note"].startswith("Many people are here")
        assert asyncio.run(painted.facade_of(77))["refusal"] == answer["note"]


class TestApi:
    def test_a_house_of_boxes_becomes_a_photo(self, client: Client, models: Models) -> None:
        drawing, photo = client.predict(HOUSE, "pix2pix", None, api_name="/draw")
        with Image.open(drawing) as image:
            assert image.format == "PNG" and image.tobytes() == paint_boxes(HOUSE).tobytes()
        expected = models.models[1].translate(paint_boxes(HOUSE), Route("labels", "photo"), 5)
        with Image.open(photo) as image:
            assert error_map(image.convert("RGB"), expected).max() < 0.1

    def test_there_and_back_again(self, client: Client, tmp_path: Path) -> None:
        make_photo(3).save(tmp_path / "photo.png")
        files = client.predict(handle_file(tmp_path / "photo.png"), "labels", "CycleGAN", api_name="/round_trip")
        pictures = [Image.open(file).convert("RGB") for file in files[:3]]
        assert [picture.size for picture in pictures] == [(256, 256)] * 3
        assert files[3] == pytest.approx(error_map(make_photo(3), pictures[1]).mean(), abs=1e-5)

    @pytest.mark.parametrize(
        ("arguments", "endpoint", "message"),
        [
            ([[["roof", 0, 0, 9, 9]], "CycleGAN", None], "/draw", "The classes are: background"),
            ([[], "CycleGAN", -1], "/draw", "from 0 to 999999"),
            ([None, "photo", "CycleGAN"], "/round_trip", "Choose a picture first"),
            ([{"url": data_uri(draw_facade(3))}, "photo", "pix2pix"], "/round_trip", "Labels → Photo only"),
        ],
    )  # fmt: skip
    def test_mistakes_are_explained(self, client: Client, arguments: list[Any], endpoint: str, message: str) -> None:
        with pytest.raises(Exception, match=message):
            client.predict(*arguments, api_name=endpoint)
