"""ONNX files: what ONNX Runtime makes of them is what PyTorch makes, and they tell what they are."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from cyclegan.config import CycleGANConfig, GeneratorConfig, Pix2PixConfig
from cyclegan.networks.build import for_translation
from cyclegan.runs.export import main
from tests.conftest import TINY_CYCLEGAN, TINY_GAN, make_run


def session_of(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def test_a_resnet_of_label_maps_takes_any_size_and_tells_what_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = CycleGANConfig(dataset="facades", generator=replace(TINY_CYCLEGAN, classes="facades"), lambda_identity=0)
    run = make_run(tmp_path / "facades-cyclegan", config, epochs=(3, 4), sample_epochs=0)
    out = tmp_path / "labels.onnx"
    assert main([str(run.folder), str(out), "--to", "labels", "--epoch", "3"]) == 0
    assert "to labels" in capsys.readouterr().err
    session = session_of(out)
    network = for_translation(run.load_generator(3, "ab"))
    for size in ((64, 64), (40, 100)):
        image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(2)) * 2 - 1
        (translation,) = session.run(["translation"], {"image": image.numpy()})
        assert np.abs(translation - network(image).numpy()).max() < 1e-3
    about = session.get_modelmeta().custom_metadata_map
    assert {name: about[name] for name in ("method", "from", "to", "epoch", "run")} == {
        "method": "cyclegan",
        "from": "photo",
        "to": "labels",
        "epoch": "3",
        "run": "facades-cyclegan",
    }
    assert json.loads(about["generator"])["architecture"] == "resnet_6blocks"


def test_a_unet_takes_its_size(tmp_path: Path) -> None:
    config = GeneratorConfig("unet_128", width=2, norm="batch", dropout=True, in_channels=1, out_channels=2)
    colours = Pix2PixConfig(
        dataset="/home/me/secret/photos", dataset_mode="colorization", direction="ab", generator=config, crop_size=128
    )
    run = make_run(tmp_path / "colours", colours, epochs=(1,), sample_epochs=0)
    out = tmp_path / "colours.onnx"
    assert main([str(run.folder), str(out), "--size", "128", "256"]) == 0
    session = session_of(out)
    assert session.get_inputs()[0].shape == [1, 1, 128, 256]
    image = torch.rand(1, 1, 128, 256, generator=torch.Generator().manual_seed(2)) * 2 - 1
    (translation,) = session.run(["translation"], {"image": image.numpy()})
    expected = for_translation(run.load_generator(1, "ab"))(image).numpy()
    assert np.abs(translation - expected).max() < 1e-3
    about = session.get_modelmeta().custom_metadata_map
    assert about["image"].endswith("lightness") and about["translation"].endswith("chroma")
    assert about["trained on"] == "photos"


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("facades-cyclegan", [], "translates to labels and photo; choose with --to"),
        ("facades-cyclegan", ["--to", "cats"], "does not translate to 'cats'"),
        ("facades-cyclegan", ["--to", "photo", "--size", "64", "64"], "any size; leave --size out"),
        ("facades-cyclegan", ["--to", "photo", "--epoch", "4"], "has no epoch 4; it has 1, 3, 5"),
        ("facades-pix2pix", ["--size", "256", "300"], "size is 256 300; unet_256 takes multiples of 256"),
        ("noise", [], "translates to nothing"),
    ],
)
def test_a_mistake_is_one_line(
    name: str, arguments: list[str], said: str, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if name == "noise":
        make_run(tmp_path / "noise", TINY_GAN, epochs=(1,), sample_epochs=0)
    folder = tmp_path / "noise" if name == "noise" else weights / name
    assert main([str(folder), str(tmp_path / "x.onnx"), *arguments]) == 2
    printed = capsys.readouterr().err
    assert said in printed and printed.count("\n") == 1
    assert not (tmp_path / "x.onnx").exists()


def test_without_its_packages_the_remedy_is_named(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    assert main([str(weights / "facades-cyclegan"), str(tmp_path / "x.onnx"), "--to", "photo"]) == 2
    assert "onnxscript is missing; pip install -r requirements-onnx.txt" in capsys.readouterr().err


def test_a_file_that_translates_otherwise_is_not_written(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("cyclegan.runs.export.TOLERANCE", 0.0)
    assert main([str(weights / "facades-pix2pix"), str(tmp_path / "x.onnx")]) == 2
    assert "differs from PyTorch by" in capsys.readouterr().err
    assert not (tmp_path / "x.onnx").exists()
