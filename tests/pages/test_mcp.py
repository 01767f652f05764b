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


async def use(url: str, image: Image.Image) -> tuple[set[str], Sequence[Any]]:
    """The names of the tools, and what the first one makes of an image."""
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    async with (
        streamable_http_client(f"{url}/gradio_api/mcp/") as (read, write, _),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        tools = {tool.name: tool for tool in (await session.list_tools()).tools}
        name = next(name for name in tools if name.endswith("translate"))
        wanted = {"image": data_uri(image, exact=True), "to": "photo", "method": "pix2pix", "epoch": 2}
        result = await session.call_tool(name, wanted)
        assert not result.isError, result.content
        assert "Translate an image" in str(tools[name].description)
        return {name.rpartition("gradio_")[2] for name in tools}, result.content


def test_an_assistant_translates_a_picture(weights: Path, tmp_path: Path) -> None:
    """Larger than other requests may be."""
    with served([weights / "facades-cyclegan", weights / "facades-pix2pix"], tmp_path, "--mcp") as url:
        names, content = asyncio.run(use(url, Image.effect_noise((800, 700), 100).convert("RGB")))
    assert len(names) == 5
    picture = next(each for each in content if each.type == "image")
    with Image.open(io.BytesIO(base64.b64decode(picture.data))) as image:
        assert image.size == (800, 700)
