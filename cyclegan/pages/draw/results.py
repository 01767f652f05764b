"""The results beside the painter: what every model makes of the drawing. What stands on the page is in `results.js`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gradio as gr
from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from cyclegan.pages import texts
from cyclegan.pages.assets import read
from cyclegan.pages.draw import texts as draw_texts
from cyclegan.pages.languages import Language
from cyclegan.pages.models import Model

AT_ONCE = 2
"""Drawings that are worked on at the same time: one is translated by all cores, the other read or encoded meanwhile."""
MOST_WAITING = 64
"""Drawings that wait for their turn at most; the next visitor is told that the app is busy."""


def results(models: Sequence[Model], picture: Callable[[Any], Mapping[str, str]], language: Language) -> gr.HTML:
    """The component, whose value is a painter's. `picture` gives, for {"method": a model's title, "png": the data
    URI of a drawing}, {"src": data URI} of what it makes or {"note": why there is none}."""
    turns = CapacityLimiter(AT_ONCE)
    busy = {"note": texts.GRADIO_WORDS["This application is currently busy. Please try again."].to(language)}

    # A server function is not subject to Gradio's queue, and a thread that waits would be missing elsewhere.
    async def picture_of(asked: Any) -> Mapping[str, str]:
        if turns.statistics().tasks_waiting >= MOST_WAITING:
            return busy
        return await run_sync(picture, asked, limiter=turns)

    return gr.HTML(
        None,
        html_template=read("draw/results.html"),
        css_template=read("draw/results.css"),
        js_on_load=read("draw/results.js"),
        apply_default_css=False,
        models=[
            {
                "name": model.translator.name,
                "title": model.title,
                "alt": draw_texts.PICTURE_ALT.format(title=model.title).to(language),
            }
            for model in models
        ],
        lost=draw_texts.LOST.to(language),
        elem_id="drawn-pictures",
        elem_classes="flush",
        server_functions=[picture_of],
    )
