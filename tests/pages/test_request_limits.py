"""How large a request may be, that no call passes the queue by, and what is told at the end: by the real server."""

from __future__ import annotations

import base64
import http.client
import io
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from cyclegan.facades.labels import PALETTE
from cyclegan.pages.draw.drawings import SIDE
from cyclegan.pages.ending import Ending, RefuseWhenEnding
from cyclegan.pages.frames import data_uri
from cyclegan.pages.request_limits import MOST, MOST_OF_ASSISTANTS, MOST_UPLOADED, RequestLimits


def noise(side: int) -> Image.Image:
    return Image.frombytes("RGB", (side, side), os.urandom(3 * side * side))


def result(url: str, name: str, *data: object) -> str:
    """The events of a call, as curl does it."""
    call = f"{url}/gradio_api/call/{name}"
    joined = httpx.post(call, json={"data": data})
    assert joined.status_code == 200, joined.text
    return httpx.get(f"{call}/{joined.json()['event_id']}", timeout=60).text


def test_what_honest_programs_send_fits(url: str) -> None:
    """A picture as a data URI, as large as one may be, and the largest drawing."""
    content = io.BytesIO()
    noise(350).convert("L").save(content, "JPEG", quality=96)
    uri = "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode()
    assert 0.5 * MOST < len(uri) < MOST
    assert "event: complete" in result(url, "translate", {"url": uri}, "photo", "pix2pix", None)
    drawn = Image.fromarray(PALETTE[[[byte % len(PALETTE) for byte in os.urandom(SIDE)] for _ in range(SIDE)]])
    assert len(data_uri(drawn, exact=True)) < 0.8 * MOST
    boxes = [["window", 1, 1, 256, 256]] * 2000
    assert "event: complete" in result(url, "draw", boxes, "pix2pix", None)


@pytest.mark.parametrize("path", ["queue/join", "call/translate", "call/v2/translate", "run/translate", "cancel"])
@pytest.mark.parametrize("chunked", [False, True])
def test_larger_requests_are_refused_with_what_to_do(url: str, path: str, chunked: bool) -> None:
    body = json.dumps({"data": ["x" * MOST]}).encode()
    parts = (body[start : start + 50_000] for start in range(0, len(body), 50_000))
    headers = {"Content-Type": "application/json", "Accept-Language": "ko"}
    answer = httpx.post(f"{url}/gradio_api/{path}", content=parts if chunked else body, headers=headers)
    assert answer.status_code == 413
    assert answer.json()["detail"].startswith("0.25MB보다 큽니다") and "handle_file" in answer.json()["detail"]


def test_an_upload_may_be_larger_and_is_refused_by_its_own_limit(url: str) -> None:
    assert httpx.post(f"{url}/gradio_api/upload", files={"files": bytes(2 * MOST)}).status_code == 200
    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    connection.request("POST", "/gradio_api/upload", headers={"Content-Length": "250000001"})
    answer = connection.getresponse()
    assert answer.status == 413 and "250 MB" in json.load(answer)["detail"]
    connection.close()


@pytest.mark.parametrize(
    ("path", "limit"),
    [("/x", MOST), ("/gradio_api/upload", MOST_UPLOADED), ("/gradio_api/mcp/", MOST_OF_ASSISTANTS)],
)
@pytest.mark.parametrize("beyond", [0, 1])
def test_the_limit_itself_is_allowed(path: str, limit: int, beyond: int) -> None:
    async def answer(request: Request) -> PlainTextResponse:
        async for _ in request.stream():
            pass
        return PlainTextResponse("x")

    def body() -> Iterator[bytes]:
        left = limit + beyond
        while left:
            yield bytes(part := min(left, 10**6))
            left -= part

    app = Starlette(routes=[Route(path, answer, methods=["POST"])])
    app.add_middleware(RequestLimits)
    assert TestClient(app).post(path, content=body()).status_code == (413 if beyond else 200)


def test_no_call_passes_the_queue_by(url: str) -> None:
    """Neither by number nor by name, and however many come at once."""
    calls: list[tuple[str, dict[str, Any]]] = [
        (f"{prefix}/{name}", {"data": [None] * 8})
        for prefix in ("run", "api")
        for name in ("translate", "history", "batch", "draw", "round_trip")
    ]
    dependencies = httpx.get(f"{url}/config").json()["dependencies"]
    queued = [each["id"] for each in dependencies if each["queue"] and each["backend_fn"]]
    calls += [("run/predict", {"data": [None] * 8, "fn_index": index}) for index in queued]
    with ThreadPoolExecutor(50) as pool, httpx.Client(timeout=60) as program:
        many = calls[:1] * 100 + calls
        answers = list(pool.map(lambda call: program.post(f"{url}/gradio_api/{call[0]}", json=call[1]), many))
    assert {answer.status_code for answer in answers} == {404}
    assert all("Please join the queue" in answer.text for answer in answers)


def test_only_the_icons_of_the_manifest_are_made(url: str) -> None:
    status = {size: httpx.get(f"{url}/pwa_icon{size}").status_code for size in ("", "/192", "/512", "/512/")}
    assert set(status.values()) <= {200, 307}
    for size in ("0", "-1", "x", "100000", "0512", "512/x"):
        assert httpx.get(f"{url}/pwa_icon/{size}", follow_redirects=True).status_code == 404, size


@pytest.mark.parametrize("path", ["file=https://a.example/x.png", "file=HTTP://1.1.1.1/x", "deep_link", "dev/reload"])
def test_what_the_app_has_no_use_for_is_closed(url: str, path: str) -> None:
    """Another server's answer would come from the app's own address, scripts among them."""
    for root in (url, f"{url}/gradio_api"):
        assert httpx.get(f"{root}/{path}").status_code == 404


def test_who_comes_when_the_app_ends_is_told_and_who_waits_is_counted() -> None:
    ending, counted = Ending(), []

    async def answer(request: Request) -> PlainTextResponse:
        counted.append(ending.answers)
        return PlainTextResponse("x")

    methods = ["GET", "POST"]
    app = Starlette(routes=[Route("/gradio_api/{path:path}", answer, methods=methods)])
    app.add_middleware(RefuseWhenEnding, ending=ending)
    visitor = TestClient(app)
    calls = ("queue/join", "call/translate", "call/v2/translate", "component_server/")
    assert all(visitor.post(f"/gradio_api/{path}").status_code == 200 for path in calls)
    ending.begun = True
    for path in calls:
        answered = visitor.post(f"/gradio_api/{path}")
        assert answered.status_code == 503 and answered.json()["detail"].startswith("Many people are here")
    counted.clear()
    paths = ("queue/data", "call/translate/1", "file=/x.png", "heartbeat/x", "mcp", "upload_progress")
    assert all(visitor.get(f"/gradio_api/{path}").status_code == 200 for path in paths)
    assert counted == [1, 1, 1, 0, 0, 0] and ending.answers == 0
