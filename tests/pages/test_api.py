"""The app for programs: its endpoints by the real client, against the real server."""

from __future__ import annotations

import json
import urllib.request
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from cyclegan.facades.labels import draw_facade

ENDPOINTS = {"/translate", "/history", "/batch", "/draw", "/round_trip"}


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    draw_facade(3).resize((90, 70), Image.Resampling.NEAREST).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def pixels_of(path: str | Path) -> str:
    with Image.open(path) as image:
        return sha256(image.convert("RGB").tobytes()).hexdigest()


def test_every_endpoint_is_documented_with_types(url: str) -> None:
    with urllib.request.urlopen(f"{url}/gradio_api/info") as response:
        named = json.load(response)["named_endpoints"]
    assert set(named) == ENDPOINTS
    for endpoint, info in named.items():
        assert info["description"].strip(), endpoint
        for value in [*info["parameters"], *info["returns"]]:
            assert value["label"] and value["python_type"]["type"], endpoint


def test_the_history_is_the_translation_by_every_kept_epoch(client: Client, picture: Path) -> None:
    frames = client.predict(handle_file(picture), "photo", "pix2pix", api_name="/history")
    assert [frame["caption"] for frame in frames] == ["epoch 1", "epoch 2", "epoch 5"]
    for frame, epoch in zip(frames, (1, 2, None), strict=True):
        alone = client.predict(handle_file(picture), "photo", "pix2pix", epoch, api_name="/translate")
        assert pixels_of(frame["image"]) == pixels_of(alone)
        with Image.open(alone) as image:
            assert image.format == "PNG" and image.size == (90, 70)
    assert len({pixels_of(frame["image"]) for frame in frames}) == 3


def test_a_batch_gives_each_picture_back_under_its_name(client: Client, picture: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as file:
        file.write(picture, "old/house.png")
        file.writestr("old/readme.txt", "no picture")
    files = [handle_file(picture), handle_file(tmp_path / "more.zip")]
    packed, left_out = client.predict(files, "photo", "pix2pix", 2, api_name="/batch")
    (bad,) = left_out
    assert bad["name"] == "old/readme.txt" and "not an image" in bad["reason"]
    alone = client.predict(handle_file(picture), "photo", "pix2pix", 2, api_name="/translate")
    with zipfile.ZipFile(packed) as file:
        assert file.namelist() == ["picture.png", "old/house.png"]
        for name in file.namelist():
            file.extract(name, tmp_path / "out")
            assert pixels_of(tmp_path / "out" / name) == pixels_of(alone)


@pytest.mark.parametrize(
    ("endpoint", "arguments", "message"),
    [
        ("/translate", ("photo", "dalle", None), "not in the list of choices: ..CycleGAN., .pix2pix"),
        ("/translate", ("photo", "pix2pix", 4), "There is no epoch 4; choose one of: 1, 2, 5"),
        ("/history", ("labels", "pix2pix"), "trained for Labels → Photo only"),
        ("/batch", ("photo", "pix2pix", 4), "There is no epoch 4; choose one of: 1, 2, 5"),
    ],
)
def test_a_wrong_choice_is_told_with_the_right_ones(
    endpoint: str, arguments: tuple[object, ...], message: str, client: Client, picture: Path
) -> None:
    file = handle_file(picture)
    with pytest.raises(AppError, match=message):
        client.predict([file] if endpoint == "/batch" else file, *arguments, api_name=endpoint)
