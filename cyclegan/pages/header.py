"""The head of the page: the language, the title, and what the page is about."""

from __future__ import annotations

import gradio as gr

from cyclegan.pages import texts
from cyclegan.pages.examples import Examples
from cyclegan.pages.languages import LANGUAGE_NAMES, LANGUAGE_TAGS, LANGUAGES, Language, Text, sentences
from cyclegan.pages.models import Models

_SWITCH_HTML = """
<nav aria-label="{{title}}">
{{#each value}}
  <a href="./?lang={{this.language}}" data-language="{{this.language}}" lang="{{this.tag}}" hreflang="{{this.tag}}"
    {{#if this.current}}aria-current="page"{{/if}}>{{this.name}}</a>
{{/each}}
</nav>
"""
_SWITCH_CSS = """
nav { display: flex; justify-content: flex-end; gap: 4px; font-size: var(--text-sm); }
a { padding: 4px 10px; border-radius: 8px; color: var(--body-text-color); text-decoration: none; }
a:hover { background: var(--background-fill-secondary); }
a[aria-current] { background: var(--background-fill-secondary); font-weight: 600; }
a:focus-visible { outline: 2px solid var(--color-accent); }
"""
# Other parameters of the address stay, such as ?__theme=dark.
_SWITCH_JS = """
for (const link of element.querySelectorAll('a')) {
  const parameters = new URLSearchParams(location.search);
  parameters.set('lang', link.dataset.language);
  link.search = parameters;
}
"""


def header(models: Models, examples: Examples, language: Language) -> None:
    """Lay it out."""
    with gr.Row(elem_id="header"):
        language_switch(language)
        intro = texts.NOISE_INTRO if models.models and not models.routes else _intro(models, examples)
        gr.Markdown(f"# {texts.TITLE.to(language)}\n{intro.to(language)}", elem_id="intro")


def language_switch(language: Language) -> gr.HTML:
    """Links to the page in every language."""
    links = [
        {"language": each, "tag": LANGUAGE_TAGS[each], "name": LANGUAGE_NAMES[each], "current": each == language}
        for each in LANGUAGES
    ]
    return gr.HTML(
        links,
        html_template=_SWITCH_HTML,
        css_template=_SWITCH_CSS,
        js_on_load=_SWITCH_JS,
        apply_default_css=False,
        title=texts.LANGUAGE.to(language),
        elem_id="languages",
    )


def _intro(models: Models, examples: Examples) -> Text:
    """The methods and examples that are there."""
    translating = models.translating.models
    methods = dict.fromkeys(model.translator.method for model in translating)
    return sentences(
        [
            texts.INTRO_ONE if len(translating) == 1 else texts.INTRO_MANY,
            *(texts.METHOD_INTROS[method] for method in methods),
            texts.INTRO_EXAMPLES if any(map(examples.on, models.routes)) else texts.INTRO_OWN,
        ]
    )
