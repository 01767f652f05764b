"""Configuration of the networks, stored beside their weights as `config.json`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from pydantic import ConfigDict

from cyclegan.config.checks import Rule, check, used_by, within

GeneratorName = Literal["resnet_9blocks", "resnet_6blocks", "unet_256", "unet_128", "mlp"]
DiscriminatorName = Literal["basic", "n_layers", "pixel", "mlp", "projected"]
Norm = Literal["instance", "batch", "none"]
Activation = Literal["relu", "leaky_relu"]
Upsample = Literal["transposed", "resize"]
Bias = Literal["reference", "none"]
Palette = Literal["facades", "cmp_base"]

SIZE_MULTIPLE: dict[GeneratorName, int] = {"resnet_9blocks": 4, "resnet_6blocks": 4, "unet_256": 256, "unet_128": 128}
"""Pixels of which both sides of a generator's input must be a multiple."""
SMALLEST_SIZE: dict[GeneratorName, int] = {"resnet_9blocks": 8, "resnet_6blocks": 8, "unet_256": 256, "unet_128": 128}
"""Smallest side in pixels of a generator's input; a ResNet pads by reflection at a quarter of the size."""


def _is_mlp(config: GeneratorConfig | DiscriminatorConfig) -> bool:
    return config.architecture == "mlp"


@dataclass(frozen=True)
class GeneratorConfig:
    """The network that translates."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    architecture: GeneratorName = "resnet_9blocks"
    """Network family and depth. resnet works at any multiple of 4 pixels (the paper takes 6 blocks for images of
    128 pixels, 9 from 256 on), unet_N at multiples of N; mlp generates images from noise, for the gan method alone."""
    width: int = 64
    """Channels of the first convolution; half the width is a quarter of the size and about 3x faster."""
    norm: Norm = "instance"
    """Normalisation layer."""
    dropout: bool = False
    """Dropout 0.5 in the residual blocks, or in the inner levels of a U-Net: three of unet_256, two of unet_128."""
    in_channels: int = 3
    """Channels of the input: 3 for colour, 1 for grey. CycleGAN's generator ba has the two exchanged."""
    out_channels: int = 3
    """Channels of the output: 3 for colour, 1 for grey, 2 for colorization."""
    activation: Activation = "relu"
    """leaky_relu (slope 0.2) in the place of every ReLU lets gradients through where a unit is off."""
    upsample: Upsample = "transposed"
    """Upsampling layers: transposed convolution, or resize (nearest) and a 3x3 convolution, which leaves no
    checkerboard (Odena et al. 2016, doi:10.23915/distill.00003)."""
    bias: Bias = "reference"
    """Biases of the convolutions before a norm: as in the reference, or none, since an instance norm removes them."""
    classes: Palette | None = None
    """Generate label maps (domain b) in the colours of this palette: the last layer gives the logits of the classes,
    which a cross entropy teaches, weighted like the L1 or cycle loss beside it. None generates any colours."""

    def __post_init__(self) -> None:
        check(self, GENERATOR_RULES, "generator ")

    @property
    def norm_bias(self) -> bool:
        """Whether a convolution before a norm has a bias: without a norm it must have one, and the reference
        leaves it out before batch norm alone."""
        return self.norm == "none" or (self.bias == "reference" and self.norm != "batch")


def reversed_way(config: GeneratorConfig) -> GeneratorConfig:
    """Return the configuration of CycleGAN's generator ba."""
    return replace(config, in_channels=config.out_channels, out_channels=config.in_channels, classes=None)


GENERATOR_RULES = (
    *within(lambda width: 1 <= width <= 256, "1 to 256 channels", "width"),
    Rule(
        "in_channels",
        lambda c: 1 <= c.in_channels <= (1024 if _is_mlp(c) else 3),
        "; it must be 1 to 3, for an mlp 1 to 1024 values of noise",
    ),
    *within(lambda channels: 1 <= channels <= 3, "1 to 3", "out_channels"),
    Rule(
        "classes",
        lambda c: c.classes is None or c.out_channels == 3,
        ", whose label maps have 3 channels, not {c.out_channels}",
        "use --generator.out-channels 3, or leave --generator.classes out",
    ),
    Rule(
        "classes",
        lambda c: c.classes is None or not _is_mlp(c),
        ", but an mlp generates no label maps",
        "leave --generator.classes out",
    ),
    Rule(
        "norm",
        lambda c: not _is_mlp(c) or c.norm != "instance",
        ", but an mlp generator has no maps to normalise",
        "use --generator.norm batch or none",
    ),
    *used_by("a ResNet or U-Net", lambda c: not _is_mlp(c), "upsample", "dropout", "bias"),
)


@dataclass(frozen=True)
class DiscriminatorConfig:
    """The network that tells real from fake."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    architecture: DiscriminatorName = "basic"
    """basic: the 70x70 PatchGAN; n_layers: a PatchGAN of `layers` layers; pixel: each pixel on its own (1x1);
    mlp: the whole image at once, for the gan method alone; projected: ImageNet features at four scales, meant for
    gan_mode hinge and diffaugment (Sauer et al. 2021, arXiv:2111.01007; needs requirements-features.txt)."""
    width: int = 64
    """Channels of the first convolution."""
    norm: Norm = "instance"
    """Normalisation layer."""
    layers: int = 3
    """Downsampling layers of n_layers: 1 sees patches of 16x16 pixels, 2 34x34, 3 70x70, 4 142x142."""
    spectral_norm: bool = False
    """Divide every layer's weights by their largest singular value (Miyato et al. 2018, arXiv:1802.05957); norms
    stay."""

    def __post_init__(self) -> None:
        check(self, DISCRIMINATOR_RULES, "discriminator ")


DISCRIMINATOR_RULES = (
    *within(lambda layers: 1 <= layers <= 6, "1 to 6", "layers"),
    *within(lambda width: 1 <= width <= 256, "1 to 256 channels", "width"),
    Rule(
        "norm",
        lambda c: c.architecture not in ("mlp", "projected") or c.norm == "none",
        ", but {c.architecture} has none",
        "use --discriminator.norm none",
    ),
    Rule(
        "spectral_norm",
        lambda c: c.architecture != "projected" or not c.spectral_norm,
        ", but projected always has it",
        "leave --discriminator.spectral-norm out",
    ),
    Rule(
        "layers",
        lambda c: c.architecture == "n_layers" or c.layers == 3,
        ", but {c.architecture} has no such choice",
        "use --discriminator.architecture n_layers",
    ),
)


def smallest_judged(discriminator: DiscriminatorConfig) -> int:
    """Return the smallest side in pixels of an image that a discriminator takes."""
    if discriminator.architecture == "projected":
        return 32  # for one place of the coarsest features
    return 1 if discriminator.architecture == "pixel" else 3 * 2**discriminator.layers
