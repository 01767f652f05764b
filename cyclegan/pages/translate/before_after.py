"""Two pictures, one over the other, and a divider between them that mouse, finger and keyboard move.

Gradio's own `ImageSlider` knows the mouse only. Its value is what `pictures` gives, or None. The pictures keep every
pixel: they are files that Gradio serves.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr
from PIL import Image

from cyclegan.pages import texts
from cyclegan.pages.assets import component
from cyclegan.pages.languages import Language
from cyclegan.pages.translate import texts as translate_texts


def before_after(value: dict[str, Any] | None, title: str, language: Language, elem_id: str) -> gr.HTML:
    """The component; `title` names who made the picture after."""
    return component(
        "translate/before_after",
        value,
        before=texts.YOUR_PICTURE.to(language),
        after=translate_texts.PICTURE_BY.format(title=title).to(language),
        divider=translate_texts.DIVIDER.format(title=title).to(language),
        fullscreen=texts.GRADIO_WORDS["Fullscreen"].to(language),
        elem_id=elem_id,
        elem_classes="flush",
    )


def pictures(before: Path, after: Path, image: Image.Image) -> dict[str, Any]:
    """The value that shows two files in Gradio's cache, both of the size of an image."""
    return {"before": _address(before), "after": _address(after), "width": image.width, "height": image.height}


def _address(path: Path) -> str:
    """Relative to the page, wherever the app is mounted."""
    return f"gradio_api/file={quote(path.as_posix())}"
