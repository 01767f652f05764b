"""How large a request may be: more is refused, so that no stranger fills the memory."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, PlainTextResponse

from cyclegan.pages import texts
from cyclegan.pages.language_choice import preferred
from cyclegan.pages.more.batch import MAX_MEGABYTES

MOST = 250_000
"""Bytes of any other request: Gradio keeps the last value of each input of each session. A drawing of the page has
170 kB at most; a picture as a data URI may have 180 kB, larger ones are uploaded first."""
MOST_OF_ASSISTANTS = 14 * 10**6
"""Bytes of a request by the Model Context Protocol, which knows no uploads: a picture of 10 MB as a data URI. Gradio
writes that to a file."""
MOST_UPLOADED = 5 * MAX_MEGABYTES * 10**6 // 4
"""Bytes of all files that are uploaded at once: a quarter more than a batch takes, so that its page can say how much
that is."""

UPLOADS = "/gradio_api/upload"
ASSISTANTS = "/gradio_api/mcp"
CLOSED = re.compile(
    r"/pwa_icon/(?!(192|512)/?$)"  # sizes that no manifest names: Gradio makes an image of any size
    r"|(/gradio_api)?/(file=https?:|deep_link|dev/)",
    re.IGNORECASE,
)
"""What Gradio offers and the app has no use for: icons of any size, other servers' files under the app's own address,
copies of sessions on disk, and the reload of developers."""


class RequestLimits:
    """ASGI middleware: refuses bodies that are too large (413), by their header or as soon as they are.

    FastAPI's own `max_body_size` is the same for uploads and all else.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path, headers = scope["path"].removeprefix(scope.get("root_path", "")), Headers(scope=scope)
        if CLOSED.match(path):
            await PlainTextResponse("Not Found", 404)(scope, receive, send)
            return
        most, text = MOST, texts.UPLOAD_FIRST
        if path == UPLOADS:
            most, text = MOST_UPLOADED, texts.TOO_MUCH
        elif path.startswith(ASSISTANTS):
            most, text = MOST_OF_ASSISTANTS, texts.TOO_MUCH
        refusal = text.format(limit=f"{most / 10**6:g}").to(preferred(headers.get("accept-language", "")))
        if int(headers.get("content-length", 0)) > most:
            await JSONResponse({"detail": refusal}, 413)(scope, receive, send)
            return
        size = 0

        async def counted() -> Any:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > most:
                raise HTTPException(413, refusal)
            return message

        with suppress(ClientDisconnect):  # an upload that was broken off: nothing that the log has to tell
            await self.app(scope, counted, send)
