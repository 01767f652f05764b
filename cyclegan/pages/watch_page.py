"""Watch it learn: one picture, translated by every model after every epoch, under one slider."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import gradio as gr
from gradio.components import Component
from PIL import Image

from cyclegan.pages import watch_texts
from cyclegan.pages.canvas import Figure, Plan, frame_message, frame_stack, plan_message
from cyclegan.pages.curves import curves_of
from cyclegan.pages.errors import explained, friendly
from cyclegan.pages.examples import Examples
from cyclegan.pages.frames import Frame, computed_frames, noise_frames, sample_epochs, sample_frame, sample_frames
from cyclegan.pages.inputs import prepare, size_text
from cyclegan.pages.languages import Language, Text, sentences, translated
from cyclegan.pages.models import Model, Models, Route, fingerprint

FRAME_PIXELS = 320 * 320
"""Largest picture that is translated at every epoch: two models, a dozen epochs each, and people wait."""


class WatchPage:
    """The page's component, and the handlers that fill it."""

    def __init__(self, models: Models, examples: Examples, language: Language) -> None:
        self.models = models
        self.language = language
        self.examples = examples
        route = next(iter(models.routes), None)
        first = next(iter(examples.on(route)), None) if route else None
        gr.Markdown(watch_texts.INTRO.to(language))
        self.stack = frame_stack(
            self.plan(first.image if first else None, route),
            [curves_of(model.translator.run, language) for model in models.models],
            translated(watch_texts.LABELS, language),
        )

    def connect(self, picture: Component, direction: Component) -> Any:
        """Fill the stack whenever it asks for frames. Returns the event, for others to cancel."""
        return self.stack.wanted(
            self.fill, [picture, direction], self.stack,
            api_visibility="private", show_progress="hidden", trigger_mode="multiple", concurrency_limit=2,
        )  # fmt: skip

    @friendly
    def announce(self, image: Image.Image | None, direction: str) -> dict[str, Any]:
        """The message that empties the stack and says what will fill it."""
        return plan_message(self.plan(image, self.models.route(direction)))

    def fill(self, image: Image.Image | None, direction: str | None) -> Iterator[dict[str, Any]]:
        """The messages that fill the stack, a frame each."""
        with explained(self.language):
            route = self.models.route(direction) if direction else None
            token = self.plan(image, route).token
            for frame in self.frames(image, route):
                yield frame_message(token, frame)

    def frames(self, image: Image.Image | None, route: Route | None) -> Iterator[Frame]:
        """The frames of a picture: from the samples on disk if it is a drawn example, otherwise computed one by one;
        before them those of the models that need no picture.

        Without a picture those of the training's samples, where they stand in for examples.
        """
        from_noise = noise_frames(self.models)
        if image is None or route is None:
            samples = sample_frames(self.models, route, None) if route and self._shows_samples(route) else ()
            return chain(from_noise, samples)
        small = prepare(image, route, max_pixels=FRAME_PIXELS).image
        example = self.examples.find(small, route)
        if example is not None and self._is_sampled(route):
            return chain(from_noise, sample_frames(self.models, route, example.column))
        return chain(from_noise, computed_frames(self.models, route, small))

    def plan(self, image: Image.Image | None, route: Route | None) -> Plan:
        """What `frames` will give for this picture; an empty plan where that is nothing."""
        if image is None or route is None:
            return self._plan_without_picture(route)
        small = prepare(image, route, max_pixels=FRAME_PIXELS).image
        example = self.examples.find(small, route)
        sampled = example is not None and self._is_sampled(route)
        notes = [] if sampled else self._kept(route)
        if small.size != image.size:
            notes.append(watch_texts.SIZE.format(size=size_text(small.size)))
        return Plan(
            token=f"{fingerprint(small)} {route.name}",
            figures=tuple(Figure(model.title, self._epochs(model, route, sampled)) for model in self.models.models),
            note=sentences([*notes, *self.models.missing(route)]).to(self.language),
            follow=not sampled,
            frames=tuple(self._newest(route, example.column)) if sampled and example else (),
        )

    def _plan_without_picture(self, route: Route | None) -> Plan:
        """The samples of models that need no picture; of all, where there are no examples to choose."""
        shown = route is not None and self._shows_samples(route)
        figures = tuple(
            Figure(model.title, self._epochs(model, route if shown else None, True)) for model in self.models.models
        )
        if route is None or not shown:
            return Plan("", figures)
        note = sentences([watch_texts.SAMPLES, *self.models.missing(route)]).to(self.language)
        return Plan(f"samples {route.name}", figures, note, follow=False, frames=tuple(self._newest(route, None)))

    def _is_sampled(self, route: Route) -> bool:
        """Whether every model of the route has drawn samples: half of a stack would be of other epochs."""
        models = self.models.on(route)
        return all(model.drawn_row(route) is not None and sample_epochs(model) for model in models)

    def _shows_samples(self, route: Route) -> bool:
        """Whether the training's samples stand in for the examples that there are not."""
        models = self.models.on(route)
        sampled = all(model.sample_row(route) is not None and sample_epochs(model) for model in models)
        return sampled and not self.examples.on(route)

    def _kept(self, route: Route) -> list[Text]:
        """Why an own picture has frames of so few epochs, where examples have more."""
        count = len({epoch for model in self.models.on(route) for epoch in model.translator.epochs})
        if not self.examples.on(route) or not self._is_sampled(route):
            return []
        return [watch_texts.KEPT.format(count=count), watch_texts.EXAMPLES]

    @staticmethod
    def _epochs(model: Model, route: Route | None, sampled: bool) -> tuple[int, ...]:
        if not model.routes:
            return sample_epochs(model)
        if route not in model.routes:
            return ()
        return sample_epochs(model) if sampled else model.translator.epochs

    def _newest(self, route: Route, column: int | None) -> Iterator[Frame]:
        for index, model in enumerate(self.models.models):
            if route in model.routes:
                yield sample_frame(self.models, index, route, sample_epochs(model)[-1], column)
