"""The page as it is sent: in the visitor's language, by the browser's wish or by the switch on the page, a link like
`?lang=ko`, and with what other sites show of a link to it."""

from __future__ import annotations

import html
import json
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from cyclegan.pages import texts
from cyclegan.pages.languages import LANGUAGE_TAGS, LANGUAGES, Language, translated

PATHS: dict[Language, str] = {"en": "", "ko": "ko", "zh": "zh"}
"""Where the page lies in each language, relative to the app."""
_SCRIPT = Path(__file__).with_name("language.js")
_GRADIOS_PREVIEW = re.compile(rb'<meta\s+(?:property|name)="(?:og|twitter):[^>]*>')
_QUALITY = re.compile(r"q=(0(\.\d{0,3})?|1(\.0{0,3})?)")


def preferred(header: str) -> Language:
    """The language of an Accept-Language header (RFC 9110, section 12.5.4) that the reader likes best; else English."""
    wishes: dict[Language, float] = {}
    for item in header.lower().split(","):
        tag, _, parameter = (part.strip() for part in item.partition(";"))
        quality = float(parameter.removeprefix("q=")) if _QUALITY.fullmatch(parameter) else 1.0
        for language in LANGUAGES:
            if tag.partition("-")[0] == language and quality:
                wishes[language] = max(quality, wishes.get(language, 0.0))
    return max(wishes, key=lambda language: wishes[language], default="en")


class LanguageChoice(BaseHTTPMiddleware):
    """Sends visitors to the page in their language, and has Gradio's own words follow it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything but pages by: there are files, and streams of events, that must not wait."""
        is_page = scope.get("method") == "GET" and scope["path"].removeprefix("/") in PATHS.values()
        await (super().__call__ if is_page else self.app)(scope, receive, send)

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Return the page, or the redirection to that in another language."""
        page = next(each for each, path in PATHS.items() if request.scope["path"] == f"/{path}")
        parameters = dict(request.query_params)
        asked, header = parameters.pop("lang", None), request.headers.get("accept-language", "")
        for name in ("page", "deep_link"):  # Gradio looks them up without a check, and fails
            parameters.pop(name, None)
        wanted = next((each for each in LANGUAGES if each == asked), preferred(header))
        if page == "en" and wanted != page:
            location = f"{PATHS[wanted]}?{urlencode(parameters)}".rstrip("?")
            return RedirectResponse(location, headers={"vary": "accept-language"})
        request.scope["query_string"] = urlencode(parameters).encode()
        response: Any = await call_next(request)
        content = b"".join([chunk async for chunk in response.body_iterator])
        base = os.environ.get("GRADIO_ROOT_PATH") or str(request.base_url)
        return HTMLResponse(_in_language(content, page, f"{base.rstrip('/')}/"), response.status_code)


def _in_language(content: bytes, language: Language, base: str) -> bytes:
    """A page with its language marked, what other sites show of a link to it, and the script that has Gradio speak its
    language before all others."""
    tag = LANGUAGE_TAGS[language]
    preview = {
        "title": texts.TITLE.to(language),
        "description": texts.INTRO_MANY.to(language),
        "url": base + PATHS[language],
        "image": f"{base}pwa_icon/512",
        "type": "website",
    }
    tags = "".join(f'<meta property="og:{key}" content="{html.escape(value)}">' for key, value in preview.items())
    words = json.dumps(translated(texts.GRADIO_WORDS, language))
    constants = f"const tag = {json.dumps(tag)}, words = {words};"
    script = f"<script>(() => {{ {constants}\n{_SCRIPT.read_text(encoding='utf-8')}}})();</script>"
    content = _GRADIOS_PREVIEW.sub(b"", content).replace(b'lang="en"', f'lang="{tag}"'.encode(), 1)
    return content.replace(b"<head>", b"<head>" + script.encode() + tags.encode(), 1)
