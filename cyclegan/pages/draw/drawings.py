"""Drawings: label maps of facades that the painter of the page sends, or that programs describe by boxes."""

from __future__ import annotations

from typing import Any

import numpy as np
from gradio.data_classes import ImageData
from PIL import Image

from cyclegan.facades.labels import CLASSES, class_indices, colorize, draw_facade, snap_to_palette
from cyclegan.images.io import ImageError
from cyclegan.pages.draw import texts as draw_texts
from cyclegan.pages.errors import Refusal
from cyclegan.pages.frames import data_uri
from cyclegan.pages.inputs import read_picture
from cyclegan.pages.languages import listed

SIDE = 256
"""Pixels of a drawing's side, as in painter_drawing.js."""
MOST_CHARACTERS = 500_000
"""Of a drawing's data URI: one of noise in the twelve colours has a third of it, by Chromium."""
LARGEST_SEED = 999_999


def drawing_value(image: Image.Image) -> dict[str, str]:
    """Return the value of a painter that shows this label map."""
    return {"png": data_uri(image, exact=True)}


def read_drawing(value: Any) -> Image.Image:
    """Return the label map in a painter's value, every pixel in a colour of `facades.PALETTE`.

    Raises ImageError if it is none, since everyone can send values.
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


def drawn_facade(seed: Any) -> Image.Image:
    """Return `draw_facade` of a seed that anyone may have sent. Raises Refusal if it is none."""
    if not isinstance(seed, int) or not 0 <= seed <= LARGEST_SEED:
        raise Refusal(draw_texts.BAD_SEED.format(limit=LARGEST_SEED))
    return draw_facade(seed, size=SIDE)


def paint_boxes(boxes: Any, ground: Image.Image | None = None) -> Image.Image:
    """Return a label map of boxes, each over those before it, on another label map of 256x256 or on the background.

    A box is [class name, left, top, right, bottom], in pixels of 0..256. Raises Refusal if one is none.
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
