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

from cyclegan.images.io import to_png
from cyclegan.pages import texts
from cyclegan.pages.hub.fetch_bar import FetchBar
from cyclegan.pages.inputs import picture_input, size_text
from cyclegan.pages.languages import Language, sentences
from cyclegan.pages.models import Model, Route
from cyclegan.pages.translate import texts as translate_texts
from cyclegan.pages.translate.before_after import before_after, pictures
from cyclegan.pages.translate.translations import DEFAULT, Result, Translation, Translations


@dataclass(frozen=True)
class Panel:
    """What the panel of one model shows; without a result it is empty, and hidden where there can be none."""

    visible: bool
    caption: str
    before_after: dict[str, Any] | None = None
    file: Path | None = None
    """The result, to download."""


class TranslatePage:
    """The page's components, and the handlers that fill them."""

    def __init__(self, translations: Translations, language: Language, cache: Path) -> None:
        """Lay the page out; `cache` is the folder whose files Gradio serves and deletes."""
        self.models = translations.models
        self.language = language
        self.cache = cache
        first = translations.first(self.models.routes[0])
        self.outputs: list[Block] = []
        with gr.Row(equal_height=True):
            self.epoch = gr.Dropdown(
                self.epochs(), value=DEFAULT, label=translate_texts.EPOCH.to(language), show_label=False,
                container=False, interactive=True, min_width=150, scale=0, elem_id="epoch",
            )  # fmt: skip
            self.run = gr.Button(
                translate_texts.RUN.to(language), variant="primary", min_width=150, scale=0, elem_id="translate"
            )
        self.fetch_bar = FetchBar(self.models, language, "translate")
        with gr.Row():
            for model, panel in zip(self.models.models, self._panels(first, self.models.routes[0]), strict=True):
                self._lay_out(model, panel)
            truth = first.truth if first else None
            with gr.Column(min_width=230, visible=truth is not None) as column:
                gr.Markdown(translate_texts.TRUTH_CAPTION.to(language), elem_classes="caption", elem_id="caption-truth")
                picture = gr.Image(
                    truth, label=translate_texts.TRUTH.to(language), show_label=False, format="png", interactive=False,
                    alt_text=translate_texts.TRUTH_ALT.to(language), buttons=["fullscreen"], elem_id="truth",
                )  # fmt: skip
        missing = gr.Markdown(self._missing(first), elem_classes="caption", elem_id="missing")
        self.outputs += [column, picture, missing]
        with gr.Accordion(translate_texts.OWN_TRUTH.to(language), open=False):
            gr.Markdown(translate_texts.OWN_TRUTH_HINT.to(language))
            self.truth = picture_input(
                label=translate_texts.TRUTH.to(language), alt_text=translate_texts.OWN_TRUTH_ALT.to(language),
                placeholder=texts.UPLOAD_PLACEHOLDER.to(language), sources=["upload", "clipboard"], buttons=[],
                height=200, elem_id="own-truth",
            )  # fmt: skip

    def updates(self, translation: Translation | None, route: Route) -> list[Any]:
        """New values for `outputs`; None empties them, but for the names of the networks of the route."""
        truth = translation.truth if translation else None
        values: list[Any] = []
        for panel in self._panels(translation, route):
            download = gr.update(value=panel.file, visible=panel.file is not None)
            values += [gr.update(visible=panel.visible), panel.caption, panel.before_after, download]
        return [*values, gr.update(visible=truth is not None), truth, self._missing(translation)]

    def epochs(self) -> list[tuple[str, int]]:
        """The choices of the epoch: those that any model kept. Another one then shows the nearest earlier it has."""
        epochs = sorted({epoch for model in self.models.models for epoch in model.translator.epochs})
        named = ((translate_texts.AT_EPOCH.format(epoch=epoch).to(self.language), epoch) for epoch in epochs)
        return [(translate_texts.DEFAULT_EPOCH.to(self.language), DEFAULT), *named]

    def _lay_out(self, model: Model, panel: Panel) -> None:
        name = model.translator.name
        with gr.Column(min_width=230, visible=panel.visible) as column:
            self.outputs += [
                column,
                gr.Markdown(panel.caption, elem_classes="caption", elem_id=f"caption-{name}"),
                before_after(panel.before_after, model.title, self.language, f"result-{name}"),
                gr.DownloadButton(
                    translate_texts.DOWNLOAD.to(self.language), visible=False, size="sm", elem_id=f"download-{name}",
                ),
            ]  # fmt: skip

    def _panels(self, translation: Translation | None, route: Route) -> list[Panel]:
        """The panels of a translation, or for None the empty ones of a route."""
        if translation is None:
            return [Panel(route in model.routes, f"## {model.title}") for model in self.models.models]
        before = self._keep(translation.prepared.image, f"{translation.route.source}.png")
        return [
            self._panel(model, translation.route, before, result)
            for model, result in zip(self.models.models, translation.results, strict=True)
        ]

    def _panel(self, model: Model, route: Route, before: Path, result: Result | None) -> Panel:
        if result is None:
            return Panel(route in model.routes, f"## {model.title}")
        caption = translate_texts.RESULT_CAPTION.format(epoch=result.epoch, size=size_text(result.image.size))
        line = f"\n\n**{result.scores.text.to(self.language)}**" if result.scores else ""
        after = self._keep(result.image, f"{route.target}-{model.translator.method}-epoch-{result.epoch}.png")
        return Panel(
            True, f"## {model.title}\n{caption.to(self.language)}{line}", pictures(before, after, result.image), after
        )

    def _missing(self, translation: Translation | None) -> str:
        """Which models show no result, and why."""
        return sentences(translation.missing if translation else [texts.NO_IMAGE]).to(self.language)

    def _keep(self, image: Image.Image, name: str) -> Path:
        """A PNG of the image where Gradio serves it from, under a name to download it by."""
        self.cache.mkdir(parents=True, exist_ok=True)
        path = Path(tempfile.mkdtemp(dir=self.cache)) / re.sub(r"[^\w.]+", "-", name)
        path.write_bytes(to_png(image))
        return path
