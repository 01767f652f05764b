"""The endpoints as tools of an AI assistant, by the protocol's own client."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import app
from cyclegan.pages.frames import data_uri
from tests.browser.driver import served


def test_without_the_extra_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert app.main(["--mcp"]) == 2
    assert "pip install -r requirements-mcp.txt" in capsys.readouterr().err


async def use(url: str, image: Image.Image) -> dict[str, Sequence[Any]]:
    """Return what each tool makes of an image, by its name."""
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    picture, small = (data_uri(each, exact=True) for each in (image, image.resize((64, 64))))
    network = {"to": "photo", "method": "pix2pix"}
    calls: dict[str, dict[str, Any]] = {
        "translate": {"image": picture, **network, "epoch": 2},
        "history": {"image": small, **network},
        "round_trip": {"image": picture, "to": "photo", "method": "CycleGAN"},
        "draw": {"boxes": [["door", 110, 200, 140, 256]], "method": "pix2pix", "seed": 3},
    }
    async with (
        streamable_http_client(f"{url}/gradio_api/mcp/") as (read, write, _),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        tools = {tool.name.rpartition("gradio_")[2]: tool for tool in (await session.list_tools()).tools}
        assert tools.keys() == {*calls, "batch"}  # which Gradio can hand no files
        assert "Translate an image" in str(tools["translate"].description)
        made: dict[str, Sequence[Any]] = {}
        for name, arguments in calls.items():
            result = await session.call_tool(tools[name].name, arguments)
            assert not result.isError, (name, result.content)
            made[name] = result.content
        return made


def test_an_assistant_translates_and_draws(weights: Path, tmp_path: Path) -> None:
    """With a picture larger than other requests may be."""
    with served([weights / "facades-cyclegan", weights / "facades-pix2pix"], tmp_path, "--mcp") as url:
        made = asyncio.run(use(url, Image.effect_noise((800, 700), 100).convert("RGB")))
    picture = next(each for each in made["translate"] if each.type == "image")
    with Image.open(io.BytesIO(base64.b64decode(picture.data))) as image:
        assert image.size == (800, 700)
    assert made["draw"][0].text.count("/gradio_api/file=") == 2
