"""Colours: CIE Lab against published values, and what the networks see of each domain."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from cyclegan.config import CycleGANConfig, GeneratorConfig, MethodConfig, Pix2PixConfig
from cyclegan.images.encodings import decode, encode, encodings, lab_to_rgb, rgb_to_lab
from tests.conftest import make_photo

COLOUR_TO_GREY = GeneratorConfig(architecture="unet_256", norm="batch", out_channels=1)


@pytest.mark.parametrize(
    ("colour", "lab"),
    [
        ((0, 0, 0), (0, 0, 0)),
        ((255, 255, 255), (100, 0, 0)),
        ((128, 128, 128), (53.585, 0, 0)),
        ((255, 0, 0), (53.241, 80.092, 67.203)),
        ((0, 255, 0), (87.735, -86.183, 83.179)),
        ((0, 0, 255), (32.297, 79.188, -107.860)),
        ((255, 255, 0), (97.139, -21.554, 94.478)),
        ((1, 1, 1), (0.274, 0, 0)),
    ],
)
def test_lab_has_the_published_values(colour: tuple[int, int, int], lab: tuple[float, float, float]) -> None:
    """D65, 2 degree observer, as colour calculators give them."""
    assert rgb_to_lab(np.array([colour], np.uint8))[0] == pytest.approx(lab, abs=0.01)


def test_colours_come_back_through_lab() -> None:
    levels = np.array([*range(0, 32, 3), *range(32, 256, 11), 255], np.uint8)
    pixels = np.stack(np.meshgrid(levels, levels, levels), -1)
    assert np.array_equal(lab_to_rgb(rgb_to_lab(pixels)), pixels)


def test_what_srgb_cannot_show_is_clipped() -> None:
    lab = np.array([[100, 90, 0], [0, 0, -100], [50, -128, 128]], np.float32)
    assert lab_to_rgb(lab).dtype == np.uint8
    assert lab_to_rgb(lab)[0, 0] == 255


def test_a_picture_is_seen_in_the_references_scale() -> None:
    photo = make_photo(1, 32)
    lab = rgb_to_lab(np.asarray(photo))
    lightness, chroma = encode(photo, "lightness"), encode(photo, "chroma")
    assert (lightness.shape, chroma.shape, lightness.dtype) == ((1, 32, 32), (2, 32, 32), torch.float32)
    assert np.allclose(lightness[0], lab[..., 0] / 50 - 1)
    assert np.allclose(chroma.permute(1, 2, 0), lab[..., 1:] / 110)


def test_grey_is_pillows_and_comes_back_as_rgb() -> None:
    photo = make_photo(2, 32)
    grey = encode(np.asarray(photo)[:, ::-1], "grey")
    back = decode(grey, "grey", photo)
    assert (grey.shape, back.mode) == ((1, 32, 32), "RGB")
    assert np.array_equal(np.asarray(back), np.asarray(photo.convert("L").convert("RGB"))[:, ::-1])


def test_chroma_gets_the_lightness_of_its_source() -> None:
    photo = make_photo(3, 32)
    assert np.array_equal(np.asarray(decode(encode(photo, "chroma"), "chroma", photo)), np.asarray(photo))
    grey = Image.new("RGB", (32, 32), (90, 90, 90))
    colourless = decode(torch.zeros(2, 32, 32, dtype=torch.bfloat16), "chroma", grey)
    assert np.abs(np.asarray(colourless).astype(int) - 90).max() <= 1


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (CycleGANConfig(dataset="x"), ("rgb", "rgb")),
        (CycleGANConfig(dataset="x", generator=GeneratorConfig(out_channels=1), lambda_identity=0), ("rgb", "grey")),
        (Pix2PixConfig(dataset="x", generator=COLOUR_TO_GREY), ("grey", "rgb")),
        (Pix2PixConfig(dataset="x", generator=COLOUR_TO_GREY, direction="ab"), ("rgb", "grey")),
        (
            Pix2PixConfig(
                dataset="x",
                dataset_mode="colorization",
                direction="ab",
                generator=GeneratorConfig(in_channels=1, out_channels=2),
            ),
            ("lightness", "chroma"),
        ),
    ],
)
def test_channels_and_mode_say_how_a_domain_is_seen(config: MethodConfig, expected: tuple[str, str]) -> None:
    assert encodings(config) == dict(zip("ab", expected, strict=True))
