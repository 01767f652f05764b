"""What of the Hub a page waits for before it translates: how far that is, and a button to wait no longer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import gradio as gr
from gradio.components import Component

from cyclegan.hub.source import HubSource
from cyclegan.pages.errors import explained
from cyclegan.pages.hub import texts as hub_texts
from cyclegan.pages.hub.field import VISITORS
from cyclegan.pages.languages import Language
from cyclegan.pages.models import Model, Models, Route

Networks = Iterable[tuple[Model, Route, int]]
"""Generators: of which model, along which route, after which epoch."""


class FetchBar:
    """The line and the button, there while a visitor waits. A page whose runs all lie on this machine has neither."""

    def __init__(self, models: Models, language: Language, name: str) -> None:
        self.language = language
        self._is_needed = any(isinstance(model.translator.run.source, HubSource) for model in models.models)
        self._waiting: dict[str, object] = {}
        """By session, what stands for the fetch that it waits for."""
        if self._is_needed:
            with gr.Row(visible=False, equal_height=True, elem_id=f"{name}-fetch") as self.row:
                self.status = gr.Markdown(elem_id=f"{name}-fetch-status")
                self.cancel_button = gr.Button(
                    hub_texts.CANCEL.to(language), size="sm", min_width=90, scale=0, elem_id=f"{name}-fetch-cancel"
                )
            self.cancel_button.click(self.cancel, None, None, queue=False, api_visibility="private")

    def before(
        self, listen: Callable[..., Any], wanted: Callable[..., Networks], inputs: list[Component]
    ) -> Callable[..., Any]:
        """What to listen to instead of an event: that the generators are here that are `wanted` for the inputs.

        The translation of a visitor then holds up nobody else. Who asks for something else meanwhile waits for that.
        """
        if not self._is_needed:
            return listen

        def fetch(request: gr.Request, *values: Any) -> Iterator[list[Any]]:
            with explained(self.language):
                yield from self.fetch(str(request.session_hash), wanted(*values))

        outputs, quiet = [self.row, self.status], {"api_visibility": "private", "show_progress": "hidden"}
        fetched = listen(
            fetch, inputs, outputs,
            trigger_mode="multiple", concurrency_limit=VISITORS, concurrency_id="hub", **quiet,
        )  # fmt: skip
        fetched.failure(lambda: [gr.update(visible=False), ""], None, outputs, queue=False, **quiet)
        success: Callable[..., Any] = fetched.success
        return success

    def fetch(self, session: str, networks: Networks) -> Iterator[list[Any]]:
        """How far they are until they are here. Raises an error that nobody sees where the session waits no longer."""
        mine = self._waiting[session] = object()
        try:
            for model, route, epoch in networks:
                for transfer in model.fetch(route, epoch):
                    if self._waiting.get(session) is not mine:
                        raise gr.Error("", visible=False, print_exception=False)
                    done, total = f"{transfer.done / 1e6:.1f}", f"{transfer.total / 1e6:.1f}"
                    told = hub_texts.FETCHING_EPOCH.format(
                        repository=model.translator.name, epoch=epoch, done=done, total=total
                    )
                    yield [gr.update(visible=True), told.to(self.language)]
            yield [gr.update(visible=False), ""]
        finally:
            if self._waiting.get(session) is mine:
                del self._waiting[session]

    def cancel(self, request: gr.Request) -> None:
        """Let this visitor wait no longer; what is on its way still comes, for whoever asks next."""
        self._waiting.pop(str(request.session_hash), None)
