"""Watch it learn: one picture, translated by every model after every epoch, under one slider."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import gradio as gr
from gradio.components import Component
from PIL import Image

from cyclegan.pages import texts
from cyclegan.pages.canvas import Figure, Plan, frame_message, frame_stack, plan_message
from cyclegan.pages.curves import curves_of
from cyclegan.pages.errors import friendly
from cyclegan.pages.examples import Examples
from cyclegan.pages.frames import Frame, computed_frames, data_uri, noise_frames, sample_frames, sample_picture
from cyclegan.pages.inputs import prepare, size_text
from cyclegan.pages.models import Model, Models, Route, fingerprint

FRAME_PIXELS = 320 * 320
"""Largest picture that is translated at every epoch: two models, a dozen epochs each, and people wait."""


class WatchPage:
    """The page's component, and the handlers that fill it."""

    def __init__(self, models: Models, examples: Examples) -> None:
        self.models = models
        self.examples = examples
        route = next(iter(models.routes), None)
        first = next(iter(examples.on(route)), None) if route else None
        gr.Markdown(texts.WATCH_INTRO)
        self.stack = frame_stack(
            self.plan(first.image if first else None, route),
            [curves_of(model.translator.run) for model in models.models],
            texts.WATCH_LABELS,
        )

    def connect(self, picture: Component, direction: Component) -> Any:
        """Fill the stack whenever it asks for frames. Returns the event, for others to cancel."""
        return self.stack.wanted(
            self.fill, [picture, direction], self.stack,
            api_visibility="private", show_progress="hidden", trigger_mode="multiple", concurrency_limit=2,
        )  # fmt: skip

    @friendly()
    def announce(self, image: Image.Image | None, direction: str) -> dict[str, Any]:
        """The message that empties the stack and says what will fill it."""
        return plan_message(self.plan(image, self.models.route(direction)))

    def fill(self, image: Image.Image | None, direction: str | None) -> Iterator[dict[str, Any]]:
        """The messages that fill the stack, a frame each."""
        with friendly():
            route = self.models.route(direction) if direction else None
            token = self.plan(image, route).token
            for frame in self.frames(image, route):
                yield frame_message(token, frame)

    def frames(self, image: Image.Image | None, route: Route | None) -> Iterator[Frame]:
        """The frames of a picture: from the samples on disk if it is a drawn example, otherwise computed one by one;
        before them those of the models that need no picture.

        Raises gr.Error where there is no picture and every model needs one.
        """
        from_noise = noise_frames(self.models)
        if route is None or (image is None and not all(model.routes for model in self.models.models)):
            return from_noise
        small = prepare(image, route, max_pixels=FRAME_PIXELS).image
        example = self.examples.find(small, route)
        if example is not None and self._is_sampled(route):
            return chain(from_noise, sample_frames(self.models, route, example.column))
        return chain(from_noise, computed_frames(self.models, route, small))

    def plan(self, image: Image.Image | None, route: Route | None) -> Plan:
        """What `frames` will give for this picture; without one, for the models that need none."""
        if image is None or route is None:
            figures = (Figure(model.title, self._epochs(model, None, False)) for model in self.models.models)
            return Plan("", tuple(figures))
        small = prepare(image, route, max_pixels=FRAME_PIXELS).image
        example = self.examples.find(small, route)
        sampled = example is not None and self._is_sampled(route)
        size = "" if small.size == image.size else texts.WATCH_SIZE.format(size=size_text(small.size))
        return Plan(
            token=f"{fingerprint(small)} {route.label}",
            figures=tuple(Figure(model.title, self._epochs(model, route, sampled)) for model in self.models.models),
            note=" ".join(filter(None, (size, self.models.missing(route)))),
            follow=not sampled,
            frames=tuple(self._newest(route, example.column)) if sampled and example else (),
        )

    def _is_sampled(self, route: Route) -> bool:
        """Whether every model of the route has drawn samples: half of a stack would be of other epochs."""
        models = self.models.on(route)
        return all(model.drawn_row(route) is not None and model.translator.run.sample_epochs for model in models)

    @staticmethod
    def _epochs(model: Model, route: Route | None, sampled: bool) -> tuple[int, ...]:
        if not model.routes:
            return model.translator.run.sample_epochs
        if route not in model.routes:
            return ()
        return model.translator.run.sample_epochs if sampled else model.translator.epochs

    def _newest(self, route: Route, column: int) -> Iterator[Frame]:
        for index, model in enumerate(self.models.models):
            if route in model.routes:
                epoch = model.translator.run.sample_epochs[-1]
                yield Frame(index, epoch, data_uri(sample_picture(model, route, epoch, column)))
