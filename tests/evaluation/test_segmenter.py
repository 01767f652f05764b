"""The segmenter: it learns what real photos show, is stored and loaded strictly, and the shipped one keeps its word."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from benchmarks.segmenter import agreement, classes_of, main, save_segmenter, train_segmenter
from cyclegan.config import ConfigError
from cyclegan.data.datasets import DatasetError, find_split
from cyclegan.evaluation.segmenter import SHIPPED, Segmenter, SegmenterConfig, load_segmenter, segment
from cyclegan.facades.labels import CMP_BASE_PALETTE, PALETTE, class_indices
from cyclegan.networks.storage import WeightsError
from tests.conftest import make_folder, make_photo

TINY = SegmenterConfig(dataset="facades", width=4, epochs=25, batch_size=2, learning_rate=2e-2)
CPU = torch.device("cpu")


def train(config: SegmenterConfig, folder: Path) -> Segmenter:
    return train_segmenter(config, folder, device=CPU, dtype=torch.float32)


def test_a_segmenter_learns_to_read_photos(facades: Path) -> None:
    trained, split = train(TINY, facades), find_split(facades, "val")
    fresh = train(replace(TINY, epochs=1, learning_rate=1e-9), facades)
    assert agreement(trained, split).pixel_accuracy > 0.6
    assert agreement(trained, split).pixel_accuracy > agreement(fresh, split).pixel_accuracy + 0.2
    assert not trained.training


def test_logits_have_the_size_of_the_photo_which_must_fit() -> None:
    torch.manual_seed(0)
    segmenter = Segmenter(TINY).eval()
    assert segmenter(torch.zeros(2, 3, 64, 96)).shape == (2, 12, 64, 96)
    with pytest.raises(ValueError, match="image is 100x64; both sides must be multiples of 32"):
        segmenter(torch.zeros(1, 3, 64, 100))
    assert segment(segmenter, make_photo(1, 64)).shape == (64, 64)


@pytest.mark.parametrize("palette", [PALETTE, CMP_BASE_PALETTE])
def test_classes_are_those_of_the_nearest_colour(palette: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    noisy = np.clip(palette[rng.integers(0, 12, (8, 9))] + rng.normal(0, 9, (8, 9, 3)), 0, 255).astype(np.uint8)
    labels = torch.from_numpy(noisy / 127.5 - 1).float().permute(2, 0, 1)[None]
    found = classes_of(labels, torch.from_numpy(palette / 127.5 - 1).float())[0].numpy()
    assert (found == class_indices(Image.fromarray(noisy), palette)).all()


def test_a_damaged_segmenter_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"config\.json is missing; .*benchmarks.segmenter"):
        load_segmenter(tmp_path)
    torch.manual_seed(0)
    save_segmenter(tmp_path, Segmenter(TINY))
    weights, config = tmp_path / "model.safetensors", tmp_path / "config.json"
    state = load_file(weights)
    save_file({name: value for name, value in state.items() if name != "head.bias"}, weights)
    with pytest.raises(WeightsError, match=r"lacks 1 tensors .*head\.bias"):
        load_segmenter(tmp_path)
    config.write_text(json.dumps(json.loads(config.read_text()) | {"widht": 3}))
    with pytest.raises(ConfigError, match="widht"):
        load_segmenter(tmp_path)


def test_photos_without_label_maps_are_refused(tmp_path: Path) -> None:
    make_folder(tmp_path / "trainA", ["1.png"])
    make_folder(tmp_path / "trainB", ["1.png"])
    with pytest.raises(DatasetError, match=r"1\.png is no label map of facades"):
        train(TINY, tmp_path)


def test_the_command_trains_writes_and_measures(
    facades: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "segmenter"
    options = ["--width", "4", "--epochs", "1", "--batch-size", "3", "--device", "cpu", "--precision", "fp32"]
    main(["--dataset", str(facades), "--out", str(out), *options])
    loaded = load_segmenter(out)
    assert (loaded.config.width, loaded.config.dataset) == (4, str(facades))
    found = agreement(loaded, find_split(facades, "val"))
    assert f"on val: {found.pixel_accuracy:.3f} pixel accuracy" in capsys.readouterr().out


def test_the_shipped_segmenter_is_small() -> None:
    segmenter = load_segmenter()
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 6_000_000
    assert segmenter.config.dataset == "facades"
