"""The doctor: what the machine has, and no secret of its user."""

from __future__ import annotations

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from cyclegan.doctor import main

ROOT = Path(__file__).parent.parent
TOKEN = "hf_" + "secret" * 5


class Answer(http.server.BaseHTTPRequestHandler):
    """A Hub that answers every request with an empty list."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"[]")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def doctor(tmp_path: Path, **variables: str) -> dict[str, str]:
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache"), "HF_HOME": str(tmp_path / "hf")} | variables
    command = [sys.executable, "-m", "cyclegan.doctor", "--device", "cpu"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    return {line[:11].strip(): line[11:] for line in done.stdout.splitlines()}


def test_what_the_machine_has_is_said(hub: str, tmp_path: Path) -> None:
    found = doctor(tmp_path, HF_ENDPOINT=hub, CYCLEGAN_DATASETS=str(tmp_path / "sets"), HF_TOKEN="")
    assert found["device"] == "cpu"
    assert f"torch {version('torch')}" in found["packages"]
    assert "MISSING" not in found["packages"]
    assert found["datasets"].startswith(f"{tmp_path / 'sets'}: 0 MB")
    assert found["precision"][:4] in ("fp32", "bf16") and "times as fast" in found["precision"]
    assert found["hub"] == f"{hub} answers; not logged in (hf auth login, or HF_TOKEN; needed to publish)"


def test_a_hub_out_of_reach_is_no_trouble_and_the_token_no_news(tmp_path: Path) -> None:
    found = doctor(tmp_path, HF_ENDPOINT="http://127.0.0.1:9", HF_TOKEN=TOKEN)
    assert "http://127.0.0.1:9 cannot be reached" in found["hub"] and found["hub"].endswith("; logged in")
    assert not any(TOKEN in finding for finding in found.values())


def test_a_device_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--device", "cuda:99"]) == 2
    assert "cyclegan.doctor: device 'cuda:99' is not available here" in capsys.readouterr().err
