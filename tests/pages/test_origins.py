"""Which hosts the app answers to, and pages of other origins, in a real browser."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from cyclegan.pages.origins import origin_checks


def config(url: str, **headers: str) -> httpx.Response:
    return httpx.get(f"{url}/config", headers=headers)


@pytest.mark.parametrize("name", ["localhost", "LocalHost", "127.0.0.1", "[::1]"])
def test_a_loopback_address_answers_to_its_names(url: str, name: str) -> None:
    host = f"{name}:{urlsplit(url).port}"
    answer = config(url, Host=host, Origin=f"http://{host}")
    assert answer.status_code == 200 and urlsplit(answer.json()["root"]).netloc.lower() == host.lower()


@pytest.mark.parametrize("name", ["localhost.", "evil.example", "127.0.0.1.evil.example", "192.168.0.5", ""])
def test_a_loopback_address_answers_to_no_other_name(url: str, name: str) -> None:
    assert config(url, Host=f"{name}:{urlsplit(url).port}").status_code == 400


@pytest.mark.parametrize("header", ["X-Forwarded-Host", "X-Gradio-Server"])
def test_no_header_of_a_stranger_becomes_the_root_of_links(url: str, header: str) -> None:
    forged = {header: "http://evil.example" if "Server" in header else "evil.example"}
    assert config(url, **forged).json()["root"] == url


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "http://localhost", "file://", ""]
)
@pytest.mark.parametrize("path", ["queue/join", "call/translate", "upload", "component_server/", "cancel"])
def test_calls_of_pages_of_another_origin_are_refused(url: str, origin: str, path: str) -> None:
    answer = httpx.post(f"{url}/gradio_api/{path}", json={}, headers={"Origin": origin})
    assert answer.status_code == 403 and "may not use this app" in answer.text


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[str]:
    """The address of another website on this machine."""
    (tmp_path / "index.html").write_text("<!doctype html><title>elsewhere</title>")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/index.html"
        server.shutdown()
        thread.join()


CALL = """async ([address, path]) => {
    const upload = new FormData();
    upload.append('files', new Blob(['x']), 'x.png');
    const body = path == 'upload' ? upload : JSON.stringify({data: [], session_hash: 'x', fn_index: 0});
    try { await fetch(`${address}/gradio_api/${path}`, {method: 'POST', mode: 'no-cors', body}); } catch {}
    try { return (await fetch(`${address}/config`)).ok; } catch { return false; }
}"""


def test_a_page_of_another_origin_can_neither_call_nor_read(browser: Browser, url: str, elsewhere: str) -> None:
    page, answers = browser.new_page(), list[tuple[str, int]]()
    page.goto(elsewhere)
    page.on("response", lambda response: answers.append((response.request.method, response.status)))
    port = urlsplit(url).port
    for name, refused in (("localhost.", 400), ("localhost", 403), ("127.0.0.1", 403)):
        for path in ("queue/join", "upload"):
            answers.clear()
            assert not page.evaluate(CALL, [f"http://{name}:{port}", path])
            assert ("POST", refused) in answers and all(status == refused for _, status in answers)
    page.close()


def app(host: str) -> TestClient:
    async def answer(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.headers.get("x-forwarded-host", ""))

    return TestClient(Starlette(routes=[Route("/", answer)], middleware=origin_checks(host)))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.3"])
def test_every_loopback_address_is_known_as_one(host: str) -> None:
    client = app(host)
    own = f"[{host}]" if ":" in host else host
    assert client.get("/", headers={"Host": f"{own}:7860"}).status_code == 200
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400


def test_in_a_space_its_proxy_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_ID", "owner/demo")
    headers = {"Origin": "https://huggingface.co", "X-Forwarded-Host": "owner-demo.hf.space"}
    assert app("0.0.0.0").get("/", headers=headers).text == "owner-demo.hf.space"


def test_behind_a_proxy_its_name_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_ROOT_PATH", "https://app.example/houses")
    client = app("127.0.0.1")
    assert client.get("/", headers={"Host": "app.example", "Origin": "https://app.example"}).status_code == 200
    assert client.get("/", headers={"Host": "evil.example"}).status_code == 400
