"""What a visitor reads when too many others are waiting."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from cyclegan.pages import texts
from cyclegan.pages.language_choice import PATHS
from cyclegan.pages.languages import Language

MOST_WAITING = 64
"""Calls that wait at most, of all visitors together; at about six answers a second on two cores, ten seconds."""


class BusyMessage:
    """ASGI middleware: says in the visitor's language that the app is busy.

    Gradio refuses with status 503, for which its page has one English sentence; of any other status it shows what the
    server says. Programs, which send no referrer, still get the 503 that Gradio's client understands.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        referrer = dict(scope.get("headers", ())).get(b"referer", b"").decode("latin-1")
        if not scope.get("path", "").endswith("/queue/join") or not referrer:
            await self.app(scope, receive, send)
            return
        refused = False

        async def told(message: dict[str, Any]) -> None:
            nonlocal refused
            if message["type"] == "http.response.start" and message["status"] == 503:
                refused = True
                await _answer(send, _page_language(referrer))
            if not refused:
                await send(message)

        await self.app(scope, receive, told)


def _page_language(referrer: str) -> Language:
    last = urlsplit(referrer).path.rstrip("/").rpartition("/")[2]
    return next((language for language, path in PATHS.items() if path and path == last), "en")


async def _answer(send: Any, language: Language) -> None:
    body = json.dumps({"detail": texts.BUSY.to(language)}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 429, "headers": headers})
    await send({"type": "http.response.body", "body": body})
