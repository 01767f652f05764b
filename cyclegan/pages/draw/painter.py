"""The painter: label maps drawn in the browser, as class indices, so that no tool makes a colour between two classes.

Its value is {"png": data URI}: the drawing in exactly the colours of `facades.PALETTE`. It fires `input` as one draws.
The tools are in `painter_drawing.js`, what stands on the page in `painter.js`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gradio as gr
from gradio.data_classes import ImageData
from PIL import Image

from cyclegan.facades.labels import CMP_BASE_PALETTE, PALETTE, snap_to_palette
from cyclegan.images.io import ImageError
from cyclegan.pages import texts
from cyclegan.pages.assets import component
from cyclegan.pages.draw.line import FullError, line
from cyclegan.pages.frames import data_uri
from cyclegan.pages.inputs import read_picture
from cyclegan.pages.languages import Language

SIDE = 256
"""Pixels of a drawing's side, as in painter_drawing.js."""
MOST_CHARACTERS = 500_000
"""Of a drawing's data URI: one of noise in the twelve colours has a third of it, by Chromium."""


def painter(
    first: Image.Image,
    examples: Sequence[tuple[Image.Image, str]],
    classes: Sequence[tuple[str, str]],
    labels: Mapping[str, str],
    facade: Callable[[Any], Mapping[str, str]],
    language: Language,
) -> gr.HTML:
    """A painter that begins with a label map of 256x256, and offers examples with their alt texts to begin from; a
    class is its name and what it means. `facade` gives {"png": data URI} for a seed, or says why not as "refusal"."""

    async def facade_of(seed: Any) -> Mapping[str, str]:  # by its name, which Gradio marks: a method does not allow it
        try:
            return await line.run(facade, seed)
        except FullError:
            return {"refusal": texts.BUSY.to(language)}

    return component(
        "draw/painter",
        drawing_value(first),
        needs=["draw/painter_drawing.js"],
        palettes=[PALETTE.tolist(), CMP_BASE_PALETTE.tolist()],
        classes=[{"name": name, "hint": hint} for name, hint in classes],
        examples=[{"src": data_uri(image, exact=True), "alt": alt} for image, alt in examples],
        labels=dict(labels),
        elem_id="painter",
        elem_classes="flush",
        server_functions=[facade_of],
    )


def drawing_value(image: Image.Image) -> dict[str, str]:
    """The value of a painter that shows this label map."""
    return {"png": data_uri(image, exact=True)}


def read_drawing(value: Any) -> Image.Image:
    """The label map in a painter's value, every pixel in a colour of `facades.PALETTE`.

    Raises ImageError where it is none, since everyone can send values.
    """
    png = value.get("png") if isinstance(value, dict) else None
    if not isinstance(png, str) or not png.startswith("data:"):
        raise ImageError("the drawing is no data URI", "format")
    if len(png) > MOST_CHARACTERS:  # whatever size it claims, it is not unpacked
        raise ImageError(f"the drawing has {len(png)} characters; {MOST_CHARACTERS} are enough", "format")
    image = read_picture(ImageData(url=png))
    if image is None or image.size != (SIDE, SIDE):
        raise ImageError(f"the drawing must have {SIDE}x{SIDE} pixels", "format")
    return snap_to_palette(image)
