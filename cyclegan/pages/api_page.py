"""API: examples that programs can be begun with, for the runs that are here."""

from __future__ import annotations

import gradio as gr

from cyclegan.pages import api_texts
from cyclegan.pages.languages import Language, Text, listed
from cyclegan.pages.models import Models

START = """\
from gradio_client import Client, handle_file

app = Client("http://127.0.0.1:7860/")
"""
_EXAMPLES: tuple[tuple[Text, str], ...] = (
    (
        api_texts.TRANSLATE,
        """\
photo = app.predict(handle_file("picture.png"), to={target!r}, method={method!r}, epoch=None, api_name="/translate")
print(photo)  # the path of a PNG""",
    ),
    (
        api_texts.HISTORY,
        """\
frames = app.predict(handle_file("picture.png"), to={target!r}, method={method!r}, api_name="/history")
for frame in frames:
    print(frame["caption"], frame["image"])  # epoch 1 /.../image.png""",
    ),
    (
        api_texts.BATCH,
        """\
files = [handle_file("picture.png"), handle_file("more.zip")]
packed, left_out = app.predict(files, to={target!r}, method={method!r}, epoch=None, api_name="/batch")
print(packed, left_out)  # the path of a zip, and a list of names with reasons""",
    ),
)


def snippets(models: Models) -> list[tuple[Text, str]]:
    """Titles and programs, which use the first run and its first direction."""
    model = models.models[-1]
    route = model.routes[0]
    return [(title, code.format(target=route.target, method=model.title)) for title, code in _EXAMPLES]


def api_page(models: Models, language: Language) -> None:
    """Lay the page out."""
    parts = [api_texts.INTRO.to(language), f"```python\n{START}```"]
    for title, code in snippets(models):
        parts += [f"**{title.to(language)}**", f"```python\n{code}\n```"]
    networks = listed(f"`{model.title}`" for model in models.models)
    gr.Markdown("\n\n".join([*parts, api_texts.CHOICES.format(networks=networks).to(language)]), elem_id="api")
