"""Generators by bands: the picture that they give at once, whatever the height of a band."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from cyclegan.config import GeneratorConfig
from cyclegan.networks.build import build_generator, for_translation, initialize
from cyclegan.networks.layers import InstanceNorm
from cyclegan.translate import bands
from cyclegan.translate.bands import Bands, Rows

CONFIGS = {
    "resnet": GeneratorConfig("resnet_6blocks", width=4),
    "resnet, batch norm and dropout": GeneratorConfig("resnet_6blocks", width=4, norm="batch", dropout=True),
    "resnet, no norm": GeneratorConfig("resnet_6blocks", width=4, norm="none"),
    "resnet, resize": GeneratorConfig("resnet_6blocks", width=4, upsample="resize", activation="leaky_relu"),
    "unet": GeneratorConfig("unet_128", width=4, norm="batch", dropout=True),
    "unet, resize and instance norm": GeneratorConfig("unet_128", width=4, upsample="resize"),
    "resnet of label maps": GeneratorConfig("resnet_6blocks", width=4, classes="facades"),
    "unet of label maps": GeneratorConfig("unet_128", width=4, norm="batch", classes="cmp_base"),
    "colorization": GeneratorConfig("unet_128", width=4, norm="batch", in_channels=1, out_channels=2),
}


def make(config: GeneratorConfig, dtype: torch.dtype = torch.float64) -> nn.Module:
    torch.manual_seed(0)
    network = build_generator(config)
    initialize(network, 0.2)
    return for_translation(network, dtype=dtype)


def rows_of(image: torch.Tensor) -> Rows:
    _, channels, height, width = image.shape
    return Rows(channels, height, width, lambda top, bottom: image[:, :, top:bottom])


@pytest.mark.parametrize("band", [1, 3, 50, 10_000], ids=lambda rows: f"{rows} rows")
@pytest.mark.parametrize("kind", CONFIGS)
def test_the_picture_is_the_one_made_at_once(kind: str, band: int, monkeypatch: pytest.MonkeyPatch) -> None:
    config = CONFIGS[kind]
    network = make(config)
    size = (128, 256) if "unet" in config.architecture else (36, 44)
    image = torch.rand(1, config.in_channels, *size, generator=torch.Generator().manual_seed(1)).double() * 2 - 1
    monkeypatch.setattr(Rows, "band", band)
    made = Bands(network)(rows_of(image))
    expected = network(image)
    assert (made.channels, made.height, made.width) == expected.shape[1:]
    assert expected.std() > 0.05, "the pictures are too flat for the comparison to mean much"
    torch.testing.assert_close(made.read(0, made.height), expected, rtol=0, atol=1e-9)
    torch.testing.assert_close(made.read(5, 9), expected[:, :, 5:9], rtol=0, atol=1e-9)


def test_bf16_differs_no_more_than_by_its_own_rounding() -> None:
    config = replace(CONFIGS["resnet"], width=8)
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    exact = make(config)(image.double())
    network = make(config, torch.bfloat16)
    at_once = network(image.bfloat16()).double() - exact
    by_bands = Bands(network)(rows_of(image)).read(0, 64).double() - exact
    assert by_bands.abs().mean() < 1.2 * at_once.abs().mean()


def test_progress_rises_to_one_and_can_end_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bands, "BAND_VALUES", 1000)
    image = rows_of(torch.zeros(1, 3, 32, 32))
    network = make(CONFIGS["resnet"], torch.float32)
    shares: list[float] = []
    Bands(network, shares.append)(image)
    assert shares == sorted(shares) and shares[0] > 0 and shares[-1] == pytest.approx(1)
    assert len(shares) > 50

    def cancel(share: float) -> None:
        if share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Bands(network, cancel)(image)


def test_an_unknown_layer_is_refused() -> None:
    with pytest.raises(TypeError, match="Softmax cannot be computed by bands"):
        Bands(nn.Sequential(nn.Conv2d(3, 3, 1), nn.Softmax()))(rows_of(torch.zeros(1, 3, 8, 8)))
    with pytest.raises(TypeError, match="follows no convolution"):
        Bands(nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU(), InstanceNorm(3)))(rows_of(torch.zeros(1, 3, 8, 8)))
