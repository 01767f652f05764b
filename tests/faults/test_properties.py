"""Whatever stands in a file or on a command line: it is taken, or refused with a message, and nothing else happens."""

from __future__ import annotations

import io
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import train
from cyclegan import dataset_choice
from cyclegan.config import ConfigError, CycleGANConfig, GeneratorConfig
from cyclegan.data.downloads import DownloadError
from cyclegan.images.io import ImageError, open_image
from cyclegan.networks.build import build_generator
from cyclegan.networks.storage import WeightsError, load_generator
from cyclegan.runs.run import Domains, Run, RunError

SETTINGS = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NETWORKS = ("generator", "discriminator")
WORDS = [f"--{name.replace('_', '-')}" for name in asdict(CycleGANConfig(dataset="x")) if name not in NETWORKS]
VALUES = st.sampled_from(["", "0", "-1", "1e400", "nan", "None", "facades", "\0", "ü", "../x", "9" * 40]) | st.text(
    max_size=6
)


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    with tempfile.TemporaryDirectory() as folder:
        config = CycleGANConfig(dataset="facades", generator=GeneratorConfig("resnet_6blocks", width=2))
        run = Run(Path(folder), "cyclegan", Domains("photo", "labels"), config, {"ab": "drawn"})
        run.write()
        run.save_snapshot(1, {"ab": build_generator(config.generator)})
        yield run


def places(record: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every key and index of a JSON value, from the top."""
    inside = record.items() if isinstance(record, dict) else enumerate(record) if isinstance(record, list) else ()
    for key, value in inside:
        yield (*path, key)
        yield from places(value, (*path, key))


def changed(record: Any, path: tuple[Any, ...], value: Any) -> Any:
    copied = deepcopy(record)
    inner = copied
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return copied


@SETTINGS
@given(data=st.data(), value=JSON)
def test_a_run_json_with_any_value_anywhere_is_a_run_or_refused(run: Run, data: st.DataObject, value: object) -> None:
    original = json.loads((run.folder / "run.json").read_bytes())
    path = data.draw(st.sampled_from(list(places(original))))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "run.json").write_text(json.dumps(changed(original, path, value)), encoding="utf-8")
        try:
            assert Run.open(folder).epochs == ()
        except (RunError, ConfigError) as error:
            assert str(error)


@SETTINGS
@given(content=st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_run_json_is_a_run_or_refused(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "run.json").write_bytes(content)
        with pytest.raises((RunError, ConfigError)):
            Run.open(folder)


@SETTINGS
@given(lines=st.lists(st.binary(max_size=30) | JSON.map(lambda value: json.dumps(value).encode()), max_size=4))
def test_any_history_is_read_or_refused(run: Run, lines: list[bytes]) -> None:
    (run.folder / "history.jsonl").write_bytes(b"\n".join(lines))
    try:
        assert all(isinstance(record["epoch"], int | float | str | bool) for record in run.history())
    except RunError as error:
        assert "is damaged at line" in str(error)


@SETTINGS
@given(place=st.floats(0, 1, exclude_max=True), damage=st.binary(min_size=1, max_size=9), cut=st.booleans())
def test_damaged_weights_are_weights_or_refused(run: Run, place: float, damage: bytes, cut: bool) -> None:
    whole = (run.snapshot_folder(1, "ab") / "model.safetensors").read_bytes()
    # Every second time within the header, which is what a reader trusts.
    at = int(place * (len(whole) if len(damage) % 2 else 2000))
    with tempfile.TemporaryDirectory() as place_of_copy:
        folder = Path(place_of_copy)
        shutil.copy(run.snapshot_folder(1, "ab") / "config.json", folder)
        (folder / "model.safetensors").write_bytes(whole[:at] + damage + (b"" if cut else whole[at + len(damage) :]))
        try:
            load_generator(folder)
        except (WeightsError, ConfigError) as error:
            assert str(folder) in str(error)


@SETTINGS
@given(
    kind=st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"]),
    place=st.floats(0, 1, exclude_max=True),
    damage=st.binary(min_size=1, max_size=9),
    cut=st.booleans(),
)
def test_a_damaged_image_is_an_image_or_refused(kind: str, place: float, damage: bytes, cut: bool) -> None:
    content = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(256, size=(12, 16, 3), dtype=np.uint8)).save(content, kind)
    whole = content.getvalue()
    at = int(place * len(whole))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "image.png")
        path.write_bytes(whole[:at] + damage + (b"" if cut else whole[at + len(damage) :]))
        try:
            assert open_image(path).mode
        except ImageError as error:
            assert path.name in str(error)


@settings(SETTINGS, max_examples=40)
@given(words=st.lists(st.tuples(st.sampled_from(WORDS), VALUES), max_size=4), method=st.sampled_from(["", "pix2pix"]))
def test_any_command_line_is_taken_or_refused_with_one_message(
    words: list[tuple[str, str]],
    method: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(*_: object) -> None:  # a dataset that is named is looked for in the network: 20 s, where there is none
        raise DownloadError("out of reach")

    monkeypatch.setattr(dataset_choice, "find_folder", refuse)
    arguments = [*([method] if method else []), "--dataset", str(tmp_path), *(word for pair in words for word in pair)]
    try:
        assert train.main([*arguments, "--dry-run", "--out", str(tmp_path / "run")]) == 2
    except SystemExit as stop:
        assert stop.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_the_words_are_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        train.main(["--help"])
    assert set(WORDS) <= set(re.findall(r"--[a-z][a-z-]*", capsys.readouterr().out))
