"""The app on a desktop: it opens a browser, installs as an app, or shows a window of its own."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from PIL import Image

import app
from cyclegan.pages import texts
from cyclegan.pages.desktop import has_screen
from tests.conftest import wait_until
from tests.forks import ROOT, Program
from tests.hub_server import free_port

RECORDER = """
import os, pathlib, sys, urllib.request
def record(url):
    page = urllib.request.urlopen(url).read()
    pathlib.Path(os.environ["RECORD"]).write_text(f"{url} {b'gradio_config' in page}")
"""
WINDOW = f"""{RECORDER}
class WebViewException(Exception): pass
settings, pages = {{}}, []
def create_window(title, url, **size): pages.append((title, url))
def start(gui=None):
    (title, url), = pages
    assert settings["ALLOW_DOWNLOADS"] and title == {texts.TITLE.en!r}
    record(url)
"""


@pytest.mark.parametrize(
    ("environment", "platform", "seen"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({"DISPLAY": ":10", "SSH_CONNECTION": "1.2.3.4 5 6.7.8.9 22"}, "linux", False),
        ({"DISPLAY": ":0", "CI": "true"}, "linux", False),
        ({"SPACE_ID": "owner/name"}, "linux", False),
        ({}, "darwin", True),
        ({"SSH_TTY": "/dev/ttys001"}, "darwin", False),
        ({}, "win32", True),
    ],
)
def test_a_browser_is_opened_only_where_it_is_seen(environment: dict[str, str], platform: str, seen: bool) -> None:
    assert has_screen(environment, platform) == seen


def command(weights: Path, *arguments: str) -> list[str]:
    run = str(weights / "facades-pix2pix")
    return ["app.py", "--run", run, "--precision", "fp32", "--port", str(free_port()), *arguments]


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """One of a desktop, with the recorder in it."""
    kept = {name: value for name, value in os.environ.items() if name not in ("CI", "SSH_CONNECTION", "SSH_TTY")}
    return {**kept, "DISPLAY": ":0", "RECORD": str(folder / "record"), "GRADIO_TEMP_DIR": str(folder), **variables}


def test_the_window_shows_the_app_and_closing_it_ends_the_program(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "webview.py").write_text(WINDOW)
    with_window = environment(tmp_path, PYTHONPATH=str(tmp_path))
    words = [sys.executable, *command(weights, "--window")]
    done = subprocess.run(words, cwd=ROOT, env=with_window, timeout=120, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert (tmp_path / "record").read_text().endswith("True")


def test_the_browser_is_opened_at_the_app_unless_told_not_to(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "browse.py").write_text(f"{RECORDER}\nrecord(sys.argv[1])")
    with_browser = environment(tmp_path, BROWSER=f"{sys.executable} {tmp_path / 'browse.py'} %s")
    for arguments, opened in ((("--no-browser",), False), ((), True)):
        called = command(weights, *arguments)
        server = Program(called, env=with_browser)
        try:
            wait_for(f"http://127.0.0.1:{called[called.index('--port') + 1]}")
            if opened:
                wait_until((tmp_path / "record").exists)
            else:
                time.sleep(1)  # in which it would have been opened
            assert (tmp_path / "record").exists() == opened
        finally:
            server.send_signal(signal.SIGTERM)
            server.communicate(60)


@pytest.mark.parametrize(
    ("display", "message"),
    [(":0", "--window needs pywebview: pip install -r requirements-window.txt"), ("", "--window needs a display")],
)
def test_why_there_is_no_window_is_said(
    display: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.setenv("WAYLAND_DISPLAY", "")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setitem(sys.modules, "webview", None)
    assert app.main(["--window"]) == 2
    assert message in capsys.readouterr().err


def test_the_page_installs_as_an_app_with_an_icon_of_its_own(url: str) -> None:
    manifest = json.load(urllib.request.urlopen(f"{url}/manifest.json"))
    assert manifest["name"] == texts.TITLE.en and manifest["display"] == "standalone"
    for icon in manifest["icons"]:
        content = urllib.request.urlopen(f"{url}{icon['src']}").read()
        with Image.open(io.BytesIO(content)) as image:
            assert icon["sizes"] == f"{image.width}x{image.height}"
            assert image.convert("RGBA").getpixel((0, 0))[3] == 0  # type: ignore[index]


def wait_for(url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the app did not start")
