"""Files that no visitor uploaded, named to every handler of the page's configuration: none is opened."""

from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from cyclegan.pages import texts
from cyclegan.pages.language_choice import PATHS
from tests.browser.driver import served
from tests.conftest import make_photo

META = {"_type": "gradio.FileData"}
AT_ONCE = 50
"""Calls that wait, fewer than the app lets wait."""


def data_uri() -> str:
    content = io.BytesIO()
    make_photo(1, 8).save(content, "PNG")
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"


FORMS: dict[str, Callable[[str], Any]] = {
    "path": lambda path: {"path": path},
    "meta": lambda path: {"path": path, "meta": META},
    "stream": lambda path: {"path": path, "meta": META, "is_stream": True},
    "url beside": lambda path: {"path": path, "url": data_uri()},
    "url alone": lambda path: {"url": f"file://{path}", "meta": META},
    "list": lambda path: [{"path": path}],
    "nested": lambda path: [{"image": {"path": path}, "caption": None}],
}


KINDS = ("outside", "link", "folder", "pipe", "device", "host", "no path")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("app")


@pytest.fixture(scope="module")
def visitor(weights: Path, place: Path) -> Iterator[httpx.Client]:
    with (
        served([weights / "facades-pix2pix"], place) as url,
        httpx.Client(base_url=f"{url}/gradio_api", timeout=20) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def upload(visitor: httpx.Client) -> Path:
    """A picture that a visitor uploaded."""
    content = io.BytesIO()
    make_photo(1, 64).save(content, "PNG")
    (path,) = visitor.post("/upload", files={"files": ("mine.png", content.getvalue())}).json()
    return Path(path)


@pytest.fixture(scope="module")
def foreign(place: Path, upload: Path) -> dict[str, str]:
    """What is not to be opened: by kind, its path."""
    secret, folder = place / "secret.png", upload.parent
    Image.effect_noise((64, 64), 99).save(secret)
    (folder / "link.png").symlink_to(secret)
    os.mkfifo(folder / "pipe.png")
    return {
        "existing": str(secret),
        "missing": str(place / "missing.png"),
        "outside": f"{folder}/../../../secret.png",
        "link": str(folder / "link.png"),
        "folder": str(folder),
        "pipe": str(folder / "pipe.png"),
        "device": "/dev/ptmx",
        "host": "http://192.0.2.1/x.png",
        "no path": "\0",
    }


def called(visitor: httpx.Client, calls: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the handlers answer, in any order."""
    answers = []
    for first in range(0, len(calls), AT_ONCE):
        session = f"{id(calls)}-{first}"
        for call in calls[first : first + AT_ONCE]:
            assert visitor.post("/queue/join", json={**call, "session_hash": session}).status_code == 200
        with visitor.stream("GET", "/queue/data", params={"session_hash": session}) as stream:
            messages = [json.loads(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]
        answers += [message for message in messages if message["msg"] == "process_completed"]
    assert len(answers) == len(calls)
    return answers


def calls_of_all_handlers(visitor: httpx.Client, payloads: Sequence[Any]) -> list[dict[str, Any]]:
    """A call of each handler that takes more than choices and numbers, with one of the payloads for all of that."""
    config = visitor.get(f"http://{visitor.base_url.netloc.decode()}/config").json()
    components = {each["id"]: each for each in config["components"]}
    calls: list[dict[str, Any]] = []
    for handler in config["dependencies"]:
        inputs = [components[index] for index in handler["inputs"]]
        chosen = [each["type"] == "number" or "choices" in each["props"] for each in inputs]
        if not all(chosen) and handler["backend_fn"]:
            payload = payloads[len(calls) % len(payloads)]
            values = zip(inputs, chosen, strict=True)
            data = [each["props"].get("value") if is_choice else payload for each, is_choice in values]
            calls.append({"fn_index": handler["id"], "data": data, "event_data": {"index": 0, "frames": [[0, 5]]}})
    return calls


@pytest.mark.parametrize(
    "attacks",
    [
        [("existing", "path")],
        [("existing", "meta")],
        [("missing", "path")],
        [*((kind, "path") for kind in KINDS), *(("existing", form) for form in FORMS)],
    ],
    ids=["existing", "with meta", "missing", "all else"],
)
def test_no_handler_opens_what_was_not_uploaded_or_tells_whether_it_is_there(
    attacks: list[tuple[str, str]], visitor: httpx.Client, foreign: dict[str, str]
) -> None:
    calls = calls_of_all_handlers(visitor, [FORMS[form](foreign[kind]) for kind, form in attacks])
    assert len(calls) > 100
    answers = called(visitor, calls)
    assert {answer["success"] for answer in answers} == {False}
    expected = {texts.PICTURE_FAULTS["missing"].to(language) for language in PATHS}
    assert {answer["output"]["error"] for answer in answers} == expected


@pytest.mark.parametrize("form", ["path", "meta"])
def test_every_program_can_name_an_upload(form: str, visitor: httpx.Client, upload: Path) -> None:
    event = visitor.post("/call/translate", json={"data": [FORMS[form](str(upload)), "photo", "pix2pix", 1]}).json()
    assert "event: complete" in visitor.get(f"/call/translate/{event['event_id']}").text


@pytest.mark.parametrize("value", ["x" * 200_000, "\nERROR app: the disk is full\n\x1b[2J"])
def test_a_wrong_choice_is_no_traceback_in_the_log_and_forges_no_line(
    value: str, visitor: httpx.Client, place: Path, upload: Path
) -> None:
    log = place / "server.log"
    before = log.read_text()
    for data in ([value, "photo", "pix2pix", 1], [FORMS["path"](str(upload)), value, "pix2pix", 1], [value]):
        event = visitor.post("/call/translate", json={"data": data}).json()
        answer = visitor.get(f"/call/translate/{event['event_id']}").text
        assert "event: error" in answer and len(answer) < 1000
    told = log.read_text().removeprefix(before)
    assert "Traceback" not in told and len(told) < 3000
    assert all(line.startswith("WARNING cyclegan.pages.blocks: ") for line in told.splitlines())
