"""Translate: the picture beside what every model makes of it, and the truth where it is known."""

from __future__ import annotations

import re
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


@dataclass(frozen=True)
class Panel:
    """What the panel of one model shows; without a result it is empty, and hidden where there can be none."""

    visible: bool
    caption: str
    before_after: tuple[str, str] | None = None

    @property
    def file(self) -> str | None:
        """The result, to download."""
        return self.before_after[1] if self.before_after else None


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
            for model, panel in zip(models.models, self._panels(first), strict=True):
                self._lay_out(model.translator.name, panel)
            truth = first.truth if first else None
            with gr.Column(min_width=230, visible=truth is not None) as column:
                gr.Markdown(f"### {texts.TRUTH}\n{texts.TRUTH_CAPTION}", elem_classes="caption")
                picture = gr.Image(
                    truth, label=texts.TRUTH, show_label=False, format="png", interactive=False,
                    alt_text=texts.TRUTH_ALT, buttons=["fullscreen"], elem_id="truth",
                )  # fmt: skip
        missing = gr.Markdown(self._missing(first), elem_classes="caption", elem_id="missing")
        self.outputs += [column, picture, missing]

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
        values: list[Any] = []
        for panel in self._panels(translation):
            download = gr.update(value=panel.file, visible=panel.file is not None)
            values += [gr.update(visible=panel.visible), panel.caption, panel.before_after, download]
        return [*values, gr.update(visible=truth is not None), truth, self._missing(translation)]

    def _lay_out(self, name: str, panel: Panel) -> None:
        with gr.Column(min_width=230, visible=panel.visible) as column:
            self.outputs += [
                column,
                gr.Markdown(panel.caption, elem_classes="caption", elem_id=f"caption-{name}"),
                gr.ImageSlider(
                    panel.before_after, show_label=False, format="png", interactive=False,
                    max_height=PICTURE_HEIGHT, buttons=["fullscreen"], elem_id=f"result-{name}",
                ),
                gr.DownloadButton(
                    texts.DOWNLOAD, panel.file, visible=panel.file is not None, size="sm", elem_id=f"download-{name}"
                ),
            ]  # fmt: skip

    def _panels(self, translation: Translation | None) -> list[Panel]:
        """The panels of a translation, or the empty ones for None."""
        if translation is None:
            return [Panel(True, f"### {model.title}") for model in self.models.models]
        before = self._keep(translation.prepared.image, f"{translation.route.source}.png")
        return [
            self._panel(model, translation.route, before, result)
            for model, result in zip(self.models.models, translation.results, strict=True)
        ]

    def _panel(self, model: Model, route: Route, before: Path, result: Image.Image | None) -> Panel:
        if result is None:
            return Panel(False, f"### {model.title}")
        epoch = model.newest_epoch
        caption = texts.RESULT_CAPTION.format(epoch=epoch, size=size_text(result.size))
        after = self._keep(result, f"{route.target}-{model.translator.method}-epoch-{epoch}.png")
        return Panel(True, f"### {model.title}\n{caption}", (str(before), str(after)))

    def _missing(self, translation: Translation | None) -> str:
        """Which models are not shown, and why."""
        return self.models.missing(translation.route) if translation else ""

    def _keep(self, image: Image.Image, name: str) -> Path:
        """A PNG of the image where Gradio serves it from, under a name to download it by."""
        self.cache.mkdir(parents=True, exist_ok=True)
        path = Path(tempfile.mkdtemp(dir=self.cache)) / re.sub(r"[^\w.-]+", "-", name)
        image.save(path, compress_level=1)  # a third larger than the default, and several times quicker
        return path

    @staticmethod
    def _ready(model: Model, route: Route, column: int, image: Image.Image) -> Image.Image | None:
        if route not in model.routes:
            return None
        if model.drawn_row(route) is not None and model.newest_epoch in model.translator.run.sample_epochs:
            return sample_picture(model, route, model.newest_epoch, column)
        return model.translate(image, route, model.newest_epoch)
