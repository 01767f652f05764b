"""Translate: the picture beside what every model makes of it, and the truth where it is known."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.blocks import Block
from PIL import Image

from cyclegan.pages import texts
from cyclegan.pages.examples import Examples
from cyclegan.pages.frames import sample_epochs, sample_picture
from cyclegan.pages.inputs import Prepared, prepare, size_text
from cyclegan.pages.models import Model, Models, Route

NEWEST = 0
"""The choice of an epoch that is the last one of each model."""
PICTURE_HEIGHT = 460
"""Tallest that a picture is shown, in pixels; its own size stays."""


@dataclass(frozen=True)
class Result:
    """What a model makes of a picture, and after which epoch."""

    image: Image.Image
    epoch: int


@dataclass(frozen=True)
class Translation:
    """Everything that the page shows of one picture: results in the order of the models, None where there is none."""

    prepared: Prepared
    route: Route
    results: tuple[Result | None, ...]
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
        with gr.Row(equal_height=True):
            self.epoch = gr.Dropdown(
                self._epochs(), value=NEWEST, label=texts.EPOCH, show_label=False, container=False,
                min_width=150, scale=0, elem_id="epoch",
            )  # fmt: skip
            self.run = gr.Button(texts.TRANSLATE_BUTTON, variant="primary", min_width=150, scale=0, elem_id="translate")
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
        """The first example as the samples on disk show it, nearly what the networks give: until `opening` is there."""
        example = next(iter(self.examples.on(route)), None)
        if example is None:
            return None
        results = tuple(self._sampled(model, route, example.column) for model in self.models.models)
        return Translation(prepare(example.image, route), route, results, example.truth)

    @cached_property
    def opening(self) -> Translation | None:
        """What the page opens with: the first example by the newest networks; None where there are no examples."""
        route = self.models.routes[0]
        example = next(iter(self.examples.on(route)), None)
        return self.translate(example.image, route) if example else None

    def translate(self, image: Image.Image | None, route: Route, epoch: int = NEWEST) -> Translation:
        """The picture by every model of the route. Raises gr.Error where there is no picture."""
        prepared = prepare(image, route)
        results = []
        for model in self.models.models:
            at = model.epoch_at(epoch or None)
            results.append(Result(model.translate(prepared.image, route, at), at) if route in model.routes else None)
        example = self.examples.find(prepared.image, route)
        return Translation(prepared, route, tuple(results), example.truth if example else None)

    def updates(self, translation: Translation | None) -> list[Any]:
        """New values for `outputs`; None empties them."""
        truth = translation.truth if translation else None
        values: list[Any] = []
        for panel in self._panels(translation):
            download = gr.update(value=panel.file, visible=panel.file is not None)
            values += [gr.update(visible=panel.visible), panel.caption, panel.before_after, download]
        return [*values, gr.update(visible=truth is not None), truth, self._missing(translation)]

    def _epochs(self) -> list[tuple[str, int]]:
        """The choices of the epoch: those that any model kept. Another one then shows the nearest earlier it has."""
        epochs = sorted({epoch for model in self.models.models for epoch in model.translator.epochs})
        return [(texts.NEWEST_EPOCH, NEWEST), *((texts.AT_EPOCH.format(epoch=epoch), epoch) for epoch in epochs)]

    def _lay_out(self, name: str, panel: Panel) -> None:
        with gr.Column(min_width=230, visible=panel.visible) as column:
            self.outputs += [
                column,
                gr.Markdown(panel.caption, elem_classes="caption", elem_id=f"caption-{name}"),
                gr.ImageSlider(
                    panel.before_after, show_label=False, format="png", interactive=False,
                    max_height=PICTURE_HEIGHT, buttons=["fullscreen"], elem_id=f"result-{name}",
                ),
                gr.DownloadButton(texts.DOWNLOAD, visible=False, size="sm", elem_id=f"download-{name}"),
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

    def _panel(self, model: Model, route: Route, before: Path, result: Result | None) -> Panel:
        if result is None:
            return Panel(route in model.routes, f"### {model.title}")
        caption = texts.RESULT_CAPTION.format(epoch=result.epoch, size=size_text(result.image.size))
        after = self._keep(result.image, f"{route.target}-{model.translator.method}-epoch-{result.epoch}.png")
        return Panel(True, f"### {model.title}\n{caption}", (str(before), str(after)))

    def _missing(self, translation: Translation | None) -> str:
        """Which models are not shown, and why."""
        return self.models.missing(translation.route) if translation else ""

    def _keep(self, image: Image.Image, name: str) -> Path:
        """A PNG of the image where Gradio serves it from, under a name to download it by."""
        self.cache.mkdir(parents=True, exist_ok=True)
        path = Path(tempfile.mkdtemp(dir=self.cache)) / re.sub(r"[^\w.]+", "-", name)
        image.save(path, compress_level=1)  # a third larger than the default, and several times quicker
        return path

    @staticmethod
    def _sampled(model: Model, route: Route, column: int) -> Result | None:
        epoch = model.newest_epoch
        if model.drawn_row(route) is None or epoch not in sample_epochs(model):
            return None
        return Result(sample_picture(model, route, epoch, column), epoch)
