"""What all pages share: the direction, the visitor's picture, and the examples; and how each changes the others."""

from __future__ import annotations

from typing import Any

import gradio as gr
from PIL import Image

from cyclegan.pages import texts
from cyclegan.pages.examples import Examples, example_picker, thumbnails
from cyclegan.pages.inputs import picture_input, shrink, shrunk_note, split_pair
from cyclegan.pages.languages import Language, sentences
from cyclegan.pages.models import Models
from cyclegan.pages.translate.translations import Translation


class InputColumn:
    """The components left of the pages, and the handlers behind them."""

    def __init__(self, models: Models, examples: Examples, language: Language) -> None:
        self.models = models
        self.examples = examples
        self.language = language
        first = models.routes[0]
        offered = examples.on(first)
        directions = [(route.label.to(language), route.name) for route in models.routes]
        self.direction = gr.Radio(
            directions, value=first.name, label=texts.DIRECTION.to(language), interactive=True,
            elem_id="direction",
        )  # fmt: skip
        self.picture = picture_input(
            offered[0].image if offered else None,
            label=texts.YOUR_PICTURE.to(language),
            alt_text=texts.YOUR_PICTURE_ALT.to(language),
            placeholder=texts.UPLOAD_PLACEHOLDER.to(language),
            sources=["upload", "clipboard"],
            buttons=[],
            height=280,
            elem_id="picture",
        )
        self.shrunk = gr.Markdown(visible=False, elem_id="shrunk")
        self.note = gr.Markdown(visible=False, elem_id="note")
        self.switch = gr.Button(visible=False, size="sm", elem_id="switch")
        self.picker = example_picker(offered, language)

    def accept(
        self, image: Image.Image | None, direction: str
    ) -> tuple[Image.Image | None, Image.Image | None, dict[str, Any]]:
        """An upload, not larger than it will be translated, as the networks see it: upright, alpha over white; of a
        pair one half, and the other one as its truth."""
        if image is None:
            return None, None, gr.update(visible=False)
        notes, truth = [], None
        pair = split_pair(image, self.models.route(direction))
        if pair is not None:
            (image, truth), notes = pair, [texts.PAIR]
        small = shrink(image)
        if small.size != image.size:
            notes.append(shrunk_note(image, small))
        return small, truth, gr.update(value=sentences(notes).to(self.language), visible=bool(notes))

    def accept_truth(self, truth: Image.Image | None) -> Image.Image | None:
        """A truth, not larger than the picture can be."""
        return shrink(truth) if truth else None

    def choose(self, direction: str, event: gr.EventData) -> tuple[Image.Image, None, Any]:
        """The example that was clicked; a visitor's truth is not its own."""
        example = self.examples.on(self.models.route(direction))[int(event.index)]
        return example.image, None, gr.update(visible=False)

    def turn(
        self, image: Image.Image | None, direction: str, truth: Image.Image | None = None
    ) -> tuple[Any, Any, list[dict[str, str]]]:
        """After the direction was changed: its examples; an example gives way to that of the same building, and a
        picture to its truth."""
        route = self.models.route(direction)
        examples = self.examples.on(route)
        if image is not None and truth is not None:
            return truth, image, thumbnails(examples, self.language)
        column = self._example_column(image)
        fitting = next((example.image for example in examples if example.column == column), None)
        return (gr.skip() if fitting is None else fitting), None, thumbnails(examples, self.language)

    def turn_back(self, direction: str) -> tuple[str, list[dict[str, str]]]:
        """The other direction and its examples, for a picture that belongs there."""
        route = self.models.route(direction)
        back = self.models.reverse(route) or route
        return back.name, thumbnails(self.examples.on(back), self.language)

    def hints(self, translation: Translation | None) -> list[Any]:
        """New values for `note` and `switch`: what to know of the picture, and the way out of a wrong direction."""
        if translation is None:
            return [gr.update(visible=False), gr.update(visible=False)]
        prepared, back = translation.prepared, self.models.reverse(translation.route)
        label = texts.SWITCH_TO.format(route=back.label).to(self.language) if back else ""
        return [
            gr.update(value=sentences(translation.notes).to(self.language), visible=bool(translation.notes)),
            gr.update(value=label, visible=prepared.wrong_way and back is not None),
        ]

    def _example_column(self, image: Image.Image | None) -> int | None:
        """Which of the drawn facades the picture shows, if it is an example of any direction; the first without one."""
        if image is None:
            return 0
        found = (self.examples.find(image, route) for route in self.models.routes)
        return next((example.column for example in found if example), None)
