"""The app without a browser: its handlers are plain functions."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import gradio as gr
import pytest
import torch
from gradio.data_classes import ImageData

import app
from cyclegan.config import GeneratorConfig, Pix2PixConfig
from cyclegan.facades.labels import draw_facade
from cyclegan.networks.build import build_generator
from cyclegan.pages import texts
from cyclegan.pages.api import find
from cyclegan.pages.errors import explained
from cyclegan.pages.examples import Examples
from cyclegan.pages.inputs import prepare, read_picture
from cyclegan.pages.layout import Layout
from cyclegan.pages.models import Models, Route, find_runs
from cyclegan.pages.watch import texts as watch_texts
from cyclegan.runs.convert import import_reference
from tests.conftest import TINY_PIX2PIX, make_photo, make_run

ROOT = Path(__file__).parents[2]
TO_PHOTO, TO_LABELS = Route("labels", "photo"), Route("photo", "labels")


pytestmark = pytest.mark.usefixtures("own_cache", "closed_event_loops")


class TestErrors:
    def test_unexpected_errors_are_logged_and_not_shown(self, caplog: pytest.LogCaptureFixture) -> None:
        with pytest.raises(gr.Error) as caught, caplog.at_level(logging.ERROR), explained("en"):
            raise RuntimeError("/secret/path is gone")
        assert caught.value.message == texts.UNEXPECTED.en
        assert "/secret/path is gone" in caplog.text

    def test_damaged_weights_do_not_show_their_path(
        self, weights: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        shutil.copytree(weights / "facades-pix2pix", tmp_path / "run")
        for path in (tmp_path / "run").rglob("model.safetensors"):
            path.write_bytes(b"damaged")
        broken = Layout(Models.load([tmp_path / "run"], precision="fp32"))
        told = broken.show(draw_facade(3), TO_PHOTO.name)[-1]
        assert told == texts.DAMAGED_NETWORKS.format(title="pix2pix", epoch=5).en
        assert str(tmp_path) in caplog.text


class TestRuns:
    def test_two_runs_of_a_method_are_told_apart(self, weights: Path, tmp_path: Path) -> None:
        shutil.copytree(weights / "facades-pix2pix", tmp_path / "other")
        models = Models.load([weights / "facades-pix2pix", tmp_path / "other"], precision="fp32")
        assert [model.title for model in models.models] == ["pix2pix (facades-pix2pix)", "pix2pix (other)"]

    def test_runs_of_one_method_that_lead_to_different_domains_are_told_apart_by_their_way(
        self, weights: Path, tmp_path: Path
    ) -> None:
        config = Pix2PixConfig(dataset="facades", generator=TINY_PIX2PIX, direction="ab")
        make_run(tmp_path / "facades-pix2pix-labels", config, epochs=(1,), sample_epochs=0)
        models = Models.load([weights / "facades-pix2pix", tmp_path / "facades-pix2pix-labels"])
        assert [model.title for model in models.models] == ["pix2pix", "pix2pix (photo -> labels)"]
        assert [find(models, "pix2pix", to)[0].title for to in ("photo", "labels")] == [
            model.title for model in models.models
        ]
        assert models.missing(TO_LABELS) == models.missing(TO_PHOTO) == []
        assert models.routes == (TO_PHOTO, TO_LABELS), "the page opens with examples that are translated"

    def test_runs_without_drawn_samples_open_without_an_example(self, weights: Path, tmp_path: Path) -> None:
        shutil.copytree(weights / "facades-pix2pix", tmp_path / "horses")
        text = (tmp_path / "horses" / "run.json").read_text().replace('"drawn"', '"dataset"')
        (tmp_path / "horses" / "run.json").write_text(text)
        layout = Layout(Models.load([tmp_path / "horses"], precision="fp32"))
        assert layout.translations.first(TO_PHOTO) is None
        assert layout.examples.on(TO_PHOTO) == ()
        assert layout.open() == gr.skip()

    def test_they_show_what_they_have_and_speak_of_nothing_else(self, weights: Path, tmp_path: Path) -> None:
        shutil.copytree(weights / "facades-cyclegan", tmp_path / "horses")
        text = (tmp_path / "horses" / "run.json").read_text().replace('"drawn"', '"dataset"')
        (tmp_path / "horses" / "run.json").write_text(text)
        layout = Layout(Models.load([tmp_path / "horses"], precision="fp32"))
        intro = next(block for block in layout.blocks.blocks.values() if block.elem_id == "intro")
        assert isinstance(intro, gr.Markdown)
        assert "CycleGAN" in str(intro.value) and not re.search("example|pix2pix learned", str(intro.value))
        plan = layout.watch_page.plan(None, TO_PHOTO)
        assert plan.note == watch_texts.SAMPLES.en and plan.figures[0].epochs == (1, 2, 3, 4, 5)
        frames = list(layout.watch_page.frames(None, TO_PHOTO))
        assert sorted(frame.epoch for frame in frames) == [1, 2, 3, 4, 5]
        picture = read_picture(ImageData(url=frames[0].src))
        assert picture is not None and picture.size == (1024, 512)

    def test_names_of_domains_keep_their_letters_and_stay_in_the_folder(self, weights: Path, tmp_path: Path) -> None:
        shutil.copytree(weights / "facades-cyclegan", tmp_path / "run")
        content = json.loads((tmp_path / "run" / "run.json").read_text())
        content["domains"] = {"a": "photo", "b": "Vincent van Gogh: night?"}
        (tmp_path / "run" / "run.json").write_text(json.dumps(content))
        layout = Layout(Models.load([tmp_path / "run"], precision="fp32"))
        route = layout.models.routes[1]
        assert route.label.en == "Photo → Vincent van Gogh: night?"
        updates = layout.show(make_photo(3), route.name)
        assert Path(updates[5]["value"]).name == "Vincent-van-Gogh-night-cyclegan-epoch-5.png"

    def test_a_converted_run_opens_with_the_one_direction_it_has(self, tmp_path: Path) -> None:
        path = tmp_path / "latest_net_G_A.pth"
        torch.save(build_generator(GeneratorConfig("resnet_6blocks", width=2)).state_dict(), path)
        run = import_reference([path], tmp_path / "run", domains=("horse", "zebra"))
        layout = Layout(Models.load([run.folder], precision="fp32"))
        assert layout.models.routes == (Route("horse", "zebra"),)
        assert layout.translations.translate(make_photo(1), layout.models.routes[0]).results[0] is not None
        frames = layout.watch_page.frames(make_photo(1), layout.models.routes[0])
        assert [frame.epoch for frame in frames] == [200]


class TestCommand:
    def failure(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
        """The line on stderr of a start that must fail with exit code 2."""
        assert app.main(["--precision", "fp32", *arguments]) == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1
        return lines[0]

    def test_no_runs_at_all(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(app, "WEIGHTS", tmp_path)
        assert "holds no runs; train one" in self.failure(capsys)
        assert "is not a run" in self.failure(capsys, "--run", str(tmp_path))
        (tmp_path / "one").mkdir()
        (tmp_path / "one" / "run.json").touch()
        assert f"runs in it are {tmp_path / 'one'}" in self.failure(capsys, "--run", str(tmp_path))
        (tmp_path / "run.json").write_text("{")
        assert "is damaged" in self.failure(capsys, "--run", str(tmp_path))

    def test_no_proxy_stands_between_the_app_and_its_own_machine(self, weights: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = str(free.getsockname()[1])
        command = [sys.executable, "app.py", "--no-browser", "--run", str(weights / "facades-cyclegan"), "--port", port]
        proxies = {"http_proxy": "http://127.0.0.1:9", "all_proxy": "socks://127.0.0.1:9"}
        app_process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | proxies, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            assert app_process.stdout and app_process.stderr
            assert f"127.0.0.1:{port}" in app_process.stdout.readline()
        finally:
            app_process.terminate()
            _, said = app_process.communicate(timeout=60)
        assert "all_proxy is socks://127.0.0.1:9: its scheme must be http, https or socks5" in said

    def test_a_port_in_use(self) -> None:
        """With the shipped runs: whatever loads them must not be inside PyTorch when the program ends."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            command = [sys.executable, "app.py", "--port", port]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 2
        assert done.stderr.splitlines() == [
            f"app.py: cannot listen at 127.0.0.1, port {port}: address already in use; "
            "choose another one with --port or --host"
        ]

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--port", "70000"), "port is 70000; it must be 1 to 65535"),
            (("--sessions", "0"), "sessions is 0; it must be 1 or more"),
            (("--keep-hours", "0"), "keep_hours is 0; it must be more than 0"),
            (("--host", "192.0.2.1"), "cannot listen at 192.0.2.1, port 7860"),
            (("--device", "abacus"), "device 'abacus' is not available"),
        ],
    )
    def test_a_value_that_cannot_be(
        self, arguments: tuple[str, str], message: str, weights: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert message in self.failure(capsys, "--run", str(weights / "facades-pix2pix"), *arguments)

    def test_the_runs_in_weights_are_found_by_name_and_hidden_ones_are_not(
        self, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shutil.copytree(weights, tmp_path, dirs_exist_ok=True)
        shutil.copytree(weights / "facades-pix2pix", tmp_path / ".tmp-half-made")
        monkeypatch.setattr(app, "WEIGHTS", tmp_path)
        assert [path.name for path in find_runs(app.WEIGHTS)] == ["facades-cyclegan", "facades-pix2pix"]


def test_gradio_writes_no_stub_files_into_the_package() -> None:
    assert not list((ROOT / "cyclegan").rglob("*.pyi"))


def test_a_world_of_small_images_brings_its_examples_along(tmp_path: Path) -> None:
    network = replace(TINY_PIX2PIX, architecture="unet_128")
    config = Pix2PixConfig(dataset="openmoji", generator=network, load_size=128, crop_size=128)
    run = make_run(tmp_path / "openmoji-pix2pix", config, epochs=(1,), sample_epochs=0)
    folder = run.folder / "examples" / "b"
    folder.mkdir(parents=True)
    make_photo(1, 300).save(folder / "1.png")
    (folder / "2.png").write_bytes(b"no image")
    (folder.parent / "LICENSE.md").write_text("CC BY-SA 4.0")
    models = Models.load([run.folder])
    (route,) = models.routes
    (example,) = Examples.of(models).on(route)
    assert example.image.size == (300, 300)
    assert prepare(example.image, route).image.size == (128, 128), "what its networks were trained on"
