"""The whole page: one picture on the left, shared by the tabs on the right, and what happens when it changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from cyclegan.pages import texts
from cyclegan.pages.api import add_api
from cyclegan.pages.errors import friendly
from cyclegan.pages.examples import Examples
from cyclegan.pages.inputs import Prepared, picture_input
from cyclegan.pages.models import Models, Route
from cyclegan.pages.picker import example_picker, thumbnails
from cyclegan.pages.translate_page import TranslatePage
from cyclegan.pages.watch_page import WatchPage

TEMPORARY_FILES = (3600, 4 * 3600)
"""Seconds: how often uploads and results are cleared away, and how old they are by then."""


class Layout:
    """The components of the app and the handlers behind them."""

    def __init__(self, models: Models) -> None:
        self.models = models
        self.examples = Examples.of(models)
        with gr.Blocks(title=texts.TITLE, delete_cache=TEMPORARY_FILES) as self.blocks:
            if models.routes:
                self._pages()
            else:
                self._watch_alone()

    def _pages(self) -> None:
        gr.Markdown(f"# {texts.TITLE}\n{texts.INTRO}", elem_id="intro")
        with gr.Row():
            with gr.Column(scale=1, min_width=260):
                self._input_column()
            with gr.Column(scale=3, min_width=320), gr.Tabs():
                with gr.Tab(texts.TRANSLATE_TAB):
                    cache = Path(self.blocks.GRADIO_CACHE)
                    self.translate_page = TranslatePage(self.models.translating, self.examples, cache)
                with gr.Tab(texts.WATCH_TAB):
                    self.watch_page = WatchPage(self.models, self.examples)
        self._connect()
        add_api(self.models.translating)

    def _watch_alone(self) -> None:
        """The page where every run makes its pictures from noise: there is nothing to translate."""
        gr.Markdown(f"# {texts.TITLE}\n{texts.NOISE_INTRO}", elem_id="intro")
        self.watch_page = WatchPage(self.models, self.examples)
        self.watch_page.connect(gr.State(), gr.State())

    def _input_column(self) -> None:
        route = self.models.routes[0]
        examples = self.examples.on(route)
        labels = [route.label for route in self.models.routes]
        self.direction = gr.Radio(labels, value=labels[0], label=texts.DIRECTION, elem_id="direction")
        self.picture = picture_input(
            examples[0].image if examples else None,
            label=texts.YOUR_PICTURE,
            alt_text=texts.YOUR_PICTURE_ALT,
            placeholder=texts.UPLOAD_PLACEHOLDER,
            sources=["upload", "clipboard"],
            buttons=[],
            height=280,
            elem_id="picture",
        )
        self.note = gr.Markdown(visible=False, elem_id="note")
        self.switch = gr.Button(visible=False, size="sm", elem_id="switch")
        self.picker = example_picker(examples)
        self.run = gr.Button(texts.TRANSLATE_BUTTON, variant="primary", elem_id="translate")

    def _connect(self) -> None:
        """Every way to a new picture or direction ends in the same two steps: announce it, translate it."""
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        source = [self.picture, self.direction]
        results = [self.note, self.switch, *self.translate_page.outputs]
        fill = self.watch_page.connect(self.picture, self.direction)

        def translate_on(listen: Callable[..., Any]) -> None:
            listen(
                self.show, source, results,
                api_visibility="private", trigger_mode="always_last", concurrency_id="translate",
            )  # fmt: skip

        # The first step of each way stops the fill of the picture before: Gradio cancels nothing on `success`.
        # For an upload it is reading alone, once: left to both later steps, a bad file would be refused twice.
        first: dict[str, Any] = {**quiet, "cancels": [fill]}
        uploaded = self.picture.upload(self.accept, self.picture, None, **first)
        chosen = self.picker.select(self.choose, self.direction, self.picture, **first)
        turned = self.direction.input(self.turn, source, [self.picture, self.picker], **first)
        switched = self.switch.click(self.turn_back, self.direction, [self.direction, self.picker], **first)
        for way in (uploaded, chosen, turned, switched):
            way.success(self.watch_page.announce, source, self.watch_page.stack, trigger_mode="always_last", **quiet)
            translate_on(way.success)
        translate_on(self.run.click)
        uploaded.failure(self.reject, None, [self.picture, *results], **quiet)
        self.picture.clear(self.clear, None, results, **quiet)

    @friendly()
    def show(self, image: Image.Image | None, direction: str) -> list[Any]:
        """Translate the picture: the note, the button that switches the direction, and the results."""
        route = self.models.route(direction)
        translation = self.translate_page.translate(image, route)
        return [*self._note(translation.prepared, route), *self.translate_page.updates(translation)]

    def accept(self, image: Image.Image | None) -> None:
        """Nothing: that the upload could be read is all that is asked."""

    def reject(self) -> list[Any]:
        """Take an unreadable file out of the input, and the results of the picture before it out of the page."""
        return [None, *self.clear()]

    @friendly()
    def clear(self) -> list[Any]:
        """Empty the results."""
        return [gr.update(visible=False), gr.update(visible=False), *self.translate_page.updates(None)]

    @friendly()
    def choose(self, direction: str, event: gr.EventData) -> Image.Image:
        """The example that was clicked."""
        return self.examples.on(self.models.route(direction))[int(event.index)].image

    @friendly()
    def turn(self, image: Image.Image | None, direction: str) -> tuple[Any, list[dict[str, str]]]:
        """After the direction was changed: its examples; an example gives way to that of the same building."""
        route = self.models.route(direction)
        examples = self.examples.on(route)
        column = self._example_column(image)
        fitting = next((example.image for example in examples if example.column == column), None)
        return (gr.skip() if fitting is None else fitting), thumbnails(examples)

    @friendly()
    def turn_back(self, direction: str) -> tuple[str, list[dict[str, str]]]:
        """The other direction and its examples, for a picture that belongs there."""
        route = self.models.route(direction)
        back = self.models.reverse(route) or route
        return back.label, thumbnails(self.examples.on(back))

    def _example_column(self, image: Image.Image | None) -> int | None:
        """Which of the drawn facades the picture shows, if it is an example of any direction; the first without one."""
        if image is None:
            return 0
        found = (self.examples.find(image, route) for route in self.models.routes)
        return next((example.column for example in found if example), None)

    def _note(self, prepared: Prepared, route: Route) -> list[Any]:
        back = self.models.reverse(route)
        label = texts.SWITCH_TO.format(route=back.label) if back else ""
        return [
            gr.update(value=" ".join(prepared.notes), visible=bool(prepared.notes)),
            gr.update(value=label, visible=prepared.wrong_way and back is not None),
        ]
