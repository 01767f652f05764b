"""Draw: a label map under the visitor's hand, and its translations by every model meanwhile.

The painter holds class indices, so that no tool makes a colour between two classes. Its value is {"png": data URI}: the
drawing in exactly the colours of `facades.PALETTE`. Its tools are in `painter_drawing.js`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import gradio as gr
from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from PIL import Image

from cyclegan.facades.labels import CLASSES, CMP_BASE_PALETTE, PALETTE, example_facades
from cyclegan.pages import texts
from cyclegan.pages.assets import component
from cyclegan.pages.draw import texts as draw_texts
from cyclegan.pages.draw.drawings import drawing_value, drawn_facade, read_drawing
from cyclegan.pages.errors import Refusal, explain
from cyclegan.pages.examples import Examples, thumbnails
from cyclegan.pages.frames import data_uri
from cyclegan.pages.languages import Language, listed, translated
from cyclegan.pages.models import Models, Route

R = TypeVar("R")

AT_ONCE = 2
"""Calls of the whole app that run at the same time: one drawing is translated by all cores, another read or encoded."""
MOST_WAITING = 64
"""Calls that wait at most."""

_limiter = CapacityLimiter(AT_ONCE)


async def in_queue(work: Callable[[Any], R], argument: Any, busy: R) -> R:
    """Return what `work` gives, in a thread; `busy` if too many calls wait already.

    The components of this page call the server by functions of their own, which do not go through Gradio's queue. Calls
    wait here without a thread, which others would lack.
    """
    if _limiter.statistics().tasks_waiting >= MOST_WAITING:
        return busy
    return await run_sync(work, argument, limiter=_limiter)


def drawable(models: Models) -> Route | None:
    """Return the route whose sources the painter can draw: label maps of facades."""
    return next((route for route in models.routes if route.from_labels), None)


class DrawPage:
    """The page's components, and the handlers behind them."""

    def __init__(self, models: Models, examples: Examples, route: Route, language: Language) -> None:
        self.route = route
        self.examples = examples
        self.models = models.on(route)
        self.language = language
        gr.Markdown(draw_texts.INTRO.to(language))
        with gr.Row():
            with gr.Column(min_width=320):
                self.painter = self._painter()
            with gr.Column(min_width=300, elem_id="drawn"):
                self.results = self._results()
                self.use = gr.Button(draw_texts.USE.to(language), elem_id="use-drawing")
        self.painter.input(None, self.painter, self.results, js="(drawing) => drawing")

    def picture(self, asked: Any) -> dict[str, Any]:
        """Return the translation {"src": data URI} for {"model": index, "png": data URI of a drawing}, or {"note": why
        there is none}: a toast at every stroke would be in the way."""
        try:
            image = read_drawing(asked)
            index = asked.get("model")
            if not isinstance(index, int) or index not in range(len(self.models)):
                choices = listed(map(str, range(len(self.models))))
                raise Refusal(texts.UNKNOWN_METHOD.format(method=index, choices=choices))
            model = self.models[index]
            return {"src": data_uri(model.translate(image, self.route, model.default_epoch(self.route)))}
        except Exception as error:
            return {"note": explain(error).to(self.language)}

    def facade(self, seed: Any) -> dict[str, str]:
        """Return the painter's value for a seed, or {"refusal": why there is none}."""
        try:
            return drawing_value(drawn_facade(seed))
        except Refusal as refusal:
            return {"refusal": refusal.text.to(self.language)}

    def take(self, drawing: Any) -> tuple[Image.Image, None, Any, str, list[dict[str, str]]]:
        """Return the drawing as the picture of all pages, no truth or note of another one, its direction, and the
        examples of that."""
        examples = thumbnails(self.examples.on(self.route), self.language)
        return read_drawing(drawing), None, gr.update(visible=False), self.route.name, examples

    def _painter(self) -> gr.HTML:
        language, drawn = self.language, example_facades()
        alts = [texts.LABELS_ALT.format(number=number).to(language) for number in range(1, len(drawn) + 1)]

        # Gradio sets an attribute of the function, which a method does not allow.
        async def facade_of(seed: Any) -> dict[str, str]:
            return await in_queue(self.facade, seed, {"refusal": texts.BUSY.to(language)})

        return component(
            "draw/painter",
            drawing_value(drawn[0]),
            needs=["draw/painter_drawing.js"],
            palettes=[PALETTE.tolist(), CMP_BASE_PALETTE.tolist()],
            classes=[
                {"name": draw_texts.CLASSES[name].to(language), "hint": draw_texts.HINTS[name].to(language)}
                for name in CLASSES
            ],
            examples=[{"src": data_uri(image, exact=True), "alt": alt} for image, alt in zip(drawn, alts, strict=True)],
            labels=translated(draw_texts.LABELS, language),
            elem_id="painter",
            elem_classes="flush",
            server_functions=[facade_of],
        )

    def _results(self) -> gr.HTML:
        """Return the component beside the painter, whose value is the painter's."""

        async def picture_of(asked: Any) -> dict[str, Any]:
            return await in_queue(self.picture, asked, {"note": texts.BUSY.to(self.language), "again": True})

        return component(
            "draw/results",
            None,
            models=[
                {
                    "name": model.translator.name,
                    "title": model.title,
                    "alt": draw_texts.PICTURE_ALT.format(title=model.title).to(self.language),
                }
                for model in self.models
            ],
            lost=draw_texts.LOST.to(self.language),
            elem_id="drawn-pictures",
            elem_classes="flush",
            server_functions=[picture_of],
        )
