"""Visitors' sessions: the newest task of each, and what a visitor is told whose session Gradio has forgotten."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import gradio as gr
from starlette.requests import Request
from starlette.responses import JSONResponse

from cyclegan.pages import texts
from cyclegan.pages.language_choice import preferred

log = logging.getLogger(__name__)

CALLS = ("/queue/join", "/run/predict", "/component_server/")
"""Where pages call handlers, and what belongs to a component, by numbers."""


class Tasks:
    """The newest task of each session: a task ends when it is no longer that, since a newer one began or the visitor
    cancelled it.

    Gradio's `cancels` may not end it: such a call that comes late ends the next task as well, without a word.
    """

    def __init__(self) -> None:
        self._newest: dict[str, object] = {}

    @contextmanager
    def begin(self, request: gr.Request) -> Iterator[Callable[[], bool]]:
        """Begin a task, and end that of before. The result tells whether this one goes on."""
        session, task = str(request.session_hash), object()
        self._newest[session] = task
        try:
            yield lambda: self._newest.get(session) is task
        finally:
            if self._newest.get(session) is task:
                del self._newest[session]

    def cancel(self, request: gr.Request) -> None:
        """End the task of this visitor."""
        self._newest.pop(str(request.session_hash), None)


async def explain_forgotten(request: Request, error: Exception) -> JSONResponse:
    """The answer to a call of a handler that is not there, such as that of a page with runs of the Hub, which was built
    for one session alone; Gradio raises a KeyError with the number, and its page shows what the answer says."""
    if not (request.url.path.endswith(CALLS) and error.args and isinstance(error.args[0], int)):
        raise error
    log.info("a page was asked to reload: it has handler %s of a session that was forgotten", error.args[0])
    text = texts.FORGOTTEN.to(preferred(request.headers.get("accept-language", "")))
    return JSONResponse({"detail": text}, status_code=410)
