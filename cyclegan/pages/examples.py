"""The examples: drawn label maps, and the photos that a run generated from them; and the row of thumbnails that shows
them, as real buttons with alt texts."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import gradio as gr
from PIL import Image

from cyclegan.facades.labels import example_facades
from cyclegan.images.io import ImageError, open_image
from cyclegan.pages import texts
from cyclegan.pages.assets import component
from cyclegan.pages.frames import data_uri, sample_epochs, sample_picture
from cyclegan.pages.inputs import shrink
from cyclegan.pages.languages import Language, Text
from cyclegan.pages.models import Model, Models, Route, fingerprint
from cyclegan.runs.examples import example_images

log = logging.getLogger(__name__)

THUMBNAIL_SIZE = 96
"""Side in pixels: sharp at 48 pixels on a screen of double density."""


@dataclass(frozen=True)
class Example:
    """A picture to try, and the answer where it is known."""

    image: Image.Image
    alt: Text
    column: int
    """Its place among the drawn facades, and so its column in sample images."""
    truth: Image.Image | None = None


class Examples:
    """The examples of every route; a route may have none."""

    def __init__(self, by_route: dict[Route, Sequence[Example]]) -> None:
        self._by_route = by_route
        self._by_picture = {
            (route, fingerprint(example.image)): example for route, examples in by_route.items() for example in examples
        }

    @classmethod
    def of(cls, models: Models) -> Examples:
        """Return the examples that runs bring along; else label maps for the routes that were sampled with them, and
        the newest samples for the opposite direction."""
        drawn = example_facades()
        by_route: dict[Route, Sequence[Example]] = {}
        for route in models.routes:
            if own := _brought_along(models, route):
                by_route[route] = own
                continue
            painters = [model for model in models.on(route) if model.drawn_row(route) is not None]
            if not painters:
                continue
            by_route[route] = [
                Example(image, texts.LABELS_ALT.format(number=column + 1), column) for column, image in enumerate(drawn)
            ]
            back = models.reverse(route)
            sampled = [model for model in painters if sample_epochs(model)]
            if back is not None and sampled:
                by_route[back] = _photos(_best_painter(sampled), route, drawn)
        return cls(by_route)

    def on(self, route: Route) -> Sequence[Example]:
        return self._by_route.get(route, ())

    def find(self, image: Image.Image, route: Route) -> Example | None:
        """The example of this route that the image is, pixel for pixel."""
        return self._by_picture.get((route, fingerprint(image)))


def example_picker(examples: Sequence[Example], language: Language) -> gr.HTML:
    """Return the thumbnails of the examples of one route; a click fires `select` with the index."""
    return component(
        "examples",
        thumbnails(examples, language),
        title=texts.EXAMPLES.to(language),
        none=texts.NO_EXAMPLES.to(language),
        elem_id="examples",
    )


def thumbnails(examples: Sequence[Example], language: Language) -> list[dict[str, str]]:
    """Return the value of the picker that shows these examples."""
    size = (THUMBNAIL_SIZE, THUMBNAIL_SIZE)
    return [
        {"src": data_uri(example.image.resize(size, Image.Resampling.LANCZOS)), "alt": example.alt.to(language)}
        for example in examples
    ]


def _brought_along(models: Models, route: Route) -> list[Example]:
    """Return the examples in the folder of the first run of a route that has some; unreadable ones are left out."""
    for model in models.on(route):
        found = []
        for path in example_images(model.translator.run.folder, "a" if model.direction(route) == "ab" else "b"):
            try:
                found.append(shrink(open_image(path)))
            except ImageError as error:
                log.warning("%s is left out of the examples: %s", path, error)
        if found:
            alts = (texts.EXAMPLE_ALT.format(number=number) for number in range(1, len(found) + 1))
            return [Example(image, alt, column) for column, (image, alt) in enumerate(zip(found, alts, strict=True))]
    return []


def _best_painter(models: Sequence[Model]) -> Model:
    """pix2pix where it is there: its pictures keep to the label map, so the label map is their truth."""
    return next((model for model in models if model.translator.method == "pix2pix"), models[0])


def _photos(painter: Model, route: Route, drawn: Sequence[Image.Image]) -> list[Example]:
    epoch = sample_epochs(painter)[-1]
    return [
        Example(
            sample_picture(painter, route, epoch, column),
            texts.PHOTO_ALT.format(title=painter.title, number=column + 1),
            column,
            truth,
        )
        for column, truth in enumerate(drawn)
    ]
