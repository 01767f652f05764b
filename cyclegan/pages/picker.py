"""The row of example thumbnails: real buttons with alt texts, a click fires `select` with the index."""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr
from PIL import Image

from cyclegan.pages import texts
from cyclegan.pages.examples import Example
from cyclegan.pages.frames import data_uri
from cyclegan.pages.languages import Language

THUMBNAIL_SIZE = 96
"""Side in pixels: sharp at 48 pixels on a screen of double density."""

_HTML = """
<div class="title">{{title}}</div>
<div class="row">
{{#each value}}
  <button type="button" data-index="{{@index}}"><img src="{{this.src}}" alt="{{this.alt}}"></button>
{{else}}<span>{{none}}</span>{{/each}}
</div>
"""
_CSS = """
.title { margin-bottom: 6px; color: var(--block-label-text-color); font-size: var(--text-sm); }
.row { display: grid; grid-template-columns: repeat(auto-fill, minmax(56px, 1fr)); gap: 8px; }
@media (max-width: 640px) { .row { grid: auto / auto-flow 56px; overflow-x: auto; } }
.row span { grid-column: 1 / -1; font-size: var(--text-sm); }
button { padding: 0; border: 2px solid transparent; border-radius: 8px; line-height: 0; cursor: pointer; }
button:hover, button:focus-visible { border-color: var(--color-accent); }
img { width: 100%; aspect-ratio: 1; border-radius: 6px; object-fit: cover; }
"""
_JS = """
element.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (button) trigger('select', { index: Number(button.dataset.index) });
});
"""


def example_picker(examples: Sequence[Example], language: Language) -> gr.HTML:
    """Thumbnails of the examples of one route."""
    return gr.HTML(
        thumbnails(examples, language),
        html_template=_HTML,
        css_template=_CSS,
        js_on_load=_JS,
        apply_default_css=False,
        title=texts.EXAMPLES.to(language),
        none=texts.NO_EXAMPLES.to(language),
        elem_id="examples",
    )


def thumbnails(examples: Sequence[Example], language: Language) -> list[dict[str, str]]:
    """The value of the picker that shows these examples."""
    size = (THUMBNAIL_SIZE, THUMBNAIL_SIZE)
    return [
        {"src": data_uri(example.image.resize(size, Image.Resampling.LANCZOS)), "alt": example.alt.to(language)}
        for example in examples
    ]
