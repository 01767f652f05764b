"""Components of our own, whose templates, style sheets and scripts lie beside their modules."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

_FOLDER = Path(__file__).parent


def component(name: str, value: Any, *, needs: Sequence[str] = (), **options: Any) -> gr.HTML:
    """The component of NAME.html, NAME.css and NAME.js in this folder, such as "watch/canvas", with further options of
    gr.HTML; `needs`: style sheets and scripts that come before its own."""
    return gr.HTML(
        value,
        html_template=_read(f"{name}.html"),
        css_template="".join(_read(file) for file in [*needs, f"{name}.css"] if file.endswith(".css")),
        js_on_load="".join(_read(file) for file in [*needs, f"{name}.js"] if file.endswith(".js")),
        apply_default_css=False,
        **options,
    )


def _read(file: str) -> str:
    return (_FOLDER / file).read_text(encoding="utf-8")
