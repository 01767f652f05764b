"""What a visitor is told whom Gradio has forgotten: it remembers the latest sessions only."""

from __future__ import annotations

import logging

from starlette.requests import Request
from starlette.responses import JSONResponse

from cyclegan.pages import texts
from cyclegan.pages.language_choice import preferred

log = logging.getLogger(__name__)

CALLS = ("/queue/join", "/run/predict", "/component_server/")
"""Where pages call handlers, and what belongs to a component, by numbers."""


async def explain_forgotten(request: Request, error: Exception) -> JSONResponse:
    """The answer to a call of a handler that is not there, such as that of a page with runs of the Hub, which was built
    for one session alone; Gradio raises a KeyError with the number, and its page shows what the answer says."""
    if not (request.url.path.endswith(CALLS) and error.args and isinstance(error.args[0], int)):
        raise error
    log.info("a page was asked to reload: it has handler %s of a session that was forgotten", error.args[0])
    text = texts.FORGOTTEN.to(preferred(request.headers.get("accept-language", "")))
    return JSONResponse({"detail": text}, status_code=410)
