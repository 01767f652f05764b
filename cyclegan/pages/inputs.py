"""The visitor's picture: read safely, then made ready for the networks."""

from __future__ import annotations

import base64
import binascii
import io
from abc import ABCMeta
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.component_meta import ComponentMeta
from gradio.data_classes import ImageData
from PIL import Image

from cyclegan.facades.labels import class_indices, colorize, label_palette
from cyclegan.images.io import ImageError, dark_levels, open_image
from cyclegan.pages import texts
from cyclegan.pages.errors import Refusal
from cyclegan.pages.languages import Text
from cyclegan.pages.models import Route

TRANSLATE_PIXELS = 1_500_000
"""Largest picture that is translated; at 256x256 a CPU needs up to a second, and the time grows with the pixels."""
LONGEST_SIDE = TRANSLATE_PIXELS // 256
"""However short the other is: a U-Net computes 256 pixels of it at least."""


class NoStub(ComponentMeta):
    """Makes a component class without the stub file that Gradio would write beside this module."""

    def __new__(cls, name: str, bases: tuple[type, ...], attributes: dict[str, Any]) -> type:
        return ABCMeta.__new__(cls, name, bases, attributes)


class PictureInput(gr.Image, metaclass=NoStub):
    """An image input that no file can harm or confuse: it gives handlers upright 8-bit RGB or raises ImageError.

    The stock component accepts a small file of 121 megapixels, shows 16-bit images white, uncovers hidden colours,
    and its errors show paths of the server. A class of its own, since Gradio remakes the object at every update,
    `gr.skip()` included.
    """

    def get_block_name(self) -> str:
        """Names the code that shows it in the browser: that of the stock component."""
        return "image"

    def preprocess(self, payload: ImageData | None) -> Image.Image | None:
        return read_picture(payload)


def picture_input(value: Image.Image | None = None, **settings: Any) -> PictureInput:
    """An input of upright 8-bit RGB. PNG: a lossy format would move pixels of a label map into other classes.

    Like all inputs it is told to be interactive: in a `gr.render` Gradio 6.31 does not find that out.
    """
    return PictureInput(value, type="pil", format="png", interactive=True, **settings)


def read_picture(payload: ImageData | None) -> Image.Image | None:
    """The picture in an upload or a data URI; its size is checked before anything is decoded.

    Raises ImageError where it cannot be read.
    """
    if payload is None:
        return None
    if payload.url and payload.url.startswith("data:"):
        try:
            content = base64.b64decode(payload.url.partition(",")[2], validate=True)
        except binascii.Error:
            raise ImageError("your picture is no valid data URI", "format") from None
        return open_image(io.BytesIO(content), "your picture")
    return open_image(Path(payload.path or ""), "your picture")


@dataclass(frozen=True)
class Prepared:
    """A picture ready to translate, what was done to it, and whether it seems to belong to the other direction."""

    image: Image.Image
    notes: tuple[Text, ...]
    wrong_way: bool


def prepare(image: Image.Image | None, route: Route, *, max_pixels: int = TRANSLATE_PIXELS) -> Prepared:
    """Shrink what is too large, clean the colours of label maps. Raises Refusal where there is no picture."""
    if image is None:
        raise Refusal(texts.NO_IMAGE)
    before, levels = image, dark_levels(image)
    image = shrink(image, min(max_pixels, route.size**2) if route.size < 256 else max_pixels)
    notes = [shrunk_note(before, image)] if image.size != before.size else []
    if levels:
        notes.append(texts.NEARLY_BLACK.format(low=levels.low, high=levels.high))
    palette = label_palette(image)
    wrong_way = (route.from_labels and palette is None) or (route.to_labels and palette is not None)
    if wrong_way and not levels:
        notes.append(texts.LOOKS_LIKE_PHOTO if palette is None else texts.LOOKS_LIKE_LABELS)
    elif palette is not None and route.from_labels:
        exact = colorize(class_indices(image, palette))
        if exact.tobytes() != image.convert("RGB").tobytes():
            notes.append(texts.SNAPPED)
        image = exact
    return Prepared(image, tuple(notes), wrong_way)


def split_pair(image: Image.Image, route: Route) -> tuple[Image.Image, Image.Image] | None:
    """Picture and truth, where the image is a photo and its label map side by side, as in the files of the dataset."""
    width, height = image.size
    if width != 2 * height or not (route.from_labels or route.to_labels):
        return None
    halves = image.crop((0, 0, height, height)), image.crop((height, 0, width, height))
    labels = [label_palette(half) is not None for half in halves]
    if labels[0] == labels[1]:
        return None
    return halves if labels[0] == route.from_labels else (halves[1], halves[0])


def shrink(image: Image.Image, max_pixels: int = TRANSLATE_PIXELS) -> Image.Image:
    """The image in its own shape with at most `max_pixels`, and no side longer than LONGEST_SIDE; the colours of label
    maps are not mixed."""
    width, height = image.size
    scale = min((max_pixels / (width * height)) ** 0.5, LONGEST_SIDE / max(width, height))
    if scale >= 1:
        return image
    size = max(1, int(width * scale)), max(1, int(height * scale))
    if label_palette(image) is not None:
        return image.resize(size, Image.Resampling.NEAREST)
    return image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3)  # by boxes first where it shrinks a lot


def shrunk_note(before: Image.Image, after: Image.Image) -> Text:
    """What to tell the visitor of a picture that was shrunk."""
    return texts.SHRUNK.format(before=size_text(before.size), after=size_text(after.size))


def size_text(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
