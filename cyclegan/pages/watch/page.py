"""Watch it learn: one picture, translated by every model after every epoch, under one slider."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import Any

import gradio as gr
from gradio.components import Component
from PIL import Image

from cyclegan.pages import texts
from cyclegan.pages.errors import Refusal, warn
from cyclegan.pages.examples import Examples
from cyclegan.pages.frames import (
    Frame,
    Places,
    computed_frames,
    noise_frames,
    sample_epochs,
    sample_frame,
    sample_frames,
)
from cyclegan.pages.inputs import prepare, size_text
from cyclegan.pages.languages import Language, Text, sentences, translated
from cyclegan.pages.models import Model, Models, Route, fingerprint
from cyclegan.pages.sessions import Tasks
from cyclegan.pages.watch import texts as watch_texts
from cyclegan.pages.watch.canvas import Figure, Plan, frame_message, frame_stack, movie_message, plan_message
from cyclegan.pages.watch.curves import plots_of
from cyclegan.pages.watch.follow import FOLLOW_SECONDS, Stamps, has_ended, is_learning, newly_gone, stamps
from cyclegan.pages.watch.movies import formats, movie, places
from cyclegan.runs.scores import best_epoch

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
        self._built = stamps(models)
        self._fills = Tasks()
        self.stack = frame_stack(
            self._with_plots(self.plan(first.image if first else None, route)),
            translated(watch_texts.LABELS, language),
            formats(),
        )

    def connect(self, picture: Component, direction: Component) -> None:
        """Fill the stack whenever it asks for frames, and save movies."""
        source = [picture, direction]
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        saved = self.stack.save(self.save, source, self.stack, **quiet)
        saved.failure(self.give_up, None, self.stack, queue=False, **quiet)
        self.stack.wanted(self.fill_missing, source, self.stack, trigger_mode="multiple", concurrency_limit=2, **quiet)

    def follow(self, blocks: gr.Blocks, picture: Component, direction: Component) -> gr.State | None:
        """Look every few seconds whether a run that is being trained has a new epoch, and show it. Returns what changes
        when it has, for other pages to listen to; None where no run is being trained: then nobody ever looks."""
        self._followed = [model for model in self.models.models if is_learning(model)]
        if not self._followed:
            return None
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        timer = gr.Timer(FOLLOW_SECONDS)
        seen = gr.State(self._built)
        for look in (blocks.load, timer.tick):
            look(self.look, seen, [seen, timer], trigger_mode="once", concurrency_limit=8, **quiet)
        seen.change(self.grow, [picture, direction], self.stack, trigger_mode="always_last", **quiet)
        return seen

    def look(self, seen: Stamps) -> Any:
        """What the folders of the runs look like, where that has changed, and whether to look again."""
        now = stamps(self.models)
        if now == seen:
            return gr.skip()
        for model in newly_gone(self.models, seen):
            warn(texts.RUN_GONE.format(title=model.title), self.language)
        return now, gr.Timer(active=not all(has_ended(model) for model in self._followed))

    def grow(self, image: Image.Image | None, direction: str | None) -> dict[str, Any]:
        """The message that adds the epochs that are new, and all curves."""
        route = self.models.route(direction) if direction else None
        return plan_message(self._with_plots(self.plan(image, route)))

    def save(self, image: Image.Image | None, direction: str | None, event: gr.EventData) -> dict[str, Any]:
        """The message with a movie of all epochs."""
        kind = next((each for each in formats() if each == getattr(event, "format", None)), formats()[0])
        route = self.models.route(direction) if direction else None
        figures = self.plan(image, route).figures
        frames = list(self.frames(image, route, places([figure.epochs for figure in figures])))
        if not frames:
            raise Refusal(texts.NO_IMAGE)
        name = f"{route.target if route else self.models.models[0].translator.name}-epochs.{kind}"
        return movie_message(name, movie(frames, [figure.title for figure in figures], kind))

    @staticmethod
    def give_up() -> dict[str, Any]:
        """The message that there will be no movie."""
        return movie_message("", b"")

    def announce(self, image: Image.Image | None, direction: str, request: gr.Request | None = None) -> dict[str, Any]:
        """The message that empties the stack and says what will fill it; the session's fill of before ends. With the
        curves: Gradio makes a tab when it is opened, and then this may be the first message that it gets."""
        if request:
            self._fills.cancel(request)
        return plan_message(self._with_plots(self.plan(image, self.models.route(direction))))

    def fill_missing(
        self, image: Image.Image | None, direction: str | None, event: gr.EventData, request: gr.Request
    ) -> Iterator[dict[str, Any]]:
        """The messages with the frames that the stack asks for, until it asks for others, or another picture comes."""
        try:
            wanted = {(int(model), int(epoch)) for model, epoch in event.frames}
        except (AttributeError, TypeError, ValueError):
            wanted = set()
        with self._fills.begin(request) as goes_on:
            for message in self.fill(image, direction, wanted):
                if not goes_on():
                    return
                yield message

    def fill(
        self, image: Image.Image | None, direction: str | None, wanted: Places | None = None
    ) -> Iterator[dict[str, Any]]:
        """The messages that fill the stack, a frame each; all of them, or those wanted."""
        route = self.models.route(direction) if direction else None
        token = self.plan(image, route).token
        for frame in self.frames(image, route, wanted):
            yield frame_message(token, frame)

    def frames(self, image: Image.Image | None, route: Route | None, wanted: Places | None = None) -> Iterator[Frame]:
        """The frames of a picture: from the samples on disk if it is a drawn example, otherwise computed one by one;
        before them those of the models that need no picture. All of them, or those wanted.

        Without a picture those of the training's samples, where they stand in for examples.
        """
        from_noise = noise_frames(self.models, wanted)
        if image is None or route is None:
            samples = sample_frames(self.models, route, None, wanted) if route and self._shows_samples(route) else ()
            return chain(from_noise, samples)
        small = prepare(image, route, max_pixels=FRAME_PIXELS).image
        example = self.examples.find(small, route)
        if example is not None and self._is_sampled(route):
            return chain(from_noise, sample_frames(self.models, route, example.column, wanted))
        return chain(from_noise, computed_frames(self.models, route, small, wanted))

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
            figures=tuple(self._figure(model, route, sampled) for model in self.models.models),
            note=sentences([*notes, *self.models.missing(route)]).to(self.language),
            follow=not sampled,
            frames=tuple(self._opening(route, example.column)) if sampled and example else (),
        )

    def _plan_without_picture(self, route: Route | None) -> Plan:
        """The samples of models that need no picture; of all, where there are no examples to choose."""
        shown = route is not None and self._shows_samples(route)
        figures = tuple(self._figure(model, route if shown else None, True) for model in self.models.models)
        if route is None or not shown:
            return Plan("" if self.models.routes else "noise", figures)
        note = sentences([watch_texts.SAMPLES, *self.models.missing(route)]).to(self.language)
        return Plan(f"samples {route.name}", figures, note, follow=False, frames=tuple(self._opening(route, None)))

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

    def _with_plots(self, plan: Plan) -> Plan:
        plots = (plots_of(model.translator.run, model.title, self.language) for model in self.models.models)
        return replace(plan, plots=tuple(map(tuple, plots)))

    @staticmethod
    def _figure(model: Model, route: Route | None, sampled: bool) -> Figure:
        run = model.translator.run
        if not model.routes:
            return Figure(model.title, sample_epochs(model), run.epochs, best_epoch(run, run.directions[0]))
        if route is None or route not in model.routes:
            return Figure(model.title, ())
        epochs = sample_epochs(model) if sampled else run.epochs
        return Figure(model.title, epochs, run.epochs, best_epoch(run, model.direction(route)))

    def _opening(self, route: Route, column: int | None) -> Iterator[Frame]:
        for index, model in enumerate(self.models.models):
            if route in model.routes:
                epochs, best = sample_epochs(model), best_epoch(model.translator.run, model.direction(route))
                yield sample_frame(self.models, index, route, best if best in epochs else epochs[-1], column)
