"""The visitor's language: by the browser's wish or by the switch on the page, which is a link, `?lang=ko`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import gradio as gr

from cyclegan.pages import texts
from cyclegan.pages.languages import LANGUAGE_NAMES, LANGUAGE_TAGS, LANGUAGES, Language, translated

PATHS: dict[Language, str] = {"en": "", "ko": "ko", "zh": "zh"}
"""Where the page lies in each language, relative to the app."""
_SCRIPT = Path(__file__).with_name("language.js")

_SWITCH_HTML = """
<nav aria-label="{{title}}">
{{#each value}}
  <a href="./?lang={{this.language}}" data-language="{{this.language}}" lang="{{this.tag}}" hreflang="{{this.tag}}"
    {{#if this.current}}aria-current="page"{{/if}}>{{this.name}}</a>
{{/each}}
</nav>
"""
_SWITCH_CSS = """
nav { display: flex; justify-content: flex-end; gap: 4px; font-size: var(--text-sm); }
a { padding: 4px 10px; border-radius: 8px; color: var(--body-text-color); text-decoration: none; }
a:hover { background: var(--background-fill-secondary); }
a[aria-current] { background: var(--background-fill-secondary); font-weight: 600; }
a:focus-visible { outline: 2px solid var(--color-accent); }
"""
# Other parameters of the address stay, such as ?__theme=dark.
_SWITCH_JS = """
for (const link of element.querySelectorAll('a')) {
  const parameters = new URLSearchParams(location.search);
  parameters.set('lang', link.dataset.language);
  link.search = parameters;
}
"""


_QUALITY = re.compile(r"q=(0(\.\d{0,3})?|1(\.0{0,3})?)")


def language_switch(language: Language) -> gr.HTML:
    """Links to the page in every language."""
    links = [
        {"language": each, "tag": LANGUAGE_TAGS[each], "name": LANGUAGE_NAMES[each], "current": each == language}
        for each in LANGUAGES
    ]
    return gr.HTML(
        links,
        html_template=_SWITCH_HTML,
        css_template=_SWITCH_CSS,
        js_on_load=_SWITCH_JS,
        apply_default_css=False,
        title=texts.LANGUAGE.to(language),
        elem_id="languages",
    )


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


class LanguageChoice:
    """ASGI middleware: sends visitors to the page in their language, and has Gradio's own words follow it."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        page = next((each for each, path in PATHS.items() if scope.get("path") == f"/{path}"), None)
        if page is None or scope.get("method") != "GET":
            await self.app(scope, receive, send)
            return
        parameters = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        asked = parameters.pop("lang", None)
        header = dict(scope["headers"]).get(b"accept-language", b"").decode("latin-1")
        wanted = next((each for each in LANGUAGES if each == asked), preferred(header))
        if page == "en" and wanted != page:
            location = f"{PATHS[wanted]}?{urlencode(parameters)}".rstrip("?")
            headers = [(b"location", location.encode()), (b"vary", b"accept-language"), (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 307, "headers": headers})
            await send({"type": "http.response.body"})
            return
        await self.app(scope, receive, _Rewriter(send, page))


class _Rewriter:
    """Passes a response on when it is whole, with the language in its HTML."""

    def __init__(self, send: Any, language: Language) -> None:
        self.send = send
        self.language = language
        self.start: dict[str, Any] = {}
        self.body = b""

    async def __call__(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.start = message
            return
        self.body += message.get("body", b"")
        if message.get("more_body"):
            return
        body = _in_language(self.body, self.language)
        headers = [(key, value) for key, value in self.start["headers"] if key.lower() != b"content-length"]
        self.start["headers"] = [*headers, (b"content-length", str(len(body)).encode())]
        await self.send(self.start)
        await self.send({"type": "http.response.body", "body": body})


def _in_language(html: bytes, language: Language) -> bytes:
    """A page with its language marked, and the script that has Gradio speak it before all others."""
    tag = LANGUAGE_TAGS[language]
    words = json.dumps(translated(texts.GRADIO_WORDS, language))
    constants = f"const tag = {json.dumps(tag)}, words = {words};"
    script = f"<script>(() => {{ {constants}\n{_SCRIPT.read_text(encoding='utf-8')}}})();</script>"
    html = html.replace(b'lang="en"', f'lang="{tag}"'.encode(), 1)
    return html.replace(b"<head>", b"<head>" + script.encode(), 1)
