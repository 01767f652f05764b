"""What visitors should not do to the app, and what ends it: the others do not notice."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from gradio_client.utils import Status
from PIL import Image

from app import UPLOAD
from cyclegan.facades.labels import draw_facade
from cyclegan.runtime.files import sweep_old
from tests.browser import served
from tests.conftest import wait_until
from tests.forks import ROOT

UPLOADING = (
    b"POST /gradio_api/upload HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n"
    b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
    b'--b\r\nContent-Disposition: form-data; name="files"; filename="x.png"\r\n\r\n'
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where an app of these tests alone keeps its files, the broken-off ones among them, and its log."""
    return tmp_path_factory.mktemp("app")


@pytest.fixture(scope="module")
def url(weights: Path, place: Path) -> Iterator[str]:
    with served([weights / "facades-pix2pix"], place) as url:
        yield url


def connection_to(url: str) -> socket.socket:
    return socket.create_connection((str(urlsplit(url).hostname), int(urlsplit(url).port or 80)))


@pytest.fixture(scope="module", autouse=True)
def slow(url: str) -> Iterator[list[socket.socket]]:
    """Connections of the app's first moment: one says nothing, one half of a head, one begins an upload."""
    with ExitStack() as opened:
        connections = [opened.enter_context(connection_to(url)) for _ in range(3)]
        connections[1].sendall(UPLOADING[:40])
        connections[2].sendall(UPLOADING)
        yield connections


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    draw_facade(3, size=128).save(tmp_path / "visitor.png")
    return tmp_path / "visitor.png"


def test_no_file_is_served_or_read_and_no_host_asked_that_a_visitor_names(url: str, client: Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as trap:
        inside = f"http://127.0.0.1:{trap.getsockname()[1]}/x.png"
        for foreign in ("/etc/passwd", "../../etc/passwd", str(ROOT / "app.py"), inside):
            assert httpx.get(f"{url}/gradio_api/file={foreign}", follow_redirects=True).status_code in (403, 404)
        with pytest.raises(AppError):
            client.predict(handle_file(inside), "photo", "pix2pix", 1, api_name="/translate")
        named = {"path": str(ROOT / "docs" / "epochs.webp"), "meta": {"_type": "gradio.FileData"}}
        call = f"{url}/gradio_api/call/translate"
        event = httpx.post(call, json={"data": [named, "photo", "pix2pix", 1]}).json()["event_id"]
        assert "event: error" in httpx.get(f"{call}/{event}", timeout=60).text
        trap.setblocking(False)
        with pytest.raises(BlockingIOError):
            trap.accept()


def test_slow_oversized_and_broken_off_uploads_disturb_nobody_and_are_swept(
    url: str, client: Client, place: Path, picture: Path
) -> None:
    before = set((place / "gradio").glob(UPLOAD))
    with ExitStack() as opened:
        for number in range(40):
            connection = opened.enter_context(connection_to(url))
            connection.sendall(UPLOADING[:40] if number % 2 else UPLOADING + bytes(1_000_000))
        assert httpx.post(f"{url}/gradio_api/upload", files={"files": bytes(11 * 10**6)}).status_code == 413
        made = client.predict(handle_file(picture), "photo", "pix2pix", 1, api_name="/translate")
        with Image.open(made) as image:
            assert image.size == (128, 128)
    left = set((place / "gradio").glob(UPLOAD)) - before
    for path in left:
        os.utime(path, (0, 0))
    sweep_old(place / "gradio", UPLOAD, 3600)
    assert left and not any(path.exists() for path in left)


def test_who_waits_when_the_app_is_told_to_end_gets_the_pictures_and_no_file_is_left(
    weights: Path, tmp_path: Path, picture: Path
) -> None:
    forgotten = tmp_path / "gradio" / "tmp0"
    forgotten.parent.mkdir()
    forgotten.touch()
    os.utime(forgotten, (0, 0))
    with served([weights / "facades-cyclegan"], tmp_path) as url:
        client = Client(url, verbose=False, download_files=str(tmp_path / "downloads"))
        many = [handle_file(picture)] * 30
        jobs = [client.submit(many, "photo", "CycleGAN", 1, api_name="/batch") for _ in range(3)]
        on_their_way = (Status.STARTING, Status.JOINING_QUEUE, Status.SENDING_DATA)
        wait_until(lambda: not any(job.status().code in on_their_way for job in jobs))
    for job in jobs:
        packed, left_out = job.result(timeout=30)
        assert Path(packed).is_file() and left_out == []
    left = {path.name for path in (tmp_path / "gradio").rglob("*") if path.is_file()}
    assert not left & {forgotten.name, picture.name, "translations.zip"}
    client.close()


@pytest.mark.parametrize("path", ["queue/join", "call/translate"])
def test_what_gradio_would_hold_in_memory_is_refused_when_it_is_large(url: str, path: str) -> None:
    answer = httpx.post(f"{url}/gradio_api/{path}", json={"data": ["x" * 17_000_000]})
    assert answer.status_code == 413 and "16 MB" in answer.text


def test_slow_clients_are_cut_off(slow: list[socket.socket]) -> None:
    """The last test: meanwhile their time is nearly over."""
    for connection in slow:
        connection.settimeout(60)
    assert slow[0].recv(1) == slow[1].recv(1) == b""
    assert slow[2].recv(100).startswith(b"HTTP/1.1 408 ")
