"""Every network that the options describe: built, run forward and backward, and what each option changes in it."""

from __future__ import annotations

from itertools import cycle, pairwise, product
from typing import get_args

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cyclegan.config import (
    Activation,
    Bias,
    DiscriminatorConfig,
    DiscriminatorName,
    GeneratorConfig,
    GeneratorName,
    Init,
    Norm,
    Upsample,
)
from cyclegan.facades.labels import CMP_BASE_PALETTE
from cyclegan.networks.build import build_discriminator, build_generator, for_translation, initialize
from cyclegan.networks.generators import with_class_logits
from cyclegan.networks.layers import InstanceNorm, ResizeConv

SIZES: dict[GeneratorName, int] = {"resnet_9blocks": 16, "resnet_6blocks": 16, "unet_256": 256, "unet_128": 128}
ARCHITECTURES = pytest.mark.parametrize("architecture", list(SIZES))
NORMS = pytest.mark.parametrize("norm", get_args(Norm))
UPSAMPLES = pytest.mark.parametrize("upsample", get_args(Upsample))
CHANNELS = list(product((1, 3), repeat=2))
CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


def random(*shape: int) -> Tensor:
    return 2 * torch.rand(*shape, generator=torch.Generator().manual_seed(len(shape))) - 1


def built(config: GeneratorConfig, init: Init = "normal") -> nn.Module:
    torch.manual_seed(0)
    network = build_generator(config)
    initialize(network, init=init)
    return network


