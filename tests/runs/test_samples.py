"""Sample images: fixed inputs, one picture for each, without touching the networks in training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cyclegan.config import CycleGANConfig, Direction
from cyclegan.data.choice import choose_inputs
from cyclegan.data.datasets import Source, Split, find_split
from cyclegan.facades.labels import draw_facade, example_facades
from cyclegan.images.encodings import Encoding, decode, encode
from cyclegan.images.io import to_image, to_tensor
from cyclegan.networks.build import build_generator, for_translation
from cyclegan.runs.samples import SAMPLE_SIZE, cut, render
from tests.conftest import TINY_CYCLEGAN, TINY_PIX2PIX, make_photo

CPU = torch.device("cpu")
RGB: dict[str, Encoding] = {"a": "rgb", "b": "rgb"}


def same(first: Image.Image, second: Image.Image) -> bool:
    return np.array_equal(np.asarray(first), np.asarray(second))


def test_label_maps_are_replaced_by_drawn_ones_and_photos_come_from_the_dataset(facades: Path) -> None:
    split = find_split(facades, "val")
    inputs, kinds = choose_inputs(split, ("ab", "ba"))
    assert kinds == {"ab": "dataset", "ba": "drawn"}
    for images, expected in ((inputs["ab"], [source.load() for source in split.a]), (inputs["ba"], example_facades())):
        assert len(images) == len(expected) and all(map(same, images, expected))


def test_eight_of_many_photos_are_taken_at_the_samples_size(tmp_path: Path) -> None:
    for index in range(11):
        make_photo(index, 40).save(tmp_path / f"{index}.png")
    sources = tuple(Source(tmp_path / f"{index}.png") for index in range(11))
    inputs, _ = choose_inputs(Split("two folders", sources, sources), ("ab",))
    expected = (
        sources[index].load().resize((256, 256), Image.Resampling.BICUBIC) for index in (0, 1, 2, 4, 5, 6, 8, 9)
    )
    assert all(map(same, inputs["ab"], expected))
    assert len(inputs["ab"]) == 8


def test_a_sheet_has_a_row_for_each_direction_and_a_column_for_each_input() -> None:
    inputs: dict[Direction, list[Image.Image]] = {
        "ab": [make_photo(seed) for seed in (1, 2, 3)],
        "ba": [draw_facade(seed) for seed in (1, 2)],
    }
    torch.manual_seed(0)
    generators = {direction: build_generator(TINY_CYCLEGAN) for direction in inputs}
    sheet = render(generators, inputs, RGB, CPU, torch.float32)
    assert sheet.size == (3 * SAMPLE_SIZE, 2 * SAMPLE_SIZE)
    for row, (direction, images) in enumerate(inputs.items()):
        for column, image in enumerate(images):
            with torch.no_grad():
                expected = to_image(generators[direction](to_tensor(image)[None])[0])
            picture = np.asarray(cut(sheet, row, column)).astype(int)
            assert np.abs(picture - np.asarray(expected)).max() <= 1
    assert not np.asarray(cut(sheet, 1, 2)).any()


def test_a_run_of_small_images_is_sampled_at_their_size_and_shown_enlarged() -> None:
    assert CycleGANConfig(dataset="x", load_size=128, crop_size=64).image_size == 64
    assert CycleGANConfig(dataset="x", load_size=286, crop_size=128).image_size == 256, "crops of large images"
    network = build_generator(TINY_CYCLEGAN)
    photo = make_photo(1).resize((64, 64))
    sheet = render({"ab": network}, {"ab": [photo]}, RGB, CPU, torch.float32)
    with torch.no_grad():
        expected = to_image(network(to_tensor(photo)[None])[0]).resize((256, 256), Image.Resampling.LANCZOS)
    assert sheet.size == (256, 256)
    assert np.abs(np.asarray(sheet).astype(int) - np.asarray(expected)).max() <= 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rendering_leaves_the_training_as_it_was(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    network = build_generator(TINY_PIX2PIX).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state = torch.get_rng_state()
    inputs: dict[Direction, list[Image.Image]] = {"ba": [draw_facade(1)]}
    first, second = (render({"ba": network}, inputs, RGB, CPU, dtype) for _ in range(2))
    assert same(first, second), "dropout is on"
    assert torch.equal(torch.get_rng_state(), state)
    assert network.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    with torch.no_grad():
        expected = to_image(for_translation(network)(to_tensor(draw_facade(1))[None])[0])
    assert np.abs(np.asarray(first).astype(int) - np.asarray(expected)).mean() < (0.01 if dtype == torch.float32 else 3)


def test_a_colorizers_sample_has_the_lightness_of_its_input() -> None:
    network = build_generator(replace(TINY_PIX2PIX, in_channels=1, out_channels=2))
    photo = make_photo(1)
    sheet = render({"ab": network}, {"ab": [photo]}, {"a": "lightness", "b": "chroma"}, CPU, torch.float32)
    with torch.no_grad():
        chroma = for_translation(network)(encode(photo, "lightness")[None])[0]
    expected = np.asarray(decode(chroma, "chroma", photo)).astype(int)
    assert np.abs(np.asarray(sheet).astype(int) - expected).max() <= 1
