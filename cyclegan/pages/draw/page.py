"""Draw: a label map under the visitor's hand, and what every model makes of it meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from cyclegan.facades import CLASSES, EXAMPLE_SEEDS, class_indices, colorize, draw_facade
from cyclegan.pages import texts
from cyclegan.pages.draw import texts as draw_texts
from cyclegan.pages.draw.painter import SIDE, drawing_value, painter, read_drawing
from cyclegan.pages.errors import Refusal, explained, friendly
from cyclegan.pages.examples import Examples
from cyclegan.pages.frames import data_uri
from cyclegan.pages.languages import Language, listed, translated
from cyclegan.pages.models import Model, Models, Route
from cyclegan.pages.picker import thumbnails

LARGEST_SEED = 999_999

_PICTURE_HTML = """
<figure><figcaption>{{title}}</figcaption>{{#if value.src}}<img src="{{value.src}}" alt="{{alt}}">{{/if}}</figure>
{{#if value.note}}<p role="status">{{value.note}}</p>{{/if}}
"""
_PICTURE_CSS = """
figure { margin: 0; }
figcaption { margin-bottom: 4px; font-weight: 600; }
p { margin: 0; color: var(--body-text-color-subdued); font-size: var(--text-sm); }
img { width: 100%; max-width: 512px; aspect-ratio: 1; border-radius: 8px; }
"""


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
        self._seconds: dict[int, float] = {}
        drawn = [draw_facade(seed, size=SIDE) for seed in EXAMPLE_SEEDS]
        gr.Markdown(draw_texts.INTRO.to(language))
        with gr.Row():
            with gr.Column(min_width=320):
                self.painter = painter(
                    drawn[0],
                    [(image, texts.LABELS_ALT.format(number=n).to(language)) for n, image in enumerate(drawn, 1)],
                    [(draw_texts.CLASSES[name].to(language), draw_texts.HINTS[name].to(language)) for name in CLASSES],
                    translated(draw_texts.LABELS, language),
                    self.facade,
                )
            with gr.Column(min_width=300, elem_id="drawn"):
                with gr.Row(elem_id="drawn-pictures"):
                    self.pictures = [self._picture(model) for model in self.models]
                self.use = gr.Button(draw_texts.USE.to(language), elem_id="use-drawing")
        self._connect()

    def _connect(self) -> None:
        # Latest wins: while one drawing is translated the browser keeps the newest one only, and sends it then.
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        self.painter.input(
            self.redraw, self.painter, self.pictures,
            trigger_mode="always_last", concurrency_id="draw", concurrency_limit=2, **quiet,
        )  # fmt: skip

    def redraw(self, drawing: Any) -> Iterator[list[Any]]:
        """The drawing by every model: new values for `pictures`, each as soon as it is there; where a model cannot
        translate, the reason, for a message at every stroke would be in the way."""
        with explained(self.language):
            image = read_drawing(drawing)
            # The quicker model first: each alone uses all cores, and so the other one comes no later.
            for place in sorted(range(len(self.models)), key=lambda place: self._seconds.get(place, 0)):
                model, started = self.models[place], time.perf_counter()
                try:
                    picture = {"src": data_uri(model.translate(image, self.route, model.newest_epoch))}
                except Refusal as refusal:
                    picture = {"note": refusal.text.to(self.language)}
                self._seconds[place] = time.perf_counter() - started
                yield [picture if each == place else gr.skip() for each in range(len(self.models))]

    def facade(self, seed: Any) -> dict[str, str]:
        """What the painter shows for a seed, or {"refusal": why there is nothing}."""
        try:
            return drawing_value(drawn_facade(seed))
        except Refusal as refusal:
            return {"refusal": refusal.text.to(self.language)}

    @friendly
    def take(self, drawing: Any) -> tuple[Image.Image, None, Any, str, list[dict[str, str]]]:
        """The drawing as the picture of all pages, no truth or note of another one, its direction, and the examples of
        that."""
        examples = thumbnails(self.examples.on(self.route), self.language)
        return read_drawing(drawing), None, gr.update(visible=False), self.route.name, examples

    def _picture(self, model: Model) -> gr.HTML:
        return gr.HTML(
            None,
            html_template=_PICTURE_HTML,
            css_template=_PICTURE_CSS,
            js_on_load=None,
            apply_default_css=False,
            title=model.title,
            alt=draw_texts.PICTURE_ALT.format(title=model.title).to(self.language),
            min_width=140,
            elem_classes=["drawn", "flush"],
            elem_id=f"drawn-{model.translator.name}",
        )


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
