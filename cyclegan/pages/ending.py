"""The end of the app: visitors who wait get their pictures, new ones are told that it is busy."""

from __future__ import annotations

import re
from typing import Any

from starlette.responses import JSONResponse

from cyclegan.pages import texts

CALLS = re.compile(r"/gradio_api/(queue/join|call/.*|component_server)/?")
"""What a call is sent to."""
ANSWERS = re.compile(r"/gradio_api/(queue/data|call/.*|component_server/?|file=.*)")
"""Where its answer, and the files of that, are fetched."""


class Ending:
    """Whether the app is about to end, and how many answers are on their way."""

    def __init__(self) -> None:
        self.begun = False
        self.answers = 0


class RefuseWhenEnding:
    """ASGI middleware: counts answers that are waited for, and refuses new calls (503) when the app is about to end."""

    def __init__(self, app: Any, ending: Ending) -> None:
        self.app = app
        self.ending = ending

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        if self.ending.begun and scope.get("method") == "POST" and CALLS.fullmatch(path):
            await JSONResponse({"detail": texts.BUSY.en}, 503)(scope, receive, send)
            return
        waited_for = bool(ANSWERS.fullmatch(path))
        self.ending.answers += waited_for
        try:
            await self.app(scope, receive, send)
        finally:
            self.ending.answers -= waited_for
