"""What of the Hub a page waits for before it begins: how far that is, and a button to wait no longer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import gradio as gr
from gradio.components import Component

from cyclegan.hub.repositories import Transfer
from cyclegan.hub.source import HubSource
from cyclegan.pages.hub import texts as hub_texts
from cyclegan.pages.hub.field import VISITORS, progress_of
from cyclegan.pages.languages import Language, Text
from cyclegan.pages.models import Model, Models, Route
from cyclegan.pages.sessions import Tasks


class Fetch(NamedTuple):
    """A network, and how far it is, again and again until it is here; nothing where it lies on this machine."""

    what: Text
    progress: Iterator[Transfer]


def fetch_generator(model: Model, route: Route, epoch: int) -> Fetch:
    """That of a model along a route after an epoch."""
    run = model.translator.run
    source, direction = run.source, model.direction(route)
    progress = source.follow(run, epoch, direction) if isinstance(source, HubSource) else iter(())
    return Fetch(hub_texts.EPOCH_OF.format(repository=run.name, epoch=epoch), progress)


def fetch_discriminators(model: Model) -> list[Fetch]:
    """Those of a model that the Hub has."""
    run = model.translator.run
    if not isinstance(run.source, HubSource) or not run.has_discriminators:
        return []
    what = hub_texts.DISCRIMINATORS_OF.format(repository=run.name)
    return [Fetch(what, run.source.follow_discriminator(run, domain)) for domain in run.judged]


class FetchBar:
    """The line and the button, there while a visitor waits. A page whose runs all lie on this machine has neither."""

    def __init__(self, models: Models, language: Language, name: str) -> None:
        self.language = language
        self._is_needed = any(isinstance(model.translator.run.source, HubSource) for model in models.models)
        self._fetches = Tasks()
        if self._is_needed:
            with gr.Row(visible=False, equal_height=True, elem_id=f"{name}-fetch") as self.row:
                self.status = gr.Markdown(elem_id=f"{name}-fetch-status")
                self.cancel_button = gr.Button(
                    hub_texts.CANCEL.to(language), size="sm", min_width=90, scale=0, elem_id=f"{name}-fetch-cancel"
                )
            self.cancel_button.click(self._fetches.cancel, None, None, queue=False, api_visibility="private")

    def before(
        self,
        listen: Callable[..., Any],
        wanted: Callable[..., Iterable[Fetch]],
        inputs: list[Component],
        *,
        anyway: bool = False,
    ) -> Callable[..., Any]:
        """What to listen to instead of an event: that the networks are here that are `wanted` for the inputs; `anyway`,
        that they are here, or not to be had.

        What begins then holds up nobody else. Who asks for something else meanwhile waits for that.
        """
        if not self._is_needed:
            return listen

        def fetch(request: gr.Request, *values: Any) -> Iterator[list[Any]]:
            yield from self.fetch(request, wanted(*values))

        outputs, quiet = [self.row, self.status], {"api_visibility": "private", "show_progress": "hidden"}
        fetched = listen(
            fetch, inputs, outputs,
            trigger_mode="multiple", concurrency_limit=VISITORS, concurrency_id="hub", **quiet,
        )  # fmt: skip
        fetched.failure(lambda: [gr.update(visible=False), ""], None, outputs, queue=False, **quiet)

        def begin(*handler: Any, **options: Any) -> Any:
            if anyway:  # `then` is silent after a failure
                fetched.failure(*handler, **options)
            return fetched.success(*handler, **options)

        return begin

    def fetch(self, request: gr.Request, wanted: Iterable[Fetch]) -> Iterator[list[Any]]:
        """Report the download of these networks until they are here. Raises an error that nobody sees if the visitor
        waits no longer; the download goes on, for whoever asks next."""
        with self._fetches.begin(request) as goes_on:
            for what, progress in wanted:
                for transfer in progress:
                    if not goes_on():
                        raise gr.Error("", visible=False, print_exception=False)
                    yield [gr.update(visible=True), progress_of(what, transfer).to(self.language)]
            yield [gr.update(visible=False), ""]
