"""API: examples that programs can be begun with, for the runs that are here."""

from __future__ import annotations

import json

import gradio as gr

from cyclegan.pages.draw.page import drawable
from cyclegan.pages.languages import Language, Text, listed
from cyclegan.pages.models import Models
from cyclegan.pages.more import api_texts

ADDRESS = "http://127.0.0.1:7860/"
"""Stands for the address of the page, which the browser alone knows."""
START = f"""\
from gradio_client import Client, handle_file

app = Client("{ADDRESS}")
"""
_EXAMPLES: tuple[tuple[Text, str], ...] = (
    (
        api_texts.TRANSLATE,
        """\
made = app.predict(handle_file("picture.png"), to={target!r}, method={method!r}, epoch=None, api_name="/translate")
print(made)  # the path of a PNG""",
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
    (
        api_texts.ROUND_TRIP,
        """\
trip = app.predict(handle_file("picture.png"), to={target!r}, method={both!r}, api_name="/round_trip")
there, back, error, loss = trip
print(loss)  # the cycle loss""",
    ),
    (
        api_texts.DRAW,
        """\
boxes = [["facade", 20, 40, 236, 256], ["window", 50, 80, 90, 130], ["door", 110, 190, 146, 256]]
drawing, photo = app.predict(boxes, method={drawn!r}, seed=None, api_name="/draw")
print(drawing, photo)  # the paths of two PNGs""",
    ),
)


def snippets(models: Models) -> list[tuple[Text, str]]:
    """Titles and programs that work here: with the last model, for round trips the first that knows both ways, and for
    drawings the last that makes photos of them."""
    model = models.models[-1]
    drawn = drawable(models)
    both = next((each for each in models.models if len(each.routes) > 1), None)
    values = {
        "target": model.routes[0].target,
        "method": model.title,
        "both": both.title if both else "",
        "drawn": models.on(drawn)[-1].title if drawn else "",
    }
    there = {api_texts.ROUND_TRIP: both is not None, api_texts.DRAW: drawn is not None}
    return [(title, code.format(**values)) for title, code in _EXAMPLES if there.get(title, True)]


def api_page(tab: gr.Tab, models: Models, language: Language) -> None:
    """Lay the page out; when the tab is opened, its programs get the address that the page has."""
    parts = [api_texts.INTRO.to(language), f"```\n{START}```"]
    for title, code in snippets(models):
        parts += [f"**{title.to(language)}**", f"```\n{code}\n```"]
    networks = listed(f"`{model.title}`" for model in models.models)
    text = "\n\n".join([*parts, api_texts.CHOICES.format(networks=networks).to(language)])
    shown = gr.Markdown(text, elem_id="api")
    tab.select(
        None, None, shown, js=f"() => {json.dumps(text)}.replace('{ADDRESS}', () => new URL('.', location).href)"
    )
