"""Translate: the picture beside what every model makes of it, and the truth where it is known."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.blocks import Block
from PIL import Image

from cyclegan.pages import texts
from cyclegan.pages.examples import Examples
from cyclegan.pages.frames import sample_picture
from cyclegan.pages.inputs import Prepared, prepare, size_text
from cyclegan.pages.models import Model, Models, Route

PICTURE_HEIGHT = 460
"""Tallest that a picture is shown, in pixels; its own size stays."""


@dataclass(frozen=True)
class Translation:
    """Everything that the page shows of one picture: results in the order of the models, None where one cannot."""

    prepared: Prepared
    route: Route
    results: tuple[Image.Image | None, ...]
    truth: Image.Image | None


class TranslatePage:
    """The page's components, and the handlers that fill them."""

    def __init__(self, models: Models, examples: Examples, cache: Path) -> None:
        """Lay the page out; `cache` is the folder whose files Gradio serves and deletes."""
        self.models = models
        self.examples = examples
        self.cache = cache
        first = self.first(models.routes[0])
        self.outputs: list[Block] = []
        with gr.Row():
            for model, settings in zip(models.models, self._settings(first), strict=True):
                self._panel(model, *settings)
            truth = first.truth if first else None
            with gr.Column(min_width=230, visible=truth is not None) as truth_column:
                gr.Markdown(f"### {texts.TRUTH}\n{texts.TRUTH_CAPTION}", elem_classes="caption")
                picture = gr.Image(
                    truth, label=texts.TRUTH, show_label=False, format="png", interactive=False,
                    alt_text=texts.TRUTH_ALT, height=PICTURE_HEIGHT, buttons=["fullscreen"], elem_id="truth",
                )  # fmt: skip
        self.outputs += [truth_column, picture]

    def first(self, route: Route) -> Translation | None:
        """The first example, as the page opens with it: its pictures are on disk, nothing needs to be computed."""
        example = next(iter(self.examples.on(route)), None)
        if example is None:
            return None
        results = tuple(self._ready(model, route, example.column, example.image) for model in self.models.models)
        return Translation(prepare(example.image, route), route, results, example.truth)

    def translate(self, image: Image.Image | None, route: Route) -> Translation:
        """The picture by every model of the route. Raises gr.Error where there is no picture."""
        prepared = prepare(image, route)
        results = tuple(
            model.translate(prepared.image, route, model.newest_epoch) if route in model.routes else None
            for model in self.models.models
        )
        example = self.examples.find(prepared.image, route)
        return Translation(prepared, route, results, example.truth if example else None)

    def updates(self, translation: Translation | None) -> list[Any]:
        """New values for `outputs`; None empties them."""
        truth = translation.truth if translation else None
        return [
            *(gr.update(**settings) for panel in self._settings(translation) for settings in panel),
            gr.update(visible=truth is not None),
            truth,
        ]

    def _panel(self, model: Model, caption: dict[str, Any], slider: dict[str, Any], download: dict[str, Any]) -> None:
        name = model.translator.name
        with gr.Column(min_width=230):
            self.outputs += [
                gr.Markdown(**caption, elem_classes="caption", elem_id=f"caption-{name}"),
                gr.ImageSlider(
                    **slider, label=model.title, show_label=False, format="png", interactive=False,
                    max_height=PICTURE_HEIGHT, buttons=["fullscreen"], elem_id=f"result-{name}",
                ),
                gr.DownloadButton(**download, label=texts.DOWNLOAD, size="sm", elem_id=f"download-{name}"),
            ]  # fmt: skip

    def _settings(self, translation: Translation | None) -> list[list[dict[str, Any]]]:
        """What caption, slider and download button of each model show."""
        if translation is None:
            return [
                [{"value": f"### {model.title}"}, {"value": None, "visible": True}, {"value": None, "visible": False}]
                for model in self.models.models
            ]
        before = self._keep(translation.prepared.image, f"{translation.route.source}.png")
        panels: list[list[dict[str, Any]]] = []
        for model, result in zip(self.models.models, translation.results, strict=True):
            if result is None:
                caption, pair, path = model.not_this_way, None, None
            else:
                epoch = model.newest_epoch
                caption = texts.RESULT_CAPTION.format(epoch=epoch, size=size_text(result.size))
                path = self._keep(result, f"{translation.route.target}-{model.translator.method}-epoch-{epoch}.png")
                pair = (before, path)
            panels.append(
                [
                    {"value": f"### {model.title}\n{caption}"},
                    {"value": pair, "visible": pair is not None},
                    {"value": path, "visible": path is not None},
                ]
            )
        return panels

    def _keep(self, image: Image.Image, name: str) -> Path:
        """A PNG of the image where Gradio serves it from, under a name to download it by."""
        self.cache.mkdir(parents=True, exist_ok=True)
        path = Path(tempfile.mkdtemp(dir=self.cache)) / name
        image.save(path, compress_level=1)  # a third larger than the default, and several times quicker
        return path

    @staticmethod
    def _ready(model: Model, route: Route, column: int, image: Image.Image) -> Image.Image | None:
        if route not in model.routes:
            return None
        if model.drawn_row(route) is not None and model.newest_epoch in model.translator.run.sample_epochs:
            return sample_picture(model, route, model.newest_epoch, column)
        return model.translate(image, route, model.newest_epoch)
