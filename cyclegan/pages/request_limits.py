"""How large a request may be, and how long a client may keep the server waiting: more is refused, so that no stranger
fills the memory, or the list of connections, with next to nothing."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import uvicorn
from starlette.requests import ClientDisconnect

from cyclegan.pages import texts
from cyclegan.pages.language_choice import preferred
from cyclegan.pages.languages import Text
from cyclegan.pages.more.batch import MAX_MEGABYTES

PATIENCE = 20.0
"""Seconds that a client may keep the server waiting for a request's head, and for its body; as Apache's
mod_reqtimeout."""
RATE = 2000.0
"""Bytes of a body that give its client a second back, up to PATIENCE; a mobile line at 64 kbit/s, which is what many
are slowed down to, carries 8000."""
UNREAD = 60.0
"""Seconds for which a client may take nothing of an answer that waits for it; as nginx, whose downloads may be paused
for as long, too."""
MOST = 16 * 10**6
"""Bytes of a request other than an upload, all of which Gradio holds in memory, several times. A drawing has 70 kB at
most; programs may send a picture as a data URI, 13.4 MB for the 10 MB that an upload may have."""
MOST_UPLOADED = 5 * MAX_MEGABYTES * 10**6 // 4
"""Bytes of all files that are uploaded at once: a quarter more than a batch takes, whose page tells those who are a
little above."""

UPLOADS = "/gradio_api/upload"


class RequestLimits:
    """ASGI middleware: refuses bodies that are too large (413) or come too slowly (408).

    Counted is only the time for which the app waits for the client. FastAPI's own `max_body_size` is the same for
    uploads and all else.
    """

    def __init__(
        self,
        app: Any,
        *,
        patience: float = PATIENCE,
        rate: float = RATE,
        most: int = MOST,
        most_uploaded: int = MOST_UPLOADED,
    ) -> None:
        self.app = app
        self.patience = patience
        self.rate = rate
        self.most = most
        self.most_uploaded = most_uploaded

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        most = self.most_uploaded if path == UPLOADS else self.most
        headers = {key: value.decode("latin-1") for key, value in scope["headers"]}
        body = _Body(receive, send, self.patience, self.rate, most, headers.get(b"accept-language", ""))
        if int(headers.get(b"content-length", 0)) > most:
            await body.refuse_size()
            return
        with suppress(ClientDisconnect):  # nobody waits for an answer, and a line in the log is what strangers want
            await self.app(scope, body.receive, body.send)


class _Body:
    """A request's body as it comes, and the refusal in the app's stead."""

    def __init__(self, receive: Any, send: Any, patience: float, rate: float, most: int, wishes: str) -> None:
        self._receive = receive
        self._send = send
        self._patience = patience
        self._left = patience
        self._rate = rate
        self._most = most
        self._wishes = wishes
        self._size = 0
        self._whole = False
        self._begun = False
        """Whether the app has begun to answer."""
        self._refused = False

    async def receive(self) -> dict[str, Any]:
        if self._whole:
            message: dict[str, Any] = await self._receive()
            return message
        if self._refused:
            return {"type": "http.disconnect"}
        clock = asyncio.get_running_loop().time
        before = clock()
        try:
            async with asyncio.timeout(self._left):
                message = await self._receive()
        except TimeoutError:
            return await self._refuse(408, texts.TOO_SLOW, (b"connection", b"close"))
        size = len(message.get("body", b""))
        waited = clock() - before
        self._left = min(self._patience, self._left - waited + size / self._rate)
        self._size += size
        if self._size > self._most:
            return await self.refuse_size()
        self._whole = not message.get("more_body")
        return message

    async def send(self, message: dict[str, Any]) -> None:
        if self._begun or not self._refused:
            self._begun = True
            await self._send(message)

    async def refuse_size(self) -> dict[str, Any]:
        """Uvicorn passes over what the client sends all the same: it would not read the answer before that."""
        return await self._refuse(413, texts.TOO_MUCH.format(limit=f"{self._most / 10**6:g}"))

    async def _refuse(self, status: int, text: Text, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
        """Answer, unless the app has begun to; for the app the client is gone."""
        self._refused = True
        if not self._begun:
            content = text.to(preferred(self._wishes)).encode()
            described = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(content))]
            await self._send({"type": "http.response.start", "status": status, "headers": [*described, *headers]})
            await self._send({"type": "http.response.body", "body": content})
        return {"type": "http.disconnect"}


class StalledConnections:
    """Connections of a running server whose clients send no whole head of a request, or read nothing of an answer.

    Uvicorn ends only those that send nothing at all after an answer. What is between two looks at a connection and has
    changed by then counts as progress. Bodies are the matter of RequestLimits; what is still sent after an answer is
    passed over for as long as an answer may be unread.
    """

    def __init__(self, server: uvicorn.Server, *, silent: float = PATIENCE, unread: float = UNREAD) -> None:
        """Those that are silent, or leave an answer unread, for so many seconds."""
        self.loop = server.servers[0].get_loop()
        self._connections: set[Any] = server.server_state.connections
        self._silent = silent
        self._unread = unread
        self._since: dict[tuple[Any, ...], float] = {}

    def look(self, now: float) -> None:
        """End those that stand for too long where they stood; to be called in the server's loop."""
        waiting = {}
        for connection in self._connections:
            if not hasattr(connection, "cycle"):  # a WebSocket's, which the app answers by a refusal
                continue
            cycle, unread = connection.cycle, connection.transport.get_write_buffer_size()
            if unread or cycle is None or cycle.response_complete:
                place = (connection, cycle, unread)
                waiting[place] = self._since.get(place, now)
                between = not unread and (cycle is None or not cycle.more_body)
                if now - waiting[place] > (self._silent if between else self._unread):
                    connection.transport.abort()
        self._since = waiting

    def keep_looking(self) -> None:
        """Now, and from then on ten times while a client may be silent."""
        self.loop.call_later(self._silent / 10, self.keep_looking)
        self.look(self.loop.time())


def end_stalled_connections(server: uvicorn.Server, *, silent: float = PATIENCE, unread: float = UNREAD) -> None:
    """Have a running server end them from now on, for as long as it runs."""
    stalled = StalledConnections(server, silent=silent, unread=unread)
    stalled.loop.call_soon_threadsafe(stalled.keep_looking)
