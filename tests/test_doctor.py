"""The doctor: what the machine has, and no secret of its user."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from cyclegan.doctor import main
from tests.hub_server import LoopbackHub

TOKEN = "hf_" + "secret" * 5


def test_what_the_machine_has_is_said_and_no_token(
    hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("CYCLEGAN_DATASETS", str(tmp_path / "sets"))
    hub.fail("GET /api/models$", status=200)  # which the loopback has not
    assert main(["--device", "cpu"]) == 0
    found = {line[:11].strip(): line[11:] for line in capsys.readouterr().out.splitlines()}
    assert found["device"] == "cpu"
    assert f"torch {version('torch')}" in found["packages"]
    assert "MISSING" not in found["packages"]
    assert found["datasets"].startswith(f"{tmp_path / 'sets'}: 0 MB")
    assert found["precision"][:4] in ("fp32", "bf16") and "times as fast" in found["precision"]
    assert found["hub"] == f"{hub.url} answers; not logged in (hf auth login, or HF_TOKEN; needed to publish)"
    hub.stop()
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert main(["--device", "cpu"]) == 0
    printed = capsys.readouterr().out
    assert f"{hub.url} cannot be reached" in printed and printed.endswith("; logged in\n")
    assert TOKEN not in printed


def test_a_device_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--device", "cuda:99"]) == 2
    assert "cyclegan.doctor: device 'cuda:99' is not available here" in capsys.readouterr().err
