"""The head of the page: the language, the title, and what the page is about."""

from __future__ import annotations

import gradio as gr

from cyclegan.pages import texts
from cyclegan.pages.assets import component
from cyclegan.pages.examples import Examples
from cyclegan.pages.languages import LANGUAGE_NAMES, LANGUAGE_TAGS, LANGUAGES, Language, Text, sentences
from cyclegan.pages.models import Models


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
    return component("language_switch", links, title=texts.LANGUAGE.to(language), elem_id="languages")


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
