"""Compare: the same picture by any two networks, and where the results differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.components import Component
from PIL import Image

from cyclegan.pages.errors import Refusal
from cyclegan.pages.hub.fetch_bar import Fetch, FetchBar, fetch_generator
from cyclegan.pages.inputs import prepare
from cyclegan.pages.languages import Language, Text
from cyclegan.pages.maps import error_map, render_errors
from cyclegan.pages.models import Model, Models, Route
from cyclegan.pages.more import compare_texts

LEVELS = 127.5
"""Levels of 0..255 in a unit of the networks' scale, [-1, 1]."""


@dataclass(frozen=True)
class Network:
    """A model after one epoch of its training."""

    model: Model
    epoch: int

    @property
    def name(self) -> Text:
        return compare_texts.CHOICE.format(title=self.model.title, epoch=self.epoch)

    @property
    def key(self) -> str:
        """What stands for it in the page's pickers."""
        return f"{self.epoch} {self.model.title}"


class ComparePage:
    """The page's components, and the handler that fills them."""

    def __init__(self, models: Models, language: Language) -> None:
        self.models = models
        self.language = language
        first, last = self._opening()
        gr.Markdown(compare_texts.INTRO.to(language))
        with gr.Row(elem_id="compare-choice"):
            self.left = self._picker(compare_texts.LEFT, first, "compare-left")
            self.right = self._picker(compare_texts.RIGHT, last, "compare-right")
            self.run = gr.Button(
                compare_texts.RUN.to(language), variant="primary", min_width=120, scale=0, elem_id="compare-run"
            )
        self.fetch_bar = FetchBar(models, language, "compare")
        with gr.Row():
            self.pictures = [self._picture(f"compare-{name}-picture") for name in ("left", "right", "difference")]
        self.caption = gr.Markdown(visible=False, elem_classes="caption", elem_id="compare-caption")

    def connect(self, picture: Component, direction: Component) -> None:
        """Compare at the click and whenever another network is chosen."""
        asked, outputs = [picture, direction, self.left, self.right], [*self.pictures, self.caption]
        for listen in (self.run.click, self.left.input, self.right.input):
            self.fetch_bar.before(listen, self.wanted, asked)(
                self.compare, asked, outputs,
                api_visibility="private", trigger_mode="always_last", concurrency_id="translate",
            )  # fmt: skip

    def networks(self) -> list[Network]:
        """All that can be chosen now, in the order of models and epochs."""
        return [Network(model, epoch) for model in self.models.models for epoch in model.translator.epochs]

    def wanted(self, image: Image.Image | None, direction: str, left: str, right: str) -> list[Fetch]:
        """The generators that `compare` needs for the same."""
        route = self.models.route(direction)
        chosen = [self._network(key) for key in (left, right)] if image else []
        return [fetch_generator(each.model, route, each.epoch) for each in chosen if route in each.model.routes]

    def compare(self, image: Image.Image | None, direction: str, left: str, right: str) -> list[Any]:
        """The picture by both networks, their difference, and what it says."""
        route = self.models.route(direction)
        prepared = prepare(image, route).image
        chosen = [self._network(key) for key in (left, right)]
        results = [self._translate(network, prepared, route) for network in chosen]
        apart = error_map(*results)
        shown = [
            gr.update(
                value=result,
                visible=True,
                label=network.name.to(self.language),
                alt_text=compare_texts.PICTURE_ALT.format(name=network.name).to(self.language),
            )
            for network, result in zip(chosen, results, strict=True)
        ]
        label = compare_texts.DIFFERENCE.to(self.language)
        alt = compare_texts.DIFFERENCE_ALT.to(self.language)
        caption = compare_texts.CAPTION.format(mean=f"{apart.mean() * LEVELS:.1f}").to(self.language)
        return [
            *shown,
            gr.update(value=render_errors(apart), visible=True, label=label, alt_text=alt),
            gr.update(value=caption, visible=True),
        ]

    def _translate(self, network: Network, image: Image.Image, route: Route) -> Image.Image:
        if route not in network.model.routes:
            raise Refusal(network.model.not_this_way)
        return network.model.translate(image, route, network.epoch)

    def _network(self, key: str) -> Network:
        """The network that a picker names. Raises Refusal where it is gone, with its run."""
        for network in self.networks():
            if network.key == key:
                return network
        title = str(key).partition(" ")[2]
        for model in self.models.models:
            if model.title == title and model.waiting:
                raise Refusal(model.waiting)
        raise Refusal(compare_texts.UNKNOWN)

    def _opening(self) -> tuple[Network | None, Network | None]:
        """What the pickers show first: the newest networks of two models, or the first and the last of one."""
        networks = self.networks()
        newest = [max(of_model, key=lambda each: each.epoch) for model in self.models.models
                  if (of_model := [each for each in networks if each.model is model])]  # fmt: skip
        if len(newest) == 1:
            newest.insert(0, networks[0])
        return (newest[0], newest[1]) if newest else (None, None)

    def _picker(self, label: Text, network: Network | None, elem_id: str) -> gr.Dropdown:
        return gr.Dropdown(
            self.choices(), value=network.key if network else None, label=label.to(self.language), min_width=200,
            interactive=True, elem_id=elem_id,
        )  # fmt: skip

    def choices(self) -> list[tuple[str, str]]:
        """Names and keys of all networks."""
        return [(network.name.to(self.language), network.key) for network in self.networks()]

    def _picture(self, elem_id: str) -> gr.Image:
        return gr.Image(format="png", interactive=False, visible=False, buttons=["fullscreen"], min_width=200,
                        elem_id=elem_id)  # fmt: skip
