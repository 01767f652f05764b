"""Draw: a label map under the visitor's hand, and what every model makes of it meanwhile."""

from __future__ import annotations

from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from cyclegan.facades.labels import CLASSES, class_indices, colorize, draw_facade, example_facades
from cyclegan.pages import texts
from cyclegan.pages.draw import texts as draw_texts
from cyclegan.pages.draw.painter import SIDE, drawing_value, painter, read_drawing
from cyclegan.pages.draw.results import results
from cyclegan.pages.errors import Refusal, explain
from cyclegan.pages.examples import Examples
from cyclegan.pages.frames import data_uri
from cyclegan.pages.languages import Language, listed, translated
from cyclegan.pages.models import Models, Route
from cyclegan.pages.picker import thumbnails

LARGEST_SEED = 999_999


def drawable(models: Models) -> Route | None:
    """The route whose sources the painter can draw: label maps of facades."""
    return next((route for route in models.routes if route.from_labels), None)


class DrawPage:
    """The page's components, and the handlers behind them."""

    def __init__(self, models: Models, examples: Examples, route: Route, language: Language) -> None:
        self.route = route
        self.examples = examples
        self.models = models.on(route)
        self.language = language
        drawn = example_facades()
        gr.Markdown(draw_texts.INTRO.to(language))
        with gr.Row():
            with gr.Column(min_width=320):
                self.painter = painter(
                    drawn[0],
                    [(image, texts.LABELS_ALT.format(number=n).to(language)) for n, image in enumerate(drawn, 1)],
                    [(draw_texts.CLASSES[name].to(language), draw_texts.HINTS[name].to(language)) for name in CLASSES],
                    translated(draw_texts.LABELS, language),
                    self.facade,
                    language,
                )
            with gr.Column(min_width=300, elem_id="drawn"):
                self.results = results(self.models, self.picture, language)
                self.use = gr.Button(draw_texts.USE.to(language), elem_id="use-drawing")
        self.painter.input(None, self.painter, self.results, js="(drawing) => drawing")

    def picture(self, asked: Any) -> dict[str, str]:
        """What the results show of a model for a drawing, as `results` asks for it; where there is no picture, the
        reason, for a message at every stroke would be in the way."""
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
        """What the painter shows for a seed, or {"refusal": why there is nothing}."""
        try:
            return drawing_value(drawn_facade(seed))
        except Refusal as refusal:
            return {"refusal": refusal.text.to(self.language)}

    def take(self, drawing: Any) -> tuple[Image.Image, None, Any, str, list[dict[str, str]]]:
        """The drawing as the picture of all pages, no truth or note of another one, its direction, and the examples of
        that."""
        examples = thumbnails(self.examples.on(self.route), self.language)
        return read_drawing(drawing), None, gr.update(visible=False), self.route.name, examples


def drawn_facade(seed: Any) -> Image.Image:
    """`draw_facade` of a seed that anyone may have sent. Raises Refusal where it is none."""
    if not isinstance(seed, int) or not 0 <= seed <= LARGEST_SEED:
        raise Refusal(draw_texts.BAD_SEED.format(limit=LARGEST_SEED))
    return draw_facade(seed, size=SIDE)


def paint_boxes(boxes: Any, ground: Image.Image | None = None) -> Image.Image:
    """A label map of boxes, each over those before it, on another label map of 256x256 or on the background.

    A box is [class name, left, top, right, bottom], in pixels of 0..256. Raises Refusal where one is none.
    """
    indices = np.zeros((SIDE, SIDE), np.uint8) if ground is None else class_indices(ground)
    for number, box in enumerate(boxes if isinstance(boxes, list) else [boxes], 1):
        try:
            name, left, top, right, bottom = box
            inside = 0 <= left < right <= SIDE and 0 <= top < bottom <= SIDE
            if not inside:
                raise ValueError
            indices[top:bottom, left:right] = CLASSES.index(name)
        except (TypeError, ValueError):
            what = {"number": number, "box": box, "side": SIDE, "classes": listed(CLASSES)}
            raise Refusal(draw_texts.NOT_A_BOX.format(**what)) from None
    return colorize(indices)
