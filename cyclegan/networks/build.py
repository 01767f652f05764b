"""Networks by configuration: build, initialise, make ready to translate."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations

from cyclegan.config import DiscriminatorConfig, DiscriminatorName, GeneratorConfig, GeneratorName, Init
from cyclegan.networks.discriminators import MlpDiscriminator, PatchDiscriminator, PixelDiscriminator
from cyclegan.networks.generators import MlpGenerator, ResnetGenerator, UnetGenerator
from cyclegan.networks.layers import InstanceNorm
from cyclegan.networks.projected import ProjectedDiscriminator

GENERATORS: dict[GeneratorName, Callable[[GeneratorConfig], nn.Module]] = {
    "resnet_9blocks": lambda config: ResnetGenerator(config, blocks=9),
    "resnet_6blocks": lambda config: ResnetGenerator(config, blocks=6),
    "unet_256": lambda config: UnetGenerator(config, levels=8),
    "unet_128": lambda config: UnetGenerator(config, levels=7),
    "mlp": MlpGenerator,
}

DISCRIMINATORS: dict[DiscriminatorName, Callable[[DiscriminatorConfig, int], nn.Module]] = {
    "basic": PatchDiscriminator,
    "n_layers": PatchDiscriminator,
    "pixel": PixelDiscriminator,
    "mlp": MlpDiscriminator,
    "projected": ProjectedDiscriminator,
}

INITIALIZERS: dict[Init, Callable[[Tensor, float], object]] = {
    "normal": lambda weight, gain: nn.init.normal_(weight, 0.0, gain),
    "xavier": lambda weight, gain: nn.init.xavier_normal_(weight, gain),
    "kaiming": lambda weight, _: nn.init.kaiming_normal_(weight),
    "orthogonal": lambda weight, gain: nn.init.orthogonal_(weight, gain),
}


def build_generator(config: GeneratorConfig) -> nn.Module:
    """The generator that the configuration describes, with PyTorch's initial weights."""
    return GENERATORS[config.architecture](config)


def build_discriminator(config: DiscriminatorConfig, *, in_channels: int, source_channels: int = 0) -> nn.Module:
    """Return the discriminator that the configuration describes, with PyTorch's initial weights.

    The first `source_channels` of its input are those of the source, if it sees one (pix2pix).
    """
    if config.architecture == "projected":
        return ProjectedDiscriminator(config, in_channels, source_channels)
    network = DISCRIMINATORS[config.architecture](config, in_channels)
    if config.spectral_norm:
        for module in list(network.modules()):
            if isinstance(module, nn.Conv2d | nn.Linear):
                spectral_norm(module)
    return network


def initialize(network: nn.Module, gain: float = 0.02, init: Init = "normal") -> None:
    """Draw the weights of convolutions and linear layers from a distribution, those of norms from N(1, gain);
    biases are 0.

    normal: N(0, gain), CycleGAN (arXiv:1703.10593) appendix 7.1 and pix2pix (arXiv:1611.07004) section 6.2;
    xavier: Glorot & Bengio 2010, scaled by gain; kaiming: He et al. 2015 (arXiv:1502.01852), which leaves gain no
    part; orthogonal: Saxe et al. 2014 (arXiv:1312.6120), scaled by gain.
    """
    for module in list(network.modules()):
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            normed = is_parametrized(module, "weight")
            if normed:  # its weights are made of others, and its estimate of the singular value is of the old ones
                remove_parametrizations(module, "weight", leave_parametrized=False)
            INITIALIZERS[init](module.weight, gain)
            if normed:
                spectral_norm(module)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            nn.init.normal_(module.weight, 1.0, gain)
            nn.init.zeros_(module.bias)


def use_image_statistics(network: nn.Module) -> None:
    """Replace every BatchNorm2d by the instance norm with its weight and bias, in place.

    pix2pix translates with the statistics of the test image itself (arXiv:1611.07004 section 3.3); for one
    image that is this very function, and unlike batch statistics it does not change with the batch.
    """
    for name, module in list(network.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            norm = InstanceNorm(module.num_features, affine=True)
            norm.weight, norm.bias = module.weight, module.bias
            parent, _, child = name.rpartition(".")
            setattr(network.get_submodule(parent), child, norm)


def parameter_count(network: nn.Module) -> int:
    """Number of trained values."""
    return sum(parameter.numel() for parameter in network.parameters())


def for_translation(
    network: nn.Module, *, device: torch.device | None = None, dtype: torch.dtype | None = None
) -> nn.Module:
    """A copy that translates: statistics of each image, no dropout, no gradients. The original is untouched.

    It stays on the network's device and in its precision unless told otherwise. Its weights lie as the device
    reads them fastest: channels last, but for a U-Net on the CPU, whose inner convolutions read them as matrices.
    """
    copied = copy.deepcopy(network).eval().requires_grad_(False).to(device=device, dtype=dtype)
    use_image_statistics(copied)
    as_matrices = isinstance(copied, UnetGenerator) and next(copied.parameters()).device.type == "cpu"
    return copied.to(memory_format=torch.contiguous_format if as_matrices else torch.channels_last)
