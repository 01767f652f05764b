"""The field for a repository on the Hugging Face Hub: load it, see how far it is, cancel, and what went wrong."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import gradio as gr
from gradio.blocks import Block

from cyclegan.hub.repositories import Transfer
from cyclegan.pages.errors import explain
from cyclegan.pages.hub import texts as hub_texts
from cyclegan.pages.hub.runs import HubRuns, Opening
from cyclegan.pages.languages import Language, Text
from cyclegan.pages.sessions import Tasks

POLL = 0.2
"""Seconds between looks at how far it is."""
VISITORS = 16
"""Visitors who may wait for the Hub at a time: waiting costs a thread that sleeps."""
Shown = tuple[int, tuple[str, ...]]
"""Repositories on the page, and a number that makes every loading a change."""

_serial = itertools.count(1)


class HubField:
    """The components, and the handlers that fill them. `shown` holds which repositories the page is to show."""

    def __init__(self, hub: HubRuns, language: Language, addresses: Sequence[str] = ()) -> None:
        """Lay the field out; the addresses are loaded when a visitor comes."""
        self.hub = hub
        self.language = language
        self.addresses = addresses
        with gr.Row(elem_id="hub", equal_height=True):
            self.name = gr.Textbox(
                " ".join(addresses), label=hub_texts.FIELD.to(language), show_label=False, container=False,
                placeholder=hub_texts.PLACEHOLDER.to(language), max_lines=1, min_width=200, elem_id="hub-name",
            )  # fmt: skip
            self.load_button = gr.Button(hub_texts.LOAD.to(language), min_width=90, scale=0, elem_id="hub-load")
            self.cancel_button = gr.Button(
                hub_texts.CANCEL.to(language), visible=False, min_width=90, scale=0, elem_id="hub-cancel"
            )
            self.back_button = gr.Button(
                hub_texts.BACK.to(language), visible=False, min_width=90, scale=0, elem_id="hub-back"
            )
        self.status = gr.Markdown(visible=False, elem_id="hub-status")
        self.shown = gr.State()
        self.loadings = Tasks()

    def connect(self, blocks: gr.Blocks, home: Block) -> None:
        """`home` gives way to what is loaded."""
        outputs = [self.name, self.load_button, self.cancel_button, self.back_button, self.status, self.shown, home]
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        waits: dict[str, Any] = {**quiet, "concurrency_limit": VISITORS, "concurrency_id": "hub"}
        self.load_button.click(self.load, self.name, outputs, **waits)
        self.name.submit(self.load, self.name, outputs, **waits)
        self.cancel_button.click(self.loadings.cancel, None, None, queue=False, **quiet)
        self.back_button.click(self.back, None, outputs, **quiet)
        if self.addresses:
            blocks.load(self.load, self.name, outputs, **waits)

    def load(self, text: str, request: gr.Request) -> Iterator[list[Any]]:
        """Open the repositories that the text names; meanwhile how far they are, at the end the page or what failed."""
        names = list(dict.fromkeys(text.replace(",", " ").split())) or [""]
        if len(names) > self.hub.kept:
            yield self._done((), hub_texts.TOO_MANY.format(count=self.hub.kept).to(self.language))
            return
        openings: list[Opening] = []
        failures: list[Exception] = []
        with self.loadings.begin(request) as goes_on, ExitStack() as left:  # also if the visitor closes the page
            yield self._waiting(hub_texts.ASKING.format(repository=" ".join(names)))
            for name in names:
                try:
                    opening = self.hub.open(name)
                except Exception as error:
                    failures.append(error)
                else:
                    left.callback(self.hub.leave, opening)
                    openings.append(opening)
            for opening in openings:
                told = None
                while not opening.done.wait(POLL):
                    if not goes_on():
                        yield self._done((), "")
                        return
                    if (progress := progress_of(opening.address, opening.transfer)) != told:
                        told = progress
                        yield self._waiting(progress)
        failures += [opening.error for opening in openings if opening.error]
        opened = tuple(opening.address for opening in openings if opening.translator)
        yield self._done(opened, "\n\n".join(explain(error).to(self.language) for error in failures))

    def back(self) -> list[Any]:
        """The page as it was before."""
        hidden, shown = gr.update(visible=False), gr.update(visible=True)
        return [gr.update(value=""), gr.skip(), gr.skip(), hidden, hidden, None, shown]

    def _waiting(self, status: Text) -> list[Any]:
        hidden, shown = gr.update(visible=False), gr.update(visible=True)
        told = gr.update(value=status.to(self.language), visible=True, elem_classes="")
        return [gr.update(interactive=False), hidden, shown, gr.skip(), told, gr.skip(), gr.skip()]

    def _done(self, opened: tuple[str, ...], problems: str) -> list[Any]:
        hidden, visible = gr.update(visible=False), gr.update(visible=True)
        told = gr.update(value=problems, visible=bool(problems), elem_classes="problem")
        if not opened:
            return [gr.update(interactive=True), visible, hidden, gr.skip(), told, gr.skip(), gr.skip()]
        shown: Shown = next(_serial), opened
        return [gr.update(interactive=True), visible, hidden, visible, told, shown, hidden]


def progress_of(what: Text | str, transfer: Transfer) -> Text:
    """Return a line on a download: of what, and how many megabytes have come."""
    if not transfer.total:
        return hub_texts.ASKING.format(repository=what)
    done, total = f"{transfer.done / 1e6:.1f}", f"{transfer.total / 1e6:.1f}"
    return hub_texts.FETCHING.format(repository=what, done=done, total=total)
