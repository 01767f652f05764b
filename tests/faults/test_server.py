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

from cyclegan.facades.labels import draw_facade
from cyclegan.pages.temporary import PREFIX, files_in
from tests.browser.driver import served
from tests.conftest import wait_until
from tests.forks import ROOT

UPLOADING = (
    b"POST /gradio_api/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n"
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


def test_slow_oversized_and_broken_off_uploads_disturb_nobody(url: str, client: Client, picture: Path) -> None:
    with ExitStack() as opened:
        for number in range(40):
            connection = opened.enter_context(connection_to(url))
            connection.sendall(UPLOADING[:40] if number % 2 else UPLOADING + bytes(1_000_000))
        assert httpx.post(f"{url}/gradio_api/upload", files={"files": bytes(11 * 10**6)}).status_code == 413
        made = client.predict(handle_file(picture), "photo", "pix2pix", 1, api_name="/translate")
        with Image.open(made) as image:
            assert image.size == (128, 128)


def test_visitors_files_are_deleted_by_age_and_what_the_page_shows_stays(
    weights: Path, tmp_path: Path, picture: Path
) -> None:
    folder = tmp_path / "gradio"
    with served([weights / "facades-pix2pix"], tmp_path, "--keep-hours", str(3 / 3600)) as url:
        wait_until(lambda: httpx.get(url).status_code == 200)
        static = files_in(folder)
        killed = folder / f"{PREFIX}killed"  # when this app was started already
        killed.mkdir()
        os.utime(killed, (0, 0))
        client = Client(url, verbose=False, download_files=False)
        client.predict(handle_file(picture), "photo", "pix2pix", 1, api_name="/translate")
        client.predict([handle_file(picture)], "photo", "pix2pix", 1, api_name="/batch")
        opening = next(each["id"] for each in client.config["dependencies"] if each["api_name"] == "open")
        visit = {"fn_index": opening, "session_hash": "visitor", "data": []}
        httpx.post(f"{url}/gradio_api/queue/join", json=visit)
        told = httpx.get(f"{url}/gradio_api/queue/data", params={"session_hash": "visitor"}, timeout=60).text
        assert "/labels.png" in told  # the pictures of the divider
        with connection_to(url) as broken_off:
            broken_off.sendall(UPLOADING + bytes(1_000_000))
        names = {path.name for path in files_in(folder) - static}
        assert {"visitor.png", "translations.zip", "labels.png"} <= names
        wait_until(lambda: files_in(folder) == static and not killed.exists())
        assert static
        client.close()
    assert list(folder.iterdir()) == []


def test_two_apps_leave_each_others_files_alone_and_remove_those_of_a_killed_one(
    weights: Path, place: Path, url: str, picture: Path, tmp_path: Path
) -> None:
    with picture.open("rb") as file:
        (uploaded,) = httpx.post(f"{url}/gradio_api/upload", files={"files": file}).json()
    killed = place / "gradio" / f"{PREFIX}killed"
    killed.mkdir()
    for folder in (place / "gradio").iterdir():
        os.utime(folder, (0, 0))
    variables = {"GRADIO_TEMP_DIR": str(place / "gradio")}
    with served([weights / "facades-pix2pix"], tmp_path, environment=variables) as other:
        with picture.open("rb") as file:
            (same,) = httpx.post(f"{other}/gradio_api/upload", files={"files": file}).json()
        assert same != uploaded
    assert not killed.exists() and not Path(same).exists()
    assert httpx.get(f"{url}/gradio_api/file={uploaded}").status_code == 200
    assert Path(uploaded).parent.parent.stat().st_mode & 0o777 == 0o700


def test_who_waits_when_the_app_is_told_to_end_gets_the_pictures_and_no_file_is_left(
    weights: Path, tmp_path: Path, picture: Path
) -> None:
    with served([weights / "facades-cyclegan"], tmp_path) as url:
        client = Client(url, verbose=False, download_files=str(tmp_path / "downloads"))
        many = [handle_file(picture)] * 30
        jobs = [client.submit(many, "photo", "CycleGAN", 1, api_name="/batch") for _ in range(3)]
        on_their_way = (Status.STARTING, Status.JOINING_QUEUE, Status.SENDING_DATA)
        wait_until(lambda: not any(job.status().code in on_their_way for job in jobs))
    for job in jobs:
        packed, left_out = job.result(timeout=30)
        assert Path(packed).is_file() and left_out == []
    assert list((tmp_path / "gradio").iterdir()) == []
    client.close()
