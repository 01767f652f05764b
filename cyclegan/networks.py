"""Generators and discriminators, with the layer order and state-dict keys of junyanz/pytorch-CycleGAN-and-pix2pix."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cyclegan.config import (
    SIZE_MULTIPLE,
    SMALLEST_SIZE,
    DiscriminatorConfig,
    DiscriminatorName,
    GeneratorConfig,
    GeneratorName,
    Norm,
)

IMAGE_CHANNELS = 3


class InstanceNorm(nn.Module):
    """Normalise every channel of every image by its own mean and variance.

    Ulyanov et al. 2016 (arXiv:1607.08022). The function is `nn.InstanceNorm2d`'s (no running statistics,
    eps 1e-5), but that layer copies channels-last tensors to NCHW and back; these two kernels do not:
    batch normalisation of a batch of one has the fast backward, group normalisation with one channel a
    group the fast forward.

    Shapes: [N, channels, H, W] -> the same. Without `affine` it has no parameters.
    """

    def __init__(self, channels: int, *, affine: bool = False) -> None:
        super().__init__()
        self.channels = channels
        self.weight = nn.Parameter(torch.ones(channels)) if affine else None
        self.bias = nn.Parameter(torch.zeros(channels)) if affine else None

    def forward(self, x: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return F.group_norm(x, self.channels, self.weight, self.bias)
        images = [F.batch_norm(image, None, None, self.weight, self.bias, training=True) for image in x.split(1)]
        return images[0] if len(images) == 1 else torch.cat(images)


NORMS: dict[Norm, Callable[[int], nn.Module]] = {
    "instance": InstanceNorm,
    "batch": nn.BatchNorm2d,
    "none": lambda _: nn.Identity(),
}


class ResnetBlock(nn.Module):
    """Two 3x3 convolutions whose result is added to the input: [N, C, H, W] -> the same.

    He et al. 2016 (arXiv:1512.03385), without the last ReLU, as Johnson et al. 2016 use it.
    """

    def __init__(self, channels: int, norm: Norm, *, dropout: bool) -> None:
        super().__init__()
        bias = norm != "batch"
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=bias),
            NORMS[norm](channels),
            nn.ReLU(),
            *([nn.Dropout(0.5)] if dropout else []),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=bias),
            NORMS[norm](channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


class ResnetGenerator(nn.Module):
    """Translate an image at its own size, through residual blocks at a quarter of it.

    Architecture: Johnson et al. 2016 (arXiv:1603.08155), as CycleGAN's appendix 7.2 uses it.
    The layer order, and so every state-dict key, is that of junyanz/pytorch-CycleGAN-and-pix2pix:
    its published weights load unchanged.

    Shapes: [N, 3, H, W] -> [N, 3, H, W], values in [-1, 1].
    Raises ValueError where H or W is no multiple of 4, since the output would not align with the input, or below 8.
    """

    def __init__(self, config: GeneratorConfig, *, blocks: int) -> None:
        super().__init__()
        width, norm = config.width, config.norm
        bias = norm != "batch"
        layers: list[nn.Module] = [
            nn.ReflectionPad2d(3),
            nn.Conv2d(IMAGE_CHANNELS, width, 7, bias=bias),
            NORMS[norm](width),
            nn.ReLU(),
        ]
        for channels in (width, 2 * width):
            layers += [
                nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1, bias=bias),
                NORMS[norm](2 * channels),
                nn.ReLU(),
            ]
        layers += [ResnetBlock(4 * width, norm, dropout=config.dropout) for _ in range(blocks)]
        for channels in (4 * width, 2 * width):
            layers += [
                nn.ConvTranspose2d(channels, channels // 2, 3, stride=2, padding=1, output_padding=1, bias=bias),
                NORMS[norm](channels // 2),
                nn.ReLU(),
            ]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(width, IMAGE_CHANNELS, 7), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        _check_size(x, SIZE_MULTIPLE["resnet_9blocks"], SMALLEST_SIZE["resnet_9blocks"])
        return self.model(x)


MATRIX_PIXELS = 64
"""Up to this many pixels at its smaller side a U-Net convolution is computed as a matrix product on the CPU: there
reading the weights is all the work, and oneDNN would first copy them into its own layout, at every call."""


class HalvingConv(nn.Conv2d):
    """Conv2d of kernel 4, stride 2, padding 1: [N, in, H, W] -> [N, out, H/2, W/2]."""

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool) -> None:
        super().__init__(in_channels, out_channels, 4, stride=2, padding=1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2] // 2, x.shape[3] // 2
        if x.device.type != "cpu" or height * width > MATRIX_PIXELS:
            return super().forward(x)
        patches = F.unfold(x, 4, stride=2, padding=1).transpose(1, 2)
        return F.linear(patches, self.weight.flatten(1), self.bias).transpose(1, 2).unflatten(2, (height, width))


class DoublingConv(nn.ConvTranspose2d):
    """ConvTranspose2d of kernel 4, stride 2, padding 1: [N, in, H, W] -> [N, out, 2H, 2W]."""

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool) -> None:
        super().__init__(in_channels, out_channels, 4, stride=2, padding=1, bias=bias)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        height, width = x.shape[2:]
        if x.device.type != "cpu" or height * width > MATRIX_PIXELS:
            return super().forward(x, output_size)
        patches = torch.matmul(x.flatten(2).transpose(1, 2), self.weight.flatten(1)).transpose(1, 2)
        y = F.fold(patches, (2 * height, 2 * width), 4, stride=2, padding=1)
        return y if self.bias is None else y + self.bias[:, None, None]


class UnetLevel(nn.Module):
    """One level of the U-Net: halve, go through the inner levels, double, and pass the input on beside the result.

    Shapes: [N, outer, H, W] -> [N, 2 * outer, H, W]; the outermost level maps images to images.
    """

    def __init__(
        self,
        outer: int,
        inner: int,
        submodule: UnetLevel | None,
        norm: Norm,
        *,
        dropout: bool = False,
        outermost: bool = False,
    ) -> None:
        super().__init__()
        bias = norm != "batch"
        self.outermost = outermost
        down = HalvingConv(outer, inner, bias=bias)
        up_from = inner if submodule is None else 2 * inner
        up = DoublingConv(up_from, outer, bias=bias or outermost)
        layers: list[nn.Module] = [down]
        if not outermost:
            layers.insert(0, nn.LeakyReLU(0.2))
        if submodule is not None:
            layers += [submodule] if outermost else [NORMS[norm](inner), submodule]
        layers += [nn.ReLU(), up, nn.Tanh() if outermost else NORMS[norm](outer)]
        if dropout:
            layers.append(nn.Dropout(0.5))
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        # The reference's in-place LeakyReLU also alters the skip connection; the ReLU that follows the
        # concatenation makes both the same function.
        return self.model(x) if self.outermost else torch.cat([x, self.model(x)], 1)


class UnetGenerator(nn.Module):
    """Translate an image through ever smaller feature maps, with skip connections between equal sizes.

    Architecture: Ronneberger et al. 2015 (arXiv:1505.04597), as pix2pix's appendix 6.1 uses it; `levels`
    halvings, so that unet_256 meets one pixel in the middle of a 256-pixel image.

    Shapes: [N, 3, H, W] -> [N, 3, H, W], values in [-1, 1].
    Raises ValueError where H or W is no multiple of 2 ** levels.
    """

    def __init__(self, config: GeneratorConfig, *, levels: int) -> None:
        super().__init__()
        width, norm = config.width, config.norm
        level = UnetLevel(8 * width, 8 * width, None, norm)
        for _ in range(levels - 5):
            level = UnetLevel(8 * width, 8 * width, level, norm, dropout=config.dropout)
        for outer in (4 * width, 2 * width, width):
            level = UnetLevel(outer, 2 * outer, level, norm)
        self.multiple = 2**levels
        self.model = UnetLevel(IMAGE_CHANNELS, width, level, norm, outermost=True)

    def forward(self, x: Tensor) -> Tensor:
        _check_size(x, self.multiple, self.multiple)
        return self.model(x)


class PatchDiscriminator(nn.Module):
    """Judge overlapping patches: one logit for each, high for real. The default sees 70x70 pixels a patch.

    Architecture: pix2pix (arXiv:1611.07004) section 3.2.2 and appendix 6.1.2.

    Shapes: [N, in_channels, H, W] -> [N, 1, H/8 - 2, W/8 - 2], unbounded values.
    """

    def __init__(self, config: DiscriminatorConfig, *, in_channels: int, layers: int = 3) -> None:
        super().__init__()
        width, norm = config.width, config.norm
        model: list[nn.Module] = [nn.Conv2d(in_channels, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        channels = width
        for layer in range(1, layers + 1):
            wider = width * min(2**layer, 8)
            stride = 2 if layer < layers else 1
            model += [
                nn.Conv2d(channels, wider, 4, stride=stride, padding=1, bias=norm != "batch"),
                NORMS[norm](wider),
                nn.LeakyReLU(0.2),
            ]
            channels = wider
        model.append(nn.Conv2d(channels, 1, 4, padding=1))
        self.model = nn.Sequential(*model)

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


GENERATORS: dict[GeneratorName, Callable[[GeneratorConfig], nn.Module]] = {
    "resnet_9blocks": lambda config: ResnetGenerator(config, blocks=9),
    "resnet_6blocks": lambda config: ResnetGenerator(config, blocks=6),
    "unet_256": lambda config: UnetGenerator(config, levels=8),
    "unet_128": lambda config: UnetGenerator(config, levels=7),
}

DISCRIMINATORS: dict[DiscriminatorName, Callable[[DiscriminatorConfig, int], nn.Module]] = {
    "basic": lambda config, in_channels: PatchDiscriminator(config, in_channels=in_channels),
}


def build_generator(config: GeneratorConfig) -> nn.Module:
    """The generator that the configuration describes, with PyTorch's initial weights."""
    return GENERATORS[config.architecture](config)


def build_discriminator(config: DiscriminatorConfig, *, in_channels: int) -> nn.Module:
    """The discriminator that the configuration describes, with PyTorch's initial weights."""
    return DISCRIMINATORS[config.architecture](config, in_channels)


def initialize(network: nn.Module, gain: float) -> None:
    """Draw convolution weights from N(0, gain), norm weights from N(1, gain); biases are 0.

    Source: CycleGAN (arXiv:1703.10593) appendix 7.1 and pix2pix (arXiv:1611.07004) section 6.2.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, gain)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
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


def _check_size(x: Tensor, multiple: int, smallest: int) -> None:
    height, width = x.shape[-2:]
    if height % multiple or width % multiple:
        raise ValueError(f"image is {width}x{height}; both sides must be multiples of {multiple}")
    if min(height, width) < smallest:
        raise ValueError(f"image is {width}x{height}; both sides must have {smallest} pixels or more")


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