def assert_learns(network: nn.Module, x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The output has this shape, and its gradient reaches the input and, finite, every parameter."""
    x = x.clone().requires_grad_()
    output = network(x)
    assert output.shape == shape
    (output * random(*shape)).sum().backward()
    gradients = [parameter.grad for parameter in network.parameters()]
    assert all(gradient is not None and torch.isfinite(gradient).all() for gradient in gradients)
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()
    assert x.grad.any()
    return output


@ARCHITECTURES
@NORMS
@UPSAMPLES
def test_every_generator_runs_forward_and_backward(architecture: GeneratorName, norm: Norm, upsample: Upsample) -> None:
    """Each with several of the channels, activations, biases and distributions of the initial weights."""
    size = SIZES[architecture]
    choices = zip(CHANNELS, cycle(get_args(Activation)), cycle(get_args(Bias)), get_args(Init), strict=False)
    for (inputs, outputs), activation, bias, init in choices:
        config = GeneratorConfig(
            architecture, 2, norm, False, inputs, outputs, activation=activation, upsample=upsample, bias=bias
        )
        output = assert_learns(built(config, init), random(1, inputs, size, size), (1, outputs, size, size))
        assert output.abs().max() <= 1


@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_mlp_generator_makes_images_from_noise(norm: Norm, channels: int) -> None:
    config = GeneratorConfig("mlp", 4, norm, in_channels=7, out_channels=channels, activation="leaky_relu")
    assert assert_learns(built(config), random(3, 7), (3, channels, 32, 32)).abs().max() <= 1


def test_the_mlp_generator_is_the_tutorials() -> None:
    """100 -> 128 -> 256 -> 512 -> 1024 -> 32x32, batch norm from the second layer on."""
    config = GeneratorConfig("mlp", 128, "batch", in_channels=100, out_channels=1, activation="leaky_relu")
    with torch.device("meta"):
        network = build_generator(config)
    linear = [module for module in network.modules() if isinstance(module, nn.Linear)]
    assert [(each.in_features, each.out_features) for each in linear] == [
        *pairwise((100, 128, 256, 512, 1024)),
        (1024, 32 * 32),
    ]
    norms = [module.num_features for module in network.modules() if isinstance(module, nn.BatchNorm1d)]
    assert norms == [256, 512, 1024]


@pytest.mark.parametrize(
    ("architecture", "layers", "side"),
    [
        ("basic", 3, 6),
        *(("n_layers", layers, 64 // 2**layers - 2) for layers in (1, 2, 3, 4)),
        ("pixel", 3, 64),
    ],
)
@NORMS
def test_every_discriminator_runs_forward_and_backward(
    architecture: DiscriminatorName, layers: int, side: int, norm: Norm
) -> None:
    config = DiscriminatorConfig(architecture, 2, norm, layers)
    network = build_discriminator(config, in_channels=6)
    assert_learns(network, random(2, 6, 64, 64), (2, 1, side, side))


def test_the_mlp_discriminator_judges_whole_images() -> None:
    for channels in (1, 3):
        network = build_discriminator(DiscriminatorConfig("mlp", 4, "none"), in_channels=channels)
        assert_learns(network, random(3, channels, 32, 32), (3, 1))


@pytest.mark.parametrize(
    ("architecture", "norm"),
    [("basic", "instance"), ("n_layers", "batch"), ("pixel", "none"), ("mlp", "none")],
)
def test_a_spectral_norm_leaves_no_layer_a_singular_value_above_1(architecture: DiscriminatorName, norm: Norm) -> None:
    """Miyato et al. 2018 (arXiv:1802.05957) section 2.1; their appendix A estimates the value, more closely with every
    pass."""
    torch.manual_seed(0)
    config = DiscriminatorConfig(architecture, 8, norm, spectral_norm=True)
    network = build_discriminator(config, in_channels=3)
    initialize(network, 0.5)
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    first = [torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() for layer in layers]
    assert first == pytest.approx([1] * len(layers), abs=0.2), "the estimate is of the initial weights"
    x = random(2, 3, 32, 32)
    with torch.no_grad():
        for _ in range(100):
            network(x)
    network.eval()
    values = [torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() for layer in layers]
    assert values == pytest.approx([1] * len(layers), abs=1e-2)
    assert_learns(network.train(), x, tuple(network(x).shape))


@pytest.mark.parametrize(("layers", "norm"), [(1, "none"), (2, "batch"), (3, "instance"), (6, "none")])
def test_the_smallest_crop_of_a_discriminator_gives_one_logit(layers: int, norm: Norm) -> None:
    """And one pixel less gives none: the limit that the configuration enforces."""
    network = build_discriminator(DiscriminatorConfig("n_layers", 1, norm, layers), in_channels=3)
    side = 3 * 2**layers
    assert network(random(1, 3, side, side)).shape == (1, 1, 1, 1)
    with pytest.raises((RuntimeError, ValueError)):
        network(random(1, 3, side - 1, side - 1))


@pytest.mark.parametrize(
    ("architecture", "layers", "field"),
    [
        *(("n_layers", layers, field) for layers, field in ((1, 16), (2, 34), (3, 70), (4, 142))),
        ("pixel", 3, 1),
    ],
)
def test_a_logit_sees_as_many_pixels_as_documented(architecture: DiscriminatorName, layers: int, field: int) -> None:
    # Without a norm: its statistics would see the whole image.
    network = build_discriminator(DiscriminatorConfig(architecture, 2, "none", layers), in_channels=3).double()
    x = random(1, 3, 256, 256).double().requires_grad_()
    logits = network(x)
    (gradient,) = torch.autograd.grad(logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2], x)
    seen = gradient[0].abs().sum(0) > 0
    assert (int(seen.any(1).sum()), int(seen.any(0).sum()), int(seen.sum())) == (field, field, field**2)


@ARCHITECTURES
def test_a_leaky_generator_has_no_relu(architecture: GeneratorName) -> None:
    with torch.device("meta"):
        leaky, plain = (
            list(build_generator(GeneratorConfig(architecture, 2, activation=name)).modules())
            for name in ("leaky_relu", "relu")
        )
    assert any(isinstance(module, nn.ReLU) for module in plain)
    assert not any(isinstance(module, nn.ReLU) for module in leaky)
    slopes = [module.negative_slope for module in leaky if isinstance(module, nn.LeakyReLU)]
    assert len(slopes) == sum(isinstance(module, nn.ReLU | nn.LeakyReLU) for module in plain)
    assert set(slopes) == {0.2}


def biases(config: GeneratorConfig) -> tuple[set[bool], set[bool]]:
    """Whether convolutions that a norm follows, and the others, have a bias."""
    with torch.device("meta"):
        network = build_generator(config)
    normed: set[nn.Module] = set()
    for module in network.modules():
        if isinstance(module, nn.Sequential):
            normed |= {before for before, after in pairwise(module) if isinstance(after, nn.BatchNorm2d | InstanceNorm)}
    convolutions = {module for module in network.modules() if isinstance(module, CONVOLUTIONS)}
    assert config.norm == "none" or normed & convolutions
    return (
        {module.bias is not None for module in normed & convolutions},
        {module.bias is not None for module in convolutions - normed},
    )


@ARCHITECTURES
@UPSAMPLES
def test_biases_are_where_they_can_matter(architecture: GeneratorName, upsample: Upsample) -> None:
    def of(norm: Norm, bias: Bias) -> tuple[set[bool], set[bool]]:
        return biases(GeneratorConfig(architecture, 2, norm, upsample=upsample, bias=bias))

    assert of("instance", "reference") == ({True}, {True})
    assert of("instance", "none") == ({False}, {True})
    for bias in get_args(Bias):
        assert of("none", bias) == (set(), {True})
        assert of("batch", bias)[0] == {False}


@ARCHITECTURES
def test_a_resizing_generator_has_no_transposed_convolution(architecture: GeneratorName) -> None:
    with torch.device("meta"):
        networks = [build_generator(GeneratorConfig(architecture, 2, upsample=name)) for name in get_args(Upsample)]
    transposed = [sum(isinstance(each, nn.ConvTranspose2d) for each in network.modules()) for network in networks]
    resizing = [sum(isinstance(each, ResizeConv) for each in network.modules()) for network in networks]
    assert transposed[0] == resizing[1] > 0
    assert transposed[1] == resizing[0] == 0


@ARCHITECTURES
def test_a_generator_of_label_maps_mixes_the_colours_of_its_classes_until_it_translates(
    architecture: GeneratorName,
) -> None:
    config = GeneratorConfig(architecture, 2, classes="cmp_base")
    network = build_generator(config)
    initialize(network, 0.2)
    x = random(2, 3, SIZES[architecture], SIZES[architecture])
    palette = torch.from_numpy(CMP_BASE_PALETTE / 127.5 - 1).float()
    logits, mixed = with_class_logits(network, x)
    assert logits is not None and logits.shape == (2, len(palette), *x.shape[2:])
    torch.testing.assert_close(mixed, torch.einsum("nkhw,kc->nchw", logits.softmax(1), palette))
    torch.testing.assert_close(network(x), mixed, rtol=0, atol=0)
    translating = for_translation(network)
    logits, shown = with_class_logits(translating, x)
    assert logits is not None
    (first, second), (likeliest, _) = (each.unbind(1) for each in logits.topk(2, dim=1))
    sure = (first - second > 1)[:, None].expand_as(shown)
    assert sure.any()
    torch.testing.assert_close(shown[sure], palette[likeliest].permute(0, 3, 1, 2)[sure], rtol=0, atol=2e-3)
    assert translating.to(torch.bfloat16)(x.bfloat16()).abs().max() < 1.0001


def test_resize_convolution_repeats_pixels_and_convolves() -> None:
    layer, x = ResizeConv(3, 5, bias=True), random(2, 3, 4, 6)
    repeated = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(layer(x), F.conv2d(repeated, layer.weight, layer.bias, padding=1))


@pytest.mark.parametrize("layer", [nn.Conv2d(30, 40, 4), nn.ConvTranspose2d(30, 40, 4), nn.Linear(120, 160)])
def test_initial_weights_have_the_scale_of_their_distribution(layer: nn.Module) -> None:
    gain = 0.5
    weight = layer.weight
    assert isinstance(weight, Tensor)
    area = 16 if weight.ndim == 4 else 1
    fan_in, fan_out = weight.shape[1] * area, weight.shape[0] * area
    expected: dict[Init, float] = {
        "normal": gain,
        "xavier": gain * (2 / (fan_in + fan_out)) ** 0.5,
        "kaiming": (2 / fan_in) ** 0.5,
    }
    for init, deviation in expected.items():
        torch.manual_seed(0)
        initialize(layer, gain, init)
        assert weight.std().item() == pytest.approx(deviation, rel=0.02), init
        assert weight.mean().item() == pytest.approx(0, abs=0.03 * deviation), init
        assert isinstance(layer.bias, Tensor)
        assert not layer.bias.any()
    initialize(layer, gain, "orthogonal")
    rows = weight.detach().flatten(1).double()
    shorter = rows if rows.shape[0] <= rows.shape[1] else rows.T
    identity = torch.eye(len(shorter), dtype=torch.float64)
    torch.testing.assert_close(shorter @ shorter.T, gain**2 * identity, rtol=0, atol=1e-5 * gain**2)
