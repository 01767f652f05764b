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
from cyclegan.pages.frames import Frame, computed_frames, noise_frames, sample_epochs, sample_frame, sample_frames
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
        size = "" if small.size == image.size else texts.WATCH_SIZE.format(size=size_text(small.size))
        kept = "" if sampled else self._kept(route)
        return Plan(
            token=f"{fingerprint(small)} {route.label}",
            figures=tuple(Figure(model.title, self._epochs(model, route, sampled)) for model in self.models.models),
            note=" ".join(filter(None, (kept, size, self.models.missing(route)))),
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
        note = f"{texts.WATCH_SAMPLES} {self.models.missing(route)}".strip()
        return Plan(f"samples {route.label}", figures, note, follow=False, frames=tuple(self._newest(route, None)))

    def _is_sampled(self, route: Route) -> bool:
        """Whether every model of the route has drawn samples: half of a stack would be of other epochs."""
        models = self.models.on(route)
        return all(model.drawn_row(route) is not None and sample_epochs(model) for model in models)

    def _shows_samples(self, route: Route) -> bool:
        """Whether the training's samples stand in for the examples that there are not."""
        models = self.models.on(route)
        sampled = all(model.sample_row(route) is not None and sample_epochs(model) for model in models)
        return sampled and not self.examples.on(route)

    def _kept(self, route: Route) -> str:
        """Why an own picture has frames of so few epochs, where examples have more."""
        count = len({epoch for model in self.models.on(route) for epoch in model.translator.epochs})
        if not self.examples.on(route) or not self._is_sampled(route):
            return ""
        return f"{texts.WATCH_KEPT.format(count=count)} {texts.WATCH_EXAMPLES}"

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
