"""Hosts that the app answers to, and pages of other origins, which it refuses."""

from __future__ import annotations

import ipaddress
import os
import socket
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse

FORWARDED = {b"x-forwarded-host", b"x-gradio-server"}
"""Headers that Gradio takes as the root of its links, whoever sends them."""


def origin_checks(host: str) -> list[Middleware]:
    """Return the middleware for an app that listens at `host`; none in a Space, whose proxy and frame need them off.

    DNS rebinding is prevented on a loopback address only: elsewhere the names of the machine are not known.
    """
    if os.environ.get("SPACE_ID"):
        return []
    addresses = {str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    if not all(ipaddress.ip_address(address.partition("%")[0]).is_loopback for address in addresses):
        return [Middleware(SameOrigin)]
    names = ["localhost", "127.0.0.1", "[::1]", f"[{host}]" if ":" in host else host]
    if proxy := urlsplit(os.environ.get("GRADIO_ROOT_PATH", "")).hostname:  # Gradio's own name for the public address
        names.append(proxy)
    return [Middleware(TrustedHostMiddleware, allowed_hosts=names, www_redirect=False), Middleware(SameOrigin)]


class SameOrigin:
    """ASGI middleware: refuses requests of pages of other origins (403), which browsers mark with `Origin`.

    Programs send no such header. The scheme is not compared, since a proxy may add TLS.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2].lower() != headers.get("host", "").lower():
            await PlainTextResponse(f"Pages of {origin} may not use this app.", 403)(scope, receive, send)
            return
        kept = [(name, value) for name, value in scope["headers"] if name not in FORWARDED]
        await self.app({**scope, "headers": kept}, receive, send)
