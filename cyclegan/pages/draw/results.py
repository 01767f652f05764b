"""The results beside the painter: what every model makes of the drawing. What stands on the page is in `results.js`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gradio as gr

from cyclegan.pages import texts
from cyclegan.pages.assets import component
from cyclegan.pages.draw import texts as draw_texts
from cyclegan.pages.draw.line import FullError, line
from cyclegan.pages.languages import Language
from cyclegan.pages.models import Model


def results(models: Sequence[Model], picture: Callable[[Any], Mapping[str, str]], language: Language) -> gr.HTML:
    """The component, whose value is a painter's. `picture` gives, for {"model": index, "png": data URI of a drawing},
    {"src": data URI} of what that model makes of it or {"note": why there is none}."""

    async def picture_of(asked: Any) -> Mapping[str, Any]:
        try:
            return await line.run(picture, asked)
        except FullError:
            return {"note": texts.BUSY.to(language), "again": True}

    return component(
        "draw/results",
        None,
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
